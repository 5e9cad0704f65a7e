# SPDX-License-Identifier: Apache-2.0
"""Faults of the operator that take more than one request: its lease, its process, its webhook, a job namespace."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from harness.apps import samples
from harness.bench.site import Site
from harness.bench.verdicts.beside import Beside
from harness.bench.verdicts.planting import Undo, delete, in_node, put_back
from harness.kube.api import get, send
from harness.releases.home import OPERATOR_NAMESPACE
from harness.waiting import until

_SECONDS = 180.0
_TICK_SECONDS = 1.0
_MERGE = "application/merge-patch+json"
_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{OPERATOR_NAMESPACE}/leases/spark-operator-controller-lock"
_SECRET = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/secrets/spark-operator-webhook-certs"
_CONFIGURATIONS = tuple(
    f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations/spark-operator-webhook"
    for kind in ("mutating", "validating")
)
_SERVICE = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/services/spark-operator-webhook-svc"
_ENDPOINTS = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/endpoints/spark-operator-webhook-svc"
_SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{OPERATOR_NAMESPACE}/endpointslices"
_SLOW_PODS = "/api/v1/namespaces/default/pods"
_SLOW_POD = f"{_SLOW_PODS}/slow"
_JSON_PATCH = "application/json-patch+json"
_THIEF = "another-controller"
_LEASE_SECONDS = 17.0
"""A lease of the controller lasts 15 s."""

_STUCK = "scheduled"
"""The job namespace that is made Terminating."""


# Forwards what the API server says to the webhook, everything but the first words of a connection 8 s late.
_SLOW = """
import asyncio, os
async def copy(reader, writer, late):
    loop, first, waiting = asyncio.get_running_loop(), True, set()
    while data := await reader.read(65536):
        if late and not first:
            loop.call_later(late, writer.write, data)
        else:
            writer.write(data)
        first = False
    await asyncio.sleep(late)
    writer.close()
async def serve(reader, writer):
    there = await asyncio.open_connection(os.environ["TO"], int(os.environ["PORT"]))
    await asyncio.gather(copy(reader, there[1], 8.0), copy(there[0], writer, 0.0))
async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", 9443)
    async with server:
        await server.serve_forever()
asyncio.run(main())
"""


def steal_lease(on: Site) -> Undo:
    """Another process holds the controller's lease, and renews it."""

    def hold(over: threading.Event) -> None:
        while not over.is_set():
            now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            _hold(on, {"holderIdentity": f"{_THIEF}_1", "acquireTime": now, "renewTime": now})
            over.wait(_TICK_SECONDS)

    beside = Beside(hold)

    def undo() -> None:
        beside.end()
        _hold(on, {"holderIdentity": "", "leaseDurationSeconds": 1})

    return undo


def pause_controller(on: Site) -> Undo:
    """The controller's process stands still, until its lease is over."""
    # The first process only waits for the operator's.
    in_node(on, "first=$(pid spark-operator-controller); kill -STOP $first $(pgrep -P $first)")
    until(
        lambda: (datetime.now(UTC) - _renewed(on)).total_seconds() > _LEASE_SECONDS,
        what="the end of the controller's lease",
        timeout=_SECONDS,
    )

    def undo() -> None:
        in_node(on, "first=$(pid spark-operator-controller); kill -CONT $(pgrep -P $first) $first || true")

    return undo


