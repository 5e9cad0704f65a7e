# SPDX-License-Identifier: Apache-2.0
"""What a run will do in an existing cluster, in words, and the question whether it may."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from harness.errors import UsageError
from harness.existing.model import Intent, Seen, Target
from harness.existing.refusals import described, foreign_crds

_SHOWN = 12


def lines(target: Target, seen: Seen, intent: Intent, *, installation: str, clean: str) -> Iterator[str]:
    """The plan. `clean` is the command that removes what a run leaves that is killed."""
    environment = target.environment
    yield f"the cluster: {target.words}, Kubernetes {environment.kubernetes} ({environment.distribution})"
    yield f"  nodes that take pods: {', '.join(target.nodes) or 'none at this moment'}"
    for it in described(seen):
        yield f"  stays untouched: the operator in {it}"
    yield f"  made for the run: namespaces {', '.join(intent.namespaces)}"
    yield f"  made for the run: Helm release {intent.release} in {intent.namespace}, with its ClusterRoles and webhooks"
    yield from _crds(seen, intent, installation)
    if intent.upgrades:
        yield f"  upgraded: that release alone, along {', '.join(intent.upgrades)}"
    shown = [*intent.images[:_SHOWN], *(["…"] if len(intent.images) > _SHOWN else [])]
    yield f"  images, which nodes pull {intent.pulled}: {', '.join(shown)}"
    yield f"  removed at the end: all of that; everything else is compared with before. After a kill: {clean}"
    for unread in seen.unread:
        yield f"  not to be seen: {unread.what}: {unread.why}"


def _crds(seen: Seen, intent: Intent, installation: str) -> Iterator[str]:
    theirs = foreign_crds(seen, installation)
    there = {it.name for it in seen.crds}
    new = [it for it in intent.crds if it not in there]
    if new:
        yield f"  made for the run: CRDs {', '.join(new)}"
    if theirs:
        yield f"  stay untouched: CRDs {', '.join(theirs)}; a release with other CRDs is not installed"


def agree(say: Callable[[str], None], told: Iterator[str], *, context: str, yes: bool) -> None:
    """Show the plan, and ask. Raises UsageError where the user says no, or where there is nobody to ask."""
    for line in told:
        say(line)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"nothing was changed in the cluster of context {context}: nobody can be asked without a terminal",
            "add --yes when the plan is right",
        )
    try:
        answer = input(f"Do this in the cluster of context {context}? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise UsageError(f"nothing was changed in the cluster of context {context}: the answer was no", "")
