# SPDX-License-Identifier: Apache-2.0
"""A run's groups: side by side, each result handed out, and an end that waits for nobody and leaves nothing.

Clusters are stand-ins, see run_fakes.py; so is the last look for what was left, which would look at this host.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from run_fakes import RUN_ID, FakeResources, Stage, attempt, holds, host, raises, request, take_places

from harness import process, waiting
from harness.apps.context import ScenarioContext
from harness.cleanup.remains import Remain, Survey
from harness.errors import ClusterError, HarnessError
from harness.host import pressure
from harness.machine import HostSeen
from harness.matrix.estimate import Expected
from harness.matrix.model import ClusterNeeds
from harness.run import runner
from harness.run.budget import Claim
from harness.run.group import Group
from harness.run.runner import Runner
from harness.verdicts import Finding, Verdict, passed, unavailable

CLEAN = Survey(remains=())


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = Stage(folder=tmp_path, plays={"spark-pi": holds, "ttl": holds})
    monkeypatch.setenv(process.RUN_VARIABLE, "")
    take_places(made, monkeypatch)
    monkeypatch.setattr(runner, "Resources", lambda run_id, *_: FakeResources(made, run_id))
    monkeypatch.setattr(runner, "look", lambda run_id, entries, **_: CLEAN)
    yield made
    waiting.reset_cancellation()


@pytest.fixture
def open_run(stage: Stage) -> Iterator[Callable[..., Runner]]:
    opened: list[Runner] = []

    def open_(**asked: int) -> Runner:
        made = Runner(
            RUN_ID,
            request(
                stage.folder,
                jobs=asked.get("jobs", 1),
                keep=bool(asked.get("keep")),
                fresh=bool(asked.get("fresh")),
                bootstrap=bool(asked.get("bootstrap")),
            ),
            host(),
            evidence_folder=lambda it: stage.folder / "reports" / it.name,
            say=stage.said.append,
            expect=lambda cells: Expected(seconds=60.0 * len(cells), guess=True),
        )
        opened.append(made)
        made.open()
        return made

    yield open_
    for made in opened:
        made.close()


def deleted(stage: Stage) -> list[str]:
    return sorted(line.split()[1] for line in stage.events if line.startswith("delete"))


def created(stage: Stage) -> list[str]:
    return sorted(line.split()[1] for line in stage.events if line.startswith("create"))


def endless(began: threading.Event) -> Callable[[ScenarioContext], list[Finding]]:
    def play(context: ScenarioContext) -> list[Finding]:
        began.set()
        waiting.pause(120, what="an endless scenario")
        return [passed("state", "COMPLETED")]

    return play


def test_each_cell_gets_its_result_and_nothing_is_left(stage: Stage, open_run: Callable[..., Runner]) -> None:
    run = open_run()
    attempts = [attempt("spark-pi"), attempt("ttl")]
    run.start(attempts)

    assert [run.result(it).verdict for it in attempts] == [Verdict.PASSED, Verdict.PASSED]
    assert run.close() == []
    assert created(stage) == deleted(stage) == ["soh-101500-ab12-1"]
    assert stage.events[-1] == "close"
    assert list((stage.folder / "ledger").glob("*.jsonl")) == []


def test_a_cell_whose_images_no_mirror_has_gets_no_cluster_and_the_others_go_on(
    stage: Stage, open_run: Callable[..., Runner]
) -> None:
    away, there = attempt("spark-pi", "kind-1.36"), attempt("ttl")
    stage.refusals = {
        away.cell.id: unavailable("in-the-mirror", "ghcr.io/a/b:1 is not available: the mirror has it not")
    }
    run = open_run()
    planned = run.start([away, there])

    assert [it.environment for it in planned] == ["kind-1.34"]
    result = run.result(away)
    assert (result.verdict, result.reason) == (
        Verdict.UNAVAILABLE,
        "ghcr.io/a/b:1 is not available: the mirror has it not",
    )
    assert away.cell.id in result.repro or "--lock" in result.repro
    assert run.result(there).verdict is Verdict.PASSED
    assert len(created(stage)) == 1


def test_what_was_started_is_not_started_again(stage: Stage, open_run: Callable[..., Runner]) -> None:
    run = open_run()
    run.start([attempt("spark-pi")])
    run.start([attempt("spark-pi")])
    run.result(attempt("spark-pi"))

    assert len(created(stage)) == 1


def test_every_environment_and_attempt_has_a_cluster_of_its_own(stage: Stage, open_run: Callable[..., Runner]) -> None:
    run = open_run(jobs=3)
    attempts = [attempt("spark-pi"), attempt("spark-pi", "kind-1.36"), attempt("spark-pi", number=2)]
    run.start(attempts)

    assert [(it.environment, it.attempt) for it in map(run.result, attempts)] == [
        ("kind-1.34", 1),
        ("kind-1.36", 1),
        ("kind-1.34", 2),
    ]
    run.close()
    assert created(stage) == deleted(stage) == [f"soh-101500-ab12-{number}" for number in (1, 2, 3)]


def test_as_many_clusters_at_a_time_as_jobs_says(stage: Stage, open_run: Callable[..., Runner]) -> None:
    together = threading.Barrier(2)

    def meet() -> None:
        together.wait(30)

    stage.on_create = meet
    run = open_run(jobs=2)
    attempts = [attempt("spark-pi"), attempt("spark-pi", "kind-1.36")]
    run.start(attempts)

    assert {run.result(it).verdict for it in attempts} == {Verdict.PASSED}


def test_one_cluster_at_a_time_without_jobs(stage: Stage, open_run: Callable[..., Runner]) -> None:
    run = open_run()
    attempts = [attempt("spark-pi"), attempt("spark-pi", "kind-1.36")]
    run.start(attempts)
    for it in attempts:
        run.result(it)
    run.close()

    order = [line for line in stage.events if line.startswith(("create", "delete"))]
    assert [line.split()[0] for line in order] == ["create", "delete", "create", "delete"]


def test_a_broken_cluster_does_not_touch_the_other(stage: Stage, open_run: Callable[..., Runner]) -> None:
    def first_breaks() -> None:
        if stage.specs[-1].environment.name == "kind-1.34":
            raise ClusterError("no room")

    stage.on_create = first_breaks
    run = open_run()
    attempts = [attempt("spark-pi"), attempt("spark-pi", "kind-1.36")]
    run.start(attempts)

    assert [run.result(it).verdict for it in attempts] == [Verdict.ERROR, Verdict.PASSED]


def test_the_end_cancels_what_waits_and_removes_its_cluster(stage: Stage, open_run: Callable[..., Runner]) -> None:
    began = threading.Event()
    stage.plays["spark-pi"] = endless(began)
    run = open_run()
    run.start([attempt("spark-pi")])
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(run.result, attempt("spark-pi"))
        assert began.wait(30)

        assert run.close() == []

        with pytest.raises(HarnessError, match="was not run: the run was ended"):
            waits.result(30)
    assert deleted(stage) == ["soh-101500-ab12-1"]
    assert not waiting.cancelled()


def test_groups_that_never_began_make_nothing(stage: Stage, open_run: Callable[..., Runner]) -> None:
    began = threading.Event()
    stage.plays["spark-pi"] = endless(began)
    run = open_run()
    run.start([attempt("spark-pi"), attempt("spark-pi", "kind-1.36")])
    assert began.wait(30)
    run.close()

    assert created(stage) == deleted(stage) == ["soh-101500-ab12-1"]
    with pytest.raises(HarnessError, match=r"kind-1\.36/install-2\.5\.2/spark-pi was not run"):
        run.result(attempt("spark-pi", "kind-1.36"))


def test_a_cluster_that_is_being_removed_is_waited_for(stage: Stage, open_run: Callable[..., Runner]) -> None:
    removing, go_on = threading.Event(), threading.Event()
    cancelled: list[bool] = []

    def delete() -> None:
        removing.set()
        go_on.wait(30)
        cancelled.append(waiting.cancelled())

    stage.on_delete = delete
    run = open_run()
    run.start([attempt("spark-pi")])
    run.result(attempt("spark-pi"))
    assert removing.wait(30)
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(run.close)
        go_on.set()

        assert closing.result(30) == []
    assert cancelled == [False]


def test_what_is_left_is_told(stage: Stage, open_run: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch) -> None:
    left = Remain(kind="container", name="soh-1-control-plane", id="1", detail="running")
    monkeypatch.setattr(
        runner, "look", lambda run_id, entries, **_: Survey(remains=(left,), unseen=("volumes: asleep",))
    )
    stage.on_close = raises(HarnessError("the network is in use"))

    assert open_run().close() == [
        "the network is in use",
        "container soh-1-control-plane (running)",
        "volumes: asleep",
    ]


def test_a_second_end_does_nothing(stage: Stage, open_run: Callable[..., Runner]) -> None:
    run = open_run()
    run.close()
    run.close()

    assert stage.events.count("close") == 1


def test_kept_clusters_are_no_leak(
    stage: Stage, open_run: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "look", raises(AssertionError("looked")))
    run = open_run(keep=1)
    run.start([attempt("spark-pi")])
    run.result(attempt("spark-pi"))

    assert run.close() == []
    assert [it.cluster for it in run.kept] == ["soh-101500-ab12-1"]
    assert stage.events[-1] == "close keeping"
    assert deleted(stage) == []


def test_a_run_that_is_ended_keeps_nothing_half_done(stage: Stage, open_run: Callable[..., Runner]) -> None:
    began = threading.Event()
    stage.plays["spark-pi"] = endless(began)
    run = open_run(keep=1)
    run.start([attempt("spark-pi")])
    assert began.wait(30)
    run.close()

    assert run.kept == []
    assert deleted(stage) == ["soh-101500-ab12-1"]


def test_a_new_run_may_wait_again(stage: Stage, open_run: Callable[..., Runner]) -> None:
    waiting.cancel_all()
    open_run()

    assert not waiting.cancelled()


def test_what_is_tried_once_more_gets_another_cluster_in_the_plan(
    stage: Stage, open_run: Callable[..., Runner]
) -> None:
    def first_breaks() -> None:
        if len(stage.specs) == 1:
            raise ClusterError("no room")

    stage.on_create = first_breaks
    run = open_run()
    attempts = [attempt("spark-pi"), attempt("ttl")]

    first = run.start(attempts)

    results = [run.result(it) for it in attempts]
    assert [result.verdict for result in results] == [Verdict.PASSED, Verdict.PASSED]
    assert [[retry.cause for retry in result.retries] for result in results] == [["cluster-not-created"]] * 2
    run.close()
    planned, extra = run.plan
    assert planned.cells == extra.cells == tuple(it.name for it in attempts)
    assert planned.cluster == first[0].cluster != extra.cluster
    assert "no room" in extra.why
    assert planned.ended is not None
    assert extra.started is not None
    assert planned.ended <= extra.started
    assert deleted(stage) == [planned.cluster, extra.cluster]


@pytest.mark.parametrize(("load", "amounts"), [(1.0, ["450", "450"]), (15.0, ["450", "2000"])])
def test_what_a_busy_host_spoilt_has_the_machine_for_itself_when_it_is_tried_once_more(
    stage: Stage, open_run: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch, load: float, amounts: list[str]
) -> None:
    held: list[str] = []

    def first_breaks() -> None:
        slots = stage.folder / "cache" / "slots" / "processors"
        held.extend(it.name.split("-")[1] for it in slots.glob("*.held"))
        if len(stage.specs) == 1:
            raise ClusterError("creating kind-1.34 failed")

    seen = HostSeen(disk_free=10**12, disk="/", memory_available=10**12, load=load)
    monkeypatch.setattr(pressure, "look", lambda folders, since: seen)
    stage.on_create = first_breaks
    run = open_run()
    run.start([attempt("spark-pi")])
    run.result(attempt("spark-pi"))

    assert held == amounts


def test_a_cell_that_needs_a_cluster_for_itself_gets_it(stage: Stage, open_run: Callable[..., Runner]) -> None:
    attempts = [
        attempt("spark-pi"),
        attempt("ttl", needs=ClusterNeeds(cluster="ttl")),
        attempt("spark-pi", "kind-1.36"),
    ]
    run = open_run()

    planned = run.start(attempts)

    assert {run.result(it).verdict for it in attempts} == {Verdict.PASSED}
    assert [it.cells for it in planned] == [(it.name,) for it in attempts]
    assert [it.starts for it in planned] == [0.0, 60.0, 120.0]


def test_fresh_clusters_are_one_for_each_cell(stage: Stage, open_run: Callable[..., Runner]) -> None:
    attempts = [attempt("spark-pi"), attempt("ttl")]
    run = open_run(fresh=1)

    planned = run.start(attempts)

    assert {run.result(it).verdict for it in attempts} == {Verdict.PASSED}
    assert len(planned) == len(created(stage)) == 2


def test_several_at_a_time_begin_with_the_longest(stage: Stage, open_run: Callable[..., Runner]) -> None:
    attempts = [attempt("spark-pi"), attempt("spark-pi", "kind-1.36"), attempt("ttl", "kind-1.36")]
    run = open_run(jobs=2)

    planned = run.start(attempts)

    assert [(it.environment, it.starts, it.seconds) for it in planned] == [
        ("kind-1.36", 0.0, 120.0),
        ("kind-1.34", 0.0, 60.0),
    ]
    assert all(it.guess for it in planned)
    assert {run.result(it).verdict for it in attempts} == {Verdict.PASSED}


def test_an_upgrade_that_has_to_wait_for_processors_lets_others_begin_and_says_so(
    stage: Stage, open_run: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    goes_on, both = threading.Event(), threading.Event()

    def go(group: Group, claim: Claim) -> None:
        begun.append(group.name.partition("/")[2])
        if len(begun) == 2:
            both.set()
        goes_on.wait(10)

    monkeypatch.setattr(Group, "run", go)
    paths = ("upgrade-2.2.1-2.5.2+crds=apply", "upgrade-2.4.0-2.5.2+crds=apply", "install-2.5.2")
    run = open_run(jobs=2)
    watches = ClusterNeeds(applications=("standing",))
    run.start([attempt("fault", path=path, needs=watches) for path in paths])
    assert both.wait(10)
    # Which of the two threads notes it first is theirs.
    assert set(begun) == {paths[0], paths[2]}
    goes_on.set()
    waiting.until(lambda: begun, lambda names: len(names) == 3, what="the other upgrade", timeout=10)
    (said,) = [line for line in stage.said if "waits" in line]
    assert f"{paths[1]}: waits for 1.1 of 2 processors: taken are" in said
    assert f"1.1 by kind-1.34/{paths[0]}" in said


def test_each_result_is_told_at_once_whoever_waits_for_which(stage: Stage, tmp_path: Path) -> None:
    told: list[str] = []
    run = Runner(
        RUN_ID,
        request(stage.folder, jobs=2),
        host(),
        evidence_folder=lambda it: tmp_path / it.name,
        say=stage.said.append,
        expect=lambda cells: Expected(seconds=60.0, guess=True),
        done=lambda result: told.append(result.id),
    )
    run.open()
    slow, quick = attempt("spark-pi"), attempt("ttl", "kind-1.36")

    def after_the_other(context: ScenarioContext) -> list[Finding]:
        waiting.until(lambda: list(told), what="the other cell to be told", timeout=10)
        return [passed("state", "COMPLETED")]

    stage.plays["spark-pi"] = after_the_other

    run.start([slow, quick])

    assert run.result(slow).verdict is Verdict.PASSED
    assert told == [quick.cell.id, slow.cell.id]
    run.close()


class Making:
    """Stands for the bootstrap beside a run, which would build for minutes: `made` lets its takers go on."""

    def __init__(self, *lacks: str) -> None:
        self._lacks = set(lacks)
        self.asked: dict[str, object] = {}
        self.closed = False

    def __call__(self, *_: object, **__: object) -> Making:
        return self

    def make(self, wanted: dict[str, object], *, paths: list[str]) -> None:
        self.asked.update(wanted)

    def ready(self, name: str) -> bool:
        return name not in self._lacks

    def made(self) -> None:
        self._lacks.clear()

    def close(self) -> None:
        self.closed = True


def test_cells_whose_images_are_being_made_wait_for_them_and_are_not_refused(
    stage: Stage, open_run: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    late, early = attempt("spark-pi", "kind-1.36"), attempt("ttl")
    making = Making(late.cell.group)
    monkeypatch.setattr(runner, "Remainder", making)
    looked_for: list[str] = []
    stage.on_preflight = looked_for.extend
    run = open_run(bootstrap=True)
    run.start([late, early])

    assert run.result(early).verdict is Verdict.PASSED
    assert looked_for == [early.cell.id]
    assert set(making.asked) == {late.cell.group, early.cell.group}
    assert not [event for event in stage.events if "install" in event and "spark-pi" in event]

    making.made()
    assert run.result(late).verdict is Verdict.PASSED
    run.close()
    assert making.closed


def test_nothing_is_made_beside_a_run_that_was_not_asked_to(
    open_run: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    making = Making()
    monkeypatch.setattr(runner, "Remainder", making)
    run = open_run()
    run.start([attempt("ttl")])

    assert run.result(attempt("ttl")).verdict is Verdict.PASSED
    assert making.asked == {}
