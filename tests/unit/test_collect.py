# SPDX-License-Identifier: Apache-2.0
"""Evidence: what is wrong comes first, nothing secret is written, and a collector that fails stops nobody."""

from __future__ import annotations

import json
import shlex
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HostError, ToolError
from harness.evidence import observed
from harness.evidence.bundle import bundle
from harness.evidence.collect import collect
from harness.evidence.desk import EvidenceRequest
from harness.evidence.summary import Collected
from harness.kube.cluster import Cluster
from harness.matrix.model import Environment
from harness.verdicts import failed, passed

SECRET = "hunter2horse"
CELL = "kind-1.34/install-2.5.2/spark-pi"

PODS = {
    "items": [
        {
            "metadata": {"name": "finished", "namespace": "spark-pi"},
            "spec": {"containers": [{"name": "driver", "env": [{"name": "API_TOKEN", "value": SECRET}]}]},
            "status": {"phase": "Succeeded", "containerStatuses": []},
        },
        {
            "metadata": {"name": "waiting", "namespace": "spark-pi"},
            "spec": {"containers": [{"name": "driver"}]},
            "status": {
                "phase": "Pending",
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "message": "0/1 nodes are available: 1 Insufficient cpu.",
                    }
                ],
            },
        },
        {
            "metadata": {"name": "driver", "namespace": "spark-pi"},
            "spec": {"containers": [{"name": "driver"}]},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "False"}],
                "containerStatuses": [
                    {
                        "name": "driver",
                        "restartCount": 2,
                        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}},
                        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                    }
                ],
            },
        },
    ]
}
EVENTS = {
    "items": [
        {
            "metadata": {"name": "b"},
            "type": "Warning",
            "reason": "Failed",
            "message": 'Failed to pull image "ghcr.io/nope:1":\n not found',
            "count": 4,
            "lastTimestamp": "2026-01-02T03:04:05Z",
            "involvedObject": {"kind": "Pod", "name": "driver"},
        },
        {
            "metadata": {"name": "a"},
            "type": "Normal",
            "reason": "Scheduled",
            "message": "assigned",
            "lastTimestamp": "2026-01-02T03:04:00Z",
            "involvedObject": {"kind": "Pod", "name": "driver"},
        },
    ]
}
APPLICATIONS = {
    "items": [
        {
            "kind": "SparkApplication",
            "metadata": {"name": "pi", "namespace": "spark-pi"},
            "spec": {"sparkConf": {"spark.hadoop.fs.s3a.secret.key": SECRET}},
            "status": {"applicationState": {"state": "FAILED", "errorMessage": "driver failed"}},
        }
    ]
}
OPERATOR_LOG = (
    "2026-01-02T03:04:05.000Z 2026-01-02T03:04:05Z\tINFO\tfine\n"
    "2026-01-02T03:04:06.000Z 2026-01-02T03:04:06Z\tERROR\tReconciler error\n"
    f"2026-01-02T03:04:07.000Z password={SECRET}\n"
)

# Since unit tests have no cluster. A shell starts many times as fast as Python, and each test asks dozens of times.
_ASKED = """#!/bin/sh
words=" $* "
has() { for word; do case "$words" in *" $word "*) ;; *) return 1 ;; esac; done; }
"""


def program(folder: Path, name: str, answers: list[tuple[str, int, str]], *, well_once: bool = False) -> Path:
    """A stand-in for kubectl or helm: it gives the first answer whose words are all among its arguments.

    Without one it fails, as with a server that does not know the resource. `well_once`: the first call gets no answer
    and is no failure.
    """
    path = folder / name
    lines = [_ASKED]
    if well_once:
        asked = shlex.quote(f"{path}.asked")
        lines.append(f"[ -e {asked} ] || {{ : > {asked}; exit 0; }}\n")
    for number, (words, status, out) in enumerate(answers):
        answer = folder / f"{name}.{number}"
        answer.write_text(out)
        sink = "" if status == 0 else " >&2"
        lines.append(f"if has {words}; then cat {shlex.quote(str(answer))}{sink}; exit {status}; fi\n")
    path.write_text("".join(lines))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


