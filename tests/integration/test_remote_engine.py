# SPDX-License-Identifier: Apache-2.0
"""Clean against two real engines, one of them reached through a socket of another name, by TCP and by ssh.

The second engine is a dockerd of the test's own, with its data in a temporary folder; that needs root. In the place of
ssh is a script that does what `ssh host docker system dial-stdio` does, since that is all that Docker's client asks.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cleanup import engine
from harness.errors import EngineError
from harness.evidence.ledger import ledger_folder, stale_ledgers
from harness.settings import Settings
from harness.waiting import until

pytestmark = pytest.mark.nightly

RUN = "20260102-030405-ab12"
_ROOT = Path(__file__).parents[2]
_KILLED = """
import os, signal, sys
from pathlib import Path
from harness.cleanup.engine import which
from harness.evidence.installation import label_words
from harness.evidence.ledger import Ledger
from harness.process import call
run_id, folder, way = sys.argv[1:]
ledger = Ledger.open(run_id, Path(folder))
ledger.uses(which())
for kind in ("network", "volume"):
    ledger.planned(kind, f"soh-{kind}-{way}")
    call(["docker", kind, "create", *label_words(run_id), f"soh-{kind}-{way}"], timeout=60)
os.kill(os.getpid(), signal.SIGKILL)
"""


@dataclass(frozen=True)
class Far:
    """The second engine: its own socket, and each way to it as a value of DOCKER_HOST."""

    socket: Path
    ways: dict[str, str]
    programs: Path

    def things(self, way: str) -> set[str]:
        """The networks and volumes that the run of one test left in it: `network soh-network-tcp`."""
        found = set()
        for kind in ("network", "volume"):
            argv = ["docker", "--host", f"unix://{self.socket}", kind, "ls", "--format", "{{.Name}}"]
            names = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
            found |= {f"{kind} {name}" for name in names if name == f"soh-{kind}-{way}"}
        return found


@pytest.fixture(scope="module")
def far() -> Iterator[Far]:
    if os.geteuid() != 0 or not (all(map(shutil.which, ("unshare", "dockerd", "docker")))):
        pytest.skip("needs root, unshare, dockerd and docker")
    try:
        engine.check_engine()
    except EngineError as error:
        pytest.skip(f"needs a container engine besides its own: {error.message}")
    # The path of a socket has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="far-"))
    own = folder / "own.sock"
    bridge = Path("/sys/class/net/docker0").exists()
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.enter_context(_dockerd(folder, own))
        (folder / "ssh").write_text(
            '#!/bin/sh\ncase "$*" in\n'
            '*"-- engine.test docker system dial-stdio") ;;\n*) echo "not foreseen: $*" >&2; exit 255 ;;\n'
            f"esac\nDOCKER_HOST=unix://{own} exec docker system dial-stdio\n"
        )
        (folder / "ssh").chmod(0o755)
        stack.enter_context(_relay(_Unix(str(folder / "another-name.sock"), _Relay), own))
        by_tcp = stack.enter_context(_relay(_Tcp(("127.0.0.1", 0), _Relay), own))
        yield Far(
            own,
            {
                "unix": f"unix://{folder}/another-name.sock",
                "tcp": f"tcp://127.0.0.1:{by_tcp.socket.getsockname()[1]}",
                "ssh": "ssh://somebody@engine.test",
            },
            folder,
        )
    assert Path("/sys/class/net/docker0").exists() == bridge, "the second engine changed the host's network"


@contextlib.contextmanager
def _dockerd(folder: Path, own: Path) -> Iterator[None]:
    """A dockerd that leaves the host's network alone; nothing runs in it.

    A network namespace of its own is what makes that true: `--bridge none` alone has dockerd delete the bridge docker0
    of whatever engine of the host it belongs to (removeDefaultBridgeInterface, moby v20.10.24).
    """
    argv = [
        "unshare",
        "--net",
        "dockerd",
        "--host",
        f"unix://{own}",
        "--bridge",
        "none",
        "--iptables=false",
        "--storage-driver",
        "vfs",
    ]
    places = {"--data-root": "data", "--exec-root": "exec", "--pidfile": "pid"}
    argv += [word for option, name in places.items() for word in (option, str(folder / name))]
    log = folder / "log"
    with log.open("wb") as output, subprocess.Popen(argv, stdout=output, stderr=output) as child:
        try:
            asks = ["docker", "--host", f"unix://{own}", "version"]
            until(
                lambda: (
                    child.poll() is not None or subprocess.run(asks, capture_output=True, check=False).returncode == 0
                ),
                what="the second dockerd to answer",
                timeout=60,
            )
            assert child.poll() is None, log.read_text()[-2000:]
            yield
        finally:
            child.terminate()
            child.wait(60)


class _Relay(socketserver.BaseRequestHandler):
    """Hands a connection on to the engine's own socket."""

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as beyond:
            beyond.connect(_OWN[self.server])
            back = threading.Thread(target=_copy, args=(beyond, self.request))
            back.start()
            _copy(self.request, beyond)
            back.join()


