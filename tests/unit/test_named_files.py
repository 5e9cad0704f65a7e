# SPDX-License-Identifier: Apache-2.0
"""Files that somebody names: what is no regular file, or has no end, is told at once."""

from __future__ import annotations

import io
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import cli, named_files, settings
from harness.errors import SettingsError, UsageError
from harness.images import login
from harness.report.files import write_atomically
from harness.report.merge import planned_cells
from harness.untrusted import CHART_BOUNDS, opened

HUGE = 8 << 30


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    """What waits for a pipe waits for ever, and would hold up all tests."""

    def late(*_: object) -> None:
        raise TimeoutError("it still waits after a minute")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _pipe(file: Path) -> None:
    os.mkfifo(file)


def _socket(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(file.parent)
        server.bind(file.name)
        os.chdir(here)


def _zeros(file: Path) -> None:
    file.symlink_to("/dev/zero")


def _huge(file: Path) -> None:
    file.touch()
    os.truncate(file, HUGE)


def _folder(file: Path) -> None:
    file.mkdir()


UNFIT = {
    "it is a pipe": _pipe,
    "it is a socket": _socket,
    "it is a device": _zeros,
    "8,590 MB": _huge,
    "it is a folder": _folder,
}


@pytest.mark.parametrize(("said", "make"), UNFIT.items(), ids=list(UNFIT))
def test_what_is_no_file_to_read_is_told(tmp_path: Path, said: str, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x")
    with pytest.raises(OSError, match=said) as told:
        named_files.text(tmp_path / "x")
    assert str(told.value) == told.value.strerror


def test_a_text_comes_without_the_mark_and_the_line_ends_of_windows(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbfa\r\nb\n")
    assert named_files.text(tmp_path / "x") == "a\nb\n"


@pytest.mark.parametrize("said", list(UNFIT))
def test_settings_that_are_no_file_are_told(tmp_path: Path, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    UNFIT[said](tmp_path / "harness.toml")
    for command in (["matrix"], ["doctor"], ["cache", "list"]):
        assert cli.main([*command, "--config", str(tmp_path / "harness.toml")]) == 2
        told = capsys.readouterr().err
        assert f"{tmp_path / 'harness.toml'} cannot be read: it " in told
        assert said in told
        assert "next: " in told


@pytest.mark.parametrize("make", [_pipe, _folder, lambda file: file.symlink_to("gone")])
def test_a_harness_toml_here_that_is_no_file_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "harness.toml")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"harness\.toml"):
        settings.load(environment={})


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('cache_dir = ""', "cache_dir"),
        ('reports_dir = " "', "reports_dir"),
        ('catalogue_dirs = [""]', "catalogue_dirs"),
        ('mirrors."ghcr.io" = {url = ""}', "url"),
        ('mirrors."ghcr.io" = {url = "https://a.example", ca = ""}', "ca"),
        ('logins."ghcr.io" = {token_file = ""}', "token_file"),
        ("jobs = true", "jobs"),
        ("min_disk_gb = false", "min_disk_gb"),
        ("isolated = 1", "isolated"),
        ('rehearsed = "yes"', "rehearsed"),
        ('cache_dir = "/dev/null"', "it is a device"),
        ('reports_dir = "harness.toml"', "it is a file"),
        ('cache_dir = "loop/x"', "itself"),
    ],
)
def test_a_value_that_would_mean_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, key: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "harness.toml").write_text(text + "\n")
    with pytest.raises(SettingsError) as told:
        settings.load(file=tmp_path / "harness.toml", environment={})
    assert "harness.toml, line 1: " in told.value.message
    assert key in told.value.message
    assert told.value.next_step


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"HARNESS_CACHE": " "}, "HARNESS_CACHE is blank"),
        ({"HARNESS_REPORTS": "\t"}, "HARNESS_REPORTS is blank"),
        ({"HARNESS_CACHE": "/dev/null/x"}, "/dev/null/x cannot be a folder: /dev/null: it is a device"),
    ],
)
def test_an_environment_that_would_mean_something_else_is_refused(
    tmp_path: Path, environment: dict[str, str], said: str
) -> None:
    (tmp_path / "harness.toml").write_text("")
    with pytest.raises(SettingsError, match="environment variable") as told:
        settings.load(file=tmp_path / "harness.toml", environment=environment)
    assert said in told.value.message


@pytest.mark.parametrize("home", ["", "home"])
def test_a_home_that_is_no_path_from_the_root_is_none(
    home: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("HARNESS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", home)
    assert cli.main(["cache", "list"]) == 2
    assert "HOME" in capsys.readouterr().err


def test_a_current_folder_that_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert cli.main(["matrix"]) == 2
    assert "the current folder does not exist any more" in capsys.readouterr().err


@pytest.mark.parametrize("make", [_pipe, _zeros, _huge, lambda file: file.write_bytes(bytes(20_000))])
def test_what_is_no_archive_is_told_before_it_is_searched(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    make(tmp_path / "chart.tgz")
    with pytest.raises(UsageError, match=r"chart\.tgz"), opened(tmp_path / "chart.tgz", CHART_BOUNDS):
        pass


@pytest.mark.parametrize("plan", ["[]", "{}", '[{"cells": "abc"}]', '[{"cells": [1]}]', "[7]"])
def test_a_plan_that_names_no_cells_is_none(tmp_path: Path, plan: str) -> None:
    (tmp_path / "plan.json").write_text(plan)
    with pytest.raises(UsageError, match="is not a shard plan"):
        planned_cells(tmp_path / "plan.json")


@pytest.mark.parametrize("make", [_pipe, _socket, _zeros, _folder])
def test_nothing_but_a_file_is_replaced(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x")
    with pytest.raises(OSError, match="it is a "):
        write_atomically(tmp_path / "x", "text")
    assert [it.name for it in tmp_path.iterdir()] == ["x"]


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    _pipe(tmp_path / "x")
    with pytest.raises(OSError, match="No such device"):
        named_files.write(tmp_path / "x", "text")
    named_files.write(tmp_path / "y", "a")
    named_files.write(tmp_path / "y", "b", append=True)
    assert (tmp_path / "y").read_text() == "ab"


def test_standard_input_without_a_token_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="it is not text"):
        login.from_stdin("me", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n"), encoding="utf-8"))
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(SettingsError, match="standard input is closed"):
        login.from_stdin("me")


@pytest.mark.parametrize("chart", ["https://", "oci://", "oci://a.example", "ftp://a.example/chart"])
def test_half_an_address_of_a_chart_is_told(chart: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "--collect-only", "--cell", "kind-1.34/install-2.5.2/spark-pi", "--source", "foundry"]
    assert cli.main([*words, "--chart", chart]) == 2
    assert f"--chart {chart} is not the address of a chart" in capsys.readouterr().err


def test_no_settings_may_be_asked_for() -> None:
    assert settings.load(file=Path(os.devnull), environment={}) == settings.Settings()
