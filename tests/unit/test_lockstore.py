# SPDX-License-Identifier: Apache-2.0
"""Where --lock finds a lock: cache, reports, evidence, bundles."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest
from lock_samples import chart, lock

from harness.errors import UsageError
from harness.evidence.bundle import bundle
from harness.releases import charts
from harness.releases.charts import Chart
from harness.run import lockstore
from harness.run.lock import Lock
from harness.run.lockstore import LockStore, chart_of, find, write_beside
from harness.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache", reports_dir=tmp_path / "reports")


@pytest.fixture
def own_chart(tmp_path: Path) -> Chart:
    """A chart folder of a user's own."""
    folder = tmp_path / "mine" / "spark-operator"
    folder.mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: spark-operator\nversion: 2.5.2\n")
    return charts.from_path(folder)


def with_chart(own: Chart) -> Lock:
    return lock(chart=chart(sha256=own.sha256, requested="file"))


@pytest.mark.parametrize("length", [12, 40, 64])
@pytest.mark.parametrize("prefix", ["", "sha256:"])
def test_a_digest_or_its_beginning_is_found_in_the_cache(settings: Settings, length: int, prefix: str) -> None:
    LockStore.of(settings).save(lock())

    assert find(prefix + lock().digest.removeprefix("sha256:")[:length], settings).lock == lock()


def test_a_digest_is_found_in_the_reports_when_the_cache_is_gone(settings: Settings) -> None:
    store = LockStore.of(settings)
    store.save(lock())
    store.copy(lock().digest, settings.reports_dir / "20260801-101500-ab12" / "locks")
    store.file(lock().digest).unlink()

    assert find(lock().digest, settings).lock == lock()


def test_the_same_lock_in_two_places_is_one(settings: Settings) -> None:
    store = LockStore.of(settings)
    store.save(lock())
    store.copy(lock().digest, settings.reports_dir / "a" / "locks")
    store.copy(lock().digest, settings.reports_dir / "b" / "locks")

    assert find(lock().digest, settings).lock == lock()


def test_a_beginning_of_two_digests_is_refused(settings: Settings) -> None:
    store = LockStore.of(settings)
    for end in ("0", "1"):
        store.folder.mkdir(parents=True, exist_ok=True)
        (store.folder / f"{'ab' * 31}0{end}.json").write_text(lock().text())

    with pytest.raises(UsageError, match="is the beginning of 2 digests") as told:
        find("sha256:" + "ab" * 6, settings)
    assert f"{'ab' * 31}00, {'ab' * 31}01" in told.value.next_step


def test_a_lock_that_was_changed_is_not_what_its_digest_says(settings: Settings) -> None:
    store = LockStore.of(settings)
    store.save(lock())
    store.file(lock().digest).write_text(lock(seed=8).text())

    with pytest.raises(UsageError, match="was changed: its digest is"):
        find(lock().digest, settings)


@pytest.mark.parametrize("word", ["sha256:0123456789ab", "nosuch", "sha256:0123"])
def test_what_is_not_found_says_what_to_give_elsewhere(settings: Settings, word: str) -> None:
    with pytest.raises(UsageError) as told:
        find(word, settings)
    assert "on another machine, give the evidence folder" in told.value.next_step


def test_an_evidence_folder_its_bundle_and_the_file_hold_the_lock(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "spark-pi"
    write_beside(lock(), folder)
    (folder / "summary.md").write_text("# What is wrong\n")
    packed = bundle(folder)

    for word in (folder, packed, folder / "lock.json"):
        assert find(str(word), settings).lock == lock()


def test_a_folder_above_the_evidence_says_where_the_locks_are(settings: Settings, tmp_path: Path) -> None:
    write_beside(lock(), tmp_path / "run" / "kind-1.34" / "spark-pi")

    with pytest.raises(UsageError, match=r"no lock\.json in") as told:
        find(str(tmp_path / "run"), settings)
    assert str(tmp_path / "run" / "kind-1.34" / "spark-pi") in told.value.next_step


def test_a_bundle_without_a_lock_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "summary.md").write_text("#\n")

    with pytest.raises(UsageError, match=r"holds no lock\.json"):
        find(str(bundle(tmp_path / "old")), settings)


