# SPDX-License-Identifier: Apache-2.0
"""Verdicts: which is worse, and that a cell without findings has proved nothing."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from harness.verdicts import Finding, Verdict, errored, failed, passed, unavailable, worst

KNOWN = Finding(check="k", verdict=Verdict.BROKEN_AS_KNOWN, message="as predicted")


def test_the_worst_finding_is_the_verdict_whatever_its_place() -> None:
    ladder = [passed("a", "held"), KNOWN, unavailable("c", "no image"), failed("d", "did not"), errored("e", "host")]
    for length in range(1, len(ladder) + 1):
        best_first = ladder[:length]
        assert worst(best_first) is worst(reversed(best_first)) is best_first[-1].verdict


def test_nothing_looked_at_is_an_error_and_not_a_pass() -> None:
    assert worst([]) is Verdict.ERROR


def test_the_words_are_those_of_the_reports() -> None:
    assert [str(verdict) for verdict in Verdict] == ["passed", "broken-as-known", "unavailable", "failed", "error"]


def test_a_finding_keeps_its_facts_and_cannot_be_changed() -> None:
    finding = passed("digests", "2 images", count=2, names=["a", "b"])

    assert (finding.check, finding.verdict, finding.evidence) == (
        "digests",
        Verdict.PASSED,
        {"count": 2, "names": ["a", "b"]},
    )
    with pytest.raises(ValidationError):
        finding.verdict = Verdict.FAILED
    with pytest.raises(ValidationError):
        Finding.model_validate({"check": "a", "verdict": "fine", "message": "m"})
