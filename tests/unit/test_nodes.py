# SPDX-License-Identifier: Apache-2.0
"""Node images: what they depend on, what is put into them, and that their shell script is sound."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from harness import process
from harness.foundry import control_plane, debian, gobuild, kubernetes, node_images, node_systems, nodes
from harness.foundry.kubernetes import CONTROL_PLANE, NODES, KubernetesRow

ROW = kubernetes.row("1.34.4")
OTHER = kubernetes.row("1.36.3")
SCRIPTS = [path for path in sorted((NODES / "rootfs").rglob("*")) if path.is_file() and path.read_text()[:2] == "#!"]


@pytest.fixture(autouse=True)
def _a_go_version(monkeypatch: pytest.MonkeyPatch) -> None:
    # Recipes ask Go for its version; these tests must also pass where there is no Go.
    monkeypatch.setattr(gobuild, "_go_version", lambda: "go1.26.0")


@pytest.fixture
def rootfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of clusters/nodes that a test may change."""
    copied = tmp_path / "nodes"
    shutil.copytree(NODES, copied)
    monkeypatch.setattr(nodes, "NODES", copied)
    monkeypatch.setattr(nodes, "_ROOTFS", copied / "rootfs")
    return copied / "rootfs"


def test_another_containerd_is_another_node_of_the_same_kubernetes() -> None:
    other = kubernetes.row("1.34.4", "2.3.7")

    assert set(nodes.node_modules(other)) ^ set(nodes.node_modules(ROW)) == {"containerd", "containerd-2.3.7"}
    assert nodes.node_image(other) != nodes.node_image(ROW)
    assert control_plane.control_plane_recipe(other).key == control_plane.control_plane_recipe(ROW).key


