# SPDX-License-Identifier: Apache-2.0
"""Subprocesses: what they leave, and that none outlives its time. Real programs throughout."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from program_outputs import output
from test_children import await_text

from harness import children, process
from harness.errors import CommandError, CommandTimeout, ToolError


def test_both_streams_the_status_and_the_time_come_back() -> None:
    done = process.call(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=20, check=False)

    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)
    assert 0 < done.seconds < 20
    assert done.argv[0] == "sh"


def test_a_status_other_than_0_raises_with_the_command_and_what_it_said() -> None:
    with pytest.raises(CommandError) as raised:
        process.call(["sh", "-c", "echo before; echo 'no such thing' >&2; exit 4"], timeout=20)

    assert raised.value.returncode == 4
    assert "exited with status 4" in raised.value.message
    assert "  | no such thing" in raised.value.message
    assert "sh -c" in raised.value.message
    assert raised.value.stdout == "before\n"


def test_the_exit_of_a_program_is_told_by_the_kernel_and_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)

    process.call(["sh", "-c", "sleep 0.2"], timeout=20)
    process.call(["sh", "-c", "sleep 0.2"], timeout=20, stop=threading.Event())

    assert naps == []


@pytest.mark.parametrize("refusal", [AttributeError("macOS"), OSError("ENOSYS")])
def test_a_system_that_cannot_tell_of_an_exit_is_asked_again_and_again(
    monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    def refuse(pid: int) -> int:
        raise refusal

    monkeypatch.setattr(os, "pidfd_open", refuse)

    assert process.call(["sh", "-c", "exit 3"], timeout=20, check=False).returncode == 3
    with pytest.raises(CommandTimeout, match="did not finish within 0 s"):
        process.call(["sleep", "60"], timeout=0.2)


def test_input_environment_and_folder_reach_the_program(tmp_path: Path) -> None:
    done = process.call(
        ["sh", "-c", 'cat; echo "$COLOUR $PATH"; pwd'],
        stdin="given\n",
        env={"COLOUR": "green"},
        cwd=tmp_path,
        timeout=20,
    )

    assert done.stdout.splitlines() == ["given", f"green {os.environ['PATH']}", str(tmp_path.resolve())]


def test_preferences_for_what_is_typed_by_hand_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERC", "/home/me/kuberc")
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "podman")
    monkeypatch.setenv("DOCKER_DEFAULT_PLATFORM", "linux/arm64")
    monkeypatch.setenv("DOCKER_CONTENT_TRUST", "1")
    shown = "echo $KUBERC-$KIND_EXPERIMENTAL_PROVIDER-$DOCKER_DEFAULT_PLATFORM-$DOCKER_CONTENT_TRUST-"

    assert process.call(["sh", "-c", shown], timeout=10).stdout == "off----\n"


def test_a_variable_that_is_taken_away_while_a_program_is_started_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shrinking(dict[str, str]):
        def __iter__(self) -> Iterator[str]:
            names = list(super().__iter__())
            self.pop("GOING", None)
            return iter(names)

    monkeypatch.setattr(os, "environ", Shrinking(PATH=os.environ["PATH"], GOING="away", COLOUR="green"))

    assert process.call(["sh", "-c", 'echo "$COLOUR ${GOING-gone}"'], timeout=20).stdout == "green gone\n"


def test_large_output_and_odd_bytes_do_not_hang() -> None:
    done = process.call(["sh", "-c", r"head -c 1000000 /dev/zero | tr '\0' x; printf '\377'"], timeout=30)

    assert len(done.stdout) == 1_000_001
    assert done.stdout.endswith("\ufffd")


def test_secrets_are_starred_in_what_is_returned_shown_and_raised() -> None:
    argv = ["sh", "-c", "echo hunter2; echo hunter2 >&2; exit $1", "hunter2", "0"]
    done = process.call(argv, timeout=20, secrets=["hunter2", ""])
    assert (done.stdout, done.stderr) == ("***\n", "***\n")

    with pytest.raises(CommandError) as raised:
        process.call([*argv[:-1], "1"], timeout=20, secrets=["hunter2"])
    assert "hunter2" not in str(raised.value) + raised.value.stdout + raised.value.stderr

    with pytest.raises(CommandTimeout) as late:
        process.call(["sh", "-c", "echo hunter2; exec sleep 60"], timeout=0.5, secrets=["hunter2"])
    assert "hunter2" not in str(late.value) + late.value.stdout + late.value.stderr
    assert process.shown(["login", "-p", "hunter2"], ["hunter2"]) == "login -p ***"


def test_secrets_are_starred_in_the_log_file(tmp_path: Path) -> None:
    log_file = tmp_path / "it.log"
    process.call(["sh", "-c", "echo hunter2"], timeout=20, log_file=log_file, secrets=["hunter2"])

    assert "hunter2" not in log_file.read_text()
    assert "***" in log_file.read_text()


def test_a_log_file_is_appended_to_and_named_by_the_error(tmp_path: Path) -> None:
    log_file = tmp_path / "deep" / "build.log"
    first = process.call(["sh", "-c", "echo one; echo two >&2"], timeout=20, log_file=log_file)
    assert first.stdout == "one\ntwo\n"

    with pytest.raises(CommandError) as raised:
        process.call(["sh", "-c", "echo three; exit 1"], timeout=20, log_file=log_file)

    assert raised.value.next_step == f"see {log_file}"
    assert raised.value.stdout == "three\n"
    assert "one" not in raised.value.message
    lines = log_file.read_text().splitlines()
    assert [line for line in lines if not line.startswith("+ ")] == ["one", "two", "three"]
    assert len([line for line in lines if line.startswith("+ sh -c")]) == 2


def test_a_program_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(ToolError) as raised:
        process.call(["no-such-program-here"], timeout=5)

    assert "no-such-program-here was not found" in raised.value.message
    assert "bootstrap" in raised.value.next_step


@pytest.mark.parametrize(("text", "mode"), [("#!/bin/sh\n", 0o644), ("not a program", 0o755)])
def test_a_file_that_cannot_be_executed_is_named(tmp_path: Path, text: str, mode: int) -> None:
    file = tmp_path / "tool"
    file.write_text(text)
    file.chmod(mode)

    with pytest.raises(ToolError) as raised:
        process.call([file], timeout=5)

    assert str(file) in raised.value.message
    assert "cannot be executed" in raised.value.message


def test_a_missing_folder_is_not_taken_for_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(ToolError) as raised:
        process.call(["true"], cwd=tmp_path / "gone", timeout=5)

    assert str(tmp_path / "gone") in raised.value.message


def test_the_cause_is_in_the_first_line_of_the_error_and_the_end_of_the_output_below(tmp_path: Path) -> None:
    printed = output("kind-docker")
    (tmp_path / "said").write_text(printed.text)
    with pytest.raises(CommandError) as raised:
        process.call(["sh", "-c", f"cat {tmp_path}/said >&2; exit 1"], timeout=20)

    first, _, below = raised.value.message.partition("\n")
    assert first.endswith(f"exited with status 1: {printed.cause}")
    assert "  | ERROR: failed to create cluster" in below
    assert raised.value.stderr == printed.text


def test_when_time_is_up_what_was_said_is_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(CommandTimeout) as raised:
        process.call(["sh", "-c", "echo pulling; exec sleep 60"], timeout=0.5, log_file=tmp_path / "a.log")

    assert "did not finish within" in raised.value.message
    assert "  | pulling" in raised.value.message
    assert raised.value.next_step == f"see {tmp_path / 'a.log'}"


def test_a_killed_program_that_the_host_does_not_let_go_of_has_timed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = children.end

    def end(child: subprocess.Popen[bytes], grace: float) -> None:
        real(child, grace)
        raise subprocess.TimeoutExpired(child.args, 60.0)

    monkeypatch.setattr(children, "end", end)
    with pytest.raises(CommandTimeout, match="did not finish within 0 s"):
        process.call(["sleep", "60"], timeout=0.1)


def test_another_thread_can_stop_a_program() -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()

    done = process.call(["sleep", "60"], timeout=50, check=False, stop=stop)

    assert done.returncode == -signal.SIGTERM
    assert done.seconds < 40


def test_an_unstopped_program_with_input_gets_all_of_it() -> None:
    text = "x" * 300_000
    done = process.call(["sh", "-c", "sleep 0.6; wc -c"], timeout=30, stdin=text, stop=threading.Event())

    assert done.stdout.strip() == "300000"


def test_a_program_in_the_background_ends_with_its_block(tmp_path: Path) -> None:
    log_file = tmp_path / "logs" / "server.log"
    with process.background(["sh", "-c", "echo serving; exec sleep 60"], log_file=log_file) as child:
        assert await_text(log_file) == "serving\n"
        assert child.poll() is None

    assert child.poll() is not None


def test_a_daemon_lives_on_without_the_name_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(process.RUN_VARIABLE, "20260801-101500-ab12")
    child = process.daemon(
        ["sh", "-c", f'echo "run=${{{process.RUN_VARIABLE}:-none}}"; exec sleep 60'], log_file=tmp_path / "d.log"
    )
    try:
        assert await_text(tmp_path / "d.log") == "run=none\n"
        children.end_all()
        assert child.poll() is None
        assert os.getsid(child.pid) == child.pid
    finally:
        children.end(child)
    assert child.poll() is not None


@pytest.mark.skipif(
    not Path("/proc/self/autogroup").exists(), reason="this kernel has no scheduling groups of sessions"
)
def test_a_child_of_a_process_that_yields_yields_with_all_of_its_session() -> None:
    wanted = min(os.nice(0) + 7, 19)
    wait = f'for n in $(seq 600); do grep -q "nice {wanted}$" /proc/self/autogroup && exit 0; sleep 0.1; done; exit 1'
    program = f"from harness.process import call; print(call(['sh', '-c', {wait!r}], timeout=120).returncode)"
    said = subprocess.run(
        ["nice", "-n", "7", sys.executable, "-c", program], capture_output=True, text=True, timeout=180, check=True
    )
    assert said.stdout.strip() == "0"


SLOW_TO_END = """
import signal, sys, time
from pathlib import Path
def end(*_):
    time.sleep(1)
    Path(sys.argv[1], "tidied").write_text("up")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
