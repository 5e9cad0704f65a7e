# SPDX-License-Identifier: Apache-2.0
"""gitops: what Argo CD says of the release, beside what really runs, and what it does about a change by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness import late
from harness.matrix.model import ClusterNeeds, Scenario
from harness.matrix.path_names import ARGO_CD
from harness.stories.moves.labels import of_moves
from harness.verdicts import Finding, errored, failed, passed

if TYPE_CHECKING:
    from harness.checks.images import Resolve
    from harness.releases import operator_seen
    from harness.upgrades.gitops import Drift, GitOpsSeen
    from harness.upgrades.observed import ObservedMove, ObservedPath
else:
    operator_seen = late.module("harness.releases.operator_seen")

SCENARIO = Scenario(
    name="gitops",
    summary="what Argo CD says is what runs, and what somebody changes by hand is taken back",
    timeout=420.0,
    needs=ClusterNeeds(paths=("upgrade",), ways=tuple(ARGO_CD)),
)

_SHOWN = 5


def claims(observed: ObservedPath, resolve: Resolve) -> Iterator[Finding]:
    """Judge what Argo CD said after each move."""
    yield from of_moves(observed, judge)


def judge(move: ObservedMove) -> Iterator[Finding]:
    """Everything that must hold of one move."""
    if move.gitops is None:
        yield errored("argocd-synced", "Argo CD was not asked")
    elif isinstance(move.gitops, operator_seen.Unseen):
        yield errored("argocd-synced", move.gitops.reason)
    else:
        yield synced(move, move.gitops)
        yield says_what_runs(move, move.gitops)
        if isinstance(move.gitops.drift, operator_seen.Unseen):
            yield errored("self-heal", move.gitops.drift.reason)
        elif move.gitops.drift is not None:
            yield healed(move.gitops.drift)


def synced(move: ObservedMove, seen: GitOpsSeen) -> Finding:
    """Argo CD brought the new version, and says so."""
    name, said = "argocd-synced", seen.said
    facts = {"hooks": list(said.hooks), "conditions": list(said.conditions), "failed": list(said.failed)}
    if said.content and said.revision == move.target.version:
        return passed(name, f"Argo CD says: {said}", **facts)
    broken = f"; {'; '.join(said.failed[:_SHOWN])}" if said.failed else ""
    return failed(name, f"Argo CD says of {move.target.version}: {said}{broken}", **facts)


def says_what_runs(move: ObservedMove, seen: GitOpsSeen) -> Finding:
    """Where Argo CD is content, the new release works; where it is not, it does not."""
    name, said = "argocd-tells-the-truth", seen.said
    works = not move.helm_error and not move.rollout_error and move.times.settled is not None
    runs = f"{move.target.name} {'works' if works else 'does not work'}"
    leader = next((f"{it.pod} ({it.image})" for it in reversed(move.watch.leases) if it.of_controller), "nobody")
    words = f"Argo CD says {said.sync}, {said.health}, sync {said.phase}; {runs}, and {leader} leads"
    facts = {"sync": said.sync, "health": said.health, "leader": leader}
    if said.content is works:
        return passed(name, words, **facts)
    return failed(name, words, **facts)


def healed(drift: Drift) -> Finding:
    """What was changed by hand was taken back."""
    name = "self-heal"
    if drift.seconds is None:
        return failed(name, f"{drift.what}, and Argo CD left it so; it says: {drift.said}")
    return passed(name, f"{drift.what}, and Argo CD took it back after {drift.seconds:.1f} s", seconds=drift.seconds)
