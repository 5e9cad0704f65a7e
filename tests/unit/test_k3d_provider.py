# SPDX-License-Identifier: Apache-2.0
"""The k3d provider: how k3d is called, what is left of a cluster, and what an error and an export tell.

`k3d` and `docker` are stand-ins, since unit tests have no engine, and the wait for the API server is left out. Real
clusters come with every cell.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from harness.errors import ClusterError, CommandError, ToolError
from harness.images.mirrors import Mirror, MirrorMap
from harness.kube.cluster import Cluster
from harness.matrix import catalogue
from harness.providers import PROVIDERS, containers, creation, k3d, k3d_logs
from harness.providers.base import ClusterSpec, ProviderTools
from harness.providers.k3d import K3d

NAME = "soh-101500-ab12-1"
NODE = f"k3d-{NAME}-server-0"
ENVIRONMENTS = {it.name: it for it in catalogue.load().environments}
MIRRORS = MirrorMap(mirrors={"ghcr.io": Mirror(url="http://registry-ghcr-io:5000", host_url="http://127.0.0.1:40000")})

K3D = """#!/bin/sh
echo "k3d $*" >> {folder}/words
echo "$1 $2: KUBECONFIG=$KUBECONFIG XDG_CONFIG_HOME=$XDG_CONFIG_HOME tools=$K3D_IMAGE_TOOLS" >> {folder}/variables
case "$1 $2" in
"cluster create")
    echo {node} > {folder}/nodes; echo k3d-{name}-images > {folder}/volumes
    [ ! -e {folder}/fails ] || {{ printf '\\033[31mFATA\\033[0m Cluster creation FAILED\\n' >&2; exit 1; }};;
