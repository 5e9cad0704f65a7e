# SPDX-License-Identifier: Apache-2.0
"""Whatever ends a run, nothing of it is left, and nothing of anybody else's is touched.

That a user's container stays, and that no run leaves anything, is looked at after every test of this folder.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from runs import CELL, OTHER_CELL, Run, docker


@pytest.mark.nightly
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_run_removes_its_cluster(number: signal.Signals, tmp_path: Path) -> None:
    run = Run(tmp_path, "--cell", CELL)
    run.until_node()

    os.kill(run.process.pid, number)

    assert run.end() == 3, run.said
    assert run.left() == []
    assert not (tmp_path / "users-own").exists()


def test_a_second_signal_does_not_stop_the_clean_up(tmp_path: Path) -> None:
    run = Run(tmp_path, "--cell", OTHER_CELL)
    run.until_node()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
        os.kill(run.process.pid, number)

    assert run.end() == 3, run.said
    assert run.left() == []
    assert not (tmp_path / "users-own").exists()


def test_the_next_run_removes_what_a_killed_run_left_and_what_it_makes_itself(tmp_path: Path, cache: Path) -> None:
    killed = Run(tmp_path / "killed", "--cell", CELL, cache=cache)
    node = killed.until_node()
    os.killpg(killed.process.pid, signal.SIGKILL)
    killed.end()
    assert node in docker("ps", "--all", "--format", "{{.Names}}")

    following = Run(tmp_path / "following", "--cell", CELL, cache=cache)
    following.until_said("was terminated before it could clean up")
    following.until_node()
    assert killed.left() == []
    os.kill(following.process.pid, signal.SIGINT)

    assert following.end() == 3, following.said
    assert following.left() == []
    assert not (tmp_path / "following" / "users-own").exists()
