# SPDX-License-Identifier: Apache-2.0
"""Where the operator's images live is read from the rows of releases, and judged by them."""

from __future__ import annotations

import pytest

from harness.audit import history
from harness.audit.findings import RULES, Severity
from harness.audit.homes import Homes
from harness.errors import CatalogueError
from harness.images.references import ImageReference, is_tagged
from harness.matrix import catalogue
from harness.matrix.release import Release
from harness.toml_source import TomlSource

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
        (f"{HUB}:2.6.0-rc.1", "stale-registry", ""),
        (f"{HUB}:2.9.0", "stale-registry", ""),
        (HUB, "stale-registry", GHCR),
        (f"{HUB}:2.1.1", "old-release", f"{GHCR}:2.5.2"),
        (f"{HUB}:v1beta2-1.6.2-3.5.0", "old-release", f"{GHCR}:2.5.2"),
        (f"{HUB}:v1beta2-1.3.8-3.1.1", "not-published", ""),
        (f"{HUB}:v1beta2-1.4.2-3.5.0", "not-published", "ghcr.io/kubeflow/spark-operator:v1beta2-1.4.2-3.5.0"),
        (f"{HUB}:1.4.6", "not-published", ""),
        (f"{HUB}:2.0.7", "not-published", ""),
        (f"{GHCR}:2.3.1", "not-published", ""),
        (f"{GHCR}:2.5", "not-published", ""),
        ("ghcr.io/kubeflow/spark-operator:v1beta2-1.4.3-3.5.0", "old-release", f"{GHCR}:2.5.2"),
        ("ghcr.io/kubeflow/spark-operator:v1beta2-1.4.4-3.5.0", "not-published", f"{HUB}:v1beta2-1.4.4-3.5.0"),
        ("ghcr.io/kubeflow/spark-operator/spark-operator:2.1.0", "not-published", f"{HUB}:2.1.0"),
        ("ghcr.io/kubeflow/spark-operator/webhook:2.5.2", "not-published", f"{GHCR}:2.5.2"),
        ("ghcr.io/googlecloudplatform/spark-operator:v1beta2-1.3.8-3.1.1", "stale-registry", f"{GHCR}:2.5.2"),
        ("gcr.io/spark-operator/spark-operator", "stale-registry", f"{GHCR}:2.5.2"),
        ("gcr.io/spark-operator/spark:v3.1.1", "stale-registry", ""),
        ("ghcr.io/docker.io/kubeflow/spark-operator:2.5.2", "host-in-repository", f"{GHCR}:2.5.2"),
        ("ghcr.io/acme.azurecr.io/op:2.5.0", "host-in-repository", "acme.azurecr.io/op:2.5.0"),
        (f"{HUB}:2.5.2@sha256:{'3' * 64}", "stale-registry", ""),
        (f"{HUB}@sha256:{'3' * 64}", "stale-registry", ""),
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
        "ghcr.io/kubeflow/spark-operator-dev:1",
        "harbor.example.com/docker.io/kubeflow/spark-operator:2.5.2",
        f"{HUB}:local",
        f"{HUB}:pr-12",
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
        "host-in-repository", "chart-address", "chart-repository-gone",
    }  # fmt: skip


def test_every_row_of_the_history_is_dated_and_has_its_source() -> None:
    rows = history.read()

    assert [it.name for it in rows.homes if not it.until or not it.source] == []
    assert {it.state for it in rows.homes} == {"kept", "lost", "unknown"}
    assert all(it.home in rows.names for it in rows.charts)


def test_a_mistake_in_the_history_is_told_with_its_line() -> None:
    broken = TomlSource(text='[[home]]\nname = "gcr.io/a/b"\nrole = "operator"\nuntil = "2022"\n')

    with pytest.raises(CatalogueError, match="line 4: key until"):
        history.read(broken)


@pytest.mark.parametrize(
    ("written", "newest"),
    [
        ("2.4.0", "2.4.0"),
        ("v2.4.0", "2.4.0"),
        ("=2.4.0", "2.4.0"),
        ("2.1.x", "2.1.1"),
        ("2.1", "2.1.1"),
        ("~2.0.1", "2.0.2"),
        ("~2.1", "2.1.1"),
        ("~> 2.1", "2.1.1"),
        (">=2.0.0 <2.2.0", "2.1.1"),
        (">= 2.0, < 2.1", "2.0.2"),
        ("1.x", "1.0.0"),
        (">=1.1.0 <2.0.0", "1.1.0"),
        ("9.9.9", "9.9.9"),
        ("", ""),
    ],
)
def test_the_newest_release_that_a_range_allows(written: str, newest: str, homes: Homes) -> None:
    assert homes.newest(written) == newest


@pytest.mark.parametrize("written", ["2.x", "2", "^2.0.0", "^2.1", "~2", ">=2.2", ">=2.0.0 <3"])
def test_an_open_range_means_the_newest_of_all(written: str, homes: Homes) -> None:
    assert homes.newest(written) == homes.current("operator").versions[-1]


@pytest.mark.parametrize(
    ("written", "newest"),
    [
        ("~2.1", "2.1.1"),
        ("~> 2.1", "2.1.1"),
        ("<=2", "2.5.2"),
        ("<=2.1", "2.1.1"),
        ("=<2.0", "2.0.2"),
        (">2.1", "2.5.2"),
        (">2", "3.0.0"),
        ("1.1.0 - 2", "2.5.2"),
        (">2.0.0, <2.2", "2.1.1"),
    ],
)
def test_a_range_is_read_as_helm_reads_it(homes: Homes, written: str, newest: str) -> None:
    assert homes.newest(written) == newest
