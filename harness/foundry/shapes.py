# SPDX-License-Identifier: Apache-2.0
"""Which node image the foundry builds for an environment: its distribution decides the shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from harness.errors import CatalogueError
from harness.foundry.k3s import K3sShapedNode
from harness.foundry.kubernetes import KubernetesRow, row_of
from harness.foundry.loaded import LoadedNode, loaded_node
from harness.foundry.store import Artifact, Recipe, Store
from harness.matrix.model import Environment
from harness.settings import Settings


class FoundryNode(Protocol):
    """A node image that the foundry builds."""

    @property
    def row(self) -> KubernetesRow:
        """The Kubernetes version."""

    @property
    def recipe(self) -> Recipe:
        """What it depends on."""

    @property
    def identity(self) -> str:
        """Its identity across machines, regardless of the images in it."""

    @property
    def reference(self) -> str:
        """Its name in the container engine."""

    @property
    def plain(self) -> str:
        """The name of the same node without images, if there is one."""

    @property
    def held(self) -> tuple[str, ...]:
        """References of the images in it."""

    def exists(self) -> bool:
        """Whether the container engine has it."""

    def build(self, store: Store) -> Artifact:
        """Build it, and what is below it, when they are missing. Raises BuildError that names the log."""


def _as_it_is(node: LoadedNode) -> FoundryNode:
    return node


def _k3s_shaped(node: LoadedNode) -> FoundryNode:
    return K3sShapedNode(base=node)


SHAPES: Mapping[str, Callable[[LoadedNode], FoundryNode]] = {"kubernetes": _as_it_is, "k3s": _k3s_shaped}
"""Distribution, as in clusters/environments.toml → what the foundry makes of the node with images."""


def node_for(settings: Settings, environment: Environment) -> FoundryNode:
    """The node image for an environment. Raises CatalogueError when the foundry has none."""
    return shaped(loaded_node(settings, row_of(environment)), environment.distribution)


def nodes_for(settings: Settings, environments: Iterable[Environment]) -> list[FoundryNode]:
    """The different node images that these environments need, those that others are built on first."""
    wanted = {(it.kubernetes, it.containerd, it.distribution): it for it in environments if it.foundry}
    ordered = sorted(wanted.values(), key=lambda it: list(SHAPES).index(it.distribution))
    return [node_for(settings, it) for it in ordered]


def all_nodes(settings: Settings, version: KubernetesRow) -> list[FoundryNode]:
    """Every node image that there can be of a Kubernetes version."""
    node = loaded_node(settings, version)
    return [shape(node) for shape in SHAPES.values()]


def shaped(node: LoadedNode, distribution: str) -> FoundryNode:
    """The node of that distribution. Raises CatalogueError when the foundry has none."""
    try:
        return SHAPES[distribution](node)
    except KeyError:
        raise CatalogueError(
            f"clusters/environments.toml: the foundry builds no node for the distribution {distribution!r}",
            f"it builds {', '.join(SHAPES)}; remove foundry = true",
        ) from None