"cluster delete") [ ! -e {folder}/fails ] || exit 1; [ -e {folder}/sticky ] || rm -f {folder}/nodes {folder}/volumes;;
"kubeconfig get") echo "apiVersion: v1";;
"version ") echo "k3d version v5.8.3";;
esac
"""
DOCKER = """#!/bin/sh
echo "docker $*" >> {folder}/words
[ ! -e {folder}/engine-gone ] || {{ echo "Cannot connect to the Docker daemon" >&2; exit 1; }}
case "$1 $2" in
"ps "*) cat {folder}/nodes 2>/dev/null; exit 0;;
"logs "*) echo "level=error kubelet ended (exit status 1)"
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do echo "E1125 memcache.go:265] refused"; done;;
"inspect "*) cat {folder}/inspected;;
"cp "*) mkdir -p "$3" && echo started > "$3/kubelet.log" && ln -sf /etc/passwd "$3/link";;
"volume ls") cat {folder}/volumes 2>/dev/null; exit 0;;
"volume rm") rm -f {folder}/volumes;;
"rm "*) rm -f {folder}/nodes;;
"exec "*) case "$*" in *registries.yaml) cat {folder}/registries.yaml;; *) echo "answer";; esac;;
esac
exit 0
"""
INSPECTED = [
    {
        "Name": NODE,
        "Config": {"Env": ["K3S_TOKEN=secret-token", "A=b"], "Labels": {"k3d.cluster.token": "secret-token", "k": "v"}},
    }
]
REGISTRIES = {"mirrors": {}, "configs": {"m": {"auth": {"username": "me", "password": "s3cret"}, "tls": None}}}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with k3d and docker; files in it say how they behave, `words` what they were asked."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in (("k3d", K3D), ("docker", DOCKER)):
        (folder / name).write_text(text.format(folder=folder, node=NODE, name=NAME))
        (folder / name).chmod(0o755)
    (folder / "inspected").write_text(json.dumps(INSPECTED))
    (folder / "registries.yaml").write_text(yaml.safe_dump(REGISTRIES))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(creation, "wait_services", lambda cluster, deadline, kubectl, *, nodes: {"node-ready": 1.0})
    monkeypatch.setattr(creation, "wait_names", lambda cluster, deadline: None)
    return folder


@pytest.fixture
def provider(programs: Path) -> K3d:
    return K3d(ProviderTools(programs={"k3d": programs / "k3d"}))


def spec(
    folder: Path, environment: str = "k3d-1.34", *, mirrors: MirrorMap | None = None, helper: str = ""
) -> ClusterSpec:
    return ClusterSpec(
        name=NAME,
        run_id="20260801-101500-ab12",
        environment=ENVIRONMENTS[environment],
        node_image="node:v1",
        network="soh-net",
        mirrors=mirrors or MirrorMap(),
        folder=folder / "scratch",
        helper_image=helper,
        timeout=60.0,
    )


def cluster(folder: Path) -> Cluster:
    return Cluster(name=NAME, environment=ENVIRONMENTS["k3d-1.34"], kubeconfig=folder / "k", nodes=(NODE,))


def asked(programs: Path) -> list[str]:
    return (programs / "words").read_text().splitlines()


def variables(programs: Path, words: str) -> str:
    lines = (programs / "variables").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{words}: "))


def test_a_cluster_is_made_with_its_image_network_label_and_kubeconfig(
    provider: K3d, programs: Path, tmp_path: Path
) -> None:
    made = provider.create(spec(tmp_path, helper="node:v1"))

    (create,) = (line for line in asked(programs) if line.startswith("k3d cluster create"))
    for words in (
        f"create {NAME} --image node:v1 --network soh-net",
        "--no-lb",
        "--no-rollback",
        "--api-port 127.0.0.1:random",
        "--kubeconfig-update-default=false",
        "--timeout 60s",
        "--runtime-label spark-operator-harness.run=20260801-101500-ab12@server:*",
        "--k3s-arg --disable=traefik,metrics-server,servicelb@server:*",
    ):
        assert words in create
    assert "--registry-config" not in create
    assert "disable-default-registry-endpoint" not in create
    assert (made.name, made.nodes) == (NAME, (NODE,))
    assert made.kubeconfig.read_text() == "apiVersion: v1\n"
    assert made.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert "tools=node:v1" in variables(programs, "cluster create")


def test_gates_and_versions_of_the_api_are_the_servers(tmp_path: Path) -> None:
    asked = spec(tmp_path, "k3d-1.34")
    environment = asked.environment.model_copy(update={"feature_gates": ("A", "B", "A"), "api_versions": ("g/v1",)})
    told = " ".join(map(str, k3d.words(dataclasses.replace(asked, environment=environment, nodes=3), None)))

    assert "--k3s-arg --kube-apiserver-arg=feature-gates=A=true,B=true@server:*" in told
    assert "--k3s-arg --kube-apiserver-arg=runtime-config=g/v1=true@server:*" in told


@pytest.mark.parametrize("words", ["cluster create", "cluster delete"])
def test_nothing_of_the_users_is_read_or_written(provider: K3d, programs: Path, tmp_path: Path, words: str) -> None:
    provider.create(spec(tmp_path))
    provider.delete(NAME)

    said = variables(programs, words)
    # k3d renames a file over the kubeconfig that it is given: /dev/null would be gone.
    assert "/no-kubeconfig " in said
    assert "/k3d-config " in said
    assert "/dev/null" not in said


def test_mirrors_reach_the_node_and_nothing_else_is_asked(provider: K3d, programs: Path, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")
    secret = Mirror(url="https://mirror.example.com", ca=ca, username="me", password=SecretStr("s3cret"))
    provider.create(spec(tmp_path, mirrors=MirrorMap(mirrors={**MIRRORS.mirrors, "docker.io": secret})))

    (create,) = (line for line in asked(programs) if line.startswith("k3d cluster create"))
    registries = tmp_path / "scratch" / "registries"
    assert f"--registry-config {registries / 'registries.yaml'}" in create
    assert f"--volume {registries}/docker.io-ca.pem:/etc/rancher/k3s/docker.io-ca.pem@server:*" in create
    assert "--k3s-arg --disable-default-registry-endpoint@server:*" in create
    assert "s3cret" not in create


def test_agents_are_told_what_the_server_is_but_for_what_only_a_server_has(
    provider: K3d, programs: Path, tmp_path: Path
) -> None:
    provider.create(dataclasses.replace(spec(tmp_path, mirrors=MIRRORS), nodes=3))

    (create,) = (line for line in asked(programs) if line.startswith("k3d cluster create"))
    assert "--agents 2" in create
    assert "--k3s-arg --disable-default-registry-endpoint@server:*;agent:*" in create
    assert "spark-operator-harness.run=20260801-101500-ab12@server:*;agent:*" in create
    assert "--k3s-arg --disable=traefik,metrics-server,servicelb@server:*" in create.replace("@server:*;agent:*", "")


def test_an_old_k3s_is_not_asked_what_it_does_not_know(tmp_path: Path) -> None:
    new, old = (k3d.k3s_arguments(spec(tmp_path, name, mirrors=MIRRORS)) for name in ("k3d-1.34", "k3d-1.24"))

    assert "--disable-default-registry-endpoint" in new
    assert "--disable-default-registry-endpoint" not in old


@pytest.mark.parametrize(
    ("environment", "v1", "patched"), [("k3d-1.34", True, False), ("k3d-1.36", True, True), ("k3d-1.36", False, False)]
)
def test_a_new_kubelet_is_asked_to_bear_cgroup_v1(
    environment: str, v1: bool, patched: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "cgroup_v1", lambda: v1)

    assert ("--kubelet-arg=fail-cgroupv1=false" in k3d.k3s_arguments(spec(tmp_path, environment))) is patched


def test_a_cluster_that_cannot_be_made_tells_what_k3d_and_the_node_said(
    provider: K3d, programs: Path, tmp_path: Path
) -> None:
    (programs / "fails").touch()
    with pytest.raises(ClusterError) as raised:
        provider.create(spec(tmp_path))

    assert f"creating k3d-1.34 as k3d cluster {NAME} failed" in raised.value.message
    assert "| FATA Cluster creation FAILED" in raised.value.message
    # What k3d's entrypoint goes on to say does not hide it.
    assert f"{NODE} | level=error kubelet ended" in raised.value.message
    nodes = tmp_path / "scratch" / "nodes" / NODE
    assert "kubelet ended" in (nodes / "console.log").read_text()
    assert (nodes / "log" / "kubelet.log").read_text() == "started\n"


def test_what_k3d_leaves_is_removed(provider: K3d, programs: Path, tmp_path: Path) -> None:
    provider.create(spec(tmp_path))
    (programs / "sticky").touch()
    provider.delete(NAME)

    assert f"docker rm --force --volumes {NODE}" in asked(programs)
    assert f"docker volume rm k3d-{NAME}-images" in asked(programs)


def test_a_removal_that_fails_is_told(provider: K3d, programs: Path) -> None:
    (programs / "engine-gone").touch()

    with pytest.raises(CommandError, match="Cannot connect to the Docker daemon"):
        provider.delete(NAME)


def test_an_export_has_consoles_logs_and_facts_but_no_secrets(provider: K3d, programs: Path, tmp_path: Path) -> None:
    (programs / "nodes").write_text(NODE)
    folder = tmp_path / "export"
    provider.export_logs(cluster(tmp_path), folder)

    node = folder / NODE
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"k3d-version.txt", "docker-info.txt"} <= written
    assert {f"{NODE}/{name}" for name in k3d_logs._ASKED} <= written
    assert f"{NODE}/log/kubelet.log" in written
    # A link would lead to a file of this machine.
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    everything = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    assert "secret-token" not in everything
    assert "s3cret" not in everything
    (inspected,) = json.loads((node / "inspect.json").read_text())
    assert inspected["Config"]["Env"] == ["K3S_TOKEN=***", "A=b"]
    assert inspected["Config"]["Labels"]["k"] == "v"


@pytest.mark.parametrize("text", ["- a list", "{", ""])
def test_a_registries_file_that_is_none_becomes_a_note(text: str) -> None:
    assert k3d_logs.without_passwords(text).startswith("# not a valid registries.yaml")


def test_a_command_runs_in_a_node_and_a_person_is_told_how(provider: K3d, programs: Path, tmp_path: Path) -> None:
    assert provider.node_exec(cluster(tmp_path), NODE, ["crictl", "images"]).returncode == 0
    assert asked(programs) == [f"docker exec {NODE} crictl images"]
    assert provider.shell_hint(cluster(tmp_path)) == f"docker exec -it {NODE} sh"


def test_a_program_that_was_not_looked_for_is_named(programs: Path) -> None:
    with pytest.raises(ToolError, match="k3d was not resolved"):
        PROVIDERS["k3d"](ProviderTools(programs={})).export_logs(cluster(Path("/nowhere")), Path("/nowhere"))
