# SPDX-License-Identifier: Apache-2.0
"""Where the operator's images live is read from the rows of releases, and judged by them."""

from __future__ import annotations

import pytest

from harness.audit.findings import RULES, Severity
from harness.audit.homes import Homes
from harness.images.references import ImageReference, is_tagged
from harness.matrix import catalogue
from harness.matrix.model import Release

HUB = "docker.io/kubeflow/spark-operator"
GHCR = "ghcr.io/kubeflow/spark-operator/controller"
HOOK = "ghcr.io/kubeflow/spark-operator/kubectl"


@pytest.fixture(scope="module")
def homes() -> Homes:
    return Homes(catalogue.load().releases)


def test_the_rows_say_where_each_image_lives(homes: Homes) -> None:
    assert [(home.role, home.name) for home in homes.all] == [("operator", HUB), ("operator", GHCR), ("hook", HOOK)]
    assert homes.current("operator").name == GHCR


@pytest.mark.parametrize(
    ("text", "rule", "replacement"),
    [
        (f"{HUB}:2.5.2", "stale-registry", f"{GHCR}:2.5.2"),
        ("kubeflow/spark-operator:2.2.0", "stale-registry", f"{GHCR}:2.2.0"),
        (f"{HUB}:2.6.0-rc.1", "stale-registry", f"{GHCR}:2.6.0-rc.1"),
        (HUB, "stale-registry", GHCR),
        (f"{HUB}:2.1.1", "old-release", f"{GHCR}:2.5.2"),
        (f"{HUB}:v1beta2-1.3.8-3.1.1", "old-release", f"{GHCR}:2.5.2"),
        ("ghcr.io/kubeflow/spark-operator:2.5.2", "mixed-up-host", f"{GHCR}:2.5.2"),
        ("ghcr.io/kubeflow/spark-operator:2.1.1", "mixed-up-host", f"{HUB}:2.1.1"),
        ("ghcr.io/kubeflow/spark-operator", "mixed-up-host", GHCR),
        ("docker.io/kubeflow/spark-operator/controller:2.5.2", "mixed-up-host", f"{GHCR}:2.5.2"),
        ("docker.io/kubeflow/spark-operator/kubectl:2.4.0", "mixed-up-host", f"{HOOK}:2.4.0"),
        (f"{GHCR}:2.1.1", "not-published", f"{HUB}:2.1.1"),
        (f"{HOOK}:2.2.0", "not-published", f"{HOOK}:2.3.0"),
        (f"{GHCR}:v2.5.2", "tag-with-v", f"{GHCR}:2.5.2"),
        (f"{HUB}:v2.5.2", "tag-with-v", f"{GHCR}:2.5.2"),
    ],
)
def test_a_name_that_points_at_the_wrong_place_is_put_right(
    homes: Homes, text: str, rule: str, replacement: str
) -> None:
    finding = homes.judge(ImageReference.parse(text), tagged=is_tagged(text))

    assert finding
    assert (finding.rule, finding.replacement) == (rule, replacement)
    assert finding.severity is RULES[rule].severity
    assert replacement in str(finding)


@pytest.mark.parametrize(
    "text",
    [
        f"{GHCR}:2.5.2",
        f"{GHCR}:2.9.0",
        f"{GHCR}:latest",
        f"{HOOK}:2.3.0",
        "spark:3.5.5",
        "docker.io/apache/spark:4.0.4",
        "docker.io/kubeflow/spark-history-server:1",
        "harbor.example.com/kubeflow/spark-operator:2.5.2",
        "ghcr.io/kubeflow/spark-operator/controller-dev:1",
    ],
)
def test_what_is_right_or_none_of_ours_is_left_alone(homes: Homes, text: str) -> None:
    assert homes.judge(ImageReference.parse(text), tagged=is_tagged(text)) is None


def test_another_move_is_another_row_and_no_code() -> None:
    rows = [
        Release(version=version, date="2027-01-01", registry=registry, repository=name, spark="4.0.4", crds=("a",))
        for version, registry, name in [("3.0.0", "ghcr.io", "a/b"), ("3.1.0", "quay.example", "c/d")]
    ]

    finding = Homes(rows).judge(ImageReference.parse("ghcr.io/a/b:3.1.0"))

    assert finding
    assert finding.replacement == "quay.example/c/d:3.1.0"


def test_relocated_releases_are_no_homes() -> None:
    row = Release(
        version="2.2.1", date="2025-06-26", registry="docker.io", repository="a/b", spark="3.5.5", crds=("a",)
    )
    moved = row.model_copy(update={"relocated": True, "registry": "harbor.example.com"})

    assert [home.name for home in Homes([row, moved]).all] == ["docker.io/a/b"]


def test_only_errors_make_an_audit_fail() -> None:
    assert {rule.name for rule in RULES.values() if rule.severity is Severity.ERROR} == {
        "stale-registry", "mixed-up-host", "not-published", "tag-with-v", "malformed", "missing", "refused",
    }  # fmt: skip
