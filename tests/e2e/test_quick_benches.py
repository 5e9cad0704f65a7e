# SPDX-License-Identifier: Apache-2.0
"""Each measurement gets to its end, so that no figure of docs/performance.md loses its command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.bench import repeats
from harness.bench.__main__ import MEASUREMENTS

_SECONDS = 900


EVERY_NIGHT = {"scale", "upstream"}
"""Measurements that need what nothing else does, so that CI goes without them."""


@pytest.mark.parametrize(
    "name", [pytest.param(it, marks=[pytest.mark.nightly] if it in EVERY_NIGHT else []) for it in MEASUREMENTS]
)
def test_a_quick_measurement_gets_to_its_end_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    assert measure(tmp_path, name, "--quick") == 0


@pytest.mark.nightly
def test_a_round_with_the_images_loaded_by_hand_gets_to_its_end(tmp_path: Path) -> None:
    # How the two compare depends on what else the machine does.
    assert measure(tmp_path, "smoke", "--runs", "1") in (0, 1)


def measure(folder: Path, *words: str) -> int:
    """The exit status of a measurement that got to its end."""
    output = folder / "measured.json"
    done = subprocess.run(
        [sys.executable, "-m", "harness.bench", *words, "--output", output],
        env=os.environ | {"HARNESS_REPORTS": str(folder / "reports")},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert output.exists(), done.stdout + done.stderr
    # Repeats keep more than one file.
    document = output / repeats.FILE if output.is_dir() else output
    assert json.loads(document.read_text())["machine"]["cpus"] > 0
    return done.returncode
