# SPDX-License-Identifier: Apache-2.0
"""Argo CD beside a cluster goes with its run, whatever ends that; what deploying by it comes to, cells of the tier
`nightly` show.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from runs import Run, docker

from harness import waiting
from harness.evidence.ledger import short_run_id
from harness.releases.argocd.programs import PARTS

pytestmark = pytest.mark.nightly

CELL = "kind-1.34/gitops-argocd-2.2.1@docker.io-2.5.2+sync=server-side/gitops"
BUILD_SECONDS = 900.0
"""Where Argo CD is not built yet."""


def until_argo_cd(run: Run) -> list[str]:
    """Wait until all of its programs run, and return their containers."""

    def look() -> list[str]:
        assert run.process.poll() is None, run.said
        own = f"soh-{short_run_id(run.id)}-1-argocd-"
        return [it for it in docker("ps", "--format", "{{.Names}}") if it.startswith(own)]

    run.until_said("creating cluster", timeout=BUILD_SECONDS)
    return waiting.until(look, lambda it: len(it) == len(PARTS), what="Argo CD's programs to run", timeout=180)


def test_clean_finds_what_a_killed_run_left_of_argo_cd(tmp_path: Path, cache: Path) -> None:
    killed = Run(tmp_path / "killed", "--cell", CELL, cache=cache)
    programs = until_argo_cd(killed)
    os.killpg(killed.process.pid, signal.SIGKILL)
    killed.end()
    assert set(programs) <= set(docker("ps", "--all", "--format", "{{.Names}}"))

    cleaned = Run(tmp_path / "cleaned", "--run", killed.id, command="clean", cache=cache)

    assert cleaned.end() == 0, cleaned.said
    assert killed.left() == []


def test_an_interrupted_run_removes_argo_cd(tmp_path: Path) -> None:
    run = Run(tmp_path, "--cell", CELL)
    until_argo_cd(run)

    os.kill(run.process.pid, signal.SIGTERM)

    assert run.end() == 3, run.said
    assert run.left() == []
