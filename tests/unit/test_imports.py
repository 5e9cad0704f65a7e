# SPDX-License-Identifier: Apache-2.0
"""What a user imports: charts, names of images, and what the matrix makes of them."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from harness.advice import ends
from harness.audit import subjects
from harness.errors import SettingsError, UnavailableError, UsageError
from harness.foundry.imported import ImportedImage, Imports, Records
from harness.imports import at_hand, charts, images
from harness.matrix import catalogue
from harness.matrix.imported import Imported, why_not_offered
from harness.matrix.release import ChartSource
from harness.settings import Settings

REAL = catalogue.load()
OLD = REAL.release("2.1.1")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache")


def a_chart(tmp_path: Path, *, name: str = "spark-operator", version: str = "2.1.1", content: str = "") -> Path:
    folder = tmp_path / "charts" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: {version}\n")
    (folder / "values.yaml").write_text(content)
    file = tmp_path / f"{name}-{version}.tgz"
    with tarfile.open(file, "w:gz") as archive:
        archive.add(folder, name)
    return file


def test_an_imported_chart_is_found_by_its_version(tmp_path: Path, settings: Settings) -> None:
    file = a_chart(tmp_path)
    made = charts.add(settings, file, REAL.releases)
    file.unlink()
    found = charts.find(settings, "2.1.1")
    assert found is not None
    assert (found.version, found.sha256, found.origin) == ("2.1.1", made.content, ChartSource.IMPORTED)
    assert found.reference == f"imported from spark-operator-2.1.1.tgz, sha256:{made.sha256}"
    assert charts.find(settings, "2.1.0") is None


def test_runs_audits_and_advice_find_the_imported_chart(tmp_path: Path, settings: Settings) -> None:
    assert at_hand.chart(settings, OLD) is None
    charts.add(settings, a_chart(tmp_path, content="mine: true"), REAL.releases)

    found = at_hand.chart(settings, OLD)

    assert found is not None
    assert (found.version, found.origin) == ("2.1.1", ChartSource.IMPORTED)
    nowhere = tmp_path / "no-helm"
    assert subjects._chart_of(OLD, "foundry", settings, nowhere, tmp_path) == found
    assert ends.end(settings, REAL, "2.1.1").defaults == {"mine": True}


def test_an_audit_of_a_release_that_nobody_has_says_what_helps(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(UnavailableError, match="nor imported"):
        subjects._chart_of(OLD, "foundry", settings, tmp_path / "no-helm", tmp_path)


def test_the_same_chart_again_changes_nothing_and_another_one_is_refused(tmp_path: Path, settings: Settings) -> None:
    first = charts.add(settings, a_chart(tmp_path), REAL.releases)
    assert charts.add(settings, a_chart(tmp_path), REAL.releases) == first
    with pytest.raises(UsageError, match=r"2\.1\.1 with different content was imported (.|\n)*charts remove 2\.1\.1"):
        charts.add(settings, a_chart(tmp_path, content="a: b"), REAL.releases)


def test_a_removed_chart_is_gone(tmp_path: Path, settings: Settings) -> None:
    charts.add(settings, a_chart(tmp_path), REAL.releases)
    charts.remove(settings, "2.1.1")
    assert charts.find(settings, "2.1.1") is None
    with pytest.raises(UsageError, match=r"no imported chart named '2\.1\.1'"):
        charts.remove(settings, "2.1.1")


def test_a_chart_that_was_changed_in_the_cache_is_not_used(tmp_path: Path, settings: Settings) -> None:
    made = charts.add(settings, a_chart(tmp_path), REAL.releases)
    Imports.of(settings).chart_file(made).write_bytes(a_chart(tmp_path, content="a: b").read_bytes())
    with pytest.raises(UnavailableError, match=f"expected sha256:{made.content}"):
        charts.find(settings, "2.1.1")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"name": "airflow"}, "is the chart airflow(.|\n)*named spark-operator"),
        ({"version": "2.1.9"}, "no release named '2.1.9'; did you mean"),
    ],
)
def test_another_chart_is_refused(tmp_path: Path, settings: Settings, options: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        charts.add(settings, a_chart(tmp_path, **options), REAL.releases)


def test_what_is_no_chart_is_refused(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "x.tgz").write_text("x")
    with pytest.raises(UsageError, match="cannot be read as a tar archive"):
        charts.add(settings, tmp_path / "x.tgz", REAL.releases)
    with pytest.raises(UsageError, match="does not exist"):
        charts.add(settings, tmp_path / "none.tgz", REAL.releases)
    with pytest.raises(UsageError, match="is a folder"):
        charts.add(settings, tmp_path, REAL.releases)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (
            "kubeflow/spark-operator:2.1.1",
            r"has no registry host(.|\n)*docker\.io/kubeflow/spark-operator:2\.1\.1",
        ),
        ("spark-operator:2.1.1", "has no registry host"),
        ("docker.io/kubeflow/spark-operator", "has no tag"),
        ("docker.io/kubeflow/spark-operator@sha256:" + "0" * 64, "has no tag"),
        ("docker.io/Kubeflow/spark-operator:2.1.1", "capital letters"),
    ],
)
def test_a_name_must_be_the_one_that_nodes_ask_for(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        images.full_reference(name)


def test_a_port_is_no_tag() -> None:
    assert images.full_reference("localhost:5000/a/b:1").tag == "1"
    with pytest.raises(UsageError, match="has no tag"):
        images.full_reference("localhost:5000/a/b")


def test_records_that_cannot_be_read_are_told(settings: Settings) -> None:
    imports = Imports.of(settings)
    imports.folder.mkdir(parents=True)
    (imports.folder / "imports.json").write_text("{")
    with pytest.raises(SettingsError, match=r"imports\.json cannot be read"):
        imports.read()


def test_a_docker_hub_release_says_which_imports_would_help() -> None:
    told = why_not_offered(OLD, "foundry")
    assert told.startswith("the foundry does not build release 2.1.1: ")
    assert "`harness images import FILE.tar --as docker.io/kubeflow/spark-operator:2.1.1`" in told
    assert "`harness charts import spark-operator-2.1.1.tgz`" in told


def test_what_is_imported_is_not_asked_for_again() -> None:
    with_image = Imported(images=frozenset({OLD.image}))
    told = why_not_offered(OLD, "foundry", with_image)
    assert "harness charts import" in told
    assert "harness images import" not in told
    assert not why_not_offered(OLD, "foundry", Imported(images=with_image.images, charts=frozenset({"2.1.1"})))


def test_the_image_of_the_hook_is_asked_for_where_it_runs() -> None:
    unbuilt = REAL.release("2.4.0").model_copy(update={"sources": ("upstream",)})
    there = Imported(images=frozenset({unbuilt.image}), charts=frozenset({"2.4.0"}))
    assert not why_not_offered(unbuilt, "foundry", there)
    assert f"--as {unbuilt.hook_image}" in why_not_offered(unbuilt, "foundry", there, hook=True)


def test_imports_are_the_foundrys() -> None:
    assert not why_not_offered(OLD, "upstream")
    unpublished = OLD.model_copy(update={"sources": ("foundry",)})
    assert why_not_offered(unpublished, "mirror").startswith("upstream does not publish release 2.1.1")


def test_records_come_back_as_they_were_written(settings: Settings) -> None:
    image = ImportedImage(
        reference=OLD.image,
        digest="sha256:1",
        platforms=("linux/amd64",),
        size=1,
        file="operator.tar",
        sha256="2",
        imported="2026-01-01T00:00:00+00:00",
    )
    imports = Imports.of(settings)
    with imports.changing():
        imports.write(Records(images=(image,)))
    assert imports.read().image(OLD.image) == image
    assert imports.read().imported == Imported(images=frozenset({OLD.image}))
    assert image.obtained == "imported from operator.tar, sha256:2"
