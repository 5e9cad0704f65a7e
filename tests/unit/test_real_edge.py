# SPDX-License-Identifier: Apache-2.0
"""The move from 2.1.1 on Docker Hub to 2.5.2 on GHCR, with webhooks that do what those of both releases do.

What the cells `admission` and `operator-health` say of it, with the breaks that the catalogue predicts of the path.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from operator_samples import crd_spec
from path_samples import at
from path_samples import path as any_path
from scripted_webhook import CATALOGUE, asked, release, serving

from harness.checks import admission as installed_admission
from harness.checks import expectation
from harness.kube.models import Crd
from harness.matrix import expand
from harness.releases import admission_samples
from harness.releases.operator_seen import ObservedOperator
from harness.stories.moves.scenarios import admission
from harness.upgrades.prober import Outcome, Probe
from harness.verdicts import Finding, Verdict, worst

OLD, NEW = "2.1.1", "2.5.2"
NEW_FIELD = "dynamicAllocation.shuffleTrackingEnabled"


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A path, the release that Helm has in the end, and the one whose webhook answers then, where it is another."""

    path: str
    installed: str
    answers: str = ""
    old_crds: bool = False
    helm_error: str = ""
    rollout_error: str = ""


EDGES = [
    Edge(path=f"upgrade-{OLD}-{NEW}+crds=none", installed=NEW, old_crds=True, rollout_error="the controller crashes"),
    Edge(path=f"upgrade-{OLD}-{NEW}+crds=apply", installed=NEW),
    Edge(path=f"upgrade-{OLD}-{NEW}+crds=hook", installed=NEW),
    Edge(
        path=f"upgrade-{OLD}-{NEW}+crds=apply+values=pinned-registry",
        installed=NEW,
        answers=OLD,
        rollout_error="docker.io/kubeflow/spark-operator:2.5.2: not found",
    ),
    Edge(
        path=f"upgrade-{OLD}-{NEW}+crds=apply+values=reuse",
        installed=OLD,
        helm_error="nil pointer evaluating interface {}.upgradeCrd",
    ),
    Edge(path=f"upgrade-{OLD}-2.2.1+crds=apply+values=pinned-registry", installed="2.2.1", answers=OLD),
    Edge(path=f"rollback-{NEW}-{OLD}+crds=none", installed=OLD, old_crds=True),
    Edge(path=f"rollback-{NEW}-{OLD}+crds=apply", installed=OLD),
    Edge(path="upgrade-2.0.2-2.5.2+crds=apply", installed=NEW),
    Edge(path="upgrade-2.2.1-2.5.2+crds=apply", installed=NEW),
]


def probes(before: str, after: str) -> tuple[Probe, ...]:
    """Those of ten seconds; in the middle one webhook takes the place of the other."""
    shapes = itertools.cycle((admission_samples.BARE, admission_samples.CONFIGURED))
    return tuple(
        Probe(
            at=at(n / 4),
            seconds=0.02,
            outcome=Outcome.ACCEPTED,
            shape=shape,
            spec=asked(before if n < 20 else after, admission_samples.sample("ns", shape=shape)).result["spec"],
        )
        for n, shape in zip(range(40), shapes, strict=False)
    )


def judged(edge: Edge, *, answers: str = "") -> Sequence[Finding]:
    """What is said of the last move of a path: by its probes, and by the webhook that answers in the end."""
    path = expand.find_path(CATALOGUE, edge.path)
    move = path.moves[-1]
    others = [it for it in (move.origin, move.target) if it != edge.installed]
    lacks = (NEW_FIELD,) if edge.old_crds else ()
    crds = (Crd(name="sparkapplications.sparkoperator.k8s.io", established=True, spec=crd_spec(lacks=lacks)),)
    end = answers or edge.answers or edge.installed
    seen: ObservedOperator = serving(edge.installed, others=others, webhook=edge.answers, unknown=lacks, crds=crds)
    if answers:
        spoilt = serving(answers, others=[edge.installed], unknown=lacks)
        seen = dataclasses.replace(seen, sample_attempts=spoilt.sample_attempts)
    observed = any_path(probes=probes(move.origin, end))
    changes: dict[str, Any] = {
        "move": move,
        "origin": release(move.origin),
        "target": release(move.target),
        "operator": seen,
        "helm_error": edge.helm_error,
        "rollout_error": edge.rollout_error,
    }
    moves = (dataclasses.replace(observed.moves[0], **changes),)
    found = list(admission.claims(dataclasses.replace(observed, path=path, moves=moves), lambda it: frozenset()))
    return [
        *expectation.judge(found, [it for it in path.known if not it.environments], "admission"),
        installed_admission.mutates(seen),
        installed_admission.rejects(seen),
    ]


@pytest.mark.parametrize("edge", EDGES, ids=lambda it: it.path)
def test_what_each_release_does_is_right_before_and_after(edge: Edge) -> None:
    found = judged(edge)
    assert worst(found) is Verdict.PASSED, [str(it) for it in found if it.verdict is not Verdict.PASSED]


@pytest.mark.parametrize("edge", [it for it in EDGES if not it.answers and OLD in it.path], ids=lambda it: it.path)
def test_a_webhook_that_does_in_the_end_what_the_other_release_does_fails(edge: Edge) -> None:
    other = OLD if edge.installed == NEW else NEW
    bad = {it.check for it in judged(edge, answers=other) if it.verdict is Verdict.FAILED}
    assert bad == {"admission-after", "admission-mutates"}
