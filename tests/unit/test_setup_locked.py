# SPDX-License-Identifier: Apache-2.0
"""A request with a lock: everything comes from it, and what contradicts it is wrong usage."""

from __future__ import annotations

from pathlib import Path

import pytest
from lock_samples import CELL, chart, lock

from harness.errors import UsageError
from harness.matrix.select import Selection
from harness.options import RunOptions
from harness.run import setup
from harness.run.lockstore import LockStore


@pytest.fixture(autouse=True)
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The digest of a lock in the cache."""
    for name in ("HARNESS_SOURCE", "HARNESS_JOBS", "HARNESS_REPORTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    LockStore(tmp_path / "cache" / "locks").save(lock())
    return lock().digest


def test_cell_source_values_and_seed_are_the_locks(digest: str) -> None:
    asked = setup.request(RunOptions(lock=digest))

    assert [cell.id for cell in asked.cells] == [CELL]
    assert (asked.options.source, asked.settings.source, asked.seed) == ("foundry", "foundry", 7)
    assert asked.values == ({"controller": {"replicas": 1}},), "no profile of this checkout comes before them"
    assert asked.lock == lock()


def test_a_source_in_the_environment_does_not_count(digest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_SOURCE", "upstream")

    assert setup.request(RunOptions(lock=digest)).settings.source == "foundry"


def test_images_may_come_from_elsewhere_where_drift_is_accepted(tmp_path: Path) -> None:
    other = lock(source="mirror")
    LockStore(tmp_path / "cache" / "locks").save(other)

    with pytest.raises(UsageError, match="images from mirrors, and none is configured here") as told:
        setup.request(RunOptions(lock=other.digest))
    assert "--source upstream --drift" in told.value.next_step
    with pytest.raises(UsageError, match="--source upstream contradicts the lock"):
        setup.request(RunOptions(lock=other.digest, source="upstream"))
    asked = setup.request(RunOptions(lock=other.digest, source="upstream", drift=True))
    assert (asked.options.source, asked.settings.source) == ("upstream", "upstream")


def test_what_agrees_with_the_lock_may_be_said_too(digest: str, tmp_path: Path) -> None:
    (tmp_path / "same.yaml").write_text("controller: {replicas: 1}\n")
    options = RunOptions(
        lock=digest, selection=Selection(cells=(CELL,)), source="foundry", seed=7, values=(Path("same.yaml"),)
    )

    assert setup.request(options).values == ({"controller": {"replicas": 1}},)


def test_values_that_a_run_adapts_are_adapted_again_where_the_lock_has_no_secrets(tmp_path: Path) -> None:
    scheduler = {"enable": True, "default": ""}
    other = lock(values={"controller": {"batchScheduler": scheduler}, "secretKey": "***"}, redacted=("/secretKey",))
    LockStore(tmp_path / "cache" / "locks").save(other)
    mine = tmp_path / "mine.yaml"
    mine.write_text("controller: {batchScheduler: {enable: true, default: volcano}}\nsecretKey: hunter2\n")

    (values,) = setup.request(RunOptions(lock=other.digest, values=(mine,))).values
    assert values == {"controller": {"batchScheduler": scheduler}, "secretKey": "hunter2"}


def test_secrets_are_given_again_by_a_profile_of_the_users_own(tmp_path: Path) -> None:
    other = lock(values={"secretKey": "***"}, redacted=("/secretKey",))
    LockStore(tmp_path / "cache" / "locks").save(other)
    profiles = tmp_path / "mine" / "values"
    profiles.mkdir(parents=True)
    (profiles / "ours.yaml").write_text("secretKey: hunter2\n")
    (tmp_path / "harness.toml").write_text('catalogue_dirs = ["mine"]\n')

    asked = setup.request(RunOptions(lock=other.digest, values=(Path("profile:ours"),)))
    assert asked.values == ({"secretKey": "hunter2"},)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"selection": Selection(cells=("kind-1.34/install-2.5.2/ttl",))},
            "ttl contradicts the lock, which is of",
        ),
        ({"selection": Selection(environments=("kind-1.36",))}, "contradicts --env kind-1.36"),
        ({"source": "upstream"}, "--source upstream contradicts the lock, which has foundry"),
        ({"seed": 8}, "--seed 8 contradicts the lock, which has 7"),
        ({"values": (Path("other.yaml"),)}, "--values says something else than the lock"),
        ({"lock": "sha256:" + "0" * 64}, "there is no lock sha256:0000"),
    ],
)
def test_what_contradicts_the_lock_is_refused(
    digest: str, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    (tmp_path / "other.yaml").write_text("controller: {replicas: 2}\n")

    with pytest.raises(UsageError) as told:
        setup.request(RunOptions(**{"lock": digest, **changes}))  # type: ignore[arg-type]
    assert said in told.value.message
    assert told.value.next_step


def test_a_chart_with_an_address_comes_from_there_unless_another_place_is_given(tmp_path: Path) -> None:
    other = lock(chart=chart(requested="oci://example.com/c:2.5.2"))
    LockStore(tmp_path / "cache" / "locks").save(other)

    assert setup.request(RunOptions(lock=other.digest)).options.chart == "oci://example.com/c:2.5.2"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "Chart.yaml").write_text("{apiVersion: v2, name: spark-operator, version: 2.5.2}")
    assert setup.request(RunOptions(lock=other.digest, chart=str(mine))).options.chart == str(mine)


def test_a_chart_that_was_fetched_with_a_login_is_given_again(tmp_path: Path) -> None:
    other = lock(chart=chart(requested="https://me:***@charts.example.com/spark"))
    LockStore(tmp_path / "cache" / "locks").save(other)

    with pytest.raises(UsageError, match=r"me:\*\*\*@charts.example.com") as told:
        setup.request(RunOptions(lock=other.digest))
    assert "--chart" in told.value.next_step
    mine = "https://me:hunter2@charts.example.com/spark"
    assert setup.request(RunOptions(lock=other.digest, chart=mine)).options.chart == mine


def test_drift_needs_a_lock() -> None:
    with pytest.raises(UsageError, match="--drift needs --lock"):
        setup.request(RunOptions(drift=True))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_what_is_no_seed_is_refused(seed: int) -> None:
    with pytest.raises(UsageError, match=f"--seed {seed} is not a valid seed"):
        setup.request(RunOptions(seed=seed))


def test_a_seed_that_is_given_is_taken_and_else_made_up() -> None:
    chosen = Selection(cells=(CELL,))

    assert setup.request(RunOptions(selection=chosen, seed=0)).seed == 0
    assert len({setup.request(RunOptions(selection=chosen)).seed for _ in range(3)}) > 1
