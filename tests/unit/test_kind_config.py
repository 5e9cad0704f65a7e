# SPDX-License-Identifier: Apache-2.0
"""What kind is told of a cluster, for each property that it can have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.foundry import kubernetes
from harness.host import memory
from harness.images.mirrors import MirrorMap
from harness.matrix.model import Environment
from harness.providers import kind_config
from harness.providers.base import ClusterSpec

OWN = "spark-operator-harness/kind-node:v1.34.4"
MANIFEST = "/kind/manifests/default-cni.yaml"


def config(folder: Path, *, image: str = OWN, nodes: int = 1, **traits: Any) -> dict[str, Any]:
    environment = Environment(name="kind-1.34", provider="kind", kubernetes="1.34.4", foundry=True, **traits)
    return kind_config.of(
        ClusterSpec(
            name="c",
            run_id="r",
            environment=environment,
            node_image=image,
            network="n",
            mirrors=MirrorMap(),
            folder=folder,
            nodes=nodes,
        )
    )


def patches(found: dict[str, Any], kind: str) -> dict[str, Any]:
    """All that the patches of that kind set, of kubeadm's newest version."""
    documents = [yaml.safe_load(text) for text in found["kubeadmConfigPatches"]]
    merged: dict[str, Any] = {}
    for it in documents:
        if it["kind"] == kind and not it["apiVersion"].endswith("v1beta3"):
            merged |= it
    return merged


def network(found: dict[str, Any]) -> dict[str, Any]:
    """What flannel is told."""
    (mount,) = (it for it in found["nodes"][0]["extraMounts"] if it["containerPath"] == MANIFEST)
    documents = yaml.safe_load_all(Path(mount["hostPath"]).read_text())
    data = next(it["data"] for it in documents if it["kind"] == "ConfigMap")
    return dict(json.loads(data["net-conf.json"]))


def test_nodes_of_the_foundry_that_are_several_have_flannel_all_of_them(tmp_path: Path) -> None:
    found = config(tmp_path, nodes=3)
    assert [it["role"] for it in found["nodes"]] == ["control-plane", "worker", "worker"]
    assert all(it["extraMounts"][0]["containerPath"] == MANIFEST for it in found["nodes"])
    assert network(found) == {"EnableIPv4": True, "Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}


def test_the_manifest_runs_the_image_that_nodes_hold() -> None:
    text = (kubernetes.NODES.parent / "kind" / "flannel.yaml").read_text()
    (image,) = [
        it["image"]
        for document in yaml.safe_load_all(text)
        if document["kind"] == "DaemonSet"
        for it in document["spec"]["template"]["spec"]["containers"]
    ]
    assert image == kubernetes.flannel_image()


@pytest.mark.parametrize("image", ["kindest/node:v1.34.11", OWN])
def test_public_nodes_and_single_ones_keep_the_network_that_they_bring(image: str, tmp_path: Path) -> None:
    found = config(tmp_path, image=image, nodes=1 if image == OWN else 3)
    assert "extraMounts" not in found["nodes"][0]


def test_a_domain_of_services_is_kubeadms_in_both_its_versions(tmp_path: Path) -> None:
    found = config(tmp_path, cluster_domain="corp.example")
    assert patches(found, "ClusterConfiguration")["networking"] == {"dnsDomain": "corp.example"}
    assert sum("corp.example" in text for text in found["kubeadmConfigPatches"]) == 2


def test_addresses_are_kinds_and_flannels(tmp_path: Path) -> None:
    found = config(tmp_path, service_subnet="172.30.0.0/16", pod_subnet="10.128.0.0/16")
    assert found["networking"]["serviceSubnet"] == "172.30.0.0/16"
    assert found["networking"]["podSubnet"] == "10.128.0.0/16"
    assert network(found)["Network"] == "10.128.0.0/16"


@pytest.mark.parametrize(
    ("family", "network_of_pods"),
    [
        ("ipv6", {"EnableIPv4": False, "EnableIPv6": True, "IPv6Network": "fd00:10:244::/56"}),
        (
            "dual",
            {"EnableIPv4": True, "Network": "10.244.0.0/16", "EnableIPv6": True, "IPv6Network": "fd00:10:244::/56"},
        ),
    ],
)
def test_families_of_addresses(family: str, network_of_pods: dict[str, object], tmp_path: Path) -> None:
    found = config(tmp_path, ip_family=family)
    assert found["networking"]["ipFamily"] == family
    assert network(found) == network_of_pods | {"Backend": {"Type": "vxlan"}}


def test_gates_and_versions_of_the_api(tmp_path: Path) -> None:
    found = config(tmp_path, feature_gates=("A",), api_versions=("g.k8s.io/v1beta1",))
    assert found["featureGates"] == {"A": True}
    assert found["runtimeConfig"] == {"g.k8s.io/v1beta1": "true"}


def test_a_small_node_says_that_it_has_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "total_mib", lambda: 24_000)
    assert patches(config(tmp_path, memory_mib=4096), "KubeletConfiguration")["systemReserved"] == {"memory": "19904Mi"}


def test_the_machine_has_memory() -> None:
    meminfo = Path("/proc/meminfo").read_text().split()
    assert abs(memory.total_mib() - (int(meminfo[1]) >> 10)) < 64
