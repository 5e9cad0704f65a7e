# SPDX-License-Identifier: Apache-2.0
"""What a ledger says: the process that opened it, and what its run planned to create."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from harness import process_identity
from harness.errors import HostError
from harness.host.engine_mark import NO_ENGINE, EngineMark
from harness.untrusted import RUN_ID

Kind = Literal["cluster", "container", "network", "volume", "process", "folder", "kubeconfig", "stay"]
"""A stay is what a run makes in a cluster of a user's, see harness/providers/guest.py."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that a run planned to create. `facts` were recorded before or after its creation."""

    kind: Kind
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The process that opened a ledger, and what else is known of its run.

    `closed`: it closed the ledger properly, although something was left. `kept`: the user asked for that.
    `installation` is the id of its cache, `host` the name of its machine, `engine` where it had its containers, and
    `clusters` are all that it ever planned, gone or not.
    """

    run_id: str
    process: process_identity.Identity
    installation: str = ""
    host: str = ""
    closed: bool = False
    kept: bool = False
    engine: EngineMark = NO_ENGINE
    clusters: frozenset[str] = frozenset()

    @property
    def pid(self) -> int:
        """The number of that process."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether exactly that process, not another with its id, is still working on the run."""
        return not self.closed and self.process.alive

    @property
    def elsewhere(self) -> bool:
        """Whether the run was on another machine, with which this one shares the cache folder."""
        return bool(self.host) and self.host != platform.node() and self.process.boot != process_identity.boot_id()


def facts_of(identity: process_identity.Identity) -> dict[str, Any]:
    """A process as an entry names it."""
    return {"pid": identity.pid, "boot": identity.boot, "ticks": identity.ticks}


def identity_of(facts: Mapping[str, Any]) -> process_identity.Identity | None:
    """The process that an entry names; None for one that does not say which. Raises ValueError."""
    if not facts.get("pid"):
        return None
    return process_identity.Identity(
        pid=int(facts["pid"]), boot=str(facts.get("boot", "")), ticks=int(facts.get("ticks", 0))
    )


def read(path: Path) -> tuple[Owner, list[Entry]]:
    """The owner and the open entries of a ledger. Raises HostError when it is not one.

    A line that a killed process left incomplete is skipped: what it announced was never created.
    """
    owner: Owner | None = None
    entries: dict[tuple[str, str], Entry] = {}
    try:
        for line in lines_of(path):
            if "run" in line:
                owner = _owner(path, line)
            elif owner is not None:
                owner = _told(owner, line)
                _enter(entries, line)
    except (KeyError, TypeError, ValueError, AttributeError) as damaged:
        raise HostError(f"{path} is not a ledger: {damaged!r}", "inspect the file, then remove it") from damaged
    if owner is None:
        raise HostError(f"{path} is not a ledger: its first line names no run", "inspect the file, then remove it")
    return owner, list(entries.values())


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """All lines of a ledger that are whole. Raises HostError."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise HostError(f"the ledger {path} cannot be read: {error.strerror}", "check its permissions") from error
    for text in lines:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            yield line


def _told(owner: Owner, line: Mapping[str, Any]) -> Owner:
    """What a later line adds to what is known of the run."""
    if "engine" in line:
        return replace(owner, engine=EngineMark(**line["engine"]))
    if "closed" in line:
        return replace(owner, closed=True)
    if "kept" in line:
        return replace(owner, kept=True)
    if line.get("planned") == "cluster":
        return replace(owner, clusters=owner.clusters | {str(line["name"])})
    return owner


def _enter(entries: dict[tuple[str, str], Entry], line: Mapping[str, Any]) -> None:
    if "planned" in line:
        key = (line["planned"], str(line["name"]))
        before = entries[key].facts if key in entries else {}
        entries[key] = Entry(kind=line["planned"], name=key[1], facts={**before, **line["facts"]})
    elif "gone" in line:
        entries.pop((line["gone"], str(line["name"])), None)


def _owner(path: Path, data: Mapping[str, Any]) -> Owner:
    """The first line of a ledger. Raises HostError for one that names no run in the form of ours."""
    if not RUN_ID.fullmatch(str(data["run"])):
        raise HostError(f"{path} is not a ledger: its first line names no run", "inspect the file, then remove it")
    own = identity_of(data) or process_identity.Identity(pid=0, boot="", ticks=0)
    return Owner(
        run_id=str(data["run"]),
        process=own,
        installation=str(data.get("installation", "")),
        host=str(data.get("host", "")),
    )
