# SPDX-License-Identifier: Apache-2.0
"""A node goes while applications run on it: what both ways to lose one have in common, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.apps.states import State
from harness.errors import ApiError, HarnessError, WaitTimeout
from harness.kube import reading
from harness.kube.api import listed
from harness.kube.well_known import CONTROL_PLANE
from harness.late import client
from harness.stories.failures import fault
from harness.stories.failures.described import STRUCK
from harness.stories.moves.scenarios import admission
from harness.upgrades.operator_watch import OperatorWatcher
from harness.upgrades.prober import Prober
from harness.upgrades.workload_seen import ApplicationSeen
from harness.verdicts import Finding, errored, failed, passed
from harness.waiting import until
from harness.wording import counted

if TYPE_CHECKING:
    from harness.apps.pods import SparkPod
    from harness.kube.models import Pod
    from harness.releases.change import Change
    from harness.releases.ways.protocol import InstalledRelease
    from harness.stories.failures.bystanders import Bystanders
    from harness.stories.path_context import PathContext
    from harness.upgrades.prober import Probe

EXECUTORS = "executors-replaced"
DRIVER = "driver-restarted"
SCHEDULE = "schedule-kept"
OPERATOR = "operator-rescheduled"

AGAIN = f"{STRUCK}again"
"""The application whose driver is on the node, and is to be started anew."""

_EVERY = 20
_RESTARTED = {"type": "OnFailure", "onFailureRetries": 3, "onFailureRetryInterval": 5}
_PLACED_SECONDS = 90.0
_BACK_SECONDS = 180.0
_READY_SECONDS = 120.0

Strike = Callable[["PathContext", str], str]
"""Takes a node away: returns, in words, what was done and what was seen of it, once pods are told to go elsewhere."""

Mend = Callable[["PathContext", str], None]
"""Gives it back."""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """The node that goes, with the operator's controller on it, and the worker that stays."""

    goes: str
    stays: str


def tell(ctx: PathContext, strike: Strike, mend: Mend) -> list[Finding]:
    """Applications on both workers, one of which goes, and comes back; on a path of upgrades in the middle of one.

    Raises HarnessError for what proves nothing.
    """
    chosen = _choose(ctx)
    ctx.say(f"{chosen.goes} is to go, with the operator's controller; {chosen.stays} stays")

    def story(ctx: PathContext, here: InstalledRelease, by: Bystanders) -> Iterator[Finding | InstalledRelease]:
        return _story(ctx, here, by, chosen, strike, mend)

    return fault.tell(ctx, story, lambda ctx: only(ctx, chosen.stays))


def _story(
    ctx: PathContext, here: InstalledRelease, by: Bystanders, nodes: Nodes, strike: Strike, mend: Mend
) -> Iterator[Finding | InstalledRelease]:
    by.schedule(_EVERY)
    first = by.seen("long")
    with only(ctx, nodes.goes):
        for pod in first.executors if first else ():
            by.delete_pod(pod.name)
        until(lambda: _on(by.seen("long"), nodes.goes), what=f"an executor on {nodes.goes}", timeout=_PLACED_SECONDS)
        by.begin_another(AGAIN, restartPolicy=_RESTARTED)
    ctx.say(f"executor and driver are on {nodes.goes}")
    prober, watcher = Prober(ctx.cluster, ctx.namespace), OperatorWatcher(ctx.cluster, here.namespace)
    prober.start()
    watcher.start()
    began = datetime.now(UTC)
    try:
        with ThreadPoolExecutor(1, "upgrade") as pool:
            upgrading: Future[Change] | None = pool.submit(ctx.upgrade, here) if ctx.path.moves else None
            if upgrading is not None:
                _await_new_pod(ctx, here, upgrading)
            # Creation timestamps are to the second: what is made within this one comes after.
            struck = datetime.now(UTC).replace(microsecond=0)
            said = strike(ctx, nodes.goes)
            ctx.say(said)
            back = _operator_back(ctx, here, nodes.goes)
            came = upgrading.result() if upgrading is not None else None
        yield passed(fault.STATE, said, node=nodes.goes, at=struck.isoformat())
        if came is not None:
            yield fault.way_out(came, why="the upgrade completes anyway", check="upgrade-completed")
            if came.helm_error:
                return
            yield came.installed
        _await_what_comes(by, struck)
    finally:
        probes = prober.stop()
        mend(ctx, nodes.goes)
        watch = watcher.seen(began)
    yield judge_operator(back, struck, probes, watch.gap)
    yield from _applications(by, nodes.goes, struck)


