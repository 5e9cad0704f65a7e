# SPDX-License-Identifier: Apache-2.0
"""A site's move, rehearsed end to end: a cluster with two hundred applications, its snapshot, its rehearsal."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import site_cluster
import yaml
from runs import Run

from harness.report.writer import read

pytestmark = pytest.mark.nightly

DATA = Path(__file__).parent / "data"
CELL = "kind-1.34/install-2.2.1@docker.io/spark-pi"
HOME = ("--release-name", "production", "--namespace", "platform")


def harness(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    argv = [sys.executable, "-m", "harness.cli", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A snapshot of a cluster with 2.2.1 from Docker Hub, which is gone by then."""
    values = DATA / "site-values.yaml"
    run = Run(tmp_path / "production", "--cell", CELL, "--values", str(values), *HOME, "--keep")
    assert run.end() == 0, run.said
    try:
        kubeconfig = re.findall(r"export KUBECONFIG=(\S+)", run.said)[-1]
        site_cluster.fill(Path(kubeconfig), "platform")
        done = harness("snapshot", "--kubeconfig", kubeconfig, "-o", tmp_path / "site")
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        gone = harness("clean", "--run", run.id)
        assert gone.returncode == 0, gone.stdout + gone.stderr
    return tmp_path / "site"


def test_a_site_with_two_hundred_applications_is_rehearsed_end_to_end(site: Path, tmp_path: Path) -> None:
    words = ("--site", str(site), "--to", "2.5.2", "--applications", "6", "--source", "foundry")
    run = Run(tmp_path / "rehearsal", *words, command="rehearse")

    assert run.end(timeout=1800) == 0, run.said

    told = read(run.reports / "latest" / "results.json").rehearsal
    assert told is not None
    assert (told.origin, told.target, told.answer) == ("2.2.1@docker.io", "2.5.2", "safe with these steps")
    assert (told.stored, sum(told.applications.values())) == (200, 6)
    assert len(told.applications) == 4
    plain, steps, back = told.moves
    assert plain.answer.startswith("broke")
    assert steps.answer in ("held", "held, but for a race"), steps
    assert any(it.startswith("user-apps: 6 ") for it in steps.held), steps
    assert back.answer in ("held", "held, but for a race", "broke as known"), back
    assert any("kubectl apply --server-side" in it for it in told.steps)
    named = "\n".join(told.otherwise)
    assert "registry.company.example/data/etl:2026.11 is played by docker.io/apache/spark:3.5.5" in named
    assert "Secret etl/warehouse" in named
    values = yaml.safe_load((site.with_name("site-rehearsal") / "values.yaml").read_text())
    assert values["spark"]["serviceAccount"] == {"name": "data-jobs"}
    assert values["controller"]["priorityClassName"] == "platform"
    assert "x7Kq-9vLw2" not in run.said
    page = (run.reports / "latest" / "index.html").read_text()
    assert "The steps that made it hold" in page
