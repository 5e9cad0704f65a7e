# SPDX-License-Identifier: Apache-2.0
"""Diagnosis of an operator that does not start, with messages as kubelet and containerd word them."""

from __future__ import annotations

import dataclasses

import pytest
from operator_samples import RELEASE, pod

from harness.kube.models import Ended, Event, Pod
from harness.kube.pull_messages import Fault, read
from harness.releases.trouble import Kind, Trouble, diagnose, not_set_up

_NOT_FOUND = (
    "rpc error: code = NotFound desc = failed to pull and unpack image "
    '"ghcr.io/kubeflow/spark-operator/controller:2.5.2": '
    'failed to resolve reference "ghcr.io/kubeflow/spark-operator/controller:2.5.2": '
    "ghcr.io/kubeflow/spark-operator/controller:2.5.2: not found"
)


def _waiting(reason: str, message: str) -> list[Pod]:
    return [pod("controller", ready=False, state="waiting", reason=reason, message=message)]


CRASHED = Ended(exit_code=1, reason="Error")


def pull(trouble: Trouble) -> tuple[str, Fault, bool]:
    """What is told of a pull: kind, fault, and whether waiting is in vain."""
    assert trouble.kind is Kind.PULL
    assert trouble.pull is not None
    return trouble.pull.kind, trouble.pull.fault, trouble.final


def test_nothing_is_wrong_with_a_healthy_pod_or_a_starting_one() -> None:
    assert diagnose([pod("controller")]) is None
    assert diagnose(_waiting("ContainerCreating", "")) is None


def test_an_image_that_is_missing_is_final_and_names_image_and_answer() -> None:
    trouble = diagnose(_waiting("ErrImagePull", _NOT_FOUND))
    assert trouble
    assert pull(trouble) == ("image-missing", Fault.RELEASE, True)
    assert RELEASE.image in trouble.message
    assert trouble.message.endswith("not found")
    assert "rpc error" not in trouble.message


@pytest.mark.parametrize(
    ("answer", "kind", "fault", "final"),
    [
        ("unexpected status from HEAD request: 401 Unauthorized", "login-needed", Fault.SETTINGS, True),
        ("failed to authorize: 403 Forbidden", "not-allowed", Fault.SETTINGS, True),
        (
            "429 Too Many Requests - toomanyrequests: You have reached your pull rate limit",
            "registry-busy",
            Fault.REGISTRY,
            False,
        ),
        ("dial tcp 10.0.0.1:443: connect: connection refused", "registry-away", Fault.NETWORK, False),
        (
            "tls: failed to verify certificate: x509: unknown authority",
            "certificate-not-trusted",
            Fault.SETTINGS,
            True,
        ),
        ("unexpected EOF", "connection-lost", Fault.NETWORK, False),
        ("the moon is in the wrong house", "not recognised", Fault.NOT_RECOGNISED, False),
    ],
)
def test_the_registrys_answer_decides(answer: str, kind: str, fault: Fault, final: bool) -> None:
    trouble = diagnose(_waiting("ErrImagePull", answer))
    assert trouble
    assert pull(trouble) == (kind, fault, final)
    assert answer in trouble.message


def test_digits_in_names_and_digests_are_no_status() -> None:
    trouble = diagnose(
        _waiting("ErrImagePull", 'failed to copy "x:429": sha256:4290404' + "0" * 57 + ": unexpected EOF")
    )
    assert trouble
    assert pull(trouble)[0] == "connection-lost"


@pytest.mark.parametrize(
    "answer",
    [
        "dial tcp 172.18.0.4:4291: unexpected EOF",
        "dial tcp 172.18.0.4:429: unexpected EOF",
        "read tcp 10.42.9.4:40312->10.40.1.4:403: unexpected EOF",
        "failed to copy: localhost:5000/team-404/spark:v4.2.9-429: unexpected EOF",
        "unexpected EOF after 429 ms",
        "unexpected EOF (4031 of 40401 bytes)",
    ],
)
def test_digits_of_ports_tags_and_durations_are_no_status(answer: str) -> None:
    assert read(answer).kind == "connection-lost"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("unexpected status from HEAD request to https://docker.io/v2/x/manifests/1: 429", "registry-busy"),
        ("unexpected status code: 429", "registry-busy"),
        ("status:429: slow down", "registry-busy"),
        ("pull failed (403)", "not-allowed"),
        ("response status code 404: gone", "image-missing"),
    ],
)
def test_a_bare_status_is_understood(answer: str, kind: str) -> None:
    assert read(answer).kind == kind


def test_a_pod_in_back_off_gets_the_answer_from_its_events() -> None:
    pods = _waiting("ImagePullBackOff", f'Back-off pulling image "{RELEASE.image}"')
    said = (f'Failed to pull image "{RELEASE.image}": {_NOT_FOUND}', "Error: ErrImagePull")
    trouble = diagnose(pods, [Event(reason="Failed", about=f"Pod/{pods[0].name}", message=it) for it in said])
    assert trouble
    assert pull(trouble)[0] == "image-missing"


def test_newer_kubelets_keep_the_answer_in_the_back_off() -> None:
    message = f'Back-off pulling image "{RELEASE.image}": ErrImagePull: {_NOT_FOUND}'
    trouble = diagnose(_waiting("ImagePullBackOff", message))
    assert trouble
    assert trouble.final
    assert "Back-off" not in trouble.message


