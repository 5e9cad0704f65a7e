# SPDX-License-Identifier: Apache-2.0
"""The controller's metrics endpoint: reading it, and which of its names must be there by now.

The controller registers its metrics as vectors, which show nothing until they have counted something
(internal/metrics/ of kubeflow/spark-operator). A name is therefore due once what it counts has been seen to happen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kubernetes import client

_TYPE_LINE = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)

_ALWAYS = ("controller_runtime_active_workers", "workqueue_depth")
"""controller-runtime's own names, which every release serves from its first second as leader."""

_DUE_AT = {
    "spark_application_count": "application New",
    "spark_application_submit_count": "application SUBMITTED",
    "spark_application_submit_latency_seconds": "application SUBMITTED once",
    "spark_application_submit_latency_seconds_histogram": "application SUBMITTED once",
    "spark_application_failed_submission_count": "application SUBMISSION_FAILED",
    "spark_application_running_count": "application RUNNING",
    "spark_application_start_latency_seconds": "application RUNNING once",
    "spark_application_start_latency_seconds_histogram": "application RUNNING once",
    "spark_application_success_count": "application COMPLETED",
    "spark_application_success_execution_time_seconds": "application COMPLETED",
    "spark_application_failure_count": "application FAILED",
    "spark_application_failure_execution_time_seconds": "application FAILED",
    "spark_executor_running_count": "executor Running",
    "spark_executor_success_count": "executor Succeeded",
    "spark_executor_failure_count": "executor Failed",
}
"""Metric → the moment from which it is served (HandleSparkApplicationUpdate, HandleSparkExecutorUpdate)."""


@dataclass(frozen=True, kw_only=True)
class MetricsPage:
    """What an endpoint served: metric name → its type, and the address."""

    address: str
    types: dict[str, str]


def scrape(api: client.ApiClient, namespace: str, pod: str, port: int, path: str, *, timeout: float) -> MetricsPage:
    """Read a pod's metrics through the API server's proxy. Raises ApiException, also for what the pod answered."""
    response: Any = client.CoreV1Api(api).connect_get_namespaced_pod_proxy_with_path(
        f"{pod}:{port}", namespace, path.lstrip("/"), _preload_content=False, _request_timeout=timeout
    )
    return MetricsPage(address=f"{pod}:{port}{path}", types=parse(response.data.decode(errors="replace")))


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
