# SPDX-License-Identifier: Apache-2.0
"""The only place that starts a subprocess: argv lists, timeouts, redaction, logs."""

from __future__ import annotations

import errno
import logging
import math
import os
import select
import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness import causes, children
from harness.errors import CommandError, CommandTimeout, ToolError

log = logging.getLogger(__name__)

RUN_VARIABLE = "SPARK_OPERATOR_HARNESS_RUN"
"""Environment variable with the run's id, which every program that a run starts inherits, so that all of them can be
found."""

INSTALLATION_VARIABLE = "SPARK_OPERATOR_HARNESS_INSTALLATION"
"""Environment variable that says which cache the run belongs to: `Installation.mark`."""

_NO_PREFERENCES = {
    "KUBERC": "off",
    "KIND_EXPERIMENTAL_PROVIDER": "",
    "DOCKER_DEFAULT_PLATFORM": "",
    "DOCKER_CONTENT_TRUST": "",
}
"""For every program: a user's preferences are for what is typed by hand. From 1.34 on, kubectl takes default options of
its commands from ~/.kube/kuberc, also where a program calls it, so that `apply` may mean another mode; kind would take
another engine than the one that docker speaks to, and docker another platform than images here are of, or a notary for
their signatures, whose digests are known here and whose names no notary knows."""

LIMITS = {
    errno.EMFILE: "allow more open files: ulimit -n 4096",
    errno.ENFILE: "allow this machine more open files: sysctl fs.file-max",
    errno.EAGAIN: "allow more processes: ulimit -u, or the limit of this container (docker run --pids-limit)",
    errno.ENOMEM: "end other programs: there is no memory left",
}
"""What the system refuses for want of something that a limit grants, and what to do about it."""

_OF_A_RUN = (RUN_VARIABLE, INSTALLATION_VARIABLE, "TMPDIR")
_STOP_SECONDS = 0.2
# From a child's exit until it can be reaped.
_REAP_SECONDS = 5.0
_TAIL_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Completed:
    """The result of a program. `seconds` is its wall-clock time."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


def shown(argv: Sequence[str], secrets: Sequence[str] = ()) -> str:
    """The command as a user would type it, with every secret replaced."""
    return _redact(shlex.join(argv), secrets)


def call(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | bytes | None = None,
    log_file: Path | None = None,
    check: bool = True,
    secrets: Sequence[str] = (),
    stop: threading.Event | None = None,
    grace: float = children.GRACE_SECONDS,
    without: str = "",
) -> Completed:
    """Run a program and wait for it to exit.

    `timeout` is in seconds; when it expires, the program and its children get SIGTERM, and SIGKILL `grace` seconds
    later. The same happens when this thread is interrupted, and as soon as another thread sets `stop`; the result then
    has whatever exit status the program ended with. `env` is added to this process's environment, of which the program
    does not get variables that begin with `without`. `log_file` receives both output streams as they come (appended);
    they are then returned as `stdout`. `secrets` are replaced by *** in what is returned or raised, and in the log file
    as soon as the program has ended. Raises ToolError when the program is missing, CommandTimeout, and CommandError
    unless `check` is false.
    """
    words = [str(word) for word in argv]
    line = shown(words, secrets)
    log.debug("+ %s", line)
    started = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, _input(stdin) as source:
        sink: IO[bytes] = out
        if log_file is not None:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            sink = log_file.open("ab+")
            sink.write(f"+ {line}\n".encode())
            sink.flush()
        start = sink.tell()
        try:
            child = _start(
                words,
                env=env,
                cwd=cwd,
                stdin=source,
                stdout=sink,
                stderr=sink if log_file else err,
                without=_beginning(without),
            )
            with children.alive(child):
                try:
                    _wait(child, timeout, stop, grace)
                except subprocess.TimeoutExpired as expired:
                    # One that the kernel does not let go of has timed out, too.
                    with suppress(subprocess.TimeoutExpired):
                        children.end(child, grace)
                    output = _redact(_read(sink, start) + _read(err, 0), secrets)
                    raise CommandTimeout(
                        f"{line} did not finish within {timeout:.0f} s{_why(output)}",
                        f"see {log_file}" if log_file else "run it manually to see where it hangs",
                        stdout=_redact(_read(sink, start), secrets),
                        stderr=_redact(_read(err, 0), secrets),
                    ) from expired
                except BaseException:
                    children.end(child, grace)
                    raise
            done = Completed(
                argv=tuple(words),
                returncode=child.returncode,
                stdout=_redact(_read(sink, start), secrets),
                stderr=_redact(_read(err, 0), secrets),
                seconds=time.monotonic() - started,
            )
        finally:
            if sink is not out:
                _redact_file(sink, start, secrets)
                sink.close()
    if check and done.returncode != 0:
        raise CommandError(
            f"{line} exited with status {done.returncode}{_why(done.stderr if done.stderr.strip() else done.stdout)}",
            f"see {log_file}" if log_file else "",
            returncode=done.returncode,
            stdout=done.stdout,
            stderr=done.stderr,
        )
    return done


@contextmanager
def background(
    argv: Sequence[str | Path],
    *,
    log_file: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    without: str = "",
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in the background of the block and terminate it (SIGTERM, then SIGKILL) at the block's end.

    Both of its output streams are appended to `log_file`. Of this process's environment it does not get variables
    that begin with `without`. Raises ToolError when the program is missing.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in argv]
    log.debug("+ %s &", shown(words))
    with log_file.open("ab") as sink:
        child = _start(words, env=env, cwd=cwd, stdin=None, stdout=sink, stderr=sink, without=_beginning(without))
    with children.alive(child):
        try:
            yield child
        finally:
            children.end(child)


def daemon(
    argv: Sequence[str | Path], *, log_file: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a detached program, in a session of its own, that outlives this process and its run.

    It inherits nothing that is the run's: not its name, not its temporary folder. Raises ToolError when it is missing.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in argv]
    log.debug("+ %s & (detached)", shown(words))
    with log_file.open("ab") as sink:
        return _start(words, env=env, cwd=None, stdin=None, stdout=sink, stderr=sink, without=_OF_A_RUN)


def _start(
    words: list[str],
    *,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    stdin: IO[bytes] | None,
    stdout: IO[bytes],
    stderr: IO[bytes],
    without: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    try:
        child = subprocess.Popen(
            words,
            env=_environment(without) | _NO_PREFERENCES | dict(env or {}),
            cwd=cwd,
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    except OSError as refused:
        if cwd is not None and not cwd.is_dir():
            raise ToolError(
                f"{words[0]} cannot be run in {cwd}, which is not a folder", "run `nox -s clean`, then start again"
            ) from refused
        if isinstance(refused, FileNotFoundError):
            raise ToolError(
                f"{words[0]} was not found", "run `nox -s bootstrap`, or `harness doctor` to see what is missing"
            ) from refused
        raise _not_executable(words[0], refused) from refused
    _pass_on_niceness(child.pid)
    return child


def _not_executable(program: str, refused: OSError) -> ToolError:
    """Why a program that is there cannot be run: for what it is, where it is, or want of something."""
    if refused.errno in LIMITS:
        return ToolError(f"{program} cannot be started: {refused.strerror}", LIMITS[refused.errno])
    try:
        no_exec = refused.errno == errno.EACCES and bool(os.statvfs(program).f_flag & getattr(os, "ST_NOEXEC", 0))
    except OSError:
        no_exec = False
    if no_exec:
        return ToolError(
            f"{program} cannot be executed: its file system is mounted with noexec",
            f"findmnt --target {program} shows it; programs that the harness builds go where HARNESS_CACHE says",
        )
    return ToolError(
        f"{program} cannot be executed: {refused.strerror}", f"check what it is: ls -l {program}; file {program}"
    )


def _beginning(prefix: str) -> list[str]:
    """The variables of this process's environment that begin so; none for an empty prefix."""
    return [name for name in list(os.environ) if prefix and name.startswith(prefix)]


