# SPDX-License-Identifier: Apache-2.0
"""An operator as it was seen, from which the install checks judge it.

What could not be looked at, through no fault of the operator, is `Unseen` with the reason; the checks turn that into an
error of the harness, never into a verdict about the release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.kube.models import Crd, Deployment, Lease, Log, Pod
from harness.kube.node_records import NOBODY_CAN_ASK, NodeRecords
from harness.matrix.facts import Rule
from harness.matrix.release import Release
from harness.releases import webhook
from harness.releases.footing import Footing, Pace
from harness.releases.metrics import Metrics
from harness.releases.rendered import Rendered
from harness.releases.soak import Soak


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """Something that could not be observed, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class ObservedOperator:
    """An operator as it was seen. `chart_crds` and `crds` are CRD specs by name; `secret_ca` is PEM.

    `release` is the one that is installed, as Helm has it; `others` are those of which pods may run all the same, where
    a change did not take place (harness/releases/serving.py). `nodes` is what the nodes' runtimes have on record, since
    the pods' statuses do not tell which image a container runs. `sample_attempts` are by the shape of the sample, and
    `rule_attempts` have the rules of all of them.
    """

    release: Release
    name: str
    namespace: str
    values: Mapping[str, Any]
    chart_crds: Mapping[str, Mapping[str, Any]] | Unseen
    crds: tuple[Crd, ...] | Unseen
    deployments: tuple[Deployment, ...] | Unseen
    pods: tuple[Pod, ...] | Unseen
    soak: Soak | Unseen
    logs: tuple[Log, ...] | Unseen
    webhook_entries: tuple[webhook.WebhookEntry, ...] | Unseen
    secret_ca: bytes | Unseen
    handshakes: tuple[webhook.Handshake, ...] | Unseen
    sample_attempts: Mapping[str, webhook.Attempt] | Unseen
    rule_attempts: tuple[tuple[Rule, webhook.Attempt], ...] | Unseen
    leases: tuple[Lease, ...] | Unseen
    metrics: Metrics | Unseen
    rendered: Rendered | Unseen
    footing: Footing | Unseen
    pace: Pace | Unseen
    moments: frozenset[str] = field(default_factory=frozenset)
    moments_trouble: str = ""
    others: tuple[Release, ...] = ()
    nodes: NodeRecords = NOBODY_CAN_ASK
