# SPDX-License-Identifier: Apache-2.0
"""What nobody foresaw: no traceback for a user, a file for an issue, and a status that does not blame a cell."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from harness import cli
from harness.commands import matrix


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, error: BaseException, *words: str) -> int:
    def act(parsed: object, rest: object) -> int:
        raise error

    monkeypatch.setattr(matrix, "_matrix", act)
    return cli.main(["matrix", *words])


def test_a_defect_is_told_in_two_lines_with_a_file_to_attach(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, TypeError("boom password=hunter2hunter2"), "--env", "kind-1.34") == 3
    said = capsys.readouterr().err
    assert said.startswith("internal error: TypeError: boom")
    assert "Traceback" not in said
    file = Path(re.search(r"attach (\S+) to an issue", said)[1])  # type: ignore[index]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert "command: harness matrix --env kind-1.34" in text
    assert "Traceback (most recent call last)" in text
    assert "hunter2" not in text


def test_a_defect_on_a_full_disk_is_told_with_its_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], temporary: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "gone"))
    assert run(monkeypatch, TypeError("boom")) == 3
    said = capsys.readouterr().err
    assert "no report could be written" in said
    assert "Traceback" in said


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_what_the_host_refuses_is_the_hosts_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    assert run(monkeypatch, OSError(number, "no", "/some/file")) == 3
    said = capsys.readouterr().err
    assert said.startswith("HostError: no: /some/file\n  next: ")


def test_a_limit_is_told_with_the_command_that_raises_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, OSError(errno.EMFILE, "Too many open files")) == 3
    assert capsys.readouterr().err.endswith("ulimit -n 4096\n")


def test_no_folder_for_temporary_files_is_no_defect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], temporary: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(temporary / "gone")])
    with pytest.raises(FileNotFoundError) as full:
        tempfile.gettempdir()
    assert run(monkeypatch, full.value) == 3
    said = capsys.readouterr().err
    assert said.startswith("HostError: No usable temporary directory")
    assert "set TMPDIR" in said


@pytest.mark.parametrize(
    "variables",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
)
def test_an_encoding_without_our_letters_ends_nothing(variables: dict[str, str]) -> None:
    """As with LANG=en_US, which is ISO-8859-1, and which not every machine has."""
    words = ["advise", "--from", "2.1.1", "--to", "2.5.2"]
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *words], capture_output=True, env={**os.environ, **variables}, check=False
    )

    assert b"2.5.2" in done.stdout
    assert b"Error" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--lock", ""],
        ["run", "--lock="],
        ["run", "--lock= "],
        ["run", "--apps", ""],
        ["run", "--apps", " "],
        ["run", "--cell", ""],
        ["matrix", "--env", ""],
        ["audit", "docs", ""],
        ["advise", "--from", "", "--to", "2.5.2"],
        ["clean", "--run", ""],
    ],
)
def test_an_empty_value_is_an_error_everywhere(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    assert "has an empty value" in capsys.readouterr().err


def test_a_reader_that_has_enough_gets_no_traceback() -> None:
    program = f"{sys.executable} -m harness.cli matrix --tag full | head -n 1"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=180, check=True)
    assert "Traceback" not in done.stderr
    assert "Broken pipe" not in done.stderr
    assert "Exception ignored" not in done.stderr
