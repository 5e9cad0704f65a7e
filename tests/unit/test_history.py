# SPDX-License-Identifier: Apache-2.0
"""What is learnt about how long cells take."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from report_samples import result

from harness.report.history import History

PI = "kind-1.34/install-2.5.2/spark-pi"


def test_the_median_of_the_last_ten_is_expected(tmp_path: Path) -> None:
    history = History(tmp_path / "cache" / "history.json")
    assert history.expected() == {}
    for seconds in [1000.0] * 9 + [float(number) for number in range(1, 11)]:
        history.record([result("spark-pi", phases={"all": seconds})])
    assert History(history.file).expected() == {PI: 5.5}


def test_cells_that_did_not_pass_teach_nothing(tmp_path: Path) -> None:
    history = History(tmp_path / "history.json")
    history.record([result("retry"), result("config-map"), result("ttl"), result("scheduled")])
    assert list(history.expected()) == ["kind-1.34/install-2.5.2/scheduled"]


def test_runs_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: History(file).record([result("spark-pi", phases={"all": 1.0})]), range(8)):
            pass
    assert file.read_text().count("1.0") == 8


@pytest.mark.parametrize("text", ["", "[]", '{"cells": {"a": "b"}}'])
def test_a_broken_file_is_begun_anew(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "history.json"
    file.write_text(text)
    with caplog.at_level(logging.WARNING):
        History(file).record([result("spark-pi", phases={"all": 2.0})])
    assert History(file).expected() == {PI: 2.0}
    assert "begun anew" in caplog.text
