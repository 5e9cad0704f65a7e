# SPDX-License-Identifier: Apache-2.0
"""Cleaning up: dead runs at the start of the next, everything on demand, with a proof, and never under a live run."""

from __future__ import annotations

import io
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock
from ledger_holder import ledger_holder
from rich.console import Console

from harness.cleanup import clean as cleaning
from harness.cleanup.clean import clean, clean_run, clean_stale
from harness.errors import HostError, UsageError
from harness.evidence.installation import installation_of
from harness.evidence.ledger import Ledger, ledger_folder
from harness.settings import Settings

RUN = "20260102-030405-ab12"
OTHER = "20260102-030405-cd34"

_AT_WORK = cleaning._at_work


@contextmanager
def a_run(run_id: str, settings: Settings, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A real other process with a ledger and a folder; killed, as by SIGKILL, when the block is left."""
    folder.mkdir()
    with ledger_holder(run_id, ledger_folder(settings), "folder", str(folder)) as child:
        yield child


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A cache, a temporary folder, a home and a PATH of the test's own, so that this machine's things stay."""
    for name in ("tmp", "home", "bin", "cache"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    # Runs of other caches on this machine are none of a test's business.
    monkeypatch.setattr(cleaning, "_at_work", lambda cache: iter(()))
    return Settings(cache_dir=tmp_path / "cache" / "spark-operator-harness", reports_dir=tmp_path / "reports")


def console() -> Console:
    return Console(record=True, width=160, file=io.StringIO())


def test_the_next_run_removes_what_a_killed_one_left(settings: Settings, tmp_path: Path) -> None:
    left = tmp_path / "scratch"
    with a_run(RUN, settings, left):
        assert clean_stale(settings) == []
        assert left.is_dir()
    (told,) = clean_stale(settings)
    assert RUN in told
    assert f"folder {left}" in told
    assert not left.exists()
    assert list(ledger_folder(settings).iterdir()) == []
    assert clean_stale(settings) == []


def test_what_could_not_be_looked_at_stays_in_the_ledger(settings: Settings) -> None:
    ledger = Ledger.open(RUN, ledger_folder(settings))
    ledger.planned("container", "soh-030405-ab12-1-control-plane")
    ledger.planned("folder", "/nonexistent/soh")
    ledger.close()
    (told,) = clean_stale(settings)
    assert "container soh-030405-ab12-1-control-plane" in told
    assert "docker was not found" in told
    assert clean_stale(settings) == [told]


@pytest.mark.parametrize("used", [False, True])
def test_a_stopped_engine_hides_only_what_a_run_had_in_it(settings: Settings, tmp_path: Path, used: bool) -> None:
    docker = tmp_path / "bin" / "docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon.' >&2\nexit 1\n")
    docker.chmod(0o755)
    folder = tmp_path / "scratch"
    folder.mkdir()
    ledger = Ledger.open(RUN, ledger_folder(settings))
    ledger.planned("folder", str(folder))
    if used:
        # Crossed out, but only the engine can say that nothing of it came again.
        ledger.planned("network", "soh-030405-ab12")
        ledger.gone("network", "soh-030405-ab12")
    ledger.close()

    left = clean_run(settings, RUN, say=lambda line: None)

    assert not folder.exists()
    assert ["Cannot connect" in it for it in left] == ([True] if used else [])


def test_clean_removes_all_and_prints_the_proof(settings: Settings, tmp_path: Path) -> None:
    left = tmp_path / "scratch"
    with a_run(RUN, settings, left):
        pass
    somebodys = Path(tempfile.mkdtemp(prefix="soh-notes-"))
    (settings.cache_dir / "artifacts").mkdir()
    (settings.cache_dir / "artifacts" / "image.tar").write_text("x")
    settings.reports_dir.mkdir()
    screen = console()
    assert clean(settings, console=screen) == []
    assert not left.exists()
    assert somebodys.is_dir()
    assert not settings.cache_dir.exists()
    assert settings.reports_dir.is_dir()
    text = screen.export_text()
    (row,) = [line for line in text.splitlines() if "temporary folders" in line]
    assert [cell.strip() for cell in row.split("│")[2:4]] == ["1", "0"]
    assert "a second inspection found nothing" in text


def test_clean_twice_is_clean(settings: Settings) -> None:
    assert clean(settings, console=console()) == []
    assert clean(settings, console=console()) == []


def test_the_cache_can_be_kept(settings: Settings, tmp_path: Path) -> None:
    with a_run(RUN, settings, tmp_path / "scratch"):
        pass
    (settings.cache_dir / "artifacts").mkdir()
    assert clean(settings, keep_cache=True, console=console()) == []
    assert not (tmp_path / "scratch").exists()
    assert (settings.cache_dir / "artifacts").is_dir()
    assert list(ledger_folder(settings).iterdir()) == []


def test_clean_refuses_under_a_live_run_and_says_which_process(settings: Settings, tmp_path: Path) -> None:
    with a_run(RUN, settings, tmp_path / "scratch") as child:
        with pytest.raises(HostError, match=rf"{RUN} \(process {child.pid}\)") as refused:
            clean(settings, console=console())
        assert refused.value.exit_status == 3
        assert (tmp_path / "scratch").is_dir()


def test_live_runs_of_other_caches_are_seen_too(settings: Settings, tmp_path: Path) -> None:
    other = Settings(cache_dir=tmp_path / "other-cache")
    with a_run(OTHER, other, tmp_path / "scratch") as child:
        (seen,) = [it for it in _AT_WORK(settings.cache_dir) if it.pid == child.pid]
        assert (seen.what, seen.ours) == (f"run {OTHER}", False)


def building(pid: int) -> cleaning._AtWork:
    return cleaning._AtWork(what="build of kind-0123456789ab", pid=pid, ours=True)


def test_clean_refuses_while_something_is_built(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = settings.cache_dir / "artifacts" / "go" / "kind-0123456789ab.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock):
        assert building(os.getpid()) in list(_AT_WORK(settings.cache_dir))
    monkeypatch.setattr(cleaning, "_at_work", lambda cache: iter([building(1)]))
    with pytest.raises(HostError, match=r"build of kind-0123456789ab \(process 1\)"):
        clean(settings, console=console())
    assert lock.parent.is_dir()


def test_what_a_user_kept_survives_the_next_run_and_goes_with_clean(settings: Settings, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    ledger = Ledger.open(RUN, ledger_folder(settings))
    ledger.planned("folder", str(kept))
    ledger.keep()
    ledger.close()
    assert clean_stale(settings) == []
    assert kept.is_dir()
    assert clean(settings, console=console()) == []
    assert not kept.exists()


def test_a_cache_folder_of_another_name_keeps_what_is_not_the_harness_s(settings: Settings, tmp_path: Path) -> None:
    cache = tmp_path / "shared-disk"
    installation_of(cache)
    for name in ("artifacts", "photos"):
        (cache / name).mkdir()
    (cache / "history.json.lock").touch()
    elsewhere = settings.model_copy(update={"cache_dir": cache})
    screen = console()
    assert clean(elsewhere, console=screen) == []
    assert [path.name for path in cache.iterdir()] == ["photos"]
    assert "photos" in screen.export_text()


@pytest.mark.parametrize("used", [True, False])
def test_what_was_in_the_folder_before_stays_though_a_cache_has_such_names(
    settings: Settings, tmp_path: Path, used: bool
) -> None:
    """As on a disk that HARNESS_CACHE names as a whole, with somebody's images of virtual machines on it."""
    disk = tmp_path / "data"
    for name in ("images", "photos", "work"):
        (disk / name).mkdir(parents=True)
    if used:
        installation_of(disk)
        (disk / "artifacts").mkdir()

    assert clean(settings.model_copy(update={"cache_dir": disk}), console=console()) == []

    assert sorted(path.name for path in disk.iterdir()) == ["images", "photos", "work"]


def test_settings_and_reports_beside_the_cache_stay(settings: Settings) -> None:
    """As where XDG_CACHE_HOME, XDG_CONFIG_HOME and XDG_STATE_HOME are one folder."""
    installation_of(settings.cache_dir)
    for name in ("artifacts", "reports", "catalogue"):
        (settings.cache_dir / name).mkdir()
    (settings.cache_dir / "harness.toml").touch()

    assert clean(settings, console=console()) == []

    assert sorted(path.name for path in settings.cache_dir.iterdir()) == ["catalogue", "harness.toml", "reports"]


def test_a_user_without_a_home_folder_can_clean(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user no passwd knows: this machine cannot be made to forget the tests' user."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    (settings.cache_dir / "artifacts").mkdir(parents=True)

    assert clean(settings, console=console()) == []
    assert not settings.cache_dir.exists()


def test_what_cannot_be_proved_gone_is_a_leak_and_keeps_its_ledger(settings: Settings) -> None:
    ledger = Ledger.open(RUN, ledger_folder(settings))
    ledger.planned("cluster", "soh-030405-ab12-1")
    ledger.close()
    screen = console()
    (leak, cache) = clean(settings, console=screen)
    assert "cluster soh-030405-ab12-1" in leak
    assert "stays until the rest is gone" in cache
    assert (ledger_folder(settings) / f"{RUN}.jsonl").exists()
    assert "Not clean." in screen.export_text()


def test_one_run_can_be_removed_without_the_others(settings: Settings, tmp_path: Path) -> None:
    mine, others = tmp_path / "tmp" / f"soh-{RUN}-abcdefgh", tmp_path / "tmp" / f"soh-{OTHER}-abcdefgh"
    for run_id, folder in ((RUN, mine), (OTHER, others)):
        with a_run(run_id, settings, folder):
            pass
    said: list[str] = []

    clean_run(settings, RUN, say=said.append)

    assert not mine.exists()
    assert others.exists()
    assert any(RUN in line for line in said)


def test_a_run_that_left_nothing_is_unknown(settings: Settings) -> None:
    with pytest.raises(UsageError, match="has left nothing on this host"):
        clean_run(settings, RUN, say=print)


def test_a_run_at_work_is_not_removed(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "tmp" / f"soh-{RUN}-abcdefgh"
    with a_run(RUN, settings, folder):
        with pytest.raises(HostError, match="still in progress"):
            clean_run(settings, RUN, say=print)
        assert folder.exists()
