# SPDX-License-Identifier: Apache-2.0
"""Removes what dead runs left, or everything that the harness has created on this host, and proves it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.cleanup import engine
from harness.cleanup.ownership import IN_ENGINE, Claim, Scope, Stranger
from harness.cleanup.remains import Remain, Survey, look_for, look_for_all, remove, remove_folder
from harness.errors import EngineError, HostError, UsageError
from harness.evidence.installation import NOBODY, installation_of, own_parts
from harness.evidence.ledger import Ledger, StaleLedger, claimed, ledger_folder, live_runs, not_ledgers, stale_ledgers
from harness.evidence.ledger_entries import Owner, read
from harness.evidence.markdown import plain
from harness.host.engine import dockerd_runs, stop_engine
from harness.host.engine_mark import NO_ENGINE, EngineMark
from harness.invocation import here
from harness.settings import PROJECT_ROOT, Settings
from harness.untrusted import RUN_ID
from harness.wording import first_few

Say = Callable[[str], None]

_KINDS = ("container", "network", "volume", "image", "process", "context", "kubeconfig", "folder")
_LISTED = 6
"""How many names a sentence has."""


def clean_stale(settings: Settings, *, say: Say = lambda line: None) -> list[str]:
    """Remove what dead runs of this cache left; returns messages on what was done. For the start of a run.

    What cannot be removed or inspected stays in its ledger for the next time; what a user kept is not touched.
    `say` receives progress messages.
    """
    messages: list[str] = []

    def tell(line: str) -> None:
        messages.append(line)
        say(line)

    for stale in stale_ledgers(ledger_folder(settings)):
        if stale.owner.elsewhere:
            tell(_elsewhere(settings, stale.owner))
        elif not stale.owner.kept:
            _remove_run(stale, "was terminated before it could clean up", tell)
    return messages


def clean_run(settings: Settings, run_id: str, *, say: Say) -> list[str]:
    """Remove what one run left behind or kept, and nothing else; returns descriptions of what remains.

    Raises UsageError when no such run left anything, HostError when it is still in progress.
    """
    stale = {it.owner.run_id: it for it in stale_ledgers(ledger_folder(settings))}
    if run_id in {owner.run_id for owner in live_runs(ledger_folder(settings))}:
        raise HostError(f"run {run_id} is still in progress", "wait until it has ended, or stop it with Ctrl-C")
    if run_id not in stale:
        known = ", ".join(sorted(stale)) or "none"
        raise UsageError(
            f"run {run_id} has left nothing on this host", f"runs with leftovers or kept clusters: {known}"
        )
    return _remove_run(stale[run_id], "is over", say)


def _remove_run(stale: StaleLedger, why: str, tell: Say) -> list[str]:
    with claimed(stale) as ledger:
        if ledger is None:
            return []
        run_id, claim = ledger.run_id, _claim(ledger, _which_engine())
        used_engine = not ledger.ever_planned().isdisjoint(IN_ENGINE)
        before = look_for(claim, used_engine=used_engine)
        if before.removable:
            tell(f"run {run_id} {why}; removing {_listed(before.removable)}")
        problems = remove(before.removable)
        after = look_for(claim, used_engine=used_engine) if before.remains else before
        _settle(ledger, claim, after)
        unseen = [*after.unseen, *_in_another_engine(ledger, claim)]
        unseen += _in_clusters(ledger)
        for problem in (*problems, *unseen):
            tell(f"not removed of run {run_id}: {problem}")
        return [*map(str, after.removable), *unseen]


def clean(
    settings: Settings, *, keep_cache: bool = False, console: Console | None = None, say: Say = lambda line: None
) -> list[str]:
    """Remove everything that this cache's runs have created, inspect the host again, and print the proof.

    Returns what remains or could not be inspected; empty means clean. With `keep_cache` the foundry's artefacts,
    the tools, the harness's images and its engine's data stay. Reports stay in any case, and so does what other caches'
    runs have created: it is named, with the command of its owner. Raises HostError when a run is alive.
    """
    _refuse_if_alive(settings)
    rows: list[_Row] = []
    leaks: list[str] = []
    with ExitStack() as stack:
        stale = stale_ledgers(ledger_folder(settings))
        leaks += [_elsewhere(settings, it.owner) for it in stale if it.owner.elsewhere]
        ledgers = [stack.enter_context(claimed(it)) for it in stale if not it.owner.elsewhere]
        which = _which_engine()
        claims = {ledger: _claim(ledger, which) for ledger in ledgers if ledger is not None}
        scope = _scope(settings, tuple(claims.values()))
        before = _without_cache(look_for_all(scope), keep_cache=keep_cache)
        if before.removable:
            say(f"removing {_listed(before.removable)}")
        problems = remove(before.removable)
        after = _without_cache(look_for_all(scope), keep_cache=keep_cache)
        for ledger, claim in claims.items():
            _settle(ledger, claim, after)
            leaks += [*_in_another_engine(ledger, claim), *_in_clusters(ledger)]
        rows += [_row(kind, before, after) for kind in _KINDS if not (keep_cache and kind == "image")]
    leaks += [f"still exists: {remain}" for remain in after.removable]
    leaks += problems if after.removable else []
    ended, unseen = _end_engine(settings, after.unseen, keep_cache=keep_cache, say=say)
    rows.append(ended)
    leaks += [ended.note] if ended.left else []
    leaks += [f"could not be inspected: {what}" for what in unseen]
    cache = _remove_cache(settings, keep_cache=keep_cache, leaks=leaks)
    rows.append(cache)
    leaks += [cache.note] if cache.left else []
    _print(console or Console(), rows, leaks, settings, after.strangers)
    return leaks


def _scope(settings: Settings, claims: tuple[Claim, ...]) -> Scope:
    """What is this cache's. A cache without an id has marked nothing."""
    known = (settings.cache_dir / "installation.json").is_file()
    return Scope(
        claims=claims,
        installation=installation_of(settings.cache_dir) if known else NOBODY,
        images=frozenset(_images_of(settings.cache_dir / "artifacts")),
    )


