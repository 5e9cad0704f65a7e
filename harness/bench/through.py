# SPDX-License-Identifier: Apache-2.0
"""Runs cells as a user does, in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from harness import process
from harness.process import Completed

_GRACE_SECONDS = 100.0
"""For a run to remove its clusters when it is interrupted; nox, which waits behind, gives up after 120 s."""


def harness_run(
    words: Sequence[str | Path], *, reports: Path, log_file: Path, timeout: float, cache: Path | None = None
) -> Completed:
    """`harness run` with these options; what it prints goes to a log. Raises CommandTimeout after `timeout` seconds."""
    return process.call(
        [sys.executable, "-m", "harness.cli", "run", *words],
        timeout=timeout,
        env={"HARNESS_REPORTS": str(reports), **({"HARNESS_CACHE": str(cache)} if cache else {})},
        log_file=log_file,
        check=False,
        grace=_GRACE_SECONDS,
    )
