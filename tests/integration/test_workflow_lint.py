# SPDX-License-Identifier: Apache-2.0
"""The workflows under the real actionlint, with shellcheck for their scripts; the script of the plan run by bash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness import process, settings
from harness.bootstrap import tools
from harness.ci import workflows
from harness.matrix import catalogue
from harness.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / ".github" / "workflows"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="session")
def actionlint() -> Path:
    return tools.ensure(settings.load(environment=os.environ), ["actionlint"])["actionlint"].path


def lint(actionlint: Path, *files: Path) -> process.Completed:
    argv: list[str | Path] = [actionlint, "-shellcheck", BIN / "shellcheck", "-no-color", *files]
    return process.call(argv, cwd=PROJECT_ROOT, timeout=120, check=False)


# `nox -s lint` calls the same two programs for the same files.
@pytest.mark.nightly
def test_the_workflows_are_valid(actionlint: Path) -> None:
    done = lint(actionlint, *sorted(FOLDER.glob("*.yml")))
    assert (done.returncode, done.stdout) == (0, "")


def test_the_workflow_for_the_operators_repository_is_valid(actionlint: Path, tmp_path: Path) -> None:
    made = tmp_path / "compatibility.yml"
    made.write_text(workflows.for_operator(catalogue.load(), "owner/spark-operator-harness@" + "0123abc456" * 4))
    done = lint(actionlint, made)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_wrong_workflow_is_found(actionlint: Path, tmp_path: Path) -> None:
    text = (FOLDER / "e2e.yml").read_text()
    wrong = tmp_path / "e2e.yml"
    wrong.write_text(
        text.replace("needs.plan.outputs.shards", "needs.plan.outputs.shard").replace('"$SHARDS"', "$SHARDS")
    )
    done = lint(actionlint, wrong)
    assert done.returncode == 1
    assert 'property "shard" is not defined' in done.stdout
    assert "SC2086" in done.stdout


@pytest.mark.parametrize(
    ("variables", "environments"),
    [
        ({"EVENT": "pull_request"}, {f"{it}-1.3{minor}" for it in ("kind", "k3d") for minor in (4, 5, 6, 7)}),
        # The last one is of the same event, and has paths as well.
        pytest.param(
            {"EVENT": "workflow_dispatch", "TAG": "full", "ENVIRONMENTS": "kind-1.34 k3d-1.3[67]", "SHARDS": "3"},
            {"kind-1.34", "k3d-1.36", "k3d-1.37"},
            marks=pytest.mark.nightly,
        ),
        (
            {
                "EVENT": "workflow_dispatch",
                "TAG": "any",
                "ENVIRONMENTS": "kind-1.33",
                "PATHS": "install-2.5.*",
                "SHARDS": "2",
            },
            {"kind-1.33"},
        ),
    ],
)
def test_the_plan_of_the_workflow_is_a_matrix(
    tmp_path: Path, variables: dict[str, str], environments: set[str]
) -> None:
    """`nox` is a stand-in that calls `harness matrix` as the session does: an environment of its own takes minutes."""
    steps = yaml.safe_load((FOLDER / "e2e.yml").read_text())["jobs"]["plan"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("id") == "plan"]
    nox = tmp_path / "bin" / "nox"
    nox.parent.mkdir()
    nox.write_text(
        f'#!/bin/bash\n[[ "$1 $2 $3" == "-s matrix --" ]] || exit 9\necho "nox > Running session matrix" >&2\n'
        f'shift 3; exec {sys.executable} -m harness.cli matrix "$@"\n'
    )
    nox.chmod(0o755)
    given = {"TAG": "", "ENVIRONMENTS": "", "PATHS": "", "SHARDS": "", **variables}
    output = tmp_path / "output"
    done = subprocess.run(  # the shell that GitHub would start
        ["/bin/bash", "-e", "-c", script],
        cwd=tmp_path,
        env={**os.environ, **given, "PATH": f"{nox.parent}:{os.environ['PATH']}", "GITHUB_OUTPUT": str(output),
             "HARNESS_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    name, _, value = output.read_text().partition("=")
    assert name == "shards"
    found = json.loads(value)
    assert json.loads((tmp_path / "plan.json").read_text()) == found
    assert {cell.split("/")[0] for shard in found for cell in shard["cells"]} == environments
