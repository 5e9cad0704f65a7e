# SPDX-License-Identifier: Apache-2.0
"""kind node images: a Debian base, upstream Kubernetes, containerd, and the control plane's images inside.

The requirements of kind on a node image come from its sources: pkg/cluster/internal/providers/docker/provision.go (how
the container is started), pkg/cluster/internal/providers/common/cgroups.go (the console line that it waits for) and
pkg/build/nodeimage/const.go (the files under /kind).
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness import process, waiting
from harness.errors import BuildError, CommandError
from harness.evidence.installation import build_container, image_labels, label_words
from harness.foundry import assemble, debian, gobuild
from harness.foundry.kubernetes import CONTROL_PLANE, NODES, KubernetesRow
from harness.foundry.layers import LayerWriter, read_layer, write_layer
from harness.foundry.store import Artifact, Recipe, Store
from harness.matrix.rows import Model
from harness.toml_source import TomlSource

REPOSITORY = "spark-operator-harness/kind-node"
"""Repository of foundry node images in the container engine; they are never pushed."""

_ROOTFS = NODES / "rootfs"
_BASE_FILE = NODES / "base.toml"
_ENGINE_SECONDS = 600.0
_NODE_TOOLS = {
    "containerd": ("containerd", "containerd-shim-runc-v2", "ctr"),
    "runc": ("runc",),
    "crictl": ("crictl",),
}
_ENGINE_NOTE = "image.txt"
_UNITS = ("containerd.service", "kubelet.service")
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


# kind gives every node a volume for /var, into which the engine copies what the image has there. Unpacked layers lie
# outside it and are linked to: an overlay's lower folders may lie on the node's own overlay, and nothing is copied.
_MOVE_SNAPSHOTS = """
mkdir -p /opt/images
for snapshot in /work/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*; do
  if [ -L "$snapshot" ]; then continue; fi
  target=/opt/images/${snapshot##*/}
  cp -a "$snapshot" "$target"
  rm -rf "$snapshot"
  ln -s "$target" "$snapshot"
done
"""


# containerd collects what nobody refers to any more when an image is removed.
_COLLECT_GARBAGE = """
name=$(ctr -n k8s.io images list --quiet | head -n 1)
ctr -n k8s.io images tag "$name" none.invalid/none:none
ctr -n k8s.io images rm --sync none.invalid/none:none
"""


class BaseSystems(Model):
    """clusters/nodes/base.toml."""

    node: debian.BaseSystem
    proxy: debian.BaseSystem


def node_modules(row: KubernetesRow) -> list[str]:
    """The Go tool modules whose programs a node holds."""
    return [*_tools(row), "cni", row.etcd_module, row.coredns_module, row.module]


def _tools(row: KubernetesRow) -> dict[str, tuple[str, ...]]:
    """The modules of which a node holds these programs alone."""
    return {row.containerd_module if module == "containerd" else module: them for module, them in _NODE_TOOLS.items()}


def base_system() -> debian.BaseSystem:
    """The Debian base of a node. Raises CatalogueError."""
    return read_bases(_BASE_FILE).node


def proxy_system() -> debian.BaseSystem:
    """The Debian base of the kube-proxy image, which calls iptables. Raises CatalogueError."""
    return read_bases(_BASE_FILE).proxy


def read_bases(file: Path) -> BaseSystems:
    """A file of base systems. Raises CatalogueError with file, line and key."""
    return TomlSource.read(file).validated(BaseSystems)


def pause_recipe(row: KubernetesRow) -> Recipe:
    """The pause program of this Kubernetes, compiled from its own source."""
    go_sum = (gobuild.MODULES / row.module / "go.sum").read_text()
    return Recipe(kind="c", name=f"pause-{row.pause}", inputs={"go.sum": go_sum, "version": row.pause})


def build_pause(store: Store, row: KubernetesRow) -> Artifact:
    """Compile build/pause/linux/pause.c of the Kubernetes module, as its Makefile does. Raises BuildError."""

    def make(folder: Path, log_file: Path) -> None:
        source = gobuild.module_folder(store, row.module, "k8s.io/kubernetes", log_file) / "build/pause/linux/pause.c"
        process.call(
            ["gcc", "-Os", "-Wall", "-Werror", "-static", f"-DVERSION=v{row.pause}", "-o", folder / "pause", source],
            timeout=120,
            log_file=log_file,
        )

    return store.build(pause_recipe(row), make)


def control_plane_recipe(row: KubernetesRow) -> Recipe:
    """What the control plane's images depend on."""
    keys = {module: gobuild.recipe(module).key for module in (row.module, row.etcd_module, row.coredns_module)}
    return Recipe(
        kind="control-plane",
        name=row.version,
        inputs={
            **keys,
            "pause": pause_recipe(row).key,
            "proxy": debian.recipe(proxy_system()).key,
            "images": json.dumps(row.images()),
        },
    )


def build_control_plane(store: Store, row: KubernetesRow) -> Artifact:
    """The images that kubeadm asks for, as OCI layouts `<folder>/<program>`. Raises BuildError."""
    proxy_base = debian.build(store, proxy_system())
    sources = {
        row.module: gobuild.build(store, row.module).folder / "bin",
        row.etcd_module: gobuild.build(store, row.etcd_module).folder / "bin",
        row.coredns_module: gobuild.build(store, row.coredns_module).folder / "bin",
    }
    pause = build_pause(store, row)

    def module_of(program: str) -> str:
        return {"etcd": row.etcd_module, "coredns": row.coredns_module}.get(program, row.module)

    def make(folder: Path, log_file: Path) -> None:
        for program, reference in row.images().items():
            module = module_of(program)
            binary = pause.folder / "pause" if program == "pause" else sources[module] / program
            path = "pause" if program == "pause" else f"usr/local/bin/{program}"
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                layer = write_layer(Path(scratch), program, functools.partial(_put_program, path=path, binary=binary))
                layers = [(f"{program} of {module}", layer)]
                if program == "kube-proxy":
                    layers.insert(0, ("Debian with iptables", read_layer(proxy_base.folder)))
                assemble.write_image(
                    folder / program,
                    layers,
                    assemble.ImageConfig(
                        entrypoint=(f"/{path}",),
                        environment={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                        labels=assemble.labels(
                            title=program,
                            version=reference.rpartition(":")[2],
                            source="https://github.com/kubernetes/kubernetes",
                            licences="Apache-2.0",
                            built_from=f"Go module {module}",
                        ),
                    ),
                )

    return store.build(control_plane_recipe(row), make)


def node_recipe(row: KubernetesRow) -> Recipe:
    """What a kind node image depends on."""
    return Recipe(
        kind="kind-node",
        name=row.version,
        inputs={
            **{module: gobuild.recipe(module).key for module in node_modules(row)},
            **{str(path.relative_to(NODES)): _described(path) for path in sorted(_ROOTFS.rglob("*")) if path.is_file()},
            "snapshots": _COLLECT_GARBAGE + _MOVE_SNAPSHOTS,
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


def image_size(reference: str) -> int:
    """The size of an image in the container engine, in bytes; 0 if it does not exist, or without an engine."""
    if shutil.which("docker") is None:
        return 0
    argv = ["docker", "image", "inspect", "--format", "{{.Size}}", reference]
    found = process.call(argv, timeout=60, check=False)
    return int(found.stdout) if found.returncode == 0 else 0


def note_image(folder: Path, reference: str) -> None:
    """Note in an artefact's folder which image of the container engine it is: reference, id and size."""
    found = process.call(["docker", "image", "inspect", "--format", "{{.Id}} {{.Size}}", reference], timeout=60)
    (folder / _ENGINE_NOTE).write_text(f"{reference} {found.stdout}")


def remove_image_of(artifact: Artifact) -> None:
    """Remove the image of a node's artefact from the container engine; other artefacts have none.

    Only this cache's own images: another cache on this host may use others. Raises CommandError when one is in use.
    """
    note = artifact.folder / _ENGINE_NOTE
    reference = note.read_text().split()[0] if note.is_file() else ""
    if reference and image_size(reference):
        process.call(["docker", "image", "rm", reference], timeout=120)


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


def _put_program(layer: LayerWriter, *, path: str, binary: Path) -> None:
    parents = list(Path(path).parents)[:-1]
    for parent in reversed(parents):
        layer.folder(str(parent))
    layer.file(path, binary, mode=0o755)


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


def write_import(target: Path, layouts: Mapping[str, Path]) -> None:
    """Images (reference → OCI layout) as one OCI archive, named as containerd's import reads them.

    Each is named by its tag and by its digest, as after a pull: from the latter the kubelet knows the imageID.
    """
    index = []
    with tarfile.open(target, "w") as archive:
        seen: set[str] = set()
        for reference, layout in layouts.items():
            repository = reference.rpartition(":")[0]
            for entry in json.loads((layout / "index.json").read_text())["manifests"]:
                for name in (reference, f"{repository}@{entry['digest']}"):
                    index.append({**entry, "annotations": {"io.containerd.image.name": name}})
            for blob in sorted((layout / "blobs" / "sha256").iterdir()):
                if blob.name not in seen:
                    archive.add(blob, f"blobs/sha256/{blob.name}")
                    seen.add(blob.name)
        texts = {
            "oci-layout": {"imageLayoutVersion": "1.0.0"},
            "index.json": {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": index,
            },
        }
        with tempfile.TemporaryDirectory(prefix="soh-import-") as scratch:
            for name, document in texts.items():
                file = Path(scratch) / name
                file.write_text(json.dumps(document))
                archive.add(file, name)


def _commit(row: KubernetesRow, base: Path, overlay: Path, images: Path, log_file: Path) -> None:
    """Stack base and overlay, import the images with the node's own containerd, and commit the result."""
    stage = f"{REPOSITORY}-base:{node_recipe(row).key}"
    owner = [
        word for name, value in image_labels().items() for word in ("--change", f"LABEL {name}={json.dumps(value)}")
    ]
    process.call(["docker", "import", *owner, base, stage], timeout=_ENGINE_SECONDS, log_file=log_file)
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
        process.call(argv, timeout=_ENGINE_SECONDS, log_file=log_file, check=False)


def commit_with_images(
    base: str,
    target: str,
    images: Path,
    *,
    log_file: Path,
    overlay: Path | None = None,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Commit `base` with the images of an OCI archive in its containerd, unpacked, as `target`.

    `images` and `overlay` (a layer that is put on first) must lie in one folder, which is also worked in. Layers are
    unpacked here, once, instead of at every start of a node. An overlay cannot lie on the container's own overlay, so
    containerd works in a folder of the host and its finished store is copied. Raises BuildError.
    """

    def docker(*words: str | Path, check: bool = True) -> process.Completed:
        return process.call(["docker", *words], timeout=_ENGINE_SECONDS, log_file=log_file, check=check)

    def inspected(field: str, image: str) -> str:
        return docker("image", "inspect", "--format", field, image, check=False).stdout.strip()

    def shell(script: str) -> None:
        docker("exec", container, "sh", "-ec", script)

    container = build_container(target.rpartition("-")[2])
    work = images.parent / "work"
    work.mkdir()
    docker("rm", "--force", "--volumes", container, check=False)
    try:
        docker(
            *("run", "--detach", "--name", container, "--privileged", "--network", "none", "--entrypoint", "sleep"),
            # systemd's own signal for a shutdown; the image inherits it.
            *("--stop-signal", "SIGRTMIN+3", *label_words(os.environ.get(process.RUN_VARIABLE, "foundry"))),
            *("--volume", f"{images.parent}:/input:ro", "--volume", f"{work}:/work"),
            *(base, "3600"),
        )
        if overlay:
            docker("exec", container, "tar", "-xzf", f"/input/{overlay.name}", "-C", "/")
        shell("mkdir -p /var/lib/containerd && cp -a /var/lib/containerd /work/containerd")
        docker("exec", "--detach", container, "/usr/local/bin/containerd", "--root", "/work/containerd")
        waiting.until(
            lambda: docker("exec", container, "ctr", "version", check=False).returncode,
            lambda status: status == 0,
            what="containerd in the node under construction",
            timeout=60,
            next_step=f"see {log_file}",
        )
        # What is unpacked is not needed packed.
        argv = (
            "ctr",
            "-n",
            "k8s.io",
            "images",
            "import",
            "--local",
            "--discard-unpacked-layers",
            f"/input/{images.name}",
        )
        docker("exec", container, *argv)
        shell(_COLLECT_GARBAGE)
        shell("kill $(pidof containerd); while pidof containerd > /dev/null; do sleep 0.1; done")
        shell("rm -rf /work/containerd/tmpmounts/* /run/containerd /var/lib/containerd")
        shell(_MOVE_SNAPSHOTS)
        shell("cp -a /work/containerd /var/lib/containerd && rm -rf /work/containerd")
        changes = [
            'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]',
            "CMD []",
            "ENV container=docker",
            *(f"LABEL {name}={json.dumps(value)}" for name, value in {**(labels or {}), **image_labels()}.items()),
        ]
        replaced = inspected("{{.Id}}", target)
        docker("commit", *[word for change in changes for word in ("--change", change)], container, target)
        if replaced and inspected("{{len .RepoTags}}", replaced) == "0":
            # It has lost its only name to the new one, and no artefact knows it. One that something uses stays.
            docker("rmi", replaced, check=False)
    except CommandError as error:
        raise BuildError(f"the node image {target}: {error.message}", f"see {log_file}") from error
    finally:
        docker("rm", "--force", "--volumes", container, check=False)