Path(sys.argv[1], "ready").write_text("now")
time.sleep(60)
"""


@pytest.mark.parametrize(("grace", "tidied"), [(20.0, True), (0.2, False)])
def test_an_interrupted_program_has_its_time_to_tidy_up(tmp_path: Path, grace: float, tidied: bool) -> None:
    stop = threading.Event()

    def interrupt() -> None:
        await_text(tmp_path / "ready")
        stop.set()

    threading.Thread(target=interrupt).start()

    argv = [sys.executable, "-c", SLOW_TO_END, str(tmp_path)]
    process.call(argv, timeout=60, stop=stop, check=False, grace=grace)

    assert (tmp_path / "tidied").exists() is tidied


def test_a_program_on_a_file_system_without_programs_is_told_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A mount would need root: the flag is made up, the refusal is that of a file without the right to run."""
    program = tmp_path / "kind"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(ToolError, match="Permission denied"):
        process.call([program], timeout=20)

    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_NOEXEC))

    with pytest.raises(ToolError, match="mounted with noexec") as refused:
        process.call([program], timeout=20)
    assert "HARNESS_CACHE" in refused.value.next_step


def test_a_limit_is_told_as_one_and_not_as_a_bad_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root has no limit of processes: the refusal is made up."""

    def refuse(*words: object, **options: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)

    with pytest.raises(ToolError, match="cannot be started: Resource temporarily unavailable") as refused:
        process.call(["true"], timeout=20)
    assert "pids-limit" in refused.value.next_step
