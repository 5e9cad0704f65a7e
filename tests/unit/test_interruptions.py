# SPDX-License-Identifier: Apache-2.0
"""What an exception says of the check that it interrupted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.errors import (
    ApiError,
    ApiServerAway,
    CommandError,
    HarnessError,
    ReleaseError,
    UnavailableError,
    WaitTimeout,
)
from harness.kube.interruptions import findings_of
from harness.verdicts import Finding, Verdict, failed, passed, unavailable
from harness.waiting import Cancelled


def raising(error: BaseException) -> Callable[[], list[Finding]]:
    def act() -> list[Finding]:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "verdict", "words"),
    [
        (WaitTimeout("waited 60 s for COMPLETED", "kubectl describe it"), Verdict.FAILED, "next: kubectl describe it"),
        (CommandError("helm ended with status 1"), Verdict.ERROR, "helm ended"),
        (UnavailableError("no such image"), Verdict.ERROR, "no such image"),
        (ApiError("the API server answered 503 Unavailable", status=503), Verdict.ERROR, "the API server answered 503"),
        (ApiServerAway("the API server did not answer: refused"), Verdict.ERROR, "the API server did not answer"),
        (KeyError("bug"), Verdict.ERROR, "the harness failed: KeyError: 'bug'"),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, Exception) else str(it)[:12],
)
def test_only_a_wait_in_vain_is_the_products_fault(error: Exception, verdict: Verdict, words: str) -> None:
    (finding,) = findings_of("it", raising(error))
    assert (finding.check, finding.verdict) == ("it", verdict)
    assert words in finding.message
    assert ("traceback" in finding.evidence) == isinstance(error, KeyError)


def test_whoever_knows_better_says_which_errors_mean_what() -> None:
    verdicts = {ReleaseError: failed, UnavailableError: unavailable}
    errors = (ReleaseError("a"), UnavailableError("b"), WaitTimeout("c"), HarnessError("d"))
    found = [findings_of("it", raising(error), verdicts)[0].verdict for error in errors]
    assert found == [Verdict.FAILED, Verdict.UNAVAILABLE, Verdict.ERROR, Verdict.ERROR]


def test_findings_are_left_as_they_are_and_the_end_of_a_run_is_none() -> None:
    assert findings_of("it", lambda: iter([passed("state", "held")])) == [passed("state", "held")]
    with pytest.raises(Cancelled):
        findings_of("it", raising(Cancelled("ctrl-c")))
