# SPDX-License-Identifier: Apache-2.0
"""The leak proof: finds what a run left on this host, removes it, and touches nothing that others created.

Things are recognised as the harness's own by the run's Docker label, by a cluster name that only the harness uses, by
the ledger, and, for processes, by the run's id in their environment. Nothing is recognised by its age or its image.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
import yaml

from harness.cleanup import engine
from harness.cleanup.engine import anonymous_volumes
from harness.errors import EngineError, WaitTimeout
from harness.evidence.ledger import NAME_PREFIX, Entry, process_is, short_run_id
from harness.process import RUN_VARIABLE
from harness.providers import PROVIDERS
from harness.waiting import until

__all__ = [
    "IN_ENGINE",
    "Remain",
    "Survey",
    "anonymous_volumes",
    "look",
    "look_for_all",
    "remains",
    "remove",
    "remove_folder",
]

RemainKind = Literal["container", "network", "volume", "image", "process", "kubeconfig", "context", "folder"]

_ORDER: tuple[RemainKind, ...] = (
    *("process", "container", "network", "volume", "image", "context", "kubeconfig", "folder"),
)
IN_ENGINE = ("cluster", "container", "network", "volume")
_HARNESS_CLUSTER = re.compile(rf"{NAME_PREFIX}(\d{{6}}-)?[0-9a-f]{{4}}-\d+")
# What tempfile.mkdtemp makes of a prefix of ours.
_HARNESS_FOLDER = re.compile(rf"{NAME_PREFIX}([A-Za-z0-9.-]+-)?[a-z0-9_]{{8}}")
_END_SECONDS = 5.0


_all_processes = psutil.process_iter


@dataclass(frozen=True, kw_only=True)
class Remain:
    """Something of the harness's that still exists. `id` identifies it for removal: a Docker id, a process id, a path.

    `used_by` names what else uses it; then it is not removed. `started` is a process's start time.
    """

    kind: RemainKind
    name: str
    id: str
    detail: str = ""
    used_by: tuple[str, ...] = ()
    started: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was found, and descriptions of what could not be inspected."""

    remains: tuple[Remain, ...]
    unseen: tuple[str, ...] = ()

    @property
    def removable(self) -> tuple[Remain, ...]:
        """What nothing else uses."""
        return tuple(remain for remain in self.remains if not remain.used_by)


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """The scope of a search: one run or, without `run_id`, all runs."""

    run_id: str = ""
    entries: tuple[Entry, ...] = ()

    def run(self, run_id: str) -> bool:
        return bool(run_id) and self.run_id in ("", run_id)

    def cluster(self, name: str) -> bool:
        if name in self.planned("cluster"):
            return True
        if not self.run_id:
            return bool(_HARNESS_CLUSTER.fullmatch(name))
        return name.startswith(f"{NAME_PREFIX}{short_run_id(self.run_id)}-")

    def folder(self, name: str) -> bool:
        if not self.run_id:
            return bool(_HARNESS_FOLDER.fullmatch(name))
        return name.startswith(f"{NAME_PREFIX}{self.run_id}-")

    def planned(self, kind: str) -> set[str]:
        return {entry.name for entry in self.entries if entry.kind == kind}


def remains(run_id: str, entries: Sequence[Entry] = ()) -> list[Remain]:
    """What a run left. `entries` are the open ones of its ledger.

    Raises EngineError when the engine does not answer, since then nothing is proved; `look` continues.
    """
    survey = look(run_id, entries)
    if survey.unseen:
        raise EngineError("; ".join(survey.unseen), "start the container engine, then try again")
    return list(survey.remains)


def look(run_id: str, entries: Sequence[Entry] = (), *, used_engine: bool = True) -> Survey:
    """Look for everything of one run.

    Without `used_engine` (its ledger never announced anything in the container engine) an engine that does not answer
    hides nothing.
    """
    return _look(_Scope(run_id=run_id, entries=tuple(entries)), needs_engine=used_engine)


def look_for_all(entries: Sequence[Entry] = ()) -> Survey:
    """Look for everything of every run, images too. `entries` are the open ones of all ledgers."""
    return _look(_Scope(entries=tuple(entries)), images=True)