def _environment(without: Sequence[str]) -> dict[str, str]:
    """This process's environment; pytest takes variables out of it while other threads start programs."""
    there = ((key, os.environ.get(key)) for key in list(os.environ))
    return {key: value for key, value in there if value is not None and key not in without}


def _pass_on_niceness(pid: int) -> None:
    """Let a child yield to others as this process does.

    A new session is a scheduling group of its own, and niceness counts only among the processes of one group (Linux,
    sched(7), "The autogroup feature"): without this, ten builds at the lowest priority would take ten shares.
    """
    niceness = os.nice(0)
    if niceness > 0:
        # Kernels without the feature have no such file, and a child that has ended already has none either.
        with suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(str(niceness))


@contextmanager
def _input(data: str | bytes | None) -> Iterator[IO[bytes] | None]:
    """Standard input as a file: unlike a pipe, it needs no writer."""
    if data is None:
        yield None
        return
    with tempfile.TemporaryFile() as source:
        source.write(data.encode() if isinstance(data, str) else data)
        source.seek(0)
        yield source


def _wait(child: subprocess.Popen[bytes], timeout: float, stop: threading.Event | None, grace: float) -> None:
    """Wait for a child to exit, or terminate it when `stop` is set. Raises subprocess.TimeoutExpired."""
    started = time.monotonic()
    with _exit_of(child) as exited:
        while True:
            left = max(0.0, timeout - (time.monotonic() - started))
            if exited(left if stop is None else min(left, _STOP_SECONDS)):
                return
            if stop is not None and stop.is_set():
                children.end(child, grace)
                return
            if left <= (0 if stop is None else _STOP_SECONDS):
                raise subprocess.TimeoutExpired(child.args, timeout)


@contextmanager
def _exit_of(child: subprocess.Popen[bytes]) -> Iterator[Callable[[float], bool]]:
    """What waits for so many seconds for a child to exit, and tells whether it has.

    The kernel reports an exit at once where it has pidfd_open(2). Python itself looks every 50 ms, which adds up: a run
    waits for some sixty programs, one after the other.
    """

    def looked(seconds: float) -> bool:
        with suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
        return child.returncode is not None

    try:
        descriptor = os.pidfd_open(child.pid)
    except (AttributeError, OSError):  # another system; or the child is reaped already
        yield looked
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    try:
        yield lambda seconds: bool(poll.poll(math.ceil(seconds * 1000))) and looked(_REAP_SECONDS)
    finally:
        os.close(descriptor)


def _redact_file(stream: IO[bytes], start: int, secrets: Sequence[str]) -> None:
    text = _read(stream, start)
    redacted = _redact(text, secrets)
    if redacted != text:
        stream.truncate(start)
        stream.write(redacted.encode())


def _read(stream: IO[bytes], start: int) -> str:
    stream.seek(start)
    return stream.read().decode(errors="replace")


def _redact(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


def _why(output: str) -> str:
    """The cause in an output, and below it the output's end."""
    cause = causes.cause(output)
    end = "".join(f"\n  | {line}" for line in output.strip().splitlines()[-_TAIL_LINES:])
    return f"{f': {cause}' if cause else ''}{end}"
