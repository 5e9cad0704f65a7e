# SPDX-License-Identifier: Apache-2.0
"""Claims: from what was observed to a finding."""

from __future__ import annotations

from typing import Any

import pytest
from pod_samples import spark_pod
from program_outputs import output
from test_apps_applications import raw

from harness.apps import claims
from harness.apps.applications import Course, parse, submitted
from harness.apps.pods import SparkPod
from harness.apps.states import State
from harness.kube.models import Event
from harness.verdicts import Verdict

IMAGE = "docker.io/apache/spark:4.0.4"
OWNED = ("SparkApplication/spark-pi",)
EXECUTOR: dict[str, Any] = {"name": "exec-1", "uid": "p-2", "role": "executor", "owners": OWNED}


def course(*states: str, error: str = "") -> Course:
    """The course through some states, with an error message at the end."""
    found = submitted(raw())
    for state in states:
        found.note("MODIFIED", parse(raw(state, application_state={"errorMessage": error})), ())
    return found


def pods() -> list[SparkPod]:
    """A driver and an executor as they should be."""
    return [spark_pod(owners=OWNED), spark_pod(**EXECUTOR)]


def judge(seen: list[SparkPod]) -> tuple[Verdict, str]:
    """Verdict and message about pods."""
    finding = claims.pods(seen, image=IMAGE, service_account="spark-operator-spark")
    return finding.verdict, finding.message


def test_the_states_of_a_success() -> None:
    finding = claims.states(course("SUBMITTED", "RUNNING", "SUCCEEDING", "COMPLETED"))
    assert finding.verdict is Verdict.PASSED
    assert finding.message == "(new) → SUBMITTED → RUNNING → SUCCEEDING → COMPLETED"


def test_the_cause_in_a_long_error_comes_first_and_the_whole_is_kept() -> None:
    printed = output("no-account-jdk-17")
    finding = claims.states(course("SUBMISSION_FAILED", "FAILED", error=printed.text))
    assert finding.message.startswith(f"{printed.cause}; expected SUBMITTED")
    assert finding.evidence["error"] == printed.text


def test_a_log_without_pi_says_why() -> None:
    printed = output("python-no-module")
    assert claims.pi(printed.text).message.startswith(f"{printed.cause}; the driver's log has no line")


def test_a_failure_is_told_with_the_operators_reason() -> None:
    finding = claims.states(course("SUBMITTED", "RUNNING", "FAILING", "FAILED", error="ExitCode: 1"))
    assert finding.verdict is Verdict.FAILED
    assert finding.message.startswith("ExitCode: 1; expected")
    assert "FAILING → FAILED" in finding.message


def test_an_impossible_step_fails_whatever_the_end() -> None:
    finding = claims.states(course("RUNNING", "SUCCEEDING", "COMPLETED"))
    assert finding.verdict is Verdict.FAILED
    assert "(new) → RUNNING is not a transition" in finding.message


def test_a_state_that_was_set_back_is_no_step_of_the_operators() -> None:
    finding = claims.states(course("SUBMITTED", "RUNNING", "", "SUBMITTED", "RUNNING", "COMPLETED"))
    assert finding.verdict is Verdict.FAILED
    assert finding.message.startswith("RUNNING → (new) is not a transition")


def test_other_ends_can_be_wanted() -> None:
    finding = claims.states(course("SUBMISSION_FAILED", "FAILED"), (State.SUBMISSION_FAILED, State.FAILED))
    assert finding.verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("log", "verdict"),
    [
        ("Pi is roughly 3.1416", Verdict.PASSED),
        ("Pi is roughly 3.2", Verdict.FAILED),
        ("Pi is a number", Verdict.FAILED),
    ],
)
def test_pi_must_be_near(log: str, verdict: Verdict) -> None:
    assert claims.pi(log).verdict is verdict


@pytest.mark.parametrize(
    ("log", "verdict"),
    [
        ("INFO SparkContext: Running Spark version 3.5.5", Verdict.PASSED),
        ("INFO SparkContext: Running Spark version 4.0.4", Verdict.FAILED),
        ("", Verdict.FAILED),
    ],
)
def test_the_spark_that_ran_must_be_the_one_asked_for(log: str, verdict: Verdict) -> None:
    assert claims.spark_version(log, "3.5.5").verdict is verdict


def test_driver_and_executor_as_they_should_be() -> None:
    assert judge(pods()) == (Verdict.PASSED, f"a driver and 1 executor(s) of {IMAGE} ran on node-1")


def test_no_pod_at_all_is_a_failure() -> None:
    verdict, message = judge([])
    assert verdict is Verdict.FAILED
    assert message == "0 driver pods instead of 1; 0 executor pods instead of 1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": "docker.io/apache/spark:latest"}, "has the image docker.io/apache/spark:latest instead of"),
        ({"service_account": "default"}, "runs as default instead of spark-operator-spark"),
        ({"node": ""}, "never had a node"),
        ({"owners": ()}, "has no owner"),
    ],
)
def test_what_is_wrong_with_a_pod_is_named(change: dict[str, Any], words: str) -> None:
    driver, _ = pods()
    verdict, message = judge([driver, spark_pod(**{**EXECUTOR, **change})])
    assert verdict is Verdict.FAILED
    assert f"exec-1 {words}" in message


def told(*reasons: str, name: str = "spark-pi") -> list[Event]:
    """Events about an application."""
    return [Event(reason=reason, about=f"SparkApplication/{name}", message="", kind="Normal") for reason in reasons]


def test_all_events_must_be_told() -> None:
    seen = told(*claims.SUCCESS_EVENTS, "SparkExecutorRunning")
    assert claims.events(seen, "spark-pi").verdict is Verdict.PASSED
    missing = claims.events(seen[:2], "spark-pi")
    assert missing.message == "no event SparkDriverCompleted, SparkExecutor… about SparkApplication/spark-pi"


def test_events_about_another_application_do_not_count() -> None:
    seen = told(*claims.SUCCESS_EVENTS, "SparkExecutorRunning", name="other")
    assert claims.events(seen, "spark-pi").verdict is Verdict.FAILED


def test_the_line_that_a_sample_prints_is_compared() -> None:
    assert claims.said("c", "driver read: x\n", "driver read", "x").verdict is Verdict.PASSED
    assert "only says ['y']" in claims.said("c", "driver read: y\n", "driver read", "x").message
    assert "has no such line" in claims.said("c", "", "driver read", "x").message
