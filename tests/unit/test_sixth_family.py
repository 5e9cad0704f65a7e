# SPDX-License-Identifier: Apache-2.0
"""A kind of scenarios from a package of its own: selected, planned, run, judged and reported, and named nowhere else.

The package is on the path of another process as an installed distribution would be; clusters are stand-ins, see
stand_in_run.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import stand_in_run

import harness.plugin
from harness.settings import PROJECT_ROOT

HERE = Path(__file__).parent
PATH = "kind-1.34/upgrade-2.4.0-2.5.2+crds=apply"
SCENARIOS = ("sixth-breaks", "sixth-holds")
SCHEMA = jsonschema.Draft202012Validator(json.loads((PROJECT_ROOT / "docs" / "results.schema.json").read_text()))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The variables of a process in which the package is installed."""
    paths = (PROJECT_ROOT, HERE, HERE / "sixth_family")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "HARNESS", "GITHUB"))},
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "HARNESS_CACHE": str(tmp_path / "cache"),
        "HARNESS_REPORTS": str(tmp_path / "reports"),
        stand_in_run.FOLDER: str(tmp_path),
    }


def called(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, cwd=PROJECT_ROOT)


_BOTH = "import json, sys; from harness import cli; sys.exit([cli.main(it) for it in json.loads(sys.argv[1])])"


def test_its_scenarios_are_selected_for_their_paths_alone(environment: dict[str, str]) -> None:
    # fmt: off
    selected = ["matrix", "--json", "--env", "kind-1.34", "--scenario", "sixth-*",
                "--path", "upgrade-2.4.0-2.5.2+crds=apply"]
    # fmt: on
    of_another_path = ["matrix", "--cell", "kind-1.34/install-2.5.2/sixth-holds"]
    done = called(environment, "-c", _BOTH, json.dumps([selected, of_another_path]))
    assert [cell["id"] for cell in json.loads(done.stdout)] == [f"{PATH}/{name}" for name in SCENARIOS]
    assert "sixth-holds runs on paths of kind upgrade" in done.stderr
    assert done.stderr.splitlines()[-1] == "[0, 2]"


def test_they_are_planned_run_judged_and_reported(environment: dict[str, str], tmp_path: Path) -> None:
    done = called(
        environment,
        *("-m", "pytest", "-p", "harness.plugin", "-p", "stand_in_run", "-v", "-o", f"cache_dir={tmp_path / 'pytest'}"),
        *("-W", "default", "--cell", f"{PATH}/sixth-holds", "--cell", f"{PATH}/sixth-breaks"),
        *("--cell", "kind-1.34/install-2.5.2/spark-pi", "--source", "foundry", str(harness.plugin.MATRIX_FILE)),
    )
    assert done.returncode == 1, done.stdout + done.stderr

    results: dict[str, Any] = json.loads((tmp_path / "reports" / "latest" / "results.json").read_text())
    SCHEMA.validate(results)
    cells = {cell["scenario"]: cell for cell in results["cells"]}
    assert {name: cells[name]["verdict"] for name in SCENARIOS} == {"sixth-breaks": "failed", "sixth-holds": "passed"}
    assert cells["sixth-breaks"]["reason"] == "2.4.0 of 2.4.0, 2.5.2, with sixth-things"
    assert cells["sixth-holds"]["watched"] == ["sixth-things"]
    assert "docker.io/me/x:1" in [image["reference"] for image in cells["sixth-holds"]["images"]]

    (shared,) = [it for it in results["plan"] if f"{PATH}/sixth-holds" in it["cells"]]
    assert sorted(shared["cells"]) == [f"{PATH}/{name}" for name in SCENARIOS]

    told = json.loads((tmp_path / "told.json").read_text())
    assert "install 2.4.0 for sixth-breaks sixth-shared sixth-holds" in told["events"]
    assert told["mirrors"][shared["cluster"]] == ["ghcr.io"]
    assert sorted(told["nodes"].values()) == [1, 3]
    assert "s3cr3t" in told["secrets"]
    junit = (tmp_path / "reports" / "latest" / "junit.xml").read_text()
    assert all(name in junit for name in SCENARIOS)


def test_the_harness_does_not_know_it() -> None:
    sources = [*(PROJECT_ROOT / "harness").rglob("*.py"), *(PROJECT_ROOT / "clusters").glob("*.toml")]
    assert [str(it) for it in sources if "sixth" in it.read_text()] == []