KUBECTL: list[tuple[str, int, str]] = [
    ("--raw", 0, "{}"),
    ("events spark-pi", 0, json.dumps(EVENTS)),
    ("events", 0, '{"items": []}'),
    ("logs --previous", 0, "previous life\n"),
    ("logs spark-operator", 0, OPERATOR_LOG),
    ("logs waiting", 1, "Error from server (BadRequest): container driver is waiting to start\n"),
    ("logs", 0, "this life\n"),
    ("describe", 0, f"Name: it\n      DB_PASSWORD:  {SECRET}\n"),
    ("get pods spark-pi", 0, json.dumps(PODS)),
    (
        "get pods",
        0,
        json.dumps(
            {
                "items": [
                    {
                        "metadata": {"name": "controller", "namespace": "spark-operator"},
                        "spec": {"containers": [{"name": "controller"}]},
                        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
                    }
                ]
            }
        ),
    ),
    ("sparkapplications.sparkoperator.k8s.io --ignore-not-found", 0, "name: sparkapplications.sparkoperator.k8s.io\n"),
    ("sparkapplications.sparkoperator.k8s.io spark-pi", 0, json.dumps(APPLICATIONS)),
    (
        "sparkconnects.sparkoperator.k8s.io",
        1,
        'error: the server doesn\'t have a resource type "sparkconnects"\n',
    ),
    ("leases.coordination.k8s.io", 1, "Error from server (Forbidden): leases is forbidden\n"),
    ("json", 0, '{"items": []}'),
    ("get", 0, "NAME\nsomething\n"),
]
HELM: list[tuple[str, int, str]] = [
    ("history", 0, "REVISION\n1\n"),
    ("values", 0, f"password: {SECRET}\n"),
    ("manifest", 0, f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\nstringData:\n  a: {SECRET}\n"),
    ("hooks", 0, ""),
]


@pytest.fixture
def request_(tmp_path: Path) -> EvidenceRequest:
    def export(folder: Path) -> None:
        (folder / "node").mkdir()
        (folder / "node" / "journal.log").write_text(f"kubelet --token {SECRET}\nkubelet is fine\n")

    return EvidenceRequest(
        cluster=Cluster(
            name="soh-1",
            environment=Environment(name="kind-1.34", provider="kind", kubernetes="1.34.4"),
            kubeconfig=tmp_path / "kubeconfig",
            nodes=("node",),
        ),
        namespaces=["spark-pi"],
        operator_namespace="spark-operator",
        release_name="spark-operator",
        kubectl=program(tmp_path, "kubectl", KUBECTL),
        helm=program(tmp_path, "helm", HELM),
        folder=tmp_path / "run" / CELL,
        title=CELL,
        node_logs=export,
        registry_logs=lambda: {"ghcr.io": "GET /v2/ 200\n", "docker.io": ""},
        versions={"helm": "3.22.0"},
        findings=[passed("crds", "there"), failed("pi-near", "the number is not near π", seen="2.7")],
    )


def with_(request: EvidenceRequest, **changes: Any) -> EvidenceRequest:
    return EvidenceRequest(**{**request.__dict__, **changes})


def by_name(results: list[Collected]) -> dict[str, Collected]:
    return {result.name: result for result in results}


def test_the_summary_starts_with_what_is_wrong(request_: EvidenceRequest) -> None:
    collect(request_)
    text = (request_.folder / "summary.md").read_text()
    order = [
        f"# {CELL}",
        "**pi-near** (failed): the number is not near π",
        "leases is forbidden",
        "SparkApplication spark-pi/pi: FAILED: driver failed",
        "spark-pi/driver: Running, not ready, restarts 2",
        "CrashLoopBackOff: back-off 20s; previously exited with code 137 (OOMKilled)",
        "spark-pi/waiting: Pending",
        "not scheduled: 0/1 nodes are available: 1 Insufficient cpu.",
        'Failed Pod/driver (×4): Failed to pull image "ghcr.io/nope:1": not found',
        "ERROR\tReconciler error",
        "helm: 3.22.0",
        "## What was collected",
    ]
    positions = [text.find(part) for part in order]
    assert -1 not in positions, order[positions.index(-1)]
    assert positions == sorted(positions)


def test_nothing_secret_is_written(request_: EvidenceRequest) -> None:
    collect(request_)
    files = [path for path in request_.folder.rglob("*") if path.is_file()]
    assert len(files) > 15
    assert [path for path in files if SECRET in path.read_text()] == []
    assert "kubelet is fine" in (request_.folder / "node-logs" / "node" / "journal.log").read_text()


def test_logs_of_every_container_with_the_previous_ones(request_: EvidenceRequest) -> None:
    results = by_name(collect(request_))
    logs = request_.folder / "logs"
    assert (logs / "spark-pi" / "driver_driver.log").read_text() == "this life\n"
    assert (logs / "spark-pi" / "driver_driver_previous.log").read_text() == "previous life\n"
    assert not (logs / "spark-pi" / "finished_driver_previous.log").exists()
    assert "no log of spark-pi/waiting_driver" in results["pods and logs spark-pi"].message
    assert results["pods and logs spark-pi"].ok


def test_no_name_of_a_file_keeps_ci_from_uploading_the_evidence(request_: EvidenceRequest) -> None:
    collect(with_(request_, registry_logs=lambda: {"registry.example.com:5000": "GET /v2/ 200\n"}))
    names = [str(path.relative_to(request_.folder)) for path in request_.folder.rglob("*")]
    assert "registry/registry.example.com_5000.log" in names
    assert [name for name in names if set(name) & set('":<>|*?')] == []


def test_a_collector_that_matched_nothing_says_so(request_: EvidenceRequest) -> None:
    results = by_name(collect(request_))
    assert results["events spark-operator"].message == "none in namespace spark-operator"
    assert "no scheduledsparkapplications" in results["custom resources spark-pi"].message
    assert "the server has no sparkconnects" in results["custom resources spark-pi"].message
    assert results["webhook configurations"].message == "none in the cluster"
    assert results["helm hooks"].message == "none of release spark-operator in namespace spark-operator"
    assert results["registry access logs"].message == "docker.io: no requests, ghcr.io: 1 requests"


def test_a_collector_that_fails_is_recorded_and_stops_nobody(request_: EvidenceRequest) -> None:
    def export(folder: Path) -> None:
        (folder / "half.log").write_text("half\n")
        raise ToolError("kind was not found")

    def broken() -> dict[str, str]:
        raise KeyError("ghcr.io")

    results = by_name(collect(with_(request_, node_logs=export, registry_logs=broken, helm=Path("/nonexistent/helm"))))
    assert (results["node logs"].ok, results["node logs"].message) == (False, "kind was not found")
    assert (request_.folder / "node-logs" / "half.log").exists()
    assert not results["registry access logs"].ok
    assert "/nonexistent/helm was not found" in results["helm values"].message
    assert results["events spark-pi"].ok


def test_an_api_server_that_is_gone_is_said_once_and_node_logs_still_come(
    request_: EvidenceRequest, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    gone = program(tmp_path / "gone", "kubectl", [("", 1, "The connection to the server 127.0.0.1:1 was refused\n")])
    results = collect(with_(request_, kubectl=gone))
    wrong = [result for result in results if not result.ok]
    assert [result.name for result in wrong] == ["API server"]
    assert "was refused" in wrong[0].message
    assert (request_.folder / "node-logs" / "node" / "journal.log").exists()
    assert (request_.folder / "summary.md").read_text().count("was refused") == 1


def test_an_api_server_that_goes_away_meanwhile_is_said_once(request_: EvidenceRequest, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    answers: list[tuple[str, int, str]] = [("", 1, "Unable to connect to the server: EOF\n")]
    kubectl = program(tmp_path / "gone", "kubectl", answers, well_once=True)
    results = collect(with_(request_, kubectl=kubectl))
    wrong = [result for result in results if not result.ok]
    assert [result.name for result in wrong] == ["API server"]
    assert "became unreachable while" in wrong[0].message


def test_without_checks_or_versions_the_page_says_so(request_: EvidenceRequest) -> None:
    collect(with_(request_, findings=[], versions={}, node_logs=None, registry_logs=None))
    text = (request_.folder / "summary.md").read_text()
    assert "No check ran before the cell ended." in text
    assert "node logs: this provider has none" in text


def test_a_pod_that_is_ready_but_was_restarted_is_not_well() -> None:
    (pod,) = observed.pods(
        {
            "items": [
                {
                    "metadata": {"name": "x", "namespace": "y"},
                    "spec": {"containers": [{"name": "c"}]},
                    "status": {
                        "phase": "Running",
                        "conditions": [{"type": "Ready", "status": "True"}],
                        "containerStatuses": [{"name": "c", "restartCount": 1, "state": {"running": {}}}],
                    },
                }
            ]
        }
    )
    assert not observed.healthy(pod)


def test_deployments_with_their_complaints() -> None:
    (deployment,) = observed.deployments(
        {
            "items": [
                {
                    "metadata": {"name": "controller", "namespace": "spark-operator"},
                    "spec": {"replicas": 1},
                    "status": {
                        "conditions": [
                            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"},
                            {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"},
                        ]
                    },
                }
            ]
        }
    )
    assert (deployment.replicas, deployment.ready) == (1, 0)
    assert observed.complaints(deployment) == ["FailedCreate: quota"]


@pytest.mark.parametrize(
    ("line", "is_error"),
    [
        ("E1124 12:00:01.000001 1 leaderelection.go:340] lost", True),
        ("2026-01-02T03:04:05.1Z E1124 12:00:01.000001 1 x.go:1] lost", True),
        ("2026-01-02T03:04:05Z\tERROR\tcontroller\tboom", True),
        ("panic: runtime error: index out of range", True),
        ('Exception in thread "main" java.lang.RuntimeException: x', True),
        ("I1124 12:00:01.000001 1 x.go:1] fine", False),
        ("Every thing is fine", False),
    ],
)
def test_which_lines_of_a_log_tell_of_an_error(line: str, is_error: bool) -> None:
    assert bool(observed.error_lines(line)) is is_error


def test_a_bundle_holds_the_folder_summary_first_without_owners(request_: EvidenceRequest) -> None:
    collect(request_)
    (request_.folder / "link").symlink_to("/etc/passwd")
    path = bundle(request_.folder)
    assert path == request_.folder.with_name(request_.folder.name + ".tar.gz")
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    assert members[0].name == f"{request_.folder.name}/summary.md"
    assert not any(member.name.endswith("link") for member in members)
    assert {(member.uid, member.uname) for member in members} == {(0, "")}


def test_a_bundle_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="there is no evidence to pack"):
        bundle(tmp_path / "no-cell")


def test_what_argo_cd_says_and_logs_is_evidence_where_it_deploys(request_: EvidenceRequest) -> None:
    without = by_name(collect(request_))
    assert not [name for name in without if "Argo CD" in name]

    logs = {"repo-server": f"token {SECRET}\nready\n", "redis": ""}
    found = by_name(collect(with_(request_, folder=request_.folder / "again", argocd_logs=lambda: logs)))

    assert "repo-server" in str(found["logs of Argo CD"])
    assert (request_.folder / "again" / "argocd" / "applications.json").exists()
    assert "ready" in (request_.folder / "again" / "argocd" / "repo-server.log").read_text()


def test_what_replaced_pods_wrote_is_evidence_like_other_logs(request_: EvidenceRequest, tmp_path: Path) -> None:
    parting = tmp_path / "parting-logs" / "spark-operator"
    parting.mkdir(parents=True)
    (parting / "old_controller.log").write_text(
        f"2026-01-01T12:00:00Z\tERROR\tfailed to update the status --token {SECRET}\n"
    )
    found = by_name(collect(with_(request_, parting_logs=parting.parent)))
    assert found["logs of replaced pods"].message == "old_controller"
    text = (request_.folder / "logs" / "spark-operator" / "old_controller_gone.log").read_text()
    assert "failed to update the status" in text
    assert SECRET not in text
    assert "failed to update the status" in (request_.folder / "summary.md").read_text()


def test_where_no_pod_was_replaced_the_page_says_so(request_: EvidenceRequest, tmp_path: Path) -> None:
    found = by_name(collect(with_(request_, parting_logs=tmp_path / "nobody-made-it")))
    assert found["logs of replaced pods"].message == "no pod was replaced"
