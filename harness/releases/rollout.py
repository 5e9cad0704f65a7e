# SPDX-License-Identifier: Apache-2.0
"""Waits for an operator that is being brought out, and tells within seconds why it cannot work.

Helm is called without --wait: it looks only every two seconds and cannot say what is wrong. The harness watches the
pods instead, ends Helm when waiting is in vain, and asks for more than Helm would: that each Deployment has rolled out
its newest ReplicaSet.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from harness import causes
from harness.errors import ApiError, HarnessError, HostError, PullError, ReleaseError, WaitTimeout
from harness.kube import reading
from harness.kube.api import API_SECONDS, listed, raw
from harness.kube.models import Deployment, Event, Pod
from harness.kube.watching import watch_until
from harness.late import client
from harness.matrix.release import Release
from harness.releases import lost_leases, refused_hooks, webhook
from harness.releases.admission_samples import sample
from harness.releases.helm import HelmError
from harness.releases.trouble import Kind, Trouble, diagnose, not_set_up
from harness.releases.values import at
from harness.releases.ways.protocol import Put
from harness.waiting import Deadline, until
from harness.wording import counted

_ADMISSION_SECONDS = 30.0
_FILLED_IN = "spec.mode"
"""What the webhook of every release from 2.0.0 on fills into a sample."""

_OF_NETWORK = re.compile(r"network for sandbox|networkPlugin|\bcni\b|plugin type=")
"""What a runtime says of a sandbox that its node's network does not take (containerd, internal/cri/server)."""

_LOG_LINES = 12
_HOOK_FAILURES = 2

WayCall = Callable[[float, threading.Event], Put]
"""A call of a way, given its timeout in seconds and the event that ends it early."""


def run_way(
    api: client.ApiClient,
    namespace: str,
    before: frozenset[str],
    deadline: Deadline,
    call: WayCall,
    *,
    interrupt: threading.Event | None = None,
) -> Put:
    """Call a way beside a look at the pods of its hooks, and end it when one of them can never run.

    `before` are the UIDs of pods that were there already; `interrupt` ends it as Ctrl-C does. Raises what the way
    raises, with what keeps a hook's pods from being created before it, and ReleaseError, PullError or HostError for a
    hook that is in trouble.
    """
    stop = threading.Event()
    hooks = refused_hooks.Watch(api, namespace)

    def look() -> tuple[bool, Trouble | None, str]:
        if interrupt is not None and interrupt.is_set():
            stop.set()
        if running.done():
            return True, None, ""
        pods = [it for it in pods_of(api, namespace) if it.owner.startswith("Job/") and it.uid not in before]
        return False, _final(diagnosed(api, namespace, pods)) or failing_hook(pods), hooks.hopeless()

    with ThreadPoolExecutor(max_workers=1) as pool:
        running: Future[Put] = pool.submit(call, deadline.left, stop)
        try:
            _, trouble, hopeless = until(
                look,
                lambda it: any(it),
                what="Helm",
                timeout=deadline.left + API_SECONDS,
                interval=0.1,
                ignore=(ApiError,),
            )
        finally:
            # Also when the run is being ended: the pool waits for Helm.
            stop.set()
        if trouble:
            raise _error(api, namespace, trouble)
        if hopeless and not _ended_well(running):
            raise ReleaseError(
                f"{hopeless}; the wait for it was ended after {deadline.elapsed:.0f} of {deadline.seconds:.0f} s: "
                'Helm would have said "timed out waiting for the condition"',
                f"kubectl -n {namespace} get events --field-selector reason=FailedCreate",
            ) from running.exception()
        try:
            return running.result()
        except HelmError as error:
            refused = hooks.refused()
            if not refused:
                raise
            # Helm itself only says that it waited in vain.
            raise HelmError(f"{refused}; {error.message}", error.next_step, stderr=error.stderr) from error


def _ended_well(running: Future[Put]) -> bool:
    return running.exception() is None and not running.result().trouble


def failing_hook(pods: Sequence[Pod]) -> Trouble | None:
    """The trouble of a hook whose Job has failed pods; a second one says that another try does not help."""
    failing = [pod for pod in pods if pod.phase == "Failed"]
    if len(failing) < _HOOK_FAILURES:
        return None
    last = failing[-1]
    return Trouble(
        kind=Kind.CRASH,
        message=f"the hook {last.owner} failed {counted(len(failing), 'time')}, at last with pod {last.name}",
        final=True,
        pod=last.name,
        container=last.containers[0].name,
    )