def remove(found: Sequence[Remain]) -> list[str]:
    """Remove what was found, except what something else uses; returns descriptions of what went wrong.

    Only another search proves that it is gone.
    """
    problems = []
    for kind in _ORDER:
        group = [remain for remain in found if remain.kind == kind and not remain.used_by]
        if not group:
            continue
        if kind in ("container", "network", "volume", "image"):
            # Images by name: one id may have a name of somebody else's.
            said = engine.remove(kind, [remain.name if kind == "image" else remain.id for remain in group])
            problems += [said] if said else []
        else:
            problems += [said for remain in group if (said := _REMOVERS[kind](remain))]
    return problems


def _look(scope: _Scope, *, images: bool = False, needs_engine: bool = True) -> Survey:
    found: list[Remain] = []
    unseen: list[str] = []
    try:
        engine.check_engine()
        found += _in_engine(scope, images=images)
    except EngineError as error:
        waiting = [f"{entry.kind} {entry.name}" for entry in scope.entries if entry.kind in IN_ENGINE]
        # Without a client and without an entry there is no reason to think that an engine was ever used.
        if waiting or (needs_engine and shutil.which("docker")):
            of = f" (of the ledger: {', '.join(waiting)})" if waiting else ""
            unseen.append(f"containers, networks and volumes{of}: {error.message}")
    found += [*_processes(scope), *_kubeconfigs(scope), *_contexts(scope), *_folders(scope)]
    return Survey(remains=tuple(found), unseen=tuple(unseen))


def _in_engine(scope: _Scope, *, images: bool) -> Iterator[Remain]:
    planned = scope.planned("container")
    ours = [it for it in engine.containers() if scope.run(it.run_id) or scope.cluster(it.cluster) or it.name in planned]
    for it in ours:
        yield Remain(kind="container", name=it.name, id=it.id, detail=it.state)
    names = {it.name for it in ours}
    planned = scope.planned("network")
    for it in engine.networks():
        if scope.run(it.run_id) or scope.cluster(it.cluster) or it.name in planned:
            others = tuple(name for name in engine.attached(it.name) if name not in names)
            yield Remain(kind="network", name=it.name, id=it.id, used_by=others)
    planned = scope.planned("volume") | set(anonymous_volumes([it.id for it in ours]))
    for it in engine.volumes():
        if scope.run(it.run_id) or scope.cluster(it.cluster) or it.name in planned:
            yield Remain(kind="volume", name=it.name, id=it.id)
    if images:
        for it in engine.images():
            yield Remain(kind="image", name=it.name, id=it.id)


def _processes(scope: _Scope) -> Iterator[Remain]:
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    known = {
        int(entry.facts["pid"]): float(entry.facts.get("started", 0.0))
        for entry in scope.entries
        if entry.kind == "process" and entry.facts.get("pid")
    }
    for process in _all_processes(["create_time", "cmdline", "status"]):
        if process.pid in own or process.info["status"] == psutil.STATUS_ZOMBIE:
            continue
        try:
            # Other users' processes cannot be read; a run starts none of those.
            run_id = process.environ().get(RUN_VARIABLE, "")
        except (psutil.AccessDenied, psutil.NoSuchProcess, OSError):
            run_id = ""
        if scope.run(run_id) or (process.pid in known and process_is(process.pid, known[process.pid])):
            yield Remain(
                kind="process",
                name=" ".join((process.info["cmdline"] or ["?"])[:4]),
                id=str(process.pid),
                detail=f"pid {process.pid}",
                started=process.info["create_time"],
            )


def _kubeconfigs(scope: _Scope) -> Iterator[Remain]:
    for name in sorted(scope.planned("kubeconfig")):
        if Path(name).exists():
            yield Remain(kind="kubeconfig", name=name, id=name)


def _contexts(scope: _Scope) -> Iterator[Remain]:
    for path in _user_kubeconfigs():
        for context in _named(_read_yaml(path), "contexts"):
            if _is_ours(context, scope.cluster):
                yield Remain(kind="context", name=context, id=str(path), detail=f"in {path}")


def _folders(scope: _Scope) -> Iterator[Remain]:
    paths = {Path(name) for name in scope.planned("folder")}
    for path in Path(tempfile.gettempdir()).iterdir():
        with suppress(FileNotFoundError):  # Others use the temporary folder at the same time.
            if scope.folder(path.name) and stat.S_ISDIR(path.lstat().st_mode) and path.lstat().st_uid == os.getuid():
                paths.add(path)
    for path in sorted(paths):
        if path.exists():
            yield Remain(kind="folder", name=str(path), id=str(path))


