# SPDX-License-Identifier: Apache-2.0
"""Programs that are ended, with all that they started. Real programs throughout."""

from __future__ import annotations

import shlex
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from harness import children, process, waiting
from harness.errors import CommandError, CommandTimeout


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def await_text(file: Path) -> str:
    return waiting.until(lambda: file.read_text() if file.exists() else "", what=f"text in {file}", timeout=20)


def with_child(pid_file: Path, child: str, *, then: str) -> list[str]:
    """A shell that starts another in the background, which notes its process number."""
    return ["sh", "-c", f"sh -c {shlex.quote(child)} > {shlex.quote(str(pid_file))} & {then}"]


SLEEPER = "echo $$; exec sleep 60"
# What a shell ignores, the program that takes its place ignores too.
DEAF_SLEEPER = "trap '' TERM; " + SLEEPER


@pytest.mark.parametrize("child", [SLEEPER, DEAF_SLEEPER], ids=["heeds-sigterm", "ignores-sigterm"])
@pytest.mark.parametrize("then", ["wait", "exec sleep 60"], ids=["shell-waits", "leader-sleeps"])
def test_when_time_is_up_the_whole_process_group_ends(tmp_path: Path, child: str, then: str) -> None:
    with pytest.raises(CommandTimeout):
        process.call(with_child(tmp_path / "pid", child, then=then), timeout=1, grace=0.5)

    pid = int(await_text(tmp_path / "pid"))
    waiting.until(lambda: not alive(pid), what="the grandchild to be gone", timeout=5)


def test_a_program_that_ignores_sigterm_is_killed() -> None:
    started = time.monotonic()
    with pytest.raises(CommandTimeout) as raised:
        process.call(["sh", "-c", "trap '' TERM; echo deaf; exec sleep 60"], timeout=1, grace=0.5)

    assert "deaf" in raised.value.message
    assert time.monotonic() - started < 30


def test_a_background_program_that_died_takes_its_children_along(tmp_path: Path) -> None:
    argv = with_child(tmp_path / "pid", SLEEPER, then="exit 0")
    with process.background(argv, log_file=tmp_path / "log") as child:
        pid = int(await_text(tmp_path / "pid"))
        child.wait(20)
        assert alive(pid)

    waiting.until(lambda: not alive(pid), what="the grandchild to be gone", timeout=5)


def test_end_all_ends_what_other_threads_wait_for() -> None:
    caught: list[BaseException] = []

    def work() -> None:
        try:
            process.call(["sleep", "61"], timeout=50)
        except CommandError as error:
            caught.append(error)

    worker = threading.Thread(target=work)
    worker.start()

    def ended() -> bool:
        children.end_all()
        return not worker.is_alive()

    waiting.until(ended, what="the program to be ended", timeout=20)
    assert [getattr(error, "returncode", 0) for error in caught] == [-signal.SIGTERM]


def test_what_removes_things_is_sheltered_from_end_all(tmp_path: Path) -> None:
    with children.sheltered(), process.background(["sleep", "60"], log_file=tmp_path / "log") as child:
        children.end_all()
        assert child.poll() is None
    assert child.poll() is not None

    with process.background(["sleep", "60"], log_file=tmp_path / "log") as other:
        children.end_all()
        assert other.poll() is not None
