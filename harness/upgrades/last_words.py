# SPDX-License-Identifier: Apache-2.0
"""Why drivers failed, wait, or got no executors: the operator tells an exit status; logs and events say more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

from harness.apps import held_up, refusals
from harness.apps.logs import driver_cause
from harness.apps.pods import SparkPod
from harness.apps.states import State
from harness.errors import ApiError
from harness.kube import reading
from harness.kube.api import listed
from harness.kube.models import Event
from harness.upgrades.workload_seen import ApplicationSeen, ConnectSeen

_NOT_STARTED = "StartError"
"""containerd's word for a container that its runtime could not start, which therefore has no log."""

S = TypeVar("S", ApplicationSeen, ConnectSeen)


def heard(seen: Iterable[ApplicationSeen], core: Any) -> tuple[ApplicationSeen, ...]:
    """The applications, with what their pods say through a CoreV1Api.

    Each that FAILED has the cause in the log of its last driver, or the runtime's words if that could not be started;
    each that is RUNNING without executors has what the admission of others said of them. Where there is no such log any
    more, or the API server does not answer, a reason has to do without.
    """
    return tuple(_heard(app, core) for app in seen)


def warned(seen: Iterable[S], core: Any) -> tuple[S, ...]:
    """The applications or Connect servers, whose pods that wait have what events say of their surroundings.

    To be asked while the API server still has the events; where it does not answer, they are as they were.
    """
    events: dict[str, list[Event]] = {}
    return tuple(replace(it, pods=tuple(_warned(pod, it.namespace, core, events) for pod in it.pods)) for it in seen)


def _warned(pod: SparkPod, namespace: str, core: Any, events: dict[str, list[Event]]) -> SparkPod:
    if pod.phase != "Pending" or pod.gone or pod.leaving:
        return pod
    if namespace not in events:
        try:
            events[namespace] = reading.events(listed(core.list_namespaced_event, namespace))
        except ApiError:
            events[namespace] = []
    found = held_up.judge([pod], events[namespace])
    return replace(pod, warned=found.words) if found and found.outside else pod


def _heard(app: ApplicationSeen, core: Any) -> ApplicationSeen:
    if app.state is State.RUNNING and app.drivers and not app.executors:
        return replace(app, driver_said=_refused(app, core))
    if app.state is not State.FAILED or not app.drivers or app.drivers[-1].succeeded:
        return app
    ended = app.drivers[-1].main.ended
    if ended and ended.reason == _NOT_STARTED:
        return replace(app, driver_said=f"its driver could not be started: {ended.message}")
    return replace(app, driver_said=driver_cause(core, app.namespace, app.drivers[-1].name, app.error))


def _refused(app: ApplicationSeen, core: Any) -> str:
    try:
        return next(reversed(refusals.of_executors(core, app.namespace, app.drivers[-1:])), "")
    except ApiError:
        return ""
