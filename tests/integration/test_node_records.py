# SPDX-License-Identifier: Apache-2.0
"""What a node's containerd has on record where two names have the same content, and that it asks nobody unnamed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from bare_node import BareNode, bare_node
from pushing import push_image, push_index

from harness import process
from harness.images.mirrors import BLOCKED, Mirror
from harness.images.references import ImageReference
from harness.kube.cluster import Cluster
from harness.kube.models import Container
from harness.matrix import catalogue
from harness.process import Completed
from harness.providers import outside, runtime
from harness.registries.client import RegistryClient
from harness.registries.local import Server, serve

HUB, GHCR = "docker.io/kubeflow/op", "ghcr.io/kubeflow/op"


class Nodes:
    """The provider of a cluster whose one node is the bare one."""

    guest = False

    def node_exec(self, cluster: Cluster, node: str, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        return process.call(["docker", "exec", node, *argv], timeout=timeout, check=False)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareNode]:
    with bare_node(tmp_path_factory.mktemp("node")) as made:
        yield made


@pytest.fixture
def cluster(node: BareNode) -> Cluster:
    environment = catalogue.load().environment("kind-1.34")
    return Cluster(name="bare", environment=environment, kubeconfig=Path("none"), nodes=(node.name,))


@pytest.fixture
def server(registry_binary: Path, node: BareNode, tmp_path: Path) -> Iterator[Server]:
    """A registry that nodes reach, for both hosts."""
    with serve(registry_binary, tmp_path / "storage", tmp_path / "registry.log", address=node.gateway) as made:
        mirror = Mirror(url=made.url)
        node.lead({"docker.io": mirror, "ghcr.io": mirror})
        yield made


def _reported(node: BareNode, cluster: Cluster, name: str) -> str:
    """What the kubelet would put into a status: the first of the digests (internal/cri/server/container_status.go)."""
    template = "{{index .status.repoDigests 0}}"
    argv = ["crictl", "inspecti", "-o", "go-template", "--template", template, name]
    return Nodes().node_exec(cluster, node.name, argv).stdout.strip()


def test_a_name_that_was_pulled_is_known_by_its_content_whatever_name_is_reported(
    node: BareNode, cluster: Cluster, server: Server
) -> None:
    """docker.io has the manifest, ghcr.io an index that lists it: one image with four names for the node."""
    with httpx.Client(trust_env=False) as client:
        manifest, entry = push_image(client, server.url, "kubeflow/op", "manifest", label="same")
        index = push_index(client, server.url, "kubeflow/op", "index", [entry])
    assert node.pull(f"{GHCR}:index") == ""
    assert _reported(node, cluster, f"{GHCR}:index") == f"{GHCR}@{index}"
    # Then a copy under another name, while a container may run already.
    assert node.pull(f"{HUB}:manifest") == ""
    reported = _reported(node, cluster, f"{GHCR}:index")
    assert reported == f"{HUB}@{manifest}"

    records = runtime.look(Nodes(), cluster)  # type: ignore[arg-type]

    assert records.trouble == ""
    image = records.image_of(Container(name="c", image=f"{GHCR}:index", image_id=reported))
    assert image is not None
    assert {index, manifest} <= image.digests
    assert {f"{GHCR}:index", f"{HUB}:manifest"} <= set(image.tags)
    with RegistryClient(Mirror(url=server.url), "ghcr.io") as registry:
        served = registry.digests(ImageReference.parse(f"{GHCR}:index"))
    assert image.id in served
    node.forget(f"{GHCR}:index")
    node.forget(f"{HUB}:manifest")


def test_a_node_refuses_every_host_that_no_mirror_is_named_for(
    node: BareNode, cluster: Cluster, server: Server
) -> None:
    assert outside.way_out(Nodes(), cluster) == ""  # type: ignore[arg-type]


def test_a_hosts_toml_that_containerd_cannot_read_is_found(node: BareNode, cluster: Cluster, server: Server) -> None:
    file = node.hosts / "_default" / "hosts.toml"
    file.write_text('server = "http://127.0.0.1:1\n')

    told = outside.way_out(Nodes(), cluster, timeout=3)  # type: ignore[arg-type]

    assert told.startswith(f"the node {node.name} does not lead hosts without a mirror to {BLOCKED}; it says: ")
    assert "no-host-of-the-mirror-map.invalid" in told
