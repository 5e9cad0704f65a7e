# SPDX-License-Identifier: Apache-2.0
"""The leak proof: finds what a run left on this host, removes it, and touches nothing that others created.

Whose something is, harness.cleanup.ownership decides. Nothing is recognised by its name, its age or its image alone.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
import yaml

from harness import libyaml
from harness.cleanup import engine
from harness.cleanup.engine import anonymous_volumes
from harness.cleanup.ownership import IN_ENGINE, Claim, Scope, Stranger, stranger_process, strangers, whose
from harness.errors import EngineError, WaitTimeout
from harness.evidence.folders import remove_folder
from harness.evidence.ledger import NAME_PREFIX
from harness.evidence.ledger_entries import Entry
from harness.home import user_home
from harness.process import INSTALLATION_VARIABLE, RUN_VARIABLE
from harness.process_identity import Identity, identity
from harness.providers import PROVIDERS
from harness.untrusted import RUN_ID, check_yaml
from harness.waiting import until

__all__ = [
    "IN_ENGINE",
    "Claim",
    "Remain",
    "Scope",
    "Survey",
    "anonymous_volumes",
    "look",
    "look_for",
    "look_for_all",
    "remains",
    "remove",
    "remove_folder",
]

RemainKind = Literal["container", "network", "volume", "image", "process", "kubeconfig", "context", "folder"]

_ORDER: tuple[RemainKind, ...] = (
    *("process", "container", "network", "volume", "image", "context", "kubeconfig", "folder"),
)
_RUN_FOLDER = re.compile(rf"{NAME_PREFIX}({RUN_ID.pattern})-.+")
_END_SECONDS = 5.0


_all_processes = psutil.process_iter


@dataclass(frozen=True, kw_only=True)
class Remain:
    """Something of the harness's that still exists. `id` identifies it for removal: a Docker id, a process id, a path.

    `used_by` names what else uses it; then it is not removed. `process` says which process it is.
    """

    kind: RemainKind
    name: str
    id: str
    detail: str = ""
    used_by: tuple[str, ...] = ()
    process: Identity | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was found, descriptions of what could not be inspected, and what is there of other caches."""

    remains: tuple[Remain, ...]
    unseen: tuple[str, ...] = ()
    strangers: tuple[Stranger, ...] = ()

    @property
    def removable(self) -> tuple[Remain, ...]:
        """What nothing else uses."""
        return tuple(remain for remain in self.remains if not remain.used_by)


def remains(run_id: str, entries: Sequence[Entry] = ()) -> list[Remain]:
    """What a run left. `entries` are the open ones of its ledger.

    Raises EngineError when the engine does not answer, since then nothing is proved; `look` continues.
    """
    survey = look(run_id, entries)
    if survey.unseen:
        raise EngineError("; ".join(survey.unseen), "start the container engine, then try again")
    return list(survey.remains)


def look(run_id: str, entries: Sequence[Entry] = (), *, used_engine: bool = True) -> Survey:
    """Look for everything of one run of which only its open entries are known; `used_engine` as in `look_for`."""
    return look_for(Claim(run_id=run_id, entries=tuple(entries)), used_engine=used_engine)


def look_for(claim: Claim, *, used_engine: bool = True) -> Survey:
    """Look for everything of one run.

    Without `used_engine` (its ledger never announced anything in the container engine) an engine that does not answer
    hides nothing.
    """
    return _look(Scope(claims=(claim,)), needs_engine=used_engine)


def look_for_all(scope: Scope) -> Survey:
    """Look for everything of this cache, images too, and name what is another's."""
    return _look(scope, everything=True)


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


def _look(scope: Scope, *, everything: bool = False, needs_engine: bool = True) -> Survey:
    found: list[Remain] = []
    unseen: list[str] = []
    others: list[Stranger] = []
    if everything or any(claim.in_engine for claim in scope.claims):
        try:
            engine.check_engine()
            found += _in_engine(scope, others, engine.which().reached if everything else "", images=everything)
        except EngineError as error:
            waiting = scope.waiting()
            # Without a client and without an entry there is no reason to think that an engine was ever used.
            if waiting or (needs_engine and shutil.which("docker")):
                of = f" (of the ledger: {', '.join(waiting)})" if waiting else ""
                unseen.append(f"containers, networks and volumes{of}: {error.message}")
    found += [*_processes(scope, others), *_kubeconfigs(scope), *_contexts(scope), *_folders(scope, others)]
    return Survey(remains=tuple(found), unseen=tuple(unseen), strangers=tuple(others) if everything else ())


