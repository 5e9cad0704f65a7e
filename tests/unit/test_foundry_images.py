# SPDX-License-Identifier: Apache-2.0
"""Which images the foundry builds, and under which names."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import stories
from harness.foundry import images, inventory, plan, spark
from harness.matrix import catalogue
from harness.settings import Settings

REAL = catalogue.load()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path)


def names(settings: Settings, *releases: str) -> list[str]:
    return [build.name for build in images.builders(settings, map(REAL.release, releases))]


def test_a_spark_that_no_application_runs_on_is_built_into_operator_images_only(settings: Settings) -> None:
    *sparks, own, hook = names(settings, "2.3.0")
    assert (own, hook) == ("operator-2.3.0", "hook-2.3.0")
    assert "spark-4.0.4" in sparks
    assert "spark-4.0.0" not in sparks
    operator = images.builders(settings, [REAL.release("2.3.0")])[-2]
    assert "spark-4.0.0" in [part.name for part in operator.parts]


def test_every_spark_image_of_a_scenario_is_published() -> None:
    asked = {image for scenario in stories.scenarios().values() for image in scenario.images}
    published = {spark.reference(row.version) for row in spark.catalogue().spark if row.published}
    assert {image for image in asked if image.startswith("docker.io/apache/spark:")} <= published


def test_the_copy_of_a_release_is_the_same_image_under_another_name(settings: Settings) -> None:
    *_, own, own_hook, copy, hook = images.builders(settings, [REAL.release("2.4.0"), REAL.release("2.4.0@docker.io")])
    assert (own.name, copy.name) == ("operator-2.4.0", "operator-2.4.0@docker.io")
    assert (own.recipe, own_hook.recipe) == (copy.recipe, hook.recipe)
    assert copy.reference == "docker.io/kubeflow/spark-operator:2.4.0"
    assert hook.reference == "docker.io/kubeflow/spark-operator-kubectl:2.4.0"


@pytest.mark.parametrize("wanted", [["2.2.1@docker.io"], ["2.2.1", "2.2.1@docker.io"], ["2.2.1@docker.io", "2.5.2"]])
def test_a_copy_and_its_release_share_the_chart(settings: Settings, wanted: list[str]) -> None:
    steps = plan.steps(settings, [], [REAL.release(name) for name in wanted])
    charts = [step for step in steps if step.name.startswith("chart ")]
    assert len(charts) == len({name.partition("@")[0] for name in wanted})
    assert {need for step in charts for need in step.needs} <= {step.name for step in steps}


def test_an_artefact_is_listed_by_the_name_that_upstream_gives_it(settings: Settings) -> None:
    found = inventory.current(settings, [*REAL.releases, *REAL.copies()])
    listed = {name: reference for (kind, name, _), reference in found.items() if kind == "image"}
    assert listed["operator-2.4.0"] == "ghcr.io/kubeflow/spark-operator/controller:2.4.0"
