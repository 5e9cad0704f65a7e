# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: cells as items, verdicts as outcomes, one report, one exit status.

Clusters are played by a script (see scripted_run.py), since unit tests have none; pytest and xdist are real.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import scripted_run

import harness.plugin
from harness import waiting
from harness.home import PACKAGE
from harness.settings import PROJECT_ROOT

GROUP = "kind-1.34/install-2.5.2"
SCHEMA = jsonschema.Draft202012Validator(json.loads((PROJECT_ROOT / "docs" / "results.schema.json").read_text()))


class Scripted:
    """Runs pytest with the plugin on a script, in a folder of its own."""

    def __init__(self, pytester: pytest.Pytester, folder: Path) -> None:
        self._pytester = pytester
        self.folder = folder
        self.reports = folder / "reports"

    def run(self, *words: str, script: dict[str, Any] | None = None, apart: bool = False) -> pytest.RunResult:
        """pytest's result. `apart` is for a process of its own, which xdist's workers need."""
        self.write(script or {})
        run = self._pytester.runpytest_subprocess if apart else self._pytester.runpytest_inprocess
        return run(
            *("-p", "harness.plugin", "-p", "scripted_run", "-o", f"cache_dir={self.folder / 'cache'}", "-v"),
            # As harness/commands/run.py has them: no plugin but the harness's own and xdist, which its workers need.
            *("--rootdir", str(PROJECT_ROOT), "-c", str(PACKAGE / "cells.ini"), "--noconftest", "-W", "default"),
            *("--disable-plugin-autoload", "-p", "xdist"),
            *words,
            str(harness.plugin.MATRIX_FILE),
        )

    def write(self, script: dict[str, Any]) -> None:
        """The script of the next run."""
        (self.folder / "script.json").write_text(json.dumps(script))
        (self.folder / "events").write_text("")

    @property
    def events(self) -> list[str]:
        return (self.folder / "events").read_text().splitlines()

    def asked(self, kind: str) -> list[str]:
        """The cells of such events, whoever noted them."""
        return [line.split()[2] for line in self.events if line.split()[1] == kind and len(line.split()) > 2]

    @property
    def results(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.reports / "latest" / "results.json").read_text())
        SCHEMA.validate(found)
        return found

    @property
    def verdicts(self) -> dict[str, str]:
        return {cell["id"]: cell["verdict"] for cell in self.results["cells"]}


