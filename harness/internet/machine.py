# SPDX-License-Identifier: Apache-2.0
"""A machine in the small internet: namespaces with one network interface, and an /etc, /run and /tmp of its own.

`python -m harness.internet.machine FOLDER` is its first process. It needs root. Programs of this host run in it, with
this host's files but for /etc, which is a copy that trusts the internet's CA and asks its name server, /run, where no
socket of this host's services is, and /tmp.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness import process
from harness.internet import names
from harness.waiting import until

_SECONDS = 30.0
_READY = "ready"
WAN = "wan0"
"""The internet's end of the machine's link."""
UNSHARED = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")
"""What `unshare` gives a part of the small internet for itself."""

_SETTLED = (
    "link set lo up",
    f"addr add {names.MACHINE}/24 dev eth0",
    "link set eth0 up",
    f"route add default via {names.GATEWAY}",
)


class Machine:
    """A running machine; `environment` is that of the programs that are run in it, in the folder `work`."""

    def __init__(self, first: int, environment: Mapping[str, str], work: Path) -> None:
        self._first = first
        self.environment = dict(environment)
        self.work = work

    @property
    def etc(self) -> Path:
        """Its /etc, as seen from outside."""
        return self.work.parent / "etc"

    def argv(self, words: Sequence[str | Path], env: Mapping[str, str] | None = None) -> list[str]:
        """The command that runs these words in the machine, with `env` added to its environment."""
        enter = ["nsenter", "--target", str(self._first), "--net", "--mount", "--pid"]
        named = [f"{key}={value}" for key, value in {**self.environment, **(env or {})}.items()]
        return [*enter, "env", "--ignore-environment", "--chdir", str(self.work), *named, *map(str, words)]

    def run(self, words: Sequence[str | Path]) -> int:
        """Run a command with this process's terminal; its exit status."""
        return subprocess.run(self.argv(words), check=False).returncode

    def call(
        self,
        words: Sequence[str | Path],
        *,
        timeout: float = 120.0,
        check: bool = True,
        log_file: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> process.Completed:
        """Run a command and return its output. Raises as `process.call`."""
        return process.call(self.argv(words, env), timeout=timeout, check=check, log_file=log_file)


@contextmanager
def started(folder: Path, environment: Mapping[str, str], work: Path, shown: Sequence[Path] = ()) -> Iterator[Machine]:
    """A machine, for as long as the block lasts; all of its processes end with it.

    `folder` has its /etc, and gets its /tmp, in which `shown` are what they are here.
    """
    (folder / _READY).unlink(missing_ok=True)
    # To who looks for what runs have left in the machine, it is nobody's.
    argv: list[str | Path] = ["env", f"--unset={process.RUN_VARIABLE}", f"--unset={process.INSTALLATION_VARIABLE}"]
    argv += ["unshare", *UNSHARED, sys.executable, "-m", "harness.internet.machine", folder, *shown]
    with process.background(argv, log_file=folder / "machine.log") as child:
        until(
            lambda: (folder / _READY).exists() or child.poll() is not None,
            what="the rehearsed machine to start",
            timeout=_SECONDS,
            interval=0.02,
            next_step=f"see {folder / 'machine.log'}",
        )
        first = int(Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()[0])
        _ip("link", "add", WAN, "type", "veth", "peer", "name", "eth0", "netns", str(first))
        _ip("addr", "add", f"{names.GATEWAY}/24", "dev", WAN)
        _ip("link", "set", WAN, "up")
        machine = Machine(first, environment, work)
        for words in _SETTLED:
            machine.call(["ip", *words.split()])
        yield machine


def _ip(*words: str) -> None:
    process.call(["ip", *words], timeout=_SECONDS)


def main(folder: Path, shown: Sequence[Path]) -> int:
    """Be the first process of a machine: arrange what it sees, then reap whatever ends, until it is killed."""
    temporary = folder / "tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    mounts = [("-t", "tmpfs", "tmpfs", "/run"), ("--bind", folder / "etc", "/etc")]
    for path in shown:
        target = temporary / path.relative_to("/tmp")  # noqa: S108 - what is mounted over
        target.mkdir(parents=True)
        mounts.append(("--bind", path, target))
    for words in [*mounts, ("--rbind", temporary, "/tmp")]:  # noqa: S108 - the same
        subprocess.run(["mount", *words], check=True, timeout=_SECONDS)
    (folder / _READY).touch()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        signal.sigwait({signal.SIGCHLD})
        while _reaped():
            pass


def _reaped() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), [Path(it) for it in sys.argv[2:]]))
