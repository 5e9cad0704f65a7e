# SPDX-License-Identifier: Apache-2.0
"""The life of one cluster: every attempt gets its verdict once, whatever breaks, and the cluster goes in every case.

The cluster and what happens on it are stand-ins, see run_fakes.py.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from run_fakes import (
    RELEASE,
    UNTOUCHED,
    FakeCharts,
    FakeResources,
    Results,
    Stage,
    attempt,
    holds,
    host,
    raises,
    request,
    take_places,
)

from harness import process, waiting
from harness.apps.context import ScenarioContext
from harness.errors import (
    ApiError,
    ApiServerAway,
    ClusterError,
    CommandError,
    EngineError,
    HarnessError,
    RegistryError,
    ReleaseError,
    UnavailableError,
    UsageError,
    WaitTimeout,
)
from harness.existing.model import Target
from harness.host import pressure
from harness.images.mirrors import Mirror, MirrorMap
from harness.kube.login import Access
from harness.kube.models import Event, Pod
from harness.machine import HostSeen
from harness.matrix.model import ClusterNeeds, Environment
from harness.providers import PROVIDERS, outside
from harness.releases.on_path import ReleaseOnPath
from harness.releases.shared import SharedState
from harness.releases.surroundings import Surroundings
from harness.report.model import RetryResult
from harness.run import early_install
from harness.run.attempt import Attempt
from harness.run.budget import Budget
from harness.run.group import Group
from harness.run.share import Share, fitting
from harness.run.slots import Slots
from harness.stories.moves import path
from harness.verdicts import Finding, Verdict, failed, passed
from harness.waiting import Cancelled

NAME = "soh-101500-ab12-1"
LOST = RetryResult(cause="node-lost", message="the node went away", cluster="soh-before")


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = Stage(folder=tmp_path, plays={"spark-pi": holds, "ttl": holds})
    monkeypatch.setenv(process.RUN_VARIABLE, "")
    take_places(made, monkeypatch)
    yield made
    waiting.reset_cancellation()


SMALL = Target(
    access=Access(context="small", server="https://10.0.0.1:6443"),
    environment=Environment(name="existing", provider="existing", kubernetes="1.34.4", existing=True),
    nodes=("a", "b"),
    memory_mib=4096,
)


class Ran:
    """A group that ran to its end."""

    def __init__(
        self,
        stage: Stage,
        *names: str,
        keep: bool = False,
        app_slots: int = 4,
        retries: tuple[RetryResult, ...] = (),
        path: str = "install-2.5.2",
        story: str = "installs",
        environment: str = "kind-1.34",
        existing: Target | None = None,
    ) -> None:
        self.results = Results()
        self.resources = FakeResources(stage)
        self.resources.open()
        made = [attempt(name, environment, path=path, story=story) for name in names or ("spark-pi", "ttl")]
        attempts = [replace(it, retries=retries) for it in made]

        def evidence_folder(it: Attempt) -> Path:
            return stage.folder / "reports" / it.name

        self.group = Group(
            attempts[0].cell.group,
            attempts,
            cluster_name=NAME,
            asked=replace(request(stage.folder, keep=keep, app_slots=app_slots), existing=existing),
            host=host(),
            resources=self.resources,  # type: ignore[arg-type]
            evidence_folder=evidence_folder,
            done=self.results,
            say=stage.said.append,
        )
        self.group.run()
        assert self.resources.ledger is not None
        self.open = [f"{entry.kind} {entry.name}" for entry in self.resources.ledger.open_entries()]
        self.resources.close()

    @property
    def verdicts(self) -> dict[str, str]:
        return self.results.verdicts

    def reason(self, scenario: str = "spark-pi") -> str:
        return self.results.by_scenario[scenario].reason


def removed(stage: Stage, ran: Ran) -> bool:
    return stage.events.count(f"delete {NAME}") == 1 and ran.open == []


BOTH = ("spark-pi", "ttl")


def test_cells_share_a_cluster_and_a_release_and_the_cluster_goes(stage: Stage) -> None:
    ran = Ran(stage)

    assert ran.verdicts == dict.fromkeys(BOTH, "passed")
    assert stage.events == [
        "open",
        f"create {NAME}",
        f"volumes of {NAME}-control-plane",
        "namespaces 3",
        "install 2.5.2 for spark-pi ttl",
        f"delete {NAME}",
        "close",
    ]
    assert removed(stage, ran)


def test_a_release_is_installed_as_soon_as_the_api_server_answers(stage: Stage) -> None:
    stage.api_answers_early = True
    ran = Ran(stage)

    assert ran.verdicts == dict.fromkeys(BOTH, "passed")
    assert [it.split(" for ")[0] for it in stage.events[1:5]] == [
        f"create {NAME}",
        "namespaces 3",
        "install 2.5.2",
        f"volumes of {NAME}-control-plane",
    ]
    # Helm's time is part of the cluster's.
    phases = ran.results.by_scenario["spark-pi"].phases
    assert [it for it in phases if it.startswith("install-")] == ["install-ready"]


@pytest.mark.parametrize("error", [ReleaseError("no chart"), ClusterError("the API server is away"), KeyError("bug")])
def test_an_early_install_that_fails_is_taken_back_and_done_again(stage: Stage, error: Exception) -> None:
    stage.api_answers_early = True
    tries: list[int] = []

    def fails_first() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise error

    stage.on_install = fails_first
    ran = Ran(stage)

    assert ran.verdicts == dict.fromkeys(BOTH, "passed")
    installs = [it.split(" for ")[0] for it in stage.events if it.startswith(("install", "undo"))]
    assert installs == ["install 2.5.2", "undo spark-operator", "install 2.5.2"]
    assert [line for line in stage.said if str(error) in line]


def test_only_the_install_on_the_finished_cluster_is_judged(stage: Stage) -> None:
    stage.api_answers_early = True
    stage.on_install = raises(ReleaseError("no chart"))
    ran = Ran(stage)

    assert ran.verdicts == dict.fromkeys(BOTH, "failed")
    assert "no chart" in ran.reason()
    assert len([it for it in stage.events if it.startswith("install")]) == 2


def test_an_early_install_that_cannot_be_taken_back_is_no_fault_of_the_release(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.api_answers_early = True
    stage.on_install = raises(ReleaseError("no chart"))
    monkeypatch.setattr(early_install, "undo", raises(ClusterError("it cannot be removed")))
    ran = Ran(stage, retries=(LOST,))

    assert ran.verdicts == dict.fromkeys(BOTH, "error")


def test_a_cluster_that_fails_after_an_early_install_is_an_error(stage: Stage) -> None:
    stage.api_answers_early = True
    stage.on_create = raises(ClusterError("the node did not become Ready"))
    ran = Ran(stage, retries=(LOST,))

    assert ran.verdicts == dict.fromkeys(BOTH, "error")


@pytest.mark.parametrize(
    ("needs", "early"),
    [
        (ClusterNeeds(), True),
        (ClusterNeeds(nodes=2), False),
        (ClusterNeeds(installed="nothing", cluster="own"), False),
    ],
)
def test_nothing_is_installed_early_where_it_would_change_what_is_tried(
    needs: ClusterNeeds, early: bool, stage: Stage
) -> None:
    preparation = Ran(stage).group._preparation
    preparation._attempts = [attempt("spark-pi", needs=needs)]
    first = ReleaseOnPath(release=RELEASE, chart=FakeCharts().find(RELEASE), values={})

    assert (preparation._early(first) is not None) is early


def test_a_cluster_is_in_the_ledger_before_it_is_made(stage: Stage) -> None:
    seen: list[str] = []

    def look() -> None:
        (ledger,) = (stage.folder / "ledger").glob("*.jsonl")
        seen.append(ledger.read_text())

    stage.on_create = look
    Ran(stage)

    assert NAME in seen[0]


def test_a_cluster_is_made_as_asked(stage: Stage) -> None:
    Ran(stage)
    (spec,) = stage.specs

    assert (spec.name, spec.run_id, spec.network) == (NAME, "20260801-101500-ab12", "soh-test")
    assert spec.node_image == "node:1.34.4"
    assert spec.preload == ("ghcr.io/kubeflow/spark-operator/controller:2.5.2", "docker.io/apache/spark:4.0.4")


def test_what_the_node_holds_is_not_pulled(stage: Stage) -> None:
    stage.held = ("docker.io/apache/spark:4.0.4",)

    Ran(stage)

    assert stage.specs[0].preload == ("ghcr.io/kubeflow/spark-operator/controller:2.5.2",)


def test_a_result_has_phases_images_and_the_checks_of_the_install(stage: Stage) -> None:
    result = Ran(stage).results.by_scenario["spark-pi"]

    assert {"cluster-create", "cluster-ready", "install-helm", "scenario"} <= set(result.phases)
    assert [image.reference for image in result.images] == [
        "node:1.34.4",
        "ghcr.io/kubeflow/spark-operator/controller:2.5.2",
        "docker.io/apache/spark:4.0.4",
    ]
    assert [check.name for check in result.checks] == [
        "state",
        "cluster-left-clean",
        "deployments-available",
        "images-recorded",
    ]
    assert result.repro == f"nox -s e2e -- --cell kind-1.34/install-2.5.2/spark-pi --lock {result.lock}"
    assert result.evidence == ""


def test_a_cluster_that_cannot_be_made_is_an_error_of_every_cell(stage: Stage) -> None:
    stage.on_create = raises(ClusterError("kubeadm gave up", "see create.log"))
    ran = Ran(stage, retries=(LOST,))

    assert ran.verdicts == dict.fromkeys(BOTH, "error")
    assert ran.reason() == "kubeadm gave up\n  next: see create.log"
    evidence = Path(ran.results.by_scenario["ttl"].evidence)
    assert "kubeadm gave up" in (evidence / "summary.md").read_text()
    assert (evidence / "create.log").read_text() == "said by kind\n"
    assert removed(stage, ran)


def test_where_mirrors_are_in_force_nothing_runs_on_a_node_that_may_pull_from_elsewhere(stage: Stage) -> None:
    stage.mirrors = MirrorMap(mirrors={"ghcr.io": Mirror(url="http://mirror:5000")})

    assert Ran(stage).verdicts == dict.fromkeys(BOTH, "passed")
    assert f"{NAME}-control-plane: crictl pull {outside.NOBODYS}" in stage.events

    stage.events.clear()
    stage.on_node = raises(EngineError("the engine does not answer"))
    ran = Ran(stage, retries=(LOST,))

    assert ran.verdicts == dict.fromkeys(BOTH, "error")
    assert "could not be asked whether it refuses hosts without a mirror" in ran.reason()
    assert not [it for it in stage.events if it.startswith("install ")]
    assert removed(stage, ran)


def test_without_a_mirror_no_node_is_asked_for_what_nobody_has(stage: Stage) -> None:
    Ran(stage)

    assert not [it for it in stage.events if "crictl pull" in it]


def test_a_release_that_cannot_be_installed_is_a_failure_of_every_cell(stage: Stage) -> None:
    stage.on_install = raises(ReleaseError("ImagePullBackOff: ghcr.io/x:9 not found", "try another tag"))
    ran = Ran(stage)

    assert ran.verdicts == dict.fromkeys(BOTH, "failed")
    assert "ghcr.io/x:9 not found" in ran.reason()
    assert {it.title for it in stage.evidence} == {f"kind-1.34/install-2.5.2/{name}" for name in BOTH}
    assert removed(stage, ran)


def test_an_input_that_cannot_be_had_is_unavailable_and_nothing_is_made(stage: Stage) -> None:
    stage.on_node_image = raises(UnavailableError("the node image is not there", "run `nox -s bootstrap`"))
    ran = Ran(stage)

    assert ran.verdicts == dict.fromkeys(BOTH, "unavailable")
    assert "run `nox -s bootstrap`" in ran.reason()
    assert stage.events == ["open", "close"]


def test_a_missing_input_is_no_matter_of_the_hosts_load(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = HostSeen(disk_free=10**12, disk="/", memory_available=10**12, load=99.0)
    monkeypatch.setattr(pressure, "look", lambda folders, since: busy)
    stage.on_node_image = raises(UnavailableError("the node image is not there", "run `nox -s bootstrap`"))
    assert Ran(stage).verdicts == dict.fromkeys(BOTH, "unavailable")


def test_a_break_that_came_as_predicted_is_no_matter_of_the_hosts_load(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = HostSeen(disk_free=10**12, disk="/", memory_available=10**12, load=99.0)
    monkeypatch.setattr(pressure, "look", lambda folders, since: busy)
    predicted = Finding(check="exactly-once", verdict=Verdict.BROKEN_AS_KNOWN, message="as upstream says")
    stage.plays.update(dict.fromkeys(BOTH, lambda context: [predicted]))
    assert Ran(stage).verdicts == dict.fromkeys(BOTH, "broken-as-known")


@pytest.mark.parametrize(("own", "cause"), [(None, "host-busy"), (0.1, "host-busy"), (0.9, "own-load")])
def test_a_load_of_the_runs_own_is_told_apart_from_that_of_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, own: float | None, cause: str
) -> None:
    busy = HostSeen(disk_free=10**12, disk="/", memory_available=10**12, load=15.0)
    monkeypatch.setattr(pressure, "look", lambda folders, since: busy)
    stage.plays["spark-pi"] = lambda context: [failed("state", "FAILED")]
    stage.own = own
    (again,) = Ran(stage, "spark-pi").group.again
    assert again.retries[0].cause == cause


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (RegistryError("ghcr.io answered 503", status=503), "unavailable"),
        (ClusterError("the API server went away"), "error"),
        (EngineError("the node has no room"), "error"),
        (UsageError("values and namespaces contradict each other"), "error"),
        (ApiError("the API server answered 500 Internal", status=500), "error"),
        (ApiServerAway("the API server does not answer"), "error"),
        (KeyError("bug"), "error"),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, Exception) else it,
)
def test_what_breaks_an_install_without_the_release_being_at_fault(
    stage: Stage, error: Exception, verdict: str
) -> None:
    stage.on_install = raises(error)
    ran = Ran(stage)

    assert ran.verdicts == dict.fromkeys(BOTH, verdict)
    assert removed(stage, ran)


@pytest.mark.parametrize(
    ("error", "verdict", "said"),
    [
        (ZeroDivisionError("division by zero"), "error", "the harness failed: ZeroDivisionError: division by zero"),
        (WaitTimeout("waited 60 s for COMPLETED; last seen: RUNNING"), "failed", "last seen: RUNNING"),
        (CommandError("helm template ended with status 1"), "error", "helm template"),
        (ApiError("the API server answered 503", status=503), "error", "the API server answered 503"),
        (ApiServerAway("the API server does not answer"), "error", "the API server does not answer"),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, Exception) else it[:12],
)
def test_what_breaks_a_scenario_is_its_own_cells_alone(stage: Stage, error: Exception, verdict: str, said: str) -> None:
    stage.plays["ttl"] = raises(error)
    ran = Ran(stage)

    assert ran.verdicts == {"spark-pi": "passed", "ttl": verdict}
    assert said in ran.reason("ttl")
    assert [it.title for it in stage.evidence] == ["kind-1.34/install-2.5.2/ttl"]
    assert removed(stage, ran)


def test_a_bug_leaves_its_traceback_in_the_results(stage: Stage) -> None:
    stage.plays["ttl"] = raises(ZeroDivisionError("x"))
    checks = Ran(stage).results.by_scenario["ttl"].checks

    assert "run_fakes.py" in str(checks[0].evidence["traceback"])


def test_findings_of_the_install_are_every_cells(stage: Stage) -> None:
    stage.checks = lambda: [passed("crds", "3"), failed("metrics", "no endpoint")]
    ran = Ran(stage)

    assert ran.verdicts == dict.fromkeys(BOTH, "failed")
    assert ran.reason() == "no endpoint"


def test_install_checks_that_break_are_an_error_of_every_cell(stage: Stage) -> None:
    stage.checks = raises(KeyError("bug"))

    assert Ran(stage).verdicts == dict.fromkeys(BOTH, "error")


def test_the_release_is_checked_beside_a_scenario_not_while_all_of_them_wait_for_processors(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = threading.Event()
    waited: list[bool] = []

    @contextmanager
    def place(self: Share) -> Iterator[float]:
        waited.append(checked.wait(0.2 if not waited else 0))
        yield 0.2

    def look() -> list[Finding]:
        checked.set()
        return [passed("deployments-available", "2 of 2")]

    stage.checks = look
    monkeypatch.setattr(Share, "place", place)
    assert Ran(stage, app_slots=1).verdicts == dict.fromkeys(BOTH, "passed")
    assert waited[0] is False
    assert checked.is_set()


def test_a_digest_that_nobody_knows_is_no_proof(stage: Stage) -> None:
    stage.on_resolve = raises(UnavailableError("the registry is gone"))
    ran = Ran(stage)

    assert ran.verdicts == dict.fromkeys(BOTH, "error")
    assert "has no known digest: the registry is gone" in ran.reason()


def test_evidence_that_cannot_be_gathered_does_not_change_the_verdict(stage: Stage) -> None:
    stage.plays["ttl"] = lambda context: [failed("state", "FAILED instead of COMPLETED")]
    stage.on_collect = raises(OSError("no space left on device"))
    ran = Ran(stage)

    assert ran.verdicts == {"spark-pi": "passed", "ttl": "failed"}
    assert [line for line in stage.said if "the evidence is not complete: OSError: no space" in line]
    assert removed(stage, ran)


def test_evidence_is_gathered_once_before_anything_is_deleted(stage: Stage) -> None:
    order: list[str] = []

    def play(context: ScenarioContext) -> list[Finding]:
        findings = [failed("state", "wrong")]
        context.before_deletion(findings)
        order.append("scenario deletes")
        return findings

    stage.plays["ttl"] = play
    stage.on_collect = lambda: order.append("evidence")
    ran = Ran(stage)

    assert order == ["evidence", "scenario deletes"]
    assert Path(ran.results.by_scenario["ttl"].evidence) == stage.folder / "reports/kind-1.34/install-2.5.2/ttl"
    assert stage.evidence[0].findings == [failed("state", "wrong")]


def test_when_the_run_is_ended_no_verdict_is_made_up_and_the_cluster_goes(stage: Stage) -> None:
    def play(context: ScenarioContext) -> list[Finding]:
        waiting.cancel_all()
        raise Cancelled("gave up")

    def waits(context: ScenarioContext) -> list[Finding]:
        waiting.pause(60, what="it")
        return [passed("state", "COMPLETED")]

    stage.plays = {"ttl": play, "spark-pi": waits}
    ran = Ran(stage)

    assert ran.verdicts == {}
    assert [line for line in stage.said if "ended early" in line]
    assert removed(stage, ran)


@pytest.mark.parametrize("error", [ClusterError("kind ended with status -15"), KeyError("x"), HarnessError("x")])
def test_what_breaks_because_the_run_is_ended_is_no_verdict(stage: Stage, error: Exception) -> None:
    def ended() -> None:
        waiting.cancel_all()
        raise error

    stage.on_create = ended
    ran = Ran(stage)

    assert ran.verdicts == {}
    assert stage.evidence == []
    assert removed(stage, ran)


def test_a_kept_cluster_stays_and_says_how_to_reach_it(stage: Stage) -> None:
    ran = Ran(stage, keep=True)

    assert f"delete {NAME}" not in stage.events
    kept = ran.group.kept
    assert kept is not None
    assert kept.cluster == NAME
    assert kept.kubeconfig == stage.folder / "scratch" / NAME / "kubeconfig"
    assert kept.shell == f"docker exec -it {NAME}-control-plane bash"
    assert kept.remove


def test_a_cluster_with_a_broken_release_is_kept_too(stage: Stage) -> None:
    stage.on_install = raises(ReleaseError("no such image"))

    assert Ran(stage, keep=True).group.kept is not None


@pytest.mark.parametrize("error", [ClusterError("no"), KeyError("bug")])
def test_what_never_became_a_cluster_is_not_kept(stage: Stage, error: Exception) -> None:
    stage.on_create = raises(error)
    ran = Ran(stage, keep=True, retries=(LOST,))

    assert ran.group.kept is None
    assert ran.verdicts == dict.fromkeys(BOTH, "error")
    assert removed(stage, ran)


@pytest.mark.parametrize("error", [HarnessError("kind delete failed"), OSError("disk")])
def test_a_cluster_that_cannot_be_removed_stays_in_the_ledger(stage: Stage, error: Exception) -> None:
    stage.on_delete = raises(error)
    ran = Ran(stage)

    assert ran.verdicts == dict.fromkeys(BOTH, "passed")
    assert ran.open == [f"cluster {NAME}"]
    assert [line for line in stage.said if "could not be removed" in line]


@pytest.mark.parametrize(
    ("app_slots", "environment", "existing"),
    [
        (2, "kind-1.34", None),
        (1, "kind-1.34", None),
        (5, "kind-1.34-small", None),
        (5, "kind-1.34", SMALL),
        (2, "kind-1.34", replace(SMALL, memory_mib=0)),
    ],
    ids=["two slots", "one slot", "a small node", "a small cluster of a user's", "a cluster that does not say"],
)
def test_only_so_many_scenarios_run_at_a_time(
    stage: Stage, app_slots: int, environment: str, existing: Target | None
) -> None:
    names = [f"s{number}" for number in range(5)]
    lock = threading.Lock()
    now: list[int] = []
    most: list[int] = []

    def play(context: ScenarioContext) -> list[Finding]:
        with lock:
            now.append(1)
            most.append(len(now))
        waiting.pause(0.05, what="a moment")
        with lock:
            now.pop()
        return [passed("state", "COMPLETED")]

    stage.plays = dict.fromkeys(names, play)
    ran = Ran(stage, *names, app_slots=app_slots, environment=environment, existing=existing)

    assert ran.verdicts == dict.fromkeys(names, "passed")
    assert max(most) <= (2 if app_slots == 2 else 1)


@pytest.mark.parametrize(
    ("slots", "memory_mib", "fit"), [(3, 4096, 1), (8, 7000, 3), (3, 24105, 3), (3, 0, 3), (3, 1024, 1)]
)
def test_no_more_scenarios_run_than_find_room_on_a_node(slots: int, memory_mib: int, fit: int) -> None:
    assert fitting(slots, memory_mib) == fit


def test_a_scenario_that_nobody_wrote_is_an_error(stage: Stage) -> None:
    del stage.plays["ttl"]

    assert Ran(stage).verdicts == {"spark-pi": "passed", "ttl": "error"}


def test_a_provider_that_nobody_wrote_is_an_error(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PROVIDERS, "kind")

    assert Ran(stage).verdicts == dict.fromkeys(BOTH, "error")


def places(stage: Stage, count: int = 1) -> Slots:
    return Slots(request(stage.folder).settings.cache_dir / "slots", "scenario", count)


def test_a_scenario_waits_for_a_place_that_another_run_may_hold(stage: Stage) -> None:
    with places(stage).some():
        thread = threading.Thread(target=lambda: Ran(stage, "spark-pi", app_slots=1))
        thread.start()
        waiting.until(lambda: len(stage.specs), lambda made: made == 1, what="the cluster to be asked for", timeout=10)
        thread.join(0.5)
        assert thread.is_alive()

    thread.join(10)

    assert not thread.is_alive()


def test_whoever_waits_for_a_place_hears_that_the_run_ends(stage: Stage) -> None:
    with places(stage).some():
        thread = threading.Thread(target=lambda: Ran(stage, "spark-pi", app_slots=1))
        thread.start()
        waiting.cancel_all()
        thread.join(10)

    assert not thread.is_alive()
    assert stage.events.count(f"delete {NAME}") <= 1


EVICTED = Surroundings(
    pods=(Pod(name="pi-driver", uid="1", reason="Evicted", message="The node was low on resource: memory."),)
)


def fails(context: ScenarioContext) -> list[Finding]:
    found = [failed("state", "FAILED")]
    context.before_deletion(found)
    return found


def test_trouble_of_the_host_is_tried_once_more_and_its_evidence_stays(stage: Stage) -> None:
    stage.plays["spark-pi"] = fails
    stage.around = lambda: EVICTED

    ran = Ran(stage)

    assert ran.verdicts == {"ttl": "passed"}
    (again,) = ran.group.again
    (retry,) = again.retries
    assert (again.name, retry.cause, retry.cluster) == (attempt("spark-pi").name, "host-memory", NAME)
    assert "pi-driver was evicted" in retry.message
    assert retry.evidence.endswith("spark-pi.first-try")
    assert (Path(retry.evidence) / "summary.md").exists()
    assert not (stage.folder / "reports" / again.name).exists()
    assert removed(stage, ran)


def test_the_second_time_trouble_of_the_host_is_an_error_and_no_failure(stage: Stage) -> None:
    stage.plays["spark-pi"] = fails
    stage.around = lambda: EVICTED

    ran = Ran(stage, "spark-pi", retries=(LOST,))

    assert ran.group.again == []
    result = ran.results.by_scenario["spark-pi"]
    assert (result.verdict, result.retries) == (Verdict.ERROR, (LOST,))
    assert result.reason.startswith("pod pi-driver was evicted")
    assert {check.name: str(check.verdict) for check in result.checks}["state"] == "failed"


def test_a_passing_second_try_passes_and_tells_of_the_first(stage: Stage) -> None:
    result = Ran(stage, "spark-pi", retries=(LOST,)).results.by_scenario["spark-pi"]

    assert (result.verdict, result.retries) == (Verdict.PASSED, (LOST,))


def test_a_failure_of_the_product_is_not_tried_again(stage: Stage) -> None:
    stage.plays["spark-pi"] = fails

    ran = Ran(stage)

    assert ran.verdicts == {"spark-pi": "failed", "ttl": "passed"}
    assert ran.group.again == []


def test_a_busy_registry_is_an_error_at_once(stage: Stage) -> None:
    stage.plays["spark-pi"] = fails
    busy = Event(
        reason="Failed", about="Pod/x", message='Failed to pull image "docker.io/a/b:1": 429 Too Many Requests'
    )
    stage.around = lambda: Surroundings(events=(busy,))

    ran = Ran(stage, "spark-pi")

    assert ran.verdicts == {"spark-pi": "error"}
    assert "docker.io answered 429: 0 of 100 pulls left, window 6 h: Pod/" in ran.reason()
    assert "pulls left of docker.io/a/b:1" in stage.events
    assert ran.group.again == []


def test_a_full_disk_is_told_instead_of_the_cluster_that_it_broke(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.on_create = raises(ClusterError("creating kind-1.34 failed: write: no space left on device"))

    ran = Ran(stage, "spark-pi")

    assert ran.verdicts == {"spark-pi": "error"}
    assert "the disk is full" in ran.reason()
    assert ran.group.again == []


def test_a_cluster_that_cannot_be_made_is_tried_once_more(stage: Stage) -> None:
    stage.on_create = raises(ClusterError("creating kind-1.34 failed: timed out"))

    ran = Ran(stage)

    assert ran.verdicts == {}
    assert [it.name for it in ran.group.again] == [attempt(name).name for name in BOTH]
    assert {it.retries[0].cause for it in ran.group.again} == {"cluster-not-created"}
    assert removed(stage, ran)


def test_cells_that_waited_behind_one_that_left_traces_go_elsewhere(stage: Stage) -> None:
    traces = replace(UNTOUCHED, objects=UNTOUCHED.objects | {"ClusterRole/stray"})
    seen: list[SharedState] = [UNTOUCHED, traces]
    stage.shared = lambda: seen.pop(0)

    ran = Ran(stage, app_slots=1)

    (done,) = ran.results.by_scenario.values()
    assert done.verdict is Verdict.FAILED
    assert "left behind: ClusterRole/stray" in done.reason
    (again,) = ran.group.again
    assert {done.id, again.cell.id} == {attempt(name).cell.id for name in BOTH}
    assert again.retries == ()
    assert removed(stage, ran)


def test_every_cell_is_followed_by_the_proof_that_it_left_the_cluster_clean(stage: Stage) -> None:
    result = Ran(stage).results.by_scenario["ttl"]

    assert {check.name: str(check.verdict) for check in result.checks}["cluster-left-clean"] == "passed"


def test_a_cluster_has_its_processors_before_it_is_made_and_until_it_is_gone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held() -> list[str]:
        budget = Budget.of(request(stage.folder).settings)
        return [it.name.split("-")[1] for it in budget._folder.glob("*.held")]

    stage.on_create = lambda: stage.events.append(f"creates with {held()}")
    stage.on_delete = lambda: stage.events.append(f"deletes with {held()}")
    monkeypatch.setattr(path, "_path_run", raises(WaitTimeout("went nowhere")))
    Ran(stage, "admission", path="upgrade-2.4.0-2.5.2+crds=apply", story="moves")

    assert [it for it in stage.events if " with " in it] == ["creates with ['1000']", "deletes with ['1000']"]
    assert held() == []


def test_what_a_cluster_waits_for_is_said_and_counted_but_not_in_its_phases(stage: Stage) -> None:
    budget = Budget.of(request(stage.folder).settings)
    ran: list[Ran] = []
    with budget.some(2, "somebody"):
        thread = threading.Thread(target=lambda: ran.append(Ran(stage, "spark-pi")))
        thread.start()
        waiting.until(lambda: list(stage.said), bool, what="the waiting to be said", timeout=10)
        thread.join(0.5)
        assert stage.specs == []
    thread.join(10)

    assert stage.said[0].endswith("install-2.5.2: waits for 0.45 of 2 processors: taken are 2 by other runs")
    result = ran[0].results.by_scenario["spark-pi"]
    assert result.waited >= 0.5
    assert result.seconds < 20
