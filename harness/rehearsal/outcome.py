# SPDX-License-Identifier: Apache-2.0
"""What a rehearsal amounts to: for each move what held and what broke, and the steps that made it hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.rehearsal.plan import BACK, PLAIN, STEPS, Plan
from harness.report.advice import Advice, Answer
from harness.report.model import CellResult, RehearsalResult, RehearsedMove, RunResult
from harness.report.path_results import OWN
from harness.report.text import first_line
from harness.verdicts import Verdict

_HELD = "held, but for a race"
_WORSE = (Answer.SAFE, Answer.WITH_STEPS, Answer.NOT_KNOWN, Answer.NOT_SAFE)
_BAD = (Verdict.FAILED, Verdict.BROKEN_AS_KNOWN)
_UNPROVED = (Verdict.UNAVAILABLE, Verdict.ERROR)


def outcome(plan: Plan, run: RunResult, advice: Advice, summaries: Mapping[str, str]) -> RehearsalResult:
    """The result of a rehearsal. `summaries` say what each scenario claims; `advice` is that for the site's move."""
    moves = tuple(_judged(it, run, summaries) for it in plan.moves)
    answer = _with_advice(_answer({it.what: it for it in moves}), advice.answer)
    site = plan.reading.site
    return RehearsalResult(
        site=site.context,
        made=site.made,
        there=site.cluster.version,
        environment=plan.environment,
        kubernetes=plan.kubernetes,
        origin=plan.origin,
        target=plan.target,
        answer=answer,
        stored=sum(it.count for it in site.applications),
        applications=dict(plan.applications.counts),
        moves=moves,
        steps=tuple(map(str, advice.steps)) if answer is Answer.WITH_STEPS else (),
        seen=tuple(map(str, (*advice.values, *advice.objects, *advice.site))),
        otherwise=plan.otherwise,
    )


def exit_status(result: RehearsalResult, leaks: Sequence[str] = ()) -> int:
    """0 where the move holds and can be taken back; 1 where it breaks; 3 where that is not known, or something is left.

    `leaks` is what the run has left behind, which it has told.
    """
    return Answer(result.answer).exit_status or (3 if leaks else 0)


def _with_advice(answer: Answer, advised: Answer) -> Answer:
    """The answer in view of what the snapshot says of applications and values that were not rehearsed."""
    return answer if advised is Answer.NOT_KNOWN else max(answer, advised, key=_WORSE.index)


def _answer(moves: Mapping[str, RehearsedMove]) -> Answer:
    """The plain move where it held, else that with steps. A known break on the way back is only told."""
    plain, steps, back = moves[PLAIN].answer, moves[STEPS].answer, moves[BACK].answer
    if back == "broke":
        return Answer.NOT_SAFE
    if moves[BACK].unproved:
        return Answer.NOT_SAFE if steps.startswith("broke") else Answer.NOT_KNOWN
    if plain == "held":
        return Answer.SAFE
    if _HELD in (plain, steps) or steps == "held":
        return Answer.WITH_STEPS
    return Answer.NOT_SAFE if steps.startswith("broke") else Answer.NOT_KNOWN


def _judged(move: RehearsedMove, run: RunResult, summaries: Mapping[str, str]) -> RehearsedMove:
    cells = [it for it in run.cells if it.path == move.path]
    names = {it.id for it in cells}
    missing = [it for it in run.planned if it.split("/")[1] == move.path and it not in names]
    broke = [it for it in cells if it.verdict in _BAD]
    unproved = [f"{it.scenario}: {first_line(it.reason)}" for it in cells if it.verdict in _UNPROVED]
    unproved += [f"{it.rpartition('/')[2]}: no result" for it in missing]
    found: dict[str, object] = {
        "answer": _state(broke, proved=bool(cells) and not unproved),
        "held": tuple(_held(it, summaries) for it in cells if it.verdict is Verdict.PASSED),
        "broke": tuple(map(_broke, broke)),
        "unproved": tuple(unproved),
    }
    return move.model_copy(update=found)


def _state(broke: Sequence[CellResult], *, proved: bool) -> str:
    """What a move amounts to; a race is no break, since it does not strike every time."""
    if any(it.verdict is Verdict.FAILED for it in broke):
        return "broke"
    known = [check for it in broke for check in it.checks if check.verdict is Verdict.BROKEN_AS_KNOWN]
    if any(it.evidence.get("strikes") != "sometimes" for it in known):
        return "broke as known"
    if not proved:
        return "not proved"
    return _HELD if broke else "held"


def _held(cell: CellResult, summaries: Mapping[str, str]) -> str:
    if cell.scenario == OWN:
        passed = sum(it.verdict is Verdict.PASSED and it.name.startswith("user-app ") for it in cell.checks)
        return f"{cell.scenario}: {passed} applications of the site, each with a copy that was submitted afterwards"
    return f"{cell.scenario}: {summaries.get(cell.scenario, '')}".removesuffix(": ")


def _broke(cell: CellResult) -> str:
    bad = [it for it in cell.checks if it.verdict in _BAD]
    said = "; ".join(f"{it.name}: {first_line(it.message)}" for it in bad) or first_line(cell.reason)
    out = dict.fromkeys(str(it.evidence["way_out"]) for it in bad if it.evidence.get("way_out"))
    way = f". Way out: {'; '.join(out)}" if out else ""
    return f"{cell.scenario} ({cell.verdict}): {said}{way}"
