# SPDX-License-Identifier: Apache-2.0
"""Measurements: what is drawn, what counts, and what is said of the result. The runs themselves need clusters."""

from __future__ import annotations

import json
import re
import shlex
import tempfile
import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from report_samples import result, run
from rich.console import Console

from harness.bench import matrix, smoke, upstream
from harness.bench.__main__ import MEASUREMENTS, main, parsed_words
from harness.bench.outcome import Outcome
from harness.errors import CommandError, HarnessError
from harness.host import pressure
from harness.machine import HostSeen
from harness.matrix import catalogue, expand
from harness.matrix.model import Cell, Scenario
from harness.matrix.release import Release
from harness.settings import PROJECT_ROOT


def documented_commands() -> list[list[str]]:
    """What follows `nox -s bench --` in the documents with the figures."""
    text = "".join((PROJECT_ROOT / "docs" / f"{page}.md").read_text() for page in ("performance", "verdicts"))
    return [shlex.split(line, comments=True) for line in re.findall(r"^nox -s bench -- (.*)$", text, re.MULTILINE)]


def cells(environments: tuple[str, ...] = ("kind-1.34", "kind-1.36"), number: int = 6) -> list[Cell]:
    known = catalogue.load()
    scenarios = {f"s{index}": Scenario(name=f"s{index}", summary="it") for index in range(number)}
    return expand.cells(
        [known.environment(name) for name in environments], [expand.find_path(known, "install-2.5.2")], scenarios
    )


def test_a_sample_has_as_many_cells_of_each_environment_and_is_the_same_again() -> None:
    chosen = matrix.sampled(cells(), 2, seed=7)

    assert [cell.environment.name for cell in chosen] == ["kind-1.34"] * 2 + ["kind-1.36"] * 2
    assert chosen == matrix.sampled(cells(), 2, seed=7)
    assert any(matrix.sampled(cells(), 2, seed=seed) != chosen for seed in range(5))


def test_without_a_number_the_sample_is_everything() -> None:
    assert matrix.sampled(cells(), 0, seed=1) == cells()
    assert matrix.sampled(cells(), 99, seed=1) == cells()


def test_only_a_run_in_which_everything_passed_is_a_measurement() -> None:
    matrix._require_passed(run("spark-pi"))

    with pytest.raises(HarnessError, match=r"nothing is measured:\n.*/retry: failed: state is"):
        matrix._require_passed(run("spark-pi", "retry"))
    with pytest.raises(HarnessError, match=r"kind-1\.34/x/y: no result"):
        matrix._require_passed(run("spark-pi", planned=("kind-1.34/x/y",)))


def test_acceptance_is_what_the_install_took_on_each_environment() -> None:
    phases = [{"cluster-create": 9.0, "install-helm": seconds, "install-admission": 1.0} for seconds in (4.0, 8.0, 5.0)]
    found = [result("spark-pi", phases=it) for it in phases]
    found.append(result("spark-pi", phases=phases[1]).model_copy(update={"environment": "k3d-1.36"}))

    assert matrix.accepted(found) == {"kind-1.34": 6.0, "k3d-1.36": 9.0}


def test_the_most_that_was_used_is_what_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = [(100, 50), (70, 45), (90, 20), (95, 50)]
    seen_all = threading.Event()

    def look(folders: object) -> HostSeen:
        if len(readings) == 1:
            seen_all.set()
        disk, memory = readings.pop(0) if len(readings) > 1 else readings[0]
        return HostSeen(disk_free=disk, disk="/", memory_available=memory)

    monkeypatch.setattr(pressure, "look", look)
    monkeypatch.setattr(matrix, "_LOOK_SECONDS", 0.01)

    with matrix._peak([tmp_path]) as peak:
        assert seen_all.wait(10)

    assert (peak.disk, peak.memory) == (30, 30)


def test_a_ratio_above_its_limit_does_not_hold_and_an_estimate_says_so(tmp_path: Path) -> None:
    outcome = Outcome(
        ratio=0.61, limit=0.5, measured={"cells": 112}, note="the baseline is extrapolated from 8 of 112 cells"
    )

    outcome.write(tmp_path / "it.json")

    assert not outcome.holds
    assert str(outcome) == "ratio: 0.61 (at most 0.5); the baseline is extrapolated from 8 of 112 cells"
    written = json.loads((tmp_path / "it.json").read_text())
    assert (written["ratio"], written["cells"], written["note"]) == (0.61, 112, outcome.note)
    assert written["machine"]["cpus"] > 0


