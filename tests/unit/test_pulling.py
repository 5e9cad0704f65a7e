# SPDX-License-Identifier: Apache-2.0
"""A cluster whose cells are about registries: made with registries of its own, used by one cell after the other.

The cluster, its registries and the scenarios are stand-ins: what is tested is the order of things.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from run_fakes import CATALOGUE, FakeResources, FakeSource, Results, Stage, host, request, take_places

from harness import process, waiting
from harness.images.mirrors import MirrorMap
from harness.matrix import expand
from harness.matrix.model import ClusterNeeds, Scenario
from harness.providers import network
from harness.run.attempt import Attempt
from harness.run.group import Group
from harness.stories.registries import own_registries, scenarios
from harness.stories.registries.context import PullContext
from harness.stories.registries.own_registries import RegistrySetup
from harness.stories.registries.scenarios import Known
from harness.verdicts import Finding, failed, passed

_TOKEN = "ghp_" + 36 * "x"
_NAMES = ("registry-one", "registry-two")


class _Module:
    """Two scenarios of one family; the second one fails."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def scenarios(self) -> Mapping[str, Scenario]:
        needs = ClusterNeeds(cluster="registry-f", installed="nothing")
        return {name: Scenario(name=name, summary=name, timeout=30, needs=needs, story="registries") for name in _NAMES}

    def setup(self, name: str) -> RegistrySetup:
        return RegistrySetup(private=True)

    def run(self, ctx: PullContext, name: str) -> list[Finding]:
        self._stage.events.append(f"{name} in {ctx.namespace}, reports in {ctx.reports.name}")
        if name == _NAMES[0]:
            return [passed("state", "COMPLETED")]
        found = [failed("state", "FAILED")]
        ctx.before_deletion(found)
        return found


class _Registries:
    """In the place of harness.stories.registries.own_registries.ClusterRegistries."""

    secrets = (_TOKEN,)

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def __enter__(self) -> _Registries:
        self._stage.events.append("registries up")
        return self

    def __exit__(self, *_: object) -> None:
        self._stage.events.append("registries down")

    def mirrors(self, others: MirrorMap) -> MirrorMap:
        return MirrorMap.model_validate({"mirrors": {"ghcr.io": {"url": "https://172.18.0.1:1"}}})


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = Stage(folder=tmp_path)
    module = _Module(made)
    known = {name: Known(scenario=it, module=module) for name, it in module.scenarios().items()}
    monkeypatch.setenv(process.RUN_VARIABLE, "")
    take_places(made, monkeypatch)
    monkeypatch.setattr(scenarios, "discover", lambda: known)
    monkeypatch.setattr(own_registries, "ClusterRegistries", lambda setup, **_: _Registries(made))
    monkeypatch.setattr(network, "gateway", lambda name: "172.18.0.1")
    yield made
    waiting.reset_cancellation()


def run(stage: Stage) -> Results:
    results = Results()
    resources = FakeResources(stage)
    resources.open()
    environment, path = CATALOGUE.environment("kind-1.34"), expand.find_path(CATALOGUE, "install-2.5.2")
    attempts = [Attempt(cell=expand.cell(environment, path, it.scenario)) for it in scenarios.discover().values()]
    Group(
        attempts[0].cell.group,
        attempts,
        cluster_name="soh-1",
        asked=request(stage.folder),
        host=host(),
        resources=resources,  # type: ignore[arg-type]
        evidence_folder=lambda it: stage.folder / "reports" / "run" / it.cell.id,
        done=results,
        say=stage.said.append,
    ).run()
    resources.close()
    return results


def test_cells_run_one_by_one_on_a_cluster_with_registries_and_without_a_release(stage: Stage) -> None:
    results = run(stage)
    assert results.verdicts == {"registry-one": "passed", "registry-two": "failed"}
    assert stage.events == [
        "open",
        "registries up",
        "create soh-1",
        "volumes of soh-1-control-plane",
        # The proof that the node refuses a registry without a mirror.
        "soh-1-control-plane: crictl pull no-host-of-the-mirror-map.invalid/nothing:none",
        "namespaces 3",
        "registry-one in registry-one, reports in run",
        "registry-two in registry-two, reports in run",
        "delete soh-1",
        "registries down",
        "close",
    ]
    (spec,) = stage.specs
    assert spec.mirrors.mirrors["ghcr.io"].url == "https://172.18.0.1:1"
    assert spec.preload == ()


def test_the_tokens_of_the_registries_are_kept_out_of_evidence(stage: Stage) -> None:
    run(stage)
    (asked,) = stage.evidence
    assert _TOKEN in asked.secrets


def test_without_a_storage_of_images_the_cells_are_unavailable(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeSource, "kind", "upstream")
    assert set(run(stage).verdicts.values()) == {"unavailable"}
    assert stage.specs == []
