# SPDX-License-Identifier: Apache-2.0
"""Applications in a queue of Kueue: where the scenario can run, what it asks for, and how it judges what it sees.

The cluster is a stand-in that plays Kueue and the operator; tests/e2e and the tier `nightly` have the real ones.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness import stories
from harness.apps.pods import SparkPod
from harness.apps.states import State
from harness.errors import UsageError
from harness.foundry import images
from harness.matrix import catalogue
from harness.matrix.addons import named
from harness.matrix.select import Selection, choose
from harness.releases import change
from harness.settings import Settings
from harness.stories.queues import queued, steps
from harness.stories.queues.queued import Held
from harness.upgrades.workload_seen import ApplicationSeen, Look, Part, When
from harness.verdicts import Finding, Verdict

REAL = catalogue.load()
SCENARIOS = stories.scenarios()
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
APPLICATION: dict[str, Any] = {
    "kind": "SparkApplication",
    "metadata": {"name": "long", "labels": {"a": "b"}},
    "spec": {
        "volumes": [{"name": "code", "configMap": {"name": "long-code"}}],
        "driver": {"coreRequest": "20m", "volumeMounts": [{"name": "code", "mountPath": "/opt/code"}]},
    },
}


def ids(**given: tuple[str, ...]) -> list[str]:
    return [cell.id for cell in choose(REAL, Selection(**given), SCENARIOS).cells]


def test_the_scenario_runs_only_where_kueue_is_and_the_operator_can_suspend() -> None:
    everywhere = ids(
        environments=("kind-1.34", "kind-1.34-kueue"), paths=("install-2.5.2",), scenarios=("kueue", "spark-pi")
    )
    assert [it for it in everywhere if it.endswith("/kueue")] == ["kind-1.34-kueue/install-2.5.2/kueue"]
    assert "kind-1.34-kueue/install-2.5.2/spark-pi" in everywhere
    path = "upgrade-2.4.0-2.5.2+crds=apply"
    (cell,) = choose(REAL, Selection(cells=(f"kind-1.34-kueue/{path}/kueue",)), SCENARIOS).cells
    assert cell.cluster == f"kind-1.34-kueue/{path}/kueue"
    with pytest.raises(UsageError, match=r"releases before 2\.4\.0 have no"):
        choose(REAL, Selection(cells=("kind-1.34-kueue/install-2.2.1/kueue",)), SCENARIOS)


@pytest.mark.parametrize(
    "given",
    [
        {"cells": ("kind-1.34/install-2.5.2/kueue",)},
        {"environments": ("kind-1.34",), "scenarios": ("kueue",)},
    ],
)
def test_it_is_told_where_kueue_is_missing(given: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(UsageError, match="the scenario kueue needs an environment with kueue"):
        ids(**given)


def test_the_foundry_builds_kueue_under_its_own_name(tmp_path: Any) -> None:
    (build,) = images.addon_builds(Settings(cache_dir=tmp_path), named(REAL.addons, "kueue"))
    assert build.reference == "registry.k8s.io/kueue/kueue:v0.17.0"
    assert build.recipe.inputs["path"] == "/manager"
    (stand_in,) = images.addon_builds(Settings(cache_dir=tmp_path), named(REAL.addons, "cert-manager"))
    assert stand_in.reference == "harness.invalid/certificate-issuer:1.21.2"


def test_an_application_is_put_into_the_queue_with_a_priority_and_a_size() -> None:
    (made,) = queued.queued([APPLICATION], "urgent-one", priority=queued.HIGH, driver=60)
    assert made["metadata"]["name"] == "urgent-one"
    assert made["metadata"]["labels"] == {
        "a": "b",
        "kueue.x-k8s.io/queue-name": queued.QUEUE,
        "kueue.x-k8s.io/priority-class": queued.HIGH,
    }
    assert made["spec"]["driver"]["coreRequest"] == "60m"
    assert APPLICATION["metadata"]["name"] == "long"


def test_its_volumes_can_come_by_a_template() -> None:
    (made,) = queued.templated([APPLICATION])
    assert "volumes" not in made["spec"]
    assert "volumeMounts" not in made["spec"]["driver"]
    template = made["spec"]["driver"]["template"]["spec"]
    assert template["volumes"][0]["name"] == template["containers"][0]["volumeMounts"][0]["name"] == "code"


def pod(name: str, uid: str, phase: str = "Succeeded") -> SparkPod:
    return SparkPod(name=name, namespace="kueue", uid=uid, phase=phase, labels={"spark-role": "driver"})


def seen(name: str, *states: State, drivers: int = 0, phase: str = "Succeeded") -> ApplicationSeen:
    looks = tuple(Look(at=NOW, state=it) for it in states)
    pods = tuple(pod(f"{name}-driver", f"{name}-{number}", phase) for number in range(drivers))
    return ApplicationSeen(
        namespace="kueue", name=name, uid=name, part=Part.SMALL, when=When.BEFORE, created=NOW, looks=looks, pods=pods
    )


@dataclasses.dataclass
class Stage:
    """What is seen of applications, which are suspended, and what Kueue says of each."""

    applications: dict[str, ApplicationSeen]
    suspended_ones: tuple[str, ...] = ()
    said: dict[str, Held] = dataclasses.field(default_factory=dict)

    def seen(self, name: str) -> ApplicationSeen | None:
        return self.applications.get(name)

    def suspended(self, name: str) -> bool:
        return name in self.suspended_ones

    def held(self, name: str) -> Held:
        return self.said.get(name, Held())

    def submit(self, manifests: object, when: When = When.BEFORE) -> str:
        return ""

    def await_state(self, *of: object, **more: object) -> None:
        return None


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "pause", lambda seconds, what: None)


ADMITTED = Held(name="w", true=frozenset({"Admitted"}))
RAN = (State.SUSPENDED, State.SUBMITTED, State.RUNNING)


@pytest.mark.parametrize(
    ("stage", "verdict"),
    [
        (Stage({"first": seen("first", *RAN)}, said={"first": ADMITTED}), Verdict.PASSED),
        (Stage({"first": seen("first", *RAN)}, said={"first": Held(name="w")}), Verdict.FAILED),
        (Stage({"first": seen("first", *RAN)}, ("first",), {"first": ADMITTED}), Verdict.FAILED),
    ],
)
def test_who_runs_was_admitted(stage: Stage, verdict: Verdict) -> None:
    assert steps._admitted(cast(Any, stage), "first").verdict is verdict


@pytest.mark.parametrize(
    ("stage", "verdict"),
    [
        (Stage({"waiting": seen("waiting", State.SUSPENDED)}, ("waiting",)), Verdict.PASSED),
        (Stage({"waiting": seen("waiting", State.SUSPENDED)}), Verdict.FAILED),
        (Stage({"waiting": seen("waiting", State.SUBMITTED, drivers=1)}, ("waiting",)), Verdict.FAILED),
        (Stage({"waiting": seen("waiting", State.SUSPENDED)}, ("waiting",), {"waiting": ADMITTED}), Verdict.FAILED),
    ],
)
def test_what_does_not_fit_waits_without_pods(stage: Stage, verdict: Verdict) -> None:
    assert steps._held_back(cast(Any, stage), "held-back").verdict is verdict


@pytest.mark.parametrize(("drivers", "verdict"), [(1, Verdict.PASSED), (2, Verdict.FAILED)])
def test_who_ran_before_the_upgrade_goes_on(drivers: int, verdict: Verdict) -> None:
    before = seen("first", *RAN, drivers=1)
    stage = Stage(
        {"first": seen("first", *RAN, drivers=drivers), "waiting": seen("waiting", State.SUSPENDED)}, ("waiting",)
    )
    kept, still = steps._kept(cast(Any, stage), before)
    assert (kept.verdict, still.verdict) == (verdict, Verdict.PASSED)


@pytest.mark.parametrize(
    ("state", "drivers", "verdict"),
    [(State.COMPLETED, 1, Verdict.PASSED), (State.COMPLETED, 2, Verdict.FAILED), (State.FAILED, 1, Verdict.FAILED)],
)
def test_who_waited_runs_once(state: State, drivers: int, verdict: Verdict) -> None:
    stage = Stage({"waiting": seen("waiting", State.SUSPENDED, state, drivers=drivers)})
    assert steps._ran_once(cast(Any, stage), "waiting", "waiting-ran-once").verdict is verdict


@pytest.mark.parametrize(
    ("states", "reason", "phase", "verdict"),
    [
        ((*RAN, State.SUSPENDING, State.SUSPENDED), "Preempted", "Succeeded", Verdict.PASSED),
        ((*RAN, State.SUSPENDING, State.SUSPENDED), "Preempted", "Running", Verdict.FAILED),
        (RAN[1:], "Preempted", "Succeeded", Verdict.FAILED),
        ((*RAN, State.SUSPENDING, State.SUSPENDED), "Deactivated", "Succeeded", Verdict.FAILED),
    ],
)
def test_a_more_urgent_one_takes_the_room(states: tuple[State, ...], reason: str, phase: str, verdict: Verdict) -> None:
    held = Held(name="w", true=frozenset({"Evicted"}), reasons={"Evicted": reason})
    stage = Stage(
        {
            "first": seen("first", *states, drivers=1, phase=phase),
            "urgent-one": seen("urgent-one", State.COMPLETED, drivers=1),
        },
        said={"first": held, "urgent-one": Held(name="u")},
    )
    context = cast(Any, type("Context", (), {"sample": lambda self, name: [APPLICATION]})())
    found = {it.check: it.verdict for it in steps._preempted(context, cast(Any, stage))}
    assert found == {
        "urgent-one-suspended-by-kueue": Verdict.PASSED,
        "preempted": verdict,
        "urgent-ran-once": Verdict.PASSED,
    }


@pytest.mark.parametrize(
    ("wrong", "outside", "verdict"),
    [("", False, Verdict.PASSED), ("no leader", False, Verdict.FAILED), ("503 from ghcr.io", True, Verdict.ERROR)],
)
def test_an_upgrade_that_does_not_succeed_is_the_release_s_fault_unless_the_network_was(
    monkeypatch: pytest.MonkeyPatch, wrong: str, outside: bool, verdict: Verdict
) -> None:
    came = SimpleNamespace(
        helm_error=None,
        rollout_error=wrong,
        outside=outside,
        steps=[SimpleNamespace(command="helm upgrade")],
        installed="2.5.2",
    )
    monkeypatch.setattr(change, "upgrade", lambda *of: came)
    context = SimpleNamespace(
        path=SimpleNamespace(moves=("to 2.5.2",)),
        installed="2.4.0",
        cluster=None,
        programs=None,
        sample=lambda name: [APPLICATION],
        wanted=lambda move: move,
    )
    stage = Stage({}, said={"meanwhile": Held(name="w")})
    told = list(steps._while_upgraded(cast(Any, context), cast(Any, stage)))
    assert [it.verdict for it in told if isinstance(it, Finding) and it.check == "upgraded"] == [verdict]
    assert cast(Any, "2.5.2") in told
