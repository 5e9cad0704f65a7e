# SPDX-License-Identifier: Apache-2.0
"""Whose something is: what a run's ledger says, and what the container engine and the processes say of themselves.

A name proves nothing, since anybody can give it, and neither does an image's label, which whatever is built from the
image inherits.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.cleanup.engine import ANONYMOUS, DockerObject
from harness.evidence.installation import NOBODY, Installation
from harness.evidence.ledger import NAME_PREFIX
from harness.evidence.ledger_entries import Entry, Owner, identity_of
from harness.kube.cluster import OWN_IMAGES
from harness.process_identity import Identity

IN_ENGINE = ("cluster", "container", "network", "volume")
"""Kinds of ledger entries that are looked for in the container engine."""

_LOOKS_OURS = re.compile(rf"{NAME_PREFIX}\d{{6}}-[0-9a-f]{{4}}-\d+")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a ledger says is its run's. Without `in_engine`, its containers are in an engine that is not asked here."""

    run_id: str
    installation: str = ""
    entries: tuple[Entry, ...] = ()
    clusters: frozenset[str] = frozenset()
    in_engine: bool = True

    @classmethod
    def of(cls, owner: Owner, entries: Sequence[Entry], *, in_engine: bool = True) -> Claim:
        """The claim of a ledger with these open entries."""
        return cls(
            run_id=owner.run_id,
            installation=owner.installation,
            entries=tuple(entries),
            clusters=owner.clusters,
            in_engine=in_engine,
        )

    def planned(self, kind: str) -> set[str]:
        """Names of its open entries of a kind."""
        return {entry.name for entry in self.entries if entry.kind == kind}

    def cluster(self, name: str) -> bool:
        """Whether it planned a cluster of this name, be it gone or not."""
        return name in self.clusters or name in self.planned("cluster")

    def marked(self, run_id: str, mark: str) -> bool:
        """Whether a label or an environment names this run, and no other installation."""
        return run_id == self.run_id and self._no_other(mark)

    def has(self, it: DockerObject) -> bool:
        """Whether something in the engine says of itself that it is this run's."""
        if not self.in_engine:
            return False
        # A node has inherited the other labels of its image, whoever built that.
        return self.cluster(it.cluster) or self.marked(it.run_id, it.installation)

    def has_volume(self, it: DockerObject) -> bool:
        """The same for a volume. One without a name of its own has a random one, which the ledger knows."""
        random = self.in_engine and bool(ANONYMOUS.fullmatch(it.name))
        return self.has(it) or (random and it.name in self.planned("volume"))

    def _no_other(self, mark: str) -> bool:
        return not self.installation or Installation.of_mark(mark).id in ("", self.installation)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is searched for: what these ledgers claim and, with `installation`, whatever else says that it is its.

    `images` are the references of the node images that the cache's store says it has made.
    """

    claims: tuple[Claim, ...]
    installation: Installation = NOBODY
    images: frozenset[str] = frozenset()

    def has(self, it: DockerObject) -> bool:
        """Whether a container or a network is ours."""
        return any(claim.has(it) for claim in self.claims) or self._of_installation(it.installation)

    def has_volume(self, it: DockerObject) -> bool:
        """Whether a volume is ours."""
        return any(claim.has_volume(it) for claim in self.claims) or self._of_installation(it.installation)

    def has_image(self, it: DockerObject) -> bool:
        """Whether an image is ours: by its name, which nothing inherits, and by who made it."""
        if not it.name.startswith(OWN_IMAGES):
            return False
        return self._of_installation(it.installation) if it.installation else it.name in self.images

    def has_process(self, run_id: str, mark: str, identity: Identity) -> bool:
        """Whether a process is ours: its environment says so, or a ledger knows exactly this process."""
        return (
            any(claim.marked(run_id, mark) for claim in self.claims)
            or self._of_installation(mark)
            or identity in self._processes
        )

    def cluster(self, name: str) -> bool:
        """Whether a cluster is ours."""
        return any(claim.cluster(name) for claim in self.claims)

    def planned(self, kind: str) -> set[str]:
        """Names of the open entries of a kind, of all ledgers."""
        return {name for claim in self.claims for name in claim.planned(kind)}

    def waiting(self) -> list[str]:
        """What the ledgers say is in the engine that is asked here."""
        entries = (entry for claim in self.claims if claim.in_engine for entry in claim.entries)
        return [f"{entry.kind} {entry.name}" for entry in entries if entry.kind in IN_ENGINE]

    @property
    def _processes(self) -> set[Identity]:
        entries = (entry for claim in self.claims for entry in claim.entries if entry.kind == "process")
        return {found for entry in entries if (found := identity_of(entry.facts))}

    def _of_installation(self, mark: str) -> bool:
        return bool(self.installation.id) and Installation.of_mark(mark).id == self.installation.id


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """Something that a harness created, but not for this cache. `command` is how its owner would remove it."""

    what: str
    owner: str
    command: str

    def __str__(self) -> str:
        return f"{self.what} is {self.owner}; its owner removes it with: {self.command}"


def strangers(
    kind: str, found: Iterable[DockerObject], ours: Callable[[DockerObject], bool], reached: str = ""
) -> list[Stranger]:
    """Those things in the engine that only look like ours. `reached` is how the engine is: `DOCKER_HOST=…`."""
    messages = []
    for it in found:
        ownerless = not it.run_id and not it.installation
        looks = bool(it.run_id or it.installation or _LOOKS_OURS.fullmatch(it.cluster))
        if kind == "image":
            looks = it.name.startswith(OWN_IMAGES)
        if looks and not ours(it):
            by_hand = f"{reached} docker {kind} rm {it.name}".strip()
            owner = "of an unknown run" if ownerless else whose(it.run_id, it.installation)
            command = _command(it.run_id, it.installation, by_hand, reached)
            messages.append(Stranger(what=f"{kind} {it.name}", owner=owner, command=command))
    return messages


def stranger_process(pid: int, name: str, run_id: str, mark: str) -> Stranger:
    """A process of a run of another cache."""
    command = _command(run_id, mark, f"kill {pid}")
    return Stranger(what=f"process {pid} ({name})", owner=whose(run_id, mark), command=command)


def whose(run_id: str, mark: str) -> str:
    """Whose something is that names a run and an installation."""
    installation = Installation.of_mark(mark)
    run = f"of run {run_id}" if run_id else "of no run"
    place = f"{installation.cache} on {installation.host}" if installation.elsewhere else installation.cache
    return f"{run} of another cache{f', {place}' if place else ''}"


def _command(run_id: str, mark: str, by_hand: str, reached: str = "") -> str:
    """Its owner's command. Only whoever has the cache's ledger can clean; others can only remove one thing by hand.

    On another host, the engine may be reached otherwise than from here; `clean` there says how.
    """
    installation = Installation.of_mark(mark)
    if not installation.cache:
        return by_hand
    run = f" --run {shlex.quote(run_id)}" if run_id else ""
    how = f"{reached} " if reached and not installation.elsewhere else ""
    return f"{how}HARNESS_CACHE={shlex.quote(installation.cache)} harness clean{run}"
