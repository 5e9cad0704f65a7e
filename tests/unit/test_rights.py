# SPDX-License-Identifier: Apache-2.0
"""What values switch on and the chart's own Role does not allow is known from what the chart renders."""

from __future__ import annotations

from typing import Any

import pytest

from harness.matrix import catalogue
from harness.releases import rights

CATALOGUE = catalogue.load()
FORMAT = "--ingress-url-format={{$appName}}.example.com"
LABELS = {"labels": {"app.kubernetes.io/component": "controller"}}


def objects(*arguments: str, verbs: tuple[str, ...] = ("get", "create"), kind: str = "Role") -> list[dict[str, Any]]:
    """A controller with these arguments and a Role of its own, as the chart renders them."""
    rule = {"apiGroups": ["extensions", "networking.k8s.io"], "resources": ["ingresses"], "verbs": list(verbs)}
    container = {"args": ["controller", "start", *arguments]}
    return [
        {"kind": "Deployment", "metadata": LABELS, "spec": {"template": {"spec": {"containers": [container]}}}},
        {"kind": kind, "metadata": LABELS, "rules": [rule]},
    ]


def told(version: str, *documents: dict[str, Any]) -> list[str]:
    release = CATALOGUE.release(version)
    return list(rights.unmet(documents, release.unmet_rights, release.name))


@pytest.mark.parametrize("version", ["2.5.1", "2.5.2"])
@pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
def test_what_the_role_lacks_is_told_with_what_comes_of_it_and_what_to_do(version: str, kind: str) -> None:
    (said,) = told(version, *objects(FORMAT, kind=kind))
    assert said.startswith(
        f"with controller.uiIngress.enable, the controller of {version} needs to list and watch ingresses"
    )
    assert "stays SUBMITTED" in said
    assert "give the controller's account these verbs" in said


def test_only_what_is_lacking_is_named() -> None:
    (said,) = told("2.5.2", *objects(FORMAT, verbs=("get", "list")))
    assert "needs to watch ingresses" in said


@pytest.mark.parametrize(
    ("version", "documents"),
    [
        ("2.5.0", objects(FORMAT)),
        ("2.5.2", objects()),
        ("2.5.2", objects("--ingress-url-format=")),
        ("2.5.2", objects(FORMAT, verbs=("get", "list", "watch"))),
        ("2.5.2", objects(FORMAT, verbs=("*",))),
        ("2.5.2", objects(FORMAT)[:1]),
        ("2.5.2", []),
    ],
    ids=[
        "a release that needs it not",
        "off",
        "without a format",
        "granted",
        "all",
        "rights from elsewhere",
        "nothing",
    ],
)
def test_nothing_is_told_where_nothing_is_lacking(version: str, documents: list[dict[str, Any]]) -> None:
    assert told(version, *documents) == []


def webhook(argument: str, *verbs: str) -> list[dict[str, Any]]:
    """A webhook that is started with this argument, and its Role."""
    labels = {"labels": {"app.kubernetes.io/component": "webhook"}}
    containers = [{"args": ["webhook", "start", argument]}]
    rule = {"apiGroups": [""], "resources": ["resourcequotas"], "verbs": list(verbs)}
    return [
        {"kind": "Deployment", "metadata": labels, "spec": {"template": {"spec": {"containers": containers}}}},
        {"kind": "Role", "metadata": labels, "rules": [rule]},
    ]


def test_a_webhook_lacks_rights_of_its_own() -> None:
    (said,) = told("2.5.2", *webhook("--enable-resource-quota-enforcement=true", "list"))
    assert said.startswith(
        "with webhook.resourceQuotaEnforcement.enable, the webhook of 2.5.2 needs to watch resourcequotas"
    )


@pytest.mark.parametrize(
    ("version", "documents"),
    [
        ("2.5.0", webhook("--enable-resource-quota-enforcement=true", "list")),
        ("2.5.2", webhook("--enable-resource-quota-enforcement=false", "list")),
        ("2.5.2", webhook("--enable-resource-quota-enforcement=true", "list", "watch")),
    ],
    ids=["before", "off", "granted"],
)
def test_a_webhook_that_needs_nothing_more_is_not_told(version: str, documents: list[dict[str, Any]]) -> None:
    assert told(version, *documents) == []