def slow_webhook(on: Site) -> Undo:
    """What the API server asks the webhook arrives 8 s late."""
    with on.api() as api:
        selector = get(api, _SERVICE)["spec"]["selector"]
        send(api, "PATCH", _SERVICE, [{"op": "remove", "path": "/spec/selector"}], content_type=_JSON_PATCH)
        # Otherwise they would go on leading to the webhook.
        delete(on, _ENDPOINTS)
        for item in get(api, _SLICES)["items"]:
            delete(on, f"{_SLICES}/{item['metadata']['name']}")
        # The API server keeps its connections to the pod of before.
        on.renew_webhook()
        webhook = next(it for it in on.pods() if "webhook" in it.name)
        address = get(api, f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{webhook.name}")["status"]["podIP"]
        send(api, "POST", _SLOW_PODS, _slow_pod(address))
        until(lambda: _ready(get(api, _SLOW_POD)), what="the pod that slows the webhook down", timeout=_SECONDS)
        send(api, "POST", _SLICES, _slice(get(api, _SLOW_POD)["status"]["podIP"]))

    def undo() -> None:
        delete(on, f"{_SLICES}/slow")
        with on.api() as api:
            change = [{"op": "add", "path": "/spec/selector", "value": selector}]
            send(api, "PATCH", _SERVICE, change, content_type=_JSON_PATCH)
        delete(on, _SLOW_POD)

    return undo


def _slow_pod(address: str) -> dict[str, Any]:
    container = {
        "name": "slow",
        "image": samples.chart_values().spark.image,
        "command": ["python3", "-c", _SLOW],
        "env": [{"name": "TO", "value": address}, {"name": "PORT", "value": "9443"}],
        "readinessProbe": {"tcpSocket": {"port": 9443}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "slow"},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }


def _slice(address: str) -> dict[str, Any]:
    """What leads the webhook's Service to an address."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "slow", "labels": {"kubernetes.io/service-name": "spark-operator-webhook-svc"}},
        "addressType": "IPv4",
        "ports": [{"name": "webhook", "port": 9443, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }


def replace_ca(on: Site) -> Undo:
    """All webhook entries trust an authority that signed nothing of the operator's."""
    other = base64.b64encode(_other_authority(on).encode()).decode()
    befores = []
    with on.api() as api:
        for path in _CONFIGURATIONS:
            found = get(api, path)
            befores.append((path, found))
            change = [
                {"op": "replace", "path": f"/webhooks/{number}/clientConfig/caBundle", "value": other}
                for number in range(len(found["webhooks"]))
            ]
            send(api, "PATCH", path, change, content_type=_JSON_PATCH)

    def undo() -> None:
        for path, found in befores:
            put_back(on, path, found)

    return undo


def replace_secret(on: Site) -> Undo:
    """The Secret of the webhook holds another authority."""
    with on.api() as api:
        before = get(api, _SECRET)
        key = next(it for it in ("ca-cert.pem", "ca.crt") if it in before["data"])
        other = base64.b64encode(_other_authority(on).encode()).decode()
        send(api, "PATCH", _SECRET, {"data": {key: other}}, content_type=_MERGE)
    return lambda: put_back(on, _SECRET, before)


def _other_authority(on: Site) -> str:
    """The cluster's own authority, as PEM."""
    with on.api() as api:
        return str(get(api, "/api/v1/namespaces/default/configmaps/kube-root-ca.crt")["data"]["ca.crt"])


def stick_namespace(on: Site) -> Undo:
    """A job namespace is Terminating and stays so, for a finalizer."""
    path = f"/api/v1/namespaces/{_STUCK}"
    stays = f"{path}/configmaps/stays"
    metadata = {"name": "stays", "finalizers": ["verdicts.example.com/stays"]}
    with on.api() as api:
        send(api, "POST", f"{path}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        send(api, "DELETE", path)
        until(
            lambda: "finalizers" in str(get(api, path)["status"].get("conditions")),
            what=f"the namespace {_STUCK} to be stuck",
            timeout=_SECONDS,
        )

    def undo() -> None:
        with on.api() as api:
            send(api, "PATCH", stays, {"metadata": {"finalizers": None}}, content_type=_MERGE)
        delete(on, path)
        with on.api() as api:
            send(
                api,
                "POST",
                "/api/v1/namespaces",
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _STUCK}},
            )
        on.install()

    return undo


def _hold(on: Site, spec: Mapping[str, Any]) -> None:
    with on.api() as api:
        send(api, "PATCH", _LEASE, {"spec": spec}, content_type=_MERGE)


def _renewed(on: Site) -> datetime:
    with on.api() as api:
        return datetime.fromisoformat(get(api, _LEASE)["spec"]["renewTime"])


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(it["type"] == "Ready" and it["status"] == "True" for it in conditions)
