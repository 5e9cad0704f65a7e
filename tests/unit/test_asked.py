# SPDX-License-Identifier: Apache-2.0
"""What values ask of a release, and which scenarios they leave no room for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from run_fakes import CATALOGUE

from harness import stories
from harness.releases import asked
from harness.stories.protocol import NOTHING

RELEASE = CATALOGUE.release("2.5.2")
SCENARIOS = stories.scenarios(NOTHING)


@pytest.mark.parametrize(
    ("values", "scenario", "said"),
    [
        ({}, "config-map", ""),
        ({"webhook": {"enable": False}}, "spark-pi", ""),
        ({"webhook": {"enable": False}}, "operator-health", ""),
        ({"webhook": {"enable": False}}, "config-map", "only the webhook puts its volumes and limits into pods"),
        ({"webhook": {"enable": False}}, "submissions", "webhook.enable"),
        ({"webhook": {"enable": False}}, "fault-hook-fails", "webhook.enable"),
        ({"spark": {"jobNamespaces": ["a"]}}, "namespaces", ""),
        ({"spark": {"jobNamespaces": [""]}}, "namespaces", "watches all namespaces"),
        ({"spark": {"jobNamespaces": None}}, "namespaces", ""),
        ({"spark": {"jobNamespaceSelector": "spark=enabled"}}, "namespaces", ""),
        ({"spark": {"jobNamespaceSelector": "!off,env!=prod"}}, "namespaces", "jobNamespaceSelector takes in any"),
        ({"spark": {"jobNamespaceSelector": "team notin (a, b)"}}, "namespaces", "jobNamespaceSelector takes in any"),
        ({"spark": {"jobNamespaceSelector": "!off,team in (a, b)"}}, "namespaces", ""),
        ({"controller": {"scheduledSparkApplicationTimestampPrecision": "minutes"}}, "scheduled", "by the minute"),
        ({"controller": {"scheduledSparkApplicationTimestampPrecision": "seconds"}}, "scheduled", ""),
    ],
)
def test_a_scenario_for_which_the_values_leave_no_room_says_so(
    values: Mapping[str, Any], scenario: str, said: str
) -> None:
    why = asked.why_not(SCENARIOS[scenario].takes_for_granted, values)
    assert said in why
    assert bool(why) == bool(said)


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, "ghcr.io/kubeflow/spark-operator/controller:2.5.2"),
        ({"tag": "2.5.2-fixed"}, "ghcr.io/kubeflow/spark-operator/controller:2.5.2-fixed"),
        ({"registry": "r.example", "repository": "it"}, "r.example/it:2.5.2"),
        ({"repository": None, "tag": None}, "ghcr.io/%!s(<nil>):2.5.2"),
    ],
)
def test_the_operators_image_is_the_one_of_the_values(image: Mapping[str, Any], reference: str) -> None:
    assert asked.operator_image(RELEASE, {"image": image}) == reference


def test_the_hooks_image_has_values_of_its_own() -> None:
    moved = {"hook": {"image": {"registry": "r.example", "tag": 7}}, "image": {"registry": "elsewhere.example"}}
    assert asked.hook_image(RELEASE, moved) == "r.example/kubeflow/spark-operator/kubectl:7"
    assert asked.hook_image(CATALOGUE.release("2.2.1"), moved) == ""
