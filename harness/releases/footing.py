# SPDX-License-Identifier: Apache-2.0
"""What the other looks stand on: namespaces that take objects, clocks that agree, an API server that answers soon."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from harness.errors import ApiError, HarnessError
from harness.kube import reading
from harness.kube.api import listed, read
from harness.late import client

_NODE_LEASES = "kube-node-lease"
_GONE = "gone"


@dataclass(frozen=True, kw_only=True)
class Footing:
    """`namespaces` → phase (`Active`, `Terminating`, `gone`), with the reason where there is one.

    `ahead` is node → how many seconds from now, by this machine's clock, it says that it renewed its Lease: below zero
    for one whose clock agrees. `server_ahead` is the same of the API server's own answers, below zero for one behind.
    """

    namespaces: Mapping[str, str]
    ahead: Mapping[str, float]
    server_ahead: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long dry runs took, in seconds: `plain` of a ConfigMap, which no webhook sees, `asked` of applications."""

    plain: tuple[float, ...]
    asked: tuple[float, ...]


class Stopwatch:
    """Collects the pace of dry runs."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._core = client.CoreV1Api(api)
        self._namespace = namespace
        self._plain: list[float] = []
        self._asked: list[float] = []

    def plain(self) -> None:
        """Let the API server create a ConfigMap without keeping it; a refusal is an answer. Raises ApiServerAway."""
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(generate_name="harness-pace-"))
        began = time.monotonic()
        try:
            self._core.create_namespaced_config_map(self._namespace, body, dry_run="All")
        except ApiError as refused:
            if not refused.status:
                raise
        self._plain.append(time.monotonic() - began)

    def asked(self, seconds: float) -> None:
        """Note how long the dry run of an application took."""
        self._asked.append(seconds)

    def pace(self) -> Pace:
        """All of it. Raises HarnessError when nothing was measured."""
        if not self._plain or not self._asked:
            raise HarnessError("no dry run finished")
        return Pace(plain=tuple(self._plain), asked=tuple(self._asked))


def look(api: client.ApiClient, namespaces: Iterable[str]) -> Footing:
    """Look at these namespaces and at all nodes. Raises ApiError."""
    core = client.CoreV1Api(api)
    leases = listed(client.CoordinationV1Api(api).list_namespaced_lease, _NODE_LEASES)
    now = datetime.now(UTC)
    renewed = {it["metadata"]["name"]: reading.time((it.get("spec") or {}).get("renewTime")) for it in leases}
    return Footing(
        namespaces={it: _phase(core, it) for it in namespaces},
        ahead={node: (at - now).total_seconds() for node, at in renewed.items() if at},
        server_ahead=clock_ahead(api).total_seconds(),
    )


def clock_ahead(api: client.ApiClient) -> timedelta:
    """How far the API server's clock is ahead of this machine's, to a second or so. Raises ApiError."""
    began = datetime.now(UTC)
    answer: Any = client.VersionApi(api).get_code(_preload_content=False)
    here = began + (datetime.now(UTC) - began) / 2
    # The Date of an answer is cut to the second.
    return parsedate_to_datetime(answer.headers["Date"]) + timedelta(seconds=0.5) - here


def _phase(core: client.CoreV1Api, name: str) -> str:
    try:
        status = read(core.read_namespace, name).get("status") or {}
    except ApiError as missing:
        if missing.status != 404:
            raise
        return _GONE
    stuck = [it["message"] for it in status.get("conditions") or () if it.get("status") == "True" and it.get("message")]
    phase = status.get("phase", "")
    return f"{phase}: {stuck[-1]}" if stuck and phase == "Terminating" else phase
