# SPDX-License-Identifier: Apache-2.0
"""`harness registry`: a local registry in the background, used by hand, found by its ledger, and gone afterwards."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from harness import cli, settings
from harness.bootstrap import tools
from harness.errors import DiskError
from harness.evidence.ledger import ledger_folder, new_run_id, stale_ledgers, temp_prefix
from harness.foundry.store import Store
from harness.host import disk
from harness.registries import fronts
from harness.registries.front.access_log import AccessLog, Request
from harness.registries.front.records import Record
from harness.settings import Settings
from harness.waiting import until

Harness = Callable[..., str]


@pytest.fixture
def cache(tmp_path: Path, store: Store, registry_binary: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A cache of its own, with the tools that are built already; what is up in it ends with the test."""
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "artifacts").symlink_to(store.root)
    monkeypatch.setenv("HARNESS_CACHE", str(folder))
    found = settings.load()
    yield found
    for record in fronts.recorded(found):
        fronts.down(found, record, lambda line: None)


@pytest.fixture
def harness(cache: Settings, capsys: pytest.CaptureFixture[str]) -> Harness:
    """The command itself; returns what it said, on standard output or, when another status is expected, as an error."""

    def run(*words: str, status: int = 0) -> str:
        if words[0] == "up" and status == 0:
            # Whoever starts what stays must be able to end: a process of its own, as by hand.
            argv = [sys.executable, "-m", "harness.cli", "registry", *words]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stderr
            return done.stdout
        assert cli.main(["registry", *words]) == status
        said = capsys.readouterr()
        return said.err if status else said.out

    return run


def only(cache: Settings) -> Record:
    (record,) = fronts.recorded(cache)
    return record


def alive(run_id: str) -> list[psutil.Process]:
    """The processes of a local registry: the front, which has the ledger's number, and what it started."""
    found = []
    for it in psutil.process_iter(["status"]):
        try:
            ours = it.environ().get("SPARK_OPERATOR_HARNESS_RUN") == run_id
        except psutil.Error:
            continue
        if ours and it.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(it)
    return found


def test_it_is_used_by_hand_as_it_says(harness: Harness, cache: Settings, tmp_path: Path) -> None:
    crane = tools.ensure(settings.load(environment=os.environ), ["crane"])["crane"].path
    said = harness("up", "--profile", "ghcr.io", "--package", "kubeflow/app=private")
    exports = dict(line.split("export ")[1].split("=", 1) for line in said.splitlines() if "export " in line)
    (login,) = [line.strip().replace("crane ", f"{crane} ") for line in said.splitlines() if "crane auth login" in line]
    layer = tmp_path / "layer.tar"
    subprocess.run(["tar", "-cf", layer, "-C", tmp_path, "--files-from", "/dev/null"], check=True)
    reference = f"{only(cache).address}/kubeflow/app:1"
    script = f"{login} && {crane} append --new_layer {layer} --new_tag {reference} && {crane} digest {reference}"
    environment = {**os.environ, **exports, "DOCKER_CONFIG": str(tmp_path / "docker")}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert "sha256:" in done.stdout.splitlines()[-1]
    log = harness("log")
    assert "PUT  /v2/kubeflow/app/manifests/1" in log
    assert "writer  127.0.0.1" in log
    assert json.loads(harness("log", "--json").splitlines()[0])["path"] == "/v2/"


def test_tokens_are_in_files_for_their_owner_only_and_nowhere_else(harness: Harness, cache: Settings) -> None:
    said = harness("up")
    record = only(cache)
    tokens = {file.read_text() for file in record.tokens.values()}
    argv = " ".join(" ".join(it.cmdline()) for it in [psutil.Process(record.pid), *alive(record.run_id)])
    texts = [file for file in record.ca.parent.parent.rglob("*") if file.is_file() and file.parent.name != "tokens"]

    assert set(record.tokens) == {"owner", "reader", "writer"}
    assert len(tokens) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in record.tokens.values()} == {0o600}
    assert [token for token in tokens if token in said + argv + harness("status", "--json")] == []
    assert [file for file in texts for token in tokens if token.encode() in file.read_bytes()] == []


def test_a_second_stands_beside_the_first(harness: Harness, cache: Settings) -> None:
    harness("up")
    harness("up")
    harness("up", "--profile", "docker.io", "--limit", "1,2,60")
    shown = {it["name"]: it for it in json.loads(harness("status", "--json"))}

    assert set(shown) == {"docker.io", "ghcr.io", "ghcr.io-2"}
    assert len({it["address"] for it in shown.values()}) == 3
    assert shown["docker.io"]["limits"] == {"anonymous": 1, "user": 2, "window": 60}
    assert "several local registries are running\n  next: name one of" in harness("down", status=2)
    assert "ghcr.io-2 is removed" in harness("down", "ghcr.io-2")
    assert "did you mean ghcr.io" in harness("down", "ghcr.oi", status=2)
    assert harness("down", "--all").count("is removed") == 2
    assert harness("status") == "no local registry is running\n"


