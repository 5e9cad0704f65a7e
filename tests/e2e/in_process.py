# SPDX-License-Identifier: Apache-2.0
"""Runs within the test's process, whose requests a test has changed, and what nodes are seen to have."""

from __future__ import annotations

from pathlib import Path

from runs import docker, left_of

from harness.evidence.ledger import new_run_id
from harness.matrix.estimate import Expected
from harness.report.model import CellResult
from harness.run import run_host, setup
from harness.run.attempt import Attempt
from harness.run.runner import Runner


def sources(node: str) -> set[str]:
    """The addresses from which a node asks."""
    return set(docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", node))


def run(asked: setup.Request, folder: Path) -> tuple[dict[str, CellResult], list[str]]:
    """What `harness run` does with a request, without its report: results by scenario, and what was said."""
    said: list[str] = []
    run_id = new_run_id()
    runner = Runner(
        run_id,
        asked,
        run_host.host(asked),
        evidence_folder=lambda attempt: folder / "evidence" / attempt.name,
        say=said.append,
        expect=lambda cells: Expected(seconds=60.0, guess=True),
    )
    left = ["the run was not closed"]
    try:
        runner.open()
        attempts = [Attempt(cell=cell) for cell in asked.cells]
        runner.start(attempts)
        results = {attempt.cell.scenario.name: runner.result(attempt) for attempt in attempts}
    finally:
        left = runner.close()
        (folder / f"said-{run_id}.txt").write_text("\n".join(said))
    assert left == []
    assert left_of(run_id) == []
    return results, said
