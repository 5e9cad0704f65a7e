# SPDX-License-Identifier: Apache-2.0
"""reinstall: after a rollback the release can be uninstalled and installed anew, and nothing runs again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness import late
from harness.apps.samples import chart_values
from harness.apps.states import State
from harness.matrix.model import ClusterNeeds, Scenario
from harness.verdicts import Finding, errored, failed, passed

if TYPE_CHECKING:
    from harness.checks.images import Resolve
    from harness.releases import operator_seen
    from harness.upgrades.observed import ObservedPath
    from harness.upgrades.reinstall import ReinstallSeen
else:
    operator_seen = late.module("harness.releases.operator_seen")

SCENARIO = Scenario(
    name="reinstall",
    summary="after a rollback, the release can be uninstalled and installed again, and nothing finished runs again",
    timeout=420.0,
    images=(chart_values().spark.image,),
    needs=ClusterNeeds(paths=("rollback",), applications=("standing",)),
    takes_for_granted=("webhook",),
)


def claims(observed: ObservedPath, resolve: Resolve) -> Iterator[Finding]:
    """Judge what came after the way back."""
    yield from judge(observed.reinstalled)


def judge(seen: ReinstallSeen | operator_seen.Unseen | None) -> Iterator[Finding]:
    """Everything that must hold. None: it was not tried, which proves nothing."""
    if seen is None or isinstance(seen, operator_seen.Unseen):
        yield errored("reinstall-observed", seen.reason if seen else "uninstall and reinstall were not attempted")
        return
    yield uninstalled(seen)
    yield resources_stay(seen)
    yield installed(seen)
    if not seen.install_error:
        yield application_completes(seen)
        yield nothing_reruns(seen)


def uninstalled(seen: ReinstallSeen) -> Finding:
    """`helm uninstall` gets to its end and leaves neither objects nor pods of the release."""
    name = "uninstalled"
    if seen.uninstall_error:
        return failed(name, f"helm uninstall of {seen.release} did not get to its end: {seen.uninstall_error}")
    if seen.left:
        return failed(name, f"helm uninstall of {seen.release} left {', '.join(seen.left)}", left=list(seen.left))
    return passed(name, f"helm uninstall of {seen.release} took {seen.seconds['uninstall']:.1f} s and left nothing")


def resources_stay(seen: ReinstallSeen) -> Finding:
    """Helm keeps what a chart has in crds/, and so the users' custom resources."""
    name = "custom-resources-stay"
    before, after = seen.custom_resources
    if before == 0:
        return errored(name, "there were no custom resources before, so none could be lost")
    if after != before:
        return failed(name, f"there were {before} custom resources before the uninstall, and {after} after it")
    return passed(name, f"the {before} earlier custom resources are still there")


def installed(seen: ReinstallSeen) -> Finding:
    """The same chart with the same values becomes ready again."""
    name = "reinstalled"
    if seen.install_error:
        return failed(name, f"{seen.release} could not be installed again: {seen.install_error}")
    return passed(name, f"{seen.release} was ready again after {seen.seconds['install']:.1f} s")


def application_completes(seen: ReinstallSeen) -> Finding:
    """A new application runs under the release that came again."""
    name = "new-application-completes"
    if seen.state != State.COMPLETED:
        return failed(name, f"a new application is {seen.state or '(new)'}: {seen.error}".rstrip(": "))
    return passed(name, f"a new application COMPLETED after {seen.seconds['application']:.1f} s")


def nothing_reruns(seen: ReinstallSeen) -> Finding:
    """What had ended before is not submitted again by the operator that comes anew."""
    name = "ended-stay-ended"
    if not seen.ended:
        return errored(name, "no application had ended before, so none could run again")
    if seen.rerun:
        return failed(name, f"{len(seen.rerun)} of {seen.ended} ended applications ran again: {', '.join(seen.rerun)}")
    return passed(name, f"none of {seen.ended} ended applications ran again")
