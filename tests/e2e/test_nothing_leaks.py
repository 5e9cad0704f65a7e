# SPDX-License-Identifier: Apache-2.0
"""Whatever ends a run, nothing of it is left, and nothing of anybody else's is touched."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from runs import CELL, Run, Things, docker


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_run_removes_its_cluster(number: signal.Signals, tmp_path: Path, before: Things) -> None:
    run = Run(tmp_path, "--cell", CELL)
    run.until_container("control-plane", before)

    os.kill(run.process.pid, number)

    assert run.end() == 3, run.log.read_text(errors="replace")
    assert Things.now() == before
    assert not (tmp_path / "users-own").exists()


def test_a_second_signal_does_not_stop_the_clean_up(tmp_path: Path, before: Things) -> None:
    run = Run(tmp_path, "--cell", CELL)
    run.until_container("control-plane", before)

    for _ in range(3):
        os.kill(run.process.pid, signal.SIGINT)

    assert run.end() == 3, run.log.read_text(errors="replace")
    assert Things.now() == before


def test_the_next_run_removes_what_a_killed_run_left(tmp_path: Path, before: Things, users_container: str) -> None:
    killed = Run(tmp_path / "killed", "--cell", CELL)
    node = killed.until_container("control-plane", before)
    os.killpg(killed.process.pid, signal.SIGKILL)
    killed.end()
    assert node in docker("ps", "--all", "--format", "{{.Names}}")

    following = Run(tmp_path / "following", "--cell", CELL)
    following.until_said("was terminated before it could clean up")
    following.until_said("creating cluster")
    os.kill(following.process.pid, signal.SIGINT)
    following.end()

    assert Things.now() == before
    assert users_container in before.containers
