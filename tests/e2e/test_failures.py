# SPDX-License-Identifier: Apache-2.0
"""Runs that cannot pass: the verdict says who is at fault, the evidence is there, the cluster is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from runs import CELL, Run, docker

from harness.registries.local import container_name
from harness.verdicts import Verdict


def test_an_api_server_that_goes_away_is_no_failure_of_the_operator(tmp_path: Path) -> None:
    # The quickest cell, which still takes as long as its install is watched for restarts.
    run = Run(tmp_path, "--cell", "kind-1.34/install-2.5.2/bad-submission")
    node = run.until_node()
    run.until_said("running 1 cell")

    docker("kill", node)

    assert run.end() == 0, run.said
    (cell,) = run.cells()
    assert cell.verdict is Verdict.PASSED
    (retry,) = cell.retries
    assert retry.cause == "node-lost"
    assert "the API server does not answer" in retry.message
    assert (run.reports / "latest" / retry.evidence / "summary.md").exists()
    assert [len(it["cells"]) for it in run.results()["plan"]] == [1, 1]


def test_a_cluster_that_cannot_be_created_reports_the_nodes_last_words(tmp_path: Path) -> None:
    run = Run(tmp_path, "--cell", CELL)
    for number in (1, 2):
        docker("kill", run.until_node(number))

    assert run.end() == 3, run.said
    (cell,) = run.cells()
    assert cell.verdict is Verdict.ERROR
    assert "creating kind-1.34" in cell.reason
    assert [retry.cause for retry in cell.retries] == ["cluster-not-created"]
    for folder in (cell.evidence, cell.retries[0].evidence):
        assert (run.reports / "latest" / folder / "create.log").exists()


@pytest.mark.nightly
def test_a_registry_that_answers_429_is_no_failure_of_the_application(tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    answer.write_text(
        '#!/bin/sh\nread line\nprintf "HTTP/1.1 429 Too Many Requests\\r\\nContent-Length: 0\\r\\n\\r\\n"\n'
    )
    answer.chmod(0o755)
    # Spark 3.5 is not in the node: it has to be pulled.
    run = Run(tmp_path, "--cell", "kind-1.34/install-2.5.2/spark-3.5")
    run.until_said("creating cluster")
    registry = container_name(run.id, "docker.io")
    (network,) = docker(
        "inspect", "--format", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}", registry
    )
    (node,) = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "spark-operator-harness/kind-node")[:1]

    docker("rm", "--force", "--volumes", registry)
    docker(
        *("run", "--detach", "--name", registry, "--network", network, "--volume", f"{answer}:/answer:ro"),
        *("--entrypoint", "socat", node, "TCP-LISTEN:5000,fork,reuseaddr", "EXEC:/answer"),
    )

    assert run.end() == 3, run.said
    (cell,) = run.cells()
    assert cell.verdict is Verdict.ERROR
    assert cell.reason.startswith("docker.io answered 429: ")
    assert cell.checks[0].evidence == {"cause": "registry-busy"}
    # Each pull would make the limit last longer.
    assert cell.retries == ()
