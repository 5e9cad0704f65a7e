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

_TIMEOUT = "webhook.timeoutSeconds"
_ENOUGH_SECONDS, _SECONDS = 5, 10
"""Seconds from which on no create is refused only because the machine of a run is busy, and Kubernetes' own."""


def adapted(documents: Sequence[Mapping[str, Any]]) -> tuple[tuple[Mapping[str, Any], ...], tuple[str, ...]]:
    """The user's values as the run takes them, and what is otherwise in them, in words.

    A batch scheduler for every application would leave all of them Pending: a run has none. The operator still is told
    that there are some, so that an application can name one. A low limit of processors makes each submission take
    minutes, in which a run does not wait, and a short timeout of the webhook refuses creates on a busy machine.
    """
    values = merge(*documents)
    found = [*_scheduled(values), *_with_processors(values), *_with_time(values)]
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
    for part, limit in _low_limits(values):
        key = f"{part}.resources"
        request = at(values, f"{key}.requests.cpu")
        more = {"limits": {"cpu": _CPU}, "requests": {"cpu": limit if request is None else request}}
        told = (
            f"{key}.limits.cpu: the run has {_CPU} in the place of {limit}, with which the {part} works more slowly "
            "than a run waits for (--exact-values leaves it as it is)"
        )
        yield {part: {"resources": more}}, told


def _low_limits(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The parts whose limit of processors is too low for a run, and the limits."""
    for part, enough in _ENOUGH_CPU.items():
        limit = at(values, f"{part}.resources.limits.cpu")
        share = amount(limit)
        if share is not None and 0 < share < enough:
            yield part, limit


def _with_time(values: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The same for the seconds within which a webhook has to answer; the templates write a number in quotes alike."""
    given = str(at(values, _TIMEOUT))
    if not given.isdecimal() or not 0 < int(given) < _ENOUGH_SECONDS:
        return
    told = (
        f"{_TIMEOUT}: the run has {_SECONDS} in the place of {given}, within which a webhook on a busy machine may not "
        "answer (--exact-values leaves it as it is)"
    )
    yield {"webhook": {"timeoutSeconds": _SECONDS}}, told


def kept(documents: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What of exact values makes a run slower than it waits for, or refuses what it creates, in words."""
    values = merge(*documents)
    told = [
        f"{part}.resources.limits.cpu is {limit}, with which the {part} may be slower than a run waits for: leave out "
        "--exact-values to have more"
        for part, limit in _low_limits(values)
    ]
    if any(_with_time(values)):
        told.append(
            f"{_TIMEOUT} is {at(values, _TIMEOUT)}, within which a webhook on a busy machine may not answer: leave out "
            "--exact-values to have more"
        )
    return tuple(told)


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