def test_the_scripts_are_there_and_executable() -> None:
    assert SCRIPTS
    assert all(path.stat().st_mode & 0o100 for path in SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_has_no_syntax_error(script: Path) -> None:
    process.call(["bash", "-n", script], timeout=20)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_passes_shellcheck(script: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not on PATH")
    process.call(["shellcheck", script], timeout=60)


@pytest.mark.parametrize(
    "path", sorted(str(it.relative_to(NODES / "rootfs")) for it in (NODES / "rootfs").rglob("*") if it.is_file())
)
def test_the_key_changes_with_every_file_of_the_node(rootfs: Path, path: str) -> None:
    before = nodes.node_recipe(ROW).key
    assert before == nodes.node_recipe(ROW).key

    with (rootfs / path).open("a") as sink:
        sink.write("\n")

    assert nodes.node_recipe(ROW).key != before


def test_the_key_changes_with_version_and_base(monkeypatch: pytest.MonkeyPatch) -> None:
    base = node_systems.base_system()
    keys = {nodes.node_recipe(ROW).key, nodes.node_recipe(OTHER).key}
    monkeypatch.setattr(nodes, "base_system", lambda: base.model_copy(update={"packages": (*base.packages, "vim")}))
    keys.add(nodes.node_recipe(ROW).key)

    assert len(keys) == 3


def test_an_image_is_named_by_version_and_key() -> None:
    assert nodes.node_image(ROW) == f"spark-operator-harness/kind-node:v1.34.4-{nodes.node_recipe(ROW).key}"


def test_the_base_systems_have_what_the_programs_call() -> None:
    assert {"systemd", "iptables", "iproute2", "mount", "kmod", "conntrack"} <= set(node_systems.base_system().packages)
    assert {"iptables", "conntrack"} <= set(node_systems.proxy_system().packages)
    assert debian.recipe(node_systems.base_system()).key != debian.recipe(node_systems.proxy_system()).key


def programs(folder: Path, row: KubernetesRow) -> dict[str, Path]:
    """Stand-ins for what Go builds, since only names and places are looked at."""
    found = {}
    for module in nodes.node_modules(row):
        settings = gobuild.build_file(module)
        found[module] = folder / module
        found[module].mkdir(parents=True)
        for package in gobuild.packages(module):
            (found[module] / gobuild._program(package, settings)).write_text("program")
    return found


def test_the_overlay_puts_everything_in_its_place(tmp_path: Path) -> None:
    target = tmp_path / "overlay.tar.gz"
    nodes._write_overlay(target, ROW, programs(tmp_path / "bin", ROW))

    with tarfile.open(target) as archive:
        members = {member.name.removeprefix("./").rstrip("/"): member for member in archive}
        texts = {
            name: (archive.extractfile(member) or pytest.fail(name)).read().decode()
            for name, member in members.items()
            if member.isfile()
        }

    local = {name.rpartition("/")[2] for name in texts if name.startswith("usr/local/bin/")}
    assert local >= {"kubelet", "kubeadm", "kubectl", "containerd", "containerd-shim-runc-v2", "ctr", "runc", "crictl"}
    assert not local & {*CONTROL_PLANE, "etcd", "coredns"}
    assert {"opt/cni/bin/host-local", "opt/cni/bin/loopback", "opt/cni/bin/portmap"} <= set(texts)
    assert texts["kind/version"] == "v1.34.4"
    assert ROW.images()["pause"] in texts["etc/containerd/config.toml"]
    assert members["usr/local/bin/entrypoint"].mode == members["usr/local/bin/kubelet"].mode == 0o755
    assert members["etc/systemd/system/systemd-logind.service"].linkname == "/dev/null"
    assert not [name for name, text in texts.items() if "@PAUSE@" in text or "@VERSION@" in text]
    # An entry for a folder that Debian made a symlink into /usr would replace it.
    assert not [name for name in members if name.split("/")[0] in ("bin", "sbin", "lib", "lib64")]


@pytest.mark.parametrize(
    ("known", "names", "removed"), [("sha256:old", "0", True), ("sha256:old", "1", False), ("", "", False)]
)
def test_an_image_that_loses_its_name_to_a_new_one_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: str, names: str, removed: bool
) -> None:
    """The engine is played: to commit a node takes half a minute."""
    asked: list[str] = []

    def engine(argv: list[str], **_: object) -> process.Completed:
        words = " ".join(map(str, argv[1:]))
        asked.append(words)
        answers = {
            "image inspect --format {{.Id}} a:1": known,
            "image inspect --format {{len .RepoTags}} sha256:old": names,
        }
        said = answers.get(words, "")
        return process.Completed(argv=(), returncode=0, stdout=said, stderr="", seconds=0.0)

    monkeypatch.setattr(process, "call", engine)

    node_images.commit_with_images("base", "a:1", tmp_path / "images.tar", log_file=tmp_path / "log")

    assert [it for it in asked if it.startswith("commit")]
    assert ("rmi sha256:old" in asked) == removed


def test_the_archive_for_containerd_names_every_image(tmp_path: Path) -> None:
    layouts = tmp_path / "layouts"
    for program in ROW.images():
        blobs = layouts / program / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        (blobs / "shared").write_text("same in all")
        (blobs / program).write_text(program)
        manifest = {"digest": f"sha256:{program}", "size": 1, "mediaType": "m"}
        (layouts / program / "index.json").write_text(json.dumps({"manifests": [manifest]}))

    node_images.write_import(
        tmp_path / "images.tar", {reference: layouts / program for program, reference in ROW.images().items()}
    )

    with tarfile.open(tmp_path / "images.tar") as archive:
        names = archive.getnames()
        index = json.load(archive.extractfile("index.json") or pytest.fail("no index"))
    by_tag = set(ROW.images().values())
    by_digest = {f"{it.rpartition(':')[0]}@sha256:{program}" for program, it in ROW.images().items()}
    assert {it["annotations"]["io.containerd.image.name"] for it in index["manifests"]} == by_tag | by_digest
    assert len(names) == len(set(names))
    assert {"oci-layout", "blobs/sha256/shared", "blobs/sha256/etcd"} <= set(names)
