# SPDX-License-Identifier: Apache-2.0
"""What is said of probes that asked for creates while an operator was replaced."""

from __future__ import annotations

from path_samples import at, path

from harness.upgrades.judged import admission
from harness.upgrades.prober import Outcome, Probe
from harness.verdicts import Finding, Verdict


def probes(*outcomes: Outcome, seconds: float = 0.02) -> tuple[Probe, ...]:
    """One every 250 ms."""
    return tuple(Probe(at=at(n / 4), seconds=seconds, outcome=it, message=f"{it}") for n, it in enumerate(outcomes))


FINE = (Outcome.MUTATED,) * 20
AWAY = (Outcome.WEBHOOK_AWAY,) * 4


def judged(seen: tuple[Probe, ...], limits: float = 0.0) -> dict[str, Finding]:
    return {it.check: it for it in admission.claims(path(probes=seen, limits=limits), lambda reference: frozenset())}


def test_admission_without_an_outage_passes() -> None:
    found = judged(probes(*FINE), 100)
    assert {it.verdict for it in found.values()} == {Verdict.PASSED}
    assert found["outage"].evidence["outage_ms"] == 0


def test_an_outage_lasts_until_the_next_accepted_create() -> None:
    found = judged(probes(*FINE, *AWAY, *FINE, Outcome.REJECTED, *FINE), 1250)["outage"]
    assert found.verdict is Verdict.PASSED
    assert (found.evidence["outage_ms"], found.evidence["longest_ms"], found.evidence["refused"]) == (1250, 1000, 5)
    assert len(found.evidence["windows"]) == 2


def test_an_outage_beyond_its_limit_fails_and_without_a_limit_does_not() -> None:
    seen = probes(*FINE, *AWAY, *FINE)
    assert judged(seen, 999)["outage"].verdict is Verdict.FAILED
    assert judged(seen)["outage"].verdict is Verdict.PASSED


def test_a_slow_create_is_held_against_the_limit() -> None:
    assert judged(probes(*FINE, seconds=0.6), 500)["delay"].verdict is Verdict.FAILED
    assert judged(probes(*FINE, seconds=0.6), 700)["delay"].evidence["delay_ms"] == 600


def test_an_api_server_that_is_away_is_no_outage_of_the_webhook() -> None:
    found = judged(probes(*FINE, Outcome.SERVER_AWAY, *FINE), 1)["outage"]
    assert (found.verdict, found.evidence["server_away"]) == (Verdict.PASSED, 1)
    assert judged(probes(Outcome.SERVER_AWAY))["outage"].verdict is Verdict.ERROR


def test_a_create_without_its_defaults_fails() -> None:
    assert judged(probes(*FINE, Outcome.UNMUTATED, *FINE))["always-mutated"].verdict is Verdict.FAILED


def test_admission_that_does_not_come_back_fails() -> None:
    found = judged(probes(*FINE, *AWAY))
    assert found["admission-after"].verdict is Verdict.FAILED
    assert admission.windows(probes(*FINE, *AWAY))[0].milliseconds == 750
