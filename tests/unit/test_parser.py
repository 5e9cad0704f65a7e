# SPDX-License-Identifier: Apache-2.0
"""What the parser of every command refuses, where argparse would take something else."""

from __future__ import annotations

import pytest

from harness import cli
from harness.bench import __main__ as measurements

RUN = ("run", "--collect-only")


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main(list(words))
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*RUN, "--apps", "a", "--apps", "b"), "argument --apps: given twice, as a and as b"),
        ((*RUN, "--lock=a", "--lock", "b"), "argument --lock: given twice"),
        (("matrix", "--source", "foundry", "--source", "upstream"), "argument --source: given twice"),
        (("matrix", "--shards", "2", "--shards", "3"), "argument --shards: given twice"),
        (("snapshot", "-o", "a", "--output", "b"), "argument -o/--output: given twice"),
        (("report", "serve", "--port", "1", "--port", "2"), "argument --port: given twice"),
    ],
)
def test_an_option_of_one_value_given_twice(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert said in refused(capsys, *words)


def test_the_same_value_twice_is_one_and_another_command_line_begins_anew() -> None:
    assert cli.main(["matrix", "--json", "--source", "upstream", "--source", "upstream"]) == 0
    assert cli.main(["matrix", "--json", "--source", "foundry"]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*RUN, "--jobs", "٤"), "argument --jobs: '٤' is not a whole number; write it in digits, such as 4"),
        ((*RUN, "--jobs", "1_0"), "argument --jobs: '1_0' is not a whole number"),
        ((*RUN, "--seed", " 7"), "argument --seed: ' 7' is not a whole number"),
        ((*RUN, "--seed", "9" * 5000), "argument --seed: '999"),
        (("cache", "prune", "--keep-gb", "nan"), "argument --keep-gb: 'nan' is not a number"),
        (("registry", "token", "bob", "--expires", "inf"), "argument --expires: 'inf' is not a number"),
        (("registry", "token", "bob", "--expires", "1_0"), "argument --expires: '1_0' is not a number"),
    ],
)
def test_a_number_has_the_digits_that_everybody_writes(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    found = refused(capsys, *words)
    assert said in found
    assert len(found) < 4000


@pytest.mark.parametrize("option", ["--env", "--path", "--scenario", "--spark", "--tag"])
def test_an_exclusion_of_nothing(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert cli.main(["matrix", option, "!"]) == 2
    assert f"UsageError: {option} '!' excludes nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [("--cell", f"kind-1.34/install-2.5.2/{'a' * 20_000}"), ("--path", "a" * 20_000), ("--source", "a" * 20_000)],
)
def test_a_name_without_end_is_not_printed_to_its_end(
    capsys: pytest.CaptureFixture[str], words: tuple[str, str]
) -> None:
    try:
        status = cli.main(["matrix", *words])
    except SystemExit as refused:
        status = int(refused.code or 0)
    told = capsys.readouterr().err
    assert (status, "a…a" in told, len(told) < 4000) == (2, True, True), told


@pytest.mark.parametrize("command", [("report", "serve"), ("registry", "up")])
@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_that_is_none(capsys: pytest.CaptureFixture[str], command: tuple[str, ...], port: str) -> None:
    assert f"argument --port: {port}" in refused(capsys, *command, f"--port={port}").replace("'", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("audit", "docs", ".", "--emit", "renovate"), "--emit prints a rule and reads nothing"),
        (("audit", "docs", "--emit", "renovate", "--sarif", "x"), "--emit prints a rule and reads nothing"),
        (("snapshot", "--rights", "--sample", "3"), "--rights prints manifests, and asks no cluster"),
        (("snapshot", "--rights", "-o", "x"), "--rights prints manifests, and asks no cluster"),
        (("shell", "--list", "kind-1.34/install-2.5.2/spark-pi"), "--list cannot be combined with a cell"),
        (("advise", "--from", "2.2.1", "--to", "2.5.2", "--values-key", "x"), "--values-key needs --values"),
    ],
)
def test_what_would_be_left_out_of_account(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert cli.main(list(words)) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--runs", "1_0"), ("upstream", "--runs", "1", "--runs", "2")])
def test_measurements_have_the_same_parser(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        measurements.parsed_words(words)
    assert ended.value.code == 2
    assert "argument --runs: " in capsys.readouterr().err
