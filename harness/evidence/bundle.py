# SPDX-License-Identifier: Apache-2.0
"""Packs a cell's evidence into one file that can be handed to someone else."""

from __future__ import annotations

import tarfile
from pathlib import Path

from harness.errors import HostError


def bundle(folder: Path, target: Path | None = None) -> Path:
    """Pack an evidence folder into a .tar.gz next to it (or at `target`) and return that file.

    The archive holds one folder, without owners and links, and `summary.md` first. Raises HostError.
    """
    path = target or folder.with_name(folder.name + ".tar.gz")
    if not folder.is_dir():
        raise HostError(
            f"there is no evidence to pack: {folder} does not exist", "look into reports/ for existing folders"
        )
    files = sorted(
        (file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()),
        key=lambda file: (file != folder / "summary.md", file),
    )
    draft = path.with_name(f".{path.name}.partial")
    try:
        with tarfile.open(draft, "w:gz") as archive:
            for file in files:
                archive.add(file, Path(folder.name) / file.relative_to(folder), recursive=False, filter=_anonymous)
        draft.chmod(0o600)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise HostError(
            f"{folder} could not be packed into {path}: {error.strerror}", "free some disk space"
        ) from error
    return path


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode = 0o600
    return info
