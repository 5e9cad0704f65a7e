# SPDX-License-Identifier: Apache-2.0
"""The program that plays /bin/k3s: its own tests, by Go."""

from __future__ import annotations

from pathlib import Path

from harness.foundry import gobuild
from harness.foundry.store import Store
from harness.process import call


def test_the_program_passes_its_own_tests(store: Store, go_build_cache: Path) -> None:
    environment = {**gobuild.environment(store), "GOCACHE": str(go_build_cache), "CGO_ENABLED": "0"}

    done = call(
        ["go", "test", "-count=1", "-vet=all", "./..."],
        cwd=gobuild.MODULES / "k3s-shaped-node",
        env=environment,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
