# SPDX-License-Identifier: Apache-2.0
"""A program that another thread stops: it ends at once, and its status and output are still returned."""

from __future__ import annotations

import threading

import pytest

from harness import process
from harness.errors import CommandError, CommandTimeout

_TRAP = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done"


def test_a_stopped_program_ends_with_the_status_that_it_chose() -> None:
    stop = threading.Event()
    timer = threading.Timer(0.5, stop.set)
    timer.start()
    done = process.call(["bash", "-c", _TRAP], timeout=30, check=False, stop=stop)
    timer.join()
    assert (done.returncode, done.stdout) == (7, "ready\nbye\n")
    assert done.seconds < 10


def test_input_is_read_whole_while_a_stop_is_awaited() -> None:
    text = "x" * 300_000
    done = process.call(["bash", "-c", "sleep 0.5; wc -c"], timeout=30, stdin=text, stop=threading.Event())
    assert done.stdout.strip() == str(len(text))


def test_a_stop_that_never_comes_leaves_status_and_timeout_as_they_are() -> None:
    with pytest.raises(CommandError) as told:
        process.call(["false"], timeout=30, stop=threading.Event())
    assert told.value.returncode == 1
    with pytest.raises(CommandTimeout, match="did not finish within 1 s"):
        process.call(["sleep", "30"], timeout=1, stop=threading.Event())
