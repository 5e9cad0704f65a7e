# SPDX-License-Identifier: Apache-2.0
"""What no API server takes of a rendered release is told by the value that it comes from, before there is a cluster.

The objects are written here as the chart renders them; the models that they are held against are those of Kubernetes'
own client.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from harness.releases import fitting, refused_objects
from harness.releases.fitting import Fit, Given, Misfit
from harness.releases.helm import HelmError
from harness.releases.values import at

OWN = {"app.kubernetes.io/component": "controller"}


def deployment(values: Mapping[str, Any], name: str = "it-controller") -> dict[str, Any]:
    """The Deployment of the controller, as templates/controller/deployment.yaml passes values on."""
    mine = values.get("controller") or {}
    container = {
        "name": "spark-operator-controller",
        "image": "ghcr.io/kubeflow/spark-operator/controller:2.5.2",
        "ports": [{"name": at(values, "prometheus.metrics.portName") or "metrics", "containerPort": 8080}],
        **{key: mine[key] for key in ("env", "volumeMounts", "resources", "securityContext") if key in mine},
    }
    pod = {"containers": [container, *mine.get("sidecars", [])]}
    given = ("volumes", "affinity", "tolerations", "topologySpreadConstraints", "nodeSelector")
    pod |= {key: mine[key] for key in given if key in mine}
    if "podSecurityContext" in mine:
        pod["securityContext"] = mine["podSecurityContext"]
    if at(values, "image.pullSecrets"):
        pod["imagePullSecrets"] = values["image"]["pullSecrets"]
    labels = {**OWN, **(values.get("commonLabels") or {})}
    template = {"metadata": {"labels": {**OWN, **mine.get("labels", {})}}, "spec": pod}
    spec = {"replicas": mine.get("replicas", 1), "selector": {"matchLabels": OWN}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels}, "spec": spec}


def service(values: Mapping[str, Any]) -> dict[str, Any]:
    name, port = at(values, "webhook.portName") or "webhook", at(values, "webhook.port") or 9443
    ports = [{"port": port, "targetPort": name, "name": name}]
    metadata = {"name": f"{values.get('fullnameOverride', 'it')}-webhook-svc"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}


def told(text: str, *more: Mapping[str, Any]) -> list[str]:
    values = yaml.safe_load(text)
    found = refused_objects.found([deployment(values), service(values), *more], values)
    return [f"{it.key} {it.why}" for it in found]


MOUNTS = "controller: {volumes: [{name: tmp, emptyDir: {}}], "


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("controller: {sidecars: [{name: logs, command: [sh]}]}", "controller.sidecars[0] has no image"),
        (
            "controller: {env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.nodename}}}]}",
            "controller.env[0].valueFrom.fieldRef.fieldPath is spec.nodename, which is no field",
        ),
        (
            "controller: {labels: {app.kubernetes.io/component: op}}",
            "controller.labels.app.kubernetes.io/component is op, and the chart selects its pods by controller",
        ),
        # Fields that there are not, that are missing, or of another kind.
        (
            "controller: {securityContext: {runAsNonroot: true}}",
            "controller.securityContext.runAsNonroot is no field that",
        ),
        ("controller: {sidecars: [{image: fluent-bit}]}", "controller.sidecars[0] has no name, which Kubernetes wants"),
        (
            "controller: {podSecurityContext: {seccompProfile: RuntimeDefault}}",
            'controller.podSecurityContext.seccompProfile is "RuntimeDefault", and Kubernetes takes a map there',
        ),
        (
            "controller: {affinity: {podAntiAffinity: [{topologyKey: a}]}}",
            "controller.affinity.podAntiAffinity is [{",
        ),
        ("controller: {replicas: 2.5}", "controller.replicas is 2.5, and Kubernetes takes a whole number there"),
        ("image: {pullSecrets: {name: login}}", "image.pullSecrets is "),
        # What a pod's parts must be to each other.
        (
            MOUNTS + "volumeMounts: [{name: tmp, mountPath: /a}, {name: tmp, mountPath: /a}]}",
            "[1].mountPath is /a, where",
        ),
        (MOUNTS + "volumeMounts: [{name: tmp, mountPath: 'a:b'}]}", "is 'a:b', which is no path in a container"),
        (MOUNTS + "sidecars: [{name: a, volumeMounts: [{name: logs, mountPath: /l}]}]}", "sidecars[0].volumeMounts[0]"),
        ("controller: {volumes: [{name: a, emptyDir: {}}, {name: a, emptyDir: {}}]}", "is a, as another volume of the"),
        (
            "controller: {volumes: [{name: a, emptyDir: {}, hostPath: {path: /a}}]}",
            "is of several kinds (emptyDir, host",
        ),
        ("controller: {sidecars: [{name: spark-operator-controller}]}", "as another container of the pod is called"),
        ("controller: {sidecars: [{name: Log_Router}]}", "controller.sidecars[0].name is 'Log_Router', and Kubernetes"),
        (
            "controller: {env: [{name: A, value: a, valueFrom: {}}, {name: B, value: b, valueFrom: {c: d}}]}",
            "both value",
        ),
        (
            "controller: {resources: {limits: {memory: 300m}}}",
            "controller.resources.limits.memory is 300m, which is less",
        ),
        ("controller: {resources: {limits: {memory: 512MB}}}", "controller.resources.limits.memory is 512MB, which is"),
        (
            "controller: {resources: {requests: {cpu: 1}, limits: {cpu: 500m}}}",
            "controller.resources.requests.cpu is 1, which is more than the limit of 500m",
        ),
        ("controller: {tolerations: [{key: a, operator: Equals}]}", "is Equals, and may be Exists, Equal"),
        ("controller: {tolerations: [{key: a, effect: NoExec}]}", "is NoExec, and may be NoSchedule"),
        ("controller: {tolerations: [{key: a, operator: Exists, value: b}]}", "and the operator Exists takes none"),
        ("controller: {tolerations: [{effect: NoSchedule}]}", "controller.tolerations[0] has no key"),
        ("controller: {tolerations: [{key: a, tolerationSeconds: 9}]}", "with the effect NoExecute alone"),
        (
            "controller: {topologySpreadConstraints: [{maxSkew: 0, topologyKey: a, whenUnsatisfiable: Always}]}",
            "whenUnsatisfiable is Always, and may be DoNotSchedule, ScheduleAnyway",
        ),
        ("controller: {securityContext: {privileged: true, allowPrivilegeEscalation: false}}", "privileged is true:"),
        (
            "controller: {podSecurityContext: {seccompProfile: {type: runtime/default}}}",
            "is runtime/default, and may be",
        ),
        ("controller: {nodeSelector: {pool: 'a b'}}", "controller.nodeSelector.pool is 'a b', and a label takes"),
        ("commonLabels: {owner: Data Platform}", "commonLabels.owner is 'Data Platform', and a label takes"),
        (
            "controller: {labels: {app.kubernetes.io/component: it}}",
            "is it, and the chart selects its pods by controller",
        ),
        ("controller: {replicas: -1}", "controller.replicas is -1, and Kubernetes takes 0 or more"),
        (
            "prometheus: {metrics: {portName: Metrics}}",
            "prometheus.metrics.portName is Metrics, and Kubernetes takes up",
        ),
        ("webhook: {portName: spark-operator-webhook}", "webhook.portName is spark-operator-webhook, and Kubernetes"),
        ("webhook: {port: 70000}", "webhook.port is 70000, and ports go from 1 to 65535"),
        (f"fullnameOverride: {'a' * 60}", f"fullnameOverride makes a Service called '{'a' * 60}-webhook-svc', and"),
    ],
)
def test_what_no_api_server_takes_is_told_by_its_value(text: str, said: str) -> None:
    found = told(text)
    assert any(said in it for it in found), found


VALUES_OF_EXISTS = "matchExpressions: [{key: a, operator: Exists, values: [b]}]"
TERM = "labelSelector: {matchExpressions: [{key: a, operator: %s}]}"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


@pytest.mark.parametrize(
    ("affinity", "said"),
    [
        (f"podAntiAffinity: {{{REQUIRED}: [{{{TERM % 'Exists'}}}]}}", "[0] has no topologyKey, which Kubernetes wants"),
        (f"podAntiAffinity: {{{REQUIRED}: [{{topologyKey: ''}}]}}", "[0].topologyKey is empty"),
        (f"podAffinity: {{{REQUIRED}: [{{topologyKey: a, {TERM % 'In'}}}]}}", "values is empty, and the operator In"),
        (f"podAffinity: {{{REQUIRED}: [{{topologyKey: a, {TERM % 'Is'}}}]}}", "operator is Is, and may be In, NotIn"),
        (
            f"podAffinity: {{{PREFERRED}: [{{weight: 200, podAffinityTerm: {{topologyKey: a}}}}]}}",
            "weight is 200, and Kubernetes takes 1 to 100",
        ),
        (
            f"nodeAffinity: {{{PREFERRED}: [{{weight: 1, preference: {{{VALUES_OF_EXISTS}}}}}]}}",
            "values has some, and the operator Exists takes none",
        ),
    ],
)
def test_terms_of_affinities(affinity: str, said: str) -> None:
    found = told(f"controller: {{affinity: {{{affinity}}}}}")
    assert any(said in it for it in found), found


@pytest.mark.parametrize(
    "text",
    [
        "controller: {}",
        "controller: {podSecurityContext: {fsGroup: 1.00066e+09}}",
        "controller: {resources: {limits: {cpu: 2, memory: 1073741824}, requests: {cpu: 0.5, memory: 1Gi}}}",
        "controller: {volumes: [{name: tmp, emptyDir: {sizeLimit: 1073741824}}, {name: a}]}",
        "controller: {tolerations: [{operator: Exists}, {key: a, effect: NoExecute, tolerationSeconds: 9}]}",
        "controller: {env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: A, value: ''}]}",
        "controller: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway}]}",
        "controller: {podSecurityContext: {seccompProfile: {type: Localhost, localhostProfile: a.json}}}",
        "controller: {sidecars: [{name: log, image: fluent-bit, ports: [{name: http, containerPort: 2020}]}]}",
    ],
)
def test_what_kubernetes_takes_is_not_told(text: str) -> None:
    assert told(text) == []


def test_an_object_that_is_rendered_twice_is_told_with_the_value_that_it_comes_from() -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "theirs"}}
    assert told("webhook: {serviceAccount: {name: theirs}}", account, account) == [
        "webhook.serviceAccount.name makes the ServiceAccount theirs twice, which Helm stops at"
    ]
    in_jobs = {**account, "metadata": {"name": "spark", "namespace": "a"}}
    assert told("spark: {jobNamespaces: [a, a]}", in_jobs, in_jobs) == [
        "spark.jobNamespaces makes the ServiceAccount spark of a twice, which Helm stops at"
    ]


class Chart:
    """Renders the Deployment of the values; one of its own may be wrong, or it may not render with them at all."""

    def __init__(self, *, own: Mapping[str, Any] | None = None, refuses: bool = False) -> None:
        self._own = own or {}
        self._refuses = refuses

    def template(self, chart: object, name: str, namespace: str, values: Mapping[str, Any], **_: Any) -> list[Any]:
        if self._refuses:
            raise HelmError("no")
        return [deployment({"controller": {**self._own, **(values.get("controller") or {})}})]


def given(values: Mapping[str, Any]) -> Given:
    return Given(name="it", namespace="it", own=[{}], users=[values], job_namespaces=["a"], files=["prod.yaml"])


WRONG = {"controller": {"affinity": "soft"}}


def test_a_run_says_so_before_it_looks_at_what_the_objects_ask_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("prod.yaml").write_text("controller: {affinity: soft}\n")
    found = fitting.fit(cast(Any, Chart()), cast(Any, None), given(WRONG))
    assert isinstance(found, Misfit)
    assert found.words == 'controller.affinity is "soft", and Kubernetes takes a map there (prod.yaml, line 1)'
    assert found.next_step == "correct controller.affinity"


def test_what_the_chart_gets_wrong_itself_is_not_the_users() -> None:
    found = fitting.fit(cast(Any, Chart(own={"replicas": -1})), cast(Any, None), given({"controller": {"env": []}}))
    assert isinstance(found, Fit)


def test_in_a_cluster_of_a_users_only_what_no_cluster_takes_is_a_mistake() -> None:
    chart = cast(Any, Chart())
    assert fitting.mistakes(chart, cast(Any, None), given({"controller": {"nodeSelector": {"pool": "system"}}})) is None
    found = fitting.mistakes(chart, cast(Any, None), given(WRONG))
    assert found is not None
    assert found.next_step == "correct controller.affinity"
    assert fitting.mistakes(cast(Any, Chart(refuses=True)), cast(Any, None), given(WRONG)) is None
