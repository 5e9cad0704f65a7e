# SPDX-License-Identifier: Apache-2.0
"""The ledger: what a run creates is recorded before it is created, so that it can be found and removed afterwards.

One file per run, `<folder>/<run id>.jsonl`, one JSON object per line, each on disk (fsync) before the call returns.
The first line names the run and its process. Every process of the run holds a shared lock on the file for as long as it
lives; a ledger whose lock is free, and whose process is gone, belongs to a dead run. Together with what the container
engine and the processes say of themselves, it is what makes something a run's own (harness.cleanup.ownership).
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import secrets
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

from harness import process_identity
from harness.errors import HostError
from harness.evidence.installation import installation_of
from harness.evidence.ledger_entries import Entry, Kind, Owner, facts_of, lines_of, read
from harness.host.engine_mark import EngineMark
from harness.process import INSTALLATION_VARIABLE, RUN_VARIABLE
from harness.settings import Settings

NAME_PREFIX = "soh-"
"""Name prefix of the harness's clusters and temporary folders."""


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
    """The prefix of the names of all temporary folders of a run."""
    return f"{NAME_PREFIX}{run_id}-"


def ledger_folder(settings: Settings) -> Path:
    """The folder of this cache's ledgers."""
    return settings.cache_dir / "ledger"


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
        installation = installation_of(folder.parent)
        own = process_identity.identity(os.getpid()) or process_identity.Identity(pid=os.getpid(), boot="", ticks=0)
        owner = Owner(run_id=run_id, process=own, installation=installation.id, host=platform.node())
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
            draft_ledger._append(
                {"run": run_id, "installation": owner.installation, "host": owner.host, **facts_of(own)}
            )
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
            draft.unlink(missing_ok=True)
        os.environ[RUN_VARIABLE] = run_id
        os.environ[INSTALLATION_VARIABLE] = installation.mark
        return ledger

    @classmethod
    def join(cls, run_id: str, folder: Path) -> Self:
        """Write to a ledger that exists already. Raises HostError."""
        path = folder / f"{run_id}.jsonl"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise HostError(f"the ledger {path} cannot be opened: {error.strerror}", "start the run again") from error
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        owner, _ = read(path)
        return cls(path, descriptor, owner, owns=False)

    def planned(self, kind: Kind, name: str, **facts: Any) -> None:
        """Record what is about to be created or, for the same kind and name again, further facts about it."""
        if kind not in get_args(Kind):
            raise ValueError(f"unknown kind of ledger entry {kind!r}")
        self._append({"planned": kind, "name": name, "facts": facts})

    def running(self, name: str, pid: int) -> None:
        """Add its id and start time to a planned process, so that no other process can be mistaken for it."""
        self.planned(
            "process",
            name,
            **facts_of(process_identity.identity(pid) or process_identity.Identity(pid=pid, boot="", ticks=0)),
        )

    def uses(self, engine: EngineMark) -> None:
        """Record in which container engine the run's containers, networks and volumes are."""
        self._append({"engine": asdict(engine)})

    def gone(self, kind: Kind, name: str) -> None:
        """Record that something was removed, and that this was verified."""
        self._append({"gone": kind, "name": name})

    def temporary_folder(self) -> Path:
        """Make the run's temporary folder, which only this user can enter; it is in the ledger before it exists.

        Raises HostError.
        """
        folder = Path(tempfile.gettempdir()) / f"{temp_prefix(self.run_id)}{secrets.token_hex(4)}"
        self.planned("folder", str(folder))
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise HostError(
                f"the temporary folder {folder} cannot be made: {error.strerror}",
                "free some disk, or set TMPDIR to a folder that you may write to",
            ) from error
        return folder

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

    def to_prove(self) -> list[Entry]:
        """What a proof has to look for: what is open, and the clusters that are said to be gone."""
        owner, entries = read(self.path)
        known = {entry.name for entry in entries if entry.kind == "cluster"}
        return [*entries, *(Entry(kind="cluster", name=name) for name in sorted(owner.clusters - known))]

    def ever_planned(self) -> set[str]:
        """The kinds of all entries, gone or not."""
        return {str(line["planned"]) for line in lines_of(self.path) if "planned" in line}

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
        if self._owns and os.environ.get(RUN_VARIABLE) == self.run_id:
            del os.environ[RUN_VARIABLE]
            os.environ.pop(INSTALLATION_VARIABLE, None)
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
                _write_all(self._descriptor, data)
                os.fsync(self._descriptor)
            except OSError as error:
                raise _unwritable(self.path, error) from error


def _write_all(descriptor: int, data: bytes) -> None:
    """Write every byte. A full disk may take some and refuse the rest, with an error only at the next attempt."""
    while data:
        written = os.write(descriptor, data)
        if written == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        data = data[written:]


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
