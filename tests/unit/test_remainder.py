# SPDX-License-Identifier: Apache-2.0
"""What is made beside a run: who waits for it, what is told meanwhile, and how it ends.

Steps are files here, and the bootstrap is a small program that makes them. `nox -s bootstrap e2e` runs the real one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness import waiting
from harness.bootstrap import remainder
from harness.bootstrap.remainder import Remainder
from harness.foundry import gobuild
from harness.foundry.store import Store
from harness.host.steps import Step
from harness.matrix import catalogue
from harness.settings import Settings
from harness.waiting import until

CATALOGUE = catalogue.load()
KIND, K3D = CATALOGUE.environment("kind-1.34"), CATALOGUE.environment("k3d-1.34")
RELEASE = CATALOGUE.release("2.5.2")
WANTED = {"kind-1.34/install-2.5.2": (KIND, [RELEASE]), "k3d-1.34/install-2.5.2": (K3D, [RELEASE])}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files stand for what is there: the node of kind from the beginning, that of k3d not."""
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "kind").touch()
    (folder / "kind node").touch()

    def step(name: str, *needs: str) -> Step:
        file = folder / name
        return Step(name=name, done=file.exists, run=lambda progress: None, needs=needs, estimate=90.0)

    def steps(settings: Settings, environments: Sequence[object], releases: Sequence[object]) -> list[Step]:
        (environment,) = environments
        if environment == KIND:
            return [step("kind"), step("kind node", "kind")]
        return [step("k3s programs"), step("k3s-shaped node", "k3s programs")]

    monkeypatch.setattr("harness.foundry.plan.steps", steps)
    monkeypatch.setattr(remainder, "_LOOK_SECONDS", 0.05)
    return folder


@pytest.fixture
def beside(settings: Settings, said: list[str]) -> Iterator[Remainder]:
    made = Remainder(settings, config=None, say=said.append)
    yield made
    made.close()


def program(monkeypatch: pytest.MonkeyPatch, text: str) -> list[Sequence[str]]:
    """Let this Python program be the bootstrap; returns what it is asked for."""
    asked: list[Sequence[str]] = []

    def command(environments: Sequence[str], paths: Sequence[str], config: Path | None) -> list[str]:
        asked.append(environments)
        return [sys.executable, "-c", text]

    monkeypatch.setattr(remainder, "command", command)
    return asked


def make(beside: Remainder) -> None:
    beside.make(WANTED, paths=["install-2.5.2"])


def until_ready(beside: Remainder, name: str) -> None:
    until(lambda: beside.ready(name), what=f"{name} to be ready", timeout=20, interval=0.02)


def test_who_lacks_something_waits_for_it_and_the_others_do_not(
    made: Path, beside: Remainder, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"""
import pathlib, time
folder = pathlib.Path({str(made)!r})
while not (folder / "go on").exists(): time.sleep(0.02)
(folder / "k3s programs").touch()
(folder / "k3s-shaped node").touch()
"""
    asked = program(monkeypatch, text)
    make(beside)

    assert beside.ready("kind-1.34/install-2.5.2")
    assert not beside.ready("k3d-1.34/install-2.5.2")
    until(lambda: said, what="a word on what is waited for", timeout=20, interval=0.02)
    (made / "go on").touch()
    until_ready(beside, "k3d-1.34/install-2.5.2")

    assert asked == [["k3d-1.34"]]
    assert said[0] == (
        "k3d-1.34/install-2.5.2 waits for k3s programs (usually 90 s), k3s-shaped node (usually 90 s); "
        "at most 3 min in total on an idle host"
    )


def test_nobody_waits_for_what_nobody_makes_any_more(
    made: Path, beside: Remainder, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program(monkeypatch, "import sys; sys.exit(3)")
    make(beside)
    until_ready(beside, "k3d-1.34/install-2.5.2")

    assert not (made / "k3s-shaped node").exists()
    until(lambda: "exited with status 3" in said[-1], what="a word on the failure", timeout=20, interval=0.02)


def test_where_nothing_is_missing_nothing_is_started_and_the_caches_go(
    made: Path, settings: Settings, beside: Remainder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = program(monkeypatch, "")
    caches = gobuild.caches(Store.of(settings))
    for folder in caches:
        folder.mkdir(parents=True)
    (made / "k3s-shaped node").touch()
    make(beside)

    assert all(beside.ready(name) for name in WANTED)
    assert asked == []
    assert not any(folder.exists() for folder in caches)


def test_the_end_of_the_run_ends_it(made: Path, beside: Remainder, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"""
import os, pathlib, time
pathlib.Path({str(made / "process")!r}).write_text(str(os.getpid()))
time.sleep(600)
"""
    program(monkeypatch, text)
    make(beside)
    file = made / "process"
    number = until(lambda: file.exists() and file.read_text(), what="the program to begin", timeout=20)
    beside.close()

    assert not Path("/proc", str(number)).exists()
    assert beside.ready("k3d-1.34/install-2.5.2")


def test_a_run_that_is_being_ended_waits_for_nothing(
    made: Path, beside: Remainder, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(monkeypatch, "import time; time.sleep(600)")
    make(beside)
    waiting.cancel_all()
    try:
        until(lambda: beside.ready("k3d-1.34/install-2.5.2"), what="nobody to wait", timeout=20, heed_cancel=False)
    finally:
        waiting.reset_cancellation()


def test_the_bootstrap_yields_and_is_asked_for_what_is_missing(tmp_path: Path) -> None:
    words = remainder.command(["k3d-1.34", "k3d-1.34"], ["install-2.5.2", "install-2.5.2"], tmp_path / "harness.toml")

    assert words[:3] == ["nice", "-n", "19"]
    assert words[4:9] == ["-m", "harness.cli", "bootstrap", "--source", "foundry"]
    assert words[9:] == ["--env", "k3d-1.34", "--path", "install-2.5.2", "--config", str(tmp_path / "harness.toml")]
