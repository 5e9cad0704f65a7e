# SPDX-License-Identifier: Apache-2.0
"""What Helm rendered, held against the cluster: what changes its meaning is told, harmless changes are not."""

from __future__ import annotations

import base64
import copy
import dataclasses
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_api_server import api_server
from operator_samples import operator

from harness.checks import rendered as checks
from harness.errors import HarnessError
from harness.releases import rendered
from harness.releases.rendered import Rendered
from harness.verdicts import Verdict

Object = dict[str, Any]

ROLE: Object = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "controller", "namespace": "jobs"},
    "rules": [
        {"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["create", "get"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], "resourceNames": ["one"]},
    ],
}
BINDING: Object = {
    "kind": "RoleBinding",
    "metadata": {"name": "controller", "namespace": "jobs"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "controller"},
    "subjects": [{"kind": "ServiceAccount", "name": "controller", "namespace": "operator"}],
}
SERVICE: Object = {
    "kind": "Service",
    "metadata": {"name": "webhook-svc"},
    "spec": {"selector": {"app": "webhook"}, "ports": [{"port": 9443, "targetPort": "webhook", "name": "webhook"}]},
}
WEBHOOKS: Object = {
    "kind": "MutatingWebhookConfiguration",
    "metadata": {"name": "webhooks"},
    "webhooks": [
        {
            "name": "mutate.sparkoperator.k8s.io",
            "failurePolicy": "Fail",
            "timeoutSeconds": 10,
            "clientConfig": {"service": {"name": "webhook-svc", "namespace": "operator"}},
            "namespaceSelector": {"matchExpressions": [{"key": "name", "operator": "In", "values": ["b", "a"]}]},
            "rules": [{"apiGroups": ["sparkoperator.k8s.io"], "operations": ["CREATE", "UPDATE"]}],
        }
    ],
}
DEPLOYMENT: Object = {
    "kind": "Deployment",
    "metadata": {"name": "controller", "labels": {"app.kubernetes.io/instance": "spark-operator"}},
    "spec": {
        "replicas": 1,
        "template": {
            "spec": {
                "containers": [
                    {"name": "controller", "image": "ghcr.io/kubeflow/spark-operator/controller:2.5.2",
                     "args": ["controller", "start", "--zap-log-level=info", "--namespaces=a,b"]}
                ]
            }
        },
    },
}  # fmt: skip
CONFIG_MAP: Object = {"kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}}
ACCOUNT: Object = {"kind": "ServiceAccount", "metadata": {"name": "controller"}}

Spoil = Callable[[Any], object]

FAULTS: list[tuple[Object, Spoil, str]] = [
    (ROLE, lambda it: it["rules"][0]["verbs"].remove("create"), "does not allow: create pods, create services"),
    (ROLE, lambda it: it["rules"].pop(), "does not allow: get deployments.apps one"),
    (BINDING, lambda it: it["subjects"].clear(), "does not bind ServiceAccount controller"),
    (BINDING, lambda it: it["roleRef"].update(name="other"), "is about other instead of controller"),
    (SERVICE, lambda it: it["spec"]["selector"].update(app="other"), "selector.app is 'other' instead of 'webhook'"),
    (SERVICE, lambda it: it["spec"]["selector"].update(track="b"), "selects by more"),
    (SERVICE, lambda it: it["spec"]["ports"][0].update(targetPort=1), "has no port 9443 that leads to webhook"),
    (WEBHOOKS, lambda it: it["webhooks"].clear(), "has no webhook mutate.sparkoperator.k8s.io"),
    (WEBHOOKS, lambda it: it["webhooks"][0].update(failurePolicy="Ignore"), "failurePolicy is 'Ignore' instead"),
    (WEBHOOKS, lambda it: it["webhooks"][0].update(timeoutSeconds=1), "timeoutSeconds is 1 instead of 10"),
    (WEBHOOKS, lambda it: it["webhooks"][0].update(objectSelector={"matchLabels": {"a": "b"}}), "was not rendered"),
    (WEBHOOKS, lambda it: it["webhooks"][0]["rules"][0]["operations"].remove("UPDATE"), "operations is ['CREATE']"),
    (
        WEBHOOKS,
        lambda it: it["webhooks"][0]["namespaceSelector"]["matchExpressions"][0]["values"].remove("b"),
        "namespaceSelector.matchExpressions[0].values is ['a']",
    ),
    (
        WEBHOOKS,
        lambda it: it["webhooks"][0]["namespaceSelector"]["matchExpressions"].append({"key": "team"}),
        "namespaceSelector.matchExpressions is ",
    ),
    (
        DEPLOYMENT,
        lambda it: it["spec"]["template"]["spec"]["containers"][0]["args"].__setitem__(3, "--namespaces=a"),
        "runs with --namespaces=a instead of --namespaces=a,b",
    ),
    (
        DEPLOYMENT,
        lambda it: it["spec"]["template"]["spec"]["containers"][0].update(name="other"),
        "has no container controller",
    ),
    (CONFIG_MAP, lambda it: it["data"].update(a="2"), "data.a is not as rendered"),
    (CONFIG_MAP, lambda it: it["data"].update(b="2"), "data.b is not as rendered"),
]

HARMLESS: list[tuple[Object, Spoil]] = [
    (ROLE, lambda it: it["rules"].reverse()),
    (ROLE, lambda it: it["rules"].append({"apiGroups": ["*"], "resources": ["*"], "verbs": ["get"]})),
    (ROLE, lambda it: it["metadata"].update(annotations={"a": "b"}, labels={"a": "b"})),
    (BINDING, lambda it: it["subjects"].append({"kind": "User", "name": "jane"})),
    (SERVICE, lambda it: it["spec"].update(clusterIP="10.0.0.1", ipFamilies=["IPv4"])),
    (SERVICE, lambda it: it["spec"]["ports"].append({"port": 8080})),
    (WEBHOOKS, lambda it: it["webhooks"][0]["clientConfig"].update(caBundle="abc")),
    (WEBHOOKS, lambda it: it["webhooks"][0].update(objectSelector={}, matchPolicy="Equivalent")),
    (WEBHOOKS, lambda it: it["webhooks"][0]["rules"][0].update(scope="*")),
    (
        WEBHOOKS,
        lambda it: it["webhooks"][0]["namespaceSelector"]["matchExpressions"][0].update(values=["a", "b"]),
    ),
    (
        WEBHOOKS,
        # Azure writes these into each.
        lambda it: it["webhooks"][0]["namespaceSelector"]["matchExpressions"].extend(
            [
                {"key": "control-plane", "operator": "NotIn", "values": ["true"]},
                {"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]},
            ]
        ),
    ),
    (DEPLOYMENT, lambda it: it["spec"].update(replicas=2)),
    (
        DEPLOYMENT,
        lambda it: it["spec"]["template"]["spec"]["containers"][0]["args"].__setitem__(2, "--zap-log-level=debug"),
    ),
    (
        DEPLOYMENT,
        lambda it: it["spec"]["template"]["spec"]["containers"].insert(0, {"name": "istio-proxy", "image": "proxy"}),
    ),
    (ACCOUNT, lambda it: it.update(imagePullSecrets=[{"name": "pull"}])),
]


@pytest.mark.parametrize(("item", "spoil", "words"), FAULTS)
def test_what_changes_the_operators_doings_is_told(item: Object, spoil: Spoil, words: str) -> None:
    live = copy.deepcopy(item)
    spoil(live)
    assert words in "; ".join(rendered.differences(item, live))


@pytest.mark.parametrize(("item", "change"), HARMLESS)
def test_what_people_change_without_harm_is_not(item: Object, change: Spoil) -> None:
    live = copy.deepcopy(item)
    change(live)
    assert live != item
    assert list(rendered.differences(item, live)) == []


def test_what_is_gone_is_told() -> None:
    assert list(rendered.differences(ACCOUNT, None)) == ["is gone"]


def test_the_rules_of_an_aggregated_role_are_nobodys_loss() -> None:
    role = {**ROLE, "kind": "ClusterRole", "aggregationRule": {"clusterRoleSelectors": []}}
    assert list(rendered.differences(role, {**role, "rules": []})) == []


def secret(number: int, *objects: Object, status: str = "deployed", hooks: tuple[Object, ...] = ()) -> Object:
    """A revision as Helm keeps it."""
    record = {
        "name": "spark-operator",
        "version": number,
        "info": {"status": status},
        "manifest": "".join(f"---\n{yaml.safe_dump(it)}" for it in objects),
        "hooks": list(hooks),
    }
    data = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(record).encode()))).decode()
    return {"metadata": {"labels": {"version": str(number)}}, "data": {"release": data}}


