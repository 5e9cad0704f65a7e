# SPDX-License-Identifier: Apache-2.0
"""operator-health: after a move the newest release serves and leads, and nothing of the one before is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness import causes, late
from harness.apps.states import State
from harness.matrix.model import ClusterNeeds, Scenario
from harness.matrix.path_names import ARGO_CD, by_helm
from harness.stories.moves.labels import of_moves
from harness.verdicts import Finding, Verdict, errored, failed, passed
from harness.wording import counted

if TYPE_CHECKING:
    from harness.checks import operator
    from harness.checks.images import Resolve
    from harness.releases import operator_seen
    from harness.upgrades.observed import ObservedMove, ObservedPath
    from harness.upgrades.way_out import WayOutSeen
else:
    operator = late.module("harness.checks.operator")
    operator_seen = late.module("harness.releases.operator_seen")

SCENARIO = Scenario(
    name="operator-health",
    summary="the new release serves and leads, with its own images, CRDs and permissions",
    timeout=420.0,
    needs=ClusterNeeds(paths=("upgrade", "rollback")),
)

_ABOUT_CRDS = ("crds-established", "crds-equal-chart")
_NO_METRICS = (Verdict.FAILED, Verdict.ERROR)
_ABOUT_OBJECTS = ("objects-as-rendered", "nothing-beside")
_SHOWN = 10
_WORDS = 4000
"""How many characters of what a command said are kept: kubectl repeats a whole patch in them."""


def claims(observed: ObservedPath, resolve: Resolve) -> Iterator[Finding]:
    """Judge the operator after each move, and the way out where there is one."""
    yield from of_moves(observed, lambda move: judge(move, resolve))
    if observed.way_out is not None:
        yield way_out(observed.way_out)


def judge(move: ObservedMove, resolve: Resolve) -> Iterator[Finding]:
    """Everything that must hold of the operator after one move, and that it got there."""
    yield steps(move)
    yield completed(move)
    if isinstance(move.operator, operator_seen.Unseen):
        yield errored("operator-observed", move.operator.reason)
    else:
        for finding in operator.judge(move.operator, resolve):
            # Helm never takes back CRDs, and a move that Helm gave up is judged by the previous release.
            if finding.check in _ABOUT_CRDS and (move.move.kind == "rollback" or move.helm_error):
                continue
            # Where Helm gave up, the objects are of two revisions.
            if finding.check in _ABOUT_OBJECTS and move.helm_error:
                continue
            # A controller that crashes answers nobody; that it crashes is told by the claims above.
            if finding.check == "metrics-served" and finding.verdict in _NO_METRICS and move.rollout_error:
                continue
            yield finding
    yield leadership(move)
    if not move.helm_error:
        yield no_old_pods(move)
        yield no_orphans(move)
    yield stored_objects_fit(move)
    yield permissions(move)


def steps(move: ObservedMove) -> Finding:
    """Not a claim but the record: the commands that were run, in their order, and how long each took."""
    commands = [step.command for step in move.steps]
    errors = {step.command: causes.shortened(step.error, _WORDS) for step in move.steps if step.error}
    gap = move.watch.gap
    return passed(
        "steps",
        f"{move.move}: {' && '.join(commands)}",
        commands=commands,
        seconds=[round((step.ended - step.started).total_seconds(), 1) for step in move.steps],
        errors=errors,
        lead_gap_s=None if gap is None else round(gap, 1),
        values_of_the_target=_values(move),
        sightings=[str(sighting) for sighting in move.watch.sightings],
    )


def completed(move: ObservedMove) -> Finding:
    """The program that makes the move said that it was done, and every Deployment rolled out."""
    name = "move-completed"
    times = move.times
    not_done = errored if move.outside else failed
    way = move.move.way
    program = "Helm" if by_helm(way) else "Argo CD" if way in ARGO_CD else "kubectl"
    if move.helm_error:
        return not_done(
            name, f"{program} did not get to its end: {move.helm_error}", commands=[it.command for it in move.steps]
        )
    took = (times.helm_done - times.began).total_seconds()
    if move.rollout_error or times.settled is None:
        return not_done(name, f"{program} finished after {took:.1f} s, but then: {move.rollout_error}")
    if move.trouble:
        return failed(
            name, f"{program} did not get to its end: {move.trouble}", commands=[it.command for it in move.steps]
        )
    ready = (times.settled - times.helm_done).total_seconds()
    return passed(name, f"{program} finished after {took:.1f} s, and the rollout {ready:.1f} s later")


def leadership(move: ObservedMove) -> Finding:
    """A controller of after the move held the lease; for how long none did is told."""
    name = "leadership-moved"
    watch = move.watch
    if watch.trouble:
        return errored(name, f"the operator could not be watched: {watch.trouble}")
    holders = [f"{it.at:%H:%M:%S}Z {it.pod} ({it.image})" for it in watch.leases if it.of_controller]
    if move.helm_error:
        return passed(name, "the leader was not expected to change, because Helm did not finish", holders=holders)
    if not holders:
        return passed(name, "no lease was held: leader election is disabled in the values")
    if watch.gap is None:
        return failed(
            name,
            f"no controller of {move.target.name} ever held the lease; the last holder is {holders[-1]}",
            holders=holders,
        )
    return passed(name, f"there was no leader for {watch.gap:.1f} s", lead_gap_s=round(watch.gap, 1), holders=holders)


def no_old_pods(move: ObservedMove) -> Finding:
    """No pod of the previous release is left, whatever registry it came from."""
    name = "no-old-pods"
    if isinstance(move.old_pods, operator_seen.Unseen):
        return errored(name, move.old_pods.reason)
    if move.old_pods:
        return failed(
            name, f"pods of {move.origin.name} are still there: {', '.join(move.old_pods)}", pods=list(move.old_pods)
        )
    return passed(name, f"no pod of {move.origin.name} is left")


def no_orphans(move: ObservedMove) -> Finding:
    """Nothing that the old release owned is left without an owner."""
    name = "no-orphans"
    if isinstance(move.orphans, operator_seen.Unseen):
        return errored(name, move.orphans.reason)
    if move.orphans:
        return failed(name, f"left over from {move.origin.name}: {', '.join(move.orphans)}", orphans=list(move.orphans))
    return passed(name, f"everything that {move.origin.name} owned is gone, or is owned by {move.target.name}")


def stored_objects_fit(move: ObservedMove) -> Finding:
    """Every stored object of the operator would be accepted by the schema that is in the cluster now."""
    name = "stored-objects-fit"
    if isinstance(move.unfit, operator_seen.Unseen):
        return errored(name, move.unfit.reason)
    if move.unfit:
        message = "; ".join(f"{thing}: {said}" for thing, said in list(move.unfit.items())[:_SHOWN])
        return failed(
            name, f"{len(move.unfit)} stored objects no longer fit the schema: {message}", unfit=dict(move.unfit)
        )
    return passed(name, "every stored object fits the schema")


def way_out(seen: WayOutSeen | operator_seen.Unseen) -> Finding:
    """What the catalogue has as the way out of the break leads out of it, on the cluster on which it broke."""
    name = "way-out"
    if isinstance(seen, operator_seen.Unseen):
        return errored(name, seen.reason)
    commands = " && ".join(seen.commands)
    evidence = {"commands": list(seen.commands)}
    if seen.wrong:
        return failed(name, f"{commands} did not help: {seen.wrong}", **evidence)
    if seen.differences:
        return failed(name, f"after {commands} CRDs are not the chart's: {'; '.join(seen.differences)}", **evidence)
    if seen.state != State.COMPLETED:
        told = f"a new application is {seen.state or '(new)'}: {seen.error}".rstrip(": ")
        return failed(name, f"after {commands} {told}", **evidence)
    return passed(
        name,
        f"{commands}: {seen.release} serves with its own CRDs, and a new application is COMPLETED after "
        f"{seen.seconds:.0f} s",
        **evidence,
    )


def permissions(move: ObservedMove) -> Finding:
    """Not a claim but the record: which permissions were added and which went; what they break shows in the logs."""
    name = "permissions-compared"
    if isinstance(move.permissions, operator_seen.Unseen):
        return errored(name, move.permissions.reason)
    gained, lost = move.permissions.gained, move.permissions.lost
    return passed(
        name,
        f"{counted(len(gained), 'permission was', 'permissions were')} added and {len(lost)} removed",
        gained=list(gained),
        lost=list(lost),
    )


def _values(move: ObservedMove) -> dict[str, object]:
    return {} if isinstance(move.operator, operator_seen.Unseen) else dict(move.operator.values)
