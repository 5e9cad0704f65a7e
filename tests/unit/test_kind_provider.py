# SPDX-License-Identifier: Apache-2.0
"""The kind provider: how kind is called, and what an error tells.

`kind` and `docker` are stand-ins, since unit tests have no engine, and the wait for the API server is left out;
pytest-kind is real. Real clusters come with every cell.
"""

from __future__ import annotations

import dataclasses
import threading
import time
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_api_server import api_server

from harness import process, waiting
from harness.errors import ApiError, ClusterError, CommandError
from harness.images.mirrors import Mirror, MirrorMap
from harness.kube.api import connect
from harness.kube.cluster import Cluster
from harness.matrix import catalogue
from harness.matrix.model import Environment
from harness.providers import addons, containers, creation, kind_config, ready
from harness.providers.base import ClusterSpec, ProviderTools
from harness.providers.early import Early
from harness.providers.kind import Kind
from harness.providers.preload import Preload

NAME = "soh-101500-ab12-1"
NODE = f"{NAME}-control-plane"
ENVIRONMENTS = {it.name: it for it in catalogue.load().environments}

KIND = """#!/bin/sh
echo "kind $*" >> {folder}/words
case "$1 $2" in
"create cluster")
    echo "network $KIND_EXPERIMENTAL_DOCKER_NETWORK" >> {folder}/words
    echo {node} > {folder}/nodes
    while [ -e {folder}/hangs ]; do sleep 0.1; done
    [ ! -e {folder}/fails ] || {{ echo "ERROR: failed to init node with kubeadm" >&2; exit 1; }}
    for word; do case "$word" in --kubeconfig=*) cat {folder}/kubeconfig-text > "${{word#*=}}";; esac; done;;
"delete cluster") echo "kubeconfig $KUBECONFIG" >> {folder}/words; [ -e {folder}/sticky ] || rm -f {folder}/nodes;;
"export logs") [ ! -e {folder}/fails ] || exit 1; mkdir -p "$3"; echo exported > "$3/kind.log";;
esac
"""
DOCKER = """#!/bin/sh
echo "docker $*" >> {folder}/words
[ ! -e {folder}/engine-gone ] || {{ echo "Cannot connect to the Docker daemon" >&2; exit 1; }}
case "$1" in
ps) cat {folder}/nodes 2>/dev/null; exit 0;;
logs) echo "kubelet: failed to run Kubelet: no cgroup";;
exec) case "$*" in
    *"crictl pull"*) [ ! -e {folder}/pull-hangs ] || exec sleep 60; exit 1;;
    *admin.conf) cat {folder}/kubeconfig-in-node;;
    *systemctl*) cat {folder}/since;;
    esac;;
port) echo 127.0.0.1:1;;
rm) rm -f {folder}/nodes;;
esac
exit 0
"""
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "it",
    "clusters": [{"name": "it", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "it", "user": {"token": "t"}}],
    "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with kind and docker; files in it say how they behave, `words` what they were asked."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in (("kind", KIND), ("docker", DOCKER), ("kubectl", "#!/bin/sh\n")):
        (folder / name).write_text(text.format(folder=folder, node=NODE) if name != "kubectl" else text)
        (folder / name).chmod(0o755)
    (folder / "kubeconfig-text").write_text(yaml.safe_dump(KUBECONFIG))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(creation, "wait_services", lambda cluster, deadline, kubectl, *, nodes: {"node-ready": 1.0})
    monkeypatch.setattr(creation, "wait_names", lambda cluster, deadline: None)
    monkeypatch.setattr(addons, "give_kube_proxy_a_share", lambda cluster: None)
    return folder


@pytest.fixture
def provider(programs: Path) -> Kind:
    return Kind(ProviderTools(programs={name: programs / name for name in ("kind", "kubectl")}))


