# SPDX-License-Identifier: Apache-2.0
"""An existing cluster as it was found, and what a run is about to make in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.kube.cluster import LABEL_INSTALLATION, LABEL_RUN
from harness.kube.login import Access
from harness.matrix.model import Environment
from harness.providers.existing import Existing
from harness.sites.model import HelmRelease, Installer, Operator, Unread, Webhook

NAME = Existing.name
"""The name of the environment, as --env has it."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The cluster that was asked for, with the environment that stands for it.

    `nodes` are those that take pods, by name, and `memory_mib` is what pods can have on all of them; zero is not known.
    """

    access: Access
    environment: Environment
    nodes: tuple[str, ...] = ()
    memory_mib: int = 0

    @property
    def words(self) -> str:
        """Context and server."""
        return f"{self.access.context} ({self.access.server})"


@dataclass(frozen=True, kw_only=True)
class Crd:
    """A CRD of the operator's group that is there: its labels, and how many objects of its kind there are."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    objects: int = 0


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What of the operator is in the cluster. `namespaces` are name → labels; `unread` is what may not be read."""

    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    operators: tuple[Operator, ...] = ()
    releases: tuple[HelmRelease, ...] = ()
    installers: tuple[Installer, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    crds: tuple[Crd, ...] = ()
    unread: tuple[Unread, ...] = ()

    def run_of(self, namespace: str, installation: str) -> str:
        """The run of this installation that made a namespace; empty for anybody else's."""
        labels = self.namespaces.get(namespace) or {}
        return labels.get(LABEL_RUN, "") if labels.get(LABEL_INSTALLATION) == installation else ""


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What a run is about to make: a Helm release, and namespaces. `upgrades` are paths with moves, by name.

    `from_values` are namespaces that only the user's values name, and `watches_all` is whether these have the operator
    watch others than they name. `crds` are the CRDs of its releases, by name; `crd_changes` are the paths that bring
    CRDs along the way. `beside` and `allow_upgrade` are the user's leave. `images` are what nodes must have or pull,
    `pulled` where they do.
    """

    release: str
    namespace: str
    job_namespaces: tuple[str, ...]
    from_values: tuple[str, ...] = ()
    watches_all: bool = False
    cells: tuple[str, ...] = ()
    upgrades: tuple[str, ...] = ()
    crd_changes: tuple[str, ...] = ()
    crds: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    pulled: str = ""
    beside: bool = False
    allow_upgrade: bool = False

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All that it makes."""
        return tuple(dict.fromkeys((self.namespace, *self.job_namespaces)))