def test_tables_have_both_ways_and_the_reckoning() -> None:
    way = matrix.Way(seconds=600, cells={}, peak=matrix.Peak(disk=2 * 10**9, memory=10**9), harness_mib=140.0)
    console = Console(width=120, record=True)

    console.print(matrix.table(way, way, cells=112, sample=8, baseline=8400))
    console.print(matrix.accepted_table({"kind-1.34": 6.0}))

    said = console.export_text()
    assert "extrapolated to all" in said
    assert "140" in said
    assert "kind-1.34" in said


def test_the_command_line_names_its_measurements(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "smoke" in said
    assert "matrix" in said


def test_a_matrix_that_does_not_exist_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", "--env", "kind-9.9"]) == 2

    assert "kind-9.9" in capsys.readouterr().err


def test_the_disk_with_the_least_room_is_the_one_that_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.host.disk.free", lambda folder: {"a": 5, "b": 3}[folder.name])

    seen = pressure.look([tmp_path / "a", tmp_path / "b"])

    assert (seen.disk_free, seen.disk) == (3, str(tmp_path / "b"))
    assert seen.memory_available > 0


@pytest.mark.parametrize("words", documented_commands(), ids=" ".join)
def test_every_command_that_the_document_quotes_is_one(words: list[str]) -> None:
    parsed = parsed_words(words)

    assert parsed.measurement == words[0]


def test_all_documented_measurements_are_there() -> None:
    assert {words[0] for words in documented_commands()} == set(MEASUREMENTS)


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_every_measurement_has_a_quick_mode_that_says_what_it_leaves(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parsed_words([name, "--quick"]).quick

    with pytest.raises(SystemExit):
        parsed_words([name, "--help"])
    assert MEASUREMENTS[name].QUICK in " ".join(capsys.readouterr().out.split())


def test_what_was_only_tried_is_not_judged() -> None:
    tried = Outcome(ratio=0.9, limit=0.5, measured={}, judged=False)

    assert tried.holds
    assert str(tried) == "ratio: 0.90 (the limit of 0.5 is not checked with --quick)"


class OpenResources:
    """Stands for what a run shares, which needs a container engine: it answers only while it is open."""

    def __init__(self, chart: Path) -> None:
        self._chart = chart
        self.calls: list[str] = []
        self.node_images = SimpleNamespace(image=self._image)
        self.charts = SimpleNamespace(find=self._find)

    def __call__(self, *args: object) -> OpenResources:
        return self

    def open(self) -> None:
        self.calls.append("open")

    def close(self) -> None:
        self.calls.append("close")

    def _image(self, environment: object, *, plain: bool) -> SimpleNamespace:
        assert self.calls == ["open"]
        return SimpleNamespace(reference=f"node, plain: {plain}")

    def _find(self, release: Release) -> SimpleNamespace:
        assert self.calls == ["open"]
        return SimpleNamespace(path=self._chart)


@pytest.mark.parametrize("plain", [True, False])
def test_the_way_by_hand_gets_its_node_and_chart_from_open_resources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: bool
) -> None:
    source = tmp_path / "away" / "spark-operator-2.5.2.tgz"
    source.parent.mkdir()
    source.write_text("a chart")
    resources = OpenResources(source)
    monkeypatch.setattr(smoke, "Resources", resources)
    asked = SimpleNamespace(cells=[SimpleNamespace(environment=None)])

    release = catalogue.load().release("2.5.2")

    node, chart = smoke._node_and_chart(asked, None, release, tmp_path, plain=plain)  # type: ignore[arg-type]

    assert (node, chart.read_text(), chart.parent) == (f"node, plain: {plain}", "a chart", tmp_path)
    assert resources.calls == ["open", "close"]


AWAY = "Internal error occurred: failed calling webhook: Post https://webhook.svc:9443: connect: connection refused"


@pytest.mark.parametrize(
    ("said", "applied"), [("", 1), (AWAY, 3), ("error: the server doesn't have a resource type SparkApplication", 1)]
)
def test_a_person_applies_again_while_the_webhook_does_not_answer(tmp_path: Path, said: str, applied: int) -> None:
    words, file = tmp_path / "words", tmp_path / "tool"
    refused = f"""[ "$1" = apply ] && [ "$(grep -c ^apply {words})" -lt 3 ] && [ -n "{said}" ]"""
    file.write_text(f'#!/bin/sh\necho "$*" >> {words}\nif {refused}; then echo "{said}" >&2; exit 1; fi\n')
    file.chmod(0o755)
    found = SimpleNamespace(tools={name: SimpleNamespace(path=file) for name in ("kind", "helm", "kubectl-1.34")})
    asked = SimpleNamespace(cells=cells(("kind-1.34",), 1))
    (tmp_path / "manifest").touch()
    inputs = smoke.Inputs(
        node_image="node", kind_config=tmp_path, images=(), chart=("chart",), manifest=tmp_path / "manifest"
    )

    with nullcontext() if said in ("", AWAY) else pytest.raises(CommandError, match="resource type"):
        smoke.by_hand(asked, found, inputs, tmp_path)  # type: ignore[arg-type]

    typed = [line.split()[0] for line in words.read_text().splitlines()]
    assert typed.count("apply") == applied
    assert typed[-1] == "delete"


def test_what_upstream_came_to_is_read_as_it_was_written(tmp_path: Path) -> None:
    cold = Outcome(ratio=0.7, limit=upstream.LIMITS["cold"], measured={"cold by hand": [{"seconds": 100.0}]})
    warm = Outcome(ratio=0.61, limit=upstream.LIMITS["warm"], measured={})
    made = upstream.Compared(outcomes={"cold": cold, "warm": warm}, link="100 MB/s and 30 ms to each registry")
    made.write(tmp_path / "file.json")

    found = upstream.read(json.loads((tmp_path / "file.json").read_text()))

    assert found == made
    assert not found.holds
    assert str(found).splitlines() == [
        "cold: ratio: 0.70 (at most 0.8)",
        "warm: ratio: 0.61 (at most 0.6)",
        "over 100 MB/s and 30 ms to each registry",
    ]


def test_upstream_removes_no_image_of_an_engine_that_is_somebodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["upstream", "--here", "no distance"]) == 2

    assert "this machine is not in the small internet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("pull --rounds 0", "--rounds: 0 is none"),
        ("repeat --times 0", "--times: 0 is none"),
        ("repeat --times=-1", "--times: -1 is none"),
        ("repeat --under-load=-1", "--under-load: -1 is negative"),
        ("repeat --more=-1", "--more: -1 is negative"),
        ("smoke --runs 0", "--runs: 0 is none; give 1 or more"),
        ("matrix --sample=-1", "--sample: -1 is negative; give 0 or more"),
        ("scale --applications 0", "--applications: 0 is none"),
        ("repeat --jobs 0", "--jobs: 0 is none"),
        ("pull --bandwidth-mb 0", "--bandwidth-mb: 0 is nothing; give more than 0"),
        ("copy --layer-mib=-1", "--layer-mib: -1 is nothing"),
    ],
)
def test_a_number_that_measures_nothing_is_refused_before_a_cluster_is_made(
    capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("audit --quick --tree nowhere", "--tree nowhere is no folder"),
        ("audit --quick --output notes.md", "--output notes.md cannot be written: it is there already"),
        ("verdicts --list --output notes.md", "--output notes.md cannot be written: it is there already"),
        ("scale --quick --output figures.json", "--output figures.svg cannot be written: it is there already"),
        ("audit --quick --output .", "--output . cannot be written: it is a folder"),
        ("audit --quick --output notes.md/x.json", "--output notes.md/x.json cannot be written"),
        ("repeat --quick --output notes.md", "--output notes.md cannot be used: File exists"),
    ],
)
def test_a_place_for_results_that_is_none_is_refused_before_anything_is_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("notes.md", "figures.svg"):
        Path(name).write_text("mine\n")
    assert main(words.split()) == 2
    assert f"UsageError: {said}" in capsys.readouterr().err
    assert Path("notes.md").read_text() == Path("figures.svg").read_text() == "mine\n"


def test_results_take_the_place_of_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = Outcome(ratio=1.0, limit=2.0, measured={})
    monkeypatch.setitem(
        MEASUREMENTS, "audit", SimpleNamespace(QUICK="", declare=lambda _: None, run=lambda *_: outcome)
    )
    for _ in range(2):
        assert main(["audit", "--output", str(tmp_path / "made" / "x.json")]) == 0


@pytest.mark.parametrize(("error", "said"), [(OSError(28, "no room"), "HostError: "), (KeyError("x"), "internal")])
def test_what_nobody_foresaw_is_no_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def run(*_: object) -> None:
        raise error

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setitem(MEASUREMENTS, "audit", SimpleNamespace(QUICK="", declare=lambda _: None, run=run))
    assert main(["audit"]) == 3
    told = capsys.readouterr().err
    assert told.startswith(said)
    assert "Traceback" not in told
