# SPDX-License-Identifier: Apache-2.0
"""Each measurement gets to its end, so that no figure of docs/performance.md loses its command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.bench.__main__ import MEASUREMENTS

_SECONDS = 900


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_a_quick_measurement_gets_to_its_end_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    output = tmp_path / "measured.json"

    done = subprocess.run(
        [sys.executable, "-m", "harness.bench", name, "--quick", "--output", output],
        env=os.environ | {"HARNESS_REPORTS": str(tmp_path / "reports")},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(output.read_text())["machine"]["cpus"] > 0
