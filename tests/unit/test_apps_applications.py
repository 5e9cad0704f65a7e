# SPDX-License-Identifier: Apache-2.0
"""SparkApplications as the API shows them, and the course of one."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client
from pod_samples import spark_pod

from harness.apps import claims
from harness.apps.applications import Course, ImagePulls, of, parse, submitted, until_end
from harness.apps.objects import Objects
from harness.apps.pods import LABEL_SCHEDULE, SparkPod
from harness.apps.states import State
from harness.errors import ApiError
from harness.kube.models import Event
from harness.verdicts import Verdict


def raw(state: str = "", **status: Any) -> dict[str, Any]:
    """A SparkApplication in a state."""
    return {
        "metadata": {"name": "spark-pi", "uid": "u-0", "resourceVersion": "7"},
        "status": {"applicationState": {"state": state, **status.pop("application_state", {})}, **status},
    }


def test_the_status_is_read() -> None:
    application = parse(
        raw(
            "FAILED",
            application_state={"errorMessage": "driver container failed with ExitCode: 3, Reason: Error"},
            executionAttempts=2,
            submissionAttempts=2,
            driverInfo={"podName": "spark-pi-driver"},
            executorState={"exec-1": "RUNNING"},
        )
    )
    assert application.state is State.FAILED
    assert application.execution_attempts == 2
    assert application.driver_pod == "spark-pi-driver"
    assert application.executors == {"exec-1": "RUNNING"}
    assert str(application) == "spark-pi FAILED: driver container failed with ExitCode: 3, Reason: Error"


def test_the_reason_of_a_driver_that_failed_begins_with_what_its_log_says() -> None:
    asked: list[str] = []

    class Core:
        def read_namespaced_pod_log(self, pod: str, namespace: str, **_: Any) -> SimpleNamespace:
            asked.append(f"{namespace}/{pod}")
            return SimpleNamespace(
                data=b'Exception in thread "main" java.io.IOException: no space\n\tat a.B.c(B.java:1)\n'
            )

    ended = raw(
        "FAILED",
        application_state={"errorMessage": "driver container failed with ExitCode: 1, Reason: Error"},
        driverInfo={"podName": "spark-pi-driver"},
    )
    objects: Any = SimpleNamespace(core=Core(), namespace="spark")
    context: Any = None
    finding = claims.states(until_end(context, objects, ended))
    assert finding.message.startswith("java.io.IOException: no space; driver container failed with ExitCode: 1")
    assert asked == ["spark/spark-pi-driver"]


def test_an_application_without_status_is_new() -> None:
    application = parse({"metadata": {"name": "a", "uid": "u"}})
    assert application.state is State.NEW
    assert str(application) == "a (no state yet)"


def test_a_state_of_a_later_operator_is_unknown() -> None:
    assert parse(raw("HIBERNATING")).state is State.UNKNOWN


def test_a_course_holds_each_state_once_in_a_row() -> None:
    course = submitted(raw())
    for state in ("SUBMITTED", "SUBMITTED", "RUNNING", "SUBMITTED"):
        course.note("MODIFIED", parse(raw(state)), ())
    assert course.history == [State.NEW, State.SUBMITTED, State.RUNNING, State.SUBMITTED]


def test_a_pod_on_its_way_out_is_remembered_as_it_was() -> None:
    course = submitted(raw())
    course.note("MODIFIED", parse(raw("RUNNING")), [spark_pod()])
    course.note("MODIFIED", parse(raw("RUNNING")), [spark_pod(leaving=True, node="")])
    assert [seen.node for seen in course.pods.values()] == ["node-1"]


def test_two_pods_of_one_name_are_two_pods() -> None:
    course = submitted(raw())
    course.note("MODIFIED", parse(raw("RUNNING")), [spark_pod()])
    course.note("MODIFIED", parse(raw("RUNNING")), [spark_pod(uid="p-2")])
    assert len(course.pods) == 2


def test_a_deletion_is_part_of_the_course() -> None:
    course = submitted(raw())
    course.note("DELETED", parse(raw("COMPLETED")), ())
    assert course.deleted


def test_a_course_without_a_look_has_no_application() -> None:
    with pytest.raises(LookupError):
        _ = Course().last


class Pods:
    """Pods as an API server would show them, one look after the other; it stands in for `Objects`."""

    def __init__(self, *looks: str | Exception) -> None:
        self._looks = list(looks)

    def spark_pods(self) -> list[SparkPod]:
        """The next look."""
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, Exception):
            raise look
        reason, _, message = look.partition(": ")
        state = "waiting" if look else "running"
        return [spark_pod(phase="Pending", state=state, container_reason=reason, container_message=message)]

    def events(self) -> list[Event]:
        return []


_SAID = 'failed to pull and unpack image "docker.io/apache/spark:4.0.4"'
MISSING = f'ImagePullBackOff: Back-off pulling image "docker.io/apache/spark:4.0.4": ErrImagePull: {_SAID}: not found'
BUSY = f"ErrImagePull: {_SAID}: unexpected status: 429 Too Many Requests"


def looks_until_hopeless(pods: Pods) -> tuple[int, str]:
    pulls = ImagePulls(pods)  # type: ignore[arg-type]
    for number in range(1, 20):
        said = pulls.hopeless()
        if said:
            return number, said
    return 0, ""


def test_an_image_that_its_registry_does_not_have_ends_the_wait_at_the_second_look() -> None:
    number, said = looks_until_hopeless(Pods(MISSING))

    assert number == 2
    assert said.startswith("the image docker.io/apache/spark:4.0.4 of spark-pi-driver cannot be pulled: ")
    assert said.endswith("docker.io has no such image: not found")


def test_a_registry_in_trouble_is_given_time() -> None:
    number, said = looks_until_hopeless(Pods(BUSY))

    assert number == 8
    assert "429 Too Many Requests" in said


def test_a_pull_that_came_through_is_forgotten() -> None:
    assert looks_until_hopeless(Pods(*[BUSY] * 7, "", *[BUSY] * 7, "")) == (0, "")


def test_pods_that_wait_for_something_else_and_an_api_server_that_is_away_are_not_hopeless() -> None:
    assert looks_until_hopeless(Pods("Unschedulable: 0/1 nodes are available")) == (0, "")
    assert looks_until_hopeless(Pods(ApiError("the API server answered 503", status=503))) == (0, "")


def test_pods_of_an_application_are_known_by_the_operators_labels_alone() -> None:
    # The operator copies labels of an application to its pods: here two that are named as other applications.
    mine, other = spark_pod(application="etl"), spark_pod(application="etl-daily")
    other = replace(other, labels={**other.labels, "app": "etl", "team": "driver"})
    assert of("etl", [mine, other]) == [mine]
    assert of("etl-daily", [mine, other]) == [other]
    assert of("driver", [mine, other]) == []
    run = replace(other, labels={**other.labels, LABEL_SCHEDULE: "nightly"})
    assert of("nightly", [mine, run]) == [run]


def test_states_that_passed_while_a_watch_was_broken_off_prove_nothing() -> None:
    course = submitted(raw("SUBMITTED"))
    there = raw("COMPLETED")
    there["metadata"]["resourceVersion"] = "99"
    course.note("ADDED", parse(there), ())
    finding = claims.states(course)
    assert finding.verdict is Verdict.ERROR
    assert finding.message.startswith("the watch was broken off")


def test_what_fails_after_a_watch_was_broken_off_has_failed() -> None:
    course = submitted(raw("SUBMITTED"))
    there = raw("FAILED", application_state={"errorMessage": "driver container failed with ExitCode: 3, Reason: Error"})
    there["metadata"]["resourceVersion"] = "99"
    course.note("ADDED", parse(there), ())
    finding = claims.states(course)
    assert finding.verdict is Verdict.FAILED
    assert finding.message.startswith("driver container failed with ExitCode: 3")


def test_a_list_that_tells_what_is_known_interrupts_nothing() -> None:
    course = submitted(raw("SUBMITTED"))
    course.note("ADDED", parse(raw("SUBMITTED")), ())
    assert not course.interrupted


def test_a_pod_that_had_no_node_when_it_was_seen_is_looked_at_while_it_leaves() -> None:
    course = submitted(raw("SUBMITTED"))
    waits = spark_pod("executor", node="", phase="Pending")
    course.note("MODIFIED", parse(raw("RUNNING")), [waits])
    course.note("MODIFIED", parse(raw("RUNNING")), [replace(waits, node="node-1", leaving=True)])
    assert [it.node for it in course.pods.values()] == ["node-1"]


def test_an_api_server_that_is_too_busy_for_a_create_is_asked_again() -> None:
    answers = iter([ApiError("busy", status=429, reason="Too Many Requests"), {"kind": "SparkApplication"}])

    def create(*where: Any, field_validation: str) -> Any:
        answer = next(answers)
        if isinstance(answer, ApiError):
            raise answer
        return answer

    objects = Objects(client.ApiClient(), "jobs")
    objects.custom = SimpleNamespace(create_namespaced_custom_object=create)
    assert objects.create([{"kind": "SparkApplication", **raw()}]) == [{"kind": "SparkApplication"}]
