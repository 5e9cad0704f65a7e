# SPDX-License-Identifier: Apache-2.0
"""Whether it was the host, a node or a registry that kept findings from passing, by a look at the surroundings.

Before it is said that an image does not exist, its registry is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from harness.checks import infrastructure
from harness.checks.infrastructure import Cause, Diagnosis
from harness.errors import ApiError, HarnessError, RegistryError
from harness.kube.cluster import Cluster
from harness.machine import HostSeen
from harness.releases import surroundings
from harness.run.image_supply import FETCHED_CHECK
from harness.run.resources import Resources
from harness.verdicts import Finding, Verdict
from harness.waiting import Cancelled


def diagnose(
    findings: Sequence[Finding],
    host: HostSeen,
    resources: Resources,
    *,
    cluster: Cluster | None,
    namespaces: Sequence[str] = (),
) -> Diagnosis | None:
    """The gravest cause outside the product of what did not pass; None when there is none.

    Of a `cluster` that there is not, or that must not be looked at since its cells break it, the host alone is judged.
    """
    messages = [finding.message for finding in findings if finding.verdict is not Verdict.PASSED]
    if cluster is None:
        return infrastructure.diagnose(host, said=messages)
    if any(it.check == FETCHED_CHECK and it.verdict is Verdict.ERROR for it in findings):
        # Which host kept an image away is known; nodes, which tried as well, say "not found" of whatever it was.
        return infrastructure.diagnose(host)
    try:
        around = surroundings.look(cluster, namespaces)
    except ApiError as away:
        if away.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return infrastructure.login_refused(away.message)
        return infrastructure.node_lost(host, str(away))
    source = resources.source
    mirrored = source.mirrors.mirrors if source.kind == "mirror" else ()
    found = infrastructure.diagnose(
        host, around, messages, mirrored=mirrored, asked=lambda image: _registry_says(resources, image)
    )
    if found is not None and found.cause is Cause.REGISTRY_BUSY and found.pull:
        return found.with_limit(resources.pulls_left(found.pull.image))
    return found


def _registry_says(resources: Resources, image: str) -> str:
    """What an image's registry says now, where that is not that it has no such image."""
    try:
        resources.source.digests(image)
    except Cancelled:
        raise
    except HarnessError as refused:
        absent = isinstance(refused, RegistryError) and refused.status == HTTPStatus.NOT_FOUND
        return "" if absent else f"asked from this machine: {refused.message}"
    return "asked from this machine, its registry has it"
