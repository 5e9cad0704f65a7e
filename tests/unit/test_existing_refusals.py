# SPDX-License-Identifier: Apache-2.0
"""What a run refuses to do in a user's cluster, what its plan says, and whom it asks. Pure but for the terminal."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from harness.errors import ClusterError, HarnessError, UsageError
from harness.existing import plan
from harness.existing.model import Crd, Intent, Seen, Target
from harness.existing.refusals import refuse
from harness.kube.cluster import LABEL_INSTALLATION, LABEL_RUN
from harness.kube.login import Access
from harness.matrix.model import Environment
from harness.sites.model import HelmRelease, Installer, Operator, Webhook

OURS = "0123456789ab"
RUN = "20260102-030405-ab12"
INTENT = Intent(
    release="spark-operator",
    namespace="spark-operator",
    job_namespaces=("spark-pi", "operator-checks"),
    cells=("existing/install-2.5.2/spark-pi",),
    crds=("sparkapplications.sparkoperator.k8s.io",),
    images=("ghcr.io/kubeflow/spark-operator/controller:2.5.2",),
    pulled="from their public registries",
)
UPGRADE = replace(INTENT, upgrades=("upgrade-2.4.0-2.5.2",))
LABELS = {"app.kubernetes.io/instance": "prod-op"}
RELEASE = HelmRelease(
    name="prod-op",
    namespace="data",
    revision=3,
    status="deployed",
    chart="spark-operator",
    chart_version="2.2.1",
    app_version="2.2.1",
    manager="helm",
)
CRD = Crd(name="sparkapplications.sparkoperator.k8s.io", objects=3)


def operator(role: str = "controller", *arguments: str) -> Operator:
    image = "docker.io/kubeflow/spark-operator:2.2.1"
    return Operator(name=f"op-{role}", namespace="data", role=role, image=image, arguments=arguments, labels=LABELS)


def refusal(seen: Seen, intent: Intent = INTENT) -> HarnessError | None:
    try:
        refuse(seen, intent, installation=OURS, context="prod")
    except HarnessError as error:
        return error
    return None


def marked(installation: str) -> Mapping[str, str]:
    return {LABEL_INSTALLATION: installation, LABEL_RUN: RUN}


def test_an_empty_cluster_is_taken() -> None:
    assert refusal(Seen(namespaces={"default": {}})) is None


def test_an_operator_is_named_by_namespace_release_and_installer() -> None:
    error = refusal(Seen(operators=(operator(), operator("webhook")), releases=(RELEASE,)))
    assert isinstance(error, ClusterError)
    for word in ("namespace data", "op-controller, op-webhook", "2.2.1", "prod-op", "deployed", "installed by helm"):
        assert word in error.message
    assert "--beside" in error.next_step


def test_an_operator_of_argo_cd_is_named_by_its_application() -> None:
    argo = Installer(tool="argocd", kind="Application", name="prod-op", namespace="argocd")
    error = refusal(Seen(operators=(operator(),), installers=(argo,)))
    assert error is not None
    assert "installed by Argo CD: Application argocd/prod-op" in error.message


def test_remains_of_this_cache_are_named_with_the_command_that_removes_them() -> None:
    error = refusal(Seen(namespaces={"spark-pi": marked(OURS)}))
    assert error is not None
    assert RUN in error.message
    assert "harness clean --context prod" in error.next_step


@pytest.mark.parametrize(
    ("labels", "whose"), [({}, "is not the harness's"), (marked("ffffffffffff"), f"of run {RUN} of another cache")]
)
def test_a_namespace_that_is_there_is_not_taken(labels: Mapping[str, str], whose: str) -> None:
    error = refusal(Seen(namespaces={"spark-pi": labels}))
    assert error is not None
    assert f"spark-pi {whose}" in error.message.replace("spark-pi is of", "spark-pi of")


def test_a_namespace_of_the_values_is_told_with_what_to_give_instead() -> None:
    error = refusal(Seen(namespaces={"etl": {}}), replace(INTENT, job_namespaces=("etl",), from_values=("etl",)))
    assert error is not None
    assert "for the run alone that has [] there" in error.next_step
    error = refusal(Seen(namespaces={"etl": {}}), replace(INTENT, job_namespaces=("etl",)))
    assert error is not None
    assert "choose scenarios with other names" in error.next_step


def test_applications_that_are_there_are_not_taken_by_an_operator_that_watches_all() -> None:
    everywhere = replace(INTENT, watches_all=True)
    error = refusal(Seen(crds=(CRD,)), everywhere)
    assert isinstance(error, UsageError)
    assert f"3 objects of {CRD.name}, which it might run" in error.message
    assert "spark.jobNamespaces: []" in error.next_step
    assert refusal(Seen(crds=(CRD,))) is None
    assert refusal(Seen(crds=(replace(CRD, objects=0),)), everywhere) is None


def test_a_stray_webhook_is_named() -> None:
    hook = Webhook(kind="mutating", configuration="old", name="m", service="data/old-svc", failure_policy="Fail")
    error = refusal(Seen(webhooks=(hook,)))
    assert error is not None
    assert "old of Service data/old-svc" in error.message


def test_an_upgrade_needs_leave() -> None:
    error = refusal(Seen(), UPGRADE)
    assert isinstance(error, UsageError)
    assert "--allow-upgrade" in error.next_step
    assert refusal(Seen(), replace(UPGRADE, allow_upgrade=True)) is None


def test_a_path_that_changes_crds_needs_them_to_be_its_own() -> None:
    changing = replace(UPGRADE, allow_upgrade=True, crd_changes=("upgrade-2.4.0-2.5.2+crds=apply",))
    error = refusal(Seen(crds=(CRD,)), changing)
    assert error is not None
    assert CRD.name in error.message
    assert refusal(Seen(), changing) is None


BESIDE = replace(INTENT, beside=True, release="harness-spark-operator", namespace="harness-spark-operator")
NAMED = Seen(
    operators=(operator("controller", "start", "--namespaces=etl,ml"), operator("webhook")), releases=(RELEASE,)
)


def test_beside_an_operator_that_watches_namespaces_by_name() -> None:
    assert refusal(NAMED, BESIDE) is None
    assert refusal(NAMED, replace(BESIDE, upgrades=("upgrade-2.4.0-2.5.2",))) is None


@pytest.mark.parametrize(
    ("seen", "intent", "word"),
    [
        (Seen(operators=(operator(),)), BESIDE, "watches all namespaces"),
        (Seen(operators=(operator("controller", "--namespaces="),)), BESIDE, "watches all namespaces"),
        (Seen(operators=(operator("controller", '--namespaces=""'),)), BESIDE, "watches all namespaces"),
        (NAMED, replace(BESIDE, job_namespaces=("etl",)), "watches etl"),
        (
            Seen(operators=(operator("controller", "--namespaces=etl", "--namespace-selector=team in (a)"),)),
            BESIDE,
            "by the selector team in (a)",
        ),
        (NAMED, replace(BESIDE, release="prod-op"), "has the name of this run's"),
        (NAMED, replace(BESIDE, watches_all=True), "must not have the operator watch all"),
        (NAMED, replace(BESIDE, crd_changes=("u+crds=apply",)), "changes CRDs"),
    ],
)
def test_operators_that_would_be_in_each_others_way(seen: Seen, intent: Intent, word: str) -> None:
    error = refusal(seen, intent)
    assert error is not None
    assert word in error.message


TARGET = Target(
    access=Access(context="prod", server="https://10.0.0.1:6443"),
    environment=Environment(name="existing", provider="existing", kubernetes="1.34.4", distribution="EKS"),
    nodes=("a", "b"),
)


def told(seen: Seen, intent: Intent) -> str:
    return "\n".join(plan.lines(TARGET, seen, intent, installation=OURS, clean="harness clean --context prod"))


def test_the_plan_says_what_is_made_what_stays_and_what_is_pulled() -> None:
    text = told(Seen(), INTENT)
    for word in (
        *("prod (https://10.0.0.1:6443), Kubernetes 1.34.4 (EKS)", "nodes that take pods: a, b"),
        *("namespaces spark-operator, spark-pi, operator-checks", "Helm release spark-operator in spark-operator"),
        *("made for the run: CRDs sparkapplications", "from their public registries: ghcr.io/kubeflow"),
        "harness clean --context prod",
    ):
        assert word in text


def test_the_plan_says_that_others_crds_and_operators_stay() -> None:
    text = told(replace(NAMED, crds=(CRD,)), BESIDE)
    assert "stay untouched: CRDs sparkapplications.sparkoperator.k8s.io (3 objects)" in text
    assert "stays untouched: the operator in namespace data" in text
    assert "made for the run: CRDs" not in text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def ask(monkeypatch: pytest.MonkeyPatch, stdin: Any, *, yes: bool = False) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr("sys.stdin", stdin)
    plan.agree(said.append, iter(["the plan"]), context="prod", yes=yes)
    return said


def test_a_yes_is_taken_and_the_plan_is_shown_before(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(monkeypatch, Terminal("y\n")) == ["the plan"]


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yes please\n"])
def test_anything_else_is_a_no(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    with pytest.raises(UsageError, match="nothing was changed in the cluster of context prod: the answer was no"):
        ask(monkeypatch, Terminal(answer))


def test_without_a_terminal_only_yes_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="nobody can be asked") as caught:
        ask(monkeypatch, io.StringIO("y\n"))
    assert "--yes" in caught.value.next_step
    assert ask(monkeypatch, io.StringIO(), yes=True) == ["the plan"]