def spec(folder: Path, *preload: str, mirrors: MirrorMap | None = None, timeout: float = 60.0) -> ClusterSpec:
    return ClusterSpec(
        name=NAME,
        run_id="20260801-101500-ab12",
        environment=ENVIRONMENTS["kind-1.34"],
        node_image="node:v1.34.4",
        network="soh-net",
        mirrors=mirrors or MirrorMap(),
        folder=folder / "scratch",
        preload=preload,
        timeout=timeout,
    )


def cluster(folder: Path) -> Cluster:
    return Cluster(name=NAME, environment=ENVIRONMENTS["kind-1.34"], kubeconfig=folder / "k", nodes=(NODE,))


def words(programs: Path) -> list[str]:
    return (programs / "words").read_text().splitlines()


def test_a_cluster_is_made_with_its_image_network_and_kubeconfig(
    provider: Kind, programs: Path, tmp_path: Path
) -> None:
    made = provider.create(spec(tmp_path, "docker.io/apache/spark:4.0.4"))

    (create,) = (line for line in words(programs) if line.startswith("kind create cluster"))
    scratch = tmp_path / "scratch"
    for word in (f"--name={NAME}", "--image=node:v1.34.4", f"--kubeconfig={scratch / 'kubeconfig'}", "--retain"):
        assert word in create.split()
    assert f"--config {scratch / 'kind.yaml'}" in create
    assert "network soh-net" in words(programs)
    assert (made.name, made.nodes, made.kubeconfig) == (NAME, (NODE,), scratch / "kubeconfig")
    assert set(made.seconds) == {"create", "node-ready", "preload", "names-ready", "early"}
    assert not (tmp_path / "home" / ".kube").exists()
    # The stand-in refuses to pull: that is left to the kubelet.
    assert f"docker exec {NODE} crictl pull docker.io/apache/spark:4.0.4" in words(programs)


def test_the_control_plane_starts_at_once_whichever_version_kind_writes(provider: Kind, tmp_path: Path) -> None:
    provider.create(spec(tmp_path))

    config = yaml.safe_load((tmp_path / "scratch" / "kind.yaml").read_text())
    patches = [yaml.safe_load(patch) for patch in config["kubeadmConfigPatches"]]
    arguments = {it["apiVersion"]: it["controllerManager"]["extraArgs"] for it in patches if "controllerManager" in it}
    assert arguments["kubeadm.k8s.io/v1beta3"]["leader-elect"] == "false"
    assert {"name": "leader-elect", "value": "false"} in arguments["kubeadm.k8s.io/v1beta4"]
    stores = {it["apiVersion"]: it["etcd"]["local"]["extraArgs"] for it in patches if "etcd" in it}
    assert stores["kubeadm.k8s.io/v1beta3"] == {"unsafe-no-fsync": "true"}
    assert stores["kubeadm.k8s.io/v1beta4"] == [{"name": "unsafe-no-fsync", "value": "true"}]
    assert [it.get("encryptionAlgorithm") for it in patches if "etcd" in it] == [None, "ECDSA-P256"]
    assert [it.get("featureGates") for it in patches if "etcd" in it] == [{"PublicKeysECDSA": True}, None]


def test_a_cluster_that_cannot_be_made_tells_what_kind_and_the_node_said(
    provider: Kind, programs: Path, tmp_path: Path
) -> None:
    (programs / "fails").touch()
    with pytest.raises(ClusterError) as raised:
        provider.create(spec(tmp_path))

    assert f"creating kind-1.34 as kind cluster {NAME} failed" in raised.value.message
    assert "failed to init node with kubeadm" in raised.value.message
    assert f"{NODE} | kubelet: failed to run Kubelet: no cgroup" in raised.value.message
    assert str(tmp_path / "scratch" / "create.log") in raised.value.next_step
    assert "no cgroup" in (tmp_path / "scratch" / "nodes" / NODE / "console.log").read_text()


def test_a_cluster_that_takes_too_long_is_given_up(provider: Kind, programs: Path, tmp_path: Path) -> None:
    (programs / "hangs").touch()
    (programs / "pull-hangs").touch()
    started = time.monotonic()
    with pytest.raises(ClusterError, match="did not finish within"):
        provider.create(spec(tmp_path, "docker.io/apache/spark:4.0.4", timeout=3))

    assert time.monotonic() - started < 40


