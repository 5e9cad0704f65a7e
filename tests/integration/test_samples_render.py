# SPDX-License-Identifier: Apache-2.0
"""The samples as Helm really renders them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from harness.apps import samples
from harness.apps.context import ScenarioContext
from harness.errors import CommandError
from harness.kube.cluster import Cluster
from harness.matrix.model import RESTRICTED, Environment
from harness.matrix.release import Release
from harness.process import call
from harness.waiting import Deadline

SAMPLES = sorted(file.stem for file in (samples.CHART / "templates").glob("*.yaml"))
IMAGES = {"4.0.4": "mirror.example/spark:4.0.4", "3.5.5": "mirror.example/spark:3.5.5"}

Render = Callable[..., list[samples.Manifest]]


@pytest.fixture
def context(helm_binary: Path, tmp_path: Path) -> ScenarioContext:
    """The surroundings of a cell whose images come from elsewhere; rendering needs no cluster."""
    return ScenarioContext(
        cluster=Cluster(
            name="none",
            environment=Environment(name="kind-1.34", provider="kind", kubernetes="1.34.4"),
            kubeconfig=tmp_path / "none",
            nodes=(),
        ),
        release=Release(
            version="2.5.2", date="2026-07-30", registry="ghcr.io", repository="r", spark="4.0.4", crds=("a",)
        ),
        chart=cast(Any, None),
        namespace="somewhere",
        operator_namespace="spark-operator",
        helm=helm_binary,
        folder=tmp_path / "cell",
        spark_images=IMAGES,
        deadline=Deadline(seconds=60),
    )


def images(value: Any) -> set[str]:
    """Every image in a manifest."""
    if isinstance(value, dict):
        own = {value["image"]} if isinstance(value.get("image"), str) else set()
        return own.union(*(images(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(images(inner) for inner in value))
    return set()


def ran_by(manifest: samples.Manifest) -> list[dict[str, Any]]:
    """What a manifest says of each container: drivers and executors of applications, and the containers of pods."""
    spec = manifest["spec"]
    if manifest["kind"] == "Pod":
        return list(spec["containers"])
    if manifest["kind"] == "SparkConnect":
        return [it for role in ("server", "executor") for it in spec[role]["template"]["spec"]["containers"]]
    application = spec.get("template", spec)
    return [application["driver"], application["executor"]]


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_is_in_the_namespace_with_the_image_and_a_name_that_the_operator_takes(
    context: ScenarioContext, sample: str
) -> None:
    manifests = samples.render(context, sample)
    main = manifests[-1]
    assert {manifest["metadata"]["namespace"] for manifest in manifests} == {"somewhere"}
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", main["metadata"]["name"])
    assert images(main) == {IMAGES["3.5.5" if sample == "spark-3.5" else "4.0.4"]}


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_is_marked_as_one_so_that_it_can_be_cleared_away(context: ScenarioContext, sample: str) -> None:
    marks = [it["metadata"]["labels"]["app.kubernetes.io/part-of"] for it in samples.render(context, sample)]
    assert set(marks) == {"spark-samples"}


def test_what_was_rendered_stays_in_the_cells_folder(context: ScenarioContext) -> None:
    manifests = samples.render(context, "config-map", {"phrase": "hello"})
    assert list(yaml.safe_load_all((context.folder / "config-map.yaml").read_text())) == manifests
    assert yaml.safe_load((context.folder / "config-map-values.yaml").read_text())["phrase"] == "hello"


def test_values_reach_the_manifest(context: ScenarioContext) -> None:
    settings = samples.render(context, "config-map", {"phrase": "hello"})[1]
    assert settings["data"] == {"phrase.txt": "hello"}


def test_a_memory_limit_is_left_out_by_a_null(context: ScenarioContext) -> None:
    values = {"customResources": {"executor": {"memoryLimit": None}}}
    with_it, without = (samples.render(context, "custom-resources", it)[0]["spec"] for it in ({}, values))
    assert with_it["executor"].pop("memoryLimit") == "1000m"
    assert with_it == without


def test_a_spark_version_without_an_image_is_refused_in_helms_words(context: ScenarioContext) -> None:
    with pytest.raises(CommandError, match=r"spark\.images has no entry for Spark 9\.9\.9"):
        samples.render(context, "spark-pi", {"spark": {"version": "9.9.9"}})


def test_the_chart_is_sound(helm_binary: Path) -> None:
    call([helm_binary, "lint", "--strict", samples.CHART], timeout=60)


def test_a_sample_runs_on_the_version_of_its_cell(context: ScenarioContext) -> None:
    (made,) = samples.render(replace(context, spark_version="3.5.5"), "spark-pi")
    assert (made["spec"]["sparkVersion"], made["spec"]["image"]) == ("3.5.5", IMAGES["3.5.5"])


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_fits_a_namespace_that_is_restricted(context: ScenarioContext, sample: str) -> None:
    environment = context.cluster.environment.model_copy(update={"addons": (RESTRICTED,)})
    restricted = replace(context, cluster=replace(context.cluster, environment=environment))
    containers = ran_by(samples.render(restricted, sample)[-1])
    assert containers
    assert all(it["securityContext"]["allowPrivilegeEscalation"] is False for it in containers)
