# SPDX-License-Identifier: Apache-2.0
"""The program that plays /bin/k3s: its own tests, by Go."""

from __future__ import annotations

from pathlib import Path

from harness.foundry import gobuild
from harness.foundry.store import Store
from harness.process import call


def test_the_program_passes_its_own_tests(store: Store, tmp_path: Path) -> None:
    environment = {**gobuild.environment(store), "GOCACHE": str(tmp_path / "go-build"), "CGO_ENABLED": "0"}

    done = call(
        ["go", "test", "-vet=all", "./..."],
        cwd=gobuild.MODULES / "k3s-shaped-node",
        env=environment,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