def job(name: str, image: str, **labels: str) -> Object:
    spec = {"template": {"spec": {"containers": [{"image": image}]}}}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


def test_the_newest_revision_is_held_against_the_cluster(tmp_path: Path) -> None:
    certificate = {"kind": "Certificate", "metadata": {"name": "tls"}}
    hook = {"kind": "Job", "name": "hook-of-now"}
    copied = "mirror.example.com/team/spark-operator/kubectl:1"
    objects = {
        "secrets": [secret(10, ACCOUNT, SERVICE, certificate, hooks=(hook,)), secret(9, CONFIG_MAP)],
        "jobs": [job("hook-of-now", copied), job("stale", copied), job("backup", "docker.io/team/backup:1")],
        "deployments": [
            {**DEPLOYMENT, "metadata": {"name": "left"}},
            {**job("dashboard", "team/dashboard:1")},
        ],
    }
    answers = {"controller": (404, "{}"), "webhook-svc": (200, json.dumps(SERVICE))}
    with api_server(tmp_path, objects, answers) as cluster, cluster.api_client() as api:
        seen = rendered.look(api, "spark-operator", "operator")
    assert seen == Rendered(
        revision=10,
        status="deployed",
        compared=("ServiceAccount/operator/controller", "Service/operator/webhook-svc"),
        differences={"ServiceAccount/operator/controller": ("is gone",)},
        left_out=("Certificate/operator/tls",),
        beside=("Deployment/operator/left", "Job/operator/stale"),
    )


