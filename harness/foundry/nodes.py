# SPDX-License-Identifier: Apache-2.0
"""kind node images: a Debian base, upstream Kubernetes, containerd, and the control plane's images inside.

The requirements of kind on a node image come from its sources: pkg/cluster/internal/providers/docker/provision.go (how
the container is started), pkg/cluster/internal/providers/common/cgroups.go (the console line that it waits for) and
pkg/build/nodeimage/const.go (the files under /kind).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness import process
from harness.errors import BuildError
from harness.evidence.installation import image_labels, label_instructions
from harness.foundry import assemble, debian, gobuild
from harness.foundry.control_plane import build_control_plane, control_plane_recipe
from harness.foundry.kubernetes import CONTROL_PLANE, NODES, KubernetesRow
from harness.foundry.layers import LayerWriter, read_layer, write_layer
from harness.foundry.node_images import (
    ENGINE_SECONDS,
    SCRIPTS,
    commit_with_images,
    image_size,
    note_image,
    write_import,
)
from harness.foundry.node_systems import base_system
from harness.foundry.store import Artifact, Recipe, Store

REPOSITORY = "spark-operator-harness/kind-node"
"""Repository of foundry node images in the container engine; they are never pushed."""

_ROOTFS = NODES / "rootfs"
_NODE_TOOLS = {
    "containerd": ("containerd", "containerd-shim-runc-v2", "ctr"),
    "runc": ("runc",),
    "crictl": ("crictl",),
}
_UNITS = ("containerd.service", "flannel-network.path", "kubelet.service")
# They would wait for hardware, logins or a network that a container does not have.
_MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "getty.target",
    "motd-news.timer",
    "systemd-firstboot.service",
    "systemd-logind.service",
    "systemd-remount-fs.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-udevd.service",
)


def node_modules(row: KubernetesRow) -> list[str]:
    """The Go tool modules whose programs a node holds."""
    return [*_tools(row), "cni", row.etcd_module, row.coredns_module, row.module]


def _tools(row: KubernetesRow) -> dict[str, tuple[str, ...]]:
    """The modules of which a node holds these programs alone."""
    return {row.containerd_module if module == "containerd" else module: them for module, them in _NODE_TOOLS.items()}


def node_recipe(row: KubernetesRow) -> Recipe:
    """What a kind node image depends on."""
    return Recipe(
        kind="kind-node",
        name=row.version,
        inputs={
            **{module: gobuild.recipe(module).key for module in node_modules(row)},
            **{str(path.relative_to(NODES)): _described(path) for path in sorted(_ROOTFS.rglob("*")) if path.is_file()},
            "snapshots": SCRIPTS,
            "names": "tag and digest",
            "base": debian.recipe(base_system()).key,
            "control-plane": control_plane_recipe(row).key,
            "masked": " ".join(_MASKED),
        },
    )


def containerd_config(row: KubernetesRow) -> str:
    """The text of containerd's config.toml in a node."""
    return _filled(_ROOTFS / "etc" / "containerd" / "config.toml", row)


def _filled(file: Path, row: KubernetesRow) -> str:
    """A file of the nodes, with version-specific parts filled in."""
    return file.read_text().replace("@PAUSE@", row.images()["pause"]).replace("@VERSION@", f"v{row.version}")


def _described(path: Path) -> str:
    mode = "executable" if path.stat().st_mode & 0o100 else "plain"
    return f"{mode}\n{path.read_text()}"


def node_image(row: KubernetesRow) -> str:
    """The reference by which the container engine knows the node image."""
    return f"{REPOSITORY}:v{row.version}-{node_recipe(row).key}"


def build_node(store: Store, row: KubernetesRow) -> Artifact:
    """Build the kind node image inside the container engine; the artefact holds only its id.

    If the engine no longer has the image, it is built again. Raises BuildError that names the log.
    """
    recipe = node_recipe(row)
    stored = store.get(recipe)
    if stored and not image_size(node_image(row)):
        store.remove(stored)
    base = debian.build(store, base_system())
    programs = {module: gobuild.build(store, module).folder / "bin" for module in node_modules(row)}
    control_plane = build_control_plane(store, row)

    def make(folder: Path, log_file: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="soh-node-") as scratch:
            overlay = Path(scratch) / "overlay.tar.gz"
            _write_overlay(overlay, row, programs)
            images = Path(scratch) / "images.tar"
            layouts = {reference: control_plane.folder / program for program, reference in row.images().items()}
            write_import(images, layouts)
            _commit(row, read_layer(base.folder).file, overlay, images, log_file)
        note_image(folder, node_image(row))

    return store.build(recipe, make)


def _write_overlay(target: Path, row: KubernetesRow, programs: Mapping[str, Path]) -> None:
    """Everything that a node has on top of Debian, as one layer."""

    tools = _tools(row)

    def fill(layer: LayerWriter) -> None:
        folders: set[str] = set()

        def parents(path: str) -> None:
            for parent in reversed(list(Path(path).parents)[:-1]):
                if str(parent) not in folders and str(parent) not in (
                    "etc",
                    "usr",
                    "usr/local",
                    "var",
                    "var/lib",
                    "opt",
                ):
                    layer.folder(str(parent))
                folders.add(str(parent))

        for source in sorted(path for path in _ROOTFS.rglob("*") if path.is_file()):
            path = str(source.relative_to(_ROOTFS))
            parents(path)
            layer.text(path, _filled(source, row), mode=0o755 if source.stat().st_mode & 0o100 else 0o644)
        layer.text("kind/version", f"v{row.version}")
        layer.text("etc/crictl.yaml", "runtime-endpoint: unix:///run/containerd/containerd.sock\n")
        for module, folder in programs.items():
            for binary in sorted(folder.iterdir()):
                wanted = tools.get(module)
                if binary.name in ("etcd", "coredns", *CONTROL_PLANE) or (wanted and binary.name not in wanted):
                    continue
                path = f"opt/cni/bin/{binary.name}" if module == "cni" else f"usr/local/bin/{binary.name}"
                parents(path)
                layer.file(path, binary, mode=0o755)
        parents("etc/systemd/system/multi-user.target.wants/x")
        for unit in _UNITS:
            layer.link(f"etc/systemd/system/multi-user.target.wants/{unit}", f"/etc/systemd/system/{unit}")
        for unit in _MASKED:
            layer.link(f"etc/systemd/system/{unit}", "/dev/null")
        layer.link("etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target")

    layer = write_layer(target.parent, target.name.removesuffix(".tar.gz"), fill)
    if layer.file != target:
        raise BuildError(f"the layer was written to {layer.file} instead of {target}")


def _commit(row: KubernetesRow, base: Path, overlay: Path, images: Path, log_file: Path) -> None:
    """Stack base and overlay, import the images with the node's own containerd, and commit the result."""
    stage = f"{REPOSITORY}-base:{node_recipe(row).key}"
    owner = [word for label in label_instructions(image_labels()) for word in ("--change", label)]
    process.call(["docker", "import", *owner, base, stage], timeout=ENGINE_SECONDS, log_file=log_file)
    labels = assemble.labels(
        title="kind node",
        version=f"v{row.version}",
        source="https://github.com/kubernetes/kubernetes",
        licences="Apache-2.0",
        built_from=f"Go module k8s.io/kubernetes v{row.version} on Debian {base_system().suite}",
    )
    try:
        commit_with_images(stage, node_image(row), images, overlay=overlay, labels=labels, log_file=log_file)
    finally:
        argv = ["docker", "rmi", "--no-prune", stage]
        process.call(argv, timeout=ENGINE_SECONDS, log_file=log_file, check=False)
