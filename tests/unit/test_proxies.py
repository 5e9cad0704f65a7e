# SPDX-License-Identifier: Apache-2.0
"""Proxies of this machine, as nodes and clients of API servers get them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.images.mirrors import Mirror, MirrorMap
from harness.kube.api import client_for
from harness.late import client
from harness.matrix import catalogue
from harness.providers import network, proxies
from harness.providers.base import ClusterSpec
from harness.providers.k3d import words

PROXY = "http://robot:hidden@proxy.example.com:3128"
CACHE = "soh-1-registry-image-cache"


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        for spelt in (name, name.lower()):
            monkeypatch.delenv(spelt, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(network, "subnets", lambda name: ["172.30.0.0/16"])


@pytest.fixture
def spec(tmp_path: Path) -> ClusterSpec:
    return ClusterSpec(
        name="soh-1",
        run_id="1",
        environment=catalogue.load().environment("k3d-1.34"),
        node_image="node",
        network="soh-net",
        mirrors=MirrorMap(mirrors={"ghcr.io": Mirror(url="http://10.1.2.3:5000")}),
        folder=tmp_path,
        nodes=2,
        image_cache={"docker.io": f"http://{CACHE}:5000/v2/docker.io"},
    )


def by_environment(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("https_proxy", PROXY)
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8, .corp.example.com")


def by_docker(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    default = {"httpsProxy": PROXY, "noProxy": "10.0.0.0/8,.corp.example.com"}
    (folder / "config.json").write_text(json.dumps({"proxies": {"default": default}}))


@pytest.mark.parametrize("configured", [by_environment, by_docker])
def test_nodes_get_the_proxies_and_ask_the_runs_own_registries_without_them(
    configured: Callable[[pytest.MonkeyPatch, Path], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    spec: ClusterSpec,
) -> None:
    configured(monkeypatch, tmp_path)
    given = proxies.of_nodes(spec)
    assert given["HTTPS_PROXY"] == PROXY
    assert "HTTP_PROXY" not in given
    direct = given["NO_PROXY"].split(",")
    assert direct[:2] == ["10.0.0.0/8", ".corp.example.com"]
    assert {CACHE, "172.30.0.0/16", ".svc", "127.0.0.0/8", "soh-1-control-plane", "k3d-soh-1-agent-0"} <= set(direct)
    assert "10.1.2.3" not in direct
    program = proxies.for_program(given)
    assert program["https_proxy"] == PROXY
    assert program["HTTP_PROXY"] == program["http_proxy"] == ""
    assert f'"HTTPS_PROXY={PROXY}"' in proxies.systemd(given)
    asked = [str(it) for it in words(spec, None)]
    assert f"HTTPS_PROXY={PROXY}@server:*;agent:*" in asked


def test_nodes_cannot_use_a_proxy_on_this_machines_loopback_interface(
    monkeypatch: pytest.MonkeyPatch, spec: ClusterSpec
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    assert proxies.of_nodes(spec) == {}
    assert set(proxies.for_program({}).values()) == {""}


def test_without_proxies_nothing_is_looked_up(monkeypatch: pytest.MonkeyPatch, spec: ClusterSpec) -> None:
    monkeypatch.setattr(network, "subnets", lambda name: pytest.fail("nobody is to ask"))
    assert proxies.of_nodes(spec) == {}


@pytest.mark.parametrize(("host", "used"), [("https://127.0.0.1:6443", None), ("https://api.example.com", PROXY)])
def test_an_api_server_on_this_machine_is_asked_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, host: str, used: str | None
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    configuration = client.Configuration(host=host)
    with client_for(configuration) as api:
        assert api.configuration.proxy == used
