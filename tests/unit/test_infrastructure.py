# SPDX-License-Identifier: Apache-2.0
"""Trouble of host, node and registry is told apart from trouble of the product, from what the API server says."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.checks.infrastructure import Cause, Diagnosis, diagnose, node_lost, of_creation
from harness.host.pressure import Mark, look
from harness.kube import reading
from harness.kube.models import quantity
from harness.machine import HostSeen
from harness.releases.surroundings import Surroundings
from harness.verdicts import Verdict

GIB = 2**30
HOST = HostSeen(disk_free=50 * 10**9, disk="/var/lib/docker", memory_available=8 * GIB)
EVICTION = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 52036Ki."
NO_ROOM = "0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available."
PULLED_429 = (
    'Failed to pull image "docker.io/apache/spark:4.0.4": rpc error: code = Unknown desc = failed to pull and unpack '
    'image "docker.io/apache/spark:4.0.4": unexpected status from HEAD request: 429 Too Many Requests'
)
PULLED_503 = PULLED_429.replace("429 Too Many Requests", "503 Service Unavailable")
PULLED_404 = PULLED_429.replace("unexpected status from HEAD request: 429 Too Many Requests", "not found")


def a_node(ready: str = "True", **pressures: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready, "reason": "KubeletNotReady", "message": "PLEG is not healthy"}]
    conditions += [{"type": kind, "status": status, "message": f"{kind} it is"} for kind, status in pressures.items()]
    return {
        "metadata": {"name": "node-1"},
        "status": {"conditions": conditions, "allocatable": {"memory": "2097152Ki"}},
    }


def a_pod(request: str = "1408Mi", container: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "pi-driver"},
        "spec": {
            "containers": [
                {
                    "name": "spark",
                    "image": "docker.io/apache/spark:4.0.4",
                    "resources": {"requests": {"memory": request}},
                }
            ]
        },
        "status": {**status, "containerStatuses": [{"name": "spark", **(container or {})}]},
    }


def an_event(reason: str, message: str, about: str = "Pod/pi-driver") -> dict[str, Any]:
    kind, _, name = about.partition("/")
    return {"reason": reason, "message": message, "involvedObject": {"kind": kind, "name": name}}


def unschedulable(message: str) -> list[dict[str, str]]:
    return [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]


def waiting(message: str) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": "ImagePullBackOff", "message": message}}}


def seen(*pods: dict[str, Any], events: tuple[dict[str, Any], ...] = (), nodes: Any = None) -> Surroundings:
    return Surroundings(
        nodes=tuple(map(reading.node, nodes or [a_node()])),
        pods=tuple(map(reading.pod, pods)),
        events=tuple(reading.events(events)),
    )


@pytest.mark.parametrize(
    ("surroundings", "cause", "says"),
    [
        (seen(a_pod(reason="Evicted", message=EVICTION)), Cause.HOST_MEMORY, "pi-driver was evicted: The node was low"),
        (
            seen(a_pod(reason="Evicted", message=EVICTION.replace("memory", "ephemeral-storage"))),
            Cause.DISK_FULL,
            "pi-driver was evicted",
        ),
        (
            seen(a_pod(conditions=unschedulable(NO_ROOM))),
            Cause.HOST_MEMORY,
            "asks for 1408 MiB of the 2048 MiB that the node has",
        ),
        (seen(nodes=[a_node(MemoryPressure="True")]), Cause.HOST_MEMORY, "node-1 is under pressure: MemoryPressure"),
        (seen(nodes=[a_node(DiskPressure="True")]), Cause.DISK_FULL, "DiskPressure it is"),
        (seen(nodes=[a_node("Unknown")]), Cause.NODE_LOST, "node-1 is not Ready: KubeletNotReady: PLEG"),
        (
            seen(events=(an_event("SystemOOM", "System OOM encountered, victim process: java", "Node/node-1"),)),
            Cause.HOST_MEMORY,
            "Node/node-1 says SystemOOM",
        ),
        (
            seen(events=(an_event("FailedCreatePodSandBox", "mkdir /run/x: no space left on device"),)),
            Cause.DISK_FULL,
            "no space left on device",
        ),
        # The pods of these are gone.
        (seen(events=(an_event("FailedScheduling", NO_ROOM),)), Cause.HOST_MEMORY, "says FailedScheduling: 0/1 nodes"),
        (seen(events=(an_event("Evicted", EVICTION),)), Cause.HOST_MEMORY, "says Evicted: The node was low"),
        (seen(events=(an_event("Failed", PULLED_429),)), Cause.REGISTRY_BUSY, "docker.io answered 429: Pod/"),
        (seen(a_pod(container=waiting(PULLED_503))), Cause.REGISTRY_FAILING, "503 Service Unavailable"),
    ],
)
def test_trouble_around_a_cell_is_diagnosed(surroundings: Surroundings, cause: Cause, says: str) -> None:
    found = diagnose(HOST, surroundings)

    assert found is not None
    assert found.cause is cause
    assert says in found.message
    finding = found.finding()
    assert (finding.verdict, finding.evidence["cause"]) == (Verdict.ERROR, cause.value)
    assert "\n  next: " in finding.message


@pytest.mark.parametrize(
    "surroundings",
    [
        seen(a_pod()),
        # What a pod does to itself is its own.
        seen(
            a_pod(reason="Evicted", message="Pod ephemeral local storage usage exceeds the total limit of containers")
        ),
        seen(a_pod(conditions=unschedulable("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity"))),
        seen(a_pod(container=waiting(PULLED_404))),
        seen(events=(an_event("TaintManagerEviction", "Cancelling deletion of Pod n/pi-driver"),)),
        seen(events=(an_event("Failed", PULLED_404), an_event("BackOff", "Back-off restarting failed container"))),
        seen(nodes=[a_node(MemoryPressure="False", DiskPressure="False")]),
        # A digest may hold any digits.
        seen(events=(an_event("Failed", 'Failed to pull image "docker.io/a/b@sha256:429503": not found'),)),
    ],
)
def test_what_the_product_does_is_no_trouble_of_the_host(surroundings: Surroundings) -> None:
    assert diagnose(HOST, surroundings) is None


def at(second: int, event: dict[str, Any]) -> dict[str, Any]:
    """An event of a time; that of the scheduler has it in eventTime."""
    return {**event, "eventTime": f"2026-12-01T10:{second // 60:02}:{second % 60:02}.000000Z", "lastTimestamp": None}


def test_room_that_was_found_at_last_explains_nothing() -> None:
    starved, placed = (
        an_event("FailedScheduling", NO_ROOM),
        an_event("Scheduled", "Successfully assigned a/b to node-1"),
    )
    soon = seen(a_pod(), events=(at(1, starved), at(9, placed)))
    assert diagnose(HOST, soon, ["the driver exited with 1"]) is None
    assert diagnose(HOST, soon, ["waited 300 s for COMPLETED"]) is None
    # The next pod of the same name waits still.
    again = diagnose(HOST, seen(events=(at(1, starved), at(9, placed), at(20, starved))))
    assert again is not None
    assert again.cause is Cause.HOST_MEMORY


def test_room_that_was_found_late_explains_what_came_too_late() -> None:
    starved, placed = (
        an_event("FailedScheduling", NO_ROOM),
        an_event("Scheduled", "Successfully assigned a/b to node-1"),
    )
    late = seen(a_pod(), events=(at(1, starved), at(200, placed)))
    assert diagnose(HOST, late, ["the driver exited with 1"]) is None
    found = diagnose(HOST, late, ["waited 300 s for COMPLETED"])
    assert found is not None
    assert found.cause is Cause.HOST_MEMORY


def test_nodes_that_had_to_come_first_explain_what_came_too_late() -> None:
    starved = an_event("FailedScheduling", "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are …")
    placed = an_event("Scheduled", "Successfully assigned a/b to node-3")
    slow = seen(a_pod(), events=(at(1, starved), at(180, placed)))
    assert diagnose(HOST, slow, ["the driver exited with 1"]) is None
    found = diagnose(HOST, slow, ["waited 300 s for COMPLETED"])
    assert found is not None
    assert found.cause is Cause.HOST_BUSY
    soon = seen(a_pod(), events=(at(1, starved), at(9, placed)))
    assert diagnose(HOST, soon, ["waited 300 s for COMPLETED"]) is None


def placed(node: str) -> dict[str, Any]:
    it = a_pod()
    return {**it, "spec": {**it["spec"], "nodeName": node}}


def test_a_node_of_others_proves_nothing() -> None:
    other = {**a_node("Unknown", MemoryPressure="True"), "metadata": {"name": "node-2"}}
    oom = an_event("SystemOOM", "System OOM encountered, victim process: java", "Node/node-2")
    nodes = [a_node(), other]
    assert diagnose(HOST, seen(placed("node-1"), nodes=nodes, events=(oom,))) is None
    for concerned in (seen(placed("node-2"), nodes=nodes), seen(a_pod(), nodes=nodes), seen(nodes=nodes)):
        assert diagnose(HOST, concerned) is not None


@pytest.mark.parametrize(
    ("surroundings", "cause"),
    [
        (seen(events=(an_event("NodeNotReady", "Node is not ready"),)), Cause.NODE_LOST),
        (seen(events=(an_event("TaintManagerEviction", "Marking for deletion Pod n/pi-driver"),)), Cause.NODE_LOST),
        (seen(events=(an_event("ScaleDown", "deleting pod for node scale down"),)), Cause.NODE_LOST),
        (seen(events=(an_event("Evicted", "Evicted pod: Underutilized"),)), Cause.NODE_LOST),
        (seen(events=(an_event("Preempted", "Preempted by pod 1234 on node node-1"),)), Cause.HOST_BUSY),
        (
            seen(
                a_pod(
                    phase="Failed",
                    reason="Terminated",
                    message="Pod was terminated in response to imminent node shutdown.",
                )
            ),
            Cause.NODE_LOST,
        ),
        (
            seen(
                a_pod(
                    phase="Failed", reason="OutOfcpu", message="Pod was rejected: Node didn't have enough resource: cpu"
                )
            ),
            Cause.NODE_FAILING,
        ),
        (seen(a_pod(conditions=unschedulable("0/3 nodes are available: 3 Insufficient cpu."))), Cause.HOST_BUSY),
        (seen(a_pod(conditions=unschedulable("0/3 nodes are available: 3 Too many pods."))), Cause.HOST_BUSY),
    ],
)
def test_what_a_cluster_does_to_pods_is_not_the_products(surroundings: Surroundings, cause: Cause) -> None:
    found = diagnose(HOST, surroundings)
    assert found is not None
    assert found.cause is cause
    assert found.finding().verdict is Verdict.ERROR


NOT_CREATED = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: "
)
BUSY_RUNTIME = (
    f"{NOT_CREATED}error during container init: error setting cgroup config for procHooks process: unable to freeze"
)
LOW_LIMIT = (
    f"{NOT_CREATED}error setting cgroup config for procHooks process: unable to set memory limit to 4194304 (current "
    "usage: 8527872, peak usage: 8855552): device or resource busy"
)
NO_PROGRAM = f'{NOT_CREATED}exec: "/opt/no-such": executable file not found in $PATH'


def never_started(message: str, phase: str = "Failed") -> Surroundings:
    ended = {"exitCode": 128, "reason": "StartError", "message": message}
    return seen(a_pod(phase=phase, container={"state": {"terminated": ended}}))


def test_a_container_that_a_busy_node_could_not_start_proves_nothing() -> None:
    """Seen on a machine with nine processes for each processor: the driver ended with exit status 128."""
    of_a_pod = diagnose(HOST, never_started(BUSY_RUNTIME))
    of_a_pod_elsewhere = diagnose(HOST, seen(), said=[f"small-1 is FAILED (could not be started: {BUSY_RUNTIME})"])
    for found in (of_a_pod, of_a_pod_elsewhere):
        assert found is not None
        assert (found.cause, found.again) == (Cause.NODE_FAILING, True)
        assert "unable to freeze" in found.finding().message
        assert "run less at a time" in found.finding().message


@pytest.mark.parametrize("message", [LOW_LIMIT, NO_PROGRAM])
def test_a_container_that_no_node_could_start_is_its_pods_fault(message: str) -> None:
    assert diagnose(HOST, never_started(message), said=[message]) is None


def test_a_container_that_was_started_in_the_end_is_no_trouble() -> None:
    assert diagnose(HOST, never_started(BUSY_RUNTIME, phase="Running")) is None


def test_a_mirror_that_does_not_have_an_image_proves_nothing() -> None:
    """A pull-through cache says so also when the registry behind it refuses."""
    missing = seen(a_pod(container=waiting(PULLED_404)), events=(an_event("Failed", PULLED_404),))

    assert diagnose(HOST, missing, mirrored=["ghcr.io"]) is None
    found = diagnose(HOST, missing, mirrored=["docker.io"])

    assert found is not None
    assert (found.cause, found.again) == (Cause.REGISTRY_FAILING, False)
    assert "docker.io has no such image, says its mirror" in found.message
    assert "ask docker.io itself" in found.finding().message


@pytest.mark.parametrize("answer", ["asked from this machine: docker.io answered 429", "asked …, its registry has it"])
def test_an_image_is_not_missing_while_its_registry_says_something_else(answer: str) -> None:
    missing = seen(a_pod(container=waiting(PULLED_404)), events=(an_event("Failed", PULLED_404),))
    images = []

    def asked(image: str) -> str:
        images.append(image)
        return answer

    found = diagnose(HOST, missing, asked=asked)

    assert found is not None
    assert found.cause is Cause.REGISTRY_FAILING
    assert f"docker.io has no such image, says the node; {answer}" in found.message
    assert set(images) == {found.pull.image if found.pull else ""}
    assert diagnose(HOST, missing, asked=lambda image: "") is None


def test_no_registry_is_asked_about_what_failed_otherwise() -> None:
    busy = seen(events=(an_event("Failed", PULLED_503),))

    assert diagnose(HOST, busy, asked=lambda image: pytest.fail(image)) is not None


def test_a_missing_image_is_told_whatever_else_failed_to_be_pulled() -> None:
    busy = seen(a_pod(container=waiting(PULLED_404)), events=(an_event("Failed", PULLED_503),))

    assert diagnose(HOST, busy) is None


def test_the_gravest_cause_is_told() -> None:
    found = diagnose(
        HOST,
        seen(a_pod(reason="Evicted", message=EVICTION), nodes=[a_node("False", DiskPressure="True")]),
    )

    assert found is not None
    assert found.cause is Cause.DISK_FULL


def test_a_host_at_its_end_is_told_without_a_cluster() -> None:
    full = HostSeen(disk_free=10**8, disk="/var/lib/docker", memory_available=8 * GIB)
    starved = HostSeen(disk_free=10**10, disk="/var/lib/docker", memory_available=100 * 2**20)

    disk, memory = diagnose(full), diagnose(starved)

    assert disk is not None
    assert "0.1 GB are free on the disk of /var/lib/docker" in disk.message
    assert memory is not None
    assert "100 MiB are available" in memory.message
    assert diagnose(HOST) is None


def test_a_program_that_found_no_room_on_the_disk_is_believed() -> None:
    found = diagnose(HOST, said=["copying layers failed\nwrite /x: no space left on device"])

    assert found is not None
    assert found.cause is Cause.DISK_FULL
    assert found.message.startswith("the disk is full: write /x: no space left on device; ")


def test_a_cluster_that_was_not_made_has_its_cause() -> None:
    plain = of_creation(HOST, "creating kind-1.34 failed: timed out")
    full = of_creation(HOST, "creating kind-1.34 failed: no space left on device")

    assert (plain.cause, plain.again) == (Cause.CLUSTER_NOT_CREATED, True)
    assert "timed out" in plain.message
    assert (full.cause, full.again) == (Cause.DISK_FULL, False)


def test_an_api_server_that_is_away_is_a_lost_node() -> None:
    found = node_lost(HOST, "connection refused")

    assert (found.cause, found.again) == (Cause.NODE_LOST, True)
    assert "connection refused" in found.message


def test_what_a_busy_host_is_blamed_for_is_told_as_well() -> None:
    busy = replace(HOST, load=12.4)

    for found, said in (
        (of_creation(busy, "creating kind-1.34 failed: timed out"), "creating kind-1.34 failed: timed out"),
        (node_lost(busy, "connection refused"), "the API server does not answer: connection refused"),
    ):
        assert found.cause is Cause.HOST_BUSY
        assert found.message.startswith(f"{said}; the host was too busy")


def test_only_what_may_pass_is_tried_again() -> None:
    again = {cause for cause in Cause if Diagnosis(cause=cause, message="it").again}

    assert again == set(Cause) - {
        Cause.DISK_FULL,
        Cause.REGISTRY_BUSY,
        Cause.PULL_SETTINGS,
        Cause.USERS_VALUES,
        Cause.LOGIN_REFUSED,
        Cause.NOT_RECOGNISED,
    }


def test_a_pod_that_is_larger_than_the_node_is_not_tried_again() -> None:
    large, other = (diagnose(HOST, seen(a_pod(size, conditions=unschedulable(NO_ROOM)))) for size in ("9Gi", "1Gi"))

    assert large is not None
    assert other is not None
    assert (large.again, other.again) == (False, True)
    assert "asks for 9216 MiB of the 2048 MiB" in large.message


@pytest.mark.parametrize(
    ("text", "size"),
    [("1408Mi", 1408 * 2**20), ("2097152Ki", 2 * GIB), ("1G", 10**9), ("512", 512), ("1500m", 1), ("", 0), ("x", 0)],
)
def test_quantities_are_kubernetes_own(text: str, size: int) -> None:
    assert quantity(text) == size


def test_a_host_that_is_far_too_busy_proves_nothing() -> None:
    busy = HostSeen(disk_free=50 * 10**9, disk="/var/lib/docker", memory_available=8 * GIB, load=12.4)
    found = diagnose(busy)
    assert found is not None
    assert found.cause is Cause.HOST_BUSY
    assert found.again
    assert "12 runnable processes per processor" in found.finding().message
    assert "whose they were cannot be told" in found.finding().message
    assert diagnose(HostSeen(**{**busy.__dict__, "load": 5.0})) is None


@pytest.mark.parametrize(("load", "proves"), [(5.0, True), (5.5, False), (8.0, False)])
def test_what_came_too_late_proves_less_on_a_busy_host_than_what_is_wrong(load: float, *, proves: bool) -> None:
    host = replace(HOST, load=load)

    assert (diagnose(host, said=["new-connect is Ready; waited 120 s for the client to end"]) is None) == proves
    assert diagnose(host, said=["executor.instances is None"]) is None


@pytest.mark.parametrize(
    ("own", "cause"), [(0.0, "host-busy"), (0.35, "host-busy"), (0.45, "own-load"), (1.0, "own-load")]
)
def test_a_load_of_the_runs_own_is_told_as_a_mistake_of_the_harness(own: float, cause: str) -> None:
    found = diagnose(HostSeen(disk_free=50 * 10**9, disk="/", memory_available=8 * GIB, load=15.0, own=own))
    assert found is not None
    assert (found.cause, found.again, found.finding().verdict) == (cause, True, Verdict.ERROR)
    told = found.finding().message
    assert f"{own:.0%} of that was this run's doing" in told
    assert ("please report it" in told) == ("the harness overloaded its own host" in told) == (cause == "own-load")


def test_the_load_of_this_host_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(psutil, "getloadavg", lambda: (1.0, 12.0, 3.0))
    monkeypatch.setattr(psutil, "cpu_count", lambda: 4)
    assert look([tmp_path]).load == 3.0


@pytest.mark.parametrize(
    ("before", "now", "seconds", "load"),
    [
        (36.0, 18.0, 270.0, 5.7),  # Most of it is what was before.
        (0.0, 12.0, 300.0, 19.0),
        (4.0, 4.0, 200.0, 4.0),
        (30.0, 0.5, 300.0, 0.0),
        (0.0, 1.0, 0.1, 10.5),  # As of half a minute, since a shorter time says nothing.
    ],
)
def test_the_load_since_a_moment_is_without_that_of_before(
    before: float, now: float, seconds: float, load: float
) -> None:
    assert Mark(100.0, before).load_since(Mark(100.0 + seconds, now)) == pytest.approx(load, abs=0.1)


def test_what_a_cluster_sees_of_the_load_began_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(psutil, "getloadavg", lambda: (1.0, 12.0, 3.0))
    monkeypatch.setattr(psutil, "cpu_count", lambda: 2)
    began = Mark(time.monotonic() - 300, 12.0)
    assert look([tmp_path], began).load == pytest.approx(6.0, abs=0.1)


OWN = "spark-operator-controller"


def of_operator(**containers: dict[str, Any]) -> dict[str, Any]:
    """A pod of the controller's; each container has its `limits` and its status."""
    specs = [
        {"name": name, "image": "it", "resources": {"limits": it.pop("limits", {})}} for name, it in containers.items()
    ]
    states = [{"name": name, **it} for name, it in containers.items()]
    return {
        "metadata": {"name": "spark-operator-controller-1"},
        "spec": {"containers": specs},
        "status": {"phase": "Running", "containerStatuses": states},
    }


