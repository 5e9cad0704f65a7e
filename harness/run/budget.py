# SPDX-License-Identifier: Apache-2.0
"""The host's processors, which all runs of a cache share: who takes how many, and who waits for them.

Everything that a run has running takes its part (clusters/processors.toml): a cluster from its creation to its removal,
and scenarios beside each other on it. Whoever needs processors takes all that it needs at once, and whoever waits holds
none, so that no two wait for each other. Those who came later may go first only as long as they leave what the earlier
one needs, which so begins as soon as those before it have ended.

How much work a processor does in a second differs from machine to machine, and from minute to minute on one that shares
its own with others. So nothing begins beside what runs while the machine is crowded: that shows in how many processes
want each processor.

Each taking is a locked file whose name says how much it is, so that a run that was killed gives up what it had.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import HostError
from harness.matrix.costs import thousandths
from harness.settings import Settings
from harness.waiting import Cancelled, cancelled

_POLL_SECONDS = 0.25
_GUARD_SECONDS = 60.0

_CROWDED = 5.0
"""Runnable processes for each processor over the last minute, from which on nothing begins beside what runs already.

Two clusters on two processors that keep up with them make up to 5. A cell during which it is above 8 proves nothing.
"""

_WAITING, _HELD = "waiting", "held"


def _idle() -> float:
    return 0.0


@dataclass(frozen=True, order=True)
class _Taking:
    """One of any run, as its file's name tells it; ordered by when it was asked for. `need` is in thousandths."""

    asked: int
    need: int
    token: str
    state: str

    @classmethod
    def of(cls, name: str) -> _Taking | None:
        """None for a file that is none of them."""
        stem, _, state = name.rpartition(".")
        words = stem.split("-")
        if state not in (_WAITING, _HELD) or len(words) != 3 or not (words[0].isdigit() and words[1].isdigit()):
            return None
        return cls(int(words[0]), int(words[1]), words[2], state)

    @property
    def name(self) -> str:
        return f"{self.asked:020d}-{self.need}-{self.token}.{self.state}"

    @property
    def held(self) -> bool:
        return self.state == _HELD


class Claim:
    """What one piece of work takes of the budget: asked for, then held, then given back. `need` is in thousandths."""

    def __init__(self, budget: Budget, need: int, what: str) -> None:
        self.what = what
        self.need = need
        self.taking: _Taking | None = None
        self.lock = -1
        self.waited = 0.0
        """Seconds from when it was refused for the first time to when it was granted."""
        self._budget = budget

    def granted(self, *, queue: bool = True) -> bool:
        """Whether it is held now. While it is not, it has its place in the queue, unless it does not `queue`."""
        return self._budget.grant(self, queue=queue)

    def give_back(self) -> None:
        """Hold nothing, and wait for nothing."""
        self._budget.give_back(self)


