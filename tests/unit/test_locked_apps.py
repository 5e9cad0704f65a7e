# SPDX-License-Identifier: Apache-2.0
"""A user's applications in a lock: the same again without the folder, and never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from lock_samples import lock
from user_samples import PI, apps_of

from harness.errors import UsageError
from harness.options import RunOptions
from harness.run import setup
from harness.run.lock import parse
from harness.run.locked_apps import locked, unlocked
from harness.run.lockstore import LockStore

CELL = "kind-1.34/install-2.5.2/user-apps"
KEY = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLE"
SECRET = PI.replace("  mode: cluster\n", f"  sparkConf: {{spark.hadoop.fs.s3a.secret.key: {KEY}}}\n")


def test_they_come_out_of_the_lock_as_they_went_in(tmp_path: Path) -> None:
    apps = apps_of(tmp_path, etl=PI)
    made = lock(cell=CELL, user_apps=locked(apps, ()))

    again = unlocked(parse(made.text(), where="here"), (), ())

    assert [(it.file, it.document) for it in again] == [(it.file, it.document) for it in apps]


def test_a_lock_without_them_is_what_it_was() -> None:
    assert "user_apps" not in lock().text()
    assert lock().digest != lock(cell=CELL).digest


def test_what_looks_like_a_secret_is_not_in_the_lock_and_has_to_be_given_again(tmp_path: Path) -> None:
    apps = apps_of(tmp_path, etl=SECRET)
    made = lock(cell=CELL, user_apps=locked(apps, ()))

    assert KEY not in made.text()
    with pytest.raises(UsageError, match=r"etl\.yaml: /spec/sparkConf/spark\.hadoop\.fs\.s3a\.secret\.key") as error:
        unlocked(made, (), ())
    assert "--apps DIR" in error.value.next_step
    assert unlocked(made, apps, ()) == apps


def test_others_than_the_locks_are_refused(tmp_path: Path) -> None:
    made = lock(cell=CELL, user_apps=locked(apps_of(tmp_path / "a", etl=PI), ()))
    other = apps_of(tmp_path / "b", etl=PI.replace("instances: 1", "instances: 2"))
    with pytest.raises(UsageError, match=r"not what the lock has: SparkApplication etl of etl\.yaml"):
        unlocked(made, other, ())


def test_a_request_with_the_lock_runs_them_without_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HARNESS_SOURCE", "HARNESS_JOBS", "HARNESS_REPORTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    made = lock(cell=CELL, user_apps=locked(apps_of(tmp_path / "apps", etl=PI), ()))
    LockStore(tmp_path / "cache" / "locks").save(made)

    asked = setup.request(RunOptions(lock=made.digest))

    assert [cell.id for cell in asked.cells] == [CELL]
    assert [it.name for it in asked.given.apps] == ["etl"]
    assert asked.cells[0].scenario.images == ("docker.io/apache/spark:4.0.4",)


def test_a_secret_is_in_no_lock_and_has_to_be_given_again(tmp_path: Path) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: hunter22}\n"
    needs = PI.replace("  mode:", "  volumes: [{name: v, secret: {secretName: login}}]\n  mode:")
    apps = apps_of(tmp_path, etl=f"{needs}---\n{secret}")
    made = lock(cell=CELL, user_apps=locked(apps, ()))

    assert "hunter22" not in made.text()
    assert '"kind": "Secret"' not in made.text()
    with pytest.raises(UsageError, match=r"etl\.yaml: the Secret login") as error:
        unlocked(made, (), ())
    assert "--apps DIR" in error.value.next_step
    assert unlocked(made, apps, ()) == apps


def test_two_of_one_name_come_out_of_a_lock_as_they_went_in(tmp_path: Path) -> None:
    apps = apps_of(tmp_path, a=PI, b=PI)
    again = unlocked(parse(lock(cell=CELL, user_apps=locked(apps, ())).text(), where="here"), (), ())
    assert [it.file for it in again] == ["a.yaml", "b.yaml"]
    assert len({it.label for it in again}) == 2
