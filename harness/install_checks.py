# SPDX-License-Identifier: Apache-2.0
"""Observes a freshly installed operator for a while and runs the checks on it."""

from __future__ import annotations

from harness.checks import operator
from harness.checks.images import Resolve
from harness.errors import ApiError
from harness.kube.cluster import Cluster
from harness.providers.base import Provider
from harness.releases.observe import DEFAULT_SOAK, observe
from harness.releases.ways.protocol import InstalledRelease
from harness.verdicts import Finding, errored


def run(
    cluster: Cluster,
    installed: InstalledRelease,
    *,
    resolve: Resolve,
    provider: Provider | None = None,
    soak: float = DEFAULT_SOAK,
    seed: int = 0,
) -> list[Finding]:
    """Watch the operator for `soak` seconds, observe all of it and run the checks.

    `resolve` gives the digests that the source's registry serves for a reference, `provider` a way to ask the nodes;
    `seed` is the attempt's. Raises only Cancelled, when the run is being stopped.
    """
    try:
        observed = observe(cluster, installed, provider=provider, soak=soak, seed=seed)
    except (ApiError, OSError) as away:
        return [errored("operator-observed", f"the operator could not be inspected: {away}")]
    return operator.judge(observed, resolve)
