# SPDX-License-Identifier: Apache-2.0
"""What bootstrap builds for which cells: nothing twice, everything after what it needs, and done when it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.foundry import gobuild, operator, plan
from harness.foundry.kubernetes import row
from harness.foundry.store import Recipe, Store
from harness.host.steps import BUILD_PACKAGES, ENGINE, Step, ordered
from harness.matrix import catalogue
from harness.settings import Settings

CATALOGUE = catalogue.load()
BOTH = [CATALOGUE.environment("kind-1.34"), CATALOGUE.environment("kind-1.36")]
RELEASES = [CATALOGUE.release("2.5.2")]


@pytest.fixture(autouse=True)
def _a_go_version(monkeypatch: pytest.MonkeyPatch) -> None:
    # Recipes ask Go for its version; these tests must also pass where there is no Go.
    monkeypatch.setattr(gobuild, "_go_version", lambda: "go1.26.0")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path)


def named(steps: list[Step]) -> dict[str, Step]:
    return {step.name: step for step in steps}


def around(steps: list[Step]) -> list[Step]:
    """The steps that bootstrap itself puts before these."""
    names = (ENGINE, BUILD_PACKAGES, "tool crane", "tool registry")
    before = [Step(name=name, done=lambda: True, run=lambda progress: None) for name in names]
    return [*before, *steps]


def put(settings: Settings, recipe: Recipe) -> None:
    def make(folder: Path, log_file: Path) -> None:
        (folder / "it").write_text("x")

    Store.of(settings).build(recipe, make)


def test_every_environment_and_release_has_its_steps(settings: Settings) -> None:
    names = set(named(plan.steps(settings, BOTH, RELEASES)))

    for version in ("1.34.4", "1.36.3"):
        assert {f"Kubernetes {version}", f"kind node {version}", f"control plane {version}"} <= names
    assert {"image operator-2.5.2", "image hook-2.5.2", "image spark-4.0.4", "image spark-3.5.5"} <= names
    assert {"chart 2.5.2", "node base systems", "node programs"} <= names


def test_another_containerd_costs_no_second_kubernetes(settings: Settings) -> None:
    lines = [CATALOGUE.environment(f"kind-1.34{line}") for line in ("", "-containerd-2.3")]

    steps = named(plan.steps(settings, lines, RELEASES))

    assert [name for name in steps if name.startswith(("Kubernetes", "control plane", "kind node"))] == [
        "Kubernetes 1.34.4",
        "control plane 1.34.4",
        "kind node 1.34.4",
        "kind node 1.34.4 with containerd 2.3.7",
        "kind node 1.34.4 with images",
        "kind node 1.34.4 with containerd 2.3.7 with images",
    ]
    assert "node programs" in steps["kind node 1.34.4 with containerd 2.3.7"].needs


def test_steps_are_named_once_and_come_after_what_they_need(settings: Settings) -> None:
    steps = ordered(around(plan.steps(settings, [*BOTH, BOTH[0]], RELEASES)))
    places = {step.name: place for place, step in enumerate(steps)}

    assert len(places) == len(steps)
    assert all(places[need] < places[step.name] for step in steps for need in step.needs)


def test_only_what_the_cells_need_is_built(settings: Settings) -> None:
    one = set(named(plan.steps(settings, BOTH[:1], RELEASES)))
    assert "Kubernetes 1.34.4" in one
    assert not [name for name in one if "1.36" in name]

    unbuildable = CATALOGUE.release("2.0.2")
    assert not [name for name in named(plan.steps(settings, BOTH, [unbuildable])) if "2.0.2" in name]

    public = BOTH[0].model_copy(update={"foundry": False})
    assert not [name for name in named(plan.steps(settings, [public], RELEASES)) if name.startswith(("kind", "node"))]


def test_a_k3s_shaped_node_is_built_only_when_it_is_asked_for(settings: Settings) -> None:
    kind = set(named(plan.steps(settings, BOTH, RELEASES)))
    k3d = named(plan.steps(settings, [CATALOGUE.environment("k3d-1.34")], RELEASES))

    assert not [name for name in kind if "k3s" in name]
    assert k3d["k3s-shaped node 1.34.4"].needs == ("kind node 1.34.4 with images", "k3s-shaped node programs")
    assert set(k3d["k3s-shaped node 1.34.4"].needs) <= set(k3d)
    assert "k3s-shaped node 1.36.3" not in k3d


def test_the_hook_takes_kubectl_from_a_kubernetes_that_is_built_anyway(settings: Settings) -> None:
    hook = named(plan.steps(settings, BOTH, RELEASES))["image hook-2.5.2"]
    module = next(it.kubectl_module for it in operator.catalogue().operator if it.version == "2.5.2")

    assert f"Kubernetes {gobuild.build_file(module).version}" in hook.needs


def test_nothing_is_done_in_an_empty_cache_and_looking_changes_nothing(settings: Settings) -> None:
    # The node's own step asks the engine, too; without its artefact it must not even get there.
    for step in plan.steps(settings, BOTH, RELEASES):
        assert not step.done(), step.name
    assert list(settings.cache_dir.iterdir()) == []


def test_a_step_is_done_when_all_its_artefacts_are_stored(settings: Settings) -> None:
    version = row("1.34.4")
    step = named(plan.steps(settings, BOTH[:1], RELEASES))["Kubernetes 1.34.4"]
    for module in (version.module, version.etcd_module, version.coredns_module):
        assert not step.done()
        put(settings, gobuild.recipe(module))

    assert step.done()
    assert step.size() == 3


def test_what_takes_long_says_so(settings: Settings) -> None:
    steps = named(plan.steps(settings, BOTH, RELEASES))

    assert all(step.estimate > 0 for step in steps.values())
    assert steps["Kubernetes 1.34.4"].heavy
    assert steps["Kubernetes 1.34.4"].room >= 5e9