def test_a_release_that_helm_does_not_know_could_not_be_looked_at(tmp_path: Path) -> None:
    with (
        api_server(tmp_path, {}) as cluster,
        cluster.api_client() as api,
        pytest.raises(HarnessError, match="no record of spark-operator"),
    ):
        rendered.look(api, "spark-operator", "operator")


@pytest.mark.parametrize("data", ["", "!", base64.b64encode(b"abc").decode(), base64.b64encode(b"YWJj").decode()])
def test_a_record_that_is_none_could_not_be_looked_at(data: str) -> None:
    with pytest.raises(HarnessError, match="cannot be read"):
        rendered.unpacked(data)


def found(**changes: Any) -> Rendered:
    return dataclasses.replace(Rendered(revision=2, status="deployed", compared=("a",), differences={}), **changes)


def test_objects_that_differ_are_named_with_what_is_wrong() -> None:
    many = {f"Role/jobs/{number}": ("is gone",) for number in range(7)}
    finding = checks.as_rendered(operator(rendered=found(differences=many)))
    assert finding.verdict is Verdict.FAILED
    assert finding.message.startswith("not as Helm rendered it: Role/jobs/0 is gone; Role/jobs/1 is gone")
    assert finding.message.endswith("; and 2 more")


@pytest.mark.parametrize("changes", [{"status": "pending-upgrade"}, {"compared": ()}])
def test_where_nothing_can_be_claimed_nothing_passes(changes: Object) -> None:
    assert checks.as_rendered(operator(rendered=found(**changes))).verdict is Verdict.ERROR


def test_a_second_operator_and_a_stale_hook_are_named() -> None:
    finding = checks.nothing_beside(operator(rendered=found(beside=("Job/operator/stale",))))
    assert finding.verdict is Verdict.FAILED
    assert finding.message == "not of revision 2, and left in spark-operator: Job/operator/stale"
