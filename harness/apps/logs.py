# SPDX-License-Identifier: Apache-2.0
"""What applications print: the number π, Spark's version, and lines that a sample announces."""

from __future__ import annotations

import re
from typing import Any

from harness import causes
from harness.apps.pods import SparkPod, observe
from harness.errors import ApiError
from harness.kube.api import raw, read

PI_TOLERANCE = 0.03
"""200,000 random points put the estimate within 0.0037 of π in two of three runs, within 0.03 practically always."""

_SEVERAL = "a container name must be specified"
"""The API server's answer for a pod of several containers (LogLocation in pkg/registry/core/pod/strategy.go)."""

_EXITED = re.compile(r"\bExitCode: (?!0\b)\d+")
"""The operator's words for a driver that failed (updateDriverState in sparkapplication/controller.go)."""

_PI = re.compile(r"^Pi is roughly (\d+\.\d+)\s*$", re.MULTILINE)
_VERSION = re.compile(r"Running Spark version (\d+\.\d+\.\d+\S*)")


def pod_log(core: Any, namespace: str, pod: str, *, before: bool = False) -> str:
    """The whole log of a pod's main container, through a CoreV1Api; empty when there is no such pod or log.

    With `before`, that of the container which ran before the present one. Sidecars are not read.
    Raises ApiError when the API server answers otherwise than with the log or its absence.
    """
    more = {"previous": True} if before else {}
    # Undecoded, since the client turns a log that happens to look like JSON into something else.
    try:
        try:
            log = raw(core.read_namespaced_pod_log, pod, namespace, **more)
        except ApiError as error:
            if error.status != 400 or _SEVERAL not in error.said:
                raise
            main = observe(read(core.read_namespaced_pod, pod, namespace)).main.name
            log = raw(core.read_namespaced_pod_log, pod, namespace, container=main, **more)
        return log.decode(errors="replace")
    except ApiError as error:
        # 400 is the kubelet's answer as long as the container has not started.
        if error.status in (400, 404):
            return ""
        raise


def driver_cause(core: Any, namespace: str, pod: str, error: str) -> str:
    """The cause that the log of a driver names; empty where it names none, or cannot be had, or `pod` is empty.

    Of a driver that failed, the operator tells nothing but its exit status, in `error`.
    """
    return cause_in(driver_log(core, namespace, pod), error)


def cause_in(log: str, error: str) -> str:
    """The same of a log that was read."""
    return causes.found(log) or (causes.ended_itself(log) if _EXITED.search(error) else "")


def driver_log(core: Any, namespace: str, pod: str) -> str:
    """The log of a driver; empty where there is none, or the API server does not answer, or `pod` is empty."""
    try:
        return pod_log(core, namespace, pod) if pod else ""
    except ApiError:
        return ""


def server_log(core: Any, namespace: str, pod: SparkPod) -> str:
    """The log of a Connect server: of the container before, where the kubelet has started one anew.

    Raises ApiError as `pod_log` does.
    """
    return pod_log(core, namespace, pod.name, before=pod.main.restarts > 0 and pod.main.ended is None)


def pi_of(log: str) -> float | None:
    """The last estimate of π in a log: the line that Spark's own examples print."""
    found = _PI.findall(log)
    return float(found[-1]) if found else None


def spark_version_of(log: str) -> str | None:
    """The version that Spark announced when its context started."""
    found = _VERSION.search(log)
    return found.group(1) if found else None


def announced(log: str, prefix: str) -> list[str]:
    """What follows `prefix: ` on each line that begins so."""
    return [line[len(prefix) + 2 :].strip() for line in log.splitlines() if line.startswith(f"{prefix}: ")]


def tail(log: str, lines: int = 20) -> str:
    """The end of a log, for evidence."""
    return "\n".join(log.splitlines()[-lines:])
