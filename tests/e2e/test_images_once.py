# SPDX-License-Identifier: Apache-2.0
"""The source upstream with the image cache: everything comes to this machine once, for all clusters and runs.

The public registries are local ones behind a proxy, which is asked for them by their real names, and whose CA only this
machine trusts: nodes have nothing but the cache. The runner is called as by `harness run`, with two differences: the
node image is the foundry's, since none that was built here has the public one's digest, and so is the chart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from company_proxy import Proxy, proxying
from in_process import run, sources
from mirrors import SETTINGS, Mirrors, serving

from harness.foundry import operator, shapes
from harness.foundry.store import Store
from harness.image_cache.cache import ImageCache
from harness.kube.cluster import Cluster
from harness.matrix import catalogue
from harness.matrix.select import Selection
from harness.options import RunOptions
from harness.providers import PROVIDERS
from harness.providers.base import ClusterSpec, Provider
from harness.registries.front.access_log import Request
from harness.run import setup
from harness.verdicts import Verdict

RELEASE = catalogue.load().release("2.5.2")


UNFORESEEN = "ghcr.io/kubeflow/spark-operator/controller:unforeseen"


@dataclass(frozen=True)
class Internet:
    """Stand-ins for the public registries, and the proxy by which they are reached."""

    mirrors: Mirrors
    proxy: Proxy


@pytest.fixture
def internet(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    """What this machine takes for the internet, by its environment alone."""
    hosts = ("ghcr.io", "docker.io")
    with serving("127.0.0.1", tmp_path, RELEASE, hosts=hosts, visibility="public") as made:
        ghcr, hub = (made.fronts[host].address for host in hosts)
        names = {"ghcr.io:443": ghcr, "pkg-containers.githubusercontent.com:443": ghcr}
        names |= dict.fromkeys((f"{it}.docker.io:443" for it in ("registry-1", "auth")), hub)
        names["production.cloudflare.docker.com:443"] = hub
        with proxying(address, names) as proxy:
            bundle = tmp_path / "cas.pem"
            bundle.write_text("".join(made.fronts[host].ca.read_text() for host in hosts))
            for name in ("ALL_PROXY", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY"):
                monkeypatch.delenv(name, raising=False)
                monkeypatch.delenv(name.lower(), raising=False)
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
            monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))
            yield Internet(mirrors=made, proxy=proxy)


@dataclass
class Watch:
    """What was seen of the nodes: their addresses, and what they said of an image that nobody foresaw."""

    sources: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)


def watched(kind: type[Provider], watch: Watch) -> type[Provider]:
    """A provider that pulls in each cluster what is not in the cache."""

    class Watched(kind):  # type: ignore[misc, valid-type]
        def create(self, spec: ClusterSpec) -> Cluster:
            # An engine of the foundry's machine cannot pull what k3d starts beside its nodes.
            cluster: Cluster = super().create(replace(spec, helper_image=spec.node_image))
            node = cluster.nodes[0]
            done = self.node_exec(cluster, node, ["crictl", "pull", UNFORESEEN])
            watch.said.append(done.stderr)
            watch.sources |= sources(node)
            return cluster

    return Watched


def request(config: Path, environment: str) -> setup.Request:
    options = RunOptions(
        selection=Selection(cells=(f"{environment}/install-2.5.2/spark-pi",)),
        source="upstream",
        config=config,
        chart=str(operator.chart(Store.of(SETTINGS), RELEASE.version)),
    )
    asked = setup.request(options)
    known = catalogue.load().environment(environment)
    node = shapes.node_for(SETTINGS, known).plain
    ours = known.model_copy(update={"node_image": node, "distribution": "kubernetes"})
    return replace(asked, cells=tuple(cell.model_copy(update={"environment": ours}) for cell in asked.cells))


def since(registries: Mirrors, seen: dict[str, int]) -> dict[str, list[Request]]:
    """The requests to each registry that `seen` has not counted yet."""
    fresh = {host: list(front.requests())[seen.get(host, 0) :] for host, front in registries.fronts.items()}
    for host, requests in fresh.items():
        seen[host] = seen.get(host, 0) + len(requests)
    return fresh


def counted(requests: list[Request]) -> list[str]:
    """Those that a registry counts as pulls."""
    return [it.path for it in requests if it.method == "GET" and "/manifests/" in it.path and it.status == 200]


def content(requests: list[Request]) -> int:
    """The bytes of blobs."""
    return sum(it.bytes for it in requests if "/blobs/" in it.path)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["kind-1.34", "k3d-1.34"])
def test_a_second_run_pulls_nothing(
    name: str, internet: Internet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, cache = tmp_path / "harness.toml", tmp_path / "cache"
    cache.mkdir()
    # Built artefacts are those of this machine; only the images are to be new.
    for it in ("artifacts", "logs", "installation.json", "engine"):
        if (SETTINGS.cache_dir / it).exists():
            (cache / it).symlink_to(SETTINGS.cache_dir / it)
    config.write_text(f'cache_dir = "{cache}"\n')
    watch, provider = Watch(), catalogue.load().environment(name).provider
    monkeypatch.setitem(PROVIDERS, provider, watched(PROVIDERS[provider], watch))
    seen: dict[str, int] = {}

    results, said = run(request(config, name), tmp_path)
    assert results["spark-pi"].reason == ""
    assert results["spark-pi"].verdict is Verdict.PASSED
    cold = since(internet.mirrors, seen)
    # One for each image of one platform: those of the foundry have no index.
    assert {host: len(counted(requests)) for host, requests in cold.items()} == {"ghcr.io": 1, "docker.io": 1}
    assert [it for it in said if "1 counted pull of docker.io, 100 of 100 pulls left, window 6 h" in it], said
    cached = {it.reference: it for it, _ in ImageCache(cache / "images").images()}
    images = {it.reference: it for it in results["spark-pi"].images}
    assert images[RELEASE.image].digest == cached[RELEASE.image].digest
    assert images[RELEASE.image].obtained == "upstream"
    # Both images have Spark's layers, which come once.
    assert content(cold["ghcr.io"]) + content(cold["docker.io"]) < 1.2 * max(it.size for it in cached.values())

    results, said = run(request(config, name), tmp_path)
    assert results["spark-pi"].reason == ""
    assert results["spark-pi"].verdict is Verdict.PASSED
    warm = since(internet.mirrors, seen)
    assert {host: counted(requests) for host, requests in warm.items()} == {"ghcr.io": [], "docker.io": []}
    assert {host: content(requests) for host, requests in warm.items()} == {"ghcr.io": 0, "docker.io": 0}
    assert [it for it in said if "of 2 images of these cells are on this machine" in it], said

    # Nodes went to the proxy for what the cache lacks, and for nothing else.
    by_nodes = {it.target for it in internet.proxy.asked if it.source in watch.sources}
    assert by_nodes == {"ghcr.io:443"}
    # They cannot trust what it leads to. containerd 2.2.9 tells that, or what the cache answered before.
    assert all("x509" in it or "not found" in it for it in watch.said), watch.said
