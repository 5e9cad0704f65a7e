# SPDX-License-Identifier: Apache-2.0
"""Runs that write locks and runs that are given one. The cluster is a stand-in, see run_fakes.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from run_fakes import FakeResources, Results, Stage, attempt, holds, host, raises, request, take_places

from harness import process, seeds, waiting
from harness.apps.context import ScenarioContext
from harness.errors import ReleaseError, UnavailableError
from harness.options import RunOptions
from harness.report.model import CellResult
from harness.run import setup
from harness.run.group import Group
from harness.run.lock import Lock, LockedImage, parse
from harness.run.lockstore import LockStore, find
from harness.verdicts import Finding, Verdict, passed


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = Stage(folder=tmp_path, plays={"spark-pi": holds, "ttl": holds})
    monkeypatch.setenv(process.RUN_VARIABLE, "")
    take_places(made, monkeypatch)
    yield made
    waiting.reset_cancellation()


def run(stage: Stage, asked: setup.Request | None = None, *, number: int = 1) -> CellResult:
    """One attempt at one cell."""
    results = Results()
    resources = FakeResources(stage)
    resources.open()
    group = Group(
        "kind-1.34/install-2.5.2",
        [attempt("spark-pi", number=number)],
        cluster_name="soh-101500-ab12-1",
        asked=asked or request(stage.folder),
        host=host(),
        resources=resources,  # type: ignore[arg-type]
        evidence_folder=lambda it: stage.folder / "reports" / it.name,
        done=results,
        say=stage.said.append,
    )
    group.run()
    resources.close()
    return results.by_scenario["spark-pi"]


def asked_for(stage: Stage, lock: Lock | None, *, drift: bool = False, seed: int = 7) -> setup.Request:
    asked = request(stage.folder)
    options = replace(asked.options, drift=drift)
    return replace(asked, options=options, lock=lock, seed=seed, values=({"image": {"tag": "mine"}},))


def locked(stage: Stage, result: CellResult) -> Lock:
    """The lock of a result, as --lock finds it."""
    return find(result.lock, request(stage.folder).settings).lock


def test_a_passed_cell_leaves_a_lock_of_everything_it_ran_with(stage: Stage) -> None:
    result = run(stage, asked_for(stage, None))
    lock = locked(stage, result)

    assert result.repro == f"nox -s e2e -- --cell {result.id} --lock {lock.digest}"
    assert (lock.cell, lock.source, lock.seed) == (result.id, "foundry", 7)
    assert lock.environment.kubernetes == "1.34.4"
    assert lock.environment.node is not None
    assert (lock.environment.node.image, lock.environment.node.identity) == ("node", "recipe of 1.34.4")
    assert lock.chart is not None
    assert lock.chart.sha256 == "ab" * 32
    digest = "sha256:" + "ab" * 32
    assert [(image.reference, image.digest) for image in lock.images] == [
        ("ghcr.io/kubeflow/spark-operator/controller:mine", digest),
        ("docker.io/apache/spark:4.0.4", digest),
    ]
    assert lock.values == {"image": {"tag": "mine"}}
    assert lock.tools == {"helm": "1.0.0", "kind": "1.0.0", "kubectl-1.34": "1.0.0"}


def test_a_red_cell_has_its_lock_in_its_evidence(stage: Stage) -> None:
    stage.on_install = raises(ReleaseError("the release is broken"))
    result = run(stage)

    file = stage.folder / "reports" / result.id / "lock.json"
    assert parse(file.read_text(), where="evidence").digest == result.lock


def test_the_same_again_has_the_same_digest_and_says_that_all_was_as_locked(stage: Stage) -> None:
    first = run(stage, asked_for(stage, None))
    again = run(stage, asked_for(stage, locked(stage, first)))

    assert again.lock == first.lock
    assert again.drift == ()
    (claim,) = [check for check in again.checks if check.name == "inputs-as-locked"]
    assert claim.verdict is Verdict.PASSED
    assert first.lock in claim.message


def drifted(stage: Stage) -> Lock:
    """A lock with another digest of Spark's image."""
    lock = locked(stage, run(stage, asked_for(stage, None)))
    stage.events.clear()
    return lock.model_copy(
        update={
            "images": (lock.images[0], LockedImage(reference=lock.images[1].reference, digest="sha256:" + "00" * 32))
        }
    )


