# SPDX-License-Identifier: Apache-2.0
"""A claim about leader election: each lease has one holder, which is a live pod of the newest ReplicaSet."""

from __future__ import annotations

from harness.kube.models import Deployment, Lease, Pod
from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.verdicts import Finding, errored, failed, passed, switched_off
from harness.wording import counted


def one_leader(observed: ObservedOperator) -> Finding:
    """Exactly one leader for each Deployment that elects one.

    The holder of a lease counts only when it is a running pod of the newest ReplicaSet: after a failed upgrade the old
    controller goes on leading and everything looks green.
    """
    name = "one-leader"
    if isinstance(observed.deployments, Unseen):
        return errored(name, observed.deployments.reason)
    if isinstance(observed.leases, Unseen):
        return errored(name, observed.leases.reason)
    if isinstance(observed.pods, Unseen):
        return errored(name, observed.pods.reason)
    electing = [it for it in observed.deployments if it.flag("leader-election-lock-name")]
    if not electing:
        return switched_off(name, "leader election is disabled in the values")
    pods = {pod.name: pod for pod in observed.pods}
    wrong, leaders = [], {}
    for deployment in electing:
        own = [lease for lease in observed.leases if lease.deployment == deployment.name]
        if len(own) != 1:
            wrong.append(
                f"{deployment.name} has {counted(len(own), 'lease')} {deployment.flag('leader-election-lock-name')}"
            )
            continue
        leaders[own[0].name] = own[0].holder
        trouble = _trouble(own[0], deployment, pods.get(own[0].holder))
        if trouble:
            wrong.append(trouble)
    if wrong:
        return failed(name, "; ".join(wrong), leaders=leaders)
    return passed(name, f"one leader per lease: {', '.join(f'{k} → {v}' for k, v in leaders.items())}", leaders=leaders)


def _trouble(lease: Lease, deployment: Deployment, pod: Pod | None) -> str:
    if not lease.identity:
        return f"nobody holds the lease {lease.name}"
    if pod is None:
        return f"the lease {lease.name} is held by {lease.holder}, a pod that does not exist"
    if pod.owner != f"ReplicaSet/{deployment.newest_replica_set}":
        return (
            f"the lease {lease.name} is held by {pod.name} of {pod.owner}, "
            f"not of the newest ReplicaSet {deployment.newest_replica_set}"
        )
    if pod.phase != "Running" or pod.leaving:
        return f"the lease {lease.name} is held by {pod.name}, which is {'leaving' if pod.leaving else pod.phase}"
    if lease.age > lease.duration:
        return f"{pod.name} has not renewed the lease {lease.name} for {lease.age:.0f} s (it lasts {lease.duration} s)"
    return ""
