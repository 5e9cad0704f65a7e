# SPDX-License-Identifier: Apache-2.0
"""k3s-shaped nodes: upstream Kubernetes in the form that k3d expects of k3s, one thin layer on the node with images.

The control plane's programs are those of the images that the node below holds unpacked; kine and our own /bin/k3s
(clusters/nodes/modules/k3s-shaped-node) come on top.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.errors import BuildError, CommandError
from harness.evidence.installation import build_container, image_labels, label_instructions, label_words
from harness.foundry import assemble, gobuild, node_images, nodes
from harness.foundry.kubernetes import CONTROL_PLANE, KubernetesRow
from harness.foundry.layers import LayerWriter, write_layer
from harness.foundry.loaded import LoadedNode
from harness.foundry.store import Artifact, Recipe, Store
from harness.providers.containers import UNCONFINED

REPOSITORY = "spark-operator-harness/k3s-shaped-node"
"""Repository of k3s-shaped node images in the container engine; they are never pushed."""

MODULES = ("kine", "k3s-shaped-node")
"""The Go tool modules whose programs such a node has beside those of a kind node."""

_ENGINE_SECONDS = 300.0
# An overlay cannot lie on the node's own overlay, and what grows shall not grow there.
_VOLUMES = ("/var/lib/containerd", "/var/lib/kubelet", "/var/lib/rancher/k3s", "/var/log")
# k3d's entrypoint is a script for /bin/sh that Debian's own shell does not understand (trap … SIGTERM).
_FINISH = f"""
ln -sfn bash /usr/bin/sh
for program in {" ".join(CONTROL_PLANE)}; do
  found=$(find /opt/images -path "*/usr/local/bin/$program" -type f)
  test -n "$found"
  ln -s "$found" "/usr/local/bin/$program"
done
"""


@dataclass(frozen=True, kw_only=True)
class K3sShapedNode:
    """A k3s-shaped node image above a node with images."""

    base: LoadedNode

    @property
    def row(self) -> KubernetesRow:
        """The Kubernetes version."""
        return self.base.row

    @property
    def recipe(self) -> Recipe:
        """What it depends on."""
        return Recipe(
            kind="k3s-shaped-node",
            name=self.row.version,
            inputs={
                "base": self.base.recipe.key,
                **{module: gobuild.recipe(module).key for module in MODULES},
                "facts": _facts(self.row),
                "containerd": _containerd_config(self.row),
                "finish": _FINISH,
                "volumes": " ".join(_VOLUMES),
            },
        )

    @property
    def identity(self) -> str:
        """Its identity across machines, regardless of the images in it."""
        held = {"base": nodes.node_recipe(self.row).key}
        return Recipe(kind="", name="", inputs={**self.recipe.inputs, **held}).key

    @property
    def reference(self) -> str:
        """The reference by which the container engine knows it."""
        return f"{REPOSITORY}:v{self.row.version}-{self.recipe.key}"

    @property
    def plain(self) -> str:
        """Empty: there is no k3s-shaped node without images."""
        return self.reference

    @property
    def held(self) -> tuple[str, ...]:
        """References of the images in it."""
        return self.base.held

    def exists(self) -> bool:
        """Whether the container engine has it."""
        return node_images.image_size(self.reference) > 0

    def build(self, store: Store) -> Artifact:
        """Build it, and the node with images below it, when they are missing. Raises BuildError that names the log."""
        self.base.build(store)
        programs = {module: gobuild.build(store, module).folder / "bin" for module in MODULES}
        stored = store.get(self.recipe)
        if stored and not self.exists():
            store.remove(stored)

        def fill(layer: LayerWriter) -> None:
            # /bin is a link to usr/bin.
            layer.file("usr/bin/k3s", programs["k3s-shaped-node"] / "k3s", mode=0o755)
            layer.file("usr/local/bin/kine", programs["kine"] / "kine", mode=0o755)
            layer.text("etc/k3s-shaped-node.yaml", _facts(self.row))
            layer.text("etc/containerd/config.toml", _containerd_config(self.row))

        def make(folder: Path, log_file: Path) -> None:
            with tempfile.TemporaryDirectory(prefix="soh-node-") as scratch:
                self._commit(write_layer(Path(scratch), "layer", fill).file, log_file)
            node_images.note_image(folder, self.reference)

        return store.build(self.recipe, make)

    def _commit(self, layer: Path, log_file: Path) -> None:
        """Add the layer to the base node, and commit the result with what k3d requires of an image."""

        def docker(*words: str | Path, check: bool = True) -> None:
            process.call(["docker", *words], timeout=_ENGINE_SECONDS, log_file=log_file, check=check)

        container = build_container(self.recipe.key)
        labels = assemble.labels(
            title="k3s-shaped node",
            version=f"v{self.row.version}",
            source="https://github.com/kubernetes/kubernetes",
            licences="Apache-2.0",
            built_from=f"Go modules k8s.io/kubernetes v{self.row.version} and github.com/k3s-io/kine; this is not k3s",
        )
        changes = [
            'ENTRYPOINT ["/bin/k3s"]',
            'CMD ["agent"]',
            f"VOLUME {json.dumps(list(_VOLUMES))}",
            *label_instructions({**labels, **image_labels()}),
        ]
        docker("rm", "--force", "--volumes", container, check=False)
        try:
            docker(
                *("run", "--detach", "--name", container, "--network", "none", "--entrypoint", "sleep", *UNCONFINED),
                *("--stop-signal", "SIGTERM", *label_words(os.environ.get(process.RUN_VARIABLE, "foundry"))),
                *("--volume", f"{layer.parent}:/input:ro", self.base.reference, "3600"),
            )
            docker("exec", container, "tar", "-xzf", f"/input/{layer.name}", "-C", "/")
            docker("exec", container, "bash", "-ec", _FINISH)
            # Without a pause: what is written is written, and a frozen container cannot be removed when this is ended.
            docker(
                *("commit", "--pause=false", *[word for change in changes for word in ("--change", change)]),
                *(container, self.reference),
            )
        except CommandError as error:
            raise BuildError(f"the node image {self.reference}: {error.message}", f"see {log_file}") from error
        finally:
            docker("rm", "--force", "--volumes", container, check=False)


def _facts(row: KubernetesRow) -> str:
    return f"kubernetes: v{row.version}\ncoredns: {row.images()['coredns']}\n"


def _containerd_config(row: KubernetesRow) -> str:
    """That of a kind node, but without systemd as cgroup driver."""
    text = nodes.containerd_config(row)
    managed, alone = "SystemdCgroup = true", "SystemdCgroup = false"
    if managed not in text:
        raise BuildError(f"containerd's config.toml of the nodes has no {managed}", "correct it")
    return text.replace(managed, alone)
