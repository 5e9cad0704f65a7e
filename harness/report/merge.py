# SPDX-License-Identifier: Apache-2.0
"""Merges reports: the shards of a CI run, with their evidence, as if one machine had run all cells."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, TypeAdapter

from harness import named_files
from harness.errors import HostError, UsageError
from harness.evidence.bundle import bundle
from harness.redaction.redactor import Redactor
from harness.report import attachments, html, junit, summary
from harness.report.files import set_modes, write_atomically
from harness.report.flakes import flakes
from harness.report.model import CellResult, OperatorResult, RunResult, ShardResult, SourceResult
from harness.report.stored import of_results
from harness.report.writer import HTML, JUNIT, RESULTS, SUMMARY, read
from harness.settings import ARTIFACT_VARIABLE
from harness.untrusted import files_below, first_problem, from_json, inside

_WRITTEN = frozenset({RESULTS, JUNIT, HTML, SUMMARY})
_BUNDLE = ".tar.gz"
_LOCKS = "locks/"


class _PlannedShard(BaseModel):
    """A shard, of which its cells matter here."""

    cells: tuple[str, ...]


_PLAN = TypeAdapter(Annotated[tuple[_PlannedShard, ...], Field(min_length=1)])


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A report to merge, and its folder."""

    folder: Path
    run: RunResult


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The merged report. `moved` maps renamed folders of evidence: (shard's folder, old name) → new name."""

    run: RunResult
    moved: Mapping[tuple[Path, str], str]


def find(folders: Sequence[Path], unreadable: Callable[[UsageError], None] | None = None) -> list[Shard]:
    """The reports in these folders, at any depth, the earliest first, without duplicates. A results.json is one, too.

    A report that cannot be read is left out, and told to `unreadable` where there is one. Raises UsageError for it
    otherwise, for a path that is not a folder or has no report, and for two different reports with the same run id.
    """
    found: dict[str, Shard] = {}
    for folder in map(of_results, folders):
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder", "give report folders, or folders that contain some")
        files = [file for file in files_below(folder) if file.name == RESULTS]
        if not files:
            raise UsageError(f"{folder} has no {RESULTS} in it", "download the reports first, or omit the folder")
        for file in files:
            try:
                shard = Shard(folder=file.parent, run=_read(file))
            except UsageError as error:
                if unreadable is None:
                    raise
                unreadable(error)
                continue
            known = found.setdefault(shard.run.run_id, shard)
            if known.run != shard.run:
                raise UsageError(
                    f"{known.folder} and {shard.folder} both have run {shard.run.run_id}, with different results",
                    "omit one of them; the harness cannot decide which one is right",
                )
    # A report that was merged before has nothing that is not in its shards.
    whole = [it for it in found.values() if not it.run.shards or {of.run_id for of in it.run.shards} - found.keys()]
    return sorted(whole, key=lambda it: (it.run.started, it.run.run_id))


def planned_cells(plan: Path) -> list[str]:
    """The ids of the cells of all shards, from what `harness matrix --json --shards N` printed. Raises UsageError."""
    try:
        shards = _PLAN.validate_python(from_json(named_files.text(plan)))
    except (OSError, ValueError) as wrong:
        raise UsageError(
            f"{plan} is not a shard plan: {first_problem(wrong)}", "write it with `harness matrix --json --shards N`"
        ) from wrong
    return [cell for shard in shards for cell in shard.cells]


def merge(shards: Sequence[Shard], *, planned: Iterable[str] = ()) -> Merged:
    """One report of several; `planned` are cells that must have a result in addition to those that the shards planned.

    If several shards ran a cell, each result counts as a further attempt. Raises UsageError when there is no
    shard, and for shards of different versions of the harness, whose verdicts do not mean the same.
    """
    if not shards:
        raise UsageError("there is no report to merge", "give report folders")
    versions = {it.run.harness_version: it.folder for it in shards}
    if len(versions) > 1:
        told = ", ".join(f"{folder} has {version}" for version, folder in versions.items())
        raise UsageError(
            f"the reports were written by different versions of the harness: {told}",
            "run all shards with the same version",
        )
    runs = [it.run for it in shards]
    cells, moved = _cells(shards)
    every = [*planned, *(name for run in runs for name in run.planned)]
    position = {name: number for number, name in enumerate(dict.fromkeys(every))}
    cells.sort(key=lambda cell: (position.get(cell.id, len(position)), cell.attempt))
    seeds = {run.seed for run in runs}
    memory = [run.peak_memory_mib for run in runs if run.peak_memory_mib is not None]
    run = RunResult(
        run_id=_run_id(runs),
        started=min(run.started for run in runs),
        # A shard that never ended leaves its cells without a result, which is said of an ended run only.
        ended=max((run.ended for run in runs if run.ended), default=datetime.now(UTC)),
        harness_version=runs[0].harness_version,
        source=_source(runs),
        host=runs[0].host,
        tools=_tools(runs),
        selection=_selection(runs),
        planned=tuple(position),
        cells=tuple(cells),
        peak_memory_mib=max(memory, default=None),
        leaks=tuple(f"{run.run_id}: {leak}" for run in runs for leak in (*run.leaks, *_unproved(run))),
        seed=seeds.pop() if len(seeds) == 1 else None,
        flakes=flakes(cells),
        plan=tuple(cluster for run in runs for cluster in run.plan),
        operator=_operator(runs),
        shards=tuple(part for it in shards for part in (it.run.shards or (_shard(it),))),
    )
    return Merged(run=run, moved=moved)


def _operator(runs: Sequence[RunResult]) -> OperatorResult | None:
    """The operator under test, where all runs had the same one, with all that it was compared with."""
    found = [run.operator for run in runs]
    first = found[0]
    if first is None or any(it is None or it.sha256 != first.sha256 for it in found):
        return None
    changes = {each.release: each for it in found if it is not None for each in it.changes}
    return first.model_copy(update={"changes": tuple(changes.values())})


def write(
    merged: Merged,
    shards: Sequence[Shard],
    folder: Path,
    *,
    share: bool = False,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Write the report with the evidence and locks of all shards into `folder`; on GitHub, add to the job's summary.

    Only this user may read it, or with `share` every user of the machine. Raises HostError when a file cannot
    be copied, and UsageError when the folder is one of the shards or has files.
    """
    if why := named_files.why_no_folder(folder):
        raise UsageError(f"the report cannot be written to {folder}: {why}", "give another folder to --output")
    if any(folder.resolve() == it.folder.resolve() for it in shards):
        raise UsageError(f"{folder} is one of the reports to merge", "give another folder to --output")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", "remove it, or give another folder to --output")
    variables = os.environ if environment is None else environment
    run = merged.run
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for shard in shards:
            _copy(shard, folder, {old: new for (of, old), new in merged.moved.items() if of == shard.folder})
        write_atomically(folder / RESULTS, run.model_dump_json(indent=2) + "\n")
        write_atomically(folder / JUNIT, junit.render(run))
        write_atomically(folder / HTML, html.render(run, attachments.find(folder, run)))
        page = summary.markdown(run, artifact=variables.get(ARTIFACT_VARIABLE, ""))
        write_atomically(folder / SUMMARY, page)
        if variables.get("GITHUB_STEP_SUMMARY"):
            summary.add_to_job(page, Path(variables["GITHUB_STEP_SUMMARY"]))
        set_modes(folder, share=share)
    except OSError as error:
        raise HostError(
            f"cannot write the merged report to {folder}: {error}", "free disk space there, or give another folder"
        ) from error


def _read(file: Path) -> RunResult:
    try:
        return read(file)
    except (OSError, ValueError) as wrong:
        raise UsageError(
            f"{file} cannot be read as results of this version of the harness: {first_problem(wrong)}",
            "use the version that wrote it",
        ) from wrong


def _cells(shards: Sequence[Shard]) -> tuple[list[CellResult], dict[tuple[Path, str], str]]:
    """All results, each with its shard, and with attempts numbered uniquely within each cell."""
    found: list[CellResult] = []
    moved: dict[tuple[Path, str], str] = {}
    last: dict[str, int] = {}
    for shard in shards:
        before = dict(last)
        for cell in shard.run.cells:
            attempt = cell.attempt + before.get(cell.id, 0)
            last[cell.id] = max(last.get(cell.id, 0), attempt)
            changes: dict[str, object] = {"attempt": attempt, "shard": cell.shard or shard.run.run_id}
            if attempt != cell.attempt:
                name = f"{cell.id}.attempt-{attempt}"
                new = {
                    cell.evidence: name,
                    **{it.evidence: f"{name}.retry-{n}" for n, it in enumerate(cell.retries, 1)},
                }
                moved.update({(shard.folder, old): it for old, it in new.items() if old})
                changes["evidence"] = cell.evidence and new[cell.evidence]
                changes["retries"] = tuple(
                    it.model_copy(update={"evidence": it.evidence and new[it.evidence]}) for it in cell.retries
                )
            found.append(cell.model_copy(update=changes))
    return found, moved


def _shard(shard: Shard) -> ShardResult:
    fields = {name: getattr(shard.run, name) for name in ShardResult.model_fields if name != "folder"}
    return ShardResult(folder=str(shard.folder), **fields)


def _run_id(runs: Sequence[RunResult]) -> str:
    """A run id in the usual format, the same each time that the same runs are merged."""
    together = hashlib.sha256(" ".join(run.run_id for run in runs).encode()).hexdigest()
    return f"{runs[0].run_id[:15]}-{together[:4]}"


def _source(runs: Sequence[RunResult]) -> SourceResult:
    kinds = dict.fromkeys(run.source.told for run in runs)
    if len(kinds) == 1:
        return runs[0].source
    told = ", ".join(f"{run.run_id} from {run.source.told}" for run in runs)
    rehearsed = any(run.source.rehearsed for run in runs)
    why = f"the shards used different image sources: {told}"
    return SourceResult(kind=runs[0].source.kind, why=why, rehearsed=rehearsed)


def _tools(runs: Sequence[RunResult]) -> dict[str, str]:
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        for name, version in run.tools.items():
            found.setdefault(name, {})[version] = None
    return {name: " / ".join(versions) for name, versions in found.items()}


def _selection(runs: Sequence[RunResult]) -> tuple[str, ...]:
    selections = dict.fromkeys(run.selection for run in runs)
    return tuple(word for selection in selections for word in selection)


def _unproved(run: RunResult) -> tuple[str, ...]:
    return () if run.ended else ("the run did not end, so there was no leak proof",)


def _copy(shard: Shard, folder: Path, moved: Mapping[str, str]) -> None:
    """Every regular file of a report that is not regenerated, with its new name and without its secrets."""
    packed: list[Path] = []
    for file in files_below(shard.folder):
        relative = file.relative_to(shard.folder).as_posix()
        if relative in _WRITTEN:
            continue
        for old, new in moved.items():
            if relative == f"{old}{_BUNDLE}" or relative.startswith(f"{old}/"):
                relative = new + relative.removeprefix(old)
                break
        target = inside(folder, relative)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.with_name(file.name.removesuffix(_BUNDLE)).is_dir():
            packed.append(target.with_name(target.name.removesuffix(_BUNDLE)))
        elif relative.startswith(_LOCKS):
            # A lock is known by its digest, and was redacted before that was taken.
            shutil.copy2(file, target)
        else:
            Redactor().file(file, target)
            shutil.copystat(file, target)
    for evidence in packed:
        bundle(evidence)