@pytest.fixture
def scripted(pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    folder = tmp_path / "scripted"
    folder.mkdir()
    monkeypatch.setenv(scripted_run.FOLDER, str(folder))
    monkeypatch.setenv("HARNESS_CACHE", str(folder / "cache"))
    monkeypatch.setenv("HARNESS_REPORTS", str(folder / "reports"))
    monkeypatch.setenv("PYTHONPATH", str(Path(scripted_run.__file__).parent))
    # pytest shows node ids as if they were paths seen from the current folder.
    monkeypatch.chdir(PROJECT_ROOT)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return Scripted(pytester, folder)


def scenarios(*names: str) -> list[str]:
    return [word for name in names for word in ("--scenario", name)]


def cell(name: str) -> str:
    return f"{GROUP}/{name}"


def statuses(result: pytest.RunResult) -> dict[str, str]:
    """Node id → outcome, as -v prints them."""
    found = re.findall(r"^(kind-\S+) ([A-Z]+)", result.stdout.str(), re.M)
    return dict(found)


def test_node_ids_are_the_ids_of_the_cells(scripted: Scripted) -> None:
    result = scripted.run("--cell", cell("spark-pi"), "--cell", cell("ttl"))

    assert result.ret == 0
    assert statuses(result) == {cell("spark-pi"): "PASSED", cell("ttl"): "PASSED"}
    assert scripted.results["planned"] == [cell("spark-pi"), cell("ttl")]


def test_collecting_starts_nothing(scripted: Scripted) -> None:
    result = scripted.run("--collect-only", "-q", *scenarios("spark-pi", "ttl"))

    assert result.ret == 0
    assert f"<CellItem {cell('spark-pi')}>" in result.stdout.str() + result.stderr.str()
    assert scripted.events == []
    assert not scripted.reports.exists()


def test_k_selects_and_only_the_chosen_are_started(scripted: Scripted) -> None:
    result = scripted.run("-k", "ttl or retry", *scenarios("spark-pi", "retry", "ttl"))

    assert result.ret == 0
    assert scripted.asked("start") == [cell("retry"), cell("ttl")]
    assert set(scripted.verdicts) == {cell("retry"), cell("ttl")}
    result.assert_outcomes(passed=2, deselected=1)


def test_nothing_chosen_starts_nothing(scripted: Scripted) -> None:
    result = scripted.run("-k", "nosuchcell", *scenarios("spark-pi"))

    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert scripted.events == []


def test_x_stops_at_the_first_failure(scripted: Scripted) -> None:
    result = scripted.run("-x", *scenarios("pyspark-pi", "retry", "spark-pi"), script={cell("retry"): "failed"})

    assert result.ret == 1
    assert scripted.asked("result") == [cell("pyspark-pi"), cell("retry")]
    assert scripted.events[-1] == "main close"
    assert scripted.verdicts == {cell("pyspark-pi"): "passed", cell("retry"): "failed"}


def test_lf_runs_only_what_failed_last(scripted: Scripted) -> None:
    scripted.run(*scenarios("retry", "spark-pi", "ttl"), script={cell("retry"): "failed", cell("ttl"): "error"})
    assert scripted.asked("result") == [cell("retry"), cell("spark-pi"), cell("ttl")]

    again = scripted.run("--lf", *scenarios("retry", "spark-pi", "ttl"))

    assert again.ret == 0
    assert scripted.asked("result") == [cell("retry"), cell("ttl")]


@pytest.mark.parametrize(
    ("verdict", "outcome", "status"),
    [
        ("passed", {"passed": 1}, 0),
        ("broken-as-known", {"xfailed": 1}, 0),
        ("failed", {"failed": 1}, 1),
        ("unavailable", {"skipped": 1}, 3),
        ("error", {"errors": 1}, 3),
    ],
)
def test_a_verdict_has_its_outcome_and_its_exit_status(
    scripted: Scripted, verdict: str, outcome: dict[str, int], status: int
) -> None:
    result = scripted.run(*scenarios("spark-pi"), script={cell("spark-pi"): verdict})

    result.assert_outcomes(**outcome)
    assert result.ret == status
    assert scripted.verdicts == {cell("spark-pi"): verdict}


def test_a_failed_cell_beside_an_error_is_news_about_the_product(scripted: Scripted) -> None:
    result = scripted.run(*scenarios("retry", "spark-pi"), script={cell("retry"): "failed", cell("spark-pi"): "error"})

    assert result.ret == 1
    result.assert_outcomes(failed=1, errors=1)


@pytest.mark.parametrize("verdict", ["failed", "error"])
def test_a_red_cell_is_told_with_its_finding_its_evidence_and_how_to_see_it_again(
    scripted: Scripted, verdict: str
) -> None:
    result = scripted.run(*scenarios("retry"), script={cell("retry"): verdict})
    said = result.stdout.str()

    assert f"{verdict}: scripted: the script says {verdict}" in said
    assert f"again: nox -s e2e -- --cell {cell('retry')} --lock {scripted_run.LOCK}" in said
    assert "plugin.py" not in said
    (only,) = scripted.results["cells"]
    assert only["evidence"] == cell("retry")
    assert (scripted.reports / "latest" / only["evidence"]).is_dir()
    assert f"evidence: {scripted.reports / scripted.results['run_id'] / only['evidence']}" in said


def test_the_report_holds_what_was_asked_and_what_was_found(scripted: Scripted) -> None:
    scripted.run(*scenarios("spark-pi"), "--source", "foundry", script={"leaks": []})
    found = scripted.results

    assert found["selection"] == ["--scenario", "spark-pi", "--source", "foundry"]
    assert found["source"] == {"kind": "foundry", "why": "the script says so", "rehearsed": False}
    assert found["tools"] == {"kind": "0.33.0 (foundry)"}
    assert found["ended"]
    assert found["leaks"] == []
    assert found["peak_memory_mib"] > 0
    for name in ("junit.xml", "index.html", "summary.md"):
        assert (scripted.reports / "latest" / name).stat().st_size > 0


def test_repeat_gives_each_attempt_an_item(scripted: Scripted) -> None:
    result = scripted.run("--repeat", "2", *scenarios("spark-pi", "ttl"), script={cell("ttl") + "#2": "failed"})

    assert result.ret == 1
    assert statuses(result) == {
        cell("spark-pi"): "PASSED",
        cell("ttl"): "PASSED",
        cell("spark-pi") + "#2": "PASSED",
        cell("ttl") + "#2": "FAILED",
    }
    assert [(it["attempt"], it["verdict"]) for it in scripted.results["cells"]] == [
        (1, "passed"),
        (1, "passed"),
        (2, "passed"),
        (2, "failed"),
    ]


def test_what_was_left_behind_is_told_and_spoils_the_run(scripted: Scripted) -> None:
    result = scripted.run(*scenarios("spark-pi"), script={"leaks": ["container soh-1-control-plane"]})

    assert result.ret == 3
    assert scripted.results["leaks"] == ["container soh-1-control-plane"]
    assert "container soh-1-control-plane" in result.stdout.str()


def test_a_kept_cluster_is_told_with_its_kubeconfig(scripted: Scripted) -> None:
    said = scripted.run("--keep", *scenarios("spark-pi")).stdout.str()

    assert "Cluster soh-1 was kept:" in said
    assert "export KUBECONFIG=/somewhere/kubeconfig" in said
    assert "docker exec -it n bash" in said


def test_ctrl_c_closes_the_run_and_finishes_the_report(scripted: Scripted) -> None:
    result = scripted.run(*scenarios("retry", "spark-pi", "ttl"), script={cell("spark-pi"): "interrupt"})

    assert result.ret == 3
    assert scripted.events[-1] == "main close"
    assert scripted.events.count("main close") == 1
    assert scripted.verdicts == {cell("retry"): "passed"}
    assert scripted.results["ended"]


def test_a_run_that_ended_without_a_cell_is_an_error_of_the_harness(scripted: Scripted) -> None:
    result = scripted.run(*scenarios("retry"), script={cell("retry"): "ended"})

    assert result.ret == 3
    result.assert_outcomes(errors=1)
    assert "was not run: the run was ended" in result.stdout.str()
    assert "plugin.py" not in result.stdout.str()


def test_a_run_that_cannot_be_opened_runs_no_cell_and_is_closed(scripted: Scripted) -> None:
    result = scripted.run(*scenarios("retry"), script={"open": "the network cannot be made"})
    said = result.stdout.str()

    assert result.ret == 3
    assert "HarnessError: the network cannot be made" in said
    assert "next: look at the script" in said
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    assert scripted.events == ["main host", "main open", "main close"]


def test_wrong_options_end_pytest_as_wrong_usage(scripted: Scripted) -> None:
    result = scripted.run("--env", "kind-1.39")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "did you mean kind-1." in result.stderr.str() + result.stdout.str()
    assert scripted.events == []


def workers(scripted: Scripted, kind: str, group: str) -> set[str]:
    return {line.split()[0] for line in scripted.events if f" {kind} {group}" in line}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--jobs", "2", "--jobs", "3"), "argument --jobs: given twice, as 2 and as 3"),
        (("--release-name=a", "--release-name", "b"), "argument --release-name: given twice"),
        (("--seed", "1_0"), "argument --seed: '1_0' is not a whole number"),
        (("--env=",), "--env has an empty value"),
        (("--apps", " "), "--apps has an empty value"),
    ],
)
def test_pytest_called_directly_refuses_what_the_command_refuses(
    scripted: Scripted, words: tuple[str, ...], said: str
) -> None:
    done = scripted.run("--collect-only", *words)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*UsageError: {said}*"])