def test_an_input_that_is_not_the_locks_is_named_before_a_cluster_is_made(stage: Stage) -> None:
    result = run(stage, asked_for(stage, drifted(stage)))

    assert result.verdict is Verdict.UNAVAILABLE
    said = (
        f"the input docker.io/apache/spark:4.0.4 has digest sha256:{'ab' * 32} here and sha256:{'00' * 32} in the lock"
    )
    assert result.reason.splitlines()[0] == said
    assert "--drift" in result.reason
    assert any(said in line for line in stage.said)
    assert not [event for event in stage.events if event.startswith("create")]


def test_drift_runs_all_the_same_and_lists_what_differs(stage: Stage) -> None:
    result = run(stage, asked_for(stage, drifted(stage), drift=True))

    assert result.verdict is Verdict.PASSED
    (difference,) = result.drift
    assert "docker.io/apache/spark:4.0.4 has digest" in difference
    assert "inputs-as-locked" not in [check.name for check in result.checks]


def test_another_harness_is_told_and_no_reason_not_to_run(stage: Stage) -> None:
    lock = locked(stage, run(stage, asked_for(stage, None)))
    result = run(stage, asked_for(stage, lock.model_copy(update={"harness_version": "0.0.1"})))

    assert result.verdict is Verdict.PASSED
    assert any("0.0.1 in the lock" in line for line in stage.said)
    assert "0.0.1 in the lock" in result.drift[0]


def test_an_image_that_cannot_be_had_here_says_why(stage: Stage) -> None:
    lock = locked(stage, run(stage, asked_for(stage, None)))
    stage.on_resolve = raises(UnavailableError("ghcr.io answered 404"))
    result = run(stage, asked_for(stage, lock))

    assert result.verdict is Verdict.UNAVAILABLE
    assert "has digest none here" in result.reason
    assert "ghcr.io answered 404" in result.reason


def test_scenarios_get_the_seed_of_their_attempt(stage: Stage) -> None:
    seen: list[int] = []

    def play(context: ScenarioContext) -> list[Finding]:
        seen.append(context.seed)
        return [passed("state", "COMPLETED")]

    stage.plays["spark-pi"] = play
    run(stage, asked_for(stage, None, seed=7))
    second = run(stage, asked_for(stage, None, seed=7), number=2)
    run(stage, asked_for(stage, locked(stage, second), seed=locked(stage, second).seed))

    assert seen == [7, seeds.of_attempt(7, 2), seeds.of_attempt(7, 2)]


def test_secrets_stay_out_of_the_lock_and_the_line_gives_them_again(stage: Stage) -> None:
    asked = request(stage.folder)
    options: RunOptions = replace(asked.options, values=(Path("my values.yaml"),))
    result = run(stage, replace(asked, options=options, values=({"s3": {"secretKey": "hunter2"}},)))

    assert locked(stage, result).redacted == ("/s3/secretKey",)
    assert result.repro.endswith("--values 'my values.yaml'")
    assert "hunter2" not in LockStore.of(asked.settings).file(result.lock).read_text()


def test_the_address_of_a_chart_is_locked_without_its_login(stage: Stage) -> None:
    asked = request(stage.folder)
    address = "https://me:hunter2@charts.example.com/spark"
    result = run(stage, replace(asked, options=replace(asked.options, chart=address)))

    made = locked(stage, result).chart
    assert made is not None
    assert made.requested == "https://me:***@charts.example.com/spark"


def test_the_line_names_the_settings_of_the_run(stage: Stage) -> None:
    asked = request(stage.folder)
    result = run(stage, replace(asked, options=replace(asked.options, config=Path("mirror.toml"))))

    assert result.repro.endswith(f"--lock {result.lock} --config mirror.toml")


def test_a_lock_that_cannot_be_kept_costs_no_verdict(stage: Stage) -> None:
    (stage.folder / "cache").mkdir()
    (stage.folder / "cache" / "locks").write_text("in the way")
    result = run(stage)

    assert result.verdict is Verdict.PASSED
    assert any("could not be kept" in line for line in stage.said)
