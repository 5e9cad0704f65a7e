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

_UNPROVED = (Verdict.UNAVAILABLE, Verdict.ERROR)


def outcome(plan: Plan, run: RunResult, advice: Advice, summaries: Mapping[str, str]) -> RehearsalResult:
    """The result of a rehearsal. `summaries` say what each scenario claims; `advice` is that for the site's move."""
    moves = tuple(_judged(it, run, summaries) for it in plan.moves)
    answer = _answer({it.what: it.answer for it in moves})
    wanted = answer is Answer.WITH_STEPS or any(it.what == STEPS and it.answer == "held" for it in moves)
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
        steps=tuple(map(str, advice.steps)) if wanted else (),
        otherwise=plan.otherwise,
    )


def exit_status(result: RehearsalResult) -> int:
    """0 where the move holds and can be taken back; 1 where it breaks; 3 where that is not known."""
    return Answer(result.answer).exit_status


def _answer(moves: Mapping[str, str]) -> Answer:
    """The plain move where it held, else that with steps; without a way back it is not safe."""
    if moves[BACK] == "broke":
        return Answer.NOT_SAFE
    if moves[BACK] == "held" and moves[PLAIN] == "held":
        return Answer.SAFE
    if moves[BACK] == "held" and moves[STEPS] == "held":
        return Answer.WITH_STEPS
    return Answer.NOT_SAFE if moves[STEPS] == "broke" else Answer.NOT_KNOWN


def _judged(move: RehearsedMove, run: RunResult, summaries: Mapping[str, str]) -> RehearsedMove:
    cells = [it for it in run.cells if it.path == move.path]
    names = {it.id for it in cells}
    missing = [it for it in run.planned if it.split("/")[1] == move.path and it not in names]
    held = [_held(it, summaries) for it in cells if it.verdict is Verdict.PASSED]
    broke = [_broke(it) for it in cells if it.verdict in (Verdict.FAILED, Verdict.BROKEN_AS_KNOWN)]
    unproved = [f"{it.scenario}: {first_line(it.reason)}" for it in cells if it.verdict in _UNPROVED]
    unproved += [f"{it.rpartition('/')[2]}: no result" for it in missing]
    answer = "broke" if broke else "not proved" if unproved or not held else "held"
    return move.model_copy(
        update={"answer": answer, "held": tuple(held), "broke": tuple(broke), "unproved": tuple(unproved)}
    )


def _held(cell: CellResult, summaries: Mapping[str, str]) -> str:
    if cell.scenario == OWN:
        passed = sum(it.verdict is Verdict.PASSED and it.name.startswith("user-app ") for it in cell.checks)
        return f"{cell.scenario}: {passed} applications of the site, each with a copy that was submitted afterwards"
    return f"{cell.scenario}: {summaries.get(cell.scenario, '')}".removesuffix(": ")


def _broke(cell: CellResult) -> str:
    bad: Sequence[str] = [
        f"{it.name}: {first_line(it.message)}"
        for it in cell.checks
        if it.verdict in (Verdict.FAILED, Verdict.BROKEN_AS_KNOWN)
    ]
    return f"{cell.scenario} ({cell.verdict}): {'; '.join(bad) or first_line(cell.reason)}"