def test_the_command_line_may_differ_from_options_that_are_always_added(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--jobs 3")
    assert scripted.run("--collect-only", "--env", "kind-1.34", "--jobs", "2", "-k", "spark-pi").ret == 0
    monkeypatch.setenv("PYTEST_ADDOPTS", "--namespace ''")
    assert scripted.run("--collect-only").ret == pytest.ExitCode.USAGE_ERROR


def test_xdist_keeps_a_group_on_one_worker_and_reports_once(scripted: Scripted) -> None:
    result = scripted.run(
        *scenarios("retry", "spark-pi", "ttl"),
        *("--env", "kind-1.34", "--env", "kind-1.36", "-n", "2"),
        script={cell("ttl"): "failed", "kind-1.36/install-2.5.2/retry": "error", "leaks": ["network soh-1"]},
        apart=True,
    )

    assert result.ret == 1
    for group in (GROUP, "kind-1.36/install-2.5.2"):
        (worker,) = workers(scripted, "result", group)
        assert workers(scripted, "start", group) == {worker} != {"main"}
    assert workers(scripted, "result", GROUP) != workers(scripted, "result", "kind-1.36/install-2.5.2")
    assert len(scripted.verdicts) == len(scripted.results["cells"]) == 6
    assert scripted.verdicts[cell("ttl")] == "failed"
    assert scripted.verdicts["kind-1.36/install-2.5.2/retry"] == "error"
    assert scripted.results["leaks"] == ["network soh-1", "network soh-1"]
    assert [line for line in scripted.events if line.startswith("main")] == ["main host"]
    assert sorted(line for line in scripted.events if line.endswith("close")) == ["gw0 close", "gw1 close"]
    assert len([path for path in scripted.reports.iterdir() if not path.is_symlink()]) == 1
    (failed,) = (it for it in scripted.results["cells"] if it["id"] == cell("ttl"))
    assert (scripted.reports / "latest" / failed["evidence"]).is_dir()


def test_a_worker_that_cannot_open_its_run_says_so_for_each_cell(scripted: Scripted) -> None:
    script = {"open": "the network cannot be made"}
    result = scripted.run(*scenarios("retry", "ttl"), "-n", "1", script=script, apart=True)

    assert result.ret == 3
    result.assert_outcomes(errors=2)
    assert "HarnessError: the network cannot be made" in result.stdout.str()
    assert "plugin.py" not in result.stdout.str()
    assert "INTERNALERROR" not in result.stdout.str()
    assert scripted.results["cells"] == []


def in_the_middle(scripted: Scripted, *words: str, event: str) -> subprocess.Popen[str]:
    """A run in a process of its own that waits for a cell, once this event is noted."""
    argv = [sys.executable, "-m", "harness.cli", "run", "-p", "scripted_run", *scenarios("ttl"), *words]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    waiting.until(lambda: event in scripted.events, what=f"{event} of the run", timeout=60, interval=0.05)
    return child


# Ctrl-C through the workers of xdist, and within a process, is tried below and above.
@pytest.mark.parametrize("sign", [pytest.param(signal.SIGINT, marks=pytest.mark.nightly), signal.SIGTERM])
def test_a_signal_ends_the_run_and_a_second_one_does_not_disturb(scripted: Scripted, sign: signal.Signals) -> None:
    scripted.write({cell("ttl"): "wait", "slow-close": True})
    child = in_the_middle(scripted, event=f"main result {cell('ttl')}")
    child.send_signal(sign)
    waiting.until(lambda: "main closing" in scripted.events, what="the end of the run", timeout=30, interval=0.05)
    child.send_signal(sign)
    said = child.communicate(timeout=30)[0]

    assert child.returncode == 3
    assert scripted.events[-1] == "main close"
    assert "still cleaning up; please wait" in said
    assert "Traceback" not in said
    assert scripted.results["ended"]
    assert scripted.results["cells"] == []


def test_ctrl_c_reaches_the_workers_of_xdist(scripted: Scripted) -> None:
    scripted.write({cell("ttl"): "wait", "slow-close": True})
    child = in_the_middle(scripted, "-n", "1", event=f"gw0 result {cell('ttl')}")
    # A terminal sends it to all of them.
    os.killpg(child.pid, signal.SIGINT)
    child.communicate(timeout=60)

    assert child.returncode == 3
    assert scripted.events[-1] == "gw0 close"


def test_the_plan_is_printed_and_in_the_results(scripted: Scripted) -> None:
    result = scripted.run(*scenarios("spark-pi", "ttl"))

    result.stdout.fnmatch_lines(["*plan: 2 cells on 1 cluster, 1 at a time*", "*soh-1*kind-1.34/install-2.5.2*"])
    (planned,) = scripted.results["plan"]
    assert planned["cells"] == [cell("spark-pi"), cell("ttl")]
    assert (planned["cluster"], planned["started"], planned["ended"]) == ("soh-1", 0.5, 9.0)


def test_the_seed_of_a_run_is_in_its_results_and_another_one_each_time(scripted: Scripted) -> None:
    found = []
    for words in ((), (), ("--seed", "77")):
        scripted.run(*words, *scenarios("spark-pi"))
        found.append(scripted.results["seed"])

    assert found[0] != found[1]
    assert found[2] == 77


def test_a_kept_cluster_is_told_with_the_shell_that_opens_it(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = scripted.run("--keep", *scenarios("spark-pi")).stdout.str()

    assert "harness shell a/b/c" in said
    assert "/somewhere/kubectl" in said, "which is not on PATH"


def test_repeat_tells_the_flake_rate(scripted: Scripted) -> None:
    said = scripted.run(
        "--repeat", "4", *scenarios("spark-pi"), script={cell("spark-pi") + "#3": "failed"}
    ).stdout.str()

    (flake,) = scripted.results["flakes"]
    assert (flake["id"], flake["attempts"], flake["failed"], flake["rate"]) == (cell("spark-pi"), 4, 1, 0.25)
    assert f"repeated: {cell('spark-pi')} failed 1 of 4: 25 % (95 %: 5\N{EN DASH}70 %)" in said


def test_a_result_is_told_when_it_comes_and_reported_once(scripted: Scripted) -> None:
    result = scripted.run(*scenarios("spark-pi", "ttl"), script={cell("ttl"): "failed"})

    result.stdout.fnmatch_lines([f"*{cell('spark-pi')}: passed (1 of 2)*", f"*{cell('ttl')}: failed (2 of 2)*"])
    assert [it["id"] for it in scripted.results["cells"]] == [cell("spark-pi"), cell("ttl")]


def test_pytest_reports_first_what_the_plan_has_first(scripted: Scripted) -> None:
    names = ["kind-1.34/install-2.5.2/spark-pi", "kind-1.36/install-2.5.2/spark-pi"]

    scripted.run("--env", "kind-1.34", "--env", "kind-1.36", "--scenario", "spark-pi", script={"last-first": "yes"})

    assert scripted.asked("result") == list(reversed(names))
