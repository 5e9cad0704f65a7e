# SPDX-License-Identifier: Apache-2.0
"""The catalogue of operator images, and charts packed from a Go module's folder."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from harness.errors import CatalogueError
from harness.foundry import gobuild, operator, spark
from harness.foundry.assemble import LABEL_BUILT_FROM
from harness.foundry.store import Store
from harness.matrix.catalogue import read_releases
from harness.matrix.release import Release
from harness.settings import PROJECT_ROOT

RELEASES = {release.version: release for release in read_releases(PROJECT_ROOT / "charts" / "releases.toml")}
ROWS = operator.catalogue().operator


def a_release(row: operator.OperatorVersion) -> Release:
    return RELEASES[row.version]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.version)
def test_every_row_has_a_release_a_module_and_a_spark(row: operator.OperatorVersion) -> None:
    assert "foundry" in a_release(row).sources
    assert gobuild.required_version(row.module, operator.catalogue().go_module) == f"v{row.version}"
    assert gobuild.build_file(row.module).version == row.version
    assert "kubectl" in {package.rsplit("/", 1)[-1] for package in gobuild.packages(row.kubectl_module)}
    assert spark.catalogue().row(a_release(row).spark)


def test_every_release_that_claims_the_foundry_has_a_row() -> None:
    claimed = {release.version for release in RELEASES.values() if "foundry" in release.sources}
    assert claimed == {row.version for row in ROWS}


def test_the_binary_is_told_its_commit() -> None:
    for row in ROWS:
        flags = " ".join(gobuild.build_file(row.module).ldflags)
        assert f"gitCommit={row.revision}" in flags


def test_an_unknown_release_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"0\.1\.0") as caught:
        operator.chart(Store(tmp_path, tmp_path), "0.1.0")
    assert ROWS[0].version in caught.value.next_step


def test_images_say_what_they_are_made_from() -> None:
    labels = operator._config(a_release(ROWS[0])).labels
    assert labels[LABEL_BUILT_FROM] == f"github.com/kubeflow/spark-operator/v2 v{ROWS[0].version} (Go module)"
    assert labels["org.opencontainers.image.revision"] == ROWS[0].revision
    hook = operator._hook_config(ROWS[0]).labels
    assert "k8s.io/kubernetes" in hook[LABEL_BUILT_FROM]
    assert "spark-operator-harness" in hook["org.opencontainers.image.title"]


def test_the_entry_point_is_valid_bash() -> None:
    subprocess.run(["bash", "-n", spark.RECIPES / "operator" / "entrypoint.sh"], check=True, timeout=30)


def test_a_chart_is_packed_as_helm_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "module" / operator.catalogue().chart_folder
    for name in ("Chart.yaml", "templates/a.yaml", "crds/b.yaml", "ci/values.yaml", "tests/t.yaml", ".helmignore"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    # The module itself is a download of some megabytes.
    monkeypatch.setattr(gobuild, "module_folder", lambda *_: tmp_path / "module")
    packed = operator.chart(Store(tmp_path / "store", tmp_path / "logs"), ROWS[0].version)
    assert packed.name == f"spark-operator-{ROWS[0].version}.tgz"
    with tarfile.open(packed) as archive:
        files = [member.name for member in archive if member.isreg()]
    assert files == ["spark-operator/Chart.yaml", "spark-operator/crds/b.yaml", "spark-operator/templates/a.yaml"]
