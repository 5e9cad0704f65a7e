# SPDX-License-Identifier: Apache-2.0
"""Files that are written atomically."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from harness import named_files


def write_atomically(file: Path, text: str) -> None:
    """Write a text file by one rename: readers never see half of it, and a killed run never leaves half of it.

    Only this user may read a new file; one that is there keeps its mode.
    """
    write_bytes_atomically(file, text.encode())


def write_bytes_atomically(file: Path, content: bytes) -> None:
    """The same with bytes."""
    if why := named_files.why_not(file):
        # The rename would put a file in the place of /dev/null.
        raise named_files.Unfit(errno.EINVAL, why, str(file))
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        if file.is_file():
            there = file.stat()
            with suppress(PermissionError):
                # Root, as which containers run, would make it its own.
                os.chown(temporary, there.st_uid, there.st_gid)
            temporary.chmod(there.st_mode & 0o777)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def set_modes(folder: Path, *, share: bool = False) -> None:
    """Let only this user read a report, or with `share` every user of the machine. Links are left alone."""
    for_folders, for_files = (0o755, 0o644) if share else (0o700, 0o600)
    for path, _, names in os.walk(folder):
        Path(path).chmod(for_folders)
        for file in (Path(path) / name for name in names):
            if file.is_file() and not file.is_symlink():
                file.chmod(for_files)


def point_at(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target`, relative to its own folder, atomically by one rename.

    Raises OSError when something that is not a link is in the way.
    """
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    try:
        temporary.replace(link)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
