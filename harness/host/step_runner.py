# SPDX-License-Identifier: Apache-2.0
"""Runs bootstrap steps: finished ones are skipped, independent ones run in parallel, a failure stops the rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Literal, Protocol

from harness import children, waiting
from harness.errors import HarnessError
from harness.host.steps import Step, ordered

_TICK_SECONDS = 0.5
_END_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a step: it was already `there`, or it was `done`. `size` is in bytes."""

    name: str
    state: Literal["there", "done"]
    seconds: float
    size: int


class Display(Protocol):
    """Shows progress. `said` is called from other threads."""

    def started(self, step: Step) -> None:
        """A step's work begins."""

    def said(self, step: Step, line: str) -> None:
        """A progress message of a step."""

    def finished(self, step: Step, outcome: Outcome) -> None:
        """A step is done, or was already."""

    def failed(self, step: Step, error: BaseException) -> None:
        """A step failed."""

    def tick(self) -> None:
        """Time has passed; called about twice a second."""


def what_is_there(steps: Sequence[Step]) -> dict[str, bool | None]:
    """For each step whether it is done; None if that is known only once the steps that it needs are done."""
    state: dict[str, bool | None] = {}
    for step in ordered(steps):
        state[step.name] = step.done() if all(state[need] for need in step.needs) else None
    return state


def run(
    steps: Sequence[Step], display: Display, *, known: Mapping[str, bool | None], threads: int = 2
) -> list[Outcome]:
    """Run all steps that are not done, at most `threads` in parallel, of which at most one heavy one.

    `known` is the result of `what_is_there`. The first failure stops the programs of the other steps and is raised; so
    does an interruption. Finished steps stay finished, so that a second call continues from there.
    """
    return _Run(steps, display, known).to_the_end(threads)


class _Run:
    def __init__(self, steps: Sequence[Step], display: Display, known: Mapping[str, bool | None]) -> None:
        self._waiting = ordered(steps)
        self._order = [step.name for step in self._waiting]
        self._display = display
        self._known = known
        self._stopping = threading.Event()
        self._running: dict[Future[Outcome], Step] = {}
        self._outcomes: dict[str, Outcome] = {}

    def to_the_end(self, threads: int) -> list[Outcome]:
        with ThreadPoolExecutor(threads, thread_name_prefix="bootstrap") as pool:
            try:
                while self._waiting or self._running:
                    self._start_what_can(pool, threads)
                    finished, _ = wait(self._running, timeout=_TICK_SECONDS, return_when=FIRST_COMPLETED)
                    for future in finished:
                        self._take(future)
                    self._display.tick()
            except BaseException:
                self._end_the_rest()
                raise
        return [self._outcomes[name] for name in self._order]

    def _start_what_can(self, pool: ThreadPoolExecutor, threads: int) -> None:
        for step in [step for step in self._waiting if all(need in self._outcomes for need in step.needs)]:
            if len(self._running) >= threads:
                return
            if step.heavy and any(other.heavy for other in self._running.values()):
                continue
            self._waiting.remove(step)
            self._running[pool.submit(self._work, step)] = step

    def _work(self, step: Step) -> Outcome:
        started = time.monotonic()
        known = self._known.get(step.name)
        if step.done() if known is None else known:
            return Outcome(name=step.name, state="there", seconds=time.monotonic() - started, size=step.size())
        self._display.started(step)

        def progress(line: str) -> None:
            if self._stopping.is_set():
                raise waiting.Cancelled(f"gave up {step.name}: another step failed, or the work was interrupted")
            self._display.said(step, line)

        step.run(progress)
        return Outcome(name=step.name, state="done", seconds=time.monotonic() - started, size=step.size())

    def _take(self, future: Future[Outcome]) -> None:
        step = self._running.pop(future)
        error = future.exception()
        if error is not None:
            self._display.failed(step, error)
            if isinstance(error, HarnessError):
                error.message = f"{step.name}: {error.message}"
            raise error
        self._outcomes[step.name] = future.result()
        self._display.finished(step, future.result())

    def _end_the_rest(self) -> None:
        """Terminate what is still running, so that the pool's threads end."""
        self._stopping.set()
        waiting.cancel_all()
        deadline = waiting.Deadline(seconds=_END_SECONDS)
        while self._running and deadline.left > 0:
            children.end_all()
            finished, _ = wait(self._running, timeout=_TICK_SECONDS, return_when=FIRST_COMPLETED)
            for future in finished:
                self._running.pop(future)
        waiting.reset_cancellation()
