# SPDX-License-Identifier: Apache-2.0
"""What of a user's values is otherwise in a run, since no cluster of it can have what they ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from harness.kube.amounts import amount
from harness.releases import refused_values
from harness.releases.values import at, merge

_PARTS = ("controller", "webhook")
_SCHEDULER = "controller.batchScheduler"
KUBERNETES_OWN = "default-scheduler"
"""The scheduler that each cluster has; kubeSchedulerNames may have its name."""

_ENOUGH_CPU = {"controller": Decimal("0.5"), "webhook": Decimal("0.1")}
"""Limits of processors with which a run is not late for nothing else. A submission is a JVM in the controller, which
took 4.2 to 4.6 s of a processor, and 254 MiB. A controller itself had taken 0.04 s of one when it answered its probes,
and a webhook does little more. Measured of 2.5.2 with Spark 4.0.4; the latter without objects in the API server."""
_CPU = "1"


def adapted(documents: Sequence[Mapping[str, Any]]) -> tuple[tuple[Mapping[str, Any], ...], tuple[str, ...]]:
    """The user's values as the run takes them, and what is otherwise in them, in words.

    A batch scheduler for every application would leave all of them Pending: a run has none. The operator still is told
    that there are some, so that an application can name one. A low limit of processors makes each submission take
    minutes, in which a run does not wait.
    """
    values = merge(*documents)
    found = [*_scheduled(values), *_with_processors(values)]
    if not found:
        return tuple(documents), ()
    return (*documents[:-1], merge(documents[-1], *(it for it, _ in found))), tuple(told for _, told in found)


def _scheduled(values: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """What is to be merged over the values for the scheduler, and what is said of it."""
    default, known = at(values, f"{_SCHEDULER}.default"), refused_values.schedulers(values)
    # With one that the operator does not know it ends at its start, there as here.
    if default == KUBERNETES_OWN or default not in known or not at(values, f"{_SCHEDULER}.enable"):
        return
    told = (
        f"{_SCHEDULER}.default: applications of the run are scheduled by Kubernetes, since no cluster of a run has "
        f"{default} (--exact-values leaves it as it is)"
    )
    yield {"controller": {"batchScheduler": {"default": ""}}}, told


def _with_processors(values: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The same for limits of processors; what was the request without being said stays one."""
    for part, enough in _ENOUGH_CPU.items():
        key = f"{part}.resources"
        limit, request = at(values, f"{key}.limits.cpu"), at(values, f"{key}.requests.cpu")
        share = amount(limit)
        if share is None or not 0 < share < enough:
            continue
        more = {"limits": {"cpu": _CPU}, "requests": {"cpu": limit if request is None else request}}
        told = (
            f"{key}.limits.cpu: the run has {_CPU} in the place of {limit}, with which the {part} works more slowly "
            "than a run waits for (--exact-values leaves it as it is)"
        )
        yield {part: {"resources": more}}, told


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
