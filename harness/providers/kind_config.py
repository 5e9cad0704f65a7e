# SPDX-License-Identifier: Apache-2.0
"""What `kind create cluster --config` reads: what all clusters have in common, and what an environment asks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from harness.host import memory
from harness.images.mirrors import CERTS_D, write_hosts
from harness.kube.cluster import OWN_IMAGES
from harness.matrix.model import Environment
from harness.providers import containers, proxies
from harness.providers.base import ClusterSpec
from harness.settings import PROJECT_ROOT

_COMMON = PROJECT_ROOT / "clusters" / "kind" / "cluster.yaml"
_FLANNEL = PROJECT_ROOT / "clusters" / "kind" / "flannel.yaml"
_NETWORK_MANIFEST = "/kind/manifests/default-cni.yaml"
_POD_SUBNETS = {"ipv4": "10.244.0.0/16", "ipv6": "fd00:10:244::/56", "dual": "10.244.0.0/16,fd00:10:244::/56"}
"""What kind gives pods where nothing else is asked for (pkg/apis/config/v1alpha4/default.go)."""

_HOSTS_ARE_READ = f"""\
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{CERTS_D}"
"""
"""Has containerd in a public node read CERTS_D: its configuration does not say so (kind v0.22.0 to v0.33.0,
images/base/files/etc/containerd/config.toml, of version 2), and containerd does it by itself from 2.2 on only, which
images of kind before v0.31.0 do not have. In a configuration of version 3 it is a key that nobody knows."""


def of(spec: ClusterSpec, given: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """The configuration of a cluster; what nodes mount of it is written into its folder. `given` are nodes' proxies."""
    environment = spec.environment
    config = cluster_config(environment)
    config["kubeadmConfigPatches"] += _quick_start()
    own = spec.node_image.startswith(OWN_IMAGES)
    containerd = _containerd(own=own)
    if own and containers.cgroup_v1():
        config["kubeadmConfigPatches"].append(_kubelet(cgroupDriver="cgroupfs"))
    mounts = []
    if spec.mirrors or spec.image_cache:
        hosts = write_hosts(spec.mirrors, spec.folder / "certs.d", first=spec.image_cache)
        mounts.append(_mount(hosts, CERTS_D))
        if not own:
            containerd = _HOSTS_ARE_READ
    if containerd:
        config["containerdConfigPatches"] = [containerd]
    if given and own:
        # kind's own node image writes this by itself.
        (folder := spec.folder / "systemd").mkdir(parents=True, exist_ok=True)
        (folder / "proxies.conf").write_text(proxies.systemd(given))
        mounts.append(_mount(folder, proxies.SYSTEMD_FOLDER))
    if own and _needs_flannel(spec):
        mounts.append(_mount(_write_flannel(spec), _NETWORK_MANIFEST))
    if mounts:
        config["nodes"][0]["extraMounts"] = mounts
    config["nodes"] += [{**config["nodes"][0], "role": "worker"} for _ in range(1, spec.nodes)]
    return config


def cluster_config(environment: Environment) -> dict[str, Any]:
    """What kind needs for a cluster of this environment on this host, whatever its nodes are built from."""
    config: dict[str, Any] = yaml.safe_load(_COMMON.read_text())
    patches = []
    if containers.cgroup_v1() and int(environment.minor.split(".")[1]) >= 35:
        # Kubernetes 1.35 made the kubelet refuse cgroup v1 unless told otherwise (KEP-5573).
        patches.append(_kubelet(failCgroupV1=False))
    if environment.cluster_domain:
        patches += _for_each_version({"networking": {"dnsDomain": environment.cluster_domain}})
    if environment.memory_mib:
        patches.append(_kubelet(systemReserved={"memory": f"{memory.total_mib() - environment.memory_mib}Mi"}))
    config["kubeadmConfigPatches"] = patches
    asked = {
        "serviceSubnet": environment.service_subnet,
        "podSubnet": environment.pod_subnet,
        "ipFamily": environment.ip_family if environment.ip_family != "ipv4" else "",
    }
    config["networking"] |= {key: value for key, value in asked.items() if value}
    if environment.feature_gates:
        config["featureGates"] = dict.fromkeys(environment.feature_gates, True)
    if environment.api_versions:
        config["runtimeConfig"] = dict.fromkeys(environment.api_versions, "true")
    return config


