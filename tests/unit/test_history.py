# SPDX-License-Identifier: Apache-2.0
"""What is learnt about how long cells take."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from report_samples import result

from harness.matrix.estimate import Learnt
from harness.report.history import History

PI = "kind-1.34/install-2.5.2/spark-pi"


def test_the_median_of_the_last_ten_is_expected(tmp_path: Path) -> None:
    history = History(tmp_path / "cache" / "history.json")
    assert history.learnt() == Learnt()
    for seconds in [1000.0] * 9 + [float(number) for number in range(1, 11)]:
        history.record([result("spark-pi", phases={"all": seconds})])
    assert History(history.file).learnt().own == {PI: 5.5}


def test_what_cells_share_is_learnt_once_a_cluster(tmp_path: Path) -> None:
    history = History(tmp_path / "history.json")
    phases = {"cluster-create": 10.0, "install-helm": 4.0, "install-ready": 6.5, "scenario": 18.0, "evidence": 1.0}
    history.record([result("spark-pi", phases=phases), result("scheduled", phases=phases)])
    learnt = history.learnt()
    assert learnt.shared == {"kind-1.34/install-2.5.2": 20.5}
    assert learnt.own == {PI: 19.0, "kind-1.34/install-2.5.2/scheduled": 19.0}
    assert len(json.loads(history.file.read_text())["shared"]["kind-1.34/install-2.5.2"]) == 1


def test_what_was_learnt_before_the_two_were_told_apart_is_used(tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    other = "kind-1.36/install-2.5.2/ttl"
    file.write_text(json.dumps({"cells": {"kind-1.34/install-2.5.2/ttl": [50.5, 70.5], other: [50.0]}}))
    phases = {"cluster-create": 20.5, "scenario": 18.0}
    History(file).record([result("spark-pi", phases=phases)])
    assert History(file).learnt().own == {PI: 18.0, "kind-1.34/install-2.5.2/ttl": 40.0}


def test_cells_that_did_not_pass_teach_nothing(tmp_path: Path) -> None:
    history = History(tmp_path / "history.json")
    history.record([result("retry"), result("config-map"), result("ttl"), result("scheduled")])
    assert list(history.learnt().own) == ["kind-1.34/install-2.5.2/scheduled"]


def test_runs_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: History(file).record([result("spark-pi", phases={"all": 1.0})]), range(8)):
            pass
    assert len(json.loads(file.read_text())["own"][PI]) == 8


@pytest.mark.parametrize("text", ["", "[]", '{"cells": {"a": "b"}}'])
def test_a_broken_file_is_begun_anew(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "history.json"
    file.write_text(text)
    with caplog.at_level(logging.WARNING):
        History(file).record([result("spark-pi", phases={"all": 2.0})])
    assert History(file).learnt().own == {PI: 2.0}
    assert "started afresh" in caplog.text


def test_passes_with_other_applications_are_learnt_apart(tmp_path: Path) -> None:
    history = History(tmp_path / "history.json")
    path = "upgrade-2.4.0-2.5.2+crds=apply"
    of = result("scheduled").model_copy(update={"path": path, "id": f"kind-1.34/{path}/scheduled"})
    for seconds, watched in ((240.0, ("schedules", "standing", "submissions")), (180.0, ())):
        history.record([of.model_copy(update={"phases": {"path-moves": seconds}, "watched": watched})])
    assert history.learnt().shared == {
        f"kind-1.34/{path} watching schedules+standing+submissions": 240.0,
        f"kind-1.34/{path} watching the operator": 180.0,
    }
