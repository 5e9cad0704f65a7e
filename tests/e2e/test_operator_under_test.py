# SPDX-License-Identifier: Apache-2.0
"""A change of the operator that nobody has published: what it changes is told, and a bug in it is found.

The checkout is a copy of the Go module of 2.5.2 with one more field in a CRD, another default value in the chart, and a
webhook that forgets the memory of executors.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from runs import Run

from harness import settings
from harness.foundry import gobuild, operator
from harness.foundry.store import Store
from harness.under_test import tree
from harness.verdicts import Verdict

pytestmark = pytest.mark.nightly

RELEASE = "2.5.2"
CHART = operator.catalogue().chart_folder
CRD = f"{CHART}/crds/sparkoperator.k8s.io_sparkapplications.yaml"
FORGOTTEN = """\
	if _, exists := sparkConf["spark.executor.memory"]; !exists && spec.Memory == nil {
		spec.Memory = new(string)
		*spec.Memory = "1g"
	}
"""
DRIVER = """\
              driver:
                description: Driver is the driver specification.
                properties:
"""
FIELD = """\
                  rackName:
                    type: string
"""
PATH_SECONDS = 1500.0
"""For building the operator, which takes minutes on two cores, and for two upgrades."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The module's files as a folder of the user's."""
    store = Store.of(settings.load(environment=os.environ))
    module = operator.catalogue().row(RELEASE).module
    source = gobuild.module_folder(store, module, operator.catalogue().go_module, tmp_path / "download.log")
    folder = tmp_path / "spark-operator"
    shutil.copytree(source, folder, copy_function=shutil.copyfile)
    return folder


def replace(file: Path, there: str, new: str) -> None:
    text = file.read_text()
    assert there in text, f"{file} has no {there!r}"
    file.write_text(text.replace(there, new, 1))


def test_what_a_change_changes_is_told_and_its_bug_is_found(tmp_path: Path, checkout: Path) -> None:
    replace(checkout / "api/v1beta2/defaults.go", FORGOTTEN, "")
    replace(checkout / CRD, DRIVER, DRIVER + FIELD)
    replace(checkout / CHART / "values.yaml", "  workers: 10\n", "  workers: 12\n")
    asked = [f"upgrade-{RELEASE}-dev+crds={crds}" for crds in ("none", "apply")]

    run = Run(
        tmp_path / "run",
        *("--operator", str(checkout), "--source", "foundry"),
        *(word for path in asked for word in ("--path", path)),
        *("--scenario", "admission", "--scenario", "operator-health"),
    )
    assert run.end(timeout=PATH_SECONDS) == 1, run.said

    told = run.results()["operator"]
    assert told["name"] == "dev"
    assert told["sha256"] == tree.read(checkout).sha256
    lines = ["CRD sparkapplications v1beta2: spec.driver.rackName is new (string)", "value controller.workers: 10 → 12"]
    assert told["changes"] == [{"release": RELEASE, "lines": lines}]
    found = {(it.path, it.scenario): it for it in run.cells()}
    for path in asked:
        admission = found[path, "admission"]
        assert admission.verdict is Verdict.FAILED, admission.reason
        assert "executor.memory is None, of dev '1g'" in admission.reason
        assert any(it.obtained.startswith("under test: built from a checkout") for it in admission.images)
        assert f"--operator {checkout}" in admission.repro
    # Helm leaves CRDs as they are, so that the new field is missing where nobody applies them.
    without, applied = ({it.name: it for it in found[path, "operator-health"].checks} for path in asked)
    assert "driver.properties.rackName: missing in the cluster" in without["crds-equal-chart"].message
    assert applied["crds-equal-chart"].verdict is Verdict.PASSED
    for checks in (without, applied):
        failed = {name for name, it in checks.items() if it.verdict is not Verdict.PASSED}
        assert failed - {"crds-equal-chart"} == {"admission-mutates"}