class Budget:
    """So many processors, shared by all runs that name the same folder. May be used by several threads."""

    def __init__(self, folder: Path, processors: float, load: Callable[[], float] = _idle) -> None:
        """`load` tells how many processes want each processor, on average over the last minute."""
        self.processors = processors
        self._load = load
        self.changed = threading.Condition()
        """Notified when something in this run was given back; another run cannot notify."""
        self._total = thousandths(processors)
        self._folder = folder
        self._lock = threading.Lock()
        self._guard = FileLock(folder / "guard.lock", thread_local=False)
        self._own: dict[str, Claim] = {}

    @classmethod
    def of(cls, settings: Settings, processors: float | None = None, load: Callable[[], float] = _idle) -> Budget:
        """That of a cache; `processors` are those of its settings unless the engine has fewer."""
        return cls(settings.cache_dir / "slots" / "processors", processors or settings.processors, load)

    def claim(self, processors: float, what: str) -> Claim:
        """A claim that is yet to be granted; one for more than there is takes everything."""
        return Claim(self, min(thousandths(processors), self._total), what)

    @contextmanager
    def some(self, processors: float, what: str, waits: Callable[[str], None] = lambda why: None) -> Iterator[Claim]:
        """Hold so many; `waits` hears once for what, when they are not free at once. Raises Cancelled, HostError."""
        claim = self.claim(processors, what)
        try:
            self.wait(claim, waits)
            yield claim
        finally:
            claim.give_back()

    def wait(self, claim: Claim, waits: Callable[[str], None] = lambda why: None) -> None:
        """Wait until a claim is granted. Raises Cancelled when the run is being ended, and HostError."""
        told = False
        while not claim.granted():
            if cancelled():
                raise Cancelled(f"{claim.what} {self.why(claim)}: the run is being ended")
            if not told:
                told = True
                waits(self.why(claim))
            with self.changed:
                self.changed.wait(_POLL_SECONDS)

    def grant(self, claim: Claim, *, queue: bool) -> bool:
        """Let a claim hold what it needs, if its turn has come. Raises HostError when the folder cannot be used."""
        with self._lock:
            if claim.taking is not None and claim.taking.held:
                return True
            with self._guarded():
                others = self._others(claim)
                mine = claim.taking or _Taking(time.monotonic_ns(), claim.need, secrets.token_hex(6), _WAITING)
                fits = _fits(mine, others, self._total) and not (self._crowded() and any(it.held for it in others))
                if claim.taking is not None:
                    claim.waited = (time.monotonic_ns() - mine.asked) / 1e9
                elif fits or queue:
                    claim.lock = _locked(self._folder / mine.name)
                    self._note(claim, mine)
                if fits:
                    held = _Taking(mine.asked, mine.need, mine.token, _HELD)
                    (self._folder / mine.name).rename(self._folder / held.name)
                    self._note(claim, held)
                return fits

    def give_back(self, claim: Claim) -> None:
        """Forget a claim, whether it was held or waited."""
        with self._lock:
            if claim.taking is None:
                return
            with suppress(OSError):
                (self._folder / claim.taking.name).unlink()
            os.close(claim.lock)
            self._own.pop(claim.taking.token, None)
            claim.taking = None
        with self.changed:
            self.changed.notify_all()

    def exchange(self, claim: Claim, processors: float, waits: Callable[[str], None] = lambda why: None) -> None:
        """Give back what a claim holds, and wait until it holds so many. Raises Cancelled, HostError."""
        claim.give_back()
        claim.need = min(thousandths(processors), self._total)
        self.wait(claim, waits)

    def gives_way(self, claim: Claim) -> str:
        """Why what holds this claim should begin nothing more now; empty when it may.

        On a crowded machine it does so for whoever holds more, and of equals for whoever asked before: one of all
        always goes on.
        """
        mine = claim.taking
        if mine is None or not self._crowded():
            return ""
        with self._lock, self._guarded():
            before = [it for it in self._others(claim) if it.held and _rank(it) < _rank(mine)]
        return self._busy() if before else ""

    def why(self, claim: Claim) -> str:
        """What a claim waits for, in words."""
        with self._lock, self._guarded():
            others = self._others(claim)
            taken = [it for it in others if it.held]
            mine = claim.taking
            if mine is not None and taken and _fits(mine, others, self._total):
                return self._busy()
        own = [f"{_amount(it.need)} by {self._own[it.token].what}" for it in taken if it.token in self._own]
        theirs = sum(it.need for it in taken if it.token not in self._own)
        has = ", ".join([*own, *([f"{_amount(theirs)} by other runs"] if theirs else [])])
        told = f"waits for {_amount(claim.need)} of {_amount(self._total)} processors"
        return f"{told}: taken are {has}" if has else f"{told}: others came first"

    def _crowded(self) -> bool:
        return self._load() >= _CROWDED

    def _busy(self) -> str:
        return f"waits until the machine is less busy: {self._load():.0f} processes want each processor"

    def _note(self, claim: Claim, taking: _Taking) -> None:
        claim.taking = taking
        self._own[taking.token] = claim

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Nobody else decides meanwhile, in any process."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._guard.acquire(timeout=_GUARD_SECONDS):
                yield
        except Timeout as hung:
            raise HostError(
                f"the processors are not shared out: another process has held {self._guard.lock_file} for a minute",
                "find it with `fuser`, and end it",
            ) from hung
        except OSError as unusable:
            raise HostError(
                f"the processors cannot be shared out in {self._folder}: {unusable}",
                "make room there, or make it writable, or set HARNESS_CACHE to another folder",
            ) from unusable

    def _others(self, claim: Claim) -> list[_Taking]:
        """What all others hold or wait for, the earliest first; what dead processes left is removed."""
        own = claim.taking.token if claim.taking else ""
        found = []
        for file in sorted(self._folder.iterdir()):
            taking = _Taking.of(file.name)
            if taking is None or taking.token == own:
                continue
            if taking.token in self._own or _alive(file):
                found.append(taking)
        return found


def _fits(mine: _Taking, others: list[_Taking], total: int) -> bool:
    """Whether one may begin: there is room, and whoever asked before is not made to wait for it."""
    used = sum(it.need for it in others if it.held)
    # A run with a larger budget may have asked for more than there is here.
    if used and used + mine.need > total:
        return False
    for earlier in (it for it in others if not it.held and it.asked < mine.asked):
        if used + earlier.need <= total and used + earlier.need + mine.need > total:
            return False
        went_first = sum(it.need for it in others if it.held and it.asked > earlier.asked)
        if min(earlier.need, total) + went_first + mine.need > total:
            return False
    return True


def _rank(taking: _Taking) -> tuple[int, int, str]:
    """The least of these goes on when the others wait."""
    return (-taking.need, taking.asked, taking.token)


def _locked(file: Path) -> int:
    """A new file, locked until it is closed or this process ends."""
    opened = os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        raise
    return opened


def _alive(file: Path) -> bool:
    """Whether a process has this file locked; without one it is removed."""
    try:
        opened = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except PermissionError:
        # Another user's: nobody can tell, so that it counts.
        return True
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        with suppress(FileNotFoundError):
            file.unlink()
        return False
    finally:
        os.close(opened)


def _amount(need: int) -> str:
    return f"{need / 1000:.2f}".rstrip("0").rstrip(".")
