# SPDX-License-Identifier: Apache-2.0
"""Reads the files of a chart, in whatever form it lies here: a folder or a .tgz."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from harness import named_files
from harness.errors import UsageError
from harness.untrusted import CHART_BOUNDS, opened

_COMPILED = "__pycache__"
"""What pip makes of Python programs beside them. It is not of the chart, and differs from machine to machine."""


def files(path: Path) -> Iterator[tuple[str, bytes]]:
    """The name within the chart and the content of each of its files, without what Python made of them.

    Raises UsageError for an archive that cannot be read, holds links or is larger than Helm takes, and for a file of a
    folder that is a link or cannot be read.
    """
    if path.is_dir():
        for file in _below(path):
            try:
                if file.is_symlink():
                    raise UsageError(f"{file} of the chart is a link", "replace it by what it points to")
                if stat.S_ISREG(file.stat().st_mode) and _COMPILED not in file.relative_to(path).parts:
                    yield file.relative_to(path).as_posix(), named_files.content(file)
            except OSError as closed:
                raise UsageError(f"{file} of the chart cannot be read: {closed.strerror}", "correct it") from closed
        return
    with opened(path, CHART_BOUNDS) as archive:
        for name, content in archive.files():
            _, _, within = name.partition("/")
            if within and _COMPILED not in within.split("/"):
                yield within, content


def _below(path: Path) -> list[Path]:
    """Everything below a folder, in order. Raises UsageError for a folder that cannot be listed: its files are some."""
    found: list[Path] = []

    def refuse(closed: OSError) -> None:
        raise UsageError(
            f"{closed.filename} of the chart cannot be read: {closed.strerror}", "let this user read it"
        ) from closed

    for above, folders, names in os.walk(path, onerror=refuse):
        found += (Path(above, name) for name in (*folders, *names))
    return sorted(found)


def text(path: Path, name: str) -> str | None:
    """The text of one file of a chart, None when it has none of that name. Raises UsageError, also for other bytes."""
    content = next((content for found, content in files(path) if found == name), None)
    if content is None:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError as binary:
        raise UsageError(f"{path}: {name} is not text in UTF-8", "give the path of a complete chart") from binary


def require_address(chart: str) -> None:
    """Raise UsageError for half an address; what has no scheme is a file or a folder, and passes."""
    scheme, found, rest = chart.partition("://")
    host, _, path = rest.partition("/")
    if found and (scheme not in ("oci", "http", "https") or not host or (scheme == "oci" and not path)):
        raise UsageError(
            f"--chart {chart} is not the address of a chart",
            "give oci://HOST/PATH/NAME, the https:// address of a Helm repository, a folder or a .tgz",
        )
