# SPDX-License-Identifier: Apache-2.0
"""Which images `harness advise` asks registries for, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from advice_samples import CATALOGUE, HOMES

from harness.advice import images, registry, site, values
from harness.advice.objects import Stored
from harness.advice.remarks import End
from harness.advice.site import Reading
from harness.matrix.chart_facts import values as facts
from harness.registries.presence import Presence
from harness.sites.model import ClusterFacts, Operator, Site


def end(name: str) -> End:
    return End(name=name, release=CATALOGUE.release(name), defaults={"hook": {"upgradeCrd": False}})


def asked(given: Mapping[str, Any], *, origin: str = "2.2.1", to: str = "2.5.2") -> dict[str, registry.Wanted]:
    found, _ = registry.wanted(given, end(origin), end(to), CATALOGUE, HOMES, ())
    return {it.image.canonical: it for it in found}


def application(number: int, image: str, kind: str = "SparkApplication") -> Stored:
    spec: dict[str, Any] = {"image": image} if image else {}
    if kind == "ScheduledSparkApplication":
        spec = {"template": spec}
    return Stored(kind=kind, name=f"a{number}", where=f"etl/a{number}", namespace="etl", spec=spec)


def test_a_copy_in_another_registry_is_brought_from_where_upstream_publishes_it() -> None:
    found = asked({}, to="2.5.2@docker.io")
    own = found["docker.io/kubeflow/spark-operator:2.5.2"]
    assert own.step.startswith("copy the image: harness registry copy ghcr.io/kubeflow/spark-operator/controller:2.5.2")
    hook = found["docker.io/kubeflow/spark-operator-kubectl:2.5.2"]
    assert (own.stops, hook.stops) == (True, False)
    assert "ghcr.io/kubeflow/spark-operator/kubectl:2.5.2" in hook.step


@pytest.mark.parametrize(
    ("image", "step"),
    [
        ({}, "set image.registry to docker.io and image.repository to kubeflow/spark-operator in the values"),
        ({"registry": "ghcr.io"}, "set image.registry to docker.io"),
        # The chart's own repository is not the copy's.
        ({"registry": "docker.io"}, "copy the image: "),
        ({"registry": "docker.io", "repository": "kubeflow/spark-operator"}, ""),
        ({"registry": "quay.io", "repository": "acme/op"}, "copy the image: "),
    ],
)
def test_the_values_have_to_name_the_copy(image: Mapping[str, str], step: str) -> None:
    target = End(name="2.5.2@docker.io", release=CATALOGUE.release("2.5.2@docker.io"), defaults=facts("2.5.2"))
    found = values.remarks({"image": image} if image else {}, end("2.4.0"), target)
    steps = [it.step for it in found if it.step]
    assert len(steps) == bool(step)
    assert "".join(steps).startswith(step)
    assert not any("can be removed" in it.sentence.text for it in found)


def test_without_values_the_steps_name_the_copy() -> None:
    target = End(name="2.5.2@docker.io", release=CATALOGUE.release("2.5.2@docker.io"), defaults=facts("2.5.2"))
    assert [it.step.split(" to ")[0] for it in images.to_a_copy(target)] == ["set image.registry"]
    assert images.to_a_copy(end("2.5.2")) == []


def test_upstreams_own_image_cannot_be_copied_onto_itself() -> None:
    found = asked({"hook": {"upgradeCrd": True}})
    assert [(name, it.step, it.stops) for name, it in found.items()] == [
        ("ghcr.io/kubeflow/spark-operator/controller:2.5.2", "", True),
        ("ghcr.io/kubeflow/spark-operator/kubectl:2.5.2", "", True),
    ]


def test_values_of_the_registry_before_ask_for_the_new_one() -> None:
    old = {"image": {"registry": "docker.io", "repository": "kubeflow/spark-operator", "tag": "2.2.1"}}
    assert "ghcr.io/kubeflow/spark-operator/controller:2.5.2" in asked(old, origin="2.2.1@docker.io")


@pytest.mark.parametrize("image", [{"registry": ""}, {"registry": "Not A Host!"}, {"repository": "***"}])
def test_what_is_not_a_name_is_not_asked_for(image: Mapping[str, str]) -> None:
    assert [it.what for it in asked({"image": image}).values()] == ["the hook that hook.upgradeCrd turns on"]


def test_where_no_values_are_known_the_name_of_the_running_operator_counts() -> None:
    running = Operator(
        name="c", namespace="s", role="controller", image="registry.company.example/mirrors/operator:2.2.1"
    )
    facts = Site(
        made="",
        harness="",
        context="c",
        cluster=ClusterFacts(version="v1.34.4", distribution="k"),
        operators=(running,),
    )
    reading = Reading(path=None, site=facts, release=None, installer=None)  # type: ignore[arg-type]
    assert "registry.company.example/mirrors/operator:2.5.2" in asked(site.image_values(reading))


def test_the_images_of_most_applications_are_asked_for_and_the_rest_is_told() -> None:
    many = [application(number, f"r.example/etl:{number}") for number in range(30)]
    often = [application(100 + number, "r.example/etl:29", "ScheduledSparkApplication") for number in range(3)]
    none = [application(200, ""), application(201, "{{ image }}")]
    found, left = registry.wanted({}, end("2.2.1"), end("2.5.2"), CATALOGUE, HOMES, [*many, *often, *none])
    of_applications = [it for it in found if "application" in it.what]
    assert len(of_applications) == registry.MOST_APPLICATION_IMAGES
    assert (of_applications[0].image.tag, of_applications[0].what) == ("29", "4 applications")
    assert left.startswith("10 images that applications ask for: only the 20 most frequent")


def test_an_answer_that_is_none_stops_nothing_and_takes_no_step_away() -> None:
    found = list(asked({"image": {"registry": "r.example", "repository": "acme/op"}}).values())
    seen = {
        it.image.canonical: Presence(state="unknown", server="r.example", said="r.example says 503") for it in found
    }
    told = registry.remarks(found, seen)
    assert [(it.step, it.stops) for it in told] == [("", False), ("", False)]
    assert all("could not be looked up: r.example says 503" in it.sentence.text for it in told)