@pytest.mark.parametrize("form", ["digest", "folder", "bundle", "report"])
def test_a_chart_of_the_users_own_comes_with_the_lock(
    settings: Settings, tmp_path: Path, own_chart: Chart, form: str
) -> None:
    locked = with_chart(own_chart)
    store = LockStore.of(settings)
    store.save(locked, own_chart)
    folder = tmp_path / "evidence"
    write_beside(locked, folder, own_chart)
    store.copy(locked.digest, tmp_path / "report" / "locks")
    report = LockStore(tmp_path / "report" / "locks").file(locked.digest)
    words = {"digest": locked.digest, "folder": str(folder), "bundle": str(bundle(folder)), "report": str(report)}

    wanted = chart_of(find(words[form], settings))

    assert charts.from_path(Path(wanted)).sha256 == own_chart.sha256


def test_a_chart_that_did_not_come_along_is_asked_for(settings: Settings, tmp_path: Path, own_chart: Chart) -> None:
    (tmp_path / "alone.json").write_text(with_chart(own_chart).text())

    with pytest.raises(UsageError, match="was a file, and is not here") as told:
        chart_of(find(str(tmp_path / "alone.json"), settings))
    assert "--chart" in told.value.next_step


def test_a_chart_with_an_address_is_asked_for_there(settings: Settings) -> None:
    found = lockstore.Found(lock=lock(chart=chart(requested="oci://example.com/c:2.5.2")), where="x")

    assert chart_of(found) == "oci://example.com/c:2.5.2"
    assert chart_of(lockstore.Found(lock=lock(), where="x")) == ""


def test_a_bundle_decides_nothing_about_where_its_chart_comes_to_lie(settings: Settings, tmp_path: Path) -> None:
    locked = lock(chart=chart(requested="file"))
    (tmp_path / "lock.json").write_text(locked.text())
    (tmp_path / "chart.tgz").write_text("not looked into here")
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "lock.json", "e/lock.json")
        archive.add(tmp_path / "chart.tgz", "../chart.tgz")

    with pytest.raises(UsageError, match="not a path below its folder"):
        find(str(tmp_path / "evil.tar.gz"), settings)

    with tarfile.open(tmp_path / "good.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "lock.json", "e/lock.json")
        archive.add(tmp_path / "chart.tgz", "e/chart.tgz")
    found = find(str(tmp_path / "good.tar.gz"), settings)
    assert found.chart == settings.cache_dir / "locks" / "charts-of-bundles" / f"{'ab' * 32}.tgz"


@pytest.mark.parametrize("name", ["/etc/passwd", "../../elsewhere", "ab" * 31, "AB" * 32, "ab" * 32 + "/.."])
def test_a_lock_names_no_path_in_place_of_a_digest(settings: Settings, tmp_path: Path, name: str) -> None:
    document = json.loads(lock(chart=chart(requested="file")).text())
    document["chart"]["sha256"] = name
    (tmp_path / "lock.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"chart\.sha256: .* is not a SHA-256"):
        find(str(tmp_path / "lock.json"), settings)


def test_the_oldest_locks_make_room_with_their_charts(
    settings: Settings, own_chart: Chart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lockstore, "KEPT", 3)
    store = LockStore.of(settings)
    oldest = with_chart(own_chart)
    store.save(oldest, own_chart)
    os.utime(store.file(oldest.digest), (1, 1))
    for seed in range(3):
        store.save(lock(seed=seed))

    assert {file.stem for file in store.folder.glob("*.json")} == {
        lock(seed=seed).digest.removeprefix("sha256:") for seed in range(3)
    }
    assert list((store.folder / "charts").iterdir()) == []


def test_a_lock_that_is_used_again_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstore, "KEPT", 2)
    store = LockStore.of(settings)
    for age, seed in enumerate((1, 2)):
        store.save(lock(seed=seed))
        os.utime(store.file(lock(seed=seed).digest), (age + 1, age + 1))
    store.save(lock(seed=1))
    store.save(lock(seed=3))

    assert store.file(lock(seed=1).digest).exists()
    assert not store.file(lock(seed=2).digest).exists()


def test_a_file_that_is_no_lock_is_in_nobodys_way(
    settings: Settings, own_chart: Chart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lockstore, "KEPT", 2)
    store = LockStore.of(settings)
    store.save(with_chart(own_chart), own_chart)
    os.utime(store.file(with_chart(own_chart).digest), (1, 1))
    (store.folder / f"{'ef' * 32}.json").write_text("half of a lo")
    store.save(lock())

    assert find(lock().digest, settings).lock == lock()
    assert list((store.folder / "charts").iterdir()) == []
