# SPDX-License-Identifier: Apache-2.0
"""The CRDs of other operators that a run brings along. The API server is a stand-in."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from fake_kube import fake_kube

from harness.releases import foreign

MONITORED = {"prometheus": {"podMonitor": {"create": True}}}
NAME = "podmonitors.monitoring.coreos.com"


@pytest.mark.parametrize("values", [{}, {"prometheus": {"podMonitor": {"create": False}}}, {"prometheus": None}])
def test_nothing_is_brought_that_nobody_asked_for(values: dict[str, Any]) -> None:
    with fake_kube() as kube:
        foreign.bring(kube.api, values)
        assert not kube.stored["customresourcedefinitions"]
    assert foreign.api_versions(values) == []


def test_the_kind_is_brought_and_waited_for() -> None:
    assert foreign.api_versions(MONITORED) == ["monitoring.coreos.com/v1/PodMonitor"]
    with fake_kube() as kube:
        stored = kube.stored["customresourcedefinitions"]

        def establish() -> None:
            while NAME not in stored:
                done.wait(0.01)
            stored[NAME] = {**stored[NAME], "status": {"conditions": [{"type": "Established", "status": "True"}]}}

        done = threading.Event()
        beside = threading.Thread(target=establish)
        beside.start()
        foreign.bring(kube.api, MONITORED)
        beside.join()
        assert stored[NAME]["spec"]["names"]["kind"] == "PodMonitor"
        foreign.bring(kube.api, MONITORED)
