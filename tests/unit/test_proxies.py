# SPDX-License-Identifier: Apache-2.0
"""Proxies of this machine, as nodes and clients of API servers get them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from company_proxy import proxying, socks
from fake_api_server import api_server

from harness.errors import ApiError, UsageError
from harness.images.mirrors import Mirror, MirrorMap
from harness.kube.api import client_for
from harness.late import client, streams
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


@pytest.mark.parametrize("exempt", ["", "10.0.0.0/8", "127.0.0.1"])
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_an_api_server_on_this_machine_is_asked_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, exempt: str
) -> None:
    with proxying("127.0.0.1", {}) as proxy, api_server(tmp_path, {"pods": []}) as cluster:
        monkeypatch.setenv(variable, proxy.url)
        monkeypatch.setenv("NO_PROXY", exempt)
        with cluster.api_client() as api:
            core = client.CoreV1Api(api)
            assert core.list_namespaced_pod("jobs").items == []
            # The server knows no port-forward, and answers for itself.
            with pytest.raises(ApiError, match="200 OK"):
                streams.portforward(core.connect_get_namespaced_pod_portforward, "server", "jobs", ports="15002")
        assert proxy.asked == []


def test_the_proxy_of_a_kubeconfig_is_asked_for_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with proxying("127.0.0.1", {}) as proxy:
        configuration = client.Configuration(host="https://127.0.0.1:6443", proxy=proxy.url)
        with client_for(configuration) as api, pytest.raises(ApiError, match="403"):
            client.CoreV1Api(api).list_namespaced_pod("jobs", _request_timeout=5)
        assert {it.target for it in proxy.asked} == {"127.0.0.1:6443"}


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_an_api_server_is_asked_through_a_socks_proxy(tmp_path: Path, scheme: str) -> None:
    with api_server(tmp_path, {"pods": []}) as cluster:
        address = cluster.api_client().configuration.host.removeprefix("http://")
        with socks({"127.0.0.1:6443": address}) as proxy:
            url = f"{scheme}://{proxy.url.removeprefix('socks5://')}"
            with client_for(client.Configuration(host="http://127.0.0.1:6443", proxy=url)) as api:
                assert client.CoreV1Api(api).list_namespaced_pod("jobs").items == []
    assert {it.target for it in proxy.asked} == {"127.0.0.1:6443"}


@pytest.mark.parametrize("proxy", ["socks://me:hidden@127.0.0.1:1080", "nonsense"])
def test_a_proxy_that_cannot_be_asked_is_told_without_its_login(proxy: str) -> None:
    with pytest.raises(
        UsageError, match=r"api\.example\.com cannot be asked through the proxy (?:socks://127\.0\.0\.1:1080|nonsense):"
    ) as told:
        client_for(client.Configuration(host="https://api.example.com:6443", proxy=proxy))

    assert "hidden" not in str(told.value)


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_an_api_server_elsewhere_is_asked_through_the_proxy(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    with proxying("127.0.0.1", {}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", scheme + proxy.url.removeprefix("http://"))
        with client_for(client.Configuration(host="https://api.example.com:6443")) as api:
            core = client.CoreV1Api(api)
            with pytest.raises(ApiError, match="403"):
                core.list_namespaced_pod("jobs", _request_timeout=5)
            with pytest.raises(ApiError, match="403"):
                streams.portforward(core.connect_get_namespaced_pod_portforward, "server", "jobs", ports="15002")
        assert {it.target for it in proxy.asked} == {"api.example.com:6443"}
