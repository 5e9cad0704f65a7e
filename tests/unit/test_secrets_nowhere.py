# SPDX-License-Identifier: Apache-2.0
"""A secret that somebody else wrote into a message is nowhere in what the harness prints and writes."""

from __future__ import annotations

import argparse
import io
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import planted
import pytest
from planted import SECRET
from report_samples import run
from rich.console import Console
from rich.table import Table
from test_plugin import Scripted, cell, scenarios, scripted

from harness import cli
from harness.commands import machine
from harness.errors import HarnessError, UsageError
from harness.redaction import sentinel, terminal
from harness.report import crash, merge
from harness.report.writer import ReportWriter

__all__ = ["scripted"]


def found_in(text: str) -> list[bytes]:
    """The forms of the secret that a text has."""
    return [form for form in sentinel.forms(SECRET) if form in text.encode()]


def shown(act: Any) -> str:
    """What is printed when something is done within redacted streams."""
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = out = io.StringIO()
    try:
        with terminal.redacted():
            act()
    finally:
        sys.stdout, sys.stderr = before
    return out.getvalue()


def test_what_is_planted_would_be_found() -> None:
    assert all(found_in(text) for text in (*planted.LINES, *planted.DOCUMENTS))


def test_a_run_writes_and_prints_no_secret_of_a_cell(
    scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "job-summary.md"))
    script = {
        cell("retry"): "failed",
        cell("ttl"): "error",
        "message": f"the operator's log says:\n{planted.ALL}",
        "say": list(planted.LINES),
        "leaks": list(planted.LINES),
    }
    printed = scripted.run(*scenarios("retry", "ttl", "spark-pi"), script=script)

    assert "the operator's log says" in printed.stdout.str()
    assert "user=me password=***" in printed.stdout.str()
    assert found_in(printed.stdout.str() + printed.stderr.str()) == []
    assert {it["id"] for it in scripted.results["cells"]} == {cell("retry"), cell("ttl"), cell("spark-pi")}
    assert (tmp_path / "job-summary.md").read_text()
    assert sentinel.in_files([SECRET], [scripted.reports, tmp_path / "job-summary.md"]) == []


def test_a_run_that_cannot_begin_prints_no_secret(scripted: Scripted) -> None:
    printed = scripted.run(*scenarios("retry"), script={"open": planted.ALL})

    assert "user=me password=***" in printed.stdout.str()
    assert found_in(printed.stdout.str() + printed.stderr.str()) == []
    assert sentinel.in_files([SECRET], [scripted.reports]) == []


def test_a_merged_report_has_no_secret_that_a_report_brings(tmp_path: Path) -> None:
    written = ReportWriter(tmp_path, run("retry", run_id="20260801-101500-0001"))
    evidence = written.folder / next(it.evidence for it in written.run.cells if it.evidence)
    (evidence / "logs").mkdir(parents=True)
    (evidence / "summary.md").write_text(planted.ALL)
    (evidence / "logs" / "operator.log").write_bytes(b"\xff" + planted.ALL.encode())
    evidence.with_name(f"{evidence.name}.tar.gz").write_text(planted.ALL)
    written.finish()

    shards = merge.find([written.folder])
    merge.write(merge.merge(shards), shards, tmp_path / "merged", environment={})

    copy = tmp_path / "merged" / evidence.relative_to(written.folder)
    assert "user=me password=***" in (copy / "logs" / "operator.log").read_text(errors="replace")
    assert (copy / "logs" / "operator.log").read_bytes()[:1] == b"\xff"
    assert copy.with_name(f"{copy.name}.tar.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert sentinel.in_files([SECRET], [tmp_path / "merged"]) == []


def test_a_crash_report_has_no_secret(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = crash.write(RuntimeError(planted.ALL), ["run", "--password", SECRET], tmp_path)

    assert "user=me password=***" in file.read_text()
    assert sentinel.in_files([SECRET], [tmp_path]) == []


def test_a_crash_report_is_written_of_arguments_that_are_no_utf_8(tmp_path: Path) -> None:
    file = crash.write(RuntimeError("no folder \udcff"), ["run", "--apps", "\udcff"], tmp_path)
    assert "--apps '\\udcff'" in file.read_text()


@pytest.mark.parametrize(
    "raised", [None, UsageError(planted.ALL), HarnessError(planted.ALL), RuntimeError(planted.ALL)]
)
def test_no_command_prints_a_secret(
    raised: Exception | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def act(parsed: argparse.Namespace, rest: object) -> int:
        print(planted.ALL)
        Console().print(planted.ALL, soft_wrap=True)
        logging.getLogger("harness.test").warning("%s", planted.LINES[0])
        if raised:
            raise raised
        return 0

    monkeypatch.setattr(machine, "_doctor", act)
    # The variable TMPDIR is read once for each process.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cli.main(["doctor"])
    printed = capsys.readouterr()

    assert "user=me password=***" in printed.out
    assert found_in(printed.out + printed.err) == []


def test_what_to_write_in_place_of_an_address_has_no_login(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["registry", "copy", f"https://me:{SECRET}@ghcr.io/owner/name:1", "ghcr.io/owner/name:2"])

    assert "write ghcr.io/owner/name:1" in (printed := capsys.readouterr().err)
    assert found_in(printed) == []


def test_no_escape_in_a_message_gets_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["tool", "\x1b[2Jkind\x1b]0;title\x07"])

    assert "there is no tool named " in (printed := capsys.readouterr().err)
    assert "\x1b" not in printed


def test_a_wrong_option_is_told_without_its_secret(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["doctor", "--password", SECRET, f"--token={SECRET}"])

    assert "unrecognized arguments" in (printed := capsys.readouterr().err)
    assert found_in(printed) == []


def test_lines_that_are_written_in_parts_are_redacted_as_a_whole() -> None:
    def act() -> None:
        for part in ("user=me password=", SECRET, " attempt=3", "\n", "and "):
            sys.stdout.write(part)
            sys.stdout.flush()

    assert shown(act) == "user=me password=*** attempt=3\nand "


def test_a_progress_bar_and_what_is_not_secret_come_out_as_they_went_in() -> None:
    table = Table("cell", "verdict", title="cells")
    table.add_row("kind-1.34/install-2.5.2/spark-pi", "passed")

    def act() -> None:
        sys.stdout.write("10 %\r20 %\r")
        sys.stdout.flush()
        Console(width=80).print(table)

    plain = io.StringIO()
    Console(file=plain, width=80).print(table)
    assert shown(act) == "10 %\r20 %\r" + plain.getvalue()


def helps(parser: argparse.ArgumentParser) -> list[str]:
    """The help of a command and of all commands below it."""
    below = [it for it in parser._actions if isinstance(it, argparse._SubParsersAction)]
    return [parser.format_help(), *(text for it in below for name in it.choices for text in helps(it.choices[name]))]


def test_help_is_printed_as_it_is() -> None:
    every = helps(cli._parser())

    assert len(every) > 20
    for text in every:
        assert shown(lambda text=text: print(text)) == text + "\n"