def test_what_was_begun_early_ends_with_a_creation_that_fails(
    provider: Kind, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []

    def act(made: Cluster, failed: threading.Event) -> None:
        (programs / "fails").touch()
        (programs / "hangs").unlink()
        assert failed.wait(30)
        ended.append(made.name)

    (programs / "hangs").touch()
    (programs / "kubeconfig-in-node").write_text(yaml.safe_dump(KUBECONFIG))
    nodes = {"nodes": [{"metadata": {"name": NODE}}]}
    with api_server(tmp_path, nodes) as server:
        monkeypatch.setattr(Cluster, "api_client", lambda made: connect(server.kubeconfig))
        with pytest.raises(ClusterError, match="failed to init node with kubeadm"):
            provider.create(dataclasses.replace(spec(tmp_path), early=act))

    assert ended == [NAME]


def test_an_engine_that_is_gone_does_not_hide_why_the_creation_failed(
    provider: Kind, programs: Path, tmp_path: Path
) -> None:
    (programs / "fails").touch()
    (programs / "engine-gone").touch()
    with pytest.raises(ClusterError) as raised:
        provider.create(spec(tmp_path))

    assert "failed to init node with kubeadm" in raised.value.message
    assert "the nodes' logs cannot be read" in raised.value.message


def test_an_api_server_that_fails_is_an_error_of_the_cluster(
    provider: Kind, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(made: Cluster, deadline: object, kubectl: object, *, nodes: int) -> None:
        raise ApiError("the API server answered 500 Internal Server Error", status=500)

    monkeypatch.setattr(creation, "wait_services", wait)
    with pytest.raises(ClusterError, match="the API server answered 500"):
        provider.create(spec(tmp_path))


def test_kube_proxy_gets_its_part_of_a_busy_node_before_the_cluster_is_waited_for(
    provider: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(addons, "give_kube_proxy_a_share", lambda cluster: order.append("share"))

    def wait(*_: object, **__: object) -> dict[str, float]:
        order.append("wait")
        return {}

    monkeypatch.setattr(creation, "wait_services", wait)
    provider.create(spec(tmp_path))

    assert order == ["share", "wait"]


@pytest.mark.parametrize(("age", "rest"), [("2.5", 7.5), ("9.9", 0.1), ("64.0", 0.0)])
def test_a_node_that_was_used_early_has_names_first_and_pods_once_its_kubelet_probes_at_once(
    provider: Kind, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: str, rest: float
) -> None:
    order: list[str] = []
    rests: list[float] = []

    def uncordoned(early: Early, cluster: Cluster) -> None:
        order.append("pods")

    def pause(seconds: float, *, what: str) -> None:
        order.append("rests")
        rests.append(round(seconds, 1))

    monkeypatch.setattr(addons, "start_names_on_a_cordoned_node", lambda cluster: order.append("names"))
    monkeypatch.setattr(waiting, "pause", pause)
    monkeypatch.setattr(Early, "cordoned", property(lambda early: True))
    monkeypatch.setattr(Early, "uncordon", uncordoned)
    (programs / "since").write_text(f"100000000\n{100 + float(age)}\n")
    made = provider.create(spec(tmp_path))

    assert order == ["names", *(["rests"] if rest else []), "pods"]
    assert rests == ([rest] if rest else [])
    assert "probes-ready" in made.seconds


def test_a_node_that_was_not_used_early_needs_no_rest(
    provider: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(addons, "start_names_on_a_cordoned_node", lambda cluster: order.append("names"))

    assert "probes-ready" not in provider.create(spec(tmp_path)).seconds
    assert order == []


def test_a_node_that_does_not_say_how_old_its_kubelet_is_is_told(
    provider: Kind, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addons, "start_names_on_a_cordoned_node", lambda cluster: None)
    monkeypatch.setattr(Early, "cordoned", property(lambda early: True))
    (programs / "since").write_text("no such unit\n")

    with pytest.raises(ClusterError, match="does not say since when its kubelet runs: no such unit"):
        provider.create(spec(tmp_path))


def test_a_cluster_of_several_nodes_has_workers_that_are_told_the_same(provider: Kind, tmp_path: Path) -> None:
    mirrors = MirrorMap(mirrors={"ghcr.io": Mirror(url="http://registry-ghcr-io:5000")})
    (tmp_path / "scratch").mkdir()
    three = dataclasses.replace(spec(tmp_path, mirrors=mirrors), nodes=3)
    nodes = yaml.safe_load(provider._write_config(three).read_text())["nodes"]

    assert [node["role"] for node in nodes] == ["control-plane", "worker", "worker"]
    assert len({str(node["extraMounts"]) for node in nodes}) == 1


def test_a_cluster_is_ready_when_all_its_nodes_are() -> None:
    def node(name: str, status: str) -> Any:
        return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": status}]}}

    look = partial(ready._ready, set(), 2)
    seen = [node("a", "True"), node("a", "True"), node("b", "False"), node("a", "False"), node("b", "True")]
    assert [look("MODIFIED", it) for it in seen] == [None] * 5
    assert look("MODIFIED", node("a", "True")) is True


def test_nodes_are_told_of_the_mirrors(provider: Kind, tmp_path: Path) -> None:
    mirrors = MirrorMap(mirrors={"ghcr.io": Mirror(url="http://registry-ghcr-io:5000")})
    (tmp_path / "scratch").mkdir()
    config = yaml.safe_load(provider._write_config(spec(tmp_path, mirrors=mirrors)).read_text())

    (mount,) = config["nodes"][0]["extraMounts"]
    assert mount["containerPath"] == "/etc/containerd/certs.d"
    assert mount["readOnly"] is True
    assert "registry-ghcr-io:5000" in (Path(mount["hostPath"]) / "ghcr.io" / "hosts.toml").read_text()

    plain = yaml.safe_load(provider._write_config(spec(tmp_path)).read_text())
    assert "extraMounts" not in plain["nodes"][0]


@pytest.mark.parametrize(
    ("image", "told"), [("kindest/node:v1.28.15", True), ("spark-operator-harness/kind-node:v1.34.4", False)]
)
def test_containerd_of_public_nodes_is_told_to_read_the_mirrors(
    image: str, told: bool, provider: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "cgroup_v1", lambda: False)
    (tmp_path / "scratch").mkdir()
    asked = dataclasses.replace(
        spec(tmp_path), node_image=image, image_cache={"ghcr.io": "http://image-cache:5000/v2/ghcr.io"}
    )
    config = yaml.safe_load(provider._write_config(asked).read_text())
    assert ("containerdConfigPatches" in config) is told
    if told:
        (patch,) = config["containerdConfigPatches"]
        registry = tomllib.loads(patch)["plugins"]["io.containerd.grpc.v1.cri"]["registry"]
        (mount,) = config["nodes"][0]["extraMounts"]
        assert registry == {"config_path": mount["containerPath"]}


@pytest.mark.parametrize(
    ("environment", "v1", "patched"),
    [("kind-1.34", True, False), ("kind-1.36", True, True), ("kind-1.36", False, False)],
)
def test_a_new_kubelet_is_asked_to_bear_cgroup_v1(
    environment: str, v1: bool, patched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "cgroup_v1", lambda: v1)
    asked: Environment = ENVIRONMENTS[environment]
    config = kind_config.cluster_config(asked)

    assert ("failCgroupV1: false" in str(config.get("kubeadmConfigPatches"))) is patched
    assert config["networking"]["apiServerAddress"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("image", "v1", "alone"),
    [
        ("spark-operator-harness/kind-node:v1.34.4", True, True),
        ("spark-operator-harness/kind-node:v1.34.4", False, False),
        ("kindest/node:v1.34.11", True, False),
    ],
)
def test_nodes_of_the_foundry_make_the_first_control_groups_without_systemd(
    image: str, v1: bool, alone: bool, provider: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "cgroup_v1", lambda: v1)
    (tmp_path / "scratch").mkdir()
    asked = dataclasses.replace(spec(tmp_path), node_image=image)
    config = yaml.safe_load(provider._write_config(asked).read_text())

    assert ("cgroupDriver: cgroupfs" in str(config["kubeadmConfigPatches"])) is alone
    assert ("SystemdCgroup = false" in str(config.get("containerdConfigPatches"))) is alone


def test_how_long_an_image_was_on_its_way_is_no_time_of_the_cluster(
    provider: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[float] = []
    left: list[float] = []
    pulls: list[float] = []
    join, run = Preload.join, Preload._exec

    def late(self: Preload, timeout: float | None = None) -> None:
        joined.append(time.monotonic())
        time.sleep(2)
        join(self, timeout)

    def noted(self: Preload, *words: str, timeout: float) -> process.Completed:
        pulls.extend([timeout] if "pull" in words else [])
        return run(self, *words, timeout=timeout)

    monkeypatch.setattr(Preload, "join", late)
    monkeypatch.setattr(Preload, "_exec", noted)
    monkeypatch.setattr(creation, "wait_names", lambda cluster, deadline: left.append(deadline.left))
    began = time.monotonic()
    provider.create(spec(tmp_path, "one", timeout=40.0))
    assert left[0] > 40.0 - (joined[0] - began) - 1
    assert pulls == [60.0]


def test_a_cluster_is_removed_without_the_users_kubeconfig(provider: Kind, programs: Path) -> None:
    (programs / "nodes").write_text(NODE)
    provider.delete(NAME)

    assert f"kind delete cluster --name {NAME}" in words(programs)
    assert "kubeconfig /dev/null" in words(programs)
    assert not [line for line in words(programs) if line.startswith("docker rm")]


def test_nodes_that_kind_left_are_removed_with_their_volumes(provider: Kind, programs: Path) -> None:
    (programs / "nodes").write_text(NODE)
    (programs / "sticky").touch()
    provider.delete(NAME)

    assert words(programs)[-1] == f"docker rm --force --volumes {NODE}"


def test_a_removal_that_fails_is_told(provider: Kind, programs: Path) -> None:
    (programs / "engine-gone").touch()

    with pytest.raises(CommandError, match="Cannot connect to the Docker daemon"):
        provider.delete(NAME)


def test_logs_come_from_kind_or_else_from_the_engine(provider: Kind, programs: Path, tmp_path: Path) -> None:
    provider.export_logs(cluster(tmp_path), tmp_path / "by-kind")
    assert (tmp_path / "by-kind" / "kind.log").read_text() == "exported\n"

    (programs / "fails").touch()
    (programs / "nodes").write_text(NODE)
    provider.export_logs(cluster(tmp_path), tmp_path / "by-engine")
    assert "no cgroup" in (tmp_path / "by-engine" / NODE / "console.log").read_text()


def test_a_command_runs_in_a_node_and_a_person_is_told_how(provider: Kind, programs: Path, tmp_path: Path) -> None:
    assert provider.node_exec(cluster(tmp_path), NODE, ["crictl", "images"]).returncode == 0
    assert words(programs) == [f"docker exec {NODE} crictl images"]
    assert provider.shell_hint(cluster(tmp_path)) == f"docker exec -it {NODE} bash"


def test_small_nodes_may_use_no_more_of_the_host(provider: Kind, programs: Path, tmp_path: Path) -> None:
    asked = spec(tmp_path)
    small = asked.environment.model_copy(update={"cpus": 2, "memory_mib": 4096})
    provider.create(dataclasses.replace(asked, environment=small))

    assert f"docker update --cpus=2 --memory=4096m --memory-swap=4096m {NODE}" in words(programs)
    assert not any(it.startswith("docker update") for it in words(programs) if NODE not in it)
