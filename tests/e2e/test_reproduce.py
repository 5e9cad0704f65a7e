# SPDX-License-Identifier: Apache-2.0
"""A red cell is red again: from its printed line, in another clone, for the same reason; and one can look into it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from runs import CELL, Run, Things, docker

from harness.process import RUN_VARIABLE
from harness.settings import PROJECT_ROOT
from harness.verdicts import Verdict

VALUES = Path(__file__).parent / "data" / "no-rights.yaml"


def harness(checkout: Path, *words: str, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
    """The `harness` of a checkout, run there, without the variables of this one."""
    ours = {RUN_VARIABLE, "HARNESS_REPORTS"}
    environment = {key: value for key, value in os.environ.items() if key not in ours} | {"PYTHONPATH": str(checkout)}
    argv = [sys.executable, "-m", "harness.cli", *words]
    return subprocess.run(argv, cwd=checkout, env=environment, capture_output=True, text=True, timeout=timeout)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Another checkout of this commit."""
    target = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(PROJECT_ROOT), str(target)], check=True, timeout=60)
    return target


def printed_line(log: Path) -> str:
    (line,) = re.findall(r"^  repro:    nox -s e2e -- (.*)$", log.read_text(), re.M)
    return str(line)


def test_the_printed_line_fails_again_in_another_clone_and_the_cluster_can_be_looked_into(
    tmp_path: Path, clone: Path, before: Things
) -> None:
    values = tmp_path / "values.yaml"
    shutil.copy(VALUES, values)
    first = Run(tmp_path / "first", "--cell", CELL, "--values", str(values))
    assert first.end() == 1, first.log.read_text(errors="replace")
    (red,) = first.cells()
    assert red.verdict is Verdict.FAILED
    # The second machine has no such file.
    values.unlink()

    again = harness(clone, "run", *shlex.split(printed_line(first.log)), "--keep")

    assert again.returncode == 1, again.stdout + again.stderr
    results = json.loads((clone / "reports" / "latest" / "results.json").read_text())
    (cell,) = results["cells"]
    assert (cell["verdict"], cell["reason"], cell["lock"]) == ("failed", red.reason, red.lock)
    assert cell["drift"] == []
    (claim,) = [check for check in cell["checks"] if check["name"] == "inputs-as-locked"]
    assert claim["verdict"] == "passed"
    try:
        look_into(clone, results["run_id"], again.stdout)
    finally:
        harness(clone, "clean", "--run", results["run_id"])
    assert Things.now() == before


def look_into(clone: Path, run_id: str, said: str) -> None:
    """Everything that --keep promised."""
    kubeconfig = Path(re.findall(r"export KUBECONFIG=(\S+)", said)[0])
    assert kubeconfig.is_file()
    assert f"nox -s clean -- --run {run_id}" in said
    listed = harness(clone, "shell", "--list").stdout
    assert run_id in listed
    assert CELL in listed
    pods = harness(clone, "shell", CELL, "--", "kubectl", "get", "pods", "--namespace", "spark-operator")
    assert pods.returncode == 0, pods.stderr
    assert "spark-operator-controller" in pods.stdout
    words = ["kubectl", "config", "view", "--minify", "--output", "jsonpath={..namespace}"]
    assert harness(clone, "shell", CELL, "--", *words).stdout == "spark-pi"
    assert harness(clone, "shell", CELL, "--", "sh", "-c", "exit 7").returncode == 7
    node = harness(clone, "shell", CELL, "--node", "--", "crictl", "version")
    assert "containerd" in node.stdout, node.stderr


def test_inputs_that_are_not_the_locks_are_named_and_nothing_is_made(tmp_path: Path, before: Things) -> None:
    first = Run(tmp_path / "first", "--cell", CELL, "--values", str(VALUES))
    first.end()
    (red,) = first.cells()
    lock = json.loads((first.reports / "latest" / red.evidence / "lock.json").read_text())
    real = lock["images"][0]["digest"]
    lock["images"][0]["digest"] = "sha256:" + "0" * 64
    (tmp_path / "drifted.json").write_text(json.dumps(lock))

    second = Run(tmp_path / "second", "--lock", str(tmp_path / "drifted.json"))

    assert second.end() == 3, second.log.read_text(errors="replace")
    (cell,) = second.cells()
    assert cell.verdict is Verdict.UNAVAILABLE
    assert f"has digest {real} here and sha256:{'0' * 64} in the lock" in cell.reason
    assert "creating cluster" not in second.log.read_text()
    assert Things.now() == before


def test_a_cluster_that_is_gone_is_told(tmp_path: Path, before: Things) -> None:
    run = Run(tmp_path, "--cell", CELL, "--keep")
    assert run.end() == 0, run.log.read_text(errors="replace")
    run_id = run.results()["run_id"]
    (cluster,) = re.findall(r"^Cluster (\S+) was kept", run.log.read_text(), re.M)
    node = f"{cluster}-control-plane"
    docker("rm", "--force", "--volumes", node)

    gone = harness(PROJECT_ROOT, "shell", CELL, "--run", run_id, "--", "true")

    assert gone.returncode == 3
    assert "does not answer any more" in gone.stderr
    assert f"nox -s clean -- --run {run_id}" in gone.stderr
    harness(PROJECT_ROOT, "clean", "--run", run_id)
    assert Things.now() == before
