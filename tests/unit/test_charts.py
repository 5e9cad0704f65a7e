# SPDX-License-Identifier: Apache-2.0
"""Charts on this disk: folders, archives and what is neither."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from harness.errors import HarnessError, PullError, UnavailableError, UsageError
from harness.matrix import catalogue
from harness.matrix.release import ChartSource
from harness.releases import charts, crds

_CHART_YAML = "apiVersion: v2\nname: spark-operator\nversion: 2.5.2\nappVersion: 2.5.2\n"
_CRD = "kind: CustomResourceDefinition\nmetadata: {name: a.example.org}\nspec: {group: example.org}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chart = tmp_path / "spark-operator"
    (chart / "crds").mkdir(parents=True)
    (chart / "templates").mkdir()
    (chart / "Chart.yaml").write_text(_CHART_YAML)
    (chart / "crds" / "a.yaml").write_text(_CRD)
    return chart


def _packed(folder: Path, name: str = "chart.tgz") -> Path:
    archive = folder.parent / name
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, folder.name)
    return archive


def test_a_chart_folder_is_read(folder: Path) -> None:
    chart = charts.from_path(folder, origin=ChartSource.FOUNDRY)
    assert (chart.name, chart.version, chart.app_version) == ("spark-operator", "2.5.2", "2.5.2")
    assert chart.origin is ChartSource.FOUNDRY
    assert chart.path == folder


def test_the_hash_of_a_folder_follows_its_content(folder: Path) -> None:
    before = charts.from_path(folder).sha256
    assert charts.from_path(folder).sha256 == before
    (folder / "templates" / "new.yaml").write_text("")
    assert charts.from_path(folder).sha256 != before


def test_an_archive_has_the_same_chart_and_crds(folder: Path) -> None:
    packed = charts.from_path(_packed(folder))
    assert packed.version == "2.5.2"
    assert crds.chart_crds(packed) == crds.chart_crds(charts.from_path(folder))
    assert list(crds.chart_crds(packed)) == ["a.example.org"]


def test_a_missing_chart_is_a_mistake_of_whoever_named_it_else_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist") as told:
        charts.from_path(tmp_path / "none")
    assert told.value.next_step
    with pytest.raises(UnavailableError, match="does not exist"):
        charts.from_path(tmp_path / "none", origin=ChartSource.FOUNDRY)


def test_what_is_no_chart_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"has no Chart\.yaml"):
        charts.from_path(tmp_path)
    text = tmp_path / "text.tgz"
    text.write_text("hello")
    with pytest.raises(UsageError, match="cannot be read as a tar archive"):
        charts.from_path(text)
    with pytest.raises(UsageError, match=r"has no Chart\.yaml"):
        charts.from_path(_packed(folder / "crds", "crds.tgz"))
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: spark-operator\n")
    with pytest.raises(UsageError, match="has no version"):
        charts.from_path(folder)
    (folder / "Chart.yaml").write_text("name: [")
    with pytest.raises(UsageError, match="not valid YAML"):
        charts.from_path(folder)


@pytest.mark.parametrize("reference", ["oci://", "oci://host", "ghcr.io/kubeflow/chart"])
def test_an_oci_reference_that_is_none(tmp_path: Path, reference: str) -> None:
    with pytest.raises(UsageError, match="not an OCI reference"):
        charts.from_oci(Path("helm"), reference, "2.5.2", tmp_path)


ASKED = 'looks like "https://x.example.com" is not a valid chart repository or cannot be reached: '


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (f'{ASKED}Get "https://x.example.com/index.yaml": dial tcp: lookup x.example.com: no such host', PullError),
        (f"{ASKED}failed to fetch https://x.example.com/index.yaml : 503 Service Unavailable", PullError),
        (f"{ASKED}failed to fetch https://x.example.com/index.yaml : 404 Not Found", UnavailableError),
        ("no chart version found for spark-operator-2.5.2", UnavailableError),
    ],
)
def test_who_kept_a_chart_away_is_told(tmp_path: Path, said: str, error: type[HarnessError]) -> None:
    helm = tmp_path / "helm"
    helm.write_text(f"#!/bin/sh\ncat >&2 <<'E'\nError: {said}\nE\nexit 1\n")
    helm.chmod(0o755)
    with pytest.raises(error, match=r"pulling the chart spark-operator 2\.5\.2 from"):
        charts.from_repository(helm, "https://x.example.com", "2.5.2", tmp_path / "charts")
    one = {"chart_repository": "https://x.example.com", "chart_oci": ""}
    row = catalogue.load().release("2.5.2").model_copy(update=one)
    with pytest.raises(error, match="there is no chart for release"):
        charts.for_release(row, helm, tmp_path / "charts")


def test_a_chart_has_the_same_hash_in_whatever_form_it_is(folder: Path) -> None:
    (folder / ".helmignore").write_text("*.bak\n")
    (folder / "README.md").write_text("# A chart\n")
    chart = charts.from_path(folder)
    packed = charts.from_path(_packed(folder))
    charts.pack(chart, folder.parent / "by-us" / "chart.tgz")
    charts.pack(packed, folder.parent / "copied.tgz")

    assert packed.sha256 == chart.sha256
    assert charts.from_path(folder.parent / "by-us" / "chart.tgz").sha256 == chart.sha256
    assert charts.from_path(folder.parent / "copied.tgz").sha256 == chart.sha256


def test_the_layout_of_chart_yaml_does_not_count_and_its_content_does(folder: Path) -> None:
    before = charts.from_path(folder).sha256
    (folder / "Chart.yaml").write_text("appVersion: '2.5.2'\n" + _CHART_YAML.replace("appVersion: 2.5.2\n", ""))
    assert charts.from_path(folder).sha256 == before
    (folder / "Chart.yaml").write_text(_CHART_YAML + "description: another\n")
    assert charts.from_path(folder).sha256 != before
