# SPDX-License-Identifier: Apache-2.0
"""A production cluster for the tests of snapshots: objects as API servers list them, with secrets planted in them."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import fake_api_server
import yaml

from harness.kube.cluster import Cluster

PLANTED = {
    "values": "hunter2-values",
    "values-drawn": "q7Zt4LxVw92KdPm8Rb3NcY5h",
    "conf": "hunter2-conf",
    "nested": "hunter2-nested",
    "env": "hunter2-env",
    "envVars": "hunter2-vars",
    "argument": "hunter2-argument",
    "java": "hunter2-java",
    "applied": "hunter2-applied",
    "annotation": "hunter2-annotation",
    "message": "hunter2-message",
    "config-map": "hunter2-configmap",
    "pull": "hunter2-pull",
    "hex": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "url": "hunter2-url",
    "label": "Tq9xZ2mWv7RbK4nLp8YcD3fH",
    "key-of-map": "hunter2-key",
    "plain-env": "hunter2-plain",
    "conf-env": "hunter2-conf-env",
}
"""Secrets by where they are planted; none of them may be in a snapshot."""

VALUES: Mapping[str, Any] = {
    "image": {"registry": "docker.io", "repository": "kubeflow/spark-operator", "pullSecrets": [{"name": "hub"}]},
    "spark": {"jobNamespaces": ["etl", "gone"]},
    "controller": {
        "replicas": 2,
        "env": [
            {"name": "DB_PASSWORD", "value": PLANTED["values"]},
            {"name": "PLAIN", "value": PLANTED["values-drawn"]},
        ],
    },
    "dbPassword": {"prod": PLANTED["key-of-map"]},
}


def helm_secret(
    values: Mapping[str, Any] = VALUES,
    *,
    name: str = "my-op",
    revision: int = 3,
    status: str = "deployed",
    chart: str = "spark-operator",
) -> dict[str, Any]:
    """A Secret of Helm 3, in which it keeps a revision of a release."""
    release = {
        "name": name,
        "namespace": "spark",
        "version": revision,
        "info": {"status": status},
        "chart": {"metadata": {"name": chart, "version": "2.2.1", "appVersion": "2.2.1"}},
        "config": values,
    }
    packed = base64.b64encode(gzip.compress(json.dumps(release).encode()))
    return {
        "metadata": {
            "name": f"sh.helm.release.v1.{name}.v{revision}",
            "namespace": "spark",
            "labels": {"owner": "helm", "name": name, "version": str(revision)},
            "managedFields": [{"manager": "helm", "operation": "Update"}],
        },
        "type": "helm.sh/release.v1",
        "data": {"release": base64.b64encode(packed).decode()},
    }


def deployment(role: str) -> dict[str, Any]:
    labels = {
        "app.kubernetes.io/name": "spark-operator",
        "app.kubernetes.io/instance": "my-op",
        "helm.sh/chart": "spark-operator-2.2.1",
        "app.kubernetes.io/version": "2.2.1",
    }
    container = {
        "name": f"op-{role}",
        "image": "docker.io/kubeflow/spark-operator:2.2.1",
        "args": [role, "start", "--namespaces=etl"],
    }
    return {
        "metadata": {"name": f"op-{role}", "namespace": "spark", "labels": labels},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}},
        "status": {"readyReplicas": 1},
    }


def pod() -> dict[str, Any]:
    return {
        "metadata": {"name": "op-controller-abc", "namespace": "spark", "labels": {}},
        "spec": {"containers": [{"name": "c", "image": "docker.io/kubeflow/spark-operator:2.2.1"}]},
        "status": {
            "containerStatuses": [
                {
                    "name": "c",
                    "image": "docker.io/kubeflow/spark-operator:2.2.1",
                    "imageID": f"docker.io/kubeflow/spark-operator@sha256:{'a1' * 32}",
                }
            ]
        },
    }


def crd(kind: str, version: str = "v1beta2") -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}}
    return {
        "metadata": {
            "name": f"{plural}.sparkoperator.k8s.io",
            "managedFields": [
                {"manager": "helm", "operation": "Update", "time": "2026-01-01T00:00:00Z"},
                {"manager": "kube-apiserver", "operation": "Update", "subresource": "status"},
                {"manager": "kubectl", "operation": "Apply", "time": "2026-02-01T00:00:00Z"},
            ],
        },
        "spec": {
            "group": "sparkoperator.k8s.io",
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
        "status": {"storedVersions": [version]},
    }


def application(name: str, **changes: Any) -> dict[str, Any]:
    """A SparkApplication with secrets in each place that has room for some."""
    applied = json.dumps({"spec": {"sparkConf": {"spark.db.password": PLANTED["applied"]}}})
    spec: dict[str, Any] = {
        "type": "Python",
        "mode": "cluster",
        "image": "docker.io/apache/spark:3.5.5",
        "mainApplicationFile": "local:///app.py",
        "sparkVersion": "3.5.5",
        "imagePullSecrets": ["hub"],
        "arguments": ["--password", PLANTED["argument"], "--days", "7", PLANTED["hex"]],
        "sparkConf": {
            "spark.hadoop.fs.s3a.secret.key": PLANTED["conf"],
            "spark.hadoop.fs.s3a.access.key": PLANTED["aws"],
            "spark.executor.extraJavaOptions": f"-Ddb.password={PLANTED['java']}",
            "spark.jdbc.url": f"jdbc:postgresql://user:{PLANTED['url']}@db/x",
            "spark.kubernetes.driverEnv.PLAIN": PLANTED["conf-env"],
            "spark.eventLog.dir": "s3a://logs/spark-events",
        },
        "hadoopConf": {"credentials": PLANTED["nested"]},
        "driver": {
            "cores": 1,
            "serviceAccount": "etl",
            "env": [{"name": "API_TOKEN", "value": PLANTED["env"]}, {"name": "X", "value": PLANTED["plain-env"]}],
            "envVars": {"INNOCENT": PLANTED["envVars"]},
            "envSecretKeyRefs": {"PASSWORD": {"name": "db", "key": "password"}},
        },
        "executor": {"instances": 2, "memory": "2g"},
    }
    return {
        "apiVersion": "sparkoperator.k8s.io/v1beta2",
        "kind": "SparkApplication",
        "metadata": {
            "name": name,
            "namespace": "etl",
            "labels": {"team": "data", "odd": PLANTED["label"]},
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": applied,
                "note.example.com/mine": PLANTED["annotation"],
                "argocd.argoproj.io/tracking-id": "op:sparkoperator.k8s.io/SparkApplication:etl/x",
            },
        },
        "spec": {**spec, **changes},
        "status": {"applicationState": {"state": "FAILED", "errorMessage": f"password={PLANTED['message']}"}},
    }


def pull_secret() -> dict[str, Any]:
    auths = {"auths": {"docker.io": {"username": "me", "password": PLANTED["pull"]}}}
    packed = base64.b64encode(json.dumps(auths).encode()).decode()
    return {"metadata": {"name": "hub", "namespace": "etl"}, "data": {".dockerconfigjson": packed}}


class Production(fake_api_server._Handler):
    """Answers by the whole path where a test gives it, and objects by their names."""

    single: Mapping[str, Mapping[str, Any]]
    asked: list[str]

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.asked.append(f"{self.command} {self.path}")
        if address.path in self.answers:
            self._answer(*self.answers[address.path])
        elif address.path in self.single:
            self._answer(200, json.dumps(self.single[address.path]))
        elif address.path.startswith("/api/v1/namespaces/") and address.path.count("/") == 4:
            self._answer(404, json.dumps({"message": "not found"}))
        elif "labelSelector=spark" in self.path and "limit" in parse_qs(address.query):
            self._page([], parse_qs(address.query))
        else:
            super().do_GET()


def objects(**changes: Any) -> dict[str, list[Any]]:
    """What is in the cluster, by plural."""
    node = {
        "metadata": {"name": "n", "labels": {}},
        "spec": {"providerID": "kind://docker/kind/n"},
        "status": {"nodeInfo": {"architecture": "arm64", "operatingSystem": "linux", "kubeletVersion": "v1.34.4"}},
    }
    webhook = {
        "name": "mutate-sparkapplication.sparkoperator.k8s.io",
        "clientConfig": {"service": {"namespace": "spark", "name": "op-webhook-svc"}, "caBundle": "LS0t"},
        "failurePolicy": "Fail",
        "timeoutSeconds": 10,
        "rules": [{"apiGroups": ["sparkoperator.k8s.io"], "resources": ["sparkapplications"]}],
    }
    found = {
        "deployments": [deployment("controller"), deployment("webhook")],
        "pods": [pod()],
        "nodes": [node],
        "secrets": [helm_secret(revision=2), helm_secret()],
        "configmaps": [{"metadata": {"name": "c"}, "data": {"password": PLANTED["config-map"]}}],
        "customresourcedefinitions": [crd("SparkApplication"), crd("ScheduledSparkApplication")],
        "mutatingwebhookconfigurations": [{"metadata": {"name": "op"}, "webhooks": [webhook]}],
        "sparkapplications": [application(f"app-{number}") for number in range(3)],
        "serviceaccounts": [{"metadata": {"name": "etl"}, "imagePullSecrets": [{"name": "hub"}]}],
        "resourcequotas": [{"metadata": {"name": "q"}, "spec": {"hard": {"pods": "10"}}}],
        "priorityclasses": [
            {"metadata": {"name": "system-node-critical"}, "value": 2000001000},
            {"metadata": {"name": "batch"}, "value": 7, "globalDefault": True, "preemptionPolicy": "Never"},
        ],
        "networkpolicies": [{"metadata": {"name": "deny"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"]}}],
    }
    return {**found, **changes}


SINGLE: Mapping[str, Mapping[str, Any]] = {
    "/version": {"gitVersion": "v1.34.4"},
    "/apis": {"kind": "APIGroupList"},
    "/api/v1/namespaces/etl": {
        "metadata": {"name": "etl", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
    },
    "/api/v1/namespaces/etl/secrets/hub": pull_secret(),
    "/api/v1/namespaces/spark": {"metadata": {"name": "spark"}},
    "/api/v1/namespaces/spark/secrets/hub": pull_secret(),
    "/api/v1/namespaces/spark/secrets/sh.helm.release.v1.my-op.v3": helm_secret(),
}


@contextmanager
def production(
    folder: Path,
    listed: Mapping[str, Any] | None = None,
    answers: Mapping[str, fake_api_server.Answer] | None = None,
    single: Mapping[str, Mapping[str, Any]] | None = None,
    asked: list[str] | None = None,
) -> Iterator[Cluster]:
    """The cluster, served; `answers` are given for paths instead, `single` for objects. `asked` gets every request."""
    given = {"single": {**SINGLE, **(single or {})}, "asked": [] if asked is None else asked}
    handler = type("Handler", (Production,), given)
    before = fake_api_server._Handler
    fake_api_server._Handler = handler  # type: ignore[misc,assignment]
    try:
        with fake_api_server.api_server(folder, listed or objects(), answers) as cluster:
            yield cluster
    finally:
        fake_api_server._Handler = before  # type: ignore[misc]


def login(folder: Path, user: Mapping[str, Any], address: str) -> Path:
    """A kubeconfig with a user."""
    file = folder / "login"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "mine",
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": dict(user)}],
        "contexts": [{"name": "mine", "context": {"cluster": "c", "user": "u"}}],
    }
    file.write_text(yaml.safe_dump(config))
    return file
