# SPDX-License-Identifier: Apache-2.0
"""The ledger: what a run creates is recorded before it is created, so that it can be found and removed afterwards.

One file per run, `<folder>/<run id>.jsonl`, one JSON object per line, each on disk (fsync) before the call returns.
The first line names the run and its process. Every process of the run holds a shared lock on the file for as long as it
lives; a ledger whose lock is free, and whose process is gone, belongs to a dead run.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

import psutil

from harness.errors import HostError
from harness.process import RUN_VARIABLE
from harness.settings import Settings

Kind = Literal["cluster", "container", "network", "volume", "process", "folder", "kubeconfig"]

NAME_PREFIX = "soh-"
"""Name prefix of the harness's clusters and temporary folders."""

# psutil derives the start time from the boot time, which moves by fractions of a second when the clock is set.
_START_TOLERANCE_SECONDS = 2.0


def new_run_id(now: datetime | None = None) -> str:
    """A name for a run, `YYYYmmdd-HHMMSS-<4 hexadecimal digits>`, in local time."""
    moment = now or datetime.now().astimezone()
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def short_run_id(run_id: str) -> str:
    """A short form for names: the run id without its date, `221005-ab12`."""
    return run_id.split("-", 1)[-1]


def cluster_name(run_id: str, number: int) -> str:
    """The name of the run's n-th cluster, `soh-221005-ab12-1`."""
    return f"{NAME_PREFIX}{short_run_id(run_id)}-{number}"


def temp_prefix(run_id: str) -> str:
    """The prefix for `tempfile.mkdtemp` of all temporary folders of a run."""
    return f"{NAME_PREFIX}{run_id}-"


def ledger_folder(settings: Settings) -> Path:
    """The folder of this cache's ledgers."""
    return settings.cache_dir / "ledger"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that a run planned to create. `facts` were recorded before or after its creation."""

    kind: Kind
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The process that opened a ledger. `started` is its start time in seconds since the epoch.

    `closed`: it closed the ledger properly, although something was left. `kept`: the user asked for that.
    """

    run_id: str
    pid: int
    started: float
    closed: bool = False
    kept: bool = False

    @property
    def alive(self) -> bool:
        """Whether exactly that process, not another with its id, is still working on the run."""
        return not self.closed and process_is(self.pid, self.started)


