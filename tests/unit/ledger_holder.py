# SPDX-License-Identifier: Apache-2.0
"""Another process with a ledger: whether a run is alive is a matter of processes, which one process cannot show."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAM = """
import sys
from pathlib import Path
from harness.evidence.ledger import Ledger
ledger = Ledger.open(sys.argv[1], Path(sys.argv[2]))
ledger.planned(sys.argv[3], sys.argv[4])
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def ledger_holder(run_id: str, ledgers: Path, kind: str, name: str) -> Iterator[subprocess.Popen[str]]:
    """A run that has planned one thing; killed, as by SIGKILL, when the block is left."""
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, run_id, str(ledgers), kind, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()
