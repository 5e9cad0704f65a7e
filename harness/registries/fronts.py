# SPDX-License-Identifier: Apache-2.0
"""Local registries that run in the background: started, found and removed by `harness registry`."""

from __future__ import annotations

import errno
import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.table import Table

from harness import causes, children, errors, process
from harness.cleanup.clean import clean_run
from harness.errors import DiskError, HarnessError, HostError, UsageError
from harness.evidence.installation import mark
from harness.evidence.ledger import Ledger, ledger_folder, new_run_id
from harness.host import disk
from harness.images.references import ImageReference
from harness.matrix import own_rows
from harness.registries.front.profile import Limits, Visibility, profile
from harness.registries.front.records import FILES, Failure, Plan, Record, write
from harness.registries.front.server import USERS
from harness.registries.tokens import Accounts
from harness.settings import Settings
from harness.waiting import until
from harness.wording import did_you_mean, nearest

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,40}[a-z0-9])?")
_START_SECONDS = 60.0
_ROOM_BYTES = 50e6

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request of `harness registry up`; the default `name` is the profile's, with a number if that is taken.

    `packages` maps names or globs to their visibility, `users` a user to scopes; without users there are three. The
    profile may be in `catalogue_dirs`.
    """

    profile: str
    name: str = ""
    port: int = 0
    packages: Mapping[str, Visibility] = field(default_factory=dict)
    users: Mapping[str, Sequence[str]] = field(default_factory=dict)
    limits: Limits | None = None
    catalogue_dirs: tuple[Path, ...] = ()


def up(settings: Settings, request: Request, binary: Path) -> Record:
    """Start a local registry that outlives this process, and return once it answers.

    It is in a ledger before it exists, so that `nox -s clean` finds it. Raises UsageError for invalid names,
    HostError for a port in use, DiskError for lack of space; in these cases nothing is left behind.
    """
    check(request)
    disk.require(settings.cache_dir, _ROOM_BYTES, what="a local registry")
    run_id = new_run_id()
    ledger = Ledger.open(run_id, ledger_folder(settings))
    try:
        record = _start(settings, request, binary, ledger)
        ledger.keep()
        ledger.close()
    except BaseException as error:
        ledger.close()
        if ledger.path.exists():
            clean_run(settings, run_id, say=lambda line: None)
        if isinstance(error, OSError):
            raise _unwritable(settings, error) from error
        raise
    return record


def down(settings: Settings, record: Record, say: Say) -> list[str]:
    """Stop a local registry and remove everything of it; returns descriptions of what remains."""
    return clean_run(settings, record.run_id, say=say)


def recorded(settings: Settings) -> list[Record]:
    """The local registries of this cache, by name. Raises HostError when a record is not one."""
    found = []
    for file in sorted(fronts_folder(settings).glob(f"*/{FILES[Record]}")):
        try:
            found.append(Record.model_validate_json(file.read_bytes()))
        except (ValidationError, OSError) as wrong:
            raise HostError(
                f"{file} is not a valid record of a local registry", "`nox -s clean` removes it with the rest"
            ) from wrong
    return found


def find(settings: Settings, name: str = "") -> Record:
    """The local registry of this name, or the only one. Raises UsageError with the names there are."""
    known = {it.name: it for it in recorded(settings)}
    names = ", ".join(known) or "none"
    if not name and len(known) == 1:
        return next(iter(known.values()))
    if not name:
        what = "several local registries are running" if known else "no local registry is running"
        raise UsageError(what, f"name one of {names}" if known else "start one: harness registry up --profile ghcr.io")
    if name not in known:
        hint = did_you_mean(nearest(name, known, 0.5))
        raise UsageError(f"there is no local registry {name!r}{hint}", f"running local registries: {names}")
    return known[name]


def table(records: Sequence[Record], states: Mapping[str, Mapping[str, Any]]) -> Table:
    """A table of the local registries; `states` are the answers of those that are running, by name."""
    shown = Table(title="Local registries", title_justify="left")
    for name in ("name", "profile", "address", "state", "faults", "CA"):
        shown.add_column(name, overflow="fold")
    for it in records:
        said = states.get(it.name, {})
        state = ("up" if said.get("storage", True) else "up, but its storage is gone") if it.alive else "ended"
        shown.add_row(it.name, it.profile, it.address, state, "; ".join(said.get("faults", ())), str(it.ca))
    return shown


def fronts_folder(settings: Settings) -> Path:
    """The folder that has a subfolder for each local registry."""
    return settings.cache_dir / "fronts"


def check(request: Request) -> None:
    """Raise UsageError for an invalid name, package, user, scope, port or limit."""
    chosen = profile(request.profile, own_rows.read(request.catalogue_dirs))
    if request.limits:
        chosen.with_limits(request.limits)
    if request.name and not _NAME.fullmatch(request.name):
        raise UsageError(
            f"{request.name!r} is not a valid name for a local registry", "use letters, digits, '.' and '-'"
        )
    for package in request.packages:
        # A glob is a name with something left open.
        ImageReference.parse(f"{request.profile}/{package.replace('*', 'x')}")
    trial = Accounts(chosen.personal_prefix)
    for user, scopes in request.users.items():
        trial.issue(user, scopes)


def _start(settings: Settings, request: Request, binary: Path, ledger: Ledger) -> Record:
    folder = _claim_folder(settings, request, ledger)
    # The path of a socket has 107 characters at most, so it cannot lie in any cache.
    control = ledger.temporary_folder() / "control"
    plan = Plan(
        name=folder.name,
        profile=request.profile,
        run_id=ledger.run_id,
        binary=binary,
        control=control,
        port=request.port,
        packages=dict(request.packages),
        users={user: tuple(scopes) for user, scopes in (request.users or USERS).items()},
        limits=request.limits,
        catalogue_dirs=request.catalogue_dirs,
    )
    file = write(folder, plan)
    process_name = f"registry {folder.name}"
    ledger.planned("process", process_name)
    child = process.daemon(
        [sys.executable, "-m", "harness.registries.front", file],
        log_file=folder / "front.log",
        # What it leaves when it is killed, files and processes, is known to be its run's.
        env={
            "TMPDIR": str(control.parent),
            process.RUN_VARIABLE: ledger.run_id,
            process.INSTALLATION_VARIABLE: mark(),
        },
    )
    ledger.running(process_name, child.pid)
    try:
        return until(
            lambda: _record_of(folder, child),
            lambda it: it is not None,
            what=f"the local registry {folder.name} to answer",
            timeout=_START_SECONDS,
            interval=0.05,
            next_step=f"see {folder / 'front.log'}",
        )  # type: ignore[return-value]  # until returns what `done` accepted
    except BaseException:
        children.end(child)
        raise


def _claim_folder(settings: Settings, request: Request, ledger: Ledger) -> Path:
    """A new folder named after the registry; creating it decides between two requests for the same name."""
    root = fronts_folder(settings)
    root.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        name = request.name or (request.profile if number == 1 else f"{request.profile}-{number}")
        folder = root / name
        if folder.exists():
            if request.name:
                raise UsageError(
                    f"there is already a local registry {name!r}",
                    f"remove it (harness registry down {name}), or give another --name",
                )
            continue
        ledger.planned("folder", str(folder))
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            ledger.gone("folder", str(folder))
            continue
        return folder
    raise AssertionError("unreachable")


def _record_of(folder: Path, child: subprocess.Popen[bytes]) -> Record | None:
    file = folder / FILES[Record]
    if file.exists():
        return Record.model_validate_json(file.read_bytes())
    ended = child.poll()
    if ended is None:
        return None
    failure = folder / FILES[Failure]
    if failure.exists():
        raise _error_of(Failure.model_validate_json(failure.read_bytes()))
    cause = causes.told((folder / "front.log").read_text(errors="replace"), "no output")
    raise HostError(
        f"the local registry exited with status {ended} before it answered: {cause}",
        "run it again with `harness --verbose`",
    )


def _error_of(failure: Failure) -> HarnessError:
    known = getattr(errors, failure.kind, HostError)
    kind = known if isinstance(known, type) and issubclass(known, HarnessError) else HostError
    return kind(failure.message, failure.next_step)


def _unwritable(settings: Settings, error: OSError) -> HarnessError:
    message = f"the record of a local registry cannot be written to {settings.cache_dir}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskError(message, "free some space, or set HARNESS_CACHE to another disk")
    return HostError(message, "check its permissions, or set HARNESS_CACHE to another folder")
