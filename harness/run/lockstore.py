# SPDX-License-Identifier: Apache-2.0
"""Where locks are kept and found: the cache's locks/, a report's locks/, a cell's evidence, a packed bundle of it."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness import named_files
from harness.errors import UsageError
from harness.matrix.release import ChartSource
from harness.redaction.redactor import MASK
from harness.releases import charts
from harness.releases.charts import Chart
from harness.report.files import write_atomically
from harness.run import lock as locks
from harness.run.lock import Lock, digits, parse
from harness.settings import Settings
from harness.untrusted import EVIDENCE_BOUNDS, opened, require_archive

LOCK_FILE = "lock.json"
CHART_FILE = "chart.tgz"
"""The user's own chart, beside the lock in the evidence."""

KEPT = 500
"""So many locks stay in the cache, the newest."""

_LOOKED_AT = 500
"""So many folders below one that has no lock are searched for some."""

_ELSEWHERE = "on another machine, give the evidence folder, its bundle or the lock.json in it"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A lock and, where it was kept with it, the user's own chart."""

    lock: Lock
    where: str
    chart: Path | None = None


class LockStore:
    """Locks by digest in one folder, `<64 hexadecimal digits>.json`; users' charts in `charts/` of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, settings: Settings) -> LockStore:
        """The store in the cache."""
        return cls(settings.cache_dir / "locks")

    def file(self, digest: str) -> Path:
        """Where a lock is, or would be."""
        return self.folder / f"{digits(digest)}.json"

    def chart_file(self, sha256: str) -> Path:
        """Where a user's chart is, or would be."""
        return self.folder / "charts" / f"{sha256}.tgz"

    def unproved_chart_file(self, sha256: str) -> Path:
        """Where the chart of a bundle is whose digest nobody has compared yet."""
        return self.folder / "charts-of-bundles" / f"{sha256}.tgz"

    def save(self, lock: Lock, chart: Chart | None = None) -> None:
        """Keep a lock, and the chart when it is a user's own; the oldest make room. Raises OSError."""
        file = self.file(lock.digest)
        if file.exists():
            file.touch()
        else:
            write_atomically(file, lock.text())
        if chart is not None and lock.chart is not None and lock.chart.requested == "file":
            packed = self.chart_file(lock.chart.sha256)
            if not packed.exists():
                charts.pack(chart, packed)
        self._make_room()

    def copy(self, digest: str, folder: Path) -> None:
        """Put a lock, and its chart, into another store. Raises OSError."""
        other = LockStore(folder)
        source = self.file(digest)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, other.file(digest))
        chart = parse(source.read_text(), where=str(source)).chart
        if chart is not None and self.chart_file(chart.sha256).exists():
            other.chart_file(chart.sha256).parent.mkdir(exist_ok=True)
            shutil.copyfile(self.chart_file(chart.sha256), other.chart_file(chart.sha256))

    def matching(self, prefix: str) -> list[Path]:
        """The files of locks whose digest begins so."""
        return sorted(self.folder.glob(f"{prefix}*.json"))

    def _make_room(self) -> None:
        files = sorted(self.folder.glob("*.json"), key=_modified, reverse=True)
        for file in files[KEPT:]:
            file.unlink(missing_ok=True)
        kept = self.folder / "charts"
        if len(files) > KEPT and kept.is_dir():
            used = {lock.chart.sha256 for lock in map(_read, files[:KEPT]) if lock and lock.chart}
            for file in kept.glob("*.tgz"):
                if file.stem not in used:
                    file.unlink(missing_ok=True)


def write_beside(lock: Lock, folder: Path, chart: Chart | None = None) -> None:
    """Put a lock, and the chart when it is a user's own, into a folder of evidence. Raises OSError."""
    write_atomically(folder / LOCK_FILE, lock.text())
    if chart is not None and lock.chart is not None and lock.chart.requested == "file":
        charts.pack(chart, folder / CHART_FILE)


def find(word: str, settings: Settings) -> Found:
    """The lock that --lock names: a file, a folder of evidence, a bundle, or a digest or the beginning of one.

    Raises UsageError with what to do.
    """
    path = Path(word)
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        return _in_bundle(path, settings) if _is_bundle(path) else _in_file(path)
    prefix = digits(word)
    if not prefix:
        raise UsageError(
            f"--lock {word} is neither a file nor a folder nor a digest",
            f"a digest is `sha256:` and at least {locks.PREFIX_DIGITS} hexadecimal digits; {_ELSEWHERE}",
        )
    return _by_digest(prefix, settings)


