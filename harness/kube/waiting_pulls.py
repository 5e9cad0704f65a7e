# SPDX-License-Identifier: Apache-2.0
"""Why a container waits for its image, read from its pod and from the events about it.

Pure: from models to what is known of a pull.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from harness.kube import pull_messages
from harness.kube.models import Container, Event
from harness.kube.pull_messages import Fault, PullFailure

_WITHOUT_SECRET = "FailedToRetrieveImagePullSecret"  # noqa: S105 - the reason of an event
_NAMES = re.compile(r"image pull secrets \((?P<names>[^)]*)\)")
_TRIES_BEFORE_FINAL = 2


def of_container(container: Container, events: Iterable[Event]) -> PullFailure | None:
    """Why a container has no image; None when it does not wait, or for something else.

    `events` are those about its pod, oldest first: a container in back-off may have lost the registry's answer, its
    events have not.
    """
    if container.state != "waiting":
        return None
    told = list(events)
    failure = pull_messages.of_waiting(
        container.reason, container.message, container.image, [it.message for it in told]
    )
    return failure and without_secrets(failure, told)


def without_secrets(failure: PullFailure, events: Iterable[Event]) -> PullFailure:
    """The same failure, unless events about the pod say that the kubelet asked the registry without its pull secrets.

    It waits one second for a Secret that it has not got to know yet, asks without it, and tries again later (Kubernetes
    1.34, pkg/kubelet/kubelet_pods.go and util/manager/watch_based_manager.go): what was answered to the first try is
    not the last word. Nor does it tell whether the image exists: registries deny private ones to strangers.
    """
    told = [it for it in events if it.reason == _WITHOUT_SECRET]
    if not told or failure.waiting_helps:
        return failure
    names = ", ".join(dict.fromkeys(found["names"] for it in told if (found := _NAMES.search(it.message))))
    return replace(
        failure,
        fault=Fault.SETTINGS if failure.is_releases_fault else failure.fault,
        waiting_helps=sum(it.count for it in told) < _TRIES_BEFORE_FINAL,
        words=f"{failure.words}, and the kubelet could not read the pull secret {names}",
        next_step=f"kubectl get secret {names.replace(',', '')} shows whether the pod's namespace has it",
    )
