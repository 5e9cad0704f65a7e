# SPDX-License-Identifier: Apache-2.0
"""The container engine: what is said when there is none, and that only our own dockerd is ever ended.

`docker` and `dockerd` are stand-ins here: the answers of interest are refusals, which a real engine gives only when the
host is changed. Real ones are used by bootstrap and by every cell.
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import process_identity
from harness.errors import EngineError
from harness.host import dockerd, engine
from harness.settings import Settings

INFO = {
    "ServerVersion": "20.10.24",
    "DockerRootDir": "/data",
    "Driver": "overlay2",
    "CgroupVersion": "1",
    "DefaultRuntime": "runc",
    "NCPU": 2,
    "MemTotal": 24_000_000_000,
    "OperatingSystem": "Debian GNU/Linux 12",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return folder


def program(file: Path, *, says: str = "", complains: str = "", status: int = 0) -> None:
    file.write_text(
        f"#!/bin/sh\n/bin/cat <<'E'\n{says}\nE\n/bin/cat >&2 <<'E'\n{complains}\nE\nexit {status}\n".replace(
            "\n\n", "\n"
        )
    )
    file.chmod(0o755)


def test_a_running_engine_is_described(path: Path, settings: Settings) -> None:
    program(path / "docker", says=json.dumps(INFO))

    found = engine.probe(settings)

    assert (found.version, found.storage_driver, found.cgroup_version, found.cpus) == ("20.10.24", "overlay2", 1, 2)
    assert found.data_root == Path("/data")
    assert found.client == path / "docker"
    assert not found.ours


def test_podman_behind_dockers_client_is_called_podman(path: Path, settings: Settings) -> None:
    program(path / "docker", says=json.dumps(INFO))
    assert str(engine.probe(settings)) == "Docker 20.10.24"

    plugins = {"Log": ["k8s-file", "none", "passthrough", "journald"]}
    program(path / "docker", says=json.dumps({**INFO, "ServerVersion": "4.3.1", "Plugins": plugins}))
    assert str(engine.probe(settings)) == "Podman 4.3.1"


def test_an_engine_elsewhere_is_not_ours_though_ours_runs(
    path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "dockerd_runs", lambda settings: True)
    program(path / "docker", says=json.dumps(INFO))
    assert not engine.probe(settings).ours

    program(path / "docker", says=json.dumps({**INFO, "DockerRootDir": str(settings.cache_dir / "engine" / "data")}))
    assert engine.probe(settings).ours


def test_a_running_engine_is_used_as_it_is(path: Path, settings: Settings) -> None:
    program(path / "docker", says=json.dumps(INFO))

    assert engine.ensure_engine(settings).version == "20.10.24"
    assert not settings.cache_dir.exists()


def test_no_client(path: Path, settings: Settings) -> None:
    with pytest.raises(EngineError, match="docker is not on PATH") as caught:
        engine.probe(settings)
    assert "install" in caught.value.next_step


@pytest.mark.parametrize("in_json", [True, False])
def test_no_permission(path: Path, settings: Settings, in_json: bool) -> None:
    problem = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
    answer = json.dumps({"ServerErrors": [problem]}) if in_json else "{}"
    program(path / "docker", says=answer, complains="" if in_json else problem, status=1)

    for ask in (engine.probe, engine.ensure_engine):
        with pytest.raises(engine.EngineRefusal, match="denies access to this user: permission") as caught:
            ask(settings)
        assert "docker.sock" in caught.value.next_step or "usermod -aG" in caught.value.next_step


PODMAN = {"host": {"arch": "amd64"}, "store": {}, "registries": {}, "version": {"Version": "5.4.0"}}


def test_podman_in_dockers_place_is_not_taken_for_a_stopped_engine(path: Path, settings: Settings) -> None:
    """Its shim says whose it is only where /etc/containers/nodocker does not silence it."""
    program(path / "docker", says=json.dumps(PODMAN))
    program(path / "dnf")

    with pytest.raises(engine.EngineUnsupported, match="is Podman here") as caught:
        engine.ensure_engine(settings)
    assert caught.value.next_step.startswith("sudo dnf remove podman-docker")


def test_what_stands_in_for_docker_in_wsl_is_heard(path: Path, settings: Settings) -> None:
    program(path / "docker", says="The command 'docker' could not be found in this WSL 2 distro.", status=1)

    with pytest.raises(EngineError, match="could not be found in this WSL 2 distro") as caught:
        engine.probe(settings)
    if not engine._may_start():
        assert "WSL integration" in caught.value.next_step


def test_a_login_by_ssh_that_is_denied_is_no_matter_of_groups(
    path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = "error during connect: ssh: me@far: Permission denied (publickey)."
    program(path / "docker", complains=problem, status=1)
    monkeypatch.setenv("DOCKER_HOST", "ssh://me@far")

    with pytest.raises(engine.EngineElsewhere, match="answers at DOCKER_HOST=ssh"):
        engine.probe(settings)


def test_an_engine_elsewhere_says_nothing_of_this_machines_disk(path: Path, settings: Settings) -> None:
    root = settings.cache_dir.parent
    for name, here in ((platform.node(), True), ("docker-desktop", False)):
        program(path / "docker", says=json.dumps({**INFO, "DockerRootDir": str(root), "Name": name}))
        assert engine.probe(settings).here == here
    program(path / "docker", says=json.dumps({**INFO, "DockerRootDir": "/no/such", "Name": platform.node()}))
    assert not engine.probe(settings).here


def test_an_engine_named_by_docker_host_is_never_replaced(
    path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(path / "docker", complains="Cannot connect to the Docker daemon at tcp://10.0.0.1:2375.", status=1)
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")

    with pytest.raises(EngineError, match="no container engine answers at DOCKER_HOST=tcp") as caught:
        engine.ensure_engine(settings)
    assert "unset" in caught.value.next_step


def test_an_engine_of_a_context_is_never_replaced(
    path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `colima stop`: this machine's own would be installed and started, and nobody would ask it."""
    monkeypatch.setattr(engine, "_may_start", lambda: True)
    problem = "Cannot connect to the Docker daemon at unix:///home/me/.colima/default/docker.sock. Is it running?"
    program(path / "docker", says=json.dumps({"ClientInfo": {"Context": "colima"}, "ServerErrors": [problem]}))

    with pytest.raises(EngineError, match="answers at DOCKER_CONTEXT=colima: Cannot connect") as caught:
        engine.ensure_engine(settings)
    assert "start the engine of the context colima" in caught.value.next_step