def _is_bundle(path: Path) -> bool:
    try:
        require_archive(path, EVIDENCE_BOUNDS)
        return tarfile.is_tarfile(path)
    except OSError as unreadable:
        raise UsageError(f"the lock {path} cannot be read: {unreadable.strerror}", "give another file") from unreadable


def _in_folder(folder: Path) -> Found:
    if (folder / LOCK_FILE).is_file():
        return _in_file(folder / LOCK_FILE)
    below = sorted(str(it.parent) for it in _near(folder))
    raise UsageError(
        f"there is no {LOCK_FILE} in {folder}",
        f"give one of {', '.join(below)}" if below else "give the folder of a cell's evidence",
    )


def _near(folder: Path) -> Iterator[Path]:
    """Locks below a folder, as far as one looks for a hint: in a report they are a few steps away, in a home or a mount
    there may be a million folders before the first.
    """
    for number, (path, _, names) in enumerate(os.walk(folder)):
        if number == _LOOKED_AT:
            return
        if LOCK_FILE in names:
            yield Path(path) / LOCK_FILE


def _in_file(file: Path) -> Found:
    try:
        text = named_files.text(file, errors="replace")
    except OSError as unreadable:
        raise UsageError(f"the lock {file} cannot be read: {unreadable.strerror}", "give another file") from unreadable
    lock = parse(text, where=str(file))
    store = LockStore(file.parent)
    charts_beside = [file.parent / CHART_FILE]
    if lock.chart is not None:
        charts_beside.append(store.chart_file(lock.chart.sha256))
    return Found(lock=lock, where=str(file), chart=next((it for it in charts_beside if it.is_file()), None))


def _in_bundle(bundle: Path, settings: Settings) -> Found:
    wanted: dict[str, bytes] = {}
    with opened(bundle, EVIDENCE_BOUNDS) as archive:
        for name, content in archive.files():
            path = PurePosixPath(name)
            if path.name in (LOCK_FILE, CHART_FILE) and len(path.parts) <= 2:
                wanted[path.name] = content
    if LOCK_FILE not in wanted:
        raise UsageError(f"{bundle} holds no {LOCK_FILE}", "give the bundle of a cell's evidence")
    lock = parse(wanted[LOCK_FILE].decode(errors="replace"), where=f"{bundle}: {LOCK_FILE}")
    if CHART_FILE not in wanted or lock.chart is None:
        return Found(lock=lock, where=str(bundle))
    # A folder of its own: until its digest was compared, the chart must not stand where those of this machine are.
    target = LockStore.of(settings).unproved_chart_file(lock.chart.sha256)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(wanted[CHART_FILE])
    return Found(lock=lock, where=str(bundle), chart=target)


def _by_digest(prefix: str, settings: Settings) -> Found:
    found = {file.stem: file for store in _stores(settings) for file in store.matching(prefix)}
    if not found:
        raise UsageError(
            f"there is no lock sha256:{prefix} in {settings.cache_dir / 'locks'} or in the reports below "
            f"{settings.reports_dir}",
            _ELSEWHERE,
        )
    if len(found) > 1:
        raise UsageError(
            f"--lock sha256:{prefix} is the beginning of {len(found)} digests", f"say which: {', '.join(found)}"
        )
    ((digest, file),) = found.items()
    lock = _in_file(file)
    if digits(lock.lock.digest) != digest:
        raise UsageError(
            f"{file} was changed: its digest is {lock.lock.digest}", "give the lock's file if that is what you want"
        )
    return lock


def _stores(settings: Settings) -> Iterator[LockStore]:
    for folder in sorted(settings.reports_dir.glob("*/locks")):
        yield LockStore(folder)
    yield LockStore.of(settings)


def chart_of(found: Found) -> str:
    """What --chart must say to get the lock's chart; empty for the release's own.

    Raises UsageError when the chart was on a user's disk and is not here, or was fetched with a login.
    """
    chart = found.lock.chart
    if chart is None or not chart.requested:
        return ""
    if MASK in chart.requested:
        raise UsageError(
            f"the lock has no secrets, and its chart was fetched with one: {chart.requested}",
            "give the address again with --chart",
        )
    if chart.requested != ChartSource.FILE.value:
        return chart.requested
    if found.chart is None:
        raise UsageError(
            f"the lock's chart {chart.name} {chart.version} (sha256 {chart.sha256}) was a file, and is not here",
            "give it with --chart, or give the evidence folder or bundle, which holds it, to --lock",
        )
    return str(found.chart)


def _read(file: Path) -> Lock | None:
    """The lock; None for a file that another run has just removed, or that is none."""
    try:
        return parse(named_files.text(file), where=str(file))
    except (FileNotFoundError, UsageError):
        return None


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
