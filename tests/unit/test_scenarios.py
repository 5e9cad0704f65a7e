# SPDX-License-Identifier: Apache-2.0
"""The scenarios as a list: names, tags, images."""

from __future__ import annotations

import re

import pytest

from harness.apps.samples import chart_values
from harness.apps.scenarios import discover, namespace_of

NAMES = [
    "bad-submission",
    "config-map",
    "custom-resources",
    "dynamic-allocation",
    "namespaces",
    "pod-template",
    "pyspark-pi",
    "retry",
    "scheduled",
    "spark-3.5",
    "spark-connect",
    "spark-pi",
    "suspend-resume",
    "ttl",
]


def test_every_module_is_a_scenario() -> None:
    assert list(discover()) == NAMES


def test_a_scenario_is_named_like_its_module() -> None:
    for name, module in discover().items():
        assert module.__name__.rpartition(".")[2] == re.sub(r"[-.]", "_", name)


@pytest.mark.parametrize("name", NAMES)
def test_namespaces_are_dns_labels(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", namespace_of(name))


def test_everything_is_in_full_and_little_in_smoke() -> None:
    tags = {name: module.SCENARIO.tags for name, module in discover().items()}
    assert all("full" in given for given in tags.values())
    assert [name for name, given in tags.items() if "smoke" in given] == ["pyspark-pi", "spark-pi"]


def test_images_are_those_of_the_chart() -> None:
    known = set(chart_values().spark.images.values())
    for module in discover().values():
        assert set(module.SCENARIO.images) <= known


def test_only_what_makes_no_pod_needs_no_image() -> None:
    assert [name for name, module in discover().items() if not module.SCENARIO.images] == ["bad-submission"]
