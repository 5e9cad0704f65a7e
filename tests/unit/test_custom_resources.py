# SPDX-License-Identifier: Apache-2.0
"""What sizes mean for a pod."""

from __future__ import annotations

import pytest
from pod_samples import spark_pod

from harness.apps.samples import Sizes
from harness.kube.amounts import amount
from harness.stories.installs.scenarios import custom_resources
from harness.stories.installs.scenarios.custom_resources import expected, sizes_for
from harness.verdicts import Verdict

SIZES = Sizes(coreRequest="150m", coreLimit="700m", memory="640m", memoryOverhead="300m")


def test_memory_is_heap_and_overhead_as_request_and_limit() -> None:
    assert expected(SIZES) == {
        "requests.cpu": amount("150m"),
        "limits.cpu": amount("700m"),
        "requests.memory": amount("940Mi"),
        "limits.memory": amount("940Mi"),
    }


def test_a_memory_limit_of_its_own_replaces_only_the_limit() -> None:
    wanted = expected(SIZES.model_copy(update={"memoryLimit": "1000m"}))
    assert wanted["requests.memory"] == amount("940Mi")
    assert wanted["limits.memory"] == amount("1000Mi")


def test_a_memory_limit_is_asked_for_only_where_the_crd_knows_it() -> None:
    known = sizes_for(lambda field: True)
    assert known["executor"].memoryLimit == "1000m"
    old = sizes_for(lambda field: field != "spec.executor.memoryLimit")
    assert old["executor"].memoryLimit == ""
    assert expected(old["executor"])["limits.memory"] == expected(old["executor"])["requests.memory"]


@pytest.mark.parametrize(
    ("annotation", "verdict"),
    [
        ('{"input":{"containers":[]},"output":{"containers":[]},"modified":true}', Verdict.UNAVAILABLE),
        ('{"input":{"containers":[]},"output":{"containers":[]},"modified":false}', Verdict.FAILED),
        ("", Verdict.FAILED),
    ],
)
def test_sizes_that_autopilot_changed_prove_nothing(annotation: str, verdict: Verdict) -> None:
    pod = spark_pod(
        annotations={"autopilot.gke.io/resource-adjustment": annotation},
        requests={"cpu": "250m", "memory": "1Gi"},
        limits={"cpu": "250m", "memory": "1Gi"},
    )
    found = custom_resources._specified("driver", [pod], expected(SIZES))
    assert found.verdict is verdict
    assert "requests.cpu 250m instead of" in found.message
