# SPDX-License-Identifier: Apache-2.0
"""A cell of the wheel, from a folder without a checkout: a release in a registry of the user's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from installation import Installation, built
from runs import Run

from harness.settings import PROJECT_ROOT
from harness.verdicts import Verdict

pytestmark = pytest.mark.nightly

CELL = "kind-1.34/install-2.5.2@quay.io/spark-pi"


def test_a_cell_of_the_wheel_with_rows_of_the_users_own(tmp_path: Path) -> None:
    installed = Installation.of(built("wheel", tmp_path / "dist"), tmp_path / "installed")
    site = tmp_path / "site"
    shutil.copytree(PROJECT_ROOT / "docs" / "examples" / "own-rows", site)
    (site / "conftest.py").write_text("raise SystemExit('the conftest.py of the current folder was loaded')\n")
    chosen = ("--env", "kind-1.34", "--path", "install-2.5.2@quay.io", "--scenario", "spark-pi")
    program = installed.program("harness")
    subprocess.run([program, "bootstrap", *chosen], cwd=site, check=True, capture_output=True, timeout=600)

    run = Run(site, "--cell", CELL, program=program)

    assert run.end() == 0, run.said
    (cell,) = run.cells()
    assert (cell.id, cell.verdict) == (CELL, Verdict.PASSED)
    assert "quay.io/acme/spark-operator:2.5.2" in [image.reference for image in cell.images]
