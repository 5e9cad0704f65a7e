# SPDX-License-Identifier: Apache-2.0
"""The image that the chart asks for is that of its templates, and everyone who judges values says the same of it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.advice import values as advice
from harness.advice.remarks import End
from harness.audit import gather
from harness.audit.homes import Homes
from harness.matrix import catalogue
from harness.releases import asked, chart_image

CATALOGUE = catalogue.load()
NEWEST = CATALOGUE.releases[-1]
GHCR = "ghcr.io/kubeflow/spark-operator/controller"

VALUES: list[tuple[dict[str, Any], str]] = [
    ({}, f"{GHCR}:{NEWEST.version}"),
    ({"tag": "v2.5.2"}, f"{GHCR}:v2.5.2"),
    ({"tag": ""}, f"{GHCR}:{NEWEST.version}"),
    ({"registry": "docker.io"}, f"docker.io/kubeflow/spark-operator/controller:{NEWEST.version}"),
    ({"tag": 20240115}, f"{GHCR}:2.0240115e+07"),
    ({"tag": 120000.0}, f"{GHCR}:120000"),
    ({"tag": 2.10}, f"{GHCR}:2.1"),
    ({"tag": True}, f"{GHCR}:true"),
    ({"registry": "", "repository": "docker.io/a/b", "tag": 1}, "/docker.io/a/b:1"),
    ({"repository": "acme.azurecr.io/op", "tag": "2.5.0"}, "ghcr.io/acme.azurecr.io/op:2.5.0"),
    ({"registry": "ghcr.io/kubeflow", "repository": "spark-operator/controller"}, f"{GHCR}:{NEWEST.version}"),
]


@pytest.mark.parametrize(("image", "text"), VALUES)
def test_parts_are_joined_as_the_template_joins_them(image: dict[str, Any], text: str) -> None:
    own = {"registry": NEWEST.registry, "repository": NEWEST.repository, "version": NEWEST.version}

    assert chart_image.rendered({"image": image}, "image", **own).text == text
    assert asked.operator_image(NEWEST, {"image": image}) == text


@pytest.mark.parametrize(("image", "text"), [it for it in VALUES if "tag" in it[0] and it[0]["tag"]])
def test_the_audit_judges_what_the_chart_asks_for(image: dict[str, Any], text: str) -> None:
    found = gather.of_values({"image": image}, "values.yaml", Homes(CATALOGUE.releases))

    assert [it.text for it in found] == [text]


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ({"tag": 20240115}, "image.tag is a number, which Helm writes as 2.0240115e+07"),
        ({"tag": "v2.4.0"}, "there is no image with the tag v2.4.0: tags are versions without v"),
        ({"repository": "acme.azurecr.io/op"}, f"asks for ghcr.io/acme.azurecr.io/op:{NEWEST.version}"),
        ({"registry": "", "repository": "docker.io/a/b"}, f"makes the name /docker.io/a/b:{NEWEST.version}"),
        ({"registry": "ghcr.io/kubeflow", "repository": "spark-operator/controller"}, "this is the default of 2.5.2"),
    ],
)
def test_the_advice_is_about_what_the_chart_asks_for(image: dict[str, Any], told: str) -> None:
    origin, target = End(name="2.4.0", release=CATALOGUE.release("2.4.0")), End(name="2.5.2", release=NEWEST)

    assert told in " ".join(it.text for it in advice.judge({"image": image}, origin, target))


def test_values_of_an_umbrella_chart_are_found_below_its_key_at_any_depth() -> None:
    own = {"image": {"tag": "2.5.2"}}

    assert list(chart_image.of_operator(own)) == [("", own)]
    assert list(chart_image.of_operator({"spark-operator": own})) == [("spark-operator.", own)]
    assert list(chart_image.of_operator({"platform": {"sparkOperator": own}, "image": {}})) == [
        ("platform.sparkOperator.", own)
    ]


def test_a_subchart_that_is_switched_off_asks_for_nothing() -> None:
    switched = {"spark-operator": {"enabled": False, "image": {"registry": "docker.io", "repository": "a/b"}}}

    assert list(chart_image.of_operator(switched)) == []
    assert gather.of_values(switched, "values.yaml", Homes(CATALOGUE.releases)) == []


def test_the_advice_finds_an_alias_of_an_umbrella_chart() -> None:
    origin, target = End(name="2.4.0", release=CATALOGUE.release("2.4.0")), End(name="2.5.2", release=NEWEST)
    (told, *_) = advice.judge({"platform": {"sparkOperator": {"image": {"tag": "v2.5.2"}}}}, origin, target)

    assert told.text.startswith("platform.sparkOperator.image.tag: there is no image with the tag v2.5.2")