def _images_of(artifacts: Path) -> Iterator[str]:
    """The references of the node images that were built into the engine: their artefacts hold nothing else."""
    for note in artifacts.glob("*/*/image.txt"):
        with suppress(OSError, UnicodeDecodeError):  # Another process may be building or pruning it.
            yield from note.read_text().split()[:1]


def _which_engine() -> EngineMark:
    """The engine that answers. Of one that does not, the search itself says so."""
    try:
        return engine.which()
    except EngineError:
        return NO_ENGINE


def _claim(ledger: Ledger, which: EngineMark) -> Claim:
    owner, entries = read(ledger.path)
    return Claim.of(owner, entries, in_engine=owner.engine.is_same(which))


def _in_another_engine(ledger: Ledger, claim: Claim) -> list[str]:
    """What is open of a run whose engine is not the one that was asked, and who has to be asked."""
    entries = [] if claim.in_engine else [it for it in ledger.open_entries() if it.kind in IN_ENGINE]
    if not entries:
        return []
    mark = read(ledger.path)[0].engine
    command = here(f"nox -s clean -- --run {ledger.run_id}")
    names = ", ".join(f"{it.kind} {it.name}" for it in entries)
    how = f"{mark.reached} {command}" if mark.reached else f"{command}, without DOCKER_HOST and DOCKER_CONTEXT"
    return [f"{names}: in another container engine, that of {mark.host}; with it: {how}"]


def _in_clusters(ledger: Ledger) -> list[str]:
    """What is open of a run in clusters of its user's, which are asked only where the user says so."""
    messages = []
    for it in ledger.open_entries():
        if it.kind == "stay":
            context, server = it.facts.get("context"), it.facts.get("server")
            command = here(f"harness clean --context {context}")
            gone = f"if that cluster is gone: rm {ledger.path}"
            messages.append(f"in the cluster of context {context} ({server}), removed with: {command}; {gone}")
    return messages


