# SPDX-License-Identifier: Apache-2.0
"""A release that a user brings along is installed and upgraded like any other, and can be removed.

No registry with the real one need be in reach: what is brought along is the release after it, which the foundry built
and which behaves alike, with its chart, under the names of the one before.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from runs import Run

from harness import settings
from harness.foundry import operator
from harness.foundry.imported import Imports
from harness.foundry.store import Store
from harness.matrix import catalogue
from harness.report.model import CellResult
from harness.untrusted import tarfile
from harness.verdicts import Verdict

CATALOGUE = catalogue.load()
BUILT = CATALOGUE.release("2.2.1")
BROUGHT = CATALOGUE.release("2.2.0")
CELL = f"kind-1.34/install-{BROUGHT.version}/spark-pi"
UPGRADE = f"upgrade-{BROUGHT.version}-2.5.2+crds=apply"
APPLICATION = """\
apiVersion: sparkoperator.k8s.io/v1beta2
kind: SparkApplication
metadata: {name: report, namespace: analytics}
spec:
  type: Python
  mode: cluster
  sparkVersion: 4.0.4
  image: apache/spark:4.0.4
  mainApplicationFile: local:///opt/code/slow.py
  volumes: [{name: code, configMap: {name: code}}]
  driver:
    cores: 1
    coreRequest: 100m
    memory: 512m
    serviceAccount: analytics
    volumeMounts: [{name: code, mountPath: /opt/code}]
  executor: {instances: 1, cores: 1, coreRequest: 100m, memory: 512m}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: code, namespace: analytics}
data:
  slow.py: |
    import time
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    print(spark.range(100).count(), flush=True)
    time.sleep(60)
    spark.stop()
"""
"""A user's own, which runs while the operator is replaced."""

UPGRADE_SECONDS = 780.0
"""An upgrade with its soak of 90 s takes five minutes on two cores, and its cluster one or two."""


def harness(*words: str, reports: Path | None = None) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "harness.cli", *words]
    environment = {**os.environ, **({"HARNESS_REPORTS": str(reports)} if reports else {})}
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False, env=environment)


@pytest.fixture(autouse=True)
def _own_ledgers(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of another test must not keep an import from being removed."""
    monkeypatch.setenv("HARNESS_CACHE", str(cache))


@pytest.fixture
def nothing_imported() -> Iterator[Imports]:
    """The imports of this machine, without this release; what the test imports is removed again."""
    imports = Imports.of(settings.load(environment=os.environ))
    there = imports.read()
    if there.image(BROUGHT.image) or there.chart(BROUGHT.version):
        pytest.fail(f"release {BROUGHT.version} was imported on this machine: remove it, or leave out this test")
    yield imports
    if imports.read().image(BROUGHT.image):
        harness("images", "remove", BROUGHT.image)
    if imports.read().chart(BROUGHT.version):
        harness("charts", "remove", BROUGHT.version)


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    """The foundry's image as a tar file of its OCI layout."""
    store = Store.of(settings.load(environment=os.environ))
    file = tmp_path / "operator.tar"
    with tarfile.open(file, "w") as archive:
        archive.add(operator.build(store, BUILT).folder, ".")
    return file


@pytest.fixture
def chart_file(tmp_path: Path) -> Path:
    """The foundry's chart with the version and the image that the older one has."""
    store = Store.of(settings.load(environment=os.environ))
    with tarfile.open(operator.chart(store, BUILT.version)) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "spark-operator"
    chart = yaml.safe_load((folder / "Chart.yaml").read_text())
    chart |= {"version": BROUGHT.version, "appVersion": BROUGHT.version}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(chart))
    values = yaml.safe_load((folder / "values.yaml").read_text())
    values["image"] |= {"registry": BROUGHT.registry, "repository": BROUGHT.repository}
    (folder / "values.yaml").write_text(yaml.safe_dump(values))
    file = tmp_path / "chart.tgz"
    with tarfile.open(file, "w:gz") as packed:
        packed.add(folder, "spark-operator")
    return file


