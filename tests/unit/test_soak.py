# SPDX-License-Identifier: Apache-2.0
"""How long applications are watched for what metrics count, against an API server that is a stand-in."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_api_server import api_server

from harness.releases import metrics, shared, soak

INSTALLED: Any = SimpleNamespace(job_namespaces=("jobs",))
APPLICATION = {"metadata": {"name": "pi", "namespace": "jobs", "uid": "1", "resourceVersion": "1"}, "status": {}}
ELSEWHERE = {"metadata": {"name": "pi", "namespace": "others", "uid": "2", "resourceVersion": "1"}, "status": {}}


@pytest.mark.parametrize(
    ("there", "seen", "longer"),
    [([APPLICATION], True, False), ([ELSEWHERE], False, True), ([], False, True)],
    ids=["one of the release's", "one of somebody else's", "none"],
)
def test_applications_are_waited_for_while_none_was_seen(
    tmp_path: Path, there: list[Any], seen: bool, longer: bool
) -> None:
    moments = metrics.Moments()
    with api_server(tmp_path, {"sparkapplications": there}) as cluster:
        began = time.monotonic()
        trouble = soak.reported(cluster, INSTALLED, 0.1, moments, "applications", patience=2.5)
        took = time.monotonic() - began
    assert trouble == ""
    assert bool(moments.seen) is seen
    assert (took >= 2.5) is longer


def test_restarts_of_containers_that_values_put_beside_the_operators_are_counted_apart(tmp_path: Path) -> None:
    states = [{"name": "spark-operator-controller", "restartCount": 1}, {"name": "fluent-bit", "restartCount": 4}]
    pod = {
        "metadata": {"name": "controller-1", "namespace": "it", "uid": "1", "resourceVersion": "1"},
        "spec": {"containers": [{"name": it["name"], "image": "it"} for it in states]},
        "status": {"phase": "Running", "containerStatuses": states},
    }
    with api_server(tmp_path, {"pods": [pod]}) as cluster:
        found = soak.operator(cluster, "it", 0.2)
        state = shared.look(cluster, "it")
    assert isinstance(found, soak.Soak)
    assert (found.restarts, found.beside) == ({"controller-1": 1}, {"controller-1": 4})
    assert state.restarts == {"controller-1": 1}
