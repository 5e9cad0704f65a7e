# SPDX-License-Identifier: Apache-2.0
"""A reason begins with the cause, whatever a program prints around it, and however long it is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from program_outputs import NOISE, OUTPUTS, Output, output

from harness import causes
from harness.apps import logs
from harness.causes import rows
from harness.errors import CatalogueError


@pytest.mark.parametrize("printed", OUTPUTS, ids=lambda it: it.name)
def test_a_reason_begins_with_the_cause(printed: Output) -> None:
    said = causes.cause(printed.text)
    assert said.startswith(printed.cause)
    assert len(said) <= causes.LENGTH
    assert "\n" not in said
    assert not [word for word in printed.without if word in said]


@pytest.mark.parametrize("printed", OUTPUTS, ids=lambda it: it.name)
def test_the_cause_survives_a_long_output_in_front_of_it(printed: Output) -> None:
    noise = (NOISE["jvm_17"] + NOISE["log4j2"]) * 50
    assert causes.cause(noise + printed.text).startswith(printed.cause)


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_noise_alone_is_no_cause(noise: str) -> None:
    assert causes.cause(noise) == ""
    assert causes.found(noise) == ""
    assert causes.told(noise) == noise.strip().splitlines()[-1]


def test_what_nobody_knows_is_told_whole_or_by_its_last_line() -> None:
    assert causes.cause("first\nsecond\n") == "first second"
    assert causes.cause("\n".join(f"line {number}" for number in range(40))) == "line 39"
    assert causes.found("first\nsecond\n") == ""
    assert causes.told("") == "it said nothing"


def test_a_long_cause_keeps_its_beginning_and_its_end() -> None:
    long = output("no-account-jdk-17").cause.replace("spark-pi-driver", "x" * 3000)
    said = causes.cause(f'Exception in thread "main" java.lang.IllegalStateException: {long}')
    assert len(said) <= causes.LENGTH
    assert said.startswith("java.lang.IllegalStateException: pods")
    assert said.endswith('serviceaccount "spark-operator-spark" not found')


def test_warnings_before_the_error_of_a_log_are_not_the_cause() -> None:
    log = "26/11/30 03:00:00 WARN A: java.io.IOException: slow\n26/11/30 03:00:01 ERROR B: the bucket shop is gone\n"
    assert causes.found(log) == "B: the bucket shop is gone"


_STOPPED = """\
26/12/03 05:46:05 INFO SparkContext: Submitted application: load
the lock of 2026-12-03 is held
26/12/03 05:46:57 INFO SparkContext: SparkContext is stopping with exitCode 0 from stop at SparkSubmit.scala:1036.
26/12/03 05:46:59 INFO SparkContext: Successfully stopped SparkContext
"""


def test_a_program_that_ended_itself_is_told_with_its_last_words() -> None:
    assert causes.found(_STOPPED) == "", "a driver that succeeded leaves the same log"
    assert causes.ended_itself(_STOPPED) == "its program ended itself, and last printed: the lock of 2026-12-03 is held"
    structured = '{"ts":"2026-12-03T05:46:59Z","level":"INFO","msg":"Successfully stopped SparkContext"}'
    assert causes.ended_itself(structured) == "its program ended itself"
    of_a_signal = f"{_STOPPED}26/12/03 05:46:59 ERROR CoarseGrainedExecutorBackend: RECEIVED SIGNAL TERM\n"
    for other in ("", "the lock is held", of_a_signal):
        assert causes.ended_itself(other) == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("driver container failed with ExitCode: 3, Reason: Error", "its program ended itself, and last printed: the"),
        ("driver container failed with ExitCode: 10, Reason: Error", "its program ended itself, and last printed: the"),
        ("driver container failed with ExitCode: 0, Reason: Completed", ""),
        ("driver pod not found", ""),
    ],
)
def test_a_program_ended_itself_only_where_its_driver_failed(error: str, said: str) -> None:
    found = logs.cause_in(_STOPPED, error)
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_each_row_fits_its_examples_and_no_cause_is_noise() -> None:
    known = rows.load()
    for row in (*known.noise, *known.causes, *known.messages, *known.wrappers):
        for example in row.examples:
            assert row.expression.search(example), (row.of, example)
    for row in known.causes:
        assert not [example for example in row.examples if known.is_noise(example)]
    for row in known.wrappers:
        assert [row.expression.sub("", example) for example in row.examples] == [""] * len(row.examples)


def test_a_huge_output_is_read_in_a_moment() -> None:
    began = time.monotonic()
    assert causes.cause("x" * 5_000_000 + "\nError: no\n") == "no"
    assert causes.cause("WARN Message: ERROR at ( " * 200_000)
    assert time.monotonic() - began < 5


def test_a_row_without_its_group_is_refused(tmp_path: Path) -> None:
    text = rows.FILE.read_text().replace("(?P<cause>\\S.*?)", "(\\S.*?)")
    (tmp_path / "output.toml").write_text(text)
    with pytest.raises(CatalogueError, match=r"output\.toml, line \d+: .*pattern"):
        rows.load(tmp_path / "output.toml")
