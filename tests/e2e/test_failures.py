# SPDX-License-Identifier: Apache-2.0
"""Runs that cannot pass: the verdict says who is at fault, the evidence is there, the cluster is gone."""

from __future__ import annotations

from pathlib import Path

from runs import CELL, Run, Things, docker

from harness.verdicts import Verdict


def test_an_image_that_does_not_exist_fails_the_cell_by_name(tmp_path: Path, before: Things) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("image:\n  tag: 9.9.9\n")

    run = Run(tmp_path, "--cell", CELL, "--values", str(values))

    assert run.end() == 1, run.log.read_text(errors="replace")
    (cell,) = run.cells()
    assert cell.verdict is Verdict.FAILED
    assert "ghcr.io/kubeflow/spark-operator/controller:9.9.9" in cell.reason
    assert "not found" in cell.reason
    evidence = run.reports / "latest" / cell.evidence
    assert "9.9.9" in (evidence / "summary.md").read_text()
    assert f"--lock {cell.lock}" in cell.repro
    assert Things.now() == before


def test_an_api_server_that_goes_away_is_no_failure_of_the_operator(tmp_path: Path, before: Things) -> None:
    run = Run(tmp_path, "--cell", CELL)
    node = run.until_container("control-plane", before)
    run.until_said("running 1 cell")

    docker("kill", node)

    assert run.end() == 0, run.log.read_text(errors="replace")
    (cell,) = run.cells()
    assert cell.verdict is Verdict.PASSED
    (retry,) = cell.retries
    assert retry.cause == "node-lost"
    assert "the API server does not answer" in retry.message
    assert (run.reports / "latest" / retry.evidence / "summary.md").exists()
    assert [len(it["cells"]) for it in run.results()["plan"]] == [1, 1]
    assert Things.now() == before


def test_a_cluster_that_cannot_be_created_reports_the_nodes_last_words(tmp_path: Path, before: Things) -> None:
    run = Run(tmp_path, "--cell", CELL)
    first = run.until_container("control-plane", before)
    docker("kill", first)

    second = run.until_container("control-plane", before, but=first)
    docker("kill", second)

    assert run.end() == 3, run.log.read_text(errors="replace")
    (cell,) = run.cells()
    assert cell.verdict is Verdict.ERROR
    assert "creating kind-1.34" in cell.reason
    assert [retry.cause for retry in cell.retries] == ["cluster-not-created"]
    for folder in (cell.evidence, cell.retries[0].evidence):
        assert (run.reports / "latest" / folder / "create.log").exists()
    assert Things.now() == before


def test_a_registry_that_answers_429_is_no_failure_of_the_application(tmp_path: Path, before: Things) -> None:
    answer = tmp_path / "answer"
    answer.write_text(
        '#!/bin/sh\nread line\nprintf "HTTP/1.1 429 Too Many Requests\\r\\nContent-Length: 0\\r\\n\\r\\n"\n'
    )
    answer.chmod(0o755)
    # Spark 3.5 is not in the node: it has to be pulled.
    run = Run(tmp_path, "--cell", "kind-1.34/install-2.5.2/spark-3.5")
    run.until_said("creating cluster")
    registry = run.until_container("registry-docker-io", before)
    (network,) = docker(
        "inspect", "--format", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}", registry
    )
    (node,) = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "spark-operator-harness/kind-node")[:1]

    docker("rm", "--force", "--volumes", registry)
    docker(
        *("run", "--detach", "--name", registry, "--network", network, "--volume", f"{answer}:/answer:ro"),
        *("--entrypoint", "socat", node, "TCP-LISTEN:5000,fork,reuseaddr", "EXEC:/answer"),
    )

    assert run.end() == 3, run.log.read_text(errors="replace")
    (cell,) = run.cells()
    assert cell.verdict is Verdict.ERROR
    assert cell.reason.startswith("docker.io answered 429: ")
    assert cell.checks[0].evidence == {"cause": "registry-busy"}
    # Each pull would make the limit last longer.
    assert cell.retries == ()
    assert Things.now() == before
