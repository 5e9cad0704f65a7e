# SPDX-License-Identifier: Apache-2.0
"""Failures in the middle of an upgrade: which there are, and how what they leave behind is judged."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pod_samples import ended_pod

from harness import stories
from harness.apps.pods import SparkPod
from harness.apps.states import State
from harness.errors import HarnessError, HostError
from harness.kube import pull_messages
from harness.kube.cluster import Cluster
from harness.kube.models import Container, Pod
from harness.matrix.model import Environment
from harness.process import Completed
from harness.stories.failures import bystanders, fault, scenarios
from harness.stories.failures.scenarios import operator_killed
from harness.upgrades import detour
from harness.upgrades.workload_seen import ApplicationSeen, Look, Part, When
from harness.verdicts import Verdict

_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_CLUSTER = Cluster(
    name="c",
    environment=Environment(name="kind-1.34", provider="kind", kubernetes="1.34.4"),
    kubeconfig=Path("kubeconfig"),
    nodes=("c-control-plane",),
)


def driver(uid: str = "d1", *, exit_status: int | None = None) -> SparkPod:
    return ended_pod(exit_status, name="driver", uid=uid, submission="s", created=_AT, started=_AT)


def application(
    *states: State, drivers: Sequence[SparkPod] = (driver(),), name: str = "long", error: str = ""
) -> ApplicationSeen:
    looks = [
        Look(at=_AT + timedelta(seconds=n), state=state, submission="s", execution_attempts=1, submission_attempts=1)
        for n, state in enumerate(states)
    ]
    if error:
        looks[-1] = replace(looks[-1], error=error)
    return ApplicationSeen(
        namespace="n",
        name=name,
        uid=name,
        part=Part.SMALL,
        when=When.DURING,
        created=_AT,
        looks=tuple(looks),
        pods=tuple(drivers),
    )


def test_every_fault_has_a_cluster_for_itself_and_is_asked_for_on_upgrades() -> None:
    found = scenarios.discover()
    assert list(found) == sorted(found)
    for name, module in found.items():
        assert name.startswith("fault-")
        assert module.SCENARIO.needs.cluster == module.SCENARIO.name
        if name.startswith("fault-node-"):
            assert module.SCENARIO.needs.paths == ("install", "upgrade")
            assert module.SCENARIO.needs.nodes == 3
        else:
            assert module.SCENARIO.needs.paths == ("upgrade",)
        assert stories.scenarios()[name].story == "failures"


def test_an_application_that_keeps_its_driver_and_its_submission_has_not_suffered() -> None:
    first = application(State.RUNNING)
    last = application(State.RUNNING, State.COMPLETED)
    assert bystanders.judge_long(first, last).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (application(State.RUNNING, State.COMPLETED, drivers=(driver(), driver("d2"))), "driver pods d1, d2"),
        (application(State.RUNNING), "ended RUNNING"),
        (application(State.FAILED, error="driver pod already exist"), "already exist"),
        (
            replace(application(), looks=(Look(at=_AT, state=State.COMPLETED, submission="other"),)),
            "submitted anew: s, then other",
        ),
        (
            replace(application(), looks=(Look(at=_AT, state=State.COMPLETED, submission="s", execution_attempts=2),)),
            "attempts",
        ),
    ],
    ids=["second driver", "never ends", "fails", "submitted anew", "counted up"],
)
def test_an_application_that_ran_before_suffers(last: ApplicationSeen, said: str) -> None:
    finding = bystanders.judge_long(application(State.RUNNING), last)
    assert finding.verdict is Verdict.FAILED
    assert said in finding.message


def test_without_a_look_before_nothing_is_claimed_of_the_long_application() -> None:
    assert bystanders.judge_long(None, application(State.COMPLETED)).verdict is Verdict.ERROR


def test_new_applications_run_once_and_complete() -> None:
    (finding,) = bystanders.judge_new([application(State.SUBMITTED, State.COMPLETED, name="meanwhile")])
    assert finding.verdict is Verdict.PASSED
    assert finding.evidence["seconds"] == {"meanwhile": 1.0}


@pytest.mark.parametrize(
    ("small", "refused", "said"),
    [
        ([application(State.FAILED, error="no")], [], "ended FAILED no"),
        ([application(State.COMPLETED, drivers=(driver(), driver("d2")))], [], "2 driver pods"),
        ([], ["meanwhile was refused: 500"], "refused: 500"),
    ],
)
def test_new_applications_suffer(small: list[ApplicationSeen], refused: list[str], said: str) -> None:
    (finding,) = bystanders.judge_new(small, refused)
    assert finding.verdict is Verdict.FAILED
    assert said in finding.message


def test_submissions_that_the_kill_brought_to_nothing_are_counted() -> None:
    said = (
        'Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nException in thread "main" io.fabric8.kubernetes.client.'
        "KubernetesClientException: Failure executing: POST at: https://10.96.0.1/api/v1/namespaces/a/pods. Message: "
        'pods "a-driver" already exists. Received status: Status(code=409).\n'
    )
    finding = operator_killed.judge(
        [
            application(State.COMPLETED, drivers=(driver(exit_status=0),), name="struck-1"),
            application(State.FAILED, drivers=(driver(exit_status=0),), name="struck-2", error=said),
            application(State.COMPLETED, drivers=(driver("a"), driver("b")), name="struck-3"),
        ]
    )
    assert finding.verdict is Verdict.FAILED
    assert finding.message == (
        "1 of 3 did not complete, 1 of them although their driver pod succeeded, and 1 ran twice; "
        'the status says: pods "a-driver" already exists'
    )
    assert (finding.evidence["failed"], finding.evidence["doubled"]) == (1, 1)


def test_a_kill_that_struck_nobody_passes_and_one_that_met_nobody_does_not() -> None:
    assert operator_killed.judge([application(State.COMPLETED)]).verdict is Verdict.PASSED
    assert operator_killed.judge([]).verdict is Verdict.FAILED


def operator_pod(uid: str, *, ready: bool = True, leaving: bool = False) -> Pod:
    container = Container(name="c", image="image:1", ready=ready, state="running" if ready else "waiting")
    return Pod(
        name=f"pod-{uid}", uid=uid, owner="ReplicaSet/r", phase="Running", containers=(container,), leaving=leaving
    )


def test_only_ready_pods_of_before_count_as_going_on() -> None:
    before = [operator_pod("a"), operator_pod("b"), operator_pod("c")]
    after = [operator_pod("a"), operator_pod("b", ready=False), operator_pod("c", leaving=True), operator_pod("new")]
    assert fault.untouched(before, after) == ["pod-a"]


def test_a_busy_registry_answers_as_a_rate_limit_does() -> None:
    with detour.BusyRegistry("127.0.0.1") as busy:
        connection = http.client.HTTPConnection(busy.url.removeprefix("http://"), timeout=5)
        connection.request("GET", "/v2/kubeflow/spark-operator/controller/manifests/2.5.2")
        answer = connection.getresponse()
        assert answer.status == 429
        assert json.load(answer)["errors"][0]["code"] == "TOOMANYREQUESTS"
        connection.close()
        assert busy.answers == 1
    assert pull_messages.read("unexpected status code: 429 Too Many Requests").kind == pull_messages.REGISTRY_BUSY


class Nodes:
    """Stands for a provider's nodes, which only a cluster has: takes commands and answers by the first word."""

    name = "nodes"
    hosts_folder = "/etc/containerd/certs.d"

    def __init__(self, **answers: Completed) -> None:
        self.asked: list[list[str]] = []
        self._answers = answers

    def node_exec(self, cluster: Cluster, node: str, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        self.asked.append([*argv])
        return self._answers.get(argv[0], answered())


def answered(stdout: str = "", status: int = 0, stderr: str = "") -> Completed:
    return Completed(argv=(), returncode=status, stdout=stdout, stderr=stderr, seconds=0.0)


def test_a_detour_ends_with_its_block_and_only_once() -> None:
    nodes = Nodes()
    with detour.detour(nodes, _CLUSTER, "ghcr.io", detour.NOWHERE) as made:  # type: ignore[arg-type]
        assert nodes.asked[0][-2:] == ["ghcr.io", 'server = "http://127.0.0.1:1"\ncapabilities = ["pull", "resolve"]\n']
        made.end()
    begun, ended = nodes.asked
    assert "mount --bind" in begun[2]
    assert "umount" in ended[2]


def test_a_node_that_refuses_is_the_hosts_fault() -> None:
    with pytest.raises(HostError, match=r"sh in the node c-control-plane ended with status 1: no mount"):
        detour.Detour(Nodes(sh=answered(status=1, stderr="no mount")), _CLUSTER, "ghcr.io", "http://x:1").begin()  # type: ignore[arg-type]


def test_the_gateway_is_read_from_the_nodes_default_route() -> None:
    nodes = Nodes(ip=answered("default via 172.18.0.1 dev eth0 \n"))
    assert detour.gateway(nodes, _CLUSTER) == "172.18.0.1"  # type: ignore[arg-type]
    with pytest.raises(HostError, match="no default route"):
        detour.gateway(Nodes(), _CLUSTER)  # type: ignore[arg-type]


def test_an_image_that_stays_is_told_and_one_that_is_gone_is_not() -> None:
    detour.forget_image(Nodes(crictl=answered(status=1)), _CLUSTER, "ghcr.io/a:1")  # type: ignore[arg-type]
    with pytest.raises(HostError, match="still has the image"):
        detour.forget_image(Nodes(crictl=answered("{}")), _CLUSTER, "ghcr.io/a:1")  # type: ignore[arg-type]


def test_the_controller_that_leads_is_killed_and_none_of_its_sidecars() -> None:
    own = Container(name="spark-operator-controller", image="i", runtime_id="own")
    proxy = Container(name="istio-proxy", image="i", runtime_id="proxy")
    first, second = (
        Pod(name=it, uid=it, phase="Running", containers=(proxy, replace(own, runtime_id=f"own-{it}"))) for it in "ab"
    )
    pod, container = operator_killed.chosen([first, second], {"b", "some-webhook"})
    assert (pod.name, container.runtime_id) == ("b", "own-b")
    pod, container = operator_killed.chosen([replace(first, leaving=True), second], set())
    assert (pod.name, container.runtime_id) == ("b", "own-b")
    with pytest.raises(HarnessError, match="none of 1 pods"):
        operator_killed.chosen([replace(first, phase="Pending")], {"a"})
