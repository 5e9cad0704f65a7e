# SPDX-License-Identifier: Apache-2.0
"""The steps that bootstrap is made of: what each needs, whether it is done, and how it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from harness.errors import HarnessError

Progress = Callable[[str], None]
"""Takes one short line that says what is being done at the moment."""

ENGINE = "container engine"
"""Name of the step after which the engine answers."""

BUILD_PACKAGES = "build packages"
"""Name of the step after which compilers, mmdebstrap and a JDK are there."""


def _no_size() -> int:
    return 0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of preparing the host.

    `done` looks, quickly and without changing anything, whether the work is needed. `run` does it, and may be called
    again after an interruption. `needs` names the steps that must be done before; `heavy` marks work that saturates the
    processors by itself, of which one runs at a time. `size` is what the result takes on disk, in bytes; `estimate` is
    what the work takes on two cores, in seconds; `room` the free disk that it needs while it runs, in bytes.
    """

    name: str
    done: Callable[[], bool]
    run: Callable[[Progress], None]
    needs: tuple[str, ...] = ()
    heavy: bool = False
    size: Callable[[], int] = _no_size
    estimate: float = 0.0
    room: int = 0


def ordered(steps: Iterable[Step]) -> list[Step]:
    """The steps, each after all that it needs; among those that could begin, the one with most to do behind it first.

    Raises HarnessError when a step needs one that is not there, when two have the same name, or when steps need each
    other in a circle.
    """
    given = list(steps)
    by_name = {step.name: step for step in given}
    if len(by_name) != len(given):
        twice = sorted({step.name for step in given if sum(other.name == step.name for other in given) > 1})
        raise HarnessError(f"duplicate bootstrap steps: {', '.join(twice)}")
    for step in given:
        missing = [need for need in step.needs if need not in by_name]
        if missing:
            raise HarnessError(f"bootstrap step {step.name} needs {missing[0]}, which does not exist")
    try:
        order = [*TopologicalSorter({step.name: step.needs for step in given}).static_order()]
    except CycleError as circle:
        raise HarnessError(f"bootstrap steps have a dependency cycle: {' → '.join(circle.args[1])}") from circle
    left = _seconds_to_the_end(by_name, order)
    # Stable, and a need has at least as much behind it as what needs it: the order of the needs stays.
    return [by_name[name] for name in sorted(order, key=lambda name: -left[name])]


def results(steps: Sequence[Step]) -> list[Step]:
    """The steps that no other step needs: the actual goals."""
    needed = {need for step in steps for need in step.needs}
    return [step for step in steps if step.name not in needed]


def _seconds_to_the_end(steps: Mapping[str, Step], order: Sequence[str]) -> dict[str, float]:
    """For each step the time of the longest way from its beginning over all that waits for it, in seconds."""
    behind = dict.fromkeys(order, 0.0)
    for name in reversed(order):
        for need in steps[name].needs:
            behind[need] = max(behind[need], behind[name] + steps[name].estimate)
    return {name: behind[name] + steps[name].estimate for name in order}
