# SPDX-License-Identifier: Apache-2.0
"""spark-connect: a Connect server becomes Ready, and clients get the right answers from it.

These are Spark's own JVM client in another pod, and the Python clients that people have on their machines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from harness import causes
from harness.apps import claims, python_clients, samples
from harness.apps.context import ScenarioContext
from harness.apps.logs import announced, pod_log, server_log, tail
from harness.apps.objects import CONNECT, Objects
from harness.apps.pods import SparkPod, by_role, observe
from harness.apps.trial import trial
from harness.checks import expectation
from harness.errors import HarnessError, WaitTimeout
from harness.kube.forwarding import forwarded
from harness.kube.watching import watch_until
from harness.matrix.connect_clients import ASKS, ConnectClient, catalogue
from harness.matrix.model import Scenario
from harness.verdicts import Finding, Verdict, failed, passed, unavailable
from harness.waiting import Cancelled, until

_VALUES = samples.chart_values()

SCENARIO = Scenario(
    name="spark-connect",
    summary="a Spark Connect server answers real clients: in the JVM, and in Python old and new",
    images=(_VALUES.spark.image,),
    spark=_VALUES.spark.version,
    sparks=_VALUES.spark.images,
    needs_crds=("sparkconnects.sparkoperator.k8s.io",),
)

_SECONDS = 300.0
_ASK_SECONDS = 120.0
_COUNT_SECONDS = 30.0
_PORT = 15002
_END_SECONDS = 40.0
"""A server whose SparkContext is stopped ends within seconds, on a busy node within some more."""


def run(ctx: ScenarioContext) -> list[Finding]:
    """Start the server, wait for Ready, let Spark's own JVM client ask it for a sum, then each Python client."""
    with ThreadPoolExecutor(1, "python-clients") as pool:
        # The first time they are fetched, while the server starts.
        clients = catalogue().of_server(ctx.spark_version)
        fetched = {it: pool.submit(ctx.python_client, it, ctx.within(_SECONDS)) for it in clients}
        return trial(ctx, lambda ctx, objects: _steps(ctx, objects, fetched))


def _steps(
    ctx: ScenarioContext, objects: Objects, clients: Mapping[ConnectClient, Future[Sequence[Path]]]
) -> Iterator[Finding]:
    (made,) = objects.create(samples.render(ctx, "spark-connect"))
    server = _ready(ctx, objects, made["metadata"]["name"])
    if isinstance(server, Finding):
        yield server
        return
    status = server["status"]["server"]
    up_to = _VALUES.connect.up_to
    remote = f"sc://{status['serviceName']}:{_PORT}"
    objects.create(samples.render(ctx, "spark-connect-client", {"connect": {"remote": remote, "upTo": up_to}}))
    client_pod = _ended(ctx, objects, "spark-connect-client")
    log = pod_log(objects.core, ctx.namespace, client_pod.name)
    answer = _answer(client_pod, log, up_to, ctx.spark_version)
    if answer.verdict is Verdict.FAILED and (fallen := _falls(ctx, objects)):
        # It was Ready before it gave up. Clients would wait for it until their time is over.
        yield _fallen(objects, fallen)
        return
    yield passed(
        "ready", f"the server is Ready: pod {status['podName']}, service {status['serviceName']}", status=status
    )
    yield answer
    yield from _python_clients(ctx, status["podName"], clients)
    yield _pods(ctx, objects)
    yield _executors(ctx, objects, server["metadata"]["name"])


def _ready(ctx: ScenarioContext, objects: Objects, name: str) -> Mapping[str, Any] | Finding:
    """The SparkConnect once it is Ready, or why its server ended: the kubelet starts that anew for ever."""

    def look() -> Mapping[str, Any] | SparkPod | str:
        raw = objects.get(CONNECT, name) or {}
        if raw.get("status", {}).get("state") == "Ready":
            return raw
        return _fallen_server(objects) or f"{name}: {raw.get('status', 'no status yet')}"

    found = until(
        look,
        lambda seen: not isinstance(seen, str),
        what=f"SparkConnect {name} to be Ready",
        timeout=ctx.within(_SECONDS),
        next_step=f"kubectl logs -n {objects.namespace} {name}-server",
    )
    return _fallen(objects, found) if isinstance(found, SparkPod) else cast("Mapping[str, Any]", found)


def _fallen_server(objects: Objects) -> SparkPod | None:
    servers = by_role(objects.spark_pods(), "connect-server")
    return next((pod for pod in servers if pod.main.restarts or pod.main.ended), None)


