# SPDX-License-Identifier: Apache-2.0
"""A red cell is red again: from its printed line, in another clone, for the same reason; and one can look into it.

All tests are about one red run, which is therefore made once.
"""

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
from runs import CELL, Run, docker, left_of

from harness.process import RUN_VARIABLE
from harness.settings import PROJECT_ROOT
from harness.verdicts import Verdict

DATA = Path(__file__).parent / "data"
_IMAGE = "ghcr.io/kubeflow/spark-operator/controller:9.9.9"
_EXPECTED = {"no-image.yaml": (Verdict.ERROR, 3), "no-rights.yaml": (Verdict.FAILED, 1)}
"""Verdict and exit status by values: an image that only these name is not the release's fault."""


def harness(checkout: Path, *words: str, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
    """The `harness` of a checkout, run there, without the variables of this one."""
    ours = {RUN_VARIABLE, "HARNESS_REPORTS"}
    environment = {key: value for key, value in os.environ.items() if key not in ours} | {"PYTHONPATH": str(checkout)}
    argv = [sys.executable, "-m", "harness.cli", *words]
    return subprocess.run(argv, cwd=checkout, env=environment, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module", params=["no-image.yaml", pytest.param("no-rights.yaml", marks=pytest.mark.nightly)])
def red(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose one cell is red: the operator's image is nowhere, or the driver may do nothing."""
    folder = tmp_path_factory.mktemp("red")
    values = folder / "values.yaml"
    shutil.copy(DATA / request.param, values)
    run = Run(folder, "--cell", CELL, "--values", str(values))
    assert run.end() == _EXPECTED[request.param][1], run.said
    # The second machine has no such file.
    values.unlink()
    return run


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Another checkout of this commit."""
    target = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(PROJECT_ROOT), str(target)], check=True, timeout=60)
    return target


def expected(request: pytest.FixtureRequest) -> tuple[Verdict, int]:
    """What the red run of a test comes to."""
    return _EXPECTED[request.node.callspec.params["red"]]


def printed_line(log: Path) -> str:
    (line,) = re.findall(r"^  repro:    nox -s e2e -- (.*)$", log.read_text(), re.M)
    return str(line)


def test_a_failed_cell_has_its_reason_its_evidence_and_its_lock(red: Run, request: pytest.FixtureRequest) -> None:
    (cell,) = red.cells()
    assert cell.verdict is expected(request)[0]
    evidence = red.reports / "latest" / cell.evidence
    assert f"--lock {cell.lock}" in cell.repro
    if "no-image" in request.node.name:
        assert _IMAGE in cell.reason
        assert "not found" in cell.reason
        assert _IMAGE in (evidence / "summary.md").read_text()


def test_the_printed_line_fails_again_in_another_clone_and_the_cluster_can_be_looked_into(
    red: Run, clone: Path, request: pytest.FixtureRequest
) -> None:
    (first,) = red.cells()

    again = harness(clone, "run", *shlex.split(printed_line(red.log)), "--keep")

    verdict, status = expected(request)
    assert again.returncode == status, again.stdout + again.stderr
    results = json.loads((clone / "reports" / "latest" / "results.json").read_text())
    try:
        (cell,) = results["cells"]
        assert (cell["verdict"], cell["lock"]) == (verdict.value, first.lock)
        assert without_chance(cell["reason"]) == without_chance(first.reason)
        assert cell["drift"] == []
        # Where the operator never ran, there are no images that could have been compared.
        claims = {"no-image.yaml": [], "no-rights.yaml": ["passed"]}[request.node.callspec.params["red"]]
        assert [it["verdict"] for it in cell["checks"] if it["name"] == "inputs-as-locked"] == claims
        look_into(clone, results["run_id"], again.stdout)
        find_gone(clone, results["run_id"], again.stdout)
    finally:
        harness(clone, "clean", "--run", results["run_id"])
    assert left_of(results["run_id"]) == []


def without_chance(reason: str) -> str:
    """A reason without the pod that it names, since which of several is seen first, and how its name ends, is chance;
    and without the file of the values, which another machine has from the lock.
    """
    return re.sub(r"\bpod \S+", "pod *", re.sub(r"(?<=--values) \([^)]*\)", "", reason))


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


def find_gone(clone: Path, run_id: str, said: str) -> None:
    """That the kept cluster is gone is told, with what to do then."""
    (cluster,) = re.findall(r"^Cluster (\S+) was kept", said, re.M)
    docker("rm", "--force", "--volumes", f"{cluster}-control-plane")

    gone = harness(clone, "shell", CELL, "--run", run_id, "--", "true")

    assert gone.returncode == 3
    assert "does not answer any more" in gone.stderr
    assert f"nox -s clean -- --run {run_id}" in gone.stderr


def test_inputs_that_are_not_the_locks_are_named_and_nothing_is_made(red: Run, tmp_path: Path) -> None:
    (cell,) = red.cells()
    lock = json.loads((red.reports / "latest" / cell.evidence / "lock.json").read_text())
    image = next(it for it in lock["images"] if it["digest"])
    real, image["digest"] = image["digest"], "sha256:" + "0" * 64
    (tmp_path / "drifted.json").write_text(json.dumps(lock))

    second = Run(tmp_path / "second", "--lock", str(tmp_path / "drifted.json"))

    assert second.end() == 3, second.said
    (cell,) = second.cells()
    assert cell.verdict is Verdict.UNAVAILABLE
    assert f"has digest {real} here and sha256:{'0' * 64} in the lock" in cell.reason
    assert "creating cluster" not in second.said
