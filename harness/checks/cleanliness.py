# SPDX-License-Identifier: Apache-2.0
"""A claim about a shared cluster: a cell has left what all cells share as it found it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from harness.releases.shared import SharedState
from harness.verdicts import Finding, failed, passed
from harness.wording import counted

CHECK = "cluster-left-clean"


def _all(thing: str) -> bool:
    """What may be the cell's doing in a cluster that nobody else uses."""
    return True


def left_clean(
    before: SharedState,
    after: SharedState,
    *,
    others: Collection[str] = (),
    mine: Callable[[str], bool] = _all,
) -> Finding:
    """Nothing without a namespace came or went, and the operator neither changed nor restarted.

    `others` are the namespaces of cells that run at the same time; what is named after them is theirs to answer for.
    `mine` says of an object, `Kind/name`, whether it can be the cell's doing: in a cluster that others use as well,
    their objects come and go.
    """
    came = sorted(it for it in after.objects - before.objects if mine(it) and not belongs(it, others))
    went = sorted(it for it in before.objects - after.objects if mine(it))
    wrong = [
        *([f"left behind: {', '.join(came)}"] if came else []),
        *([f"gone: {', '.join(went)}"] if went else []),
        *_changed("Deployment", "was changed", before.generations, after.generations),
        *_changed("pod", "restarted", before.restarts, after.restarts),
    ]
    if wrong:
        return failed(CHECK, "; ".join(wrong), came=came, went=went)
    return passed(
        CHECK,
        f"{len(after.objects)} cluster-scoped objects are unchanged, and the operator's "
        f"{counted(len(after.restarts), 'pod')} did not restart",
    )


def belongs(thing: str, namespaces: Collection[str]) -> bool:
    """Whether an object, `Kind/name`, is one of these namespaces, or named after one."""
    name = thing.partition("/")[2]
    return any(name == it or name.startswith(f"{it}-") for it in namespaces)


def _changed(what: str, how: str, before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    messages = [f"the operator's {what} {name} {how}" for name, was in before.items() if after.get(name, was) != was]
    messages += [f"the operator's {what} {name} is gone" for name in before if name not in after]
    messages += [f"the operator has a new {what} {name}" for name in after if name not in before]
    return messages
