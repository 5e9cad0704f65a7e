# SPDX-License-Identifier: Apache-2.0
"""The install checks: the findings about an operator as it was observed once."""

from __future__ import annotations

from collections.abc import Collection

from harness.checks import admission, crds, footing, images, leadership, logs, metrics, rendered
from harness.checks.images import Resolve
from harness.releases import lost_leases
from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.releases.own_containers import is_little_cpu
from harness.releases.serving import is_own_pod
from harness.releases.values import at
from harness.verdicts import Finding, errored, failed, passed
from harness.wording import counted


def judge(observed: ObservedOperator, resolve: Resolve) -> list[Finding]:
    """The findings about an operator as it was seen."""
    return [
        footing.namespaces_active(observed),
        footing.clocks_agree(observed),
        deployments_available(observed),
        no_restarts(observed),
        rendered.as_rendered(observed),
        rendered.nothing_beside(observed),
        images.references(observed),
        images.digests(observed, resolve),
        crds.established(observed),
        crds.equal_to_chart(observed),
        admission.certificate(observed),
        admission.ca_bundle(observed),
        admission.mutates(observed),
        admission.rejects(observed),
        footing.admission_in_time(observed),
        logs.clean(observed),
        metrics.served(observed),
        leadership.one_leader(observed),
    ]


def deployments_available(observed: ObservedOperator) -> Finding:
    """Every Deployment has rolled out its newest ReplicaSet, and all of it is available."""
    name = "deployments-available"
    if isinstance(observed.deployments, Unseen):
        return errored(name, observed.deployments.reason)
    if not observed.deployments:
        return failed(name, f"release {observed.release.version} has no Deployment in {observed.namespace}")
    late = [
        f"{it.name} ({it.updated} updated and {it.available} available of {it.replicas}, {it.total} in all)"
        for it in observed.deployments
        if not it.rolled_out
    ]
    names = [it.name for it in observed.deployments]
    if late:
        return failed(name, f"not rolled out: {', '.join(late)}", deployments=names)
    return passed(name, f"available: {', '.join(names)}", deployments=names)


def no_restarts(observed: ObservedOperator) -> Finding:
    """No container of the operator's own restarted, and none of its pods went away, while it was watched."""
    name = "no-restarts"
    if isinstance(observed.soak, Unseen):
        return errored(name, f"the soak could not be watched: {observed.soak.reason}")
    soak = observed.soak
    restarts = {pod: count for pod, count in soak.restarts.items() if is_own_pod(observed, pod)}
    if not restarts:
        return errored(name, f"no pod was seen in {observed.namespace} during {soak.seconds:.0f} s")
    gone = [pod for pod in soak.gone if is_own_pod(observed, pod)]
    restarted = {pod: count for pod, count in restarts.items() if count}
    if restarted or gone:
        parts = [f"{pod} restarted {counted(count, 'time')}" for pod, count in restarted.items()]
        parts += [f"{pod} went away" for pod in gone]
        told = f"within {soak.seconds:.0f} s: {', '.join(parts)}"
        if restarted and not gone and (why := _short_of_time(observed, restarted)):
            return errored(name, f"{told}: {why}", restarts=restarts)
        return failed(name, told, restarts=restarts)
    beside = "".join(
        f"; beside them, containers of {pod} that are not the operator's own restarted {counted(count, 'time')}"
        for pod, count in soak.beside.items()
        if is_own_pod(observed, pod)
    )
    return passed(
        name,
        f"{counted(len(restarts), 'pod')}, no restart in {soak.seconds:.0f} s{beside}",
        pods=sorted(restarts),
        seconds=soak.seconds,
    )


_DECIDE = (
    *(f"controller.leaderElection.{it}" for it in ("leaseDuration", "renewDeadline", "retryPeriod")),
    *("controller.kubeAPIQPS", "controller.kubeAPIBurst"),
)
"""Values that decide how soon a controller gives up that does not get to renew its lease."""
_CPU_LIMITS = ("controller.resources.limits.cpu", "webhook.resources.limits.cpu")


def _short_of_time(observed: ObservedOperator, restarted: Collection[str]) -> str:
    """Why each pod that restarted lost its lease, where that is the user's values, or the machine; else empty."""
    logs = () if isinstance(observed.logs, Unseen) else observed.logs
    lost = {it.pod: it.text for it in logs if it.previous and lost_leases.LOST.search(it.text)}
    if not {*lost}.issuperset(restarted):
        return ""
    given = [key for key in _DECIDE if at(observed.values, key) is not None]
    given += [key for key in _CPU_LIMITS if is_little_cpu(at(observed.values, key))]
    if given:
        shown = ", ".join(f"{key} to {at(observed.values, key)}" for key in given)
        return f"leader election lost, and the values set {shown}"
    unanswered = all(lost_leases.to_the_api_server(lost[it]) for it in restarted)
    return lost_leases.WORDS if unanswered else ""
