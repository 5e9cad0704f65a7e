# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes cluster that answers, and how everything that a run made is marked as its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.late import client, config
from harness.matrix.model import Environment

LABEL_RUN = "spark-operator-harness.run"
"""Docker label (and Kubernetes annotation) that ties an object to the run that made it."""

OWN_IMAGES = "spark-operator-harness/"
"""Images that exist for the harness's own use are named so; of nodes' images, those that the foundry made."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster that answers. `kubeconfig` belongs to this cluster alone."""

    name: str
    environment: Environment
    kubeconfig: Path
    nodes: tuple[str, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)

    def api_client(self) -> client.ApiClient:
        """A client of its own for the caller (one a thread)."""
        made: client.ApiClient = config.new_client_from_config(  # type: ignore[no-untyped-call]
            config_file=str(self.kubeconfig)
        )
        return made
