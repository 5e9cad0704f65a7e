# SPDX-License-Identifier: Apache-2.0
"""The images of the control plane and of the network: one program each, on nothing or on Debian."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path

from harness import process
from harness.foundry import assemble, debian, gobuild
from harness.foundry.kubernetes import FLANNEL, KubernetesRow
from harness.foundry.layers import LayerWriter, read_layer, write_layer
from harness.foundry.node_systems import proxy_system
from harness.foundry.store import Artifact, Recipe, Store

_CALL_IPTABLES = ("kube-proxy", "flanneld")


def _modules(row: KubernetesRow) -> tuple[str, ...]:
    """The Go tool modules of the programs."""
    return row.module, row.etcd_module, row.coredns_module, FLANNEL


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
    keys = {module: gobuild.recipe(module).key for module in _modules(row)}
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
    sources = {module: gobuild.build(store, module).folder / "bin" for module in _modules(row)}
    pause = build_pause(store, row)

    def module_of(program: str) -> str:
        return {"etcd": row.etcd_module, "coredns": row.coredns_module, "flanneld": FLANNEL}.get(program, row.module)

    def make(folder: Path, log_file: Path) -> None:
        for program, reference in row.images().items():
            module = module_of(program)
            binary = pause.folder / "pause" if program == "pause" else sources[module] / program
            path = "pause" if program == "pause" else f"usr/local/bin/{program}"
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                layer = write_layer(Path(scratch), program, functools.partial(_put_program, path=path, binary=binary))
                layers = [(f"{program} of {module}", layer)]
                if program in _CALL_IPTABLES:
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


def _put_program(layer: LayerWriter, *, path: str, binary: Path) -> None:
    parents = list(Path(path).parents)[:-1]
    for parent in reversed(parents):
        layer.folder(str(parent))
    layer.file(path, binary, mode=0o755)
