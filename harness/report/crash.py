# SPDX-License-Identifier: Apache-2.0
"""The report of an unforeseen exception: a file that can be attached to an issue."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from harness import __version__
from harness.process import shown
from harness.redaction.redactor import Redactor


def write(error: BaseException, argv: Sequence[str], folder: Path | None = None) -> Path:
    """Write what happened, without secrets, to a file that only this user may read; returns the file.

    `folder` defaults to the temporary folder. Raises OSError.
    """
    text = "\n".join(
        [
            f"spark-operator-harness {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"command: {shown(['harness', *argv])}",
            "",
            "".join(traceback.format_exception(error)),
        ]
    )
    descriptor, name = tempfile.mkstemp(prefix="spark-operator-harness-crash-", suffix=".txt", dir=folder)
    # Arguments may have bytes that are no UTF-8.
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(Redactor(()).text(text))
    return Path(name)


def tell(error: BaseException, argv: Sequence[str]) -> None:
    """Say on standard error that this is a defect of the harness, and where its report is."""
    print(f"internal error: {type(error).__name__}: {error}", file=sys.stderr)
    try:
        where = f"attach {write(error, argv)} to an issue"
    except OSError as full:
        traceback.print_exception(error)
        where = f"no report could be written ({full.strerror}): copy the lines above into an issue"
    print(f"  next: this is a defect of the harness, not of what you tested; {where}", file=sys.stderr)