def _applications(by: Bystanders, node: str, struck: datetime) -> Iterator[Finding]:
    """What became of those that were on the node, once each has come to its end."""
    by.end_schedule()
    again = by.seen(AGAIN)
    if again is not None and not again.ended:
        by.let_end(AGAIN)
    again = by.await_end(AGAIN, timeout=_BACK_SECONDS)
    for it in by.runs():
        by.await_end(it.name, timeout=_BACK_SECONDS)
    yield judge_executors(by.seen("long"), node, struck)
    yield judge_driver(again, node, struck)
    yield judge_schedule(by.runs(), struck, every=_EVERY)


def judge_executors(long: ApplicationSeen | None, node: str, struck: datetime) -> Finding:
    """The driver on the other worker has got an executor elsewhere in the place of the one that went."""
    new = [it for it in (long.executors if long else ()) if it.node != node and it.started_at and it.created >= struck]
    if not new or new[0].started_at is None:
        return failed(EXECUTORS, f"no executor took the place of the one on {node}")
    seconds = (new[0].started_at - struck).total_seconds()
    return passed(
        EXECUTORS, f"{new[0].name} on {new[0].node} took its place after {seconds:.0f} s", seconds=round(seconds)
    )


def judge_driver(again: ApplicationSeen | None, node: str, struck: datetime) -> Finding:
    """The application whose driver went is run again, as its restart policy says, once, and ends well."""
    if again is None or not again.drivers:
        return errored(DRIVER, "the application on the node was not seen")
    states = " → ".join(str(it) for it in again.history)
    after = [it for it in again.drivers if it.created >= struck]
    facts: dict[str, Any] = {"states": [str(it) for it in again.history], "drivers": len(again.drivers)}
    if again.state is not State.COMPLETED or len(after) != 1 or after[0].node == node:
        where = ", ".join(it.node for it in after) or "nowhere"
        return failed(
            DRIVER,
            f"{again.name}, whose driver was on {node} and is to be restarted, had {len(after)} new driver pods "
            f"({where}) and went {states}: {again.cause or 'no error in its status'}",
            **facts,
        )
    seconds = (after[0].created - struck).total_seconds()
    return passed(DRIVER, f"{after[0].node} has the new driver after {seconds:.0f} s: {states}", **facts)


def judge_schedule(runs: Sequence[ApplicationSeen], struck: datetime, *, every: int) -> Finding:
    """The schedule goes on: runs of after the node went, each once, and all of those to COMPLETED."""
    after = [it for it in runs if it.created >= struck]
    lost = [f"{it.name}: {it.outcome}" for it in after if it.state is not State.COMPLETED]
    before = max((it.created for it in runs if it.created < struck), default=struck)
    pause = (min(it.created for it in after) - before).total_seconds() if after else None
    facts = {"every": every, "after": len(after), "pause": pause}
    if not after or lost:
        return failed(
            SCHEDULE,
            f"of {counted(len(after), 'run')} since then, not COMPLETED: {lost or 'none came'}",
            **facts,
        )
    return passed(
        SCHEDULE,
        f"{counted(len(after), 'run')} since then COMPLETED, the first {pause:.0f} s after the last",
        **facts,
    )


def judge_operator(back: datetime | None, struck: datetime, probes: Sequence[Probe], gap: float | None) -> Finding:
    """The operator is elsewhere; for how long nothing was admitted, and nobody led, is told."""
    refused = sum(it.milliseconds for it in admission.windows(probes)) / 1000
    facts = {"outage": round(refused, 1), "leaderless": gap, "probes": len(probes)}
    if back is None:
        return failed(
            OPERATOR, f"not all of the operator's pods were ready elsewhere within {_BACK_SECONDS:.0f} s", **facts
        )
    seconds = (back - struck).total_seconds()
    led = "no new leader was seen" if gap is None else f"nobody led for {gap:.0f} s"
    return passed(
        OPERATOR,
        f"all of the operator's pods are ready elsewhere after {seconds:.0f} s; creates were refused for {refused:.1f} "
        f"s, and {led}",
        seconds=round(seconds),
        **facts,
    )


@contextmanager
def only(ctx: PathContext, node: str) -> Iterator[None]:
    """New pods go to this node alone, as long as the block lasts; the control plane takes none afterwards, either."""
    with ctx.cluster.api_client() as api:
        workers = _workers(api)
        for it in workers:
            cordon(api, it, it != node)
    try:
        yield
    finally:
        with ctx.cluster.api_client() as api:
            for it in workers:
                cordon(api, it, False)


