# SPDX-License-Identifier: Apache-2.0
"""Breaks that belong to an environment: what each scenario said there when it ran, and what it counts as."""

from __future__ import annotations

import pytest

from harness import stories
from harness.checks import expectation
from harness.matrix import catalogue, expand
from harness.verdicts import Finding, Verdict, failed, passed

UNKNOWN = "java.nio.file.AccessDeniedException: /opt/spark/work-dir/spark-examples_2.13-4.0.4.jar"
NO_IPV4 = 'Service "driver-svc" is invalid: spec.ipFamilies[0]: Invalid value: "IPv4": not configured on this cluster'
ENDED = "expected SUBMITTED → RUNNING → COMPLETED, saw (new) → SUBMITTED → RUNNING → FAILING → FAILED"


def of_a_driver_that_failed(scenario: str, cause: str) -> list[Finding]:
    """The findings of a scenario whose driver ended at once, as a run on a cluster had them."""
    found = [
        failed("states", f"{cause}; driver container failed with ExitCode: 1, Reason: Error; {ENDED}"),
        failed("pods", "0 executor pods instead of 1"),
        failed("events", "no event SparkDriverCompleted, SparkExecutor… about SparkApplication/spark-pi"),
    ]
    if scenario == "custom-resources":
        found.append(failed("executor-resources", "the executor's specification was not seen: there was no pod"))
        found.append(
            failed("executor-resources-given", "what the kubelet gave the executor was not seen: there was no pod")
        )
    elif scenario == "config-map":
        found.append(failed("executor-reads-config-map", "the log should say 'executor read: x', but has no such line"))
    else:
        found.append(failed("pi", f"{cause}; the driver's log has no line 'Pi is roughly …'"))
        found.append(failed("spark-version", "asked for Spark 4.0.4, the driver's log announces no version"))
    if scenario == "pod-template":
        found.append(failed("executor-template", "no executor pod was seen"))
    return found


@pytest.mark.parametrize("scenario", ["spark-pi", "custom-resources", "namespaces", "pod-template", "config-map"])
@pytest.mark.parametrize(
    ("environment", "cause"), [("kind-1.34-unknown-users", UNKNOWN), ("kind-1.34-ipv6", NO_IPV4)], ids=["users", "ipv6"]
)
def test_an_application_that_cannot_run_there_is_broken_as_known(environment: str, cause: str, scenario: str) -> None:
    found = judged(environment, scenario, of_a_driver_that_failed(scenario, cause))
    assert {it.verdict for it in found} == {Verdict.BROKEN_AS_KNOWN}


def test_another_end_of_its_driver_is_still_a_failure() -> None:
    found = judged("kind-1.34-unknown-users", "spark-pi", [failed("states", f"java.lang.OutOfMemoryError; {ENDED}")])
    assert [it.verdict for it in found] == [Verdict.FAILED]


def test_an_application_that_runs_there_is_not_missed() -> None:
    found = judged(
        "kind-1.34-unknown-users", "config-map", [passed("states", "(new) → SUBMITTED → RUNNING → COMPLETED")]
    )
    assert [it.verdict for it in found] == [Verdict.PASSED]


def test_what_follows_from_such_an_end_is_no_excuse_where_the_application_completed() -> None:
    went = passed("states", "(new) → SUBMITTED → RUNNING → COMPLETED")
    silent = failed("events", "no event SparkDriverCompleted about SparkApplication/spark-pi")
    found = judged("kind-1.34-unknown-users", "spark-pi", [went, silent])
    assert [it.verdict for it in found] == [Verdict.PASSED, Verdict.FAILED]


def judged(environment: str, scenario: str, findings: list[Finding]) -> list[Finding]:
    """What the findings are in this environment, after an install of 2.5.2."""
    known = catalogue.load()
    path = expand.find_path(known, "install-2.5.2")
    cell = expand.cell(known.environment(environment), path, stories.scenarios()[scenario])
    # That the release does not start there with the chart's defaults is another row's concern, and others have `when`.
    rows = [it for it in cell.path.known if it.environments and it.check != "release-installed"]
    return expectation.judge(findings, rows, scenario)
