# SPDX-License-Identifier: Apache-2.0
"""Another process, which holds something that runs share until it is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_PROGRAM = """
import sys
from pathlib import Path
from harness.run.budget import Budget
from harness.run.slots import Slots
with {holding}:
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(holding: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has entered the context manager of this expression, for as long as the block lasts."""
    argv = [sys.executable, "-c", _PROGRAM.format(holding=holding)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()
