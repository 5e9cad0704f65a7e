# SPDX-License-Identifier: Apache-2.0
"""Bootstrap steps: order, overlap, what is skipped, what a failure ends."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness import process, waiting
from harness.errors import BuildError, HarnessError
from harness.host import display, step_runner
from harness.host.display import PlainDisplay
from harness.host.steps import Progress, Step, ordered


class Work:
    """Steps that note when they ran."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.finished: set[str] = set()

    def step(
        self,
        name: str,
        *needs: str,
        heavy: bool = False,
        there: bool = False,
        act: Callable[[Progress], None] = lambda progress: None,
    ) -> Step:
        if there:
            self.finished.add(name)

        def run(progress: Progress) -> None:
            self.events.append(f"+{name}")
            act(progress)
            self.finished.add(name)
            self.events.append(f"-{name}")

        return Step(
            name=name, done=lambda: name in self.finished, run=run, needs=needs, heavy=heavy, size=lambda: 5_000_000
        )


def run(steps: list[Step], output: io.StringIO | None = None) -> list[step_runner.Outcome]:
    console = Console(file=output or io.StringIO(), width=100)
    return step_runner.run(steps, PlainDisplay(console), known=step_runner.what_is_there(steps))


def test_needs_come_first() -> None:
    work = Work()

    run([work.step("image", "engine", "tool"), work.step("tool"), work.step("engine")])

    assert work.events.index("+image") > max(work.events.index("-tool"), work.events.index("-engine"))


def test_what_has_most_behind_it_begins_first() -> None:
    work = Work()
    steps = [
        replace(work.step("helm", heavy=True), estimate=60),
        replace(work.step("programs", heavy=True), estimate=20),
        replace(work.step("node", "programs"), estimate=90),
        replace(work.step("kubernetes", heavy=True), estimate=300),
    ]

    assert [step.name for step in ordered(steps)] == ["kubernetes", "programs", "node", "helm"]
    run(steps)

    heavy = [event for event in work.events if event in ("+kubernetes", "+programs", "+helm")]
    assert heavy == ["+kubernetes", "+programs", "+helm"]


def test_a_second_run_does_nothing() -> None:
    work = Work()
    steps = [work.step("a"), work.step("b", "a")]
    run(steps)
    work.events.clear()

    outcomes = run(steps)

    assert work.events == []
    assert [outcome.state for outcome in outcomes] == ["there", "there"]


def test_what_needs_a_missing_step_is_looked_at_only_afterwards() -> None:
    work = Work()
    looked: list[str] = []

    def look() -> bool:
        looked.append("image")
        return True

    image = Step(name="image", needs=("engine",), done=look, run=lambda progress: None)
    steps = [work.step("engine"), image]

    known = step_runner.what_is_there(steps)

    assert known == {"engine": False, "image": None}
    assert looked == []
    outcomes = step_runner.run(steps, PlainDisplay(Console(file=io.StringIO())), known=known)
    assert [outcome.state for outcome in outcomes] == ["done", "there"]


def test_independent_steps_overlap_but_heavy_ones_do_not() -> None:
    work = Work()
    both = threading.Barrier(2, timeout=20)

    def meet(progress: Progress) -> None:
        both.wait()

    steps = [
        work.step("heavy 1", heavy=True, act=meet),
        work.step("heavy 2", heavy=True),
        work.step("light", act=meet),
    ]

    run(steps)

    assert work.events.index("+heavy 2") > work.events.index("-heavy 1")


def test_a_failure_ends_the_other_programs_and_keeps_what_was_finished(tmp_path: Path) -> None:
    work = Work()
    begun = threading.Event()

    def long(progress: Progress) -> None:
        begun.set()
        process.call(["sleep", "600"], timeout=700)

    def fail(progress: Progress) -> None:
        assert begun.wait(20)
        raise BuildError("the compiler said no", "see /tmp/x.log")

    steps = [work.step("first"), work.step("long", "first", act=long), work.step("bad", "first", act=fail),
             work.step("never", "bad")]  # fmt: skip
    started = time.monotonic()

    with pytest.raises(BuildError) as caught:
        run(steps)

    assert caught.value.message == "bad: the compiler said no"
    assert time.monotonic() - started < 20
    assert work.finished == {"first"}
    assert not waiting.cancelled()
    work_again = [work.step("first"), work.step("long", "first"), work.step("bad", "first"), work.step("never", "bad")]
    assert [outcome.state for outcome in run(work_again)] == ["there", "done", "done", "done"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([("a", "b"), ("b", "a")], "a dependency cycle: a → b → a"),
        ([("a", "nowhere")], "needs nowhere, which does not exist"),
        ([("a",), ("a",)], "duplicate bootstrap steps: a"),
    ],
)
def test_steps_that_cannot_be_ordered(names: list[tuple[str, ...]], said: str) -> None:
    work = Work()

    with pytest.raises(HarnessError, match=said):
        ordered([work.step(*name) for name in names])


def test_plain_output_says_what_begins_what_is_done_and_its_size() -> None:
    work, output = Work(), io.StringIO()

    run([work.step("kind", act=lambda progress: progress("compiling"))], output)

    lines = output.getvalue().splitlines()
    assert lines[:2] == ["begun   kind", "        kind: compiling"]
    assert lines[2].startswith("done    kind in 0.")
    assert lines[2].endswith(", 5 MB")


def test_plain_output_shows_life_every_15_seconds() -> None:
    # The clock is moved, since a test may not take 15 s.
    now = [1000.0]
    output = io.StringIO()
    shown = PlainDisplay(Console(file=output, width=100), clock=lambda: now[0])
    step = Work().step("kubernetes")
    shown.started(step)
    shown.said(step, "linking")
    for _ in range(40):
        now[0] += 1
        shown.tick()

    assert output.getvalue().splitlines()[2:] == [
        "        kubernetes: 15 s, linking",
        "        kubernetes: 30 s, linking",
    ]


def test_the_summary_has_sizes_and_times() -> None:
    output = io.StringIO()
    outcomes = [
        step_runner.Outcome(name="kind", state="there", seconds=0.01, size=8_000_000),
        step_runner.Outcome(name="kubernetes 1.34.4", state="done", seconds=400, size=1_250_000_000),
    ]

    Console(file=output, width=100).print(display.summary(outcomes))

    rows = [line.split() for line in output.getvalue().splitlines()]
    assert rows[1:] == [
        ["kind", "there", "8", "MB"],
        ["kubernetes", "1.34.4", "done", "1.2", "GB", "6", "min", "40", "s"],
    ]


def test_a_terminal_shows_what_is_going_on() -> None:
    work = Work()
    shown = display.LiveDisplay(Console(file=io.StringIO()))
    step = work.step("kubernetes")
    shown.started(step)
    shown.said(step, "linking")
    output = io.StringIO()
    Console(file=output, width=100).print(shown)

    assert "… kubernetes 0.0 s  linking" in output.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.42, "0.4 s"),
        (75, "75 s"),
        (430, "7 min 10 s"),
        (179.7, "3 min"),
        (360, "6 min"),
        (750, "12 min"),
        (3900, "1 h 5 min"),
        (7199, "1 h 59 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert display.duration(seconds) == words
