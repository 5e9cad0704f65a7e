# SPDX-License-Identifier: Apache-2.0
"""What is said of schedules that fire while an operator is replaced."""

from __future__ import annotations

from dataclasses import replace

from path_samples import S, application, at, look, path

from harness.stories.moves.scenarios import schedules
from harness.upgrades.operator_watch import OperatorWatch
from harness.upgrades.workload_seen import ApplicationSeen, Part, ScheduleLook, ScheduleSeen, When
from harness.verdicts import Finding, Verdict


def runs(*seconds: float) -> tuple[ApplicationSeen, ...]:
    return tuple(
        application(Part.RUN, look(it + 5, S.COMPLETED), created=it, schedule="it", name=f"it-{it}") for it in seconds
    )


def schedule(*seconds: float, when: When = When.BEFORE) -> ScheduleSeen:
    return ScheduleSeen(
        namespace="it",
        name="it",
        uid=when,
        part=Part.RUN,
        when=when,
        every=30,
        keeps_successful=2,
        keeps_failed=1,
        created=at(-80),
        watched_until=at(140),
        looks=(
            ScheduleLook(at=at(-20), state="Scheduled", last_run=at(-20)),
            ScheduleLook(at=at(10), state="Scheduled", last_run=at(10), past_successful=("it--20",)),
        ),
        runs=runs(*seconds),
    )


NEW = schedule(-50, when=When.AFTER)


def judged(one: ScheduleSeen, *more: ScheduleSeen) -> dict[str, Finding]:
    return {it.check: it for it in schedules.judge(path(schedules=(one, *(more or (NEW,)))))}


def test_a_schedule_that_fires_in_every_slot_passes() -> None:
    found = judged(schedule(-50, -20, 10, 40, 70, 100, 130))
    assert {it.verdict for it in found.values()} == {Verdict.PASSED}


def test_a_slot_in_the_leadership_gap_is_counted_and_excused() -> None:
    found = judged(schedule(-50, -20, 32, 62, 92, 122))["slots-kept"]
    assert found.verdict is Verdict.PASSED
    assert found.evidence["missed_in_gap"] == ["12:00:10Z (no leader: 2.4.0 → 2.5.2)"]


def _watched(watch: OperatorWatch) -> Finding:
    """A schedule whose slot at 10 s has no run, on an upgrade that was seen so."""
    one = schedule(-50, -20, 32, 62, 92, 122)
    seen = path(schedules=(one,))
    return schedules.slots_kept(replace(seen, moves=(replace(seen.moves[0], watch=watch),)), one)


def test_a_slot_lost_between_two_replicas_of_before_is_excused_too() -> None:
    # With two replicas, the other one of before led from 20 s on, and the new one from 45 s.
    found = _watched(OperatorWatch(gap_began=at(25), gap_ended=at(45), handovers=((at(3), at(20)), (at(25), at(45)))))
    assert found.verdict is Verdict.PASSED
    assert found.evidence["missed_in_gap"] == ["12:00:10Z (no leader: 2.4.0 → 2.5.2)"]


def test_without_leader_election_a_slot_of_the_replacement_is_excused_and_the_reason_is_told() -> None:
    found = _watched(OperatorWatch(replaced=(at(5), at(14))))
    assert found.verdict is Verdict.PASSED
    assert "1 slot had no run in time while there was no election" in found.message


def test_without_leader_election_a_slot_of_another_time_fails() -> None:
    assert _watched(OperatorWatch(replaced=(at(13), at(20)))).verdict is Verdict.FAILED
    assert _watched(OperatorWatch()).verdict is Verdict.FAILED, "the replacement was not seen to end"


def test_a_slot_missed_at_another_time_fails() -> None:
    found = judged(schedule(-50, -20, 10, 40, 100, 130))["slots-kept"]
    assert found.verdict is Verdict.FAILED
    assert found.evidence["missed"] == ["12:01:10Z"]


def test_a_schedule_that_stops_to_fire_fails() -> None:
    assert judged(schedule(-50, -20, 10))["slots-kept"].evidence["missed"] == ["12:00:40Z", "12:01:10Z", "12:01:40Z"]


def test_a_gap_that_was_not_seen_to_end_excuses_nothing() -> None:
    seen = path(schedules=(schedule(-50, -20, 32, 62, 92, 122),))
    (move,) = seen.moves
    endless = replace(seen, moves=(replace(move, watch=replace(move.watch, gap_ended=None)),))
    assert [it.gap for it in schedules.missed(endless, schedule(-50, -20, 32, 62, 92, 122))] == [""]


def test_a_slot_with_two_runs_fails() -> None:
    found = judged(schedule(-50, -20, 10, 30, 60, 90, 120))["no-slot-doubled"]
    assert (found.verdict, found.evidence["doubled"]) == (Verdict.FAILED, 1)


def test_a_history_that_is_lost_too_long_or_turned_back_fails() -> None:
    good = schedule(-50, -20, 10, 40, 70, 100, 130)
    last = good.looks[-1]
    for bad in (
        replace(last, past_successful=()),
        replace(last, past_successful=("a", "b", "c")),
        replace(last, last_run=at(-20)),
    ):
        assert judged(replace(good, looks=(*good.looks, bad)))["history-kept"].verdict is Verdict.FAILED
    assert judged(replace(good, looks=good.looks[:1]))["history-kept"].verdict is Verdict.ERROR


def test_a_new_schedule_must_fire() -> None:
    assert judged(schedule(-50), replace(NEW, runs=()))["new-schedule-fires"].verdict is Verdict.FAILED


def test_without_a_schedule_nothing_is_proved() -> None:
    assert [it.verdict for it in schedules.judge(path())] == [Verdict.ERROR]