def await_rollout(
    api: client.ApiClient, release: Release, namespace: str, name: str, before: frozenset[str], deadline: Deadline
) -> None:
    """Watch until every Deployment of a release has rolled out its newest ReplicaSet.

    `before` are the UIDs of pods that are not looked at. Raises ReleaseError, PullError or HostError, for what the
    pods' trouble comes to.
    """
    labels = selector(name)
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    pods: dict[str, Pod] = {}

    def deployments() -> list[Deployment]:
        return find_deployments(apps, namespace, name)

    def on_pod(event: str, item: Any) -> str | Trouble | None:
        pod = reading.pod(item)
        if event == "DELETED":
            pods.pop(pod.uid, None)
        else:
            pods[pod.uid] = pod
        trouble = _final(diagnosed(api, namespace, [it for it in pods.values() if it.uid not in before]))
        return trouble or ("ready" if _all_ready(deployments(), pods.values()) else None)

    def on_deployment(event: str, item: Any) -> str | None:
        return "rolled out" if all(it.rolled_out for it in deployments()) else None

    try:
        if not deployments():
            raise ReleaseError(
                f"release {release.version} brought no Deployment labelled {labels} into {namespace}",
                "see what it renders to: helm get manifest",
            )
        outcome = watch_until(
            core.list_namespaced_pod,
            on_pod,
            what=f"the pods of release {release.version}",
            timeout=deadline.left,
            describe=lambda item: _pod_in_words(reading.pod(item)),
            namespace=namespace,
            label_selector=labels,
        )
        if isinstance(outcome, Trouble):
            raise _error(api, namespace, outcome)
        watch_until(
            apps.list_namespaced_deployment,
            on_deployment,
            what=f"the rollout of release {release.version}",
            timeout=deadline.left,
            describe=lambda item: "; ".join(map(_deployment_in_words, deployments())),
            namespace=namespace,
            label_selector=labels,
        )
    except WaitTimeout as late:
        new = [it for it in pods_of(api, namespace) if it.uid not in before]
        trouble = diagnosed(api, namespace, new) or not_set_up(new, _told_of_pods(api, namespace))
        if trouble:
            raise _error(api, namespace, trouble, late=f" (waited {deadline.seconds:.0f} s)") from late
        said = _refused_pods(api, namespace, deployments())
        if said and refused_hooks.FULL.search(said):
            raise HostError(
                f"the namespace {namespace} has no room for the pods of release {release.version}: {said}",
                f"kubectl -n {namespace} describe resourcequotas",
            ) from late
        if said:
            raise ReleaseError(
                f"the pods of release {release.version} are refused, so that none is there: {said}",
                f"kubectl -n {namespace} get events --field-selector reason=FailedCreate",
            ) from late
        raise ReleaseError(
            f"release {release.version} was not ready within {deadline.seconds:.0f} s; last seen: {late.last_seen}",
            f"see the events and pods of the namespace {namespace}",
        ) from late


def _refused_pods(api: client.ApiClient, namespace: str, deployments: Sequence[Deployment]) -> str:
    """Why the newest ReplicaSets have no pod, in the API server's words: quota, Pod Security, a policy; else empty."""
    mine = {f"ReplicaSet/{it.newest_replica_set}" for it in deployments}
    found = listed(client.CoreV1Api(api).list_namespaced_event, namespace, field_selector="reason=FailedCreate")
    events = [it for it in reading.events(found) if it.about in mine]
    return events[-1].message if events else ""


def pods_of(api: client.ApiClient, namespace: str) -> list[Pod]:
    """All pods of a namespace. Raises ApiError."""
    items = listed(client.CoreV1Api(api).list_namespaced_pod, namespace)
    return [reading.pod(item) for item in items]


def await_admission(
    api: client.ApiClient, release: Release, namespace: str, deadline: Deadline, *, lets_pass: bool = False
) -> None:
    """Wait until the API server reaches the webhook. Raises ReleaseError.

    With `lets_pass` (failurePolicy: Ignore) the API server accepts what it cannot ask about: that the webhook is asked
    shows in what it fills in. Where it never does, the checks tell.

    The webhook's readiness probe is a plain ping: its pod is Ready before its port answers, and until the Service's
    endpoint is in place on the node, creates are refused (seen for up to a second).
    """
    app = sample(namespace)

    def asked(attempt: webhook.Attempt) -> bool:
        return bool(at(attempt.result, _FILLED_IN)) if lets_pass else not attempt.webhook_away

    try:
        until(
            lambda: webhook.dry_run(api, app),
            asked,
            what="the webhook to answer the API server",
            timeout=min(_ADMISSION_SECONDS, deadline.left),
            interval=0.1,
        )
    except WaitTimeout as late:
        if lets_pass:
            return
        raise ReleaseError(
            f"release {release.version} is rolled out, but its webhook does not answer the API server; {late.message}",
            "see the webhook's log, and the endpoints of its Service",
        ) from late