def test_a_stopped_engine_that_may_not_be_started_here(
    path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An ordinary user: the tests may themselves run as root.
    monkeypatch.setattr(engine.os, "geteuid", lambda: 1000)  # type: ignore[attr-defined]
    program(path / "docker", complains="Cannot connect to the Docker daemon. Is it running?", status=1)

    with pytest.raises(EngineError, match="is not running: Cannot connect"):
        engine.ensure_engine(settings)


def test_a_dockerd_that_ends_at_once_is_shown_with_its_log(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dockerd, "SOCKET", tmp_path / "docker.sock")
    program(path / "docker", status=1)
    program(path / "runc")
    program(path / "dockerd", complains="failed to start daemon: Devices cgroup isn't mounted", status=1)

    with pytest.raises(EngineError, match="Devices cgroup isn't mounted") as caught:
        dockerd.start(tmp_path / "engine", timeout=20)
    assert "dockerd.log" in caught.value.next_step


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that could be a dockerd."""
    with subprocess.Popen(["/bin/sleep", "300"]) as child:
        yield child
        child.kill()


def record(folder: Path, pid: int, *, ticks: int | None = None, boot: str | None = None) -> None:
    folder.mkdir(parents=True)
    content = {
        "pid": pid,
        "start_ticks": getattr(process_identity.identity(pid), "ticks", 0) if ticks is None else ticks,
        "boot": boot or process_identity.boot_id(),
    }
    (folder / "engine.json").write_text(json.dumps(content))


def test_our_own_dockerd_is_ended(settings: Settings, sleeper: subprocess.Popen[bytes]) -> None:
    folder = settings.cache_dir / "engine"
    record(folder, sleeper.pid)

    assert dockerd.running(folder) == sleeper.pid
    assert engine.stop_engine(settings)
    assert sleeper.wait(10) == -15
    assert dockerd.running(folder) is None
    assert not engine.stop_engine(settings)


@pytest.mark.parametrize("wrong", [{"ticks": 12}, {"boot": "another"}])
def test_a_process_that_only_has_the_same_number_lives_on(
    settings: Settings, sleeper: subprocess.Popen[bytes], wrong: dict[str, int | str]
) -> None:
    record(settings.cache_dir / "engine", sleeper.pid, **wrong)  # type: ignore[arg-type]

    assert not engine.stop_engine(settings)
    assert sleeper.poll() is None


def test_a_broken_record_is_no_dockerd(settings: Settings) -> None:
    folder = settings.cache_dir / "engine"
    folder.mkdir(parents=True)
    (folder / "engine.json").write_text("{")

    assert dockerd.running(folder) is None


def test_the_data_of_a_dockerd_that_is_gone_is_removed(settings: Settings) -> None:
    data = settings.cache_dir / "engine" / "data" / "image"
    data.mkdir(parents=True)

    assert engine.stop_engine(settings, remove_data=True)
    assert not (settings.cache_dir / "engine").exists()
