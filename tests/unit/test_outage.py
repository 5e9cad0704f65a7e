# SPDX-License-Identifier: Apache-2.0
"""What is said of probes that asked for creates while an operator was replaced."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import pytest
import scripted_webhook
from path_samples import at, path

from harness.matrix.model import Move
from harness.releases import admission_samples
from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.stories.moves.scenarios import admission
from harness.upgrades.prober import Outcome, Probe
from harness.verdicts import Finding, Verdict

SHAPES = (admission_samples.BARE, admission_samples.CONFIGURED)


def probes(*outcomes: Outcome, seconds: float = 0.02, version: str = "2.5.2") -> tuple[Probe, ...]:
    """One every 250 ms; what is accepted has the defaults of a release."""
    return tuple(
        Probe(at=at(n / 4), seconds=seconds, outcome=it, message=it, shape=shape, spec=stored(version, shape))
        if it is not Outcome.ACCEPTED
        else Probe(at=at(n / 4), seconds=seconds, outcome=it, shape=shape, spec=stored(version, shape))
        for n, (it, shape) in enumerate(zip(outcomes, itertools.cycle(SHAPES), strict=False))
    )


def stored(version: str, shape: str) -> Mapping[str, Any]:
    answer = scripted_webhook.asked(version, admission_samples.sample("ns", shape=shape))
    spec: Mapping[str, Any] = answer.result["spec"]
    return spec


FINE = (Outcome.ACCEPTED,) * 20
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


def test_a_create_that_passed_the_webhook_by_fails() -> None:
    seen = probes(*FINE, Outcome.ACCEPTED, *FINE)
    past = dataclasses.replace(seen[20], spec=admission_samples.sample("ns")["spec"])
    found = judged((*seen[:20], past, *seen[21:]))["always-mutated"]
    assert found.verdict is Verdict.FAILED
    assert "mode is None, of 2.4.0 'cluster'" in found.message


def test_admission_that_does_not_come_back_fails() -> None:
    found = judged(probes(*FINE, *AWAY))
    assert found["admission-after"].verdict is Verdict.FAILED
    assert admission.windows(probes(*FINE, *AWAY))[0].milliseconds == 750


def moved(
    before: str, after: str, origin: str, target: str, operator: ObservedOperator | Unseen, kind: Any = "upgrade"
) -> dict[str, Finding]:
    """A move during whose first 5 s one release's webhook answers, and then another's."""
    seen = (*probes(*FINE, version=before), *probes(*FINE, *FINE, version=after)[20:])
    one = path(probes=seen)
    move = dataclasses.replace(
        one.moves[0],
        move=Move(kind=kind, origin=origin, target=target),
        origin=scripted_webhook.release(origin),
        target=scripted_webhook.release(target),
        operator=operator,
    )
    return {it.check: it for it in admission.claims(dataclasses.replace(one, moves=(move,)), lambda it: frozenset())}


@pytest.mark.parametrize("origin", ["2.0.2", "2.1.1", "2.2.1"])
@pytest.mark.parametrize("target", ["2.2.1", "2.3.0", "2.5.2"])
def test_an_upgrade_is_judged_by_both_releases_meanwhile_and_by_the_new_one_in_the_end(
    origin: str, target: str
) -> None:
    found = moved(origin, target, origin, target, scripted_webhook.serving(target, others=(origin,)))
    assert {it.verdict for it in found.values()} == {Verdict.PASSED}, found


def test_what_changes_for_applications_is_told() -> None:
    found = moved("2.1.1", "2.5.2", "2.1.1", "2.5.2", scripted_webhook.serving("2.5.2", others=("2.1.1",)))
    (told,) = found["always-mutated"].evidence["changes"]
    assert "executor.instances get 1 from the webhook with 2.5.2" in told


def test_a_rollback_ends_with_the_defaults_of_the_older_release() -> None:
    back = scripted_webhook.serving("2.1.1", others=("2.5.2",))
    found = moved("2.5.2", "2.1.1", "2.5.2", "2.1.1", back, "rollback")
    assert {it.verdict for it in found.values()} == {Verdict.PASSED}, found


@pytest.mark.parametrize(
    ("installed", "others", "webhook"), [("2.5.2", ("2.1.1",), "2.1.1"), ("2.1.1", ("2.5.2",), "")]
)
def test_where_the_move_does_not_take_place_the_old_defaults_are_right(
    installed: str, others: tuple[str, ...], webhook: str
) -> None:
    """As with `pinned-registry`, whose new pods have no image, and with `reuse`, which Helm gives up."""
    seen = scripted_webhook.serving(installed, others=others, webhook=webhook)
    found = moved("2.1.1", "2.1.1", "2.1.1", "2.5.2", seen)
    assert {it.verdict for it in found.values()} == {Verdict.PASSED}, found
    assert found["admission-after"].message.endswith("the defaults of 2.1.1")


def test_a_new_webhook_that_fills_in_what_the_old_one_did_fails_in_the_end() -> None:
    found = moved("2.1.1", "2.1.1", "2.1.1", "2.5.2", scripted_webhook.serving("2.5.2", others=("2.1.1",)))
    assert found["always-mutated"].verdict is Verdict.PASSED
    assert found["admission-after"].verdict is Verdict.FAILED
    assert "driver.cores is None, of 2.5.2 1" in found["admission-after"].message


def test_where_the_operator_could_not_be_looked_at_either_release_may_answer() -> None:
    for version in ("2.1.1", "2.5.2"):
        found = moved("2.1.1", version, "2.1.1", "2.5.2", Unseen(reason="away"))
        assert found["admission-after"].verdict is Verdict.PASSED


def with_values(seen: tuple[Probe, ...], values: Mapping[str, Any], limits: float = 100) -> dict[str, Finding]:
    healthy = path(probes=seen, limits=limits)
    (move,) = healthy.moves
    changed = dataclasses.replace(healthy, moves=(dataclasses.replace(move, values=values),))
    return {it.check: it for it in admission.claims(changed, lambda reference: frozenset())}


def passed_by(count: int) -> tuple[Probe, ...]:
    """Creates that the API server accepts as they are, since it cannot ask the webhook."""
    return tuple(
        dataclasses.replace(probe, spec=admission_samples.sample("ns", shape=probe.shape)["spec"])
        for probe in probes(*(Outcome.ACCEPTED,) * count)
    )


def test_without_a_webhook_there_is_nothing_to_judge() -> None:
    found = with_values(passed_by(20), {"webhook": {"enable": False}})
    assert {it.check: it.verdict for it in found.values()} == {"outage": Verdict.UNAVAILABLE}
    assert "webhook.enable" in found["outage"].message


def test_what_passes_a_webhook_by_that_may_fail_is_told_and_no_fault() -> None:
    seen = (*probes(*FINE), *passed_by(3), *probes(*FINE))
    found = with_values(seen, {"webhook": {"failurePolicy": "Ignore"}})
    assert {it.verdict for it in found.values()} == {Verdict.PASSED}
    assert "3 creates passed the webhook by while it was away" in found["always-mutated"].message
    assert with_values(seen, {})["always-mutated"].verdict is Verdict.FAILED


def test_a_webhook_that_may_fail_must_still_fill_in_what_is_right() -> None:
    half = dataclasses.replace(passed_by(1)[0], spec={**passed_by(1)[0].spec, "mode": "client"})
    found = with_values((*probes(*FINE), half, *probes(*FINE)), {"webhook": {"failurePolicy": "Ignore"}})
    assert found["always-mutated"].verdict is Verdict.FAILED


def test_a_webhook_that_may_fail_must_answer_in_the_end() -> None:
    found = with_values((*probes(*FINE), *passed_by(20)), {"webhook": {"failurePolicy": "Ignore"}})
    assert found["admission-after"].verdict is Verdict.FAILED