def _elsewhere(settings: Settings, owner: Owner) -> str:
    command = here(f"HARNESS_CACHE={shlex.quote(str(settings.cache_dir))} nox -s clean -- --run {owner.run_id}")
    return f"run {owner.run_id} was on another machine, {owner.host}, and can only be removed there: {command}"


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A line of the proof: how many were found, how many are left, and a note."""

    what: str
    found: int
    left: int
    note: str = ""


def _refuse_if_alive(settings: Settings) -> None:
    alive = {f"run {owner.run_id}": owner.pid for owner in live_runs(ledger_folder(settings))}
    at_work = [it for it in _at_work(settings.cache_dir) if it.pid != os.getpid()]
    # A run of another cache has things of its own, but may have its containers in the engine that would be stopped.
    shared = dockerd_runs(settings)
    alive |= {it.what: it.pid for it in at_work if it.ours or shared}
    if alive:
        which = ", ".join(f"{what} (process {pid})" for what, pid in sorted(alive.items()))
        raise HostError(
            f"nothing was removed, because the harness is running: {which}",
            "wait until it has ended, or stop it (Ctrl-C, or kill with its process id), then clean again",
        )


@dataclass(frozen=True, kw_only=True)
class _AtWork:
    """What a process is doing, and whether with this cache."""

    what: str
    pid: int
    ours: bool


def _at_work(cache: Path) -> Iterator[_AtWork]:
    """Processes that hold a ledger of any cache on this host, or the lock of an artefact of this cache."""
    ledger = re.compile(rf"(.*)/ledger/({RUN_ID.pattern})\.jsonl")
    root = cache.resolve()
    for process in psutil.process_iter():
        try:
            files = process.open_files()
        except (psutil.AccessDenied, psutil.NoSuchProcess, OSError):
            continue
        for file in files:
            if found := ledger.fullmatch(file.path):
                yield _AtWork(what=f"run {found[2]}", pid=process.pid, ours=Path(found[1]) == root)
            elif file.path.endswith(".lock") and Path(file.path).is_relative_to(root / "artifacts"):
                yield _AtWork(what=f"build of {Path(file.path).stem}", pid=process.pid, ours=True)


def _settle(ledger: Ledger, claim: Claim, after: Survey) -> None:
    """Mark in a ledger what is proved to be gone."""
    left = {(remain.kind, remain.name) for remain in after.remains} | {
        (remain.kind, remain.id) for remain in after.remains
    }
    containers_left = any(remain.kind == "container" for remain in after.remains)
    for entry in ledger.open_entries():
        if entry.kind == "stay" or (entry.kind in IN_ENGINE and (after.unseen or not claim.in_engine)):
            continue
        if entry.kind == "cluster":
            there = containers_left
        elif entry.kind == "process":
            there = ("process", str(entry.facts.get("pid"))) in left
        else:
            there = (entry.kind, entry.name) in left
        if not there:
            ledger.gone(entry.kind, entry.name)


def _without_cache(survey: Survey, *, keep_cache: bool) -> Survey:
    if not keep_cache:
        return survey
    return replace(
        survey,
        remains=tuple(it for it in survey.remains if it.kind != "image"),
        # To keep the cache is to keep images, whoever's.
        strangers=tuple(it for it in survey.strangers if not it.what.startswith("image ")),
    )


def _row(kind: str, before: Survey, after: Survey) -> _Row:
    found = [remain for remain in before.remains if remain.kind == kind]
    left = [remain for remain in after.removable if remain.kind == kind]
    used = [remain for remain in after.remains if remain.kind == kind and remain.used_by]
    note = first_few([remain.name for remain in left or found if remain not in used], _LISTED)
    note += "".join(f" (kept {remain.name}: used by {', '.join(remain.used_by)})" for remain in used)
    plural = "processes" if kind == "process" else f"{kind}s"
    if kind in IN_ENGINE and after.unseen:
        note = "could not be inspected"
    return _Row(what={"context": "contexts in your kubeconfig", "folder": "temporary folders"}.get(kind, plural),
                found=len(found), left=len(left), note=note.strip())  # fmt: skip


def _end_engine(
    settings: Settings, unseen: Sequence[str], *, keep_cache: bool, say: Say
) -> tuple[_Row, tuple[str, ...]]:
    """Stop the harness's own engine. What could not be inspected in it is gone once its data is."""
    folder = settings.cache_dir / "engine"
    had_data = (folder / "data").exists()
    try:
        ours = stop_engine(settings, remove_data=not keep_cache, progress=say)
    except EngineError as error:
        return _Row(what="engine started by the harness", found=1, left=1, note=str(error)), tuple(unseen)
    if had_data and not keep_cache and not folder.exists():
        unseen = ()
    note = ("stopped, its data stays in the cache" if keep_cache else "stopped, its data removed") if ours else ""
    return _Row(what="engine started by the harness", found=int(ours), left=0, note=note), tuple(unseen)


