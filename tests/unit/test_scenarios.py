# SPDX-License-Identifier: Apache-2.0
"""The scenarios as a list: names, needs, images."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import cast

from harness.apps.samples import chart_values
from harness.matrix import catalogue
from harness.stories.installs import scenarios
from harness.stories.installs.scenarios import discover


def _file_name(module: object) -> str:
    return cast(ModuleType, module).__name__.rpartition(".")[2]


def test_every_module_is_a_scenario() -> None:
    modules = {path.stem for path in Path(scenarios.__file__).parent.glob("*.py")} - {"__init__"}
    assert {_file_name(module) for module in discover().values()} == modules
    assert list(discover()) == sorted(discover())


def test_a_scenario_is_named_like_its_module() -> None:
    for name, module in discover().items():
        assert _file_name(module) == re.sub(r"[-.]", "_", name)


def test_namespaces_are_dns_labels() -> None:
    for module in discover().values():
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", module.SCENARIO.namespace)


def test_crds_that_a_scenario_needs_are_those_of_some_release() -> None:
    known = {crd for release in catalogue.load().releases for crd in release.crds}
    needed = {crd for module in discover().values() for crd in module.SCENARIO.needs_crds}
    assert needed == known


def test_images_are_those_of_the_chart() -> None:
    known = set(chart_values().spark.images.values())
    for module in discover().values():
        assert set(module.SCENARIO.images) <= known