def selector(name: str) -> str:
    """The labels by which the objects of a Helm release are found."""
    return f"app.kubernetes.io/instance={name}"


def find_deployments(apps: client.AppsV1Api, namespace: str, name: str) -> list[Deployment]:
    """The Deployments of a Helm release, each with its newest ReplicaSet."""
    labels = selector(name)
    sets = listed(apps.list_namespaced_replica_set, namespace, label_selector=labels)
    items = listed(apps.list_namespaced_deployment, namespace, label_selector=labels)
    return [reading.deployment(item, sets) for item in items]


def _all_ready(deployments: Sequence[Deployment], pods: Any) -> bool:
    for deployment in deployments:
        newest = [
            pod
            for pod in pods
            if pod.owner == f"ReplicaSet/{deployment.newest_replica_set}"
            and not pod.leaving
            and all(container.ready for container in pod.containers if not container.init)
        ]
        if len(newest) < deployment.replicas:
            return False
    return True


def diagnosed(api: client.ApiClient, namespace: str, pods: Any) -> Trouble | None:
    """Diagnose, with the events at hand where a pod alone may not tell what the registry was asked, and answered."""
    pods = list(pods)
    trouble = diagnose(pods)
    if trouble is None or trouble.pull is None or (trouble.pull.is_recognised and not trouble.final):
        return trouble
    return diagnose(pods, _told_of_pods(api, namespace))


def _told_of_pods(api: client.ApiClient, namespace: str) -> list[Event]:
    found = listed(client.CoreV1Api(api).list_namespaced_event, namespace, field_selector="involvedObject.kind=Pod")
    return reading.events(found)


def _final(trouble: Trouble | None) -> Trouble | None:
    return trouble if trouble and trouble.final else None


def _error(api: client.ApiClient, namespace: str, trouble: Trouble, *, late: str = "") -> HarnessError:
    if trouble.pull is not None:
        make = ReleaseError if trouble.pull.is_releases_fault else PullError
        return make(trouble.message + late, trouble.pull.next_step)
    if trouble.kind is Kind.UNSCHEDULABLE and trouble.final:
        return HostError(
            f"{trouble.message}{late}; no node here is of the kind that the values ask for",
            "take nodeSelector, affinity and topologySpreadConstraints out of the values for the run",
        )
    if trouble.kind is Kind.UNSCHEDULABLE:
        return HostError(trouble.message + late, "free memory or processors, or run fewer cells at a time (--jobs 1)")
    if trouble.kind is Kind.SET_UP and _OF_NETWORK.search(trouble.message):
        return HostError(trouble.message + late, "see the node's log in the evidence: its network does not take pods")
    if trouble.kind is Kind.CRASH:
        log = _last_lines(api, namespace, trouble)
        why = causes.found(log)
        below = "".join(f"\n  | {line}" for line in log.splitlines())
        if lost_leases.to_the_api_server(log):
            return HostError(f"{trouble.message}: {lost_leases.WORDS}{late}{below}", lost_leases.NEXT)
        return ReleaseError(
            f"{trouble.message}{f': {why}' if why else ''}{late}{below}",
            f"kubectl -n {namespace} logs {trouble.pod} -c {trouble.container} --previous",
        )
    return ReleaseError(trouble.message + late, f"kubectl -n {namespace} describe pod {trouble.pod}")


def _last_lines(api: client.ApiClient, namespace: str, trouble: Trouble) -> str:
    call = client.CoreV1Api(api).read_namespaced_pod_log
    for previous in (True, False):
        try:
            log = raw(
                call, trouble.pod, namespace, container=trouble.container, previous=previous, tail_lines=_LOG_LINES
            )
        except ApiError as gone:
            unread = f"its log cannot be read: {gone.brief}"
            continue
        lines = log.decode(errors="replace").strip().splitlines()
        # The kubelet answers so, with status 200, when the container of the run before is gone already.
        if lines and not lines[0].startswith("unable to retrieve container logs"):
            return "\n".join(lines)
        unread = "its log is empty"
    return unread


def _pod_in_words(pod: Pod) -> str:
    states = ", ".join(f"{it.name} {it.state} {it.reason}".strip() for it in pod.containers)
    return f"pod {pod.name} {pod.phase} ({states})"


def _deployment_in_words(it: Deployment) -> str:
    return f"{it.name}: {it.updated} updated and {it.available} available of {it.replicas}, {it.total} in all"
