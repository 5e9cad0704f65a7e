# SPDX-License-Identifier: Apache-2.0
"""One upgrade with many applications stored: what the operator needed for it, and the harness."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from harness.bench.scale.crowd import GROUP, VERSION, Crowd
from harness.bench.site import Site
from harness.errors import ApiError, HarnessError
from harness.host.memory import peak_mib
from harness.kube.api import listed, raw
from harness.kube.models import Pod
from harness.late import client
from harness.releases import change
from harness.releases.change import Wanted
from harness.releases.home import OPERATOR_NAMESPACE
from harness.releases.ways.protocol import InstalledRelease
from harness.upgrades.operator_watch import OperatorWatcher
from harness.waiting import until

_PORT, _PATH = 8080, "metrics"
_SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>[-+.\deEInfNa]+)$", re.M)
_QUIET_SECONDS = 5.0
_SETTLE_SECONDS = 600.0
_RECONCILED = "controller_runtime_reconcile_time_seconds"
_MINE = 'controller="sparkapplication"'


@dataclass(frozen=True, kw_only=True)
class Step:
    """What was measured with so many applications, `running` of them.

    `gap_s` is how long no controller led, `settled_s` how long after that the new one had looked at all of them, in
    seconds; `reconcile_ms` the mean of its reconciliations, `requests` what it asked of the API server until then, and
    `controller_mib` the most memory that it was seen to hold. `twice` are applications that were submitted again or
    have another driver, `lost` those that are in another state. `own_mib` and `own_cpu_s` are the harness's: the most
    memory of its process, and its processor time for the upgrade and for looking.
    """

    applications: int
    running: int
    gap_s: float | None
    settled_s: float
    reconcile_ms: float
    requests: int
    controller_mib: float
    twice: int
    lost: int
    own_mib: float
    own_cpu_s: float


@dataclass
class _Seen:
    """The controller's figures, look by look."""

    memory: float = 0.0
    count: float = 0.0
    at: float = field(default_factory=time.monotonic)


def measure(on: Site, there: Crowd, say: Callable[[str], None]) -> Step:
    """Upgrade to the path's last release, and look until the controller has nothing more to do. Raises HarnessError."""
    cpu = time.process_time()
    watcher = OperatorWatcher(on.prepared.cluster, OPERATOR_NAMESPACE)
    watcher.start()
    began = datetime.now(UTC)
    target = on.prepared.releases[on.prepared.path.releases[-1]]
    wanted = Wanted(release=target.release, chart=target.chart, values=(target.values, *on.request.values))
    try:
        done = change.upgrade(on.prepared.cluster, on.installed, wanted, on.programs)
        if done.settled is None:
            raise HarnessError(f"the upgrade did not end: {done.helm_error or done.rollout_error}")
        say(f"upgraded with {len(there.applications)} applications; waits until the controller is quiet")
        seen, samples = _settled(on, done.installed, watcher, began)
    finally:
        watcher.stop()
    watch = watcher.seen(began)
    twice, lost = _compared(on, there)
    led = watch.gap_ended or done.settled
    return Step(
        applications=len(there.applications),
        running=sum(there.applications.values()),
        gap_s=None if watch.gap is None else round(watch.gap, 1),
        settled_s=round(max(0.0, seen.at - _monotonic(led)), 1),
        reconcile_ms=round(1000 * _sum(samples, f"{_RECONCILED}_sum", _MINE) / max(1.0, seen.count), 2),
        requests=int(_sum(samples, "rest_client_requests_total")),
        controller_mib=round(seen.memory / 2**20, 1),
        twice=twice,
        lost=lost,
        own_mib=round(peak_mib(), 1),
        own_cpu_s=round(time.process_time() - cpu, 1),
    )


def _monotonic(moment: datetime) -> float:
    """A time of the day as one of time.monotonic()."""
    return time.monotonic() - (datetime.now(UTC) - moment).total_seconds()


def _settled(
    on: Site, installed: InstalledRelease, watcher: OperatorWatcher, began: datetime
) -> tuple[_Seen, Mapping[tuple[str, str], float]]:
    """The figures once a new controller leads and has reconciled nothing for some seconds. Raises WaitTimeout."""
    seen = _Seen()
    samples: dict[tuple[str, str], float] = {}

    def quiet() -> bool:
        if not watcher.led(began):
            return False
        pods = [it for it in on.pods() if _is_new(it, installed, began)]
        with on.api() as api:
            samples.clear()
            for pod in pods:
                samples.update(_samples(api, pod.name))
        seen.memory = max(seen.memory, _sum(samples, "process_resident_memory_bytes"))
        count = _sum(samples, f"{_RECONCILED}_count", _MINE)
        if count != seen.count or _sum(samples, "workqueue_depth") > 0:
            seen.count, seen.at = count, time.monotonic()
        return seen.count > 0 and time.monotonic() - seen.at > _QUIET_SECONDS

    until(quiet, what="the controller to be quiet", timeout=_SETTLE_SECONDS, interval=0.5, ignore=(ApiError,))
    return seen, samples


def _is_new(pod: Pod, installed: InstalledRelease, began: datetime) -> bool:
    return (
        pod.name.startswith(f"{installed.name}-controller")
        and not pod.leaving
        and pod.created >= began.replace(microsecond=0)
    )


def _samples(api: client.ApiClient, pod: str) -> Iterator[tuple[tuple[str, str], float]]:
    """The samples of a pod's page in Prometheus' text format, by name and labels."""
    call = client.CoreV1Api(api).connect_get_namespaced_pod_proxy_with_path
    page = raw(call, f"{pod}:{_PORT}", OPERATOR_NAMESPACE, _PATH).decode(errors="replace")
    for found in _SAMPLE.finditer(page):
        yield (found["name"], found["labels"] or ""), float(found["value"])


def _sum(samples: Mapping[tuple[str, str], float], name: str, label: str = "") -> float:
    return sum(value for (it, labels), value in samples.items() if it == name and label in labels)


def _compared(on: Site, there: Crowd) -> tuple[int, int]:
    """How many applications ran twice, and how many are not what they were."""
    with on.api() as api:
        custom, core = client.CustomObjectsApi(api), client.CoreV1Api(api)
        now = {it["metadata"]["name"]: it for it in _pages(custom, there.namespace)}
        pods = listed(core.list_namespaced_pod, there.namespace, label_selector="spark-role=driver")
    uids = {it["metadata"]["name"]: it["metadata"]["uid"] for it in pods}
    others = {name for name, uid in uids.items() if there.drivers.get(name) != uid}
    again = {
        name
        for name in there.applications
        if (name in now and now[name].get("status", {}).get("submissionAttempts", 1) > 1) or f"{name}-driver" in others
    }
    states = {True: "RUNNING", False: "COMPLETED"}
    lost = {
        name
        for name, runs in there.applications.items()
        if name not in now or now[name].get("status", {}).get("applicationState", {}).get("state") != states[runs]
    }
    return len(again), len(lost)


def _pages(custom: client.CustomObjectsApi, namespace: str) -> Iterator[Mapping[str, Any]]:
    yield from listed(custom.list_namespaced_custom_object, GROUP, VERSION, namespace, "sparkapplications")
