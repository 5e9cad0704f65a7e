# SPDX-License-Identifier: Apache-2.0
"""admission: for how long creates are refused or delayed while the operator is replaced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from harness import late
from harness.matrix.behaviour import changes
from harness.matrix.model import ClusterNeeds, Scenario
from harness.matrix.release import Release
from harness.releases import asked
from harness.releases.admission_samples import expected, sample, unlike
from harness.releases.values import at
from harness.stories.moves.labels import of_moves
from harness.upgrades.prober import Outcome, Probe
from harness.verdicts import Finding, errored, failed, passed, switched_off
from harness.wording import counted

if TYPE_CHECKING:
    from harness.checks.images import Resolve
    from harness.releases import operator_seen, serving
    from harness.upgrades.observed import ObservedMove, ObservedPath
else:
    serving = late.module("harness.releases.serving")
    operator_seen = late.module("harness.releases.operator_seen")

SCENARIO = Scenario(
    name="admission",
    summary="for how long creates were rejected or slow",
    timeout=420.0,
    needs=ClusterNeeds(paths=("upgrade", "rollback")),
)

_REFUSED = frozenset({Outcome.REJECTED, Outcome.WEBHOOK_AWAY})
_LAST = 20
"""Probes that tell how admission is in the end: five seconds of them."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """From the first refused probe until the next accepted one, or until the last probe; `words` of the first."""

    began: datetime
    ended: datetime
    words: str

    @property
    def milliseconds(self) -> float:
        """How long it was at most."""
        return (self.ended - self.began).total_seconds() * 1000


def claims(observed: ObservedPath, resolve: Resolve) -> Iterator[Finding]:
    """Judge the probes of each move, against the limits of the path."""
    limits = observed.path
    yield from of_moves(
        observed,
        lambda move: judge(move, outage_limit=limits.outage_limit, delay_limit=limits.delay_limit),
    )


def judge(move: ObservedMove, *, outage_limit: float, delay_limit: float) -> Iterator[Finding]:
    """Everything that must hold of one move. Limits are in milliseconds; 0 is no limit."""
    if off := asked.webhook_off(move.values):
        yield switched_off("outage", off)
        return
    if not any(probe.outcome in {Outcome.ACCEPTED, *_REFUSED} for probe in move.probes):
        yield errored("outage", f"none of {len(move.probes)} probes was answered by the API server")
        return
    yield outage(move.probes, outage_limit)
    yield delay(move.probes, delay_limit)
    ends = (move.origin, move.target)
    yield defaults(move.probes, *ends, lets_pass=asked.lets_pass(move.values))
    yield after(
        move.probes, ends if isinstance(move.operator, operator_seen.Unseen) else serving.answering(move.operator)
    )


def windows(probes: Sequence[Probe]) -> tuple[Window, ...]:
    """When creates were refused. What the API server itself did not answer says nothing of the webhook."""
    found: list[Window] = []
    first: Probe | None = None
    for probe in probes:
        if probe.outcome in _REFUSED:
            first = first or probe
        elif probe.outcome is Outcome.ACCEPTED and first is not None:
            found.append(Window(began=first.at, ended=probe.at, words=first.message))
            first = None
    if first is not None:
        found.append(Window(began=first.at, ended=probes[-1].at, words=first.message))
    return tuple(found)


def outage(probes: Sequence[Probe], limit: float) -> Finding:
    """Creates are refused for no longer than the limit, all windows together."""
    seen = windows(probes)
    total = sum(it.milliseconds for it in seen)
    longest = max((it.milliseconds for it in seen), default=0.0)
    refused = sum(probe.outcome in _REFUSED for probe in probes)
    away = sum(probe.outcome is Outcome.SERVER_AWAY for probe in probes)
    make = failed if limit and total > limit else passed
    return make(
        "outage",
        f"creates were refused for {total:.0f} ms (limit {f'{limit:.0f} ms' if limit else 'none'}), {refused} of "
        f"{len(probes)} probes" + (f"; first: {seen[0].words}" if seen else ""),
        outage_ms=round(total),
        longest_ms=round(longest),
        refused=refused,
        server_away=away,
        windows=[f"{it.began:%H:%M:%S.%f}Z {it.milliseconds:.0f} ms: {it.words}" for it in seen],
    )


def delay(probes: Sequence[Probe], limit: float) -> Finding:
    """No create that was accepted took longer than the limit."""
    longest = max((probe.seconds * 1000 for probe in probes if probe.outcome is Outcome.ACCEPTED), default=0.0)
    make = failed if limit and longest > limit else passed
    message = f"the slowest accepted create took {longest:.0f} ms (limit {f'{limit:.0f} ms' if limit else 'none'})"
    return make("delay", message, delay_ms=round(longest))


def defaults(probes: Sequence[Probe], origin: Release, target: Release, *, lets_pass: bool = False) -> Finding:
    """No create passes the webhook by: whatever is accepted has the defaults of one of the releases, and no more.

    With `lets_pass` (failurePolicy: Ignore) those may that come while the webhook is away; how many is told. What
    changes for applications by the move is told besides.
    """
    name = "always-mutated"
    passed_by = [probe for probe in probes if lets_pass and _untouched(probe)]
    missed = [
        (probe, wrong) for probe in probes if probe not in passed_by and (wrong := _unmutated(probe, (origin, target)))
    ]
    by = f"{origin.name} or {target.name}"
    told = changes(origin, target)
    if missed:
        probe, wrong = missed[0]
        creates = counted(len(missed), "create was", "creates were")
        since = f"{creates} accepted without the defaults of {by}, first at {probe.at:%H:%M:%S.%f}Z"
        return failed(name, f"{since}: {wrong}", unmutated=len(missed), changes=told)
    if passed_by:
        count = len(passed_by)
        while_away = f"{counted(count, 'create')} passed the webhook by while it was away, as failurePolicy Ignore says"
        return passed(name, f"{while_away}; all others had the defaults of {by}", passed_by=count, changes=told)
    return passed(name, f"every create that was accepted had the defaults of {by} filled in", changes=told)


def after(probes: Sequence[Probe], releases: Sequence[Release]) -> Finding:
    """In the end every create is accepted with the defaults of the releases whose webhook answers."""
    name = "admission-after"
    last = [probe for probe in probes if probe.outcome is not Outcome.SERVER_AWAY][-_LAST:]
    bad = [
        f"{probe.outcome}: {probe.message or _unmutated(probe, releases)}"
        for probe in last
        if probe.outcome is not Outcome.ACCEPTED or _unmutated(probe, releases)
    ]
    by = " or ".join(it.name for it in releases)
    if bad:
        message = f"{len(bad)} of the last {len(last)} probes were not accepted with the defaults of {by}"
        return failed(name, f"{message}: {bad[-1]}")
    return passed(name, f"the last {len(last)} probes were accepted with the defaults of {by}")


def _untouched(probe: Probe) -> bool:
    """Whether a create was accepted as it was asked for."""
    return (
        probe.outcome is Outcome.ACCEPTED
        and not unlike(sample("", shape=probe.shape)["spec"], probe.spec)
        and (at(probe.spec, "mode") is None)
    )


def _unmutated(probe: Probe, releases: Sequence[Release]) -> str:
    """How an accepted create differs from what each of the releases makes of it; empty when it is as one of them."""
    if probe.outcome is not Outcome.ACCEPTED:
        return ""
    messages = []
    for release in releases:
        wanted = expected(release, probe.shape)
        found = unlike(wanted, probe.spec)
        if not found:
            return ""
        messages += [f"{field} is {value!r}, of {release.name} {wanted[field]!r}" for field, value in found.items()]
    return f"{probe.shape}: {', '.join(messages)}"
