# SPDX-License-Identifier: Apache-2.0
"""A run as a guest in a user's cluster: what it marks, what is found again, what is removed and what is not.

The API server is a fake that keeps what it is given; the client and its requests are real.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from fake_kube import FakeKube, fake_kube
from operator_samples import operator
from site_samples import crd

from harness import cli
from harness.checks import images
from harness.cleanup.clean import clean_stale
from harness.errors import ClusterError, HarnessError, HostError
from harness.evidence.installation import installation_of
from harness.evidence.ledger import Ledger, claimed, ledger_folder, stale_ledgers
from harness.existing import clean as cleaning
from harness.existing import inventory, rights
from harness.kube.api import connect
from harness.kube.cluster import LABEL_INSTALLATION, LABEL_RUN
from harness.kube.login import Access
from harness.late import client
from harness.matrix.model import Environment
from harness.providers import guest
from harness.providers.base import ClusterSpec, Guest, ProviderTools
from harness.providers.existing import Existing
from harness.registries.sources import Unasked
from harness.releases import charts, crds
from harness.run.guest_proof import Proof
from harness.settings import Settings
from harness.verdicts import Verdict

OURS = "0123456789ab"
RUN = "20260102-030405-ab12"
OTHER_RUN = "20260102-030405-cd34"
ENVIRONMENT = Environment(name="existing", provider="existing", kubernetes="1.34.4")
CRD = "sparkapplications.sparkoperator.k8s.io"


@pytest.fixture
def kube() -> Iterator[FakeKube]:
    with fake_kube() as made:
        yield made


def labelled(name: str, installation: str = OURS, run: str = RUN, **more: Any) -> dict[str, Any]:
    labels = {LABEL_INSTALLATION: installation, LABEL_RUN: run}
    return {"metadata": {"name": name, "labels": labels, **more}}


def fill(kube: FakeKube) -> None:
    """Things of the run, of another run, of another cache, and of nobody."""
    kube.put("namespaces", labelled("spark-pi"))
    kube.put("namespaces", labelled("ours-too", run=OTHER_RUN))
    kube.put("namespaces", labelled("theirs", installation="ffffffffffff"))
    kube.put("namespaces", {"metadata": {"name": "default"}})
    secret = {"name": "sh.helm.release.v1.op.v1", "namespace": "spark-pi", "labels": {"owner": "helm", "name": "op"}}
    kube.put("secrets", {"metadata": secret})
    mine = {"meta.helm.sh/release-namespace": "spark-pi"}
    kube.put("clusterroles", {"metadata": {"name": "op-controller", "annotations": mine}})
    kube.put("clusterroles", {"metadata": {"name": "admin", "annotations": {"meta.helm.sh/release-namespace": "data"}}})
    kube.put("customresourcedefinitions", {**crd("SparkApplication"), **labelled(CRD)})


def test_whatever_is_created_outside_of_namespaces_is_marked_and_nothing_else(kube: FakeKube, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(kube.kubeconfig("prod")))
    with connect(file, marks=guest.marks(OURS, RUN)) as api:
        core = client.CoreV1Api(api)
        core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name="a", labels={"own": "label"})))
        core.create_namespaced_config_map("a", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="c")))
    assert kube.stored["namespaces"]["a"]["metadata"]["labels"] == {
        "own": "label",
        LABEL_INSTALLATION: OURS,
        LABEL_RUN: RUN,
    }
    assert "labels" not in kube.stored["configmaps"]["a/c"]["metadata"]


def test_what_a_run_has_made_is_found_by_its_labels_and_by_its_release(kube: FakeKube) -> None:
    fill(kube)
    found = guest.find(kube.api, OURS, RUN)
    assert found.words == [
        "Helm release spark-pi/op",
        "ClusterRole op-controller",
        f"CustomResourceDefinition {CRD}",
        "Namespace spark-pi",
    ]
    assert guest.find(kube.api, OURS).runs == (RUN, OTHER_RUN)


def test_only_that_is_removed(kube: FakeKube) -> None:
    fill(kube)
    asked: list[tuple[str, str]] = []
    left = guest.remove(
        kube.api, guest.find(kube.api, OURS, RUN), uninstall=lambda name, space: asked.append((name, space))
    )
    assert left == []
    assert asked == [("op", "spark-pi")]
    assert sorted(kube.stored["namespaces"]) == ["default", "ours-too", "theirs"]
    assert sorted(kube.stored["clusterroles"]) == ["admin"]
    assert not kube.stored["customresourcedefinitions"]


def test_a_crd_stays_that_somebody_else_has_come_to_use(kube: FakeKube) -> None:
    fill(kube)
    kube.put("sparkapplications", {"metadata": {"name": "etl", "namespace": "data"}})
    (left,) = guest.remove(kube.api, guest.find(kube.api, OURS, RUN), uninstall=lambda name, space: None)
    assert left == f"CustomResourceDefinition {CRD}, since it is used: data/etl"
    assert CRD in kube.stored["customresourcedefinitions"]
    assert "spark-pi" not in kube.stored["namespaces"]


def test_an_uninstall_that_fails_is_told_only_if_something_is_left(kube: FakeKube) -> None:
    fill(kube)

    def refuse(name: str, space: str) -> None:
        raise HarnessError("Helm cannot")

    assert guest.remove(kube.api, guest.find(kube.api, OURS, RUN), uninstall=refuse) == []
    fill(kube)
    kube.put("sparkapplications", {"metadata": {"name": "etl", "namespace": "data"}})
    left = guest.remove(kube.api, guest.find(kube.api, OURS, RUN), uninstall=refuse)
    assert left[0] == "Helm release spark-pi/op: Helm cannot"


def as_guest(kube: FakeKube, tmp_path: Path) -> Guest:
    file = tmp_path / "guest-kubeconfig"
    file.write_text(yaml.safe_dump(kube.kubeconfig("prod")))
    return Guest(
        context="prod",
        server=kube.address,
        kubeconfig=file,
        environment=ENVIRONMENT,
        installation=OURS,
        run_id=RUN,
        uninstall=lambda name, space: None,
        clean="harness clean --context prod",
    )


def test_the_provider_connects_and_deletes_what_is_the_runs(kube: FakeKube, tmp_path: Path) -> None:
    fill(kube)
    kube.put("nodes", {"metadata": {"name": "n1"}})
    provider = Existing(ProviderTools(programs={}, guest=as_guest(kube, tmp_path)))
    spec = ClusterSpec(
        name="soh-1",
        run_id=RUN,
        environment=ENVIRONMENT,
        node_image="",
        network="",
        mirrors={},  # type: ignore[arg-type]
        folder=tmp_path,
    )
    cluster = provider.create(spec)
    assert cluster.nodes == ("n1",)
    assert cluster.marks == {LABEL_INSTALLATION: OURS, LABEL_RUN: RUN}
    provider.delete("soh-1")
    assert sorted(kube.stored["namespaces"]) == ["default", "ours-too", "theirs"]


def test_nodes_are_not_entered(kube: FakeKube, tmp_path: Path) -> None:
    provider = Existing(ProviderTools(programs={}, guest=as_guest(kube, tmp_path)))
    with pytest.raises(ClusterError, match="cannot be entered"):
        provider.node_exec(None, "n1", ["true"])  # type: ignore[arg-type]


def test_an_api_server_that_went_away_is_told_with_the_command_that_cleans(tmp_path: Path) -> None:
    with fake_kube() as kube:
        who = as_guest(kube, tmp_path)
    with pytest.raises(ClusterError, match="could not be removed") as caught:
        Existing(ProviderTools(programs={}, guest=who)).delete("soh-1")
    assert caught.value.next_step == "harness clean --context prod"


class Cache:
    """A cache with a ledger of a dead run that was in that cluster."""

    def __init__(self, folder: Path, server: str) -> None:
        self.settings = Settings(cache_dir=folder / "cache", reports_dir=folder / "reports")
        self.installation = installation_of(self.settings.cache_dir).id
        with Ledger.open(RUN, ledger_folder(self.settings)) as ledger:
            ledger.planned("stay", "soh-1", context="prod", server=server)

    def clean(self, kube: FakeKube, folder: Path, run_id: str = "") -> tuple[list[str], str]:
        said: list[str] = []
        access = Access(context="prod", server=kube.address, kubeconfig=kube.kubeconfig("prod"))
        left = cleaning.clean(
            self.settings, access, helm=Path("/no/helm"), folder=folder, run_id=run_id, say=said.append
        )
        return left, "\n".join(said)


def discovery(kube: FakeKube, *groups: str) -> None:
    versions = [{"name": it, "preferredVersion": {"groupVersion": f"{it}/v1"}} for it in groups]
    kube.stored["paths"]["/apis"] = {"groups": versions}


def test_clean_removes_what_a_killed_run_left_and_settles_its_ledger(kube: FakeKube, tmp_path: Path) -> None:
    discovery(kube)
    cache = Cache(tmp_path, kube.address)
    kube.put("namespaces", labelled("spark-pi", installation=cache.installation))
    kube.put("namespaces", labelled("theirs", installation="ffffffffffff"))
    assert len(stale_ledgers(ledger_folder(cache.settings))) == 1
    left, said = cache.clean(kube, tmp_path)
    assert left == []
    assert "removing in the cluster of context prod: Namespace spark-pi" in said
    assert f"left alone in the cluster of context prod: namespace theirs, of run {RUN}" in said
    assert "a second look found nothing of this cache" in said
    assert sorted(kube.stored["namespaces"]) == ["theirs"]
    assert stale_ledgers(ledger_folder(cache.settings)) == []


def test_the_command_removes_the_kubeconfig_of_a_killed_run_too(
    kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    discovery(kube)
    cache = Cache(tmp_path, kube.address)
    (stale,) = stale_ledgers(ledger_folder(cache.settings))
    with claimed(stale) as ledger:
        assert ledger is not None
        left = ledger.temporary_folder()
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(kube.kubeconfig("prod")))
    monkeypatch.setenv("HARNESS_CACHE", str(cache.settings.cache_dir))
    monkeypatch.setattr("harness.cleanup.remains._all_processes", lambda attributes: iter(()))
    program = SimpleNamespace(path=Path("/no/helm"))
    monkeypatch.setattr("harness.bootstrap.tools.resolve", lambda settings, names: {"helm": program})
    assert cli.main(["clean", "--context", "prod", "--kubeconfig", str(file)]) == 0, capsys.readouterr()
    assert not left.exists()
    assert f"removing folder {left}" in capsys.readouterr().out
    assert stale_ledgers(ledger_folder(cache.settings)) == []


def test_clean_of_another_cluster_settles_nothing(kube: FakeKube, tmp_path: Path) -> None:
    discovery(kube)
    cache = Cache(tmp_path, "https://elsewhere")
    cache.clean(kube, tmp_path)
    assert len(stale_ledgers(ledger_folder(cache.settings))) == 1


def test_clean_leaves_a_run_alone_that_is_in_progress(kube: FakeKube, tmp_path: Path) -> None:
    discovery(kube)
    cache = Cache(tmp_path, kube.address)
    kube.put("namespaces", labelled("busy", installation=cache.installation, run=OTHER_RUN))
    with (
        Ledger.open(OTHER_RUN, ledger_folder(cache.settings)),
        pytest.raises(HostError, match=f"run {OTHER_RUN} is still in progress"),
    ):
        cache.clean(kube, tmp_path)
    assert "busy" in kube.stored["namespaces"]


def test_rights_that_are_missing_are_printed_as_manifests(kube: FakeKube) -> None:
    discovery(kube)
    kube.forbid(
        "* create namespaces", "* create clusterroles", "spark-pi delete sparkapplications", " delete sparkapplications"
    )
    access = Access(context="prod", server=kube.address, kubeconfig=kube.kubeconfig("prod"))
    with pytest.raises(ClusterError, match="lacks 3 rights") as caught:
        rights.require(access, "spark-operator", ["spark-pi", "operator-checks"])
    text = caught.value.next_step.partition("\n")[2]
    role, inner = yaml.safe_load_all(text)
    assert (role["kind"], inner["kind"]) == ("ClusterRole", "ClusterRole")
    assert inner["metadata"]["name"] == "spark-operator-harness-in-namespaces"
    assert {tuple(it["resources"]) for it in role["rules"]} == {("namespaces",), ("clusterroles",)}
    assert inner["rules"] == [
        {"apiGroups": ["sparkoperator.k8s.io"], "resources": ["sparkapplications"], "verbs": ["delete"]}
    ]


def test_whoever_may_do_everything_lacks_nothing(kube: FakeKube) -> None:
    discovery(kube)
    access = Access(context="prod", server=kube.address, kubeconfig=kube.kubeconfig("prod"))
    assert rights.lacking(access, rights.needed("spark-operator", ["spark-pi"])) == []


RESOURCES = [
    {"name": "namespaces", "kind": "Namespace", "verbs": ["list"]},
    {"name": "configmaps", "kind": "ConfigMap", "verbs": ["list"]},
    {"name": "pods", "kind": "Pod", "verbs": ["list"]},
    {"name": "namespaces/status", "kind": "Namespace", "verbs": ["get"]},
]


def inventoried(kube: FakeKube) -> None:
    discovery(kube)
    kube.stored["paths"]["/api/v1"] = {"resources": RESOURCES}
    kube.put("namespaces", {"metadata": {"name": "data", "uid": "1"}})
    kube.put("configmaps", {"metadata": {"name": "c", "namespace": "data", "uid": "2", "resourceVersion": "1"}})
    kube.put("pods", {"metadata": {"name": "p", "namespace": "data", "uid": "3"}})


def test_an_inventory_tells_what_came_went_and_changed_but_nothing_of_pods(kube: FakeKube) -> None:
    inventoried(kube)
    before = inventory.take(kube.api)
    assert len(before.objects) == 2
    kube.stored["pods"].clear()
    assert inventory.compare(before, inventory.take(kube.api)).words == []
    kube.put("namespaces", {"metadata": {"name": "new", "uid": "4"}})
    kube.put("configmaps", {"metadata": {"name": "c", "namespace": "data", "uid": "2", "resourceVersion": "2"}})
    assert inventory.compare(before, inventory.take(kube.api)).words == [
        "Namespace new came",
        "ConfigMap data/c changed",
    ]
    kube.stored["namespaces"].clear()
    assert "Namespace data is gone" in inventory.compare(before, inventory.take(kube.api)).words


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_kinds_that_cannot_be_listed_are_named_and_not_compared(kube: FakeKube, tmp_path: Path, status: int) -> None:
    """As those of an add-on whose API is down, or whose conversion webhook is."""
    inventoried(kube)
    kube.fail("configmaps", status)
    found = inventory.take(kube.api)
    assert found.kinds == {"Namespace"}
    assert found.unread == ("ConfigMap",)
    said: list[str] = []
    made = proof(kube, tmp_path, said)
    kube.stored["failing"].clear()
    assert made.leaks() == []
    assert said == [
        "left as found: 1 object of 1 kind compared, none of this run",
        "  not compared, since they could not be listed: ConfigMap",
    ]


def test_an_api_server_that_is_busy_at_the_end_is_asked_again(kube: FakeKube, tmp_path: Path) -> None:
    inventoried(kube)
    said: list[str] = []
    made = proof(kube, tmp_path, said)
    kube.fail("namespaces", 429, times=2)
    assert made.leaks() == []
    assert said == ["left as found: 2 objects of 2 kinds compared, none of this run"]


def test_an_api_server_that_stays_busy_has_proved_nothing(
    kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.run.guest_proof._SETTLE_SECONDS", 0.1)
    inventoried(kube)
    made = proof(kube, tmp_path, [])
    kube.fail("namespaces", 429)
    (leak,) = made.leaks()
    assert leak.startswith("whether the cluster of context prod is as it was could not be seen: ")


def test_what_has_come_since_a_picture_can_be_deleted(kube: FakeKube) -> None:
    inventoried(kube)
    before = inventory.take(kube.api)
    kube.put("namespaces", {"metadata": {"name": "new", "uid": "4"}})
    kube.put("configmaps", {"metadata": {"name": "d", "namespace": "data", "uid": "5"}})
    came = inventory.compare(before, inventory.take(kube.api)).came
    inventory.delete(kube.api, came)
    assert inventory.compare(before, inventory.take(kube.api)).words == []
    inventory.delete(kube.api, came)  # What is gone already is no error.


def proof(kube: FakeKube, tmp_path: Path, said: list[str]) -> Proof:
    return Proof(as_guest(kube, tmp_path), namespaces=["spark-pi"], release="spark-operator", say=said.append)


def test_the_proof_tells_others_changes_from_the_runs(kube: FakeKube, tmp_path: Path) -> None:
    inventoried(kube)
    said: list[str] = []
    made = proof(kube, tmp_path, said)
    kube.put("namespaces", {"metadata": {"name": "somebodys", "uid": "4"}})
    assert made.leaks() == []
    assert said[0].startswith("left as found: 2 objects of 2 kinds")
    assert said[1] == "  meanwhile, by others: Namespace somebodys came"


def test_applications_of_others_come_and_go_with_these(kube: FakeKube, tmp_path: Path) -> None:
    """Beside another operator, runs of its schedules come all the time."""
    inventoried(kube)
    is_own = proof(kube, tmp_path, [])._is_own
    kind = "SparkApplication.sparkoperator.k8s.io"
    assert not is_own(inventory.Key(kind=kind, where="etl", name="nightly-1764561600"))
    assert is_own(inventory.Key(kind=kind, where="spark-pi", name="pi"))
    assert is_own(
        inventory.Key(kind="CustomResourceDefinition", where="", name="sparkapplications.sparkoperator.k8s.io")
    )


def test_what_keeps_a_namespace_is_told(kube: FakeKube) -> None:
    """As where the API of an add-on is down: no namespace of the cluster can be deleted any more."""
    said = "Discovery failed for some groups, 1 failing: metrics.k8s.io/v1beta1: stale GroupVersion discovery"
    condition = {"type": "NamespaceDeletionDiscoveryFailure", "status": "True", "message": said}
    kube.put("namespaces", {**labelled("spark-pi"), "status": {"conditions": [condition]}})
    found = guest.find(kube.api, OURS, RUN)
    kube.stored["failing"]["DELETE"] = True
    (left,) = guest.remove(kube.api, found, uninstall=lambda name, space: None, seconds=0.1)
    assert left.endswith(f"after its deletion: {said}")


def test_the_proof_names_what_is_left_of_the_run(
    kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.run.guest_proof._SETTLE_SECONDS", 0.1)
    inventoried(kube)
    said: list[str] = []
    made = proof(kube, tmp_path, said)
    kube.put("namespaces", labelled("spark-pi"))
    leaks = made.leaks()
    assert leaks[0] == "in the cluster of context prod: Namespace spark-pi; next: harness clean --context prod"
    assert said == []


def chart(folder: Path, *kinds: str) -> charts.Chart:
    """A chart that has these CRDs."""
    (folder / "chart" / "crds").mkdir(parents=True)
    (folder / "chart" / "Chart.yaml").write_text("apiVersion: v2\nname: spark-operator\nversion: 2.5.2\n")
    for it in kinds:
        made = crd(it)
        document = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": made["metadata"]["name"], "annotations": {"api-approved.kubernetes.io": "yes"}},
            "spec": made["spec"],
        }
        (folder / "chart" / "crds" / f"{it}.yaml").write_text(yaml.safe_dump(document))
    return charts.from_path(folder / "chart")


def test_crds_that_are_missing_are_made_and_others_stay(kube: FakeKube, tmp_path: Path) -> None:
    mine = guest.marks(OURS, RUN)
    kube.put("customresourcedefinitions", crd("SparkApplication"))
    theirs = dict(kube.stored["customresourcedefinitions"][CRD])
    found = chart(tmp_path, "SparkApplication", "SparkConnect")
    assert crds.strangers(kube.api, found, mine) == []
    assert crds.bring(kube.api, found) == ["sparkconnects.sparkoperator.k8s.io"]
    made = kube.stored["customresourcedefinitions"]["sparkconnects.sparkoperator.k8s.io"]
    # The API server refuses CRDs of a group below k8s.io without it.
    assert made["metadata"]["annotations"] == {"api-approved.kubernetes.io": "yes"}
    assert kube.stored["customresourcedefinitions"][CRD] == theirs


def test_others_crds_that_differ_are_told_and_the_runs_own_are_not(kube: FakeKube, tmp_path: Path) -> None:
    mine = guest.marks(OURS, RUN)
    there = crd("SparkApplication", version="v1beta1")
    kube.put("customresourcedefinitions", there)
    found = chart(tmp_path, "SparkApplication")
    assert crds.strangers(kube.api, found, mine) == [
        f"{CRD}: spec.versions.v1beta2: missing in the cluster",
        f"{CRD}: spec.versions.v1beta1: only in the cluster",
    ]
    there["metadata"]["labels"] = mine
    assert crds.strangers(kube.api, found, mine) == []


def test_crds_that_an_upgrade_applies_are_marked() -> None:
    text = yaml.safe_dump_all([{"metadata": {"name": "a"}}, {"metadata": {"name": "b", "labels": {"own": "label"}}}])
    one, other = yaml.safe_load_all(crds.marked(text, guest.marks(OURS, RUN)))
    assert one["metadata"]["labels"] == guest.marks(OURS, RUN)
    assert other["metadata"]["labels"] == {"own": "label", **guest.marks(OURS, RUN)}


def test_digests_that_nobody_can_be_asked_for_are_unavailable() -> None:
    finding = images.digests(operator(), Unasked().digests)
    assert finding.verdict is Verdict.UNAVAILABLE
    assert "it is not known which registry the cluster's nodes pull" in finding.message


def test_ledgers_and_cleans_of_this_machine_name_the_cluster_and_leave_it_alone(
    kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cleanup.remains._all_processes", lambda attributes: iter(()))
    cache = Cache(tmp_path, kube.address)
    told = clean_stale(cache.settings)
    assert any("harness clean --context prod" in it for it in told)
    assert len(stale_ledgers(ledger_folder(cache.settings))) == 1


def test_what_an_upgrade_watches_is_among_the_rights() -> None:
    wanted = rights.needed("spark-operator", ["spark-pi"])
    for group, resource, namespace in (
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", ""),
        ("apiextensions.k8s.io", "customresourcedefinitions", ""),
        ("sparkoperator.k8s.io", "scheduledsparkapplications", ""),
        ("sparkoperator.k8s.io", "sparkconnects", ""),
        ("coordination.k8s.io", "leases", "spark-operator"),
        ("", "pods", "spark-operator"),
    ):
        assert rights.Right(namespace=namespace, group=group, resource=resource, verb="watch") in wanted
