# SPDX-License-Identifier: Apache-2.0
"""Bootstrap: what it plans, that it goes on where it was, and that it refuses a disk that is nearly full.

The steps' work is made up here; the real work is done by `nox -s bootstrap` itself.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from harness.bootstrap import bootstrap as room
from harness.errors import DiskError
from harness.host import disk
from harness.host.steps import Progress, Step
from harness.matrix import catalogue
from harness.matrix.model import Environment
from harness.matrix.release import Release
from harness.settings import Settings, SourceKind

ENVIRONMENTS = [
    Environment(name="kind-1.34", provider="kind", kubernetes="1.34.4", node_image="docker.io/kindest/node:v1.34.4"),
    Environment(name="kind-1.36", provider="kind", kubernetes="1.36.3", node_image="docker.io/kindest/node:v1.36.3"),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache", min_disk_gb=0)


class Host:
    """Steps whose results are files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.interrupt_at = ""
        self.ran: list[str] = []

    def step(self, name: str, *needs: str) -> Step:
        file = self.folder / name

        def run(progress: Progress) -> None:
            if name == self.interrupt_at:
                raise KeyboardInterrupt
            self.ran.append(name)
            file.write_text(name)

        return Step(name=name, done=file.is_file, run=run, needs=needs, size=lambda: 2_000_000, estimate=5)

    def steps(
        self,
        settings: Settings,
        *,
        source: SourceKind,
        environments: list[Environment],
        releases: list[Release],
        providers: tuple[str, ...],
        **more: object,
    ) -> list[Step]:
        return [self.step("engine"), self.step("kind"), self.step("node image", "engine", "kind")]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path)
    monkeypatch.setattr(room, "all_steps", made.steps)
    return made


def bootstrap(settings: Settings) -> tuple[room.BootstrapReport, str]:
    output = io.StringIO()
    console = Console(file=output, width=120)
    report = room.bootstrap(settings, source="upstream", environments=ENVIRONMENTS, releases=[], console=console)
    return report, output.getvalue()


def test_the_first_call_prints_plan_progress_and_summary(settings: Settings, host: Host) -> None:
    report, output = bootstrap(settings)

    assert host.ran[-1] == "node image"
    assert report.changed
    assert "To do, at most 15 s on two cores:" in output
    assert "  - node image (about 5.0 s), if missing" in output
    assert "done    kind in 0." in output
    assert "node image  done   2 MB" in output
    assert output.splitlines()[-1].startswith("Ready, ")


def test_the_removal_of_what_the_builds_left_is_a_step_with_a_line_of_its_own(settings: Settings, host: Host) -> None:
    left = settings.cache_dir / "work" / "go-build" / "00"
    left.mkdir(parents=True)

    _, output = bootstrap(settings)

    assert not left.parent.exists()
    lines = output.splitlines()
    begun = next(it for it in lines if it.startswith("begun   removal of Go's caches"))
    done = next(it for it in lines if it.startswith("done    removal of Go's caches in "))
    between = lines[lines.index(begun) + 1 : lines.index(done)]
    assert between == ["        removal of Go's caches: go-build: 0 of 1 folders are gone"]


def test_the_second_call_changes_nothing(settings: Settings, host: Host) -> None:
    bootstrap(settings)
    host.ran.clear()

    report, output = bootstrap(settings)

    assert host.ran == []
    assert not report.changed
    assert "Already present: engine, kind, node image." in output
    assert output.splitlines()[-1].startswith("Nothing to do, ")


def test_after_an_interruption_it_goes_on(settings: Settings, host: Host) -> None:
    host.interrupt_at = "node image"
    with pytest.raises(KeyboardInterrupt):
        bootstrap(settings)
    host.interrupt_at = ""
    host.ran.clear()

    report, _ = bootstrap(settings)

    assert host.ran == ["node image"]
    assert [outcome.state for outcome in report.outcomes] == ["there", "there", "done"]


def test_a_disk_that_is_nearly_full(settings: Settings, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "free", lambda folder: 2_000_000_000)

    with pytest.raises(DiskError, match=r"nearly full: 2\.0 GB are free, a run needs 3\.0 GB") as caught:
        bootstrap(settings.model_copy(update={"min_disk_gb": 3.0}))
    assert "HARNESS_CACHE" in caught.value.next_step
    assert host.ran == []


def test_the_step_that_needs_most_room_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "free", lambda folder: 5_000_000_000)
    steps = [
        Step(name="kind", done=lambda: False, run=lambda progress: None, room=10**9),
        Step(name="Kubernetes 1.36.3", done=lambda: False, run=lambda progress: None, room=6 * 10**9),
    ]

    with pytest.raises(DiskError, match=r"Kubernetes 1\.36\.3 needs 6\.0 GB"):
        room.require_room(settings, steps)


needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not on PATH")


@pytest.mark.parametrize("source", ["upstream", "mirror", pytest.param("foundry", marks=needs_go)])
def test_the_steps_of_a_source(settings: Settings, source: SourceKind) -> None:
    found = catalogue.load()

    steps = room.all_steps(settings, source=source, environments=found.environments, releases=[found.release("2.5.2")])

    names = [step.name for step in steps]
    assert {"container engine", "tool kind", "tool helm", "tool kubectl 1.34", "tool kubectl 1.36"} <= set(names)
    assert ("node image kind-1.34" in names) == (source == "upstream")
    assert ("build packages" in names) == (source == "foundry")
    assert any(name.startswith("kind node") for name in names) == (source == "foundry")


@pytest.mark.parametrize("argocd", [False, True])
def test_argo_cd_is_built_only_where_a_path_asks_for_it(settings: Settings, argocd: bool) -> None:
    steps = room.all_steps(settings, source="upstream", environments=[], releases=[], argocd=argocd)

    assert ("Argo CD" in [step.name for step in steps]) == argocd
    # What compiles it and makes its base system, whatever the source of images.
    assert ("build packages" in [step.name for step in steps]) == argocd
