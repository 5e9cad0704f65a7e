# SPDX-License-Identifier: Apache-2.0
"""What is read from application logs."""

from __future__ import annotations

from harness.apps.logs import announced, pi_of, spark_version_of, tail

LOG = """\
26/01/01 10:00:00 INFO SparkContext: Running Spark version 4.0.4
26/01/01 10:00:09 INFO DAGScheduler: Job 0 finished: Pi is roughly something
Pi is roughly 3.14182
driver read: a phrase
26/01/01 10:00:10 INFO SparkContext: driver read: not this one
"""


def test_pi_is_the_number_of_the_line_that_the_examples_print() -> None:
    assert pi_of(LOG) == 3.14182


def test_a_log_without_pi_has_none() -> None:
    assert pi_of("INFO nothing here") is None


def test_of_two_estimates_the_last_counts() -> None:
    assert pi_of("Pi is roughly 3.2\nPi is roughly 3.1\n") == 3.1


def test_the_version_is_the_one_that_the_context_announces() -> None:
    assert spark_version_of(LOG) == "4.0.4"
    assert spark_version_of("no Spark") is None


def test_only_lines_that_begin_with_the_prefix_announce() -> None:
    assert announced(LOG, "driver read") == ["a phrase"]
    assert announced(LOG, "executor read") == []


def test_the_tail_is_the_end() -> None:
    assert tail("a\nb\nc", lines=2) == "b\nc"
