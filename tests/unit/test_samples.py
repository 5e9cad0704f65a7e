# SPDX-License-Identifier: Apache-2.0
"""The chart of samples as data."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.apps.samples import CHART, chart_values
from harness.errors import CatalogueError
from harness.stories.installs.scenarios import discover

OF_TWO_SAMPLES = {"spark-connect": ["spark-connect", "spark-connect-client"], "namespaces": ["spark-pi"]}


def test_both_spark_versions_have_an_image() -> None:
    spark = chart_values().spark
    assert spark.images[spark.version].endswith(f":{spark.version}")
    assert spark.images[spark.older_version].endswith(f":{spark.older_version}")


@pytest.mark.parametrize("scenario", list(discover()))
def test_every_scenario_has_its_samples(scenario: str) -> None:
    for sample in OF_TWO_SAMPLES.get(scenario, [scenario]):
        assert (CHART / "templates" / f"{sample}.yaml").is_file()


def test_every_sample_is_told_of_in_the_readme() -> None:
    readme = (CHART / "README.md").read_text()
    for template in (CHART / "templates").glob("*.yaml"):
        assert f"`{template.stem}`" in readme


def test_values_without_an_image_are_refused_with_the_file(tmp_path: Path) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    del values["spark"]["images"]["3.5.5"]
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    with pytest.raises(CatalogueError, match=r"values\.yaml: spark\.images has no entry for Spark 3\.5\.5"):
        chart_values(file)


def test_values_that_are_no_yaml_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("spark: [")
    with pytest.raises(CatalogueError, match=r"values\.yaml cannot be used"):
        chart_values(file)