def _in_engine(scope: Scope, others: list[Stranger], reached: str, *, images: bool) -> Iterator[Remain]:
    containers = engine.containers()
    ours = [it for it in containers if scope.has(it)]
    others += strangers("container", containers, scope.has, reached)
    for it in ours:
        yield Remain(kind="container", name=it.name, id=it.id, detail=it.state)
    networks = engine.networks()
    others += strangers("network", networks, scope.has, reached)
    for it in filter(scope.has, networks):
        yield Remain(kind="network", name=it.name, id=it.id, used_by=_without(engine.attached(it.name), ours))
    anonymous = set(anonymous_volumes([it.id for it in ours]))
    volumes = engine.volumes()
    others += strangers("volume", volumes, lambda it: scope.has_volume(it) or it.name in anonymous, reached)
    for it in volumes:
        if scope.has_volume(it) or it.name in anonymous:
            yield Remain(kind="volume", name=it.name, id=it.id)
    if images:
        found = engine.images()
        others += strangers("image", found, scope.has_image, reached)
        for it in filter(scope.has_image, found):
            yield Remain(kind="image", name=it.name, id=it.id, used_by=_without(engine.users(it.name), ours))


def _without(names: Sequence[str], ours: Sequence[engine.DockerObject]) -> tuple[str, ...]:
    own = {it.name for it in ours}
    return tuple(name for name in names if name not in own)


def _processes(scope: Scope, others: list[Stranger]) -> Iterator[Remain]:
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in _all_processes(["cmdline"]):
        which = None if process.pid in own else identity(process.pid)
        if which is None:
            continue
        run_id, mark = _said_by(process)
        name = " ".join((process.info["cmdline"] or ["?"])[:4])
        if scope.has_process(run_id, mark, which):
            yield Remain(kind="process", name=name, id=str(which.pid), detail=f"pid {which.pid}", process=which)
        elif run_id:
            others.append(stranger_process(which.pid, name, run_id, mark))


def _said_by(process: psutil.Process) -> tuple[str, str]:
    """The run and the installation that a process's environment names."""
    try:
        environment = process.environ()
    except (psutil.AccessDenied, psutil.NoSuchProcess, OSError):
        # Those of other users cannot be read; a run starts none of them.
        return "", ""
    return environment.get(RUN_VARIABLE, ""), environment.get(INSTALLATION_VARIABLE, "")


def _kubeconfigs(scope: Scope) -> Iterator[Remain]:
    for name in sorted(scope.planned("kubeconfig")):
        if Path(name).exists():
            yield Remain(kind="kubeconfig", name=name, id=name)


def _contexts(scope: Scope) -> Iterator[Remain]:
    for path in _user_kubeconfigs():
        for context in _named(_read_yaml(path), "contexts"):
            if _is_ours(context, scope.cluster):
                yield Remain(kind="context", name=context, id=str(path), detail=f"in {path}")


def _folders(scope: Scope, others: list[Stranger]) -> Iterator[Remain]:
    ours = scope.planned("folder")
    for name in sorted(ours):
        if os.path.lexists(name):
            yield Remain(kind="folder", name=name, id=name)
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{NAME_PREFIX}*")):
        named = _RUN_FOLDER.fullmatch(path.name)
        if named and str(path) not in ours:
            by_hand = f"rm -r {shlex.quote(str(path))}"
            others.append(Stranger(what=f"folder {path}", owner=whose(named[1], ""), command=by_hand))


def _end_process(remain: Remain) -> str:
    which = remain.process
    if which is None:
        return f"process {remain.name} cannot be told from others"
    pid = which.pid
    for act in (psutil.Process.terminate, psutil.Process.kill):
        if not which.alive:
            return ""
        try:
            act(psutil.Process(pid))
            until(
                lambda: not which.alive,
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
    return "" if not which.alive else f"process {pid} ({remain.name}) does not exit"


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
        # Before anything is in it: it has the keys of the user's other clusters.
        draft.touch(mode=0o600)
        draft.write_text(yaml.safe_dump(document, sort_keys=False))
        draft.chmod(stat.S_IMODE(path.stat().st_mode))
        draft.replace(path.resolve())
    except OSError as error:
        draft.unlink(missing_ok=True)
        return f"context {remain.name} cannot be removed from {path}: {error.strerror}"
    return ""


def _remove_found_folder(remain: Remain) -> str:
    return remove_folder(Path(remain.id))


_REMOVERS: dict[RemainKind, Callable[[Remain], str]] = {
    "process": _end_process,
    "context": _remove_context,
    "kubeconfig": _remove_file,
    "folder": _remove_found_folder,
}


def _user_kubeconfigs() -> list[Path]:
    listed = os.environ.get("KUBECONFIG", "")
    home = user_home()
    paths = [Path(part) for part in listed.split(os.pathsep) if part] or ([home / ".kube" / "config"] if home else [])
    return [path for path in paths if path.is_file()]


def _read_yaml(path: Path) -> dict[str, Any]:
    """A kubeconfig's content; one that cannot be read as such has no contexts."""
    try:
        document = yaml.load(check_yaml(path.read_text()), Loader=libyaml.Loader)  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}


def _named(document: dict[str, Any], section: str) -> list[str]:
    items = document.get(section)
    return [str(item.get("name", "")) for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _is_ours(context: str, cluster: Callable[[str], bool]) -> bool:
    prefixes = {it.context_prefix for it in PROVIDERS.values() if not it.guest}
    return any(cluster(context.removeprefix(prefix)) for prefix in prefixes if context.startswith(prefix))