def _falls(ctx: ScenarioContext, objects: Objects) -> SparkPod | None:
    """The server, where it ends soon after it has left a client without an answer."""
    with suppress(WaitTimeout):
        return until(
            lambda: _fallen_server(objects),
            what="the Connect server to end",
            timeout=min(_END_SECONDS, ctx.within(_SECONDS)),
        )
    return None


def _fallen(objects: Objects, pod: SparkPod) -> Finding:
    """Why the server ended, from the log of the container that did."""
    ended = pod.main.ended or pod.main.last
    log = server_log(objects.core, objects.namespace, pod)
    status = f"with exit status {ended.exit_code}" if ended else "for an unknown reason"
    return failed("ready", f"{pod.name} ended {status}: {causes.told(log)}", log_end=tail(log))


def _ended(ctx: ScenarioContext, objects: Objects, name: str) -> SparkPod:
    def look(event: str, raw: Any) -> SparkPod | None:
        pod = observe(raw)
        return pod if pod.name == name and pod.phase in ("Succeeded", "Failed") else None

    return watch_until(
        objects.core.list_namespaced_pod,
        look,
        what=f"the client pod {name} to end",
        timeout=ctx.within(_SECONDS),
        describe=lambda raw: str(observe(raw)),
        namespace=objects.namespace,
        field_selector=f"metadata.name={name}",
    )


def _answer(pod: SparkPod, log: str, up_to: int, version: str) -> Finding:
    """The sum of the first numbers, and the version of the Spark that computed it."""
    wanted = f"{up_to * (up_to + 1) // 2} from Spark {version} through "
    answers = announced(log, "connect answer")
    if pod.phase == "Succeeded" and any(answer.startswith(wanted) for answer in answers):
        return passed("query-answered", f"the client got {answers[0]}")
    why = "" if answers else causes.found(log)
    told = f"{f'{why}; ' if why else ''}the client {pod.phase}, answer {answers or 'none'}"
    return failed("query-answered", told, log_end=tail(log))


def _python_clients(
    ctx: ScenarioContext, pod: str, clients: Mapping[ConnectClient, Future[Sequence[Path]]]
) -> list[Finding]:
    """What each client gets, with what is known to break."""
    found: list[Finding] = []
    with forwarded(ctx.cluster, ctx.namespace, pod, _PORT) as address:
        for it, fetched in clients.items():
            try:
                folders = fetched.result()
            except Cancelled:
                raise
            except HarnessError as missing:
                found += [unavailable(it.check(asks), f"{it.name} cannot be had: {missing.message}") for asks in ASKS]
                continue
            found += python_clients.ask(it, folders, address, ctx.spark_version, timeout=ctx.within(_ASK_SECONDS))
    known = list(catalogue().expected(SCENARIO.name, ctx.spark_version))
    return expectation.judge(found, known, SCENARIO.name, rows="charts/clients.toml")


def _pods(ctx: ScenarioContext, objects: Objects) -> Finding:
    image = ctx.spark_image
    pods = objects.spark_pods()
    servers, executors = by_role(pods, "connect-server"), by_role(pods, "executor")
    wrong = [pod.name for pod in pods if pod.image != image or not pod.owners]
    if len(servers) != 1 or not executors or wrong:
        return failed(
            "pods",
            f"servers: {len(servers)}, executors: {len(executors)}; no owner or another image: {wrong or 'none'}",
            pods=[claims.facts(pod) for pod in pods],
        )
    return passed(
        "pods", f"a server and {len(executors)} executor(s) of {image}", pods=[claims.facts(pod) for pod in pods]
    )


def _executors(ctx: ScenarioContext, objects: Objects, name: str) -> Finding:
    """The status counts the executor; on a busy machine the operator learns of one a while after it has answered."""
    counted: dict[str, int] = {}

    def count() -> dict[str, int]:
        nonlocal counted
        status = (objects.get(CONNECT, name) or {}).get("status") or {}
        counted = status.get("executors") or {}
        return counted

    try:
        what, seconds = f"the status of {name} to count its executor", ctx.within(_COUNT_SECONDS)
        until(count, lambda found: found.get("running") == 1, what=what, timeout=seconds)
    except WaitTimeout:
        return failed("executors-counted", f"the status counts {counted or 'no executors'}", executors=counted)
    return passed("executors-counted", f"the status counts {counted}", executors=counted)
