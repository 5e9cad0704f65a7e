# SPDX-License-Identifier: Apache-2.0
"""Values that the chart, Kubernetes or the operator refuse together, and what they take."""

from __future__ import annotations

import pytest
import yaml
from advice_samples import CATALOGUE, HOMES
from test_advice_values import end, said

from harness.advice import values


@pytest.mark.parametrize(
    ("text", "sentence", "step"),
    [
        (
            "controller: {podDisruptionBudget: {enable: true}}",
            "controller.podDisruptionBudget.enable needs more than one replica",
            "set controller.replicas to 2, or podDisruptionBudget.enable to false",
        ),
        (
            "webhook: {replicas: '1', topologySpreadConstraints: [{maxSkew: 1}]}",
            "webhook.topologySpreadConstraints needs more than one replica",
            "set webhook.replicas to 2",
        ),
        (
            "prometheus: {metrics: {enable: false}, podMonitor: {create: true}}",
            "prometheus.podMonitor.create needs prometheus.metrics.enable",
            "set prometheus.metrics.enable to true",
        ),
        (
            "controller: {featureGates: [{name: Foo, enabled: true}]}",
            "controller.featureGates has Foo, which is none of PartialRestart",
            "take Foo out of controller.featureGates",
        ),
        (
            "controller: {volumes: [{name: ivy, emptyDir: {}}]}",
            "controller.volumeMounts mounts tmp, which controller.volumes does not have",
            "add the volume tmp to controller.volumes",
        ),
        (
            "controller: {volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /cache}]}",
            "controller.volumeMounts mounts nothing at /tmp, where the controller writes the pod templates",
            "add a mount at /tmp",
        ),
        (
            "webhook: {volumes: [], volumeMounts: []}",
            "webhook.volumeMounts mounts nothing at /etc/k8s-webhook-server/serving-certs",
            "add a mount at /etc/k8s-webhook-server/serving-certs",
        ),
        (
            "webhook: {failurePolicy: ignore}",
            "webhook.failurePolicy is ignore, and may be Fail, Ignore",
            "set webhook.",
        ),
        ("image: {pullPolicy: always}", "image.pullPolicy is always, and may be Always", "set image.pullPolicy to one"),
        ("controller: {logLevel: warn}", "controller.logLevel is warn, and may be debug", "set controller.logLevel to"),
        (
            "webhook: {timeoutSeconds: 60}",
            "webhook.timeoutSeconds is 60, and Kubernetes takes 1 to 30",
            "to 30 or less",
        ),
        (
            "webhook: {timeoutSeconds: '45'}",
            "webhook.timeoutSeconds is 45, and Kubernetes takes 1 to 30",
            "to 30 or less",
        ),
        ("fullnameOverride: Spark_Op", "fullnameOverride is Spark_Op, which is no name", "correct fullnameOverride"),
        ("spark: {jobNamespaces: ['*']}", "spark.jobNamespaces has *, which is no name", 'or to [""] for all'),
        (
            "webhook: {podSecurityContext: {runAsUser: 0}}",
            "webhook.podSecurityContext.runAsUser is 0, and runAsNonRoot is true",
            "remove webhook.podSecurityContext.runAsUser from the values",
        ),
    ],
)
def test_what_is_refused_together(text: str, sentence: str, step: str) -> None:
    found = said(text)
    assert f"stops: {sentence}" in found
    assert step in found


@pytest.mark.parametrize(
    ("text", "sentence", "step"),
    [
        (
            "controller: {replicas: -1}",
            "controller.replicas is -1, and Kubernetes takes 0 or more",
            "controller.replicas",
        ),
        (
            "controller: {resources: {limits: {memory: 1Gb}}}",
            "controller.resources.limits.memory is 1Gb, which is no quantity",
            "controller.resources.limits.memory",
        ),
        (
            "webhook: {resources: {limits: {memory: 300Mi}, requests: {memory: 1Gi}}}",
            "webhook.resources.requests.memory is 1Gi, which is more than the limit of 300Mi",
            "webhook.resources.requests.memory",
        ),
        (
            "controller: {podSecurityContext: {readOnlyRootFilesystem: true}}",
            "controller.podSecurityContext.readOnlyRootFilesystem is no field that Kubernetes has there",
            "controller.podSecurityContext.readOnlyRootFilesystem",
        ),
        ("webhook: {sidecars: [{name: log}]}", "webhook.sidecars[0] has no image", "webhook.sidecars[0]"),
    ],
)
def test_what_the_templates_pass_on_and_no_api_server_takes(text: str, sentence: str, step: str) -> None:
    found = said(text)
    assert f"stops: {sentence}" in found
    assert f"correct {step}" in found


@pytest.mark.parametrize(
    "text",
    [
        "controller: {replicas: '2', resources: {limits: {cpu: '{{ .Values.cpu }}'}}}",
        "webhook: {enable: false, replicas: -1}",
        "controller: {resources: {limits: {cpu: 2, memory: 1e9}}, tolerations: [{operator: Exists}]}",
    ],
)
def test_what_an_api_server_takes_is_not_refused(text: str) -> None:
    assert "stops: " not in said(text)


def test_what_is_told_of_already_is_told_once() -> None:
    found = said("controller: {tolerations: {key: a}, volumeMounts: [{name: none, mountPath: /x}]}")
    assert "correct controller" not in found


@pytest.mark.parametrize(
    "text",
    [
        (
            "controller: {replicas: 2, podDisruptionBudget: {enable: true}, topologySpreadConstraints: [{maxSkew: 1, "
            "topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]}"
        ),
        "webhook: {enable: false, podDisruptionBudget: {enable: true}, volumes: []}",
        "controller: {featureGates: [{name: PartialRestart, enabled: true}, {name: AllAlpha, enabled: true}]}",
        "controller: {securityContext: {runAsUser: 0, runAsNonRoot: false, capabilities: {add: [X]}}}",
        "controller: {securityContext: {runAsUser: 185}, podSecurityContext: {runAsUser: 0, runAsGroup: 1}}",
        "controller: {volumes: [{name: a}], volumeMounts: [{name: a, mountPath: /tmp/}]}",
        "controller: {volumes: [], volumeMounts: [], securityContext: {readOnlyRootFilesystem: false}}",
        ".defaults: &a {replicas: 2}\nwebhook: *a",
        'spark: {jobNamespaces: [""]}',
        "webhook: {failurePolicy: Ignore, timeoutSeconds: 30, logLevel: '4', logEncoder: json}",
        "controller: {replicas: '${N}', logLevel: '{{ .Values.level }}', tolerations: '${TOLERATIONS}'}",
        "global: {domain: acme.io}",
    ],
)
def test_what_fits_together_is_not_told(text: str) -> None:
    assert said(text) == "none of these values needs a change -> "


def test_older_controllers_write_nothing_to_tmp() -> None:
    text = "controller: {volumes: [{name: a}], volumeMounts: [{name: a, mountPath: /cache}]}"
    found = values.remarks(yaml.safe_load(text), end("2.2.1"), end("2.3.0"), CATALOGUE.upgrades, HOMES)
    assert not any("add a mount" in it.step for it in found)


def test_two_controllers_without_a_leader_do_everything_twice() -> None:
    key = "controller.leaderElection.enable"
    found = said("controller: {replicas: 2, leaderElection: {enable: false}}")
    assert found == (
        f"{key} is false with several replicas: each of them submits every application -> "
        f"set {key} to true, or controller.replicas to 1"
    )
    assert said("controller: {leaderElection: {enable: false}}") == "none of these values needs a change -> "
