# SPDX-License-Identifier: Apache-2.0
"""The registry server as a host process, and as containers where there is an engine."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pushing import push_image

from harness import process
from harness.errors import EngineError, HostError, ToolError, UnavailableError
from harness.evidence.ledger import new_run_id
from harness.images.references import ImageReference
from harness.kube.cluster import LABEL_RUN
from harness.registries.client import RegistryClient
from harness.registries.local import NodeRegistries, Server, container_name, serve
from harness.registries.sources import Foundry, preflight


def docker(*words: str, check: bool = True) -> str:
    return process.call(["docker", *words], timeout=60, check=check).stdout


def has_engine() -> bool:
    return bool(shutil.which("docker")) and process.call(["docker", "info"], timeout=30, check=False).returncode == 0


needs_engine = pytest.mark.skipif(not has_engine(), reason="no container engine answers")


def test_what_is_pushed_stays_in_the_storage(registry_binary: Path, tmp_path: Path) -> None:
    with (
        serve(registry_binary, tmp_path / "storage", tmp_path / "log") as server,
        httpx.Client(trust_env=False) as pusher,
    ):
        digest, _ = push_image(pusher, server.url, "a/b", "1")

    with serve(registry_binary, tmp_path / "storage", tmp_path / "log", readonly=True) as server:
        with RegistryClient(None, server.address) as client:
            assert client.head(ImageReference.parse(f"{server.address}/a/b:1")).digest == digest
        with httpx.Client(trust_env=False) as pusher, pytest.raises(httpx.HTTPStatusError):
            push_image(pusher, server.url, "a/b", "2")
    assert '"HEAD /v2/a/b/manifests/1 HTTP/1.1" 200' in (tmp_path / "log").read_text()


def test_settings_of_other_programs_are_not_the_servers(
    registry_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", "/run/user/1000/containers/auth.json")
    monkeypatch.setenv("REGISTRY_HTTP_ADDR", "192.0.2.1:1")
    with serve(registry_binary, tmp_path / "storage", tmp_path / "log") as server:
        assert server.address.startswith("127.0.0.1:")


def test_a_taken_port_is_told(registry: Server, registry_binary: Path, tmp_path: Path) -> None:
    port = int(registry.address.rsplit(":", 1)[1])
    with (
        pytest.raises(HostError, match=f"127.0.0.1:{port}: the port is in use") as raised,
        serve(registry_binary, tmp_path / "other", tmp_path / "other.log", port=port),
    ):
        pass
    assert str(port) in raised.value.next_step


def test_missing_parts_are_told(registry_binary: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(ToolError, match="nowhere does not exist"),
        serve(tmp_path / "nowhere", tmp_path, tmp_path / "log"),
    ):
        pass
    with (
        pytest.raises(UnavailableError, match=r"no images are stored for ghcr\.io"),
        serve(registry_binary, tmp_path / "ghcr.io", tmp_path / "log", readonly=True),
    ):
        pass
    registries = NodeRegistries(binary=registry_binary, storage=tmp_path / "registry")
    with pytest.raises(UnavailableError, match="nox -s bootstrap"):
        registries.start("20260101-000000-0000", "bridge")
    with pytest.raises(UnavailableError, match=r"ghcr\.io"):
        registries.start("20260101-000000-0000", "bridge", hosts=["ghcr.io"])


@pytest.fixture
def network() -> Iterator[str]:
    name = f"soh-test-{secrets.token_hex(4)}"
    docker("network", "create", "--label", f"{LABEL_RUN}=test", name)
    yield name
    docker("network", "rm", name)


@pytest.fixture
def filled(registry_binary: Path, tmp_path: Path) -> Path:
    """Storages of two hosts, each with one image."""
    for host in ("docker.io", "ghcr.io"):
        with (
            serve(registry_binary, tmp_path / "registry" / host, tmp_path / "push.log") as server,
            httpx.Client(trust_env=False) as pusher,
        ):
            push_image(pusher, server.url, "a/b", "1", label=host)
    return tmp_path / "registry"


@needs_engine
def test_each_host_has_a_container_that_serves_its_images(registry_binary: Path, filled: Path, network: str) -> None:
    run_id = new_run_id()
    announced: list[str] = []
    registries = NodeRegistries(binary=registry_binary, storage=filled, announce=announced.append)
    try:
        mirrors = registries.start(run_id, network)
        with Foundry(mirrors) as source:
            digests = {source.resolve(f"{host}/a/b:1").digest for host in ("docker.io", "ghcr.io")}
            assert len(digests) == 2
            found = preflight(source, ["ghcr.io/a/b:1", "ghcr.io/a/b:2", "docker.io/a/b:1"])
            assert [reference for reference, problem in found.items() if problem] == ["ghcr.io/a/b:2"]
        running = docker("ps", "--filter", f"label={LABEL_RUN}={run_id}", "--format", "{{.Names}}").split()
        assert sorted(running) == sorted(announced) == [container_name(run_id, host) for host in mirrors.mirrors]
        assert mirrors.mirrors["ghcr.io"].url == f"http://{container_name(run_id, 'ghcr.io')}:5000"
        assert '"HEAD /v2/a/b/manifests/2 HTTP/1.1" 404' in registries.access_log("ghcr.io")
    finally:
        registries.stop()

    assert docker("ps", "--all", "--quiet", "--filter", f"label={LABEL_RUN}={run_id}") == ""


@needs_engine
def test_a_hidden_tag_is_not_there_for_one_run_and_stays_in_the_storage(
    registry_binary: Path, filled: Path, network: str
) -> None:
    hidden = [ImageReference.parse(it) for it in ("docker.io/a/b:1", "docker.io/none/such:1")]
    registries = NodeRegistries(binary=registry_binary, storage=filled, hidden=hidden)
    try:
        with Foundry(registries.start(new_run_id(), network)) as source:
            found = preflight(source, ["ghcr.io/a/b:1", "docker.io/a/b:1"])
    finally:
        registries.stop()
    assert [reference for reference, problem in found.items() if problem] == ["docker.io/a/b:1"]
    tag = filled / "docker.io" / "docker/registry/v2/repositories/a/b/_manifests/tags/1/current/link"
    assert tag.read_text().startswith("sha256:")


@needs_engine
def test_a_taken_name_is_told_and_its_owner_stays(registry_binary: Path, filled: Path, network: str) -> None:
    run_id = new_run_id()
    first = NodeRegistries(binary=registry_binary, storage=filled)
    try:
        first.start(run_id, network, hosts=["ghcr.io"])
        with pytest.raises(EngineError, match="already in use") as raised:
            NodeRegistries(binary=registry_binary, storage=filled).start(run_id, network)
        assert "nox -s clean" in raised.value.next_step
        running = docker("ps", "--all", "--filter", f"label={LABEL_RUN}={run_id}", "--format", "{{.Names}}").split()
        assert running == [container_name(run_id, "ghcr.io")]
    finally:
        first.stop()


@needs_engine
def test_a_missing_network_is_told_and_nothing_is_left(registry_binary: Path, filled: Path) -> None:
    run_id = new_run_id()
    with pytest.raises(EngineError, match="not found") as raised:
        NodeRegistries(binary=registry_binary, storage=filled).start(run_id, "soh-test-no-such-network")
    assert "network" in raised.value.next_step
    assert docker("ps", "--all", "--quiet", "--filter", f"label={LABEL_RUN}={run_id}") == ""