def test_a_crash_becomes_final_when_it_repeats() -> None:
    once = diagnose([pod("controller", ready=False, state="running", restarts=1, last=CRASHED)])
    assert once
    assert not once.final
    again = diagnose([pod("controller", state="waiting", reason="CrashLoopBackOff", restarts=2, last=CRASHED)])
    assert again
    assert (again.kind, again.final) == (Kind.CRASH, True)
    assert "exit 1" in again.message


@pytest.mark.parametrize(("exit_code", "final"), [(1, True), (0, None)])
def test_an_init_container_that_crashes_is_told_at_once(exit_code: int, final: bool | None) -> None:
    (own,) = pod("controller", ready=False, state="waiting", reason="PodInitializing").containers
    last = Ended(exit_code=exit_code, reason="Error" if exit_code else "Completed")
    init = dataclasses.replace(own, name="wait-db", init=True, state="running", reason="", restarts=2, last=last)
    found = diagnose([dataclasses.replace(pod("controller"), containers=(init, own))])
    assert (found.final if found else None) is final
    assert found is None or found.message.startswith("container wait-db of pod ")


def test_the_schedulers_words_are_passed_on() -> None:
    words = "0/1 nodes are available: 1 Insufficient memory."
    trouble = diagnose(
        [
            dataclasses.replace(
                pod("controller", state=""), unscheduled_reason="Unschedulable", unscheduled_message=words
            )
        ]
    )
    assert trouble
    assert trouble.kind is Kind.UNSCHEDULABLE
    assert words in trouble.message


def test_a_final_trouble_goes_before_others_and_a_leaving_pod_is_left_out() -> None:
    busy = _waiting("ErrImagePull", "429 Too Many Requests")
    missing = _waiting("ErrImagePull", _NOT_FOUND)
    trouble = diagnose([*busy, *missing])
    assert trouble
    assert pull(trouble)[0] == "image-missing"
    assert diagnose([dataclasses.replace(missing[0], leaving=True)]) is None


@pytest.mark.parametrize(
    ("said", "final"),
    [
        ("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: …", True),
        ("0/1 nodes are available: 1 node(s) had untolerated taint {dedicated: x}.", True),
        ("0/1 nodes are available: 1 node(s) had untolerated taint(s) {dedicated: x}.", True),
        ("0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.", False),
        ("0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.", False),
        ("0/2 nodes are available: 1 node(s) had untolerated taint {gpu: x}, 1 node(s) were unschedulable.", False),
        ("0/1 nodes are available: 1 Insufficient memory.", False),
        ("0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector.", False),
    ],
)
def test_a_node_that_there_is_not_is_not_waited_for_and_room_is(said: str, final: bool) -> None:
    waiting = dataclasses.replace(
        pod("controller"), phase="Pending", containers=(), unscheduled_reason="Unschedulable", unscheduled_message=said
    )
    trouble = diagnose([waiting])
    assert trouble is not None
    assert (trouble.kind, trouble.final) == (Kind.UNSCHEDULABLE, final)


def test_what_the_kubelet_has_not_got_to_know_yet_is_waited_for() -> None:
    late = "failed to sync configmap cache: timed out waiting for the condition"
    for said, final in ((late, False), ('secret "login" not found', True)):
        trouble = diagnose(_waiting("CreateContainerConfigError", said))
        assert trouble
        assert trouble.final is final


def _event(reason: str, message: str) -> Event:
    return Event(reason=reason, about="Pod/spark-operator-controller-new-1", message=message, kind="Warning")


NO_SECRET = 'MountVolume.SetUp failed for volume "ca" : secret "corp-ca" not found'


@pytest.mark.parametrize("reason", ["FailedMount", "FailedCreatePodSandBox", "FailedAttachVolume"])
def test_a_pod_whose_containers_cannot_be_begun_with_is_told_in_the_kubelets_words(reason: str) -> None:
    (starting,) = _waiting("ContainerCreating", "")
    placed = dataclasses.replace(starting, node="node-1")
    trouble = not_set_up([placed], [_event(reason, "an older one"), _event(reason, NO_SECRET)])
    assert trouble
    assert (trouble.kind, trouble.final) == (Kind.SET_UP, False)
    assert trouble.message == f"pod spark-operator-controller-new-1 cannot be set up: {NO_SECRET}"

    assert not_set_up([placed], [_event("Scheduled", "assigned")]) is None
    assert not_set_up([dataclasses.replace(placed, leaving=True)], [_event(reason, NO_SECRET)]) is None
    running = dataclasses.replace(pod("controller"), node="node-1")
    assert not_set_up([running], [_event(reason, NO_SECRET)]) is None


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        ("SysctlForbidden", 'Pod was rejected: forbidden sysctl: "net.core.somaxconn" not allowlisted', True),
        ("AppArmor", "Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host", True),
        ("NodeShutdown", "Pod was rejected as the node is shutting down.", False),
        ("Evicted", "The node was low on resource: memory.", False),
    ],
)
def test_a_pod_that_its_node_never_takes_is_not_waited_for(reason: str, message: str, told: bool) -> None:
    rejected = dataclasses.replace(pod("controller"), phase="Failed", reason=reason, message=message, containers=())
    trouble = diagnose([rejected])
    assert (trouble is not None) is told
    if trouble:
        assert trouble.final
        assert trouble.message.endswith(f"cannot be set up: {message}")