def _end_process(remain: Remain) -> str:
    pid = int(remain.id)
    for act in (psutil.Process.terminate, psutil.Process.kill):
        if not process_is(pid, remain.started):
            return ""
        try:
            act(psutil.Process(pid))
            until(
                lambda: not process_is(pid, remain.started),
                what=f"process {pid} to end",
                timeout=_END_SECONDS,
                heed_cancel=False,
            )
        except psutil.NoSuchProcess:
            return ""
        except psutil.AccessDenied:
            return f"process {pid} ({remain.name}) belongs to another user"
        except WaitTimeout:
            continue
    return "" if not process_is(pid, remain.started) else f"process {pid} ({remain.name}) does not exit"


def _remove_file(remain: Remain) -> str:
    try:
        Path(remain.id).unlink(missing_ok=True)
    except OSError as error:
        return f"{remain.id} cannot be removed: {error.strerror}"
    return ""


def _remove_context(remain: Remain) -> str:
    """Remove a cluster of ours from the user's kubeconfig: the context and what it refers to, nothing else."""
    path = Path(remain.id)
    document = _read_yaml(path)
    for section in ("contexts", "clusters", "users"):
        if isinstance(document.get(section), list):
            document[section] = [item for item in document[section] if item.get("name") != remain.name]
    if document.get("current-context") == remain.name:
        document["current-context"] = ""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(yaml.safe_dump(document, sort_keys=False))
        draft.chmod(stat.S_IMODE(path.stat().st_mode))
        draft.replace(path.resolve())
    except OSError as error:
        draft.unlink(missing_ok=True)
        return f"context {remain.name} cannot be removed from {path}: {error.strerror}"
    return ""


def _remove_found_folder(remain: Remain) -> str:
    return remove_folder(Path(remain.id))


def remove_folder(folder: Path) -> str:
    """Remove a folder with everything in it, including read-only files; returns a description of what went wrong.

    A link is removed, not followed. A folder with a mount point in it is not removed.
    """
    if folder.is_symlink():
        folder.unlink()
        return ""
    resolved = folder.resolve()
    if len(resolved.parts) < 3 or Path.home().resolve().is_relative_to(resolved):
        return f"{folder} is not removed: it has files that are not the harness's"
    mounted = [mount for mount in _mount_points() if mount.is_relative_to(resolved)]
    if mounted:
        return f"{folder} is not removed: {mounted[0]} is mounted in it (umount {mounted[0]})"
    problems: list[str] = []

    def force(function: Callable[..., Any], path: str, error: tuple[type[BaseException], BaseException, Any]) -> None:
        # Go's module cache is read-only, and what is in a read-only folder cannot be removed.
        try:
            Path(path).parent.chmod(0o700)
            if Path(path).is_dir() and not Path(path).is_symlink():
                Path(path).chmod(0o700)
                shutil.rmtree(path)
            else:
                function(path)
        except FileNotFoundError:
            return
        except OSError as again:
            problems.append(f"{path}: {again.strerror}")

    if folder.exists():
        shutil.rmtree(folder, onerror=force)
    return f"{folder} cannot be removed: {problems[0]}" if problems else ""


_REMOVERS: dict[RemainKind, Callable[[Remain], str]] = {
    "process": _end_process,
    "context": _remove_context,
    "kubeconfig": _remove_file,
    "folder": _remove_found_folder,
}


def _user_kubeconfigs() -> list[Path]:
    listed = os.environ.get("KUBECONFIG", "")
    paths = [Path(part) for part in listed.split(os.pathsep) if part] or [Path.home() / ".kube" / "config"]
    return [path for path in paths if path.is_file()]


def _read_yaml(path: Path) -> dict[str, Any]:
    """A kubeconfig's content; one that cannot be read as such has no contexts."""
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}


def _named(document: dict[str, Any], section: str) -> list[str]:
    items = document.get(section)
    return [str(item.get("name", "")) for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _is_ours(context: str, cluster: Callable[[str], bool]) -> bool:
    prefixes = {provider.context_prefix for provider in PROVIDERS.values()}
    return any(cluster(context.removeprefix(prefix)) for prefix in prefixes if context.startswith(prefix))


def _mount_points() -> list[Path]:
    """The mount points of this host (Linux only; the harness mounts nothing elsewhere)."""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return []
    return [Path(line.split(" ")[1].replace("\\040", " ")) for line in lines]
