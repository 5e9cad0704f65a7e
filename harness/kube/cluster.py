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
"""Docker label, and label of Kubernetes objects, that ties what carries it to the run that created it."""

LABEL_INSTALLATION = "spark-operator-harness.installation"
"""The same for the installation: the id of the cache, see harness/evidence/installation.py."""

OWN_IMAGES = "spark-operator-harness/"
"""Name prefix of images for the harness's own use, among them the node images that the foundry builds."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A running cluster. `kubeconfig` belongs to this cluster alone.

    `marks` are the labels of whatever is created in it outside of namespaces, and of namespaces: in a cluster of a
    user's, these alone say what is the run's.
    """

    name: str
    environment: Environment
    kubeconfig: Path
    nodes: tuple[str, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)

    def api_client(self) -> client.ApiClient:
        """A new client for the caller (use one per thread)."""
        return connect(self.kubeconfig, marks=self.marks)
