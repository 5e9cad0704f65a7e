# SPDX-License-Identifier: Apache-2.0
"""`harness tool`: the path of a real program, and that program in the place of the command."""

from __future__ import annotations

import sys

import pytest

from harness import cli, process
from harness.settings import PROJECT_ROOT


def tool(*words: str) -> process.Completed:
    return process.call(
        [sys.executable, "-m", "harness.cli", "tool", *words], cwd=PROJECT_ROOT, timeout=600, check=False
    )


def test_without_words_for_it_its_path_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tool", "actionlint"]) == 0
    path = capsys.readouterr().out.strip()
    assert process.call([path, "-version"], timeout=60).stdout[0].isdigit()


def test_with_words_it_runs_and_its_output_and_exit_status_are_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tool", "actionlint"]) == 0
    path = capsys.readouterr().out.strip()
    assert tool("actionlint", "--", "-version").stdout == process.call([path, "-version"], timeout=60).stdout
    done = tool("actionlint", "--", "no-such-file.yml")
    assert done.returncode == 3
    assert "no-such-file.yml" in done.stderr


def test_an_unknown_one_is_told_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tool", "crain"]) == 2
    said = capsys.readouterr().err
    assert "there is no tool named 'crain'; did you mean crane?" in said
    assert "the tools are: kind, " in said