def ended(code: int, reason: str) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason}}


RUNS: dict[str, Any] = {"state": {"running": {}}}
BESIDE = (
    "container fluent-bit of pod spark-operator-controller-1, which is not the operator's own, does not run: "
    "exit 1 (Error)"
)
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff"}}


@pytest.mark.parametrize(
    ("containers", "told"),
    [
        (
            {OWN: {"limits": {"memory": "64Mi"}, **RUNS, "lastState": ended(137, "OOMKilled"), "restartCount": 1}},
            f"container {OWN} of pod spark-operator-controller-1 ran out of the 64Mi that it may have",
        ),
        (
            {OWN: RUNS, "fluent-bit": {"state": BACK_OFF, "lastState": ended(1, "Error"), "restartCount": 3}},
            BESIDE,
        ),
        ({OWN: {**RUNS, "lastState": ended(137, "OOMKilled"), "restartCount": 1}}, ""),
        ({OWN: {"limits": {"memory": "64Mi"}, "state": BACK_OFF, "lastState": ended(2, "Error")}}, ""),
        ({OWN: RUNS, "fluent-bit": {**RUNS, "lastState": ended(1, "Error"), "restartCount": 1}}, ""),
        ({"spark-kubernetes-driver": {"limits": {"memory": "1Gi"}, "state": ended(137, "OOMKilled")}}, ""),
    ],
)
def test_what_the_users_values_do_to_a_pod_of_the_operators_is_not_the_releases(
    containers: dict[str, Any], told: str
) -> None:
    found = diagnose(HOST, seen(of_operator(**{name: dict(it) for name, it in containers.items()})))
    if not told:
        assert found is None
        return
    assert found is not None
    assert (found.cause, found.again) == (Cause.USERS_VALUES, False)
    assert found.finding().message.startswith(f"{told}\n  next: correct what the values (--values) ask for there")


@pytest.mark.parametrize(
    ("said", "limit", "told"),
    [
        ("waited 120 s for spark-pi to be COMPLETED; last seen: SUBMITTED", "100m", True),
        ("release 2.5.2 was not ready within 180 s; last seen: pod a Running", "100m", True),
        ("waited 120 s for spark-pi to be COMPLETED; last seen: SUBMITTED", "2", False),
        ("spark-pi is FAILED: driver container failed", "100m", False),
    ],
)
def test_a_limit_of_processors_may_be_why_something_came_too_late(said: str, limit: str, told: bool) -> None:
    found = diagnose(HOST, seen(of_operator(**{OWN: {"limits": {"cpu": limit}, **RUNS}})), [said])
    assert (found is not None) == told
    if found:
        assert found.cause is Cause.USERS_VALUES
        assert f"may use {limit} of a processor, and was too slow" in found.message
