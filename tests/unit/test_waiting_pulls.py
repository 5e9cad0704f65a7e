# SPDX-License-Identifier: Apache-2.0
"""A pull that the kubelet tried without the pod's pull secret, as Kubernetes 1.34 and containerd 2.2 tell of it."""

from __future__ import annotations

import dataclasses

import pytest
from operator_samples import RELEASE, pod

from harness.kube.models import Event
from harness.kube.pull_messages import Fault
from harness.releases.trouble import Trouble, diagnose

_POD = pod("controller")
_FAILED = (
    f'failed to pull and unpack image "{RELEASE.image}": failed to resolve image: failed to authorize: '
    "failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token: 401 Unauthorized"
)
_MISSING = f'failed to pull and unpack image "{RELEASE.image}": failed to resolve image: {RELEASE.image}: not found'


def _told(count: int, *, about: str = f"Pod/{_POD.name}") -> Event:
    return Event(
        reason="FailedToRetrieveImagePullSecret",
        about=about,
        message="Unable to retrieve some image pull secrets (pull-operator, pull-hook); attempting to pull the image "
        "may not succeed.",
        kind="Warning",
        count=count,
    )


def _trouble(said: str, *events: Event) -> Trouble:
    waiting = dataclasses.replace(_POD.containers[0], ready=False, state="waiting", reason="ErrImagePull", message=said)
    trouble = diagnose([dataclasses.replace(_POD, containers=(waiting,))], events)
    assert trouble is not None
    assert trouble.pull is not None
    return trouble


@pytest.mark.parametrize("said", [_FAILED, _MISSING])
def test_the_kubelet_asks_again_with_a_secret_that_it_did_not_know_yet(said: str) -> None:
    assert not _trouble(said, _told(1)).final
    assert _trouble(said, _told(2)).final
    assert _trouble(said, _told(1), _told(1)).final


def test_another_pods_secret_says_nothing() -> None:
    assert _trouble(_FAILED, _told(1, about="Pod/another")).final


def test_the_secret_is_named_with_the_command_that_looks_for_it() -> None:
    trouble = _trouble(_FAILED, _told(2))
    assert (
        "401 Unauthorized, and the kubelet could not read the pull secret pull-operator, pull-hook" in trouble.message
    )
    assert trouble.pull
    assert trouble.pull.next_step.startswith("kubectl get secret pull-operator pull-hook shows")


def test_what_a_registry_denies_to_strangers_is_not_said_to_be_missing() -> None:
    found = {count: _trouble(_MISSING, _told(count)).pull for count in (1, 2)}
    assert [it.fault for it in found.values() if it] == [Fault.SETTINGS, Fault.SETTINGS]
    alone = _trouble(_MISSING).pull
    assert alone
    assert alone.fault is Fault.RELEASE


def test_a_registry_in_trouble_stays_one() -> None:
    pull = _trouble("dial tcp 10.0.0.1:443: connect: connection refused", _told(2)).pull
    assert pull
    assert (pull.fault, pull.waiting_helps) == (Fault.NETWORK, True)
