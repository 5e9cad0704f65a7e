# SPDX-License-Identifier: Apache-2.0
"""A running Kubernetes cluster, and the label that marks everything a run creates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.kube.api import connect
from harness.late import client
from harness.matrix.model import Environment

LABEL_RUN = "spark-operator-harness.run"
"""Docker label (and Kubernetes annotation) that ties an object to the run that created it."""

OWN_IMAGES = "spark-operator-harness/"
"""Name prefix of images for the harness's own use, among them the node images that the foundry builds."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A running cluster. `kubeconfig` belongs to this cluster alone."""

    name: str
    environment: Environment
    kubeconfig: Path
    nodes: tuple[str, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)

    def api_client(self) -> client.ApiClient:
        """A new client for the caller (use one per thread)."""
        return connect(self.kubeconfig)
