# SPDX-License-Identifier: Apache-2.0
"""The peak of a process's memory, measured in real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.host import memory

CHILD = "from harness.host.memory import peak_mib; print(peak_mib())"
PARENT = f"""
import subprocess, sys
large = b"x" * (300 << 20)
print(subprocess.run([sys.executable, "-c", {CHILD!r}], capture_output=True, text=True, check=True).stdout)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is the process's own")
def test_the_memory_of_whoever_started_a_process_does_not_count() -> None:
    done = subprocess.run([sys.executable, "-c", PARENT], capture_output=True, text=True, check=True)

    assert 5 < float(done.stdout) < 150


def test_what_was_given_back_counts(tmp_path: Path) -> None:
    before = memory.peak_mib()
    large = b"x" * (200 << 20)
    del large

    assert memory.peak_mib() >= min(before, 200)
    assert memory.peak_mib() > 200
    assert memory.peak_mib(tmp_path / "another-system") > 200
