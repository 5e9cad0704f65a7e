# SPDX-License-Identifier: Apache-2.0
"""fault-operator-killed: the controller is killed in the middle of submissions, as the upgrade begins."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness import causes, late
from harness.apps.pods import LABEL_ROLE
from harness.apps.states import State
from harness.errors import HarnessError
from harness.kube import reading
from harness.kube.api import listed
from harness.kube.watching import watch_until
from harness.late import client
from harness.releases.own_containers import is_own_container
from harness.stories.failures.described import STRUCK, scenario
from harness.verdicts import Finding, failed, passed

if TYPE_CHECKING:
    from harness.kube.models import Container, Pod
    from harness.releases.ways.protocol import InstalledRelease
    from harness.stories.failures import bystanders, fault
    from harness.stories.path_context import PathContext
    from harness.upgrades import detour
    from harness.upgrades.workload_seen import ApplicationSeen
else:
    fault = late.module("harness.stories.failures.fault")
    bystanders = late.module("harness.stories.failures.bystanders")
    detour = late.module("harness.upgrades.detour")

SCENARIO = scenario("fault-operator-killed", "the controller is killed while applications are being submitted")

CHECK = "applications-struck"

_NAMES = tuple(f"{STRUCK}{number}" for number in range(1, 5))
_DRIVER_SECONDS = 120.0
_END_SECONDS = 150.0
_BEGIN_SECONDS = 15.0


def run(ctx: PathContext) -> list[Finding]:
    """Kill the controller as soon as one of several submissions has made its driver pod, upgrade, and count."""
    return fault.tell(ctx, _story)


def _story(ctx: PathContext, here: InstalledRelease, by: bystanders.Bystanders) -> Iterator[Finding | InstalledRelease]:
    pod, node, pid = _controller(ctx)
    struck_by = _kill_at_first_driver(ctx, by, node, pid)
    came = ctx.upgrade(here)
    yield fault.way_out(came, why="the upgrade completes anyway", check="upgrade-completed")
    if came.helm_error:
        return
    yield came.installed
    by.submit("meanwhile")
    for name in _NAMES:
        by.await_end(name, timeout=_END_SECONDS)
        # The driver of one that is FAILED may go on.
        by.await_drivers(name, timeout=_DRIVER_SECONDS)
    struck = [it for it in (by.seen(name) for name in _NAMES) if it is not None]
    yield passed(
        fault.STATE,
        f"the process of {pod} was killed when {struck_by} had its driver pod; the {len(struck)} applications ended "
        f"{', '.join(f'{it.name} {it.state}' for it in struck)}",
        killed=pod,
        at_driver_of=struck_by,
    )
    yield judge(struck)
    lost = [it.name for it in struck if it.state is not State.COMPLETED]
    again = [by.submit_again(name) for name in lost]
    if any(it is None or it.state is not State.COMPLETED for it in again):
        yield failed(fault.WAY_OUT, f"deleted and created again, they are {[it and str(it.state) for it in again]}")
    else:
        yield passed(
            fault.WAY_OUT,
            f"deleted and created again, {', '.join(lost)} COMPLETED" if lost else "no action is needed: all COMPLETED",
            commands=[f"kubectl delete sparkapplication {it} && kubectl apply -f {it}.yaml" for it in lost],
        )


def judge(applications: Sequence[ApplicationSeen]) -> Finding:
    """How many submissions the kill brought to nothing though their driver did its work, and how many ran twice."""
    lost = [it for it in applications if it.state is not State.COMPLETED]
    in_vain = [it for it in lost if any(driver.succeeded for driver in it.drivers)]
    twice = [it for it in applications if sum(bystanders.driver_ran(driver) for driver in it.drivers) > 1]
    facts: dict[str, Any] = {
        "total": len(applications),
        "failed": len(lost),
        "though_the_driver_succeeded": len(in_vain),
        "doubled": len(twice),
        "errors": {it.name: it.error for it in lost},
    }
    if not applications:
        return failed(CHECK, "there was no application to be affected")
    if lost or twice:
        said = next((it.error for it in lost if it.error), "")
        return failed(
            CHECK,
            f"{len(lost)} of {len(applications)} did not complete, {len(in_vain)} of them although their driver pod "
            f"succeeded, and {len(twice)} ran twice; the status says: {causes.told(said, 'nothing')}",
            **facts,
        )
    return passed(CHECK, f"all {len(applications)} ran once and COMPLETED", **facts)


def _controller(ctx: PathContext) -> tuple[str, str, str]:
    """The leading controller's pod, its node container and the number of its process there. Raises HarnessError."""
    selector = f"app.kubernetes.io/instance={ctx.installed.name},app.kubernetes.io/component=controller"
    with ctx.cluster.api_client() as api:
        namespace = ctx.installed.namespace
        pods = [
            reading.pod(it)
            for it in listed(client.CoreV1Api(api).list_namespaced_pod, namespace, label_selector=selector)
        ]
        leases = listed(client.CoordinationV1Api(api).list_namespaced_lease, namespace)
    pod, container = chosen(pods, {reading.lease(it, "", datetime.now(UTC)).holder for it in leases})
    node = next((it for it in ctx.cluster.nodes if it == pod.node), ctx.cluster.nodes[0])
    template = ["crictl", "inspect", "--output", "go-template", "--template", "{{.info.pid}}", container.runtime_id]
    return pod.name, node, detour.run(ctx.provider, ctx.cluster, node, template).strip()


def chosen(pods: Sequence[Pod], holders: Collection[str]) -> tuple[Pod, Container]:
    """Of the controller's pods the one that leads, which alone submits, and its own container beside any sidecars.

    Without an election any that runs. Raises HarnessError where none does.
    """
    running = [
        (pod, it)
        for pod in sorted(pods, key=lambda pod: pod.name not in holders)
        for it in sorted(pod.containers, key=lambda it: not is_own_container(it.name))
        if pod.phase == "Running" and not pod.leaving and it.runtime_id and not it.init
    ]
    if not running:
        raise HarnessError(f"none of {len(pods)} pods of the controller runs")
    return running[0]


def _kill_at_first_driver(ctx: PathContext, by: bystanders.Bystanders, node: str, pid: str) -> str:
    """Submit all, and kill the process when the first driver pod is there; the name of that pod.

    SIGKILL from the node: the deletion of a pod, whatever its grace period, leaves a second to finish a submission.
    Raises WaitTimeout, HostError.
    """
    begun = threading.Event()

    def on_pod(event: str, pod: Any) -> str | None:
        begun.set()
        name = str(pod["metadata"]["name"])
        return name if name.startswith(STRUCK) else None

    def watch() -> str:
        with ctx.cluster.api_client() as api:
            name = watch_until(
                client.CoreV1Api(api).list_namespaced_pod,
                on_pod,
                what="the first driver pod",
                timeout=_DRIVER_SECONDS,
                namespace=ctx.namespace,
                label_selector=f"{LABEL_ROLE}=driver",
            )
            started = time.monotonic()
            detour.run(ctx.provider, ctx.cluster, node, ["kill", "-9", pid])
            ctx.say(f"killed the controller {time.monotonic() - started:.2f} s after {name} was there")
            return name

    with ThreadPoolExecutor(1, "watch-drivers") as pool:
        found = pool.submit(watch)
        # The long application's driver is the first that it sees.
        begun.wait(_BEGIN_SECONDS)
        by.submit(*_NAMES)
        return found.result()
