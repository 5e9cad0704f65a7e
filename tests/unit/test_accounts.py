# SPDX-License-Identifier: Apache-2.0
"""The accounts of applications, and job namespaces, are the user's; what their values leave to others is brought along.

Helm and the API are stand-ins here; tests/integration/test_helm.py renders the release's own chart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from fake_kube import FakeKube, fake_kube

from harness.errors import UsageError
from harness.releases import accounts
from harness.releases.namespaces import of_values, with_job_namespaces
from harness.releases.values import at


class ChartOfAccounts:
    """Renders as the chart does: one account and one role a part, unless the values switch them off."""

    def template(
        self, chart: object, name: str, namespace: str, values: dict[str, Any], *, api_versions: list[str]
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [{"kind": "Deployment", "metadata": {"name": "it"}}]
        labels = {"app.kubernetes.io/instance": name, "app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "it-1"}
        account = at(values, "spark.serviceAccount.name") or f"{name}-spark"
        for job in at(values, "spark.jobNamespaces"):
            meta = {"name": account, "namespace": job, "labels": labels}
            if at(values, "spark.serviceAccount.create") is not False:
                found.append({"kind": "ServiceAccount", "metadata": meta})
            if at(values, "spark.rbac.create") is not False:
                found.append({"kind": "Role", "metadata": meta, "rules": [{"verbs": ["create"]}]})
        return found


@pytest.fixture
def kube() -> Iterator[FakeKube]:
    with fake_kube() as made:
        yield made


def to_bring(values: dict[str, Any]) -> list[Any]:
    return accounts.to_bring(cast(Any, ChartOfAccounts()), cast(Any, None), "it", "it-here", values)


def test_nothing_is_rendered_where_the_chart_makes_all_itself() -> None:
    assert accounts.to_bring(cast(Any, None), cast(Any, None), "it", "it-here", {"spark": {"rbac": {}}}) == []


def test_what_values_leave_to_others_is_what_the_chart_would_have_made() -> None:
    values = {
        "spark": {
            "jobNamespaces": ["a"],
            "serviceAccount": {"create": False, "name": "theirs"},
            "rbac": {"create": False},
        }
    }
    brought = to_bring(values)
    assert [(it["kind"], it["metadata"]["name"], it["metadata"]["namespace"]) for it in brought] == [
        ("ServiceAccount", "theirs", "a"),
        ("Role", "theirs", "a"),
    ]
    assert brought[0]["metadata"]["labels"] == {"app.kubernetes.io/instance": "it"}, "Helm does not own it"


def test_without_a_name_it_is_the_account_that_every_namespace_has() -> None:
    (account,) = to_bring({"spark": {"jobNamespaces": ["a"], "serviceAccount": {"create": False}}})[:1]
    assert account["metadata"]["name"] == "default"


def test_a_role_that_is_there_gets_what_it_lacks(kube: FakeKube) -> None:
    role = {"kind": "Role", "metadata": {"name": "it", "namespace": "a"}, "rules": [{"verbs": ["create"]}]}
    accounts.bring(kube.api, [role])
    accounts.bring(kube.api, [{**role, "rules": [{"verbs": ["create"]}, {"verbs": ["watch"]}]}])
    assert kube.stored["roles"]["a/it"]["rules"] == [{"verbs": ["create"]}, {"verbs": ["watch"]}]
    accounts.bring(kube.api, [{"kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "a"}}] * 2)
    assert list(kube.stored["serviceaccounts"]) == ["a/default"]


@pytest.mark.parametrize(
    ("spark", "account"),
    [
        ({}, "made-by-the-chart"),
        ({"serviceAccount": {"create": False}}, "default"),
        ({"serviceAccount": {"create": None}}, "default"),
        ({"serviceAccount": {"create": False, "name": "theirs"}}, "theirs"),
    ],
)
def test_applications_run_under_the_account_that_there_is(kube: FakeKube, spark: dict[str, Any], account: str) -> None:
    labels = {"app.kubernetes.io/instance": "it"}
    kube.put("serviceaccounts", {"metadata": {"name": "made-by-the-chart", "namespace": "a", "labels": labels}})
    kube.put("serviceaccounts", {"metadata": {"name": "default", "namespace": "a"}})
    assert accounts.of_applications(kube.api, "it", ["a"], {"spark": spark}) == account


def test_no_account_is_made_up(kube: FakeKube) -> None:
    assert accounts.of_applications(kube.api, "it", ["a"], {}) == ""


@pytest.mark.parametrize(
    ("spark", "expected"),
    [
        (None, ["a", "b"]),
        ({}, ["a", "b"]),
        ({"jobNamespaces": None}, ["a", "b"]),
        ({"jobNamespaces": []}, ["a", "b"]),
        ({"jobNamespaces": ["theirs", "b"]}, ["theirs", "b", "a"]),
        ({"jobNamespaces": [""]}, ["", "a", "b"]),
    ],
)
def test_the_runs_namespaces_come_after_the_users(spark: dict[str, Any] | None, expected: list[str]) -> None:
    values = {"spark": spark, "webhook": {"port": 1}}
    made = with_job_namespaces(values, ["a", "b"])
    assert made["spark"]["jobNamespaces"] == expected
    assert made["webhook"] == {"port": 1}


@pytest.mark.parametrize("wrong", ["production", {"a": "b"}, [1]])
def test_job_namespaces_that_are_no_list_of_names_are_wrong_usage(wrong: object) -> None:
    with pytest.raises(UsageError, match="not a list of names"):
        of_values({"spark": {"jobNamespaces": wrong}})
