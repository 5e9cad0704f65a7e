# SPDX-License-Identifier: Apache-2.0
"""A release of Docker Hub that a user brings along is installed like any other, and gone when it is removed.

No registry with the real one need be in reach: what is brought along is a release that the foundry built, with its
chart, under the older one's names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from runs import Run, Things

from harness import settings
from harness.foundry import operator
from harness.foundry.store import Store
from harness.imports.records import Imports
from harness.matrix import catalogue
from harness.verdicts import Verdict

CATALOGUE = catalogue.load()
BUILT = CATALOGUE.release("2.2.1")
BROUGHT = CATALOGUE.release("2.1.1")
CELL = f"kind-1.34/install-{BROUGHT.version}/spark-pi"


def harness(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "harness.cli", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)


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


def test_a_release_that_was_brought_along_is_installed_and_can_be_removed(
    tmp_path: Path, before: Things, nothing_imported: Imports, image_file: Path, chart_file: Path
) -> None:
    without = Run(tmp_path / "without", "--cell", CELL, "--source", "foundry")
    without.end()
    (cell,) = without.cells()
    assert cell.verdict is Verdict.UNAVAILABLE
    assert f"harness images import FILE.tar --as {BROUGHT.image}" in cell.reason
    assert f"harness charts import spark-operator-{BROUGHT.version}.tgz" in cell.reason

    for words in (("images", "import", str(image_file), "--as", BROUGHT.image), ("charts", "import", str(chart_file))):
        done = harness(*words)
        assert done.returncode == 0, done.stderr
    image_file.unlink()
    chart_file.unlink()

    run = Run(tmp_path / "with", "--cell", CELL, "--source", "foundry")
    assert run.end() == 0, run.log.read_text(errors="replace")
    (cell,) = run.cells()
    assert cell.verdict is Verdict.PASSED
    (used,) = (it for it in cell.images if it.reference == BROUGHT.image)
    known = nothing_imported.read().image(BROUGHT.image)
    assert known is not None
    assert (used.digest, used.obtained) == (known.digest, f"imported from operator.tar, sha256:{known.sha256}")
    checks = {it.name: it.verdict for it in cell.checks}
    assert (checks["images-from-registry"], checks["image-digests"]) == (Verdict.PASSED, Verdict.PASSED)

    assert harness("images", "remove", BROUGHT.image).returncode == 0
    assert harness("charts", "remove", BROUGHT.version).returncode == 0
    again = Run(tmp_path / "again", "--cell", CELL, "--source", "foundry")
    again.end()
    assert [it.verdict for it in again.cells()] == [Verdict.UNAVAILABLE]
    assert Things.now() == before
