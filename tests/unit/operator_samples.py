# SPDX-License-Identifier: Apache-2.0
"""A healthy operator as it would be observed, and the certificates of its webhook, for tests to spoil."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from harness.kube.models import Container, Crd, Deployment, Lease, Log, Pod
from harness.matrix import catalogue
from harness.releases import admission_samples, webhook
from harness.releases.footing import Footing, Pace
from harness.releases.metrics import Metrics, MetricsPage
from harness.releases.operator_seen import ObservedOperator
from harness.releases.rendered import Rendered
from harness.releases.soak import Soak

DIGEST = "sha256:" + "a" * 64
SERVER_NAME = "spark-operator-webhook-svc.spark-operator.svc"

RELEASE = (
    catalogue.load()
    .release("2.5.2")
    .model_copy(
        update={
            "crds": ("sparkapplications.sparkoperator.k8s.io",),
            "metrics": ("spark_application_count", "spark_application_submit_count"),
        }
    )
)


@cache
def certificates(server_name: str = SERVER_NAME) -> tuple[bytes, bytes]:
    """A CA (PEM) and a leaf (DER) that it signed. As with the operator's own, both have the same subject."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVER_NAME)])
    ca_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = _builder(subject).public_key(ca_key.public_key()).sign(ca_key, SHA256())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName(server_name)])
    leaf = (
        _builder(subject).public_key(leaf_key.public_key()).add_extension(names, critical=False).sign(ca_key, SHA256())
    )
    return ca.public_bytes(Encoding.PEM), leaf.public_bytes(Encoding.DER)


def _builder(subject: x509.Name) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
    )


def deployment(part: str, **changes: Any) -> Deployment:
    """A Deployment that has rolled out; `part` is `controller` or `webhook`."""
    healthy = Deployment(
        name=f"spark-operator-{part}",
        replicas=1,
        updated=1,
        available=1,
        total=1,
        current=True,
        newest_replica_set=f"spark-operator-{part}-new",
        arguments=(part, "start", f"--leader-election-lock-name=spark-operator-{part}-lock"),
    )
    return dataclasses.replace(healthy, **changes)


def pod(part: str, *, replica_set: str = "", name: str = "", **container: Any) -> Pod:
    """A running pod of a Deployment; `container` changes its one container."""
    seen = Container(
        name=f"spark-operator-{part}",
        image=RELEASE.image,
        image_id=f"ghcr.io/kubeflow/spark-operator/controller@{DIGEST}",
        ready=True,
        state="running",
    )
    return Pod(
        name=name or f"spark-operator-{part}-new-1",
        uid=name or part,
        owner=f"ReplicaSet/{replica_set or f'spark-operator-{part}-new'}",
        phase="Running",
        containers=(dataclasses.replace(seen, **container),),
    )


def lease(part: str, **changes: Any) -> Lease:
    """A lease that the Deployment's pod has just renewed."""
    holder = f"spark-operator-{part}-new-1"
    healthy = Lease(
        name=f"spark-operator-{part}-lock",
        deployment=f"spark-operator-{part}",
        holder=holder,
        identity=f"{holder}_6a",
        transitions=0,
        age=1.0,
        duration=15,
    )
    return dataclasses.replace(healthy, **changes)


def metrics_page(*names: str, **changes: Any) -> MetricsPage:
    """The page of a controller that leads and has counted something for these names."""
    own = {"controller_runtime_active_workers": "gauge", "workqueue_depth": "gauge", "go_goroutines": "gauge"}
    page = MetricsPage(address="c:8080/metrics", types={**own, **dict.fromkeys(names, "counter")})
    return dataclasses.replace(page, **changes)


def crd_spec(maximum: int = 5, *, lacks: Iterable[str] = ()) -> dict[str, Any]:
    """A small CRD's spec as a chart writes it, with the fields that webhooks fill in but those that it `lacks`."""
    spec: dict[str, Any] = {"type": "object", "properties": {}}
    for field in {it.field for it in RELEASE.defaults} - set(lacks):
        below = spec
        for step in field.split("."):
            below = below.setdefault("properties", {}).setdefault(step, {})
    schema = {
        "type": "object",
        "description": "An application.",
        "properties": {
            "size": {"type": "integer", "maximum": maximum},
            "spec": spec,
            "description": {"type": "string", "description": "a property of that name"},
        },
        "required": ["size", "description"],
    }
    return {
        "group": "sparkoperator.k8s.io",
        "scope": "Namespaced",
        "names": {"kind": "SparkApplication", "plural": "sparkapplications"},
        "versions": [
            {"name": "v1beta2", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}},
        ],
    }


def _accepted(shape: str) -> webhook.Attempt:
    """A sample with the defaults of RELEASE."""
    spec = admission_samples.sample("ns", shape=shape)["spec"]
    for field, value in admission_samples.expected(RELEASE, shape).items():
        *above, last = field.split(".")
        below = spec
        for step in above if value is not None else ():
            below = below.setdefault(step, {})
        if value is not None:
            below[last] = value
    return webhook.Attempt(status=0, message="", result={"spec": spec})


def operator(**changes: Any) -> ObservedOperator:
    """A healthy operator, with some of it changed."""
    ca, leaf = certificates()
    entry = webhook.WebhookEntry(
        configuration="mutating spark-operator-webhook",
        name="mutate-sparkapplication",
        service="spark-operator-webhook-svc",
        namespace="spark-operator",
        ca_bundle=ca,
    )
    healthy = ObservedOperator(
        release=RELEASE,
        name="spark-operator",
        namespace="spark-operator",
        values={},
        chart_crds={"sparkapplications.sparkoperator.k8s.io": crd_spec()},
        crds=(Crd(name="sparkapplications.sparkoperator.k8s.io", established=True, spec=crd_spec()),),
        deployments=(deployment("controller"), deployment("webhook")),
        pods=(pod("controller"), pod("webhook")),
        soak=Soak(seconds=15.0, restarts={"spark-operator-controller-new-1": 0, "spark-operator-webhook-new-1": 0}),
        logs=(Log(pod="c", container="c", text="INFO Starting manager\nINFO Serving metrics\n"),),
        webhook_entries=(entry,),
        secret_ca=ca,
        handshakes=(webhook.Handshake(pod="spark-operator-webhook-new-1", server_name=SERVER_NAME, certificate=leaf),),
        sample_attempts={shape: _accepted(shape) for shape in admission_samples.SHAPES},
        rule_attempts=tuple(
            (rule, webhook.Attempt(status=403, message=f"denied the request: {rule.says} …", result={}))
            for rule in RELEASE.rules
        ),
        leases=(lease("controller"), lease("webhook")),
        metrics=Metrics(
            leading=metrics_page("spark_application_count"),
            why="spark-operator-controller-new-1 leads",
            others=(MetricsPage(address="w:8080/metrics", types={"go_goroutines": "gauge"}),),
        ),
        footing=Footing(namespaces={"operator-checks": "Active"}, ahead={"node": -3.0}),
        pace=Pace(plain=(0.01, 0.02), asked=(0.05, 0.2)),
        rendered=Rendered(
            revision=1,
            status="deployed",
            compared=("ClusterRole/spark-operator-controller",),
            differences={},
        ),
        moments=frozenset({"application is New"}),
    )
    return dataclasses.replace(healthy, **changes)
