# SPDX-License-Identifier: Apache-2.0
"""The install checks: a healthy operator passes all, a fault fails its own check, what was not seen is an error."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from operator_samples import (
    DIGEST,
    RELEASE,
    certificates,
    crd_spec,
    deployment,
    lease,
    operator,
    pod,
)

from harness.checks import images
from harness.checks.operator import judge
from harness.errors import RegistryError
from harness.kube.models import Log
from harness.releases import webhook
from harness.releases.metrics import MetricsPage
from harness.releases.observe import ObservedOperator, Unseen
from harness.releases.soak import Soak
from harness.verdicts import Finding, Verdict


def _serves(reference: str) -> frozenset[str]:
    return frozenset({DIGEST}) if reference == RELEASE.image else frozenset()


def _found(observed: ObservedOperator, check: str) -> Finding:
    return next(it for it in judge(observed, _serves) if it.check == check)


def test_a_healthy_operator_passes_every_check() -> None:
    findings = judge(operator(), _serves)
    assert {it.check: it.verdict for it in findings if it.verdict is not Verdict.PASSED} == {}
    assert findings
    assert len({it.check for it in findings}) == len(findings)


_OBSERVED = [it.name for it in dataclasses.fields(ObservedOperator) if "Unseen" in str(it.type)]


@pytest.mark.parametrize("part", _OBSERVED)
def test_whatever_could_not_be_looked_at_is_an_error_of_who_needs_it_and_of_nobody_else(part: str) -> None:
    healthy = {it.check: it for it in judge(operator(), _serves)}
    found = judge(operator(**{part: Unseen(reason="the API server answered 503")}), _serves)
    errors = [it for it in found if it.verdict is Verdict.ERROR]
    assert errors
    assert all("503" in it.message for it in errors)
    assert {it.check: it.verdict for it in found if it not in errors} == {
        it.check: healthy[it.check].verdict for it in found if it not in errors
    }


_NEEDS = [
    ("deployments", ["deployments-available", "one-leader"]),
    ("pods", ["images-from-registry", "image-digests", "one-leader"]),
    ("soak", ["no-restarts"]),
    ("crds", ["crds-established", "crds-equal-chart"]),
    ("chart_crds", ["crds-equal-chart"]),
    ("webhook_entries", ["webhook-certificate", "webhook-ca-bundle"]),
    ("secret_ca", ["webhook-ca-bundle"]),
    ("handshakes", ["webhook-certificate"]),
    ("sample_attempts", ["admission-mutates"]),
    ("rule_attempts", ["admission-rejects"]),
    ("logs", ["logs-clean"]),
    ("metrics", ["metrics-served"]),
    ("leases", ["one-leader"]),
]


@pytest.mark.parametrize(("part", "checks"), _NEEDS)
def test_a_check_without_what_it_needs_is_an_error(part: str, checks: list[str]) -> None:
    observed = operator(**{part: Unseen(reason="the API server answered 503")})
    assert {check for check in checks if _found(observed, check).verdict is not Verdict.ERROR} == set()


_NOTHING_THERE: list[tuple[str, Any, str]] = [
    ("pods", (), "images-from-registry"),
    ("pods", (), "image-digests"),
    ("soak", Soak(seconds=15.0, restarts={}), "no-restarts"),
    ("chart_crds", {}, "crds-equal-chart"),
    ("rule_attempts", (), "admission-rejects"),
    ("logs", (), "logs-clean"),
    ("moments", frozenset(), "metrics-served"),
]


@pytest.mark.parametrize(("part", "value", "check"), _NOTHING_THERE)
def test_a_check_that_found_nothing_to_look_at_has_not_passed(part: str, value: Any, check: str) -> None:
    assert _found(operator(**{part: value}), check).verdict is Verdict.ERROR


_BAD_LOG = 'E0101 leases.coordination.k8s.io is forbidden: User "x" cannot get resource "leases"'

_FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"deployments": ()}, "deployments-available", "no Deployment"),
    ({"deployments": (deployment("controller", updated=0),)}, "deployments-available", "0 updated"),
    ({"deployments": (deployment("controller", total=2),)}, "deployments-available", "2 in all"),
    ({"deployments": (deployment("controller", current=False),)}, "deployments-available", "not rolled out"),
    ({"soak": Soak(seconds=15.0, restarts={"c": 2})}, "no-restarts", "c restarted 2 times"),
    ({"soak": Soak(seconds=15.0, restarts={"c": 0}, gone=("c",))}, "no-restarts", "c went away"),
    ({"pods": (pod("controller", image="kubeflow/spark-operator:2.1.1"),)}, "images-from-registry", "ghcr.io"),
    ({"pods": (pod("controller", image="ghcr.io/other/image:1"),)}, "images-from-registry", RELEASE.image),
    ({"pods": (pod("controller", image_id="x@sha256:" + "b" * 64),)}, "image-digests", "b" * 64),
    ({"pods": (pod("controller", image_id=""),)}, "image-digests", "no image yet"),
    ({"crds": ()}, "crds-established", "missing"),
    ({"crds": ()}, "crds-equal-chart", "missing in the cluster"),
    (
        {"chart_crds": {"sparkapplications.sparkoperator.k8s.io": crd_spec(maximum=7)}},
        "crds-equal-chart",
        "maximum: 7 → 5",
    ),
    ({"webhook_entries": ()}, "webhook-certificate", "no mutating or validating"),
    ({"handshakes": ()}, "webhook-certificate", "no webhook pod"),
    ({"secret_ca": b""}, "webhook-ca-bundle", "no CA certificate"),
    (
        {"sample_attempts": {"bare": webhook.Attempt(status=500, message="failed calling webhook", result={})}},
        "admission-mutates",
        "failed calling webhook",
    ),
    (
        {"sample_attempts": {"bare": webhook.Attempt(status=0, message="", result={"spec": {"driver": {"cores": 1}}})}},
        "admission-mutates",
        "driver.memory is None instead of '1g'",
    ),
    ({"logs": (Log(pod="c", container="c", text=_BAD_LOG),)}, "logs-clean", "leases"),
    ({"logs": (Log(pod="c", container="c", text="panic: nil map", previous=True),)}, "logs-clean", "previous"),
    ({"metrics": MetricsPage(address="c", types={})}, "metrics-served", "spark_application_count"),
    ({"leases": (lease("controller"),)}, "one-leader", "spark-operator-webhook has 0 leases"),
    ({"leases": (lease("controller", holder="gone"), lease("webhook"))}, "one-leader", "does not exist"),
    ({"leases": (lease("controller", identity="", holder=""), lease("webhook"))}, "one-leader", "nobody holds"),
    ({"leases": (lease("controller", age=30.0), lease("webhook"))}, "one-leader", "not renewed"),
]


@pytest.mark.parametrize(("changes", "check", "words"), _FAULTS)
def test_a_fault_fails_its_check_in_words(changes: dict[str, Any], check: str, words: str) -> None:
    finding = _found(operator(**changes), check)
    assert finding.verdict is Verdict.FAILED
    assert words in finding.message


def test_the_old_controller_that_still_leads_is_no_leader() -> None:
    old = pod("controller", replica_set="spark-operator-controller-old", name="old-1")
    observed = operator(
        pods=(old, pod("controller", ready=False), pod("webhook")),
        leases=(lease("controller", holder="old-1", identity="old-1_x"), lease("webhook")),
    )
    finding = _found(observed, "one-leader")
    assert finding.verdict is Verdict.FAILED
    assert "not of the newest ReplicaSet spark-operator-controller-new" in finding.message


def test_a_registry_that_cannot_be_asked_is_no_fault_of_the_operator() -> None:
    def away(reference: str) -> frozenset[str]:
        raise RegistryError(f"{reference}: connection refused")

    finding = images.digests(operator(), away)
    assert finding.verdict is Verdict.ERROR
    assert "connection refused" in finding.message


def test_an_image_that_the_registry_does_not_have_is_one() -> None:
    def lacking(reference: str) -> frozenset[str]:
        raise RegistryError(f"{reference}: manifest unknown", status=404)

    finding = images.digests(operator(), lacking)
    assert finding.verdict is Verdict.FAILED
    assert "the registry serves no such image" in finding.message


def test_a_certificate_of_another_authority_or_name() -> None:
    healthy = operator()
    assert not isinstance(healthy.webhook_entries, Unseen)
    other_ca, other_leaf = certificates("other.svc")
    stranger = dataclasses.replace(healthy.webhook_entries[0], ca_bundle=other_ca)
    finding = _found(operator(webhook_entries=(stranger,)), "webhook-certificate")
    assert finding.verdict is Verdict.FAILED
    assert "not signed by the CA bundle" in finding.message
    assert _found(operator(webhook_entries=(stranger,)), "webhook-ca-bundle").verdict is Verdict.FAILED

    shake = webhook.Handshake(pod="w", server_name="other.svc", certificate=other_leaf)
    finding = _found(operator(webhook_entries=(stranger,), handshakes=(shake,)), "webhook-certificate")
    assert "no SAN spark-operator-webhook-svc.spark-operator.svc" in finding.message
    assert "not signed" not in finding.message

    empty = dataclasses.replace(healthy.webhook_entries[0], ca_bundle=b"")
    finding = _found(operator(webhook_entries=(empty,)), "webhook-certificate")
    assert "no PEM certificate" in finding.message


def test_a_rule_that_lets_through_or_speaks_otherwise() -> None:
    rule = RELEASE.rules[0]
    accepted = webhook.Attempt(status=0, message="", result={})
    finding = _found(operator(rule_attempts=((rule, accepted),)), "admission-rejects")
    assert "was accepted" in finding.message
    other = webhook.Attempt(status=422, message="spec.type: Unsupported value", result={})
    finding = _found(operator(rule_attempts=((rule, other),)), "admission-rejects")
    assert "refused with other words: spec.type" in finding.message


def test_known_noise_is_left_out_exactly() -> None:
    noise = r'events is forbidden: User "system:serviceaccount:[^"]+" cannot create'
    release = RELEASE.model_copy(update={"known_log_noise": (noise,)})
    known = 'E events is forbidden: User "system:serviceaccount:a:b" cannot create resource "events"'
    assert _found(operator(release=release, logs=(Log(pod="c", container="c", text=known),)), "logs-clean").verdict is (
        Verdict.PASSED
    )
    both = Log(pod="c", container="c", text=f"{known}\n{_BAD_LOG}")
    assert _found(operator(release=release, logs=(both,)), "logs-clean").verdict is Verdict.FAILED


def test_metrics_that_are_off_are_unavailable() -> None:
    observed = operator(values={"prometheus": {"metrics": {"enable": False}}})
    assert _found(observed, "metrics-served").verdict is Verdict.UNAVAILABLE


def test_a_webhook_that_is_off_is_unavailable() -> None:
    findings = judge(operator(values={"webhook": {"enable": False}}, webhook_entries=(), handshakes=()), _serves)
    off = {it.check for it in findings if it.verdict is Verdict.UNAVAILABLE}
    assert off >= {"webhook-certificate", "webhook-ca-bundle", "admission-mutates", "admission-rejects"}