def test_faults_and_tokens_are_set_by_hand(harness: Harness, cache: Settings) -> None:
    harness("up")
    record = only(cache)
    harness("fault", "status", "--status", "503", "--retry-after", "9", "--target", "base", "--count", "1")
    assert json.loads(harness("status", "--json"))[0]["faults"] == ["status 503 on base, 1 more"]
    with httpx.Client(base_url=f"https://{record.address}", verify=False, trust_env=False) as client:  # noqa: S501
        failed = client.get("/v2/")
        assert (failed.status_code, failed.headers["retry-after"]) == (503, "9")
        assert client.get("/v2/").status_code == 401

        file = Path(harness("token", "robot", "--scope", "write:packages").split(" ")[0])
        assert client.get("/v2/", auth=("robot", file.read_text())).status_code == 200
        harness("token", "robot", "--revoke")
        assert client.get("/v2/", auth=("robot", file.read_text())).status_code == 401

        for words, said in ((["--no-create"], "not allowed to Create"), (["--package", "other/*"], "write_package")):
            file = Path(harness("token", "workflow", "--scope", "write:packages", *words).split(" ")[0])
            refused = client.post("/v2/kubeflow/new/blobs/uploads/", auth=("workflow", file.read_text()))
            assert (refused.status_code, said in refused.text) == (403, True)
    harness("fault", "expired-certificate")
    assert "no faults" in harness("mend")
    assert "invalid fault: kind" in harness("fault", "explosion", status=2)
    assert "'nobody' has no token" in harness("token", "nobody", "--revoke", status=2)


def test_it_is_in_a_ledger_that_is_kept_and_cleaning_its_run_ends_it(
    harness: Harness, cache: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    harness("up")
    record = only(cache)
    (stale,) = stale_ledgers(ledger_folder(cache))

    assert stale.owner.kept
    assert {it.kind for it in stale.entries} == {"folder", "process"}
    assert record.pid in {it.facts.get("pid") for it in stale.entries}
    assert cli.main(["clean", "--run", record.run_id]) == 0
    assert "removing process" in capsys.readouterr().out
    assert (record.alive, alive(record.run_id)) == (False, [])
    assert not record.ca.exists()
    assert list(ledger_folder(cache).iterdir()) == []


def test_what_a_killed_one_left_is_removed(harness: Harness, cache: Settings) -> None:
    harness("up")
    record = only(cache)
    os.kill(record.pid, signal.SIGKILL)
    until(lambda: not record.alive, what="the front to be gone", timeout=10)
    (storage,) = alive(record.run_id)
    assert Path(storage.cmdline()[-1]).is_relative_to(record.control.parent)
    assert json.loads(harness("status", "--json"))[0]["up"] is False
    assert "has stopped (process" in harness("mend", status=3)
    harness("down")

    assert alive(record.run_id) == []
    assert not record.control.parent.exists()
    assert fronts.recorded(cache) == []


def test_ctrl_c_while_it_starts_leaves_nothing(
    harness: Harness, cache: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        # Where Ctrl-C arrives for sure, and the front has begun to start.
        raise KeyboardInterrupt

    monkeypatch.setattr(fronts, "until", interrupted)
    ran: list[str] = []

    def run_id() -> str:
        ran.append(new_run_id())
        return ran[-1]

    monkeypatch.setattr(fronts, "new_run_id", run_id)

    assert "interrupted" in harness("up", status=3)
    assert list(fronts.fronts_folder(cache).iterdir()) == []
    assert stale_ledgers(ledger_folder(cache)) == []
    assert list(Path(tempfile.gettempdir()).glob(f"{temp_prefix(ran[0])}*")) == []
    assert alive(ran[0]) == []


def test_a_port_that_is_taken_leaves_nothing(harness: Harness, cache: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = harness("up", "--port", port, status=3)

    assert f"could not listen on 127.0.0.1:{port}: the port is in use\n  next: find out which program uses it" in said
    assert list(fronts.fronts_folder(cache).iterdir()) == []
    assert stale_ledgers(ledger_folder(cache)) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--profile", "gcr.io"], "unknown profile 'gcr.io'; did you mean ghcr.io?"),
        (["--name", "My Registry"], "'My Registry' is not a valid name"),
        (["--package", "Foo=private"], "'Foo' has capital letters"),
        (["--package", "foo=hidden"], "is not NAME=private or NAME=public"),
        (["--user", "robot"], "is not NAME=SCOPE"),
        (["--user", "robot=admin"], "unknown scope 'admin'"),
        (["--limit", "many"], "is not three numbers"),
        (["--limit", "1,2,60"], "ghcr.io has no pull limits"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_made(
    harness: Harness, cache: Settings, words: list[str], said: str
) -> None:
    assert said in harness("up", *words, status=2)
    assert not fronts.fronts_folder(cache).exists()


def test_a_name_is_given_once(harness: Harness) -> None:
    harness("up", "--name", "mine")
    assert "there is already a local registry 'mine'" in harness("up", "--name", "mine", status=2)


def test_a_full_disk_is_named(harness: Harness, cache: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # A disk cannot be filled for a test.
    monkeypatch.setattr(disk, "free", lambda folder: 1_000_000)
    assert "nearly full" in harness("up", status=3)
    assert not fronts.fronts_folder(cache).exists()


def test_a_log_on_a_full_disk_is_an_error() -> None:
    request = Request(time="", method="GET", path="/", status=200, bytes=0, source="127.0.0.1", seconds=0.0)
    with (
        AccessLog(Path("/dev/full")) as log,
        pytest.raises(DiskError, match="cannot be written: No space left on device"),
    ):
        log.write(request)
