# SPDX-License-Identifier: Apache-2.0
"""Removes folders of the harness, and none that holds more than that."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.home import user_home
from harness.host.disk import mount_points


def remove_folder(folder: Path) -> str:
    """Remove a folder with everything in it, including read-only files; returns a description of what went wrong.

    A link is removed, not followed. A folder with a mount point in it is not removed.
    """
    if folder.is_symlink():
        folder.unlink()
        return ""
    resolved, home = folder.resolve(), user_home()
    if len(resolved.parts) < 3 or (home and home.resolve().is_relative_to(resolved)):
        return f"{folder} is not removed: it has files that are not the harness's"
    mounted = [mount for mount in mount_points() if mount.is_relative_to(resolved)]
    if mounted:
        return f"{folder} is not removed: {mounted[0]} is mounted in it (umount {mounted[0]})"
    problems: list[str] = []

    def force(function: Callable[..., Any], path: str, error: tuple[type[BaseException], BaseException, Any]) -> None:
        # Go's module cache is read-only, and what is in a read-only folder cannot be removed.
        try:
            Path(path).parent.chmod(0o700)
            if Path(path).is_dir() and not Path(path).is_symlink():
                Path(path).chmod(0o700)
                shutil.rmtree(path)
            else:
                function(path)
        except FileNotFoundError:
            return
        except OSError as again:
            problems.append(f"{path}: {again.strerror}")

    if folder.exists():
        shutil.rmtree(folder, onerror=force)
    return f"{folder} cannot be removed: {problems[0]}" if problems else ""