def _remove_cache(settings: Settings, *, keep_cache: bool, leaks: Sequence[str]) -> _Row:
    cache = settings.cache_dir
    if not cache.exists():
        return _Row(what="cache folder", found=0, left=0, note=str(cache))
    for path in not_ledgers(ledger_folder(settings)):
        path.unlink()
    if keep_cache:
        return _Row(what="cache folder", found=1, left=0, note=f"{cache} stays, as requested")
    if leaks:
        # The ledgers and the engine's data are what a second try needs.
        return _Row(what="cache folder", found=1, left=1, note=f"{cache} stays until the rest is gone")
    problems = []
    for path in own_parts(cache):
        if path.is_dir() and not path.is_symlink():
            problems += [problem] if (problem := remove_folder(path)) else []
        else:
            path.unlink(missing_ok=True)
    others = sorted(path.name for path in cache.iterdir())
    if not others:
        cache.rmdir()
    note = f"{cache}" + (f"; not the harness's, so it stays: {first_few(others, _LISTED)}" if others else "")
    return _Row(what="cache folder", found=1, left=len(problems), note="; ".join(problems) or note)


def _print(
    console: Console, rows: Sequence[_Row], leaks: Sequence[str], settings: Settings, strangers: Sequence[Stranger]
) -> None:
    table = Table(title="What the harness created on this host", title_justify="left")
    for name, justify in (("", "left"), ("found", "right"), ("left", "right"), ("", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(row.what, str(row.found), str(row.left), escape(_line(row.note)))
    console.print(table)
    for leak in leaks:
        console.print(_line(f"left: {leak}"), markup=False)
    for stranger in strangers:
        console.print(_line(f"not of this cache, and left alone: {stranger}"), markup=False, soft_wrap=True)
    if settings.reports_dir.exists():
        try:
            shown: Path = settings.reports_dir.relative_to(PROJECT_ROOT)
        except ValueError:
            shown = settings.reports_dir
        console.print(f"The reports stay: {shown}", markup=False)
    nothing = "a second inspection found nothing" + (" of this cache" if strangers else "")
    console.print(f"Clean: {nothing}." if not leaks else "Not clean.", markup=False)
    if leaks and shutil.which("docker") is None:
        console.print("The program docker is not on PATH, so containers could not be inspected.", markup=False)


def _line(text: str) -> str:
    """One line without terminal escapes: names and labels may be of somebody else's making."""
    return " ".join(plain(text).splitlines())


def _listed(found: Sequence[Remain]) -> str:
    return first_few([f"{remain.kind} {remain.name}" for remain in found], _LISTED)