def cordon(api: client.ApiClient, node: str, closed: bool) -> None:
    """Let no new pods come to a node, or let them. Raises ApiError."""
    client.CoreV1Api(api).patch_node(node, {"spec": {"unschedulable": closed}})


def await_ready(ctx: PathContext, node: str, ready: bool) -> float:
    """Wait until a node is Ready, or is not; for how many seconds. Raises WaitTimeout."""
    began = datetime.now(UTC)
    with ctx.cluster.api_client() as api:
        until(
            lambda: reading.node(_node(api, node)).ready is ready,
            what=f"{node} to be {'Ready' if ready else 'NotReady'}",
            timeout=_READY_SECONDS,
            interval=0.5,
            ignore=(ApiError,),
        )
    return (datetime.now(UTC) - began).total_seconds()


def _node(api: client.ApiClient, name: str) -> dict[str, Any]:
    return next(it for it in listed(client.CoreV1Api(api).list_node) if it["metadata"]["name"] == name)


def _workers(api: client.ApiClient) -> list[str]:
    nodes = listed(client.CoreV1Api(api).list_node)
    return [it["metadata"]["name"] for it in nodes if CONTROL_PLANE not in (it["metadata"].get("labels") or {})]


def _choose(ctx: PathContext) -> Nodes:
    """The worker with the controller goes. Where that is on the control plane, it is led to a worker first."""
    with ctx.cluster.api_client() as api:
        workers = _workers(api)
        if len(workers) < 2:
            raise HarnessError(f"workers: {len(workers)}, and two are needed", "take an environment of 3 nodes")
        for it in listed(client.CoreV1Api(api).list_node):
            if it["metadata"]["name"] not in workers:
                cordon(api, it["metadata"]["name"], True)
        for pod in _operator_pods(ctx):
            if pod.node not in workers:
                client.CoreV1Api(api).delete_namespaced_pod(pod.name, pod.namespace)
    until(
        lambda: all(it.ready and it.node in workers for it in _operator_pods(ctx)),
        what="the operator to run on workers",
        timeout=_PLACED_SECONDS,
    )
    goes = next(it.node for it in _operator_pods(ctx) if it.labels.get("app.kubernetes.io/component") == "controller")
    return Nodes(goes=goes, stays=next(it for it in workers if it != goes))


def _operator_pods(ctx: PathContext) -> list[Pod]:
    return [it for it in ctx.pods() if not it.leaving and it.phase in ("Pending", "Running")]


def _operator_back(ctx: PathContext, here: InstalledRelease, node: str) -> datetime | None:
    """When all of the operator's pods were ready on other nodes; None when they never were."""
    try:
        until(
            lambda: bool(pods := _operator_pods(ctx)) and all(it.ready and it.node not in ("", node) for it in pods),
            what=f"the operator of {here.release.name} to run elsewhere",
            timeout=_BACK_SECONDS,
            interval=0.5,
            ignore=(ApiError,),
        )
    except HarnessError:
        return None
    return datetime.now(UTC)


def _await_new_pod(ctx: PathContext, here: InstalledRelease, upgrading: Future[Change]) -> None:
    """Wait until the upgrade has made a pod, or is over."""
    before = {it.uid for it in ctx.pods()}
    until(
        lambda: upgrading.done() or any(it.uid not in before for it in ctx.pods()),
        what=f"the upgrade from {here.release.name} to make a pod",
        timeout=_BACK_SECONDS,
        interval=0.2,
        ignore=(ApiError,),
    )


def _on(application: ApplicationSeen | None, node: str) -> bool:
    """Whether an executor of an application runs on a node."""
    executors = application.executors if application else ()
    return any(it.phase == "Running" and it.node == node and it.gone is None for it in executors)


def _await_what_comes(by: Bystanders, struck: datetime) -> None:
    """Wait for the new driver and for a run of the schedule, while the node is away; what does not come is judged."""
    for what, there in (
        ("the new driver", lambda: any(it.created >= struck for it in _drivers(by))),
        ("a run of the schedule", lambda: bool(_since(by, struck))),
    ):
        try:
            until(there, what=what, timeout=_PLACED_SECONDS)
        except WaitTimeout:
            continue


def _drivers(by: Bystanders) -> tuple[SparkPod, ...]:
    again = by.seen(AGAIN)
    return again.drivers if again else ()


def _since(by: Bystanders, struck: datetime) -> list[ApplicationSeen]:
    """The runs of the schedule since the node went."""
    return [it for it in by.runs() if it.created >= struck]