def process_is(pid: int, started: float) -> bool:
    """Whether a process with this id is running and was started at this time (seconds since the epoch)."""
    try:
        process = psutil.Process(pid)
        return (
            abs(process.create_time() - started) <= _START_TOLERANCE_SECONDS
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.NoSuchProcess:
        return False


def start_time(pid: int) -> float:
    """The start time of a process, in seconds since the epoch; 0 when it no longer exists."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


class Ledger:
    """The ledger of one run, open for writing; safe to use from several threads and several processes of the run."""

    def __init__(self, path: Path, descriptor: int, owner: Owner, *, owns: bool) -> None:
        self.path = path
        self.owner = owner
        self._descriptor = descriptor
        self._owns = owns
        self._lock = threading.Lock()

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.owner.run_id

    @classmethod
    def open(cls, run_id: str, folder: Path) -> Self:
        """Begin the ledger of a new run, owned by this process.

        Programs that this process starts from now on have the run's id in their environment. Raises HostError when
        the folder cannot be written or the run exists already.
        """
        owner = Owner(run_id=run_id, pid=os.getpid(), started=start_time(os.getpid()))
        path = folder / f"{run_id}.jsonl"
        # Under its final name the file is locked and has its first line from the start, so that nobody can take the
        # new ledger for one of a dead run.
        draft = folder / f".{run_id}.{os.getpid()}.new"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except OSError as error:
            raise _unwritable(path, error) from error
        draft_ledger = cls(path, descriptor, owner, owns=True)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            draft_ledger._append({"run": run_id, "pid": owner.pid, "started": owner.started})
            os.link(draft, path)
            _sync_folder(folder)
            # Opened by its final name, so that whoever lists this process's open files sees which run it is.
            ledger = cls.join(run_id, folder)
            ledger._owns = True
            os.close(descriptor)
        except FileExistsError as exists:
            os.close(descriptor)
            raise HostError(f"run {run_id} already exists: {path}", "start again; every run gets a new id") from exists
        except OSError as error:
            os.close(descriptor)
            raise _unwritable(path, error) from error
        finally:
            draft.unlink()
        os.environ[RUN_VARIABLE] = run_id
        return ledger

    @classmethod
    def join(cls, run_id: str, folder: Path) -> Self:
        """Write to the ledger of a run that another process opened (a worker of the same run). Raises HostError."""
        path = folder / f"{run_id}.jsonl"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise HostError(f"the ledger {path} cannot be opened: {error.strerror}", "start the run again") from error
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        owner, _ = read(path)
        os.environ[RUN_VARIABLE] = run_id
        return cls(path, descriptor, owner, owns=False)

    def planned(self, kind: Kind, name: str, **facts: Any) -> None:
        """Record what is about to be created or, for the same kind and name again, further facts about it."""
        if kind not in get_args(Kind):
            raise ValueError(f"unknown kind of ledger entry {kind!r}")
        self._append({"planned": kind, "name": name, "facts": facts})

    def running(self, name: str, pid: int) -> None:
        """Add its id and start time to a planned process, so that no other process can be mistaken for it."""
        self.planned("process", name, pid=pid, started=start_time(pid))

    def gone(self, kind: Kind, name: str) -> None:
        """Record that something was removed, and that this was verified."""
        self._append({"gone": kind, "name": name})

    @contextmanager
    def creating(self, kind: Kind, name: str, **facts: Any) -> Iterator[None]:
        """A block around the creation and use of something: planned before, gone when the block ends without an
        error."""
        self.planned(kind, name, **facts)
        yield
        self.gone(kind, name)

    def keep(self) -> None:
        """Record that open entries stay because the user asked for it: the next run does not touch them."""
        self._append({"kept": True})

    def open_entries(self) -> list[Entry]:
        """What was planned and is not gone, in the order of planning."""
        return read(self.path)[1]

    def ever_planned(self) -> set[str]:
        """The kinds of all entries, gone or not."""
        kinds = set()
        for line in self.path.read_bytes().splitlines():
            with suppress(ValueError):  # A half-written line: what it was about to announce was never created.
                kinds.add(json.loads(line).get("planned", ""))
        return kinds - {""}

    def close(self) -> bool:
        """Close the ledger; its owner removes the file when no entry is open. Returns whether the file was removed."""
        if self._descriptor < 0:
            return not self.path.exists()
        finished = self._owns and not self.open_entries()
        if finished:
            self.path.unlink(missing_ok=True)
        elif self._owns:
            self._append({"closed": True})
        with self._lock:
            os.close(self._descriptor)
            self._descriptor = -1
        if os.environ.get(RUN_VARIABLE) == self.run_id:
            del os.environ[RUN_VARIABLE]
        return finished

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, line: Mapping[str, Any]) -> None:
        stamped = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **line}
        data = (json.dumps(stamped, sort_keys=True, default=str) + "\n").encode()
        with self._lock:
            if self._descriptor < 0:
                raise ValueError(f"the ledger of run {self.run_id} is closed")
            # A process that was killed in the middle of a line must not spoil the next one.
            size = os.fstat(self._descriptor).st_size
            if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                data = b"\n" + data
            try:
                os.write(self._descriptor, data)
                os.fsync(self._descriptor)
            except OSError as error:
                raise _unwritable(self.path, error) from error


def read(path: Path) -> tuple[Owner, list[Entry]]:
    """The owner and the open entries of a ledger. Raises HostError when it is not one.

    A line that a killed process left incomplete is skipped: what it announced was never created.
    """
    owner: Owner | None = None
    entries: dict[tuple[str, str], Entry] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise HostError(f"the ledger {path} cannot be read: {error.strerror}", "check its permissions") from error
    for line in lines:
        try:
            data = json.loads(line)
        except ValueError:
            continue
        if "run" in data:
            owner = Owner(run_id=data["run"], pid=int(data["pid"]), started=float(data["started"]))
        elif "closed" in data and owner is not None:
            owner = replace(owner, closed=True)
        elif "kept" in data and owner is not None:
            owner = replace(owner, kept=True)
        elif "planned" in data:
            key = (data["planned"], data["name"])
            before = entries[key].facts if key in entries else {}
            entries[key] = Entry(kind=data["planned"], name=data["name"], facts={**before, **data["facts"]})
        elif "gone" in data:
            entries.pop((data["gone"], data["name"]), None)
    if owner is None:
        raise HostError(f"{path} is not a ledger: its first line names no run", "inspect the file, then remove it")
    return owner, list(entries.values())


def live_runs(folder: Path) -> list[Owner]:
    """The runs of this cache whose process, or one of its workers, is alive; this process's own run included."""
    return [owner for path, owner in _ledgers(folder) if owner.alive or _is_locked(path)]


@dataclass(frozen=True, kw_only=True)
class StaleLedger:
    """The ledger of a dead run."""

    path: Path
    owner: Owner
    entries: tuple[Entry, ...]


def stale_ledgers(folder: Path) -> list[StaleLedger]:
    """The ledgers of dead runs, oldest first, including runs with kept clusters (`owner.kept`)."""
    stale = []
    for path, owner in _ledgers(folder):
        if not owner.alive and not _is_locked(path):
            with suppress(HostError):  # Another run may be clearing the same one away, and be done by now.
                stale.append(StaleLedger(path=path, owner=owner, entries=tuple(read(path)[1])))
    return stale


@contextmanager
def claimed(stale: StaleLedger) -> Iterator[Ledger | None]:
    """Lock the ledger of a dead run while its remains are removed; None when another process already has the lock.

    If the block ends with no open entry, the file is removed.
    """
    try:
        descriptor = os.open(stale.path, os.O_RDWR | os.O_APPEND)
    except FileNotFoundError:
        yield None
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        yield None
        return
    ledger = Ledger(stale.path, descriptor, stale.owner, owns=True)
    try:
        yield ledger
    finally:
        ledger.close()


def not_ledgers(folder: Path) -> Sequence[Path]:
    """Files in the folder that should be ledgers but cannot be read as such."""
    known = {path for path, _ in _ledgers(folder)}
    return [path for path in sorted(folder.glob("*.jsonl")) if path not in known]


def _ledgers(folder: Path) -> list[tuple[Path, Owner]]:
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        with suppress(HostError):  # not_ledgers() names these.
            found.append((path, read(path)[0]))
    return found


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _unwritable(path: Path, error: OSError) -> HostError:
    return HostError(
        f"the ledger {path} cannot be written: {error.strerror}",
        "without it, leftovers of a run could not be found; free disk space, or set HARNESS_CACHE to another folder",
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
