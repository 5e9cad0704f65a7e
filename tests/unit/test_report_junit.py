# SPDX-License-Identifier: Apache-2.0
"""junit.xml as a CI system reads it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from report_samples import FINDINGS, LOCK, result, run

from harness.report import junit


def parsed(text: str) -> ET.Element:
    suite = ET.fromstring(text).find("testsuite")  # noqa: S314  our own document
    assert suite is not None
    return suite


def test_every_verdict_has_its_place() -> None:
    suite = parsed(junit.render(run(*FINDINGS)))
    outcomes = {}
    for case in suite.iter("testcase"):
        children = [child for child in case if child.tag != "properties"]
        outcomes[case.get("name")] = (children[0].tag, children[0].get("type")) if children else None
        assert case.get("classname") == "kind-1.34/install-2.5.2"
        assert case.get("time") == "33.8"
    assert outcomes == {
        "spark-pi": None,
        "scheduled": ("skipped", "xfailed"),
        "ttl": ("skipped", "unavailable"),
        "retry": ("failure", "failed"),
        "config-map": ("error", "error"),
    }
    counted = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counted == {"tests": "5", "failures": "1", "errors": "1", "skipped": "2"}


def test_a_case_carries_its_repro_line_and_what_was_seen() -> None:
    (case,) = parsed(junit.render(run("retry"))).iter("testcase")
    properties = {it.get("name"): it.get("value") for it in case.iter("property")}
    assert properties["repro"] == f"nox -s e2e -- --cell kind-1.34/install-2.5.2/retry --lock {LOCK}"
    assert properties["lock"] == LOCK
    assert properties["evidence"] == "kind-1.34/install-2.5.2/retry"
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message", "").startswith("state is <COMPLETED> | not FAILED")
    assert "failed: attempts: 1 attempt instead of 3" in (failure.text or "")


def test_what_xml_cannot_hold_is_taken_out() -> None:
    (error,) = parsed(junit.render(run("config-map"))).iter("error")
    assert error.get("message") == "the API server\N{REPLACEMENT CHARACTER} went away"


def test_a_cell_without_a_result_is_an_error_once_the_run_has_ended() -> None:
    planned = {"planned": ("kind-1.34/install-2.5.2/spark-pi", "kind-1.36/install-2.5.2/ttl")}
    going_on = parsed(junit.render(run("spark-pi", ended=None, **planned)))
    assert (going_on.get("tests"), going_on.get("errors")) == ("1", "0")
    suite = parsed(junit.render(run("spark-pi", **planned)))
    assert (suite.get("tests"), suite.get("errors")) == ("2", "1")
    assert [case.get("classname") for case in suite.iter("testcase") if case.find("error") is not None] == [
        "kind-1.36/install-2.5.2"
    ]


def test_repeated_cells_are_told_apart() -> None:
    twice = run().model_copy(update={"cells": (result("spark-pi"), result("spark-pi", attempt=2))})
    assert [case.get("name") for case in parsed(junit.render(twice)).iter("testcase")] == [
        "spark-pi",
        "spark-pi (attempt 2)",
    ]
