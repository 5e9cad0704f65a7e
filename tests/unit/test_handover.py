# SPDX-License-Identifier: Apache-2.0
"""Paths of one edge on one cluster: which may share it, and what becomes of a cluster that is not left clean.

Clusters are stand-ins, see run_fakes.py; that a real one is proved clean, the cells show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from run_fakes import RUN_ID, FakeResources, Stage, attempt, holds, host, raises, request, take_places
from test_run_runner import CLEAN, created, deleted

from harness import process, waiting
from harness.errors import ClusterError
from harness.existing import inventory
from harness.existing.inventory import Inventory, Key
from harness.matrix.estimate import Expected
from harness.matrix.model import ClusterNeeds
from harness.releases import conditions
from harness.releases.home import Home
from harness.run import handover, runner
from harness.run.attempt import Attempt
from harness.run.handover import Spare, clean, family
from harness.run.runner import Runner

EDGE = "upgrade-2.4.0-2.5.2+crds="
KINDS = frozenset({"Namespace", "ConfigMap", "Secret", "ClusterRole"})
PICTURE = Inventory(objects={Key(kind="Namespace", where="", name="default"): "1"}, kinds=KINDS)
LEFT = Key(kind="ClusterRole", where="", name="spark-operator-hook")


def on(path: str, **more: Any) -> Attempt:
    return attempt("spark-pi", path=path, **more)


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        (on(EDGE + "none"), on(EDGE + "client-apply"), True),
        (on(EDGE + "none"), on("upgrade-2.2.1-2.5.2+crds=none"), False),
        (on(EDGE + "none"), on(EDGE + "none", environment="k3d-1.34"), False),
        (on(EDGE + "apply"), on(EDGE + "apply+values=pinned-registry"), False),
        (on(EDGE + "apply"), on(EDGE + "apply+profile=ha"), False),
        (on(EDGE + "apply"), on("upgrade-2.4.0-2.5.2~helm4+crds=apply"), True),
        (on("upgrade-2.4.0-2.5.2~helm3,helm4+crds=none"), on("upgrade-2.4.0-2.5.2~helm3,overlay+crds=apply"), True),
        (on("gitops-argocd-2.4.0-2.5.2+sync=replace"), on("gitops-argocd-2.4.0-2.5.2+sync=client"), False),
        (on(EDGE + "apply"), on("upgrade-2.4.0-2.5.2~helm,argocd-server-side"), False),
        (on(EDGE + "apply"), on(EDGE + "hook", number=2), False),
        (on(EDGE + "apply"), on(EDGE + "hook", needs=ClusterNeeds(cluster="fault")), False),
        (on("install-2.5.2"), on("install-2.5.2"), False),
        (on("rollback-2.5.2-2.4.0+crds=apply"), on("rollback-2.5.2-2.4.0+crds=none"), False),
    ],
)
def test_paths_of_one_edge_share_a_cluster_where_only_crds_and_ways_tell_them_apart(
    one: Attempt, other: Attempt, *, share: bool
) -> None:
    assert (family([one]) is not None and family([one]) == family([other])) == share


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = Stage(folder=tmp_path, plays={"spark-pi": holds, "ttl": holds})
    monkeypatch.setenv(process.RUN_VARIABLE, "")
    take_places(made, monkeypatch)
    monkeypatch.setattr(runner, "Resources", lambda run_id, *_: FakeResources(made, run_id))
    monkeypatch.setattr(runner, "look", lambda run_id, entries, **_: CLEAN)
    monkeypatch.setattr(handover, "picture_of", lambda cluster: PICTURE)
    monkeypatch.setattr(conditions, "version_of", lambda helm: SimpleNamespace(major=3))
    yield made
    waiting.reset_cancellation()


def run(stage: Stage, attempts: list[Attempt], **asked: Any) -> dict[str, Any]:
    made = Runner(
        RUN_ID,
        request(stage.folder, **asked),
        host(),
        evidence_folder=lambda it: stage.folder / "reports" / it.name,
        say=stage.said.append,
        expect=lambda cells: Expected(seconds=60.0 * len(cells), guess=True),
    )
    made.open()
    try:
        made.start(attempts)
        found = {it.name: made.result(it) for it in attempts}
    finally:
        assert made.close() == []
    assert all(it.ended is not None for it in made.plan)
    return found


def cleans(stage: Stage, left: str = "") -> Callable[..., Spare | str]:
    def clean(cluster: Any, **_: Any) -> Spare | str:
        stage.events.append(f"clean {cluster.name}")
        return left or Spare(cluster=cluster, picture=PICTURE, seconds=7.0)

    return clean


THREE = [on(EDGE + "none"), on(EDGE + "apply"), on(EDGE + "hook")]


def test_three_paths_run_on_one_cluster_which_is_removed_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "clean", cleans(stage))
    found = run(stage, THREE)
    assert {it.verdict for it in found.values()} == {"passed"}
    (name,) = created(stage)
    assert deleted(stage) == [name]
    assert stage.events.count(f"clean {name}") == 2
    assert sum(it.startswith("install 2.4.0") for it in stage.events) == 3
    # The picture is of before any release.
    assert stage.specs[0].early is None
    assert [found[it.name].phases.get("cluster-clean") for it in THREE] == [None, 7.0, 7.0]


def test_a_cluster_that_is_not_clean_is_removed_and_the_next_path_gets_its_own(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "clean", cleans(stage, f"{LEFT} came"))
    found = run(stage, THREE)
    assert {it.verdict for it in found.values()} == {"passed"}
    assert len(created(stage)) == 3
    assert created(stage) == deleted(stage)
    told = "is not clean, and no other path gets it: ClusterRole spark-operator-hook came"
    assert any(told in it for it in stage.said)


def test_a_cluster_that_had_trouble_is_handed_to_nobody(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "clean", cleans(stage))
    stage.plays["spark-pi"] = raises(ClusterError("the API server is away", ""))
    run(stage, THREE[:2])
    assert not [it for it in stage.events if it.startswith("clean")]
    assert created(stage) == deleted(stage)


@pytest.mark.parametrize("asked", [{"jobs": 2}, {"fresh": True}])
def test_beside_each_other_and_with_fresh_each_path_has_its_own(
    stage: Stage, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "clean", cleans(stage))
    run(stage, THREE[:2], **asked)
    assert len(created(stage)) == 2


def cleaned(monkeypatch: pytest.MonkeyPatch, *pictures: Inventory, undo: Callable[..., None] | None = None) -> Any:
    class Held:
        def __enter__(self) -> None:
            return None

        def __exit__(self, *_: object) -> None:
            pass

    shown = list(pictures)
    done: list[str] = []
    monkeypatch.setattr(handover, "_end_pods", lambda api, names: done.append(f"end pods in {','.join(names)}"))
    monkeypatch.setattr(handover, "undo", undo or (lambda cluster, **of: done.append(f"undo {of['name']}")))
    monkeypatch.setattr(handover, "_delete_namespace", lambda cluster, name: done.append(f"delete {name}"))
    monkeypatch.setattr(inventory, "take", lambda api: shown.pop(0) if len(shown) > 1 else shown[0])
    monkeypatch.setattr(inventory, "delete", lambda api, keys: done.extend(f"delete {it}" for it in keys))
    monkeypatch.setattr(handover, "_CLEAN_SECONDS", 0.3)
    cluster = cast(Any, SimpleNamespace(name="it", api_client=Held))
    return clean(cluster, helm=Path("helm"), home=Home(), namespaces=("a",), picture=PICTURE), done


def test_a_cluster_is_clean_once_everything_in_it_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    more = Inventory(objects={**PICTURE.objects, LEFT: "1"}, kinds=KINDS)
    found, done = cleaned(monkeypatch, more, PICTURE)
    assert isinstance(found, Spare)
    assert done[0] == "end pods in a,spark-operator"
    assert sorted(done[1:3]) == ["delete a", "undo spark-operator"]
    assert done[3:] == ["delete ClusterRole spark-operator-hook"], "what no namespace and no release took with it"


def test_what_a_path_has_left_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    more = Inventory(objects={**PICTURE.objects, LEFT: "1"}, kinds=KINDS)
    assert cleaned(monkeypatch, more)[0] == "ClusterRole spark-operator-hook came"


def test_a_cluster_that_cannot_be_cleaned_is_of_no_more_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def undo(cluster: Any, **_: Any) -> None:
        raise ClusterError("the namespace does not go", "")

    assert cleaned(monkeypatch, PICTURE, undo=undo)[0] == "the namespace does not go"
