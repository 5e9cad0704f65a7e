# SPDX-License-Identifier: Apache-2.0
"""What of a user's values is otherwise in a run, since no cluster of it can have what they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.releases import refused_values
from harness.releases.values import at, merge

_PARTS = ("controller", "webhook")
_SCHEDULER = "controller.batchScheduler"
KUBERNETES_OWN = "default-scheduler"
"""The scheduler that each cluster has; kubeSchedulerNames may have its name."""


def adapted(documents: Sequence[Mapping[str, Any]]) -> tuple[tuple[Mapping[str, Any], ...], tuple[str, ...]]:
    """The user's values as the run takes them, and what is otherwise in them, in words.

    A batch scheduler for every application would leave all of them Pending: a run has none. The operator still is told
    that there are some, so that an application can name one.
    """
    values = merge(*documents)
    default, known = at(values, f"{_SCHEDULER}.default"), refused_values.schedulers(values)
    # With one that the operator does not know it ends at its start, there as here.
    if default == KUBERNETES_OWN or default not in known or not at(values, f"{_SCHEDULER}.enable"):
        return tuple(documents), ()
    off = {"controller": {"batchScheduler": {"default": ""}}}
    told = (
        f"{_SCHEDULER}.default: applications of the run are scheduled by Kubernetes, since no cluster of a run has "
        f"{default} (--exact-values leaves it as it is)"
    )
    return (*documents[:-1], merge(documents[-1], off)), (told,)


def beside(users: Sequence[Mapping[str, Any]], own: Mapping[str, Any]) -> Mapping[str, Any]:
    """The run's `own` values as far as they go with the user's: a request of ours may be above a limit of theirs."""
    theirs = merge(*users)
    parts = {part: own[part] for part in _PARTS if isinstance(own.get(part), Mapping)}
    kept = {
        part: {key: it for key, it in values.items() if key != "resources"}
        for part, values in parts.items()
        if at(theirs, f"{part}.resources")
    }
    return {**own, **kept}
