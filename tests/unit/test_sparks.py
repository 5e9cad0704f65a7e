# SPDX-License-Identifier: Apache-2.0
"""Spark versions as a dimension: which cells a command line and a row select, and what is said of a wrong version."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import cast

import pytest

from harness import options, stories
from harness.apps.samples import chart_values
from harness.errors import BuildError, UsageError
from harness.foundry import images, plan, spark
from harness.foundry.images import ImageBuild
from harness.matrix import catalogue, sparks
from harness.matrix.model import Scenario
from harness.matrix.rules import Exclusion, Rules, Tier
from harness.matrix.select import Selection, choose
from harness.run import spark_images
from harness.run.setup import Request
from harness.settings import Settings

REAL = catalogue.load()
IMAGES = {version: f"registry.example/spark:{version}" for version in ("4.0.4", "4.1.4", "3.5.9")}
PI = Scenario(name="spark-pi", summary="π", spark="4.0.4", sparks=IMAGES, images=(IMAGES["4.0.4"], "other.example/a:1"))
TTL = Scenario(name="ttl", summary="no version to choose")
SCENARIOS = {it.name: it for it in (PI, TTL)}
CATALOGUE = dataclasses.replace(
    REAL,
    rules=Rules(
        tiers=(
            Tier(name="plain", environments=("kind-1.34",), paths=("install-2.5.2",), scenarios=("*",)),
            Tier(name="wide", environments=("kind-1.34",), paths=("install-2.5.2",), scenarios=("*",), spark=("4.*",)),
        ),
        exclusions=(
            Exclusion(paths=("install-2.2.1",), spark=("4.1.*",), reason="too new", link="https://example.com/why"),
        ),
    ),
)
_WHERE = "kind-1.34/install-2.5.2/"


def ids(**given: tuple[str, ...]) -> list[str]:
    return [cell.id.removeprefix(_WHERE) for cell in choose(CATALOGUE, Selection(**given), SCENARIOS).cells]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"scenarios": ("*",)}, ["spark-pi", "ttl"]),
        ({"spark": ("4.1.4",)}, ["spark-pi+spark=4.1.4"]),
        ({"spark": ("*",)}, ["spark-pi", "spark-pi+spark=3.5.9", "spark-pi+spark=4.1.4", "ttl"]),
        ({"spark": ("!4.1.4",)}, ["spark-pi", "spark-pi+spark=3.5.9", "ttl"]),
        ({"spark": ("4.0.4",)}, ["spark-pi"]),
        ({"cells": (f"{_WHERE}spark-pi+spark=3.5.9",)}, ["spark-pi+spark=3.5.9"]),
        ({"cells": (f"{_WHERE}spark-pi+spark=3.5.9",), "spark": ("3.*",)}, ["spark-pi+spark=3.5.9"]),
        ({"tags": ("plain",)}, ["spark-pi", "ttl"]),
        ({"tags": ("wide",)}, ["spark-pi", "spark-pi+spark=4.1.4"]),
        ({"tags": ("wide",), "environments": ("kind-1.34",)}, ["spark-pi", "spark-pi+spark=4.1.4"]),
    ],
)
def test_versions_are_selected_by_name_and_glob(given: dict[str, tuple[str, ...]], found: list[str]) -> None:
    assert ids(**given) == found


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"spark": ("4.1.5",)}, "there is no Spark version named '4.1.5'; did you mean 4.1.4"),
        ({"spark": ("5.*",)}, "no Spark version matches '5.*'"),
        ({"spark": ("4.1.4",), "scenarios": ("ttl",)}, "the scenario ttl has no Spark version to choose"),
        ({"cells": (f"{_WHERE}ttl+spark=4.1.4",)}, "the scenario ttl has no Spark version to choose"),
        ({"cells": (f"{_WHERE}spark-pi+spark=4.0.4",)}, "applications of spark-pi run on Spark 4.0.4 anyway"),
        ({"cells": (f"{_WHERE}spark-pi+spark=4.9.9",)}, "there is no Spark version named '4.9.9'"),
        ({"cells": (f"{_WHERE}spark-pie+spark=4.1.4",)}, "there is no scenario named 'spark-pie'"),
        ({"cells": (f"{_WHERE}spark-pi",), "spark": ("4.1.4",)}, "contradicts --spark 4.1.4"),
        ({"paths": ("install-2.2.1",), "spark": ("4.1.4",)}, "is excluded: too new"),
    ],
)
def test_a_version_that_cannot_be_is_explained(given: dict[str, tuple[str, ...]], told: str) -> None:
    with pytest.raises(UsageError, match=told.replace("*", r"\*").replace("+", r"\+")):
        ids(**given)


def test_an_exclusion_of_a_version_leaves_the_others() -> None:
    chosen = choose(CATALOGUE, Selection(paths=("install-2.2.1",), spark=("*",)), SCENARIOS)
    assert [cell.scenario.name for cell in chosen.cells] == ["spark-pi", "spark-pi+spark=3.5.9", "ttl"]
    assert [out.cell.scenario.spark for out in chosen.left_out] == ["4.1.4"]


def test_applications_of_another_version_have_its_image_and_a_namespace_of_their_own() -> None:
    on = sparks.on(PI, "4.1.4")
    assert (on.spark, on.base, on.images) == ("4.1.4", "spark-pi", (IMAGES["4.1.4"], "other.example/a:1"))
    assert on.namespace == "spark-pi-spark-4-1-4"
    assert sparks.on(PI, "4.0.4") is PI


def test_a_request_is_told_with_its_versions() -> None:
    wanted = options.RunOptions(selection=Selection(spark=("4.1.4", "3.*")))
    assert options.words(wanted) == ["--spark", "4.1.4", "--spark", "3.*"]


def test_every_version_of_the_samples_has_an_image_that_the_foundry_builds() -> None:
    offered = {image for it in stories.scenarios().values() for image in it.sparks.values()}
    assert offered == set(chart_values().spark.images.values())
    assert offered == {spark.reference(row.version) for row in spark.catalogue().spark if row.published}


def test_a_bootstrap_builds_only_the_versions_that_it_is_asked_for(tmp_path: Path) -> None:
    def built(*wanted: str) -> set[str]:
        return {step.name for step in plan.steps(Settings(cache_dir=tmp_path), [], [], wanted)}

    assert built() == {"image spark-3.5.5", "image spark-4.0.4"}
    assert built("docker.io/apache/spark:4.1.4") - built() == {"image spark-4.1.4"}


@dataclasses.dataclass
class Build:
    """Stands for an image that takes minutes to build."""

    reference: str
    on_demand: bool = True
    there: bool = False
    broken: bool = False
    built: bool = False

    def done(self) -> bool:
        return self.there

    def build(self, say: object) -> None:
        if self.broken:
            raise BuildError("pip could not fetch it")
        self.built = True


def test_a_run_builds_what_its_cells_need_and_goes_on_without_what_cannot_be_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted, broken = Build(IMAGES["4.1.4"]), Build(IMAGES["3.5.9"], broken=True)
    others = [Build("registry.example/spark:1"), Build(IMAGES["4.0.4"], on_demand=False), Build("x", there=True)]
    monkeypatch.setattr(
        images, "builders", lambda settings, releases: cast(list[ImageBuild], [*others, wanted, broken])
    )
    cells = choose(CATALOGUE, Selection(spark=("*",)), SCENARIOS).cells
    asked = cast(Request, type("Asked", (), {"cells": cells, "settings": Settings(cache_dir=tmp_path)}))
    said: list[str] = []
    spark_images.build_missing(asked, "upstream", said.append)
    assert not wanted.built
    spark_images.build_missing(asked, "foundry", said.append)
    assert wanted.built
    assert not any(it.built for it in others)
    assert said[-1] == f"{broken.reference} cannot be built: pip could not fetch it"
