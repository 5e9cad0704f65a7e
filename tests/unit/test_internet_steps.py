# SPDX-License-Identifier: Apache-2.0
"""The steps of the rehearsal: which there are, and what a step that fails does to the others."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from harness.errors import UsageError
from harness.internet import steps
from harness.internet.every_step import every_step
from harness.internet.machine import Machine
from harness.internet.steps import Rehearsal, Step
from harness.internet.world import World
from harness.registries.front.access_log import Request


class Quiet:
    """A world of which nobody asks anything but for one request a look."""

    def __init__(self) -> None:
        self.seen: list[Request] = []

    def requests(self) -> list[Request]:
        one = Request(time="", method="GET", host="ghcr.io", path="/v2/", status=401, bytes=0, source="", seconds=0)
        self.seen.append(one)
        return list(self.seen)


@pytest.fixture
def rehearsal(tmp_path: Path) -> Rehearsal:
    return Rehearsal(world=cast(World, Quiet()), machine=cast(Machine, None), folder=tmp_path)


def test_a_step_that_fails_is_told_and_the_others_run(rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(on: Rehearsal) -> str:
        steps.require(False, "the source was not detected")
        return ""

    known = [Step(name="first", about="breaks", act=fails), Step(name="second", about="holds", act=lambda on: on.step)]

    assert steps.run(known, rehearsal) == 1
    said = capsys.readouterr().out
    assert "FAILED  first in 0 s: the source was not detected" in said
    assert "held    second in 0 s: second" in said
    # Each step tells what was asked during it, and not before.
    assert said.count("ghcr.io: 1 401; 0.0 MB") == 2


def test_steps_run_in_their_own_order(rehearsal: Rehearsal) -> None:
    assert [it.name for it in steps.chosen(every_step(), ["clean", "bootstrap"])] == ["bootstrap", "clean"]
    assert steps.chosen(every_step(), []) == every_step()


def test_an_unknown_step_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"(?s)no step boot.*bootstrap"):
        steps.chosen(every_step(), ["boot"])