def _mount(file: Path, path: str) -> dict[str, object]:
    return {"hostPath": str(file.resolve()), "containerPath": path, "readOnly": True}


def _needs_flannel(spec: ClusterSpec) -> bool:
    """Whether the static network of the foundry's nodes will not do: it has one node, and its own addresses."""
    environment = spec.environment
    return spec.nodes > 1 or bool(environment.pod_subnet) or environment.ip_family != "ipv4"


def _write_flannel(spec: ClusterSpec) -> Path:
    """The manifest of the network, with its addresses."""
    subnets = (spec.environment.pod_subnet or _POD_SUBNETS[spec.environment.ip_family]).split(",")
    network: dict[str, object] = {"EnableIPv4": False, "Backend": {"Type": "vxlan"}}
    for subnet in subnets:
        network |= (
            {"EnableIPv6": True, "IPv6Network": subnet} if ":" in subnet else {"EnableIPv4": True, "Network": subnet}
        )
    target = spec.folder / _FLANNEL.name
    target.write_text(_FLANNEL.read_text().replace("@NETWORK@", json.dumps(network)))
    return target


def _containerd(*, own: bool) -> str:
    """What is otherwise in containerd's configuration than the node image has it."""
    table = "plugins.'io.containerd.cri.v1.runtime'.containerd"
    lines = []
    if own and containers.cgroup_v1():
        # With systemd on cgroup v1, runc freezes each new container for a moment, which fails on a busy host ("unable
        # to freeze"): the kubelet then has to create it again. So containerd and the kubelet manage cgroups themselves.
        lines += [f"[{table}.runtimes.runc.options]", "SystemdCgroup = false"]
    return "\n".join(["version = 3", *lines, ""]) if lines else ""


def _kubelet(**settings: object) -> str:
    """A patch of the kubelets' configuration."""
    document = {"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1", **settings}
    return str(yaml.safe_dump(document, sort_keys=False))


def _for_each_version(settings: Mapping[str, object]) -> list[str]:
    """Patches of kubeadm's own configuration: kind applies the one whose version it writes itself."""
    return [
        str(yaml.safe_dump({"kind": "ClusterConfiguration", "apiVersion": f"kubeadm.k8s.io/{version}", **settings}))
        for version in ("v1beta3", "v1beta4")
    ]


def _quick_start() -> list[str]:
    """Patches that let the single control plane of a throw-away cluster start without delay.

    Leader election is pointless, and some forty controllers request their accounts one after the other at
    20 requests per second, before the first pod of a DaemonSet is created (cmd/kube-controller-manager/app). Nobody
    needs what etcd has written after a crash of this machine. The sixteen key pairs of kubeadm take two seconds of
    processor time with RSA, and none with ECDSA. kind applies the patch whose version it writes itself
    (pkg/cluster/internal/kubeadm/config.go): arguments are a map in v1beta3 and a list in v1beta4, where what kind sets
    must be repeated.
    """
    alone = {"leader-elect": "false"}
    manager = {**alone, "kube-api-qps": "500", "kube-api-burst": "1000", "enable-hostpath-provisioner": "true"}

    def patch(version: str, form: Callable[[Mapping[str, str]], object], keys: Mapping[str, object]) -> str:
        document = {
            "kind": "ClusterConfiguration",
            "apiVersion": f"kubeadm.k8s.io/{version}",
            "controllerManager": {"extraArgs": form(manager)},
            "scheduler": {"extraArgs": form(alone)},
            "etcd": {"local": {"extraArgs": form({"unsafe-no-fsync": "true"})}},
            **keys,
        }
        return str(yaml.safe_dump(document, sort_keys=False))

    def listed(arguments: Mapping[str, str]) -> object:
        return [{"name": name, "value": value} for name, value in arguments.items()]

    return [
        patch("v1beta3", dict, {"featureGates": {"PublicKeysECDSA": True}}),
        patch("v1beta4", listed, {"encryptionAlgorithm": "ECDSA-P256"}),
    ]
