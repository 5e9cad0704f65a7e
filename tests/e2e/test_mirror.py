# SPDX-License-Identifier: Apache-2.0
"""One mirror map for kind and k3d: images and chart come from mirrors with login and CA, and nothing from elsewhere.

The mirrors are local registries that hold the foundry's images, private to whoever has a token. Nodes have no way out
of this machine, which is tried from within, and each image that a cell used is in the mirrors' logs. The runner is
called as by `harness run`, with one difference: the node image has a name of its own, since no digest of an image that
was built here is the public one's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from in_process import run, sources
from mirrors import Mirrors, serving

from harness import settings
from harness.bootstrap import tools
from harness.foundry import shapes
from harness.images.references import ImageReference
from harness.kube.cluster import Cluster
from harness.matrix import catalogue
from harness.matrix.model import Environment
from harness.matrix.select import Selection
from harness.options import RunOptions
from harness.process import call
from harness.providers import PROVIDERS
from harness.providers.base import ClusterSpec, Provider
from harness.run import setup
from harness.run.preflight import CHECK
from harness.verdicts import Verdict

RELEASE = catalogue.load().release("2.5.2")
LEFT_OUT = "docker.io/apache/spark:3.5.5"
"""The image that the mirror is made without."""

NODES = "registry.example.com"
SETTINGS = settings.load(environment=os.environ)
_TRY = "timeout 4 bash -c '</dev/tcp/{0}/{1}'"


@pytest.fixture
def mirrors(address: str, tmp_path: Path) -> Iterator[Mirrors]:
    """Mirrors that only let in who has a token, with the foundry's images but one."""
    with serving(address, tmp_path, RELEASE, hosts=("ghcr.io", "docker.io", NODES), without=LEFT_OUT) as made:
        yield made


@dataclass
class Watch:
    """What was seen of the clusters that were made: exit statuses of the tries of a way out, addresses of nodes."""

    ways_out: list[int] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)


def watched(kind: type[Provider], held: tuple[str, ...], address: tuple[str, str], watch: Watch) -> type[Provider]:
    """A provider that tries the way out of each cluster that it makes, and removes what the node image holds."""

    class Watched(kind):  # type: ignore[misc, valid-type]
        def create(self, spec: ClusterSpec) -> Cluster:
            # What is done early would begin with what the node image holds.
            asked = replace(spec, preload=(), early=None) if held else spec
            cluster: Cluster = super().create(asked)
            node = cluster.nodes[0]
            for image in held:
                self.node_exec(cluster, node, ["crictl", "rmi", image])
                assert self.node_exec(cluster, node, ["crictl", "inspecti", image]).returncode != 0, image
            tried = self.node_exec(cluster, node, ["bash", "-c", _TRY.format(*address)])
            watch.ways_out.append(tried.returncode)
            watch.sources |= sources(node)
            return cluster

    return Watched


def outside() -> tuple[str, str]:
    """An address beyond this machine that answers: its name server's."""
    for line in Path("/etc/resolv.conf").read_text().splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and not ip_address(words[1]).is_loopback:
            return words[1], "53"
    pytest.fail("this machine has no name server elsewhere, so that it cannot be shown that nodes do not reach one")


def request_for(environment: Environment, node: str, config: Path) -> setup.Request:
    cells = tuple(f"{environment.name}/install-2.5.2/{name}" for name in ("spark-pi", "spark-3.5"))
    asked = setup.request(RunOptions(selection=Selection(cells=cells), source="mirror", config=config))
    ours = environment.model_copy(update={"node_image": node, "distribution": "kubernetes"})
    return replace(asked, cells=tuple(cell.model_copy(update={"environment": ours}) for cell in asked.cells))


@pytest.mark.parametrize("name", ["kind-1.34", pytest.param("k3d-1.34", marks=pytest.mark.nightly)])
def test_everything_comes_from_the_mirrors_of_one_map(
    name: str, mirrors: Mirrors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = catalogue.load().environment(name)
    found = tools.ensure(SETTINGS, ["helm", environment.provider])
    foundry = shapes.node_for(SETTINGS, environment)
    node = f"{NODES}/nodes/{environment.provider}:{environment.kubernetes}"
    mirrors.push_chart(found["helm"].path)
    tagged = []
    if environment.provider == "kind":
        mirrors.push_from_engine(foundry.plain, node)
    else:
        # Two gigabytes: the way of a node image through the mirror is shown with kind.
        helper = f"{PROVIDERS[environment.provider].helper_repository}:{found[environment.provider].version}"
        tagged = [mirrors.tag(foundry.reference, it) for it in (node, helper)]
    elsewhere = outside()
    control = ["docker", "run", "--rm", "--network", "bridge", "--entrypoint", "bash", foundry.plain]
    assert call([*control, "-c", _TRY.format(*elsewhere)], timeout=60).returncode == 0
    watch = Watch()
    held = foundry.held if environment.provider == "k3d" else ()
    kind = watched(PROVIDERS[environment.provider], held, elsewhere, watch)
    monkeypatch.setitem(PROVIDERS, environment.provider, kind)
    try:
        results, _ = run(request_for(environment, node, mirrors.config()), tmp_path)
    finally:
        for tag in [*tagged, f"{mirrors.fronts[NODES].address}/{node.partition('/')[2]}"]:
            call(["docker", "rmi", tag], timeout=60, check=False)

    missing = results["spark-3.5"]
    assert (missing.verdict, [it.name for it in missing.checks]) == (Verdict.UNAVAILABLE, [CHECK])
    assert f"{LEFT_OUT} is not available: the mirror https://{mirrors.fronts['docker.io'].address}" in missing.reason
    assert (results["spark-pi"].verdict, results["spark-pi"].reason) == (Verdict.PASSED, "")

    # No way out, and each image from the mirrors, by the node and with its login.
    assert watch.ways_out == [124]
    used = {it.reference: it for it in results["spark-pi"].images}
    assert {RELEASE.image, "docker.io/apache/spark:4.0.4"} <= set(used)
    content = 0
    for reference in (RELEASE.image, "docker.io/apache/spark:4.0.4"):
        image = ImageReference.parse(reference)
        front = mirrors.fronts[image.registry]
        assert used[reference].obtained == f"mirror {front.mirror().url}"
        by_node = [it for it in front.requests() if it.source in watch.sources and it.repository == image.repository]
        pulled = [it for it in by_node if it.status == 200 and it.method == "GET"]
        assert [it for it in pulled if it.path.endswith(f"/manifests/{used[reference].digest}")], reference
        blobs = [it.bytes for it in by_node if it.status in (200, 206) and "/blobs/" in it.path]
        assert blobs, reference
        content += sum(blobs)
        assert {it.user for it in pulled} == {"reader"}
    # Both have Spark's layers, which a node fetches once, from the mirror of whichever image comes first.
    assert content > 400_000_000
    chart = str(RELEASE.chart_oci).removeprefix("oci://ghcr.io/")
    asked = [it for it in mirrors.fronts["ghcr.io"].requests() if it.repository == chart and it.user == "reader"]
    assert [it for it in asked if it.method == "GET" and it.status == 200]
    if environment.provider == "kind":
        # The engine has its layers already, under the foundry's name: what it asks for is the manifest.
        nodes = [it for it in mirrors.fronts[NODES].requests() if it.user == "reader" and it.status == 200]
        assert [it for it in nodes if "/manifests/" in it.path]
