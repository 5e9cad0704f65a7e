# SPDX-License-Identifier: Apache-2.0
"""Registries by their real names, behind a proxy that only this machine's environment names; and nodes behind it."""

from __future__ import annotations

import socket
import socketserver
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bare_node import bare_node
from company_proxy import Proxy, proxying, socks
from fronts import browser
from pushing import push_image

from harness.errors import HarnessError, RegistryError, UnavailableError
from harness.images.mirrors import MirrorMap, write_hosts
from harness.matrix import catalogue
from harness.providers import network, proxies
from harness.providers.base import ClusterSpec
from harness.registries.front.profile import profile
from harness.registries.front.server import Front
from harness.registries.local import serve
from harness.registries.sources import Upstream

IMAGE = "docker.io/acme/app:1"
CACHE = "soh-1-registry-image-cache"


@dataclass(frozen=True)
class Company:
    """A machine behind a proxy, and Docker Hub beyond it."""

    proxy: Proxy
    hub: Front
    digest: str


@pytest.fixture
def company(registry_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    for name in ("ALL_PROXY", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with Front(profile("docker.io"), folder=tmp_path / "hub", binary=registry_binary) as hub:
        with browser(hub, "owner") as client:
            digest, _ = push_image(client, f"https://{hub.address}", "acme/app", "1")
        names = dict.fromkeys(("registry-1.docker.io:443", "auth.docker.io:443"), hub.address)
        with proxying("127.0.0.1", names) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            monkeypatch.setenv("SSL_CERT_FILE", str(hub.ca))
            yield Company(proxy=proxy, hub=hub, digest=digest)


def test_a_registry_is_asked_by_its_name_through_the_proxy(company: Company) -> None:
    with Upstream() as source:
        assert source.resolve(IMAGE).digest == company.digest
    assert {it.target for it in company.proxy.asked} == {"registry-1.docker.io:443", "auth.docker.io:443"}
    assert [it for it in company.hub.requests() if it.method == "HEAD" and it.status == 200]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_registry_is_asked_by_its_name_through_a_socks_proxy(
    company: Company, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("HTTPS_PROXY")
    with socks(dict.fromkeys(("registry-1.docker.io:443", "auth.docker.io:443"), company.hub.address)) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        with Upstream() as source:
            assert source.resolve(IMAGE).digest == company.digest
    assert {it.target for it in proxy.asked} == {"registry-1.docker.io:443", "auth.docker.io:443"}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("socks://me:hidden@10.1.2.3:1080/", "socks://10.1.2.3:1080"),
        ("http://10.1.2.3:none", "http://10.1.2.3:none"),
        ("ftp://10.1.2.3", "ftp://10.1.2.3"),
    ],
)
def test_a_proxy_that_cannot_be_asked_is_named_without_its_login(
    company: Company, monkeypatch: pytest.MonkeyPatch, written: str, shown: str
) -> None:
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setenv("ALL_PROXY", written)
    with Upstream() as source, pytest.raises(RegistryError) as refused:
        source.resolve(IMAGE)
    assert f"docker.io cannot be asked while the environment has the proxy {shown}" in str(refused.value)
    assert company.proxy.asked == []


def test_a_host_that_the_proxy_does_not_allow_is_named_with_the_proxy(company: Company) -> None:
    with Upstream() as source, pytest.raises(UnavailableError) as refused:
        source.resolve("ghcr.io/acme/app:1")
    assert f"the proxy {company.proxy.url}, by which this machine reaches ghcr.io, did not let it" in str(refused.value)
    assert "403 Forbidden" in str(refused.value)


def test_what_needs_no_proxy_is_asked_without(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", ".docker.io")
    with Upstream(timeout=3) as source, pytest.raises(UnavailableError):
        source.resolve(IMAGE)
    assert company.proxy.asked == []


def test_a_proxy_that_looks_into_tls_is_known_by_its_ca(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with Upstream() as source, pytest.raises(RegistryError) as untrusted:
        source.client("docker.io").ping()
    assert "the certificate of docker.io is not trusted" in untrusted.value.message
    assert "it was issued by spark-operator-harness local registry CA" in untrusted.value.message
    assert "a proxy of yours that looks into TLS" in untrusted.value.next_step


def test_the_proxy_of_these_tests_ends_no_answer_early() -> None:
    # It once closed both ways at the first end of one, and cut what was still under way.
    answer = b"x" * 5_000_000

    class Answers(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked = self.rfile.read()
            self.wfile.write(asked + answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        beyond = f"127.0.0.1:{server.server_address[1]}"
        with proxying("127.0.0.1", {"there:1": beyond}) as proxy:
            host, _, port = proxy.url.removeprefix("http://").rpartition(":")
            with socket.create_connection((host, int(port)), timeout=30) as client:
                client.sendall(b"CONNECT there:1 HTTP/1.1\r\n\r\n")
                said = client.makefile("rb")
                assert [said.readline(), said.readline()] == [b"HTTP/1.1 200 Connection established\r\n", b"\r\n"]
                client.sendall(b"question")
                client.shutdown(socket.SHUT_WR)
                assert said.read() == b"question" + answer
        server.shutdown()


@pytest.fixture
def address() -> Iterator[str]:
    """An address of this machine that every container reaches, whatever its network."""
    name = f"soh-test-proxy-{uuid.uuid4().hex[:8]}"
    try:
        network.create(name, name)
    except HarnessError as error:
        pytest.skip(f"needs a container engine: {error.message}")
    try:
        yield network.gateway(name)
    finally:
        network.remove(name)


def test_a_node_asks_the_image_cache_without_the_proxy_and_the_rest_through_it(
    address: str, registry_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        proxying(address, {}) as proxy,
        serve(registry_binary, tmp_path / "storage", tmp_path / "log", address=address) as server,
    ):
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        port = server.address.rpartition(":")[2]
        first = {"docker.io": f"http://{CACHE}:{port}/v2/docker.io"}
        monkeypatch.setattr(network, "subnets", lambda name: ["198.51.100.0/24"])
        spec = ClusterSpec(
            name="soh-1", run_id="1", environment=catalogue.load().environment("kind-1.34"), node_image="node",
            network="of-the-run", mirrors=MirrorMap(), folder=tmp_path, image_cache=first,
        )  # fmt: skip
        given = [word for name, value in proxies.of_nodes(spec).items() for word in ("--env", f"{name}={value}")]
        with bare_node(tmp_path / "node", options=[*given, "--add-host", f"{CACHE}:{address}"]) as node:
            write_hosts(MirrorMap(), node.hosts, first=first)
            assert node.pull(IMAGE)
    assert "HEAD /v2/docker.io/acme/app/manifests/1?ns=docker.io" in (tmp_path / "log").read_text()
    assert {it.target for it in proxy.asked} == {"registry-1.docker.io:443"}


def test_a_proxy_that_wants_a_login_is_told_as_such(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxying(
        "127.0.0.1",
        {"registry-1.docker.io:443": company.hub.address, "auth.docker.io:443": company.hub.address},
        login="robot:p@ss",
    ) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with Upstream() as source, pytest.raises(UnavailableError) as refused:
            source.resolve(IMAGE)
        assert "407 Proxy Authentication Required" in str(refused.value)
        assert "the proxy wants a login: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT" in str(refused.value)

        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http://", "http://robot:p%40ss@"))
        with Upstream() as source:
            assert source.resolve(IMAGE).digest == company.digest


def test_a_token_service_that_is_slow_is_waited_for_and_else_named(company: Company) -> None:
    company.hub.fault("latency", seconds=2.0, target="token")
    with Upstream(timeout=0.5) as source, pytest.raises(UnavailableError) as late:
        source.resolve(IMAGE)
    assert "docker.io's token server auth.docker.io, did not bring an answer in time" in str(late.value)
    with Upstream(timeout=20) as source:
        assert source.resolve(IMAGE).digest == company.digest
