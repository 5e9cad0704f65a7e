# SPDX-License-Identifier: Apache-2.0
"""The controller's metrics endpoint: reading it, and which of its names must be there by now.

The controller registers its metrics as vectors, which show nothing until they have counted something
(internal/metrics/ of kubeflow/spark-operator). A name is therefore due once what it counts has been seen to happen.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from harness.errors import ApiError, HarnessError
from harness.kube.api import raw
from harness.late import client

_TYPE_LINE = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)

_ALWAYS = ("controller_runtime_active_workers", "workqueue_depth")
"""controller-runtime's own names, which every release serves from its first second as leader."""

OWN = "go_goroutines"
"""A name that every process of the operator serves, whether it leads or not: controller-runtime registers Go's own
metrics (pkg/internal/controller/metrics)."""

_REFUSED = "connection refused"

PATH = "/metrics"
"""Where controller-runtime serves metrics (pkg/metrics/server)."""

_DUE_AT = {
    "spark_application_count": "application is New",
    "spark_application_submit_count": "application is SUBMITTED",
    "spark_application_submit_latency_seconds": "application became SUBMITTED at once",
    "spark_application_submit_latency_seconds_histogram": "application became SUBMITTED at once",
    "spark_application_failed_submission_count": "application is SUBMISSION_FAILED",
    "spark_application_running_count": "application is RUNNING",
    "spark_application_start_latency_seconds": "application became RUNNING at once",
    "spark_application_start_latency_seconds_histogram": "application became RUNNING at once",
    "spark_application_success_count": "application is COMPLETED",
    "spark_application_success_execution_time_seconds": "application became COMPLETED",
    "spark_application_failure_count": "application is FAILED",
    "spark_application_failure_execution_time_seconds": "application became FAILED",
    "spark_executor_running_count": "executor is Running",
    "spark_executor_success_count": "executor became Succeeded",
    "spark_executor_failure_count": "executor became Failed",
}
"""Metric → the moment from which it is served (Handle…Create and Handle…Update there)."""


@dataclass(frozen=True, kw_only=True)
class _Sight:
    """An object as an event brought it at `at` (epoch seconds): its "is" moment, and those of a watched change."""

    at: float
    uid: str
    state: str
    changes: frozenset[str] = frozenset()


class Moments:
    """Collects what happens to applications and executors while they are watched.

    "is" holds from the first sight of a state on, "became" only for a change that was watched: the controller counts
    some things when it sees an object, and others only when it sees it change.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._states: dict[str, str] = {}
        self._sights: list[_Sight] = []

    @property
    def seen(self) -> frozenset[str]:
        """The moments until now."""
        return self.since(float("-inf"))

    def since(self, at: float) -> frozenset[str]:
        """What a controller has met that took over at that time (epoch seconds): what was there then, and what came."""
        standing: dict[str, str] = {}
        moments: set[str] = set()
        for sight in self._sights:
            if sight.at >= at:
                moments |= {sight.state, *sight.changes} - {""}
            else:
                standing[sight.uid] = sight.state
        return frozenset(moments | set(standing.values()) - {""})

    def created(self) -> None:
        """An application was created while the controller ran: it has seen it as New, whatever the watch saw first."""
        self._sights.append(_Sight(at=float("inf"), uid="", state="application is New"))

    def gone(self, item: Mapping[str, Any]) -> None:
        """An object was deleted: who takes over later does not meet it."""
        self._sights.append(_Sight(at=self._clock(), uid=item["metadata"]["uid"], state=""))

    def application(self, app: Mapping[str, Any]) -> None:
        """A SparkApplication as an event brought it (JSON)."""
        status = app.get("status") or {}
        state = (status.get("applicationState") or {}).get("state") or "New"
        attempts = {"SUBMITTED": "submissionAttempts", "RUNNING": "executionAttempts"}.get(state)
        at_once = bool(attempts) and status.get(attempts) == 1
        self._note("application", app["metadata"]["uid"], state, at_once=at_once)

    def executor(self, pod: Mapping[str, Any]) -> None:
        """An executor pod as an event brought it (JSON)."""
        self._note("executor", pod["metadata"]["uid"], (pod.get("status") or {}).get("phase", ""))

    def _note(self, what: str, uid: str, state: str, *, at_once: bool = False) -> None:
        before = self._states.get(uid)
        self._states[uid] = state
        changes = set()
        if before is not None and before != state:
            changes = {f"{what} became {state}"} | ({f"{what} became {state} at once"} if at_once else set())
        self._sights.append(_Sight(at=self._clock(), uid=uid, state=f"{what} is {state}", changes=frozenset(changes)))


@dataclass(frozen=True, kw_only=True)
class MetricsPage:
    """What an endpoint served: metric name → its type, and the address.

    `prefix` is what the names of application metrics begin with, `asked` a path that the values have and that was not
    found, empty where they have the one of the address. `refused` is what the API server says of a port that is closed.
    """

    address: str
    types: dict[str, str]
    prefix: str = ""
    asked: str = ""
    refused: str = ""


class NobodyLeads(HarnessError):
    """No controller runs that counts applications."""


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """The page of who leads, None when nobody does; `why` it is the one, or there is none; the pages of other pods."""

    leading: MetricsPage | None
    why: str
    others: tuple[MetricsPage, ...] = ()


def scrape(api: client.ApiClient, namespace: str, pod: str, port: int, path: str) -> MetricsPage:
    """Read a pod's metrics through the API server's proxy. Raises ApiError, also for what the pod answered."""
    call = client.CoreV1Api(api).connect_get_namespaced_pod_proxy_with_path
    address = f"{pod}:{port}{path}"
    try:
        page = raw(call, f"{pod}:{port}", namespace, path.lstrip("/")).decode(errors="replace")
    except ApiError as unreached:
        # The proxy of the API server (apimachinery, util/proxy) passes on what the kernel of the node said.
        if _REFUSED not in unreached.said:
            raise
        return MetricsPage(address=address, types={}, refused=unreached.said)
    return MetricsPage(address=address, types=parse(page))


def scrape_at(api: client.ApiClient, namespace: str, pod: str, port: int, path: str, prefix: str) -> MetricsPage:
    """The page at the path that the values have, or at the one of controller-runtime where that is not found.

    Raises ApiError.
    """
    try:
        return replace(scrape(api, namespace, pod, port, path), prefix=prefix)
    except ApiError as missing:
        if missing.status != HTTPStatus.NOT_FOUND or path == PATH:
            raise
        return replace(scrape(api, namespace, pod, port, PATH), prefix=prefix, asked=path)


def together(pages: Sequence[MetricsPage]) -> MetricsPage:
    """The pages of pods that all lead, as one."""
    types = {name: kind for page in pages for name, kind in page.types.items()}
    return replace(pages[0], address=" and ".join(it.address for it in pages), types=types)


def parse(text: str) -> dict[str, str]:
    """The metric families of a page in Prometheus' text format, name → type."""
    return dict(_TYPE_LINE.findall(text))


def due(names: Iterable[str], moments: frozenset[str], prefix: str = "") -> tuple[list[str], list[str]]:
    """Those of `names` that must be served after these moments, and those whose time has not come.

    A name without a known moment is always due. `prefix` is the value prometheus.metrics.prefix.
    """
    now: list[str] = list(_ALWAYS)
    later: list[str] = []
    for name in names:
        moment = _DUE_AT.get(name)
        served_as = (prefix + name).replace("-", "_")
        (now if moment is None or moment in moments else later).append(served_as)
    return now, later
