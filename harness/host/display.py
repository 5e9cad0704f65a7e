# SPDX-License-Identifier: Apache-2.0
"""Shows the steps of a bootstrap, live on a terminal and as plain lines elsewhere, and their results."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.host.step_runner import Display, Outcome
from harness.host.steps import Step

_QUIET_SECONDS = 15.0
_MINUTE = 60.0
_HOUR = 3600.0


@dataclass
class _Current:
    """A step in progress."""

    started: float
    line: str = ""


class _Lines:
    """Tracks steps in progress, and prints a line when a step begins, ends or fails."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._lock = threading.RLock()
        self._current: dict[str, _Current] = {}
        self._estimates: dict[str, float] = {}

    def started(self, step: Step) -> None:
        with self._lock:
            self._current[step.name] = _Current(started=self._clock())
            self._estimates[step.name] = step.estimate
            about = f" (about {duration(step.estimate)})" if step.estimate else ""
            self._print(Text(f"begun   {step.name}{about}"))

    def said(self, step: Step, line: str) -> None:
        with self._lock:
            self._current[step.name].line = line

    def finished(self, step: Step, outcome: Outcome) -> None:
        with self._lock:
            self._current.pop(step.name, None)
            if outcome.state == "done":
                size = f", {amount(outcome.size)}" if outcome.size else ""
                self._print(Text(f"done    {step.name} in {duration(outcome.seconds)}{size}", style="green"))

    def failed(self, step: Step, error: BaseException) -> None:
        with self._lock:
            self._current.pop(step.name, None)
            self._print(Text(f"failed  {step.name}", style="red"))

    def tick(self) -> None:
        """Nothing, unless a subclass shows time passing."""

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)


class PlainDisplay(_Lines):
    """One line for each start and progress message of a step, and at least every 15 s for steps in progress."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console, clock)
        self._last = clock()

    def said(self, step: Step, line: str) -> None:
        super().said(step, line)
        self._print(Text(f"        {step.name}: {line}"))

    def tick(self) -> None:
        with self._lock:
            if not self._current or self._clock() - self._last < _QUIET_SECONDS:
                return
            for name, current in self._current.items():
                detail = f", {current.line}" if current.line else ""
                self._print(Text(f"        {name}: {duration(self._clock() - current.started)}{detail}"))

    def _print(self, text: Text) -> None:
        self._last = self._clock()
        super()._print(text)


class LiveDisplay(_Lines):
    """Lines for finished steps, and below them the steps in progress, redrawn in place."""

    def __rich__(self) -> Group:
        with self._lock:
            return Group(*(self._row(name, current) for name, current in self._current.items()))

    def _row(self, name: str, current: _Current) -> Text:
        elapsed = duration(self._clock() - current.started)
        estimate = self._estimates[name]
        of = f" of about {duration(estimate)}" if estimate else ""
        text = Text(no_wrap=True, overflow="ellipsis").append(f"  … {name}", style="cyan").append(f" {elapsed}{of}")
        return text.append(f"  {current.line}", style="dim") if current.line else text


@contextmanager
def shown(console: Console) -> Iterator[Display]:
    """A display for the block, live where the console is a terminal."""
    if not console.is_terminal:
        yield PlainDisplay(console)
        return
    display = LiveDisplay(console)
    with Live(display, console=console, refresh_per_second=4, transient=True):
        yield display


def print_plan(console: Console, steps: Sequence[Step], known: Mapping[str, bool | None]) -> None:
    """Print what exists already, what is going to be done, and how long that takes."""
    there = [step.name for step in steps if known[step.name]]
    if there:
        console.print(Text(f"Already present: {', '.join(there)}."), soft_wrap=True)
    todo = [step for step in steps if not known[step.name]]
    if not todo:
        return
    console.print(Text(f"To do, at most {duration(sum(step.estimate for step in todo))} on two cores:"), soft_wrap=True)
    for step in todo:
        unsure = "" if known[step.name] is False else ", if missing"
        about = f" (about {duration(step.estimate)})" if step.estimate else ""
        console.print(Text(f"  - {step.name}{about}{unsure}"), soft_wrap=True)


def summary(outcomes: Sequence[Outcome]) -> Table:
    """A table of the result of each step, with sizes and times."""
    table = Table("step", "state", box=None, pad_edge=False)
    table.add_column("size", justify="right")
    table.add_column("time", justify="right")
    for outcome in outcomes:
        size = amount(outcome.size) if outcome.size else ""
        table.add_row(outcome.name, outcome.state, size, duration(outcome.seconds) if outcome.state == "done" else "")
    return table


def duration(seconds: float) -> str:
    """A duration for people: `0.4 s`, `75 s`, `7 min 10 s`, `12 min`, `1 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), round(_MINUTE))
    if minutes < 10 and rest:
        return f"{minutes} min {rest} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:.0f} min"


def amount(size: float) -> str:
    """A size for people, in powers of ten: `980 MB`, `1.2 GB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}" if unit == "GB" else f"{size / factor:.0f} {unit}"
    return f"{size:.0f} B"
