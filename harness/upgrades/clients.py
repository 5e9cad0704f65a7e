# SPDX-License-Identifier: Apache-2.0
"""What a workload asks of running pods: a Connect server's answer to a real client, and a driver to come to its end."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from websocket import WebSocketException

from harness.apps import samples
from harness.apps.logs import announced, pod_log, server_log, tail
from harness.apps.objects import Objects
from harness.apps.pods import by_role
from harness.errors import ApiError, HarnessError, WaitTimeout
from harness.kube.cluster import Cluster
from harness.late import client, streams
from harness.upgrades.workload_seen import Query, When
from harness.waiting import until

_VALUES = samples.chart_values()
_PORT = 15002
_TOUCH_SECONDS = 20.0


def query(
    objects: Objects, rendering: samples.Rendering, server: str, service: str, when: When, *, timeout: float
) -> Query:
    """Let Spark's own client in a pod ask a server for a sum. No answer is an answer.

    Raises ApiError.
    """
    up_to = _VALUES.connect.up_to
    values = {"connect": {"remote": f"sc://{service}:{_PORT}", "upTo": up_to}}
    name = f"{server}-asked-{when}"
    at, started = datetime.now(UTC), time.monotonic()
    for manifest in samples.render(rendering, "spark-connect-client", values):
        if manifest["kind"] == "Pod":
            manifest["metadata"]["name"] = name
        try:
            objects.create([manifest])
        except ApiError as there:
            # The ConfigMap of the client's program is there from the query before.
            if there.status != 409 or manifest["kind"] == "Pod":
                raise
    try:
        until(
            lambda: objects.core.read_namespaced_pod(name, objects.namespace).status.phase,
            lambda phase: phase in ("Succeeded", "Failed"),
            what=f"the client {name} to end",
            timeout=timeout,
        )
    except WaitTimeout as late:
        log = f"{pod_log(objects.core, objects.namespace, name)}\n{late.message}"
    else:
        log = pod_log(objects.core, objects.namespace, name)
    answers = announced(log, "connect answer")
    return Query(
        at=at,
        when=when,
        seconds=time.monotonic() - started,
        wanted=f"{up_to * (up_to + 1) // 2} from Spark {_VALUES.spark.version} through ",
        answer=answers[0] if answers else "",
        log_end="" if answers else tail(log),
        server_log_end="" if answers else _server_log_end(objects, server),
    )


def _server_log_end(objects: Objects, server: str) -> str:
    """The end of the log of a server that did not answer; empty where it has no pod."""
    pod = next((it for it in by_role(objects.spark_pods(), "connect-server") if it.application == server), None)
    if pod is None or not pod.containers:
        return ""
    return tail(server_log(objects.core, objects.namespace, pod))


def let_end(cluster: Cluster, namespace: str, driver: str) -> None:
    """Make the file for which the sample long waits. Raises HarnessError when the pod cannot be told."""
    # A client of its own: for the time of a call, an exec replaces how it sends requests.
    with cluster.api_client() as api:
        try:
            # Not read ahead, since the client leaves the socket of what it has read ahead open.
            channel = streams.stream(
                client.CoreV1Api(api).connect_get_namespaced_pod_exec,
                driver,
                namespace,
                command=["touch", _VALUES.long.file],
                container="spark-kubernetes-driver",
                stderr=True,
                stdout=True,
                stdin=False,
                tty=False,
                _preload_content=False,
                _request_timeout=_TOUCH_SECONDS,
            )
        except ApiError as refused:
            raise HarnessError(f"{namespace}/{driver} could not be told to end: {refused.reason}") from refused
        try:
            channel.run_forever(timeout=_TOUCH_SECONDS)
            said = channel.read_all()
        except (WebSocketException, OSError) as broken:
            raise HarnessError(f"{namespace}/{driver} could not be told to end: {broken}") from broken
        finally:
            # Its close() leaves the socket open where the server said goodbye first.
            channel.sock.shutdown()
        if said.strip():
            raise HarnessError(f"{namespace}/{driver} could not be told to end: {said.strip()}")
