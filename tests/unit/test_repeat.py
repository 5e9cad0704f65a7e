# SPDX-License-Identifier: Apache-2.0
"""Repeats: which are run and which are there already, what counts, and programs that never rest.

The runs themselves need clusters: here, a stand-in writes their results.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from report_samples import result, run
from rich.console import Console

from harness.bench import repeat, repeats
from harness.bench.__main__ import main, parsed_words
from harness.bench.repeats import Repeat, RepeatOutcome, counts_table, others_table
from harness.checks.infrastructure import Cause
from harness.errors import HarnessError, UsageError
from harness.process import Completed
from harness.report.model import CellResult, CheckResult, RetryResult, RunResult
from harness.verdicts import Verdict

BEGAN = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def whole(*cells: CellResult, seconds: float = 60.0, leaks: tuple[str, ...] = ()) -> RunResult:
    """A run that got to its end."""
    ended = BEGAN + timedelta(seconds=seconds)
    return run("spark-pi").model_copy(
        update={"cells": cells, "planned": (), "started": BEGAN, "ended": ended, "leaks": leaks}
    )


def of(verdict: Verdict, name: str = "spark-pi", *, cause: str = "", seconds: float = 20.0) -> CellResult:
    """A cell with this verdict; an error may have a cause."""
    checks = (CheckResult(name="infrastructure", verdict=verdict, message="it", evidence={"cause": cause}),)
    update = {"verdict": verdict, "reason": f"why {verdict}", "phases": {"scenario": seconds}}
    return result(name).model_copy(update={**update, "checks": checks if cause else ()})


def again(cell: CellResult, cause: str) -> CellResult:
    """A cell that was tried once more."""
    return cell.model_copy(update={"retries": (RetryResult(cause=cause, message="it was so", cluster="soh-1"),)})


def outcome(*results: RunResult) -> RepeatOutcome:
    return RepeatOutcome(repeats=[Repeat(folder=Path("reports"), result=it) for it in results])


PASSED = of(Verdict.PASSED)


@pytest.mark.parametrize(
    ("cell", "holds"),
    [
        (PASSED, True),
        (of(Verdict.BROKEN_AS_KNOWN), True),
        (of(Verdict.FAILED), False),
        (of(Verdict.UNAVAILABLE), False),
        (of(Verdict.ERROR), False),
        *((of(Verdict.ERROR, cause=cause), cause in ("host-busy", "host-memory", "disk-full")) for cause in Cause),
        *((again(PASSED, cause), cause != "own-load") for cause in Cause),
    ],
)
def test_only_an_error_that_names_the_host_is_forgiven(cell: CellResult, holds: bool) -> None:
    assert outcome(whole(PASSED), whole(cell)).holds is holds


def test_what_is_left_behind_counts() -> None:
    assert not outcome(whole(PASSED, leaks=("container soh-1",))).holds


def test_what_was_only_tried_is_not_judged() -> None:
    assert RepeatOutcome(repeats=[Repeat(folder=Path(), result=whole(of(Verdict.FAILED)))], judged=False).holds


def test_tables_have_counts_spreads_and_every_reason() -> None:
    busy = of(Verdict.ERROR, "ttl", cause="host-busy", seconds=90)
    found = outcome(
        whole(of(Verdict.PASSED, seconds=10), of(Verdict.PASSED, "ttl"), seconds=100),
        whole(of(Verdict.PASSED, seconds=30), again(of(Verdict.PASSED, "ttl"), "node-lost"), seconds=300),
        whole(of(Verdict.FAILED, seconds=20), busy, seconds=200),
    )
    console = Console(width=200, record=True)
    console.print(counts_table(found.repeats))
    console.print(others_table(found.others))
    rows = [[it.strip() for it in line.split("│")[1:-1]] for line in console.export_text().splitlines() if "│" in line]

    by_name = {row[0].rpartition("/")[2]: row[1:] for row in rows}
    assert sorted(filter(None, by_name["spark-pi"][:-3])) == ["1", "2"]
    assert by_name["spark-pi"][-3:] == ["10", "20", "30"]
    assert by_name["the whole run"][-4:] == ["1", "100", "200", "300"]
    assert [row[2] for row in rows[-3:]] == ["tried twice: node-lost", "failed", "error"]
    assert str(found) == "3 repeats: 4 of 6 results are passed or broken as known; 1 are wrong"


class Runs:
    """Stands for `harness run`: writes what it is told, one result after the other."""

    def __init__(self, *results: RunResult | None) -> None:
        self.left = list(results)
        self.words: list[Sequence[str]] = []

    def __call__(self, words: Sequence[str], *, reports: Path, log_file: Path, timeout: float) -> Completed:
        self.words.append(words)
        found = self.left.pop(0)
        if found is not None:
            folder = reports / f"20261101-12000{len(self.words)}-ab12"
            folder.mkdir(parents=True)
            (folder / "results.json").write_text(found.model_dump_json())
            (reports / "latest").unlink(missing_ok=True)
            (reports / "latest").symlink_to(folder.name)
        return Completed(argv=(), returncode=0, stdout="the end of it", stderr="", seconds=1.0)


Repeats = Callable[..., RepeatOutcome]


@pytest.fixture
def repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repeats:
    """Repeats in a folder, with these runs."""

    def act(runs: Runs, *words: str, folder: str = "kept") -> RepeatOutcome:
        monkeypatch.setattr(repeat, "harness_run", runs)
        parsed = parsed_words(["repeat", "--output", str(tmp_path / folder), *words])
        return repeat.run(parsed, Console(quiet=True))

    return act


def test_each_repeat_has_a_folder_and_the_default_selection(repeated: Repeats, tmp_path: Path) -> None:
    runs = Runs(whole(PASSED), whole(PASSED))

    found = repeated(runs, "--times", "2")

    assert found.holds
    assert runs.words == [("--jobs", "2")] * 2
    found.write(tmp_path / "kept")
    written = json.loads((tmp_path / "kept" / repeats.FILE).read_text())
    (cell,) = written["cells"].values()
    assert (cell["verdicts"]["passed"], written["holds"], len(written["reports"])) == (2, True, 2)


def test_complete_repeats_are_counted_and_not_run_again(repeated: Repeats, tmp_path: Path) -> None:
    early = whole(PASSED).model_copy(update={"ended": None})
    with pytest.raises(HarnessError, match=r"repeat 2 of 3 ended with status 0 and without complete results"):
        repeated(Runs(whole(PASSED), early), "--times", "3")
    (tmp_path / "kept" / "002" / "odd").mkdir()
    (tmp_path / "kept" / "002" / "odd" / "results.json").write_text("{")

    rest = Runs(whole(PASSED), whole(PASSED))
    found = repeated(rest, "--times", "3")

    assert (len(found.repeats), len(rest.words)) == (3, 2)
    assert repeated(Runs(), "--times", "3").holds
    assert len(repeated(Runs(whole(PASSED)), "--times", "4").repeats) == 4


def test_repeats_add_up_over_several_calls(repeated: Repeats, tmp_path: Path) -> None:
    file = tmp_path / "kept" / repeats.FILE
    assert repeated(Runs(), "--times", "3", "--more", "0").repeats == ()
    found = repeated(Runs(whole(PASSED)), "--times", "3", "--more", "1")
    assert found.holds
    assert str(found) == "1 of 3 repeats: 1 of 1 results are passed or broken as known"
    assert len(json.loads(file.read_text())["reports"]) == 1

    with pytest.raises(HarnessError):
        repeated(Runs(whole(of(Verdict.FAILED)), None), "--times", "3", "--more", "2")
    written = json.loads(file.read_text())
    assert (len(written["reports"]), written["asked"], written["holds"]) == (2, 3, False)

    assert str(repeated(Runs(), "--times", "3", "--more", "0")).startswith("2 of 3 repeats: 1 of 2 results")


def test_a_run_that_lacks_cells_is_not_complete(repeated: Repeats) -> None:
    lacking = whole(PASSED).model_copy(update={"planned": ("kind-1.34/install-2.5.2/x",)})

    with pytest.raises(HarnessError, match="without complete results"):
        repeated(Runs(lacking), "--times", "1")


@pytest.mark.parametrize("words", [("--under-load", "2"), ("--jobs", "3"), ("--cell", "a/b/c")])
def test_repeats_of_something_else_are_not_mixed(repeated: Repeats, words: tuple[str, ...]) -> None:
    repeated(Runs(whole(PASSED)), "--times", "1")

    with pytest.raises(UsageError, match="has repeats of something else"):
        repeated(Runs(), "--times", "1", *words)


def test_a_folder_that_cannot_be_one_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["repeat", "--times", "1", "--output", str(tmp_path / "file" / "kept")]) == 2
    assert "cannot be used: Not a directory" in capsys.readouterr().err
    (tmp_path / "asked.json").write_text("[]")
    assert main(["repeat", "--times", "1", "--output", str(tmp_path)]) == 2


def test_the_quick_form_has_one_cell_twice_once_under_load(repeated: Repeats, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[int] = []
    real = repeat.restless

    def none(number: int, log_file: Path) -> AbstractContextManager[None]:
        loads.append(number)
        return real(0, log_file)

    monkeypatch.setattr(repeat, "restless", none)
    runs = Runs(whole(PASSED), whole(of(Verdict.FAILED)))

    assert repeated(runs, "--quick").holds
    assert loads == [0, 1]
    assert all(repeat.QUICK_SCENARIO in words for words in runs.words)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    return [int(it) for it in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def soon(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_programs_that_never_rest_end_with_the_block(tmp_path: Path) -> None:
    before = set(children(os.getpid()))
    made: set[int] = set()

    def interrupted() -> None:
        with repeat.restless(2, tmp_path / "log", seconds=60):
            made.update(set(children(os.getpid())) - before)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(made) == 2
    assert not any(map(alive, made))


def test_programs_that_never_rest_do_not_outlive_whoever_started_them(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from harness.bench import repeat\n"
        f"with repeat.restless(1, Path({str(tmp_path / 'log')!r}), seconds=60): print('on', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "on\n"
        (made,) = children(starter.pid)
        starter.send_signal(signal.SIGKILL)
        starter.wait(10)
    assert soon(lambda: not alive(made))


def test_they_end_by_themselves(tmp_path: Path) -> None:
    before = set(children(os.getpid()))
    with repeat.restless(1, tmp_path / "log", seconds=0.2):
        (made,) = set(children(os.getpid())) - before
        assert soon(lambda: not alive(made))
