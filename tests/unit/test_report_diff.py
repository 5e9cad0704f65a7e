# SPDX-License-Identifier: Apache-2.0
"""Two reports compared, and many over time: what is called worse is worse by more than chance."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from report_samples import result, run

from harness import cli
from harness.report import diff, figures, trend, trend_page
from harness.report.diff import Change
from harness.report.figures import Figure
from harness.report.model import CellResult, CheckResult, RunResult
from harness.verdicts import Verdict

OUTAGE = Figure(check="outage", name="outage_ms", unit="ms")


def attempts(*verdicts: Verdict, outages: Sequence[float] = ()) -> RunResult:
    """A run with one cell, tried once for each verdict; `outages` are what its attempts measured."""
    cells = [
        result("spark-pi").model_copy(
            update={
                "verdict": verdict,
                "reason": f"{verdict} it is",
                "attempt": number,
                "phases": {},
                "checks": checks(outages[number - 1]) if outages else (),
            }
        )
        for number, verdict in enumerate(verdicts, 1)
    ]
    return run().model_copy(update={"cells": tuple(cells), "planned": tuple({it.id for it in cells})})


def checks(outage: float) -> tuple[CheckResult, ...]:
    return (CheckResult(name="outage", verdict=Verdict.PASSED, message="", evidence={"outage_ms": outage}),)


def change_of(before: RunResult, after: RunResult) -> Change:
    return diff.compare(before, after).cells[0].change


P, K, U, F, E = Verdict.PASSED, Verdict.BROKEN_AS_KNOWN, Verdict.UNAVAILABLE, Verdict.FAILED, Verdict.ERROR


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ([P], [P], Change.SAME),
        ([P], [F], Change.WORSE),
        ([K], [F], Change.WORSE),
        ([F], [P], Change.BETTER),
        ([P], [K], Change.OTHER),
        ([P], [E], Change.OTHER),
        ([U], [P], Change.OTHER),
        ([U], [U], Change.SAME),
        ([E, P], [P], Change.OTHER),
        # One failure in four does not become better by one success, nor worse by two in four.
        ([F, P, P, P], [P], Change.UNSURE),
        ([F, P, P, P], [F, F, P, P], Change.SAME),
        ([F, *[P] * 9], [F] * 10, Change.WORSE),
        ([F] * 10, [F, *[P] * 9], Change.BETTER),
    ],
)
def test_a_verdict_is_worse_only_where_more_fails(before: list[Verdict], after: list[Verdict], change: Change) -> None:
    assert change_of(attempts(*before), attempts(*after)) is change


def outage_change(before: Sequence[float], after: Sequence[float]) -> Change:
    compared = diff.compare(attempts(*[P] * len(before), outages=before), attempts(*[P] * len(after), outages=after))
    (found,) = compared.figures
    assert found.figure == OUTAGE
    return found.change


def test_a_figure_is_worse_only_beyond_what_attempts_differ_by() -> None:
    before = [1000.0, 1100, 1200, 1300, 1400, 1500]
    assert outage_change(before, [it + 1000 for it in before]) is Change.WORSE
    assert outage_change([it + 1000 for it in before], before) is Change.BETTER
    assert outage_change(before, [it + 300 for it in before]) is Change.UNSURE
    assert outage_change(before, [it + 20 for it in before]) is Change.SAME
    # Below six attempts there is no interval, however far apart they are.
    assert outage_change(before[:5], [it + 9000 for it in before[:5]]) is Change.UNSURE


@pytest.mark.parametrize(
    # The ranks are those of Conover, Practical Nonparametric Statistics, for a 95 % interval of the median.
    ("count", "rank"),
    [(1, 0), (5, 0), (6, 1), (8, 1), (9, 2), (12, 3), (20, 6), (25, 8)],
)
def test_the_interval_of_a_median_is_that_of_the_tables(count: int, rank: int) -> None:
    values = [float(it) for it in range(count)]
    found = figures.spread(values)
    assert found.median == statistics.median(values)
    assert found.sure is (rank > 0)
    assert (found.low, found.high) == (values[max(rank, 1) - 1], values[-max(rank, 1)])


def test_only_facts_with_a_unit_and_counts_of_what_should_not_be_are_figures() -> None:
    facts: dict[str, Any] = {"lead_gap_s": 2.5, "peak_mib": 3, "doubled": 0, "total": 7, "ready": True, "words_s": "x"}
    cell = result("spark-pi").model_copy(
        update={"phases": {}, "checks": (CheckResult(name="c", verdict=P, message="", evidence=facts),)}
    )
    assert {(it.name, it.unit): value for it, value in figures.of_cell(cell).items()} == {
        ("lead_gap_s", "s"): 2.5,
        ("peak_mib", "MiB"): 3.0,
        ("doubled", ""): 0.0,
    }


def stored(folder: Path, name: str, made: RunResult) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "results.json").write_text(made.model_dump_json())
    return folder / name


@pytest.mark.parametrize(
    ("after", "status", "says"),
    [
        ([P], 0, "1 cell in both: 1 same"),
        ([F], 1, "failed it is"),
        ([E], 3, "1 cell in both: 1 other"),
    ],
)
def test_the_exit_status_says_whether_something_is_worse_or_was_not_proved(
    after: list[Verdict], status: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = stored(tmp_path, "one", attempts(P))
    two = stored(tmp_path, "two", attempts(*after).model_copy(update={"run_id": "20260802-101500-ab12"}))
    assert cli.main(["report", "diff", str(one), str(two)]) == status
    assert says in capsys.readouterr().out


def test_a_report_is_also_given_by_its_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = stored(tmp_path, "one", attempts(P))
    two = stored(tmp_path, "two", attempts(P).model_copy(update={"run_id": "20260802-101500-ab12"}))
    assert cli.main(["report", "diff", str(one / "results.json"), str(two / "results.json")]) == 0
    assert cli.main(["report", "ship", str(two / "results.json")]) == 0
    assert cli.main(["report", "merge", str(one / "results.json"), str(two), "--output", str(tmp_path / "m")]) == 0
    assert "report: " in capsys.readouterr().out


def test_a_trend_leaves_out_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    stored(tmp_path / "nights", "one", attempts(P))
    old = stored(tmp_path / "nights", "two", attempts(P).model_copy(update={"run_id": "20260802-101500-ab12"}))
    (old / "results.json").write_text('{"schema_version": 1}')
    page = tmp_path / "trend.html"
    assert cli.main(["report", "trend", str(tmp_path / "nights"), "--output", str(page)]) == 0
    assert "20260802-101500-ab12" not in page.read_text()
    assert f"{old / 'results.json'} cannot be read" in caplog.text + capsys.readouterr().err
    assert cli.main(["report", "trend", str(old), "--output", str(page)]) == 2
    assert cli.main(["report", "merge", str(tmp_path / "nights"), "--output", str(tmp_path / "m")]) == 2


def test_a_cell_that_is_gone_was_not_proved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = stored(tmp_path, "one", run("spark-pi", "retry"))
    two = stored(tmp_path, "two", run("spark-pi", run_id="20260802-101500-ab12"))
    assert cli.main(["report", "diff", "--json", str(one), str(two)]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["unproved"] == told["gone"] == ["kind-1.34/install-2.5.2/retry"]
    assert not told["worse"]


def test_what_was_not_the_same_around_the_runs_is_told() -> None:
    host = run().host.model_copy(update={"cpus": 8})
    found = diff.compare(run("spark-pi"), run("spark-pi", host=host, tools={"kind": "0.31.0"}))
    assert found.otherwise == ("processors: 2 → 8", "tool kind: 0.33.0 → 0.31.0")


def nights(*outages: float | None) -> list[RunResult]:
    """A run a day; None is one without the cell."""
    made = []
    for day, outage in enumerate(outages):
        some = attempts(P, outages=[outage]) if outage is not None else attempts()
        changes = {"run_id": f"202608{day + 1:02}-101500-ab12", "started": some.started + timedelta(days=day)}
        made.append(some.model_copy(update=changes))
    return made


def test_a_trend_has_each_run_in_its_place_and_marks_what_was_never_so_high() -> None:
    runs = nights(100, 110, None, 120, 105, 95, 115, 400)
    found = trend.of_runs(reversed(runs))
    assert [it.run_id[6:8] for it in found.nights] == [f"{day:02}" for day in range(1, 9)]
    (figure,) = found.figures
    assert figure.values == (100, 110, None, 120, 105, 95, 115, 400)
    assert (figure.last, figure.remark) == (400, "higher than ever")
    # The run without the cell interrupts the line.
    assert [len(it.split()) for it in figure.lines] == [2, 5]
    (cell,) = found.cells
    assert [it is None for it in cell.results] == [day == 2 for day in range(8)]
    assert not cell.changed


def test_few_runs_are_no_reason_for_an_alarm() -> None:
    (figure,) = trend.of_runs(nights(100, 110, 120, 400)).figures
    assert figure.remark == ""


def test_the_page_escapes_what_it_shows_and_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    bad = attempts(F).model_copy(update={"run_id": "20260803-101500-ab12"})
    cells = tuple(it.model_copy(update={"reason": "<script>alert(1)</script>"}) for it in bad.cells)
    stored(tmp_path, "one", attempts(P, outages=[7]))
    stored(tmp_path, "two", bad.model_copy(update={"cells": cells}))
    assert cli.main(["report", "trend", str(tmp_path), "--output", str(tmp_path / "trend.html")]) == 0
    page = (tmp_path / "trend.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "https://" not in page
    assert page.count("mark-failed") == 2


def test_a_worst_attempt_stands_for_its_run() -> None:
    (cell,) = trend.of_runs([attempts(P, F, P)]).cells
    assert [it and it.verdict for it in cell.results] == [F]
    assert isinstance(cell.results[0], CellResult)
    assert "failed" in trend_page.render(trend.of_runs([attempts(P, F, P)]))


def test_what_changed_comes_first_and_then_what_does_not_pass() -> None:
    def night(day: int, **verdicts: Verdict) -> RunResult:
        made = attempts(*verdicts.values())
        named = [
            it.model_copy(update={"id": name, "attempt": 1}) for name, it in zip(verdicts, made.cells, strict=True)
        ]
        return made.model_copy(update={"cells": tuple(named), "started": made.started + timedelta(days=day)})

    found = trend.of_runs([night(0, good=P, red=F, mended=F, broke=P), night(1, good=P, red=F, mended=P, broke=F)])

    assert [it.id for it in found.cells_by_interest] == ["broke", "mended", "red", "good"]


def test_the_name_of_a_figure_moves_no_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seconds in (("one", 7.0), ("two", 9.0)):
        cell = result("spark-pi", phases={"install\x1b[2J": seconds})
        stored(tmp_path, name, run().model_copy(update={"cells": (cell,), "planned": (cell.id,)}))
    assert cli.main(["report", "diff", str(tmp_path / "one"), str(tmp_path / "two"), "--all"]) == 0
    printed = capsys.readouterr().out
    assert "install" in printed
    assert "\x1b" not in printed
