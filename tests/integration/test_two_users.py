# SPDX-License-Identifier: Apache-2.0
"""Two users of one host, each with a cache of their own: what one removes leaves the other's things whole.

The second user is a real one, made for the test and removed after it, which needs root.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cleanup import engine
from harness.errors import EngineError
from harness.process import call

pytestmark = pytest.mark.nightly

_SOCKET = Path("/var/run/docker.sock")

# What a user does, as that user. Everything is loaded before: another user may not be able to read this Python.
_AS_USER = """
import io, json, os, sys
from pathlib import Path
from rich.console import Console
from harness import late, process
from harness.cleanup import clean
from harness.evidence.installation import label_words
from harness.evidence.ledger import Ledger, ledger_folder
from harness.settings import Settings

late.load("psutil", "tempfile", "socket")
clean._print(Console(file=io.StringIO()), [clean._Row(what="x", found=0, left=0)], [], Settings(), ())
asked = json.loads(sys.argv[1])
os.setgroups([asked["engine"]])
os.setgid(asked["gid"])
os.setuid(asked["uid"])
os.environ |= {"HOME": asked["home"], "USER": asked["user"]}
settings = Settings(cache_dir=Path(asked["home"]) / "cache")
if asked["act"] == "run":
    ledger = Ledger.open(asked["run"], ledger_folder(settings))
    folder = ledger.temporary_folder()
    (folder / "key.pem").write_text("a private key")
    ledger.planned("network", asked["network"])
    words = label_words(asked["run"])
    process.call(["docker", "network", "create", *words, asked["network"]], timeout=60)
    ledger.planned("container", asked["container"])
    process.call(["docker", "create", "--name", asked["container"], *words, asked["image"]], timeout=60)
    sleeper = process.daemon(["sleep", "600"], log_file=settings.cache_dir / "sleep.log", env={
        process.RUN_VARIABLE: asked["run"], process.INSTALLATION_VARIABLE: os.environ[process.INSTALLATION_VARIABLE]})
    ledger.running("sleep", sleeper.pid)
    print(json.dumps({"folder": str(folder), "pid": sleeper.pid}))
else:
    said = io.StringIO()
    left = clean.clean(settings, keep_cache=True, console=Console(file=said, width=400))
    print(json.dumps({"left": left, "said": said.getvalue()}))
"""


@dataclass
class User:
    """A user of this host, and what a run of theirs that died has made."""

    name: str
    uid: int
    gid: int
    home: Path
    mark: str
    image: str
    run: str
    folder: Path = Path()
    pid: int = 0

    @property
    def network(self) -> str:
        return f"soh-{self.mark}-net"

    @property
    def container(self) -> str:
        return f"soh-{self.mark}-registry"

    def act(self, what: str) -> dict[str, object]:
        """Do something as this user, in a process of its own."""
        asked = {
            "act": what,
            "uid": self.uid,
            "gid": self.gid,
            "engine": _SOCKET.stat().st_gid,
            "home": str(self.home),
            "user": self.name,
            "run": self.run,
            "network": self.network,
            "container": self.container,
            "image": self.image,
        }
        done = subprocess.run(
            [sys.executable, "-c", _AS_USER, json.dumps(asked)],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            cwd="/",
            env={**os.environ, "TMPDIR": "/tmp"},  # noqa: S108 - shared, as it is
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, object] = json.loads(done.stdout)
        return found

    def runs(self) -> None:
        """Have a run that dies and leaves what it made."""
        made = self.act("run")
        self.folder, self.pid = Path(str(made["folder"])), int(str(made["pid"]))

    @property
    def has(self) -> dict[str, bool]:
        """What of that run is there."""
        return {
            "folder": (self.folder / "key.pem").exists(),
            "process": Path(f"/proc/{self.pid}/cmdline").exists()
            and b"sleep" in Path(f"/proc/{self.pid}/cmdline").read_bytes(),
            "network": there("network", self.network),
            "container": there("container", self.container),
        }


def there(kind: str, name: str) -> bool:
    return call(["docker", kind, "inspect", name], timeout=60, check=False).returncode == 0


@pytest.fixture
def users(tmp_path: Path) -> Iterator[tuple[User, User]]:
    """Root, and another one."""
    if os.geteuid() != 0 or shutil.which("useradd") is None:
        pytest.skip("needs root, to make a second user")
    try:
        engine.check_engine()
    except EngineError as error:
        pytest.skip(f"needs a container engine: {error.message}")
    if not _SOCKET.exists():
        pytest.skip("needs an engine on this host, whose socket a second user can be allowed to use")
    mark = secrets.token_hex(2)
    image = f"spark-operator-harness-test-{mark}:1"
    archive = tmp_path / "empty.tar"
    call(["tar", "--create", "--file", archive, "--files-from", "/dev/null"], timeout=60)
    call(["docker", "import", "--change", 'CMD ["/nothing"]', archive, image], timeout=60)
    name = f"soh-test-{mark}"
    call(["useradd", "--create-home", "--home-dir", f"/home/{name}", name], timeout=60)
    known = pwd.getpwnam(name)
    root_home = tmp_path / "root"
    root_home.mkdir()
    made = (
        User("root", 0, 0, root_home, f"a{mark}", image, f"20260102-030405-{mark}"),
        User(name, known.pw_uid, known.pw_gid, Path(known.pw_dir), f"b{mark}", image, f"20260102-030406-{mark}"),
    )
    try:
        yield made
    finally:
        # By the names made here: what is tested must not tidy up after itself.
        for user in made:
            if user.pid and user.has["process"]:
                os.kill(user.pid, 9)
            call(["docker", "rm", "--force", user.container], timeout=60, check=False)
            call(["docker", "network", "rm", user.network], timeout=60, check=False)
            shutil.rmtree(user.folder, ignore_errors=True) if user.folder.name else None
        call(["docker", "image", "rm", "--force", image], timeout=60, check=False)
        call(["userdel", "--remove", "--force", name], timeout=60, check=False)


WHOLE = {"folder": True, "process": True, "network": True, "container": True}
GONE = dict.fromkeys(WHOLE, False)


def test_what_one_user_removes_leaves_the_other_whole(users: tuple[User, User]) -> None:
    root, other = users
    root.runs()
    other.runs()
    assert [root.has, other.has] == [WHOLE, WHOLE]

    # Root may do anything to anybody's things, and still takes only its own.
    said = root.act("clean")
    assert (said["left"], root.has, other.has) == ([], GONE, WHOLE)
    for name in (other.network, other.container):
        assert f"{name} is of run {other.run} of another cache" in str(said["said"])

    root.runs()
    said = other.act("clean")
    assert (said["left"], other.has, root.has) == ([], GONE, WHOLE)
    assert f"{root.network} is of run {root.run} of another cache" in str(said["said"])

    assert root.act("clean")["left"] == []
    assert root.has == GONE