def bring_along(image_file: Path, chart_file: Path) -> None:
    """Import both, and take the files away."""
    for words in (("images", "import", str(image_file), "--as", BROUGHT.image), ("charts", "import", str(chart_file))):
        done = harness(*words)
        assert done.returncode == 0, done.stderr
    image_file.unlink()
    chart_file.unlink()


def require_imported(cell: CellResult, imports: Imports) -> None:
    """The report says of the operator's image that it was imported, with its digest."""
    (used,) = (it for it in cell.images if it.reference == BROUGHT.image)
    known = imports.read().image(BROUGHT.image)
    assert known is not None
    assert (used.digest, used.obtained) == (known.digest, f"imported from operator.tar, sha256:{known.sha256}")


def test_a_release_that_was_brought_along_is_installed_and_can_be_removed(
    tmp_path: Path, nothing_imported: Imports, image_file: Path, chart_file: Path
) -> None:
    without = Run(tmp_path / "without", "--cell", CELL, "--source", "foundry")
    without.end()
    (cell,) = without.cells()
    assert cell.verdict is Verdict.UNAVAILABLE
    assert f"harness images import FILE.tar --as {BROUGHT.image}" in cell.reason
    assert f"harness charts import spark-operator-{BROUGHT.version}.tgz" in cell.reason

    bring_along(image_file, chart_file)

    run = Run(tmp_path / "with", "--cell", CELL, "--source", "foundry")
    assert run.end() == 0, run.said
    (cell,) = run.cells()
    assert cell.verdict is Verdict.PASSED
    require_imported(cell, nothing_imported)
    checks = {it.name: it.verdict for it in cell.checks}
    assert (checks["images-from-registry"], checks["image-digests"]) == (Verdict.PASSED, Verdict.PASSED)

    assert harness("images", "remove", BROUGHT.image).returncode == 0
    assert harness("charts", "remove", BROUGHT.version).returncode == 0
    again = Run(tmp_path / "again", "--cell", CELL, "--source", "foundry")
    again.end()
    assert [it.verdict for it in again.cells()] == [Verdict.UNAVAILABLE]


@pytest.mark.nightly
def test_a_release_that_was_brought_along_goes_through_an_upgrade_under_a_users_application(
    tmp_path: Path, nothing_imported: Imports, image_file: Path, chart_file: Path
) -> None:
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "report.yaml").write_text(APPLICATION)
    (tmp_path / "values.yaml").write_text("controller: {workers: 4}\n")
    scenarios = ("operator-health", "running-apps", "user-apps")
    asked = ["--path", UPGRADE, "--source", "foundry", *(word for name in scenarios for word in ("--scenario", name))]
    asked += ["--apps", str(tmp_path / "apps"), "--values", str(tmp_path / "values.yaml")]
    without = Run(tmp_path / "without", *asked)
    without.end()
    assert {it.verdict for it in without.cells()} == {Verdict.UNAVAILABLE}
    assert all("harness images import" in it.reason for it in without.cells())

    bring_along(image_file, chart_file)
    run = Run(tmp_path / "with", *asked)
    assert run.end(timeout=UPGRADE_SECONDS) == 0, run.said
    found = {it.scenario: it for it in run.cells()}
    assert set(found) == set(scenarios)
    for cell in found.values():
        assert cell.verdict is Verdict.PASSED, cell.reason
        require_imported(cell, nothing_imported)
        assert any(it.registry == "ghcr.io" and it.reference.endswith(":2.5.2") for it in cell.images)

    (own,) = (it for it in found["user-apps"].checks if it.name == "user-app report")
    assert "report.yaml:1" in own.message
    assert len(own.evidence["drivers"]["report"]) == 1

    advice = harness("advise", "--from", BROUGHT.version, "--to", "2.5.2", reports=run.reports)
    assert f"advice: {BROUGHT.version} → 2.5.2" in advice.stdout, advice.stdout