class _Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """By a socket of another name."""


class _Tcp(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """By a port."""


_OWN: dict[socketserver.BaseServer, str] = {}


@contextlib.contextmanager
def _relay(server: _Unix | _Tcp, own: Path) -> Iterator[_Unix | _Tcp]:
    """A server that hands on what comes, until the end, when it has closed all connections."""
    _OWN[server] = str(own)
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def harness(far: Far, cache: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command with a cache, in the engine that the variables say."""
    env = {name: value for name, value in os.environ.items() if name not in ("DOCKER_HOST", "DOCKER_CONTEXT")}
    env |= {"HARNESS_CACHE": str(cache), "PATH": f"{far.programs}:{env['PATH']}", "COLUMNS": "400"}
    env |= {"PYTHONPATH": str(_ROOT), **variables}
    return subprocess.run(
        [sys.executable, *words], env=env, cwd=cache.parent, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("way", ["unix", "tcp", "ssh"])
def test_what_is_in_an_engine_elsewhere_is_named_and_goes_by_the_command_that_is_told(
    far: Far, way: str, tmp_path: Path
) -> None:
    mine, theirs = (tmp_path / name / "spark-operator-harness" for name in ("mine", "theirs"))
    for cache in (mine, theirs):
        cache.mkdir(parents=True)
    host, folder = far.ways[way], str(ledger_folder(Settings(cache_dir=mine)))
    things = {f"network soh-network-{way}", f"volume soh-volume-{way}"}
    killed = harness(far, mine, "-c", _KILLED, RUN, folder, way, DOCKER_HOST=host)
    assert killed.returncode == -9, killed.stderr
    assert far.things(way) == things

    # This machine's own engine: the run's is another one.
    here = harness(far, mine, "-m", "harness.cli", "clean", "--run", RUN)
    assert here.returncode != 0
    told = here.stdout + here.stderr
    assert f"{', '.join(sorted(things))}: in another container engine, that of {platform.node()}; with it: " in told
    command = told.split("; with it: ")[1].splitlines()[0]
    assert command == f"DOCKER_HOST={host} nox -s clean -- --run {RUN}"
    assert far.things(way) == things

    # The same engine, another cache.
    other = harness(far, theirs, "-m", "harness.cli", "clean", "--keep-cache", DOCKER_HOST=host)
    assert other.returncode == 0, other.stdout + other.stderr
    owners = f"DOCKER_HOST={host} HARNESS_CACHE={mine} harness clean --run {RUN}"
    for thing in things:
        assert f"{thing} is of run {RUN} of another cache, {mine}; its owner removes it with: {owners}" in other.stdout
    assert far.things(way) == things

    # Its owner does as both have said.
    variables = dict(word.split("=", 1) for word in shlex.split(owners) if "=" in word)
    done = harness(far, Path(variables.pop("HARNESS_CACHE")), "-m", "harness.cli", "clean", "--run", RUN, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert far.things(way) == set()
    assert stale_ledgers(ledger_folder(Settings(cache_dir=mine))) == []


def test_the_same_engine_by_another_socket_is_the_same(far: Far, tmp_path: Path) -> None:
    mine = tmp_path / "spark-operator-harness"
    mine.mkdir()
    folder = str(ledger_folder(Settings(cache_dir=mine)))
    assert harness(far, mine, "-c", _KILLED, RUN, folder, "same", DOCKER_HOST=far.ways["tcp"]).returncode == -9
    done = harness(far, mine, "-m", "harness.cli", "clean", "--run", RUN, DOCKER_HOST=f"unix://{far.socket}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert far.things("same") == set()
