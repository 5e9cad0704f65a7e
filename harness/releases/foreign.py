# SPDX-License-Identifier: Apache-2.0
"""Kinds of other operators that values make the chart use, as Helm is told of them when it renders without a cluster.

Their CRDs are in the cluster before the release, with the add-ons of clusters/addons.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.releases.values import at

_KINDS: Mapping[str, tuple[str, ...]] = {
    "prometheus.podMonitor.create": ("monitoring.coreos.com/v1", "monitoring.coreos.com/v1/PodMonitor"),
    "certManager.enable": ("cert-manager.io/v1", "cert-manager.io/v1/Certificate", "cert-manager.io/v1/Issuer"),
}


def api_versions(values: Mapping[str, Any]) -> list[str]:
    """What Helm is to take for there when it renders with these values, as its `--api-versions` has it."""
    return [kind for switch, kinds in _KINDS.items() if at(values, switch) for kind in kinds]
