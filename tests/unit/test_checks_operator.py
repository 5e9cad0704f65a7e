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
    metrics_page,
    operator,
    pod,
)

from harness.checks import images
from harness.checks.operator import judge
from harness.errors import RegistryError
from harness.kube.models import Container, Log, Pod
from harness.kube.node_records import NodeImage, NodeRecords
from harness.releases import webhook
from harness.releases.metrics import Metrics, MetricsPage
from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.releases.soak import Soak
from harness.verdicts import Finding, Verdict, worst


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
    ("footing", ["job-namespaces", "clocks-agree"]),
    ("pace", ["admission-in-time"]),
    ("rendered", ["objects-as-rendered", "nothing-beside"]),
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


CONTROLLER = "spark-operator-controller"

_BAD_LOG = 'E0101 leases.coordination.k8s.io is forbidden: User "x" cannot get resource "leases"'

_FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"deployments": ()}, "deployments-available", "no Deployment"),
    ({"deployments": (deployment("controller", updated=0),)}, "deployments-available", "0 updated"),
    ({"deployments": (deployment("controller", total=2),)}, "deployments-available", "2 in all"),
    ({"deployments": (deployment("controller", current=False),)}, "deployments-available", "not rolled out"),
    ({"soak": Soak(seconds=15.0, restarts={f"{CONTROLLER}-1": 2})}, "no-restarts", "1 restarted 2 times"),
    (
        {"soak": Soak(seconds=15.0, restarts={f"{CONTROLLER}-1": 0}, gone=(f"{CONTROLLER}-1",))},
        "no-restarts",
        "1 went away",
    ),
    ({"pods": (pod("controller", image="kubeflow/spark-operator:2.1.1"),)}, "images-from-registry", "ghcr.io"),
    ({"pods": (pod("controller", image="ghcr.io/other/image:1"),)}, "images-from-registry", RELEASE.image),
    (
        {
            "pods": (pod("controller", image_id="x@sha256:" + "b" * 64),),
            "nodes": NodeRecords(
                images={"sha256:c": NodeImage(id="sha256:c", digests=frozenset({"sha256:" + "b" * 64}))}
            ),
        },
        "image-digests",
        "b" * 64,
    ),
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
    ({"metrics": Metrics(leading=metrics_page(), why="it leads")}, "metrics-served", "spark_application_count"),
    (
        {
            "metrics": Metrics(
                leading=metrics_page("spark_application_count"),
                why="it leads",
                others=(MetricsPage(address="w:1/metrics", types={}),),
            )
        },
        "metrics-served",
        "w:1/metrics does not serve go_goroutines",
    ),
    (
        {"metrics": Metrics(leading=None, why="no running controller pod was found")},
        "metrics-served",
        "no pod serves the metrics of applications: no running controller pod was found",
    ),
    (
        {"metrics": Metrics(leading=MetricsPage(address="c:8080", types={}, refused="connection refused"), why="")},
        "metrics-served",
        "the port of metrics is closed: c:8080: connection refused",
    ),
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
    assert "not a PEM certificate" in finding.message


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


@pytest.mark.parametrize("off", [False, None, 0, ""])
def test_metrics_that_are_off_are_unavailable_and_the_cell_is_not(off: object) -> None:
    observed = operator(
        values={"prometheus": {"metrics": {"enable": off}}}, metrics=Unseen(reason="no running controller pod")
    )
    assert _found(observed, "metrics-served").verdict is Verdict.UNAVAILABLE
    assert worst(judge(observed, _serves)) is Verdict.PASSED


@pytest.mark.parametrize("off", [False, None])
def test_a_webhook_that_is_off_is_unavailable_and_the_cell_is_not(off: object) -> None:
    accepted = webhook.Attempt(status=0, message="", result={"spec": {}})
    observed = operator(
        values={"webhook": {"enable": off}},
        deployments=(deployment("controller"),),
        pods=(pod("controller"),),
        leases=(lease("controller"),),
        webhook_entries=(),
        handshakes=(),
        secret_ca=b"",
        sample_attempts={"bare": accepted},
        rule_attempts=tuple((rule, accepted) for rule in RELEASE.rules),
    )
    findings = judge(observed, _serves)
    found = {it.check for it in findings if it.verdict is Verdict.UNAVAILABLE}
    assert found == {"webhook-certificate", "webhook-ca-bundle", "admission-mutates", "admission-rejects"}
    assert worst(findings) is Verdict.PASSED


def test_a_text_that_says_false_switches_nothing_off() -> None:
    observed = operator(values={"webhook": {"enable": "false"}}, webhook_entries=())
    assert _found(observed, "webhook-certificate").verdict is Verdict.FAILED


def test_leader_election_that_is_off_does_not_decide_about_a_cell() -> None:
    alone = deployment("controller", arguments=("controller", "start", "--leader-election=false"))
    findings = judge(operator(deployments=(alone,), pods=(pod("controller"),), leases=()), _serves)
    assert next(it for it in findings if it.check == "one-leader").verdict is Verdict.UNAVAILABLE
    assert worst(findings) is Verdict.PASSED


def test_an_endpoint_that_the_release_does_not_heed_is_a_known_break() -> None:
    page = metrics_page("spark_application_count", asked="/custom")
    finding = _found(operator(metrics=Metrics(leading=page, why="it leads")), "metrics-served")
    assert finding.verdict is Verdict.BROKEN_AS_KNOWN
    assert "endpoint /custom, which answers 404; c:8080/metrics serves the metrics; known: " in finding.message
    assert finding.evidence["way_out"] == "leave prometheus.metrics.endpoint at /metrics"
    heeds = RELEASE.model_copy(update={"ignored_values": ()})
    assert _found(operator(release=heeds, metrics=Metrics(leading=page, why="")), "metrics-served").verdict is (
        Verdict.FAILED
    )


def test_a_prefix_is_that_of_the_page() -> None:
    page = metrics_page("ours_spark_application_count", prefix="ours_")
    assert _found(operator(metrics=Metrics(leading=page, why="it leads")), "metrics-served").verdict is Verdict.PASSED


_OWN_IMAGE = {"image": {"registry": "registry.example", "repository": "copies/spark-operator", "tag": "2.5.2-fixed"}}


def test_images_are_those_of_the_values() -> None:
    image = "registry.example/copies/spark-operator:2.5.2-fixed"
    moved = tuple(pod(part, image=image) for part in ("controller", "webhook"))
    assert _found(operator(values=_OWN_IMAGE, pods=moved), "images-from-registry").verdict is Verdict.PASSED
    finding = _found(operator(values=_OWN_IMAGE), "images-from-registry")
    assert finding.verdict is Verdict.FAILED
    assert "registry.example" in finding.message


def test_a_sidecar_may_come_from_anywhere() -> None:
    own = pod("controller")
    mesh = dataclasses.replace(own.containers[0], name="istio-proxy", image="docker.io/istio/proxyv2:1.28.0")
    beside = dataclasses.replace(own, containers=(mesh, *own.containers))
    assert _found(operator(pods=(beside, pod("webhook"))), "images-from-registry").verdict is Verdict.PASSED


def test_a_level_at_which_nothing_is_logged_is_no_error() -> None:
    quiet = tuple(
        deployment(
            part,
            arguments=(
                part,
                "start",
                "--zap-log-level=error",
                f"--leader-election-lock-name=spark-operator-{part}-lock",
            ),
        )
        for part in ("controller", "webhook")
    )
    findings = judge(operator(deployments=quiet, logs=()), _serves)
    assert next(it for it in findings if it.check == "logs-clean").verdict is Verdict.UNAVAILABLE
    assert worst(findings) is Verdict.PASSED


def test_what_runs_beside_the_operator_is_nobodys_trouble() -> None:
    proxy = Container(name="istio-proxy", image="docker.io/istio/proxyv2:1.27.0", image_id="x@sha256:" + "b" * 64)
    stranger = Pod(name="dashboard-1", uid="d", phase="Running", containers=(dataclasses.replace(proxy, name="ui"),))
    healthy = operator()
    assert not isinstance(healthy.pods, Unseen)
    assert not isinstance(healthy.soak, Unseen)
    meshed = tuple(dataclasses.replace(it, containers=(proxy, *it.containers)) for it in healthy.pods)
    soak = Soak(seconds=15.0, restarts={**healthy.soak.restarts, "dashboard-1": 3}, gone=("backup-1",))
    logs = tuple(
        Log(pod=CONTROLLER, container=container, text=text)
        for container, text in ((CONTROLLER, "INFO Starting manager"), ("istio-proxy", _BAD_LOG), ("ui", _BAD_LOG))
    )
    found = judge(operator(pods=(*meshed, stranger), soak=soak, logs=logs), _serves)
    assert {it.check: it.message for it in found if it.verdict is not Verdict.PASSED} == {}


def test_images_that_somebody_rewrites_on_the_way_to_pods_prove_nothing() -> None:
    mirrored = f"mirror.example/{RELEASE.image}"
    pods = (pod("controller", image=mirrored), pod("webhook", image=mirrored))
    asked = tuple(
        deployment(it, images={f"spark-operator-{it}": RELEASE.image, "proxy": "proxy:1"})
        for it in ("controller", "webhook")
    )
    rewritten = images.references(operator(pods=pods, deployments=asked))
    assert rewritten.verdict is Verdict.ERROR
    assert "something in this cluster rewrites the images of pods" in rewritten.message
    wrong = tuple(deployment(it, images={f"spark-operator-{it}": mirrored}) for it in ("controller", "webhook"))
    assert images.references(operator(pods=pods, deployments=wrong)).verdict is Verdict.FAILED


LOST = Log(pod=f"{CONTROLLER}-1", container=CONTROLLER, text="ERROR setup leader election lost", previous=True)


@pytest.mark.parametrize(
    ("values", "logs", "verdict"),
    [
        ({"controller": {"leaderElection": {"renewDeadline": "2s"}}}, (LOST,), Verdict.ERROR),
        ({"controller": {"kubeAPIQPS": 0.2}}, (LOST,), Verdict.ERROR),
        ({"controller": {"resources": {"limits": {"cpu": "50m"}}}}, (LOST,), Verdict.ERROR),
        ({"controller": {"resources": {"limits": {"cpu": 2}}}}, (LOST,), Verdict.FAILED),
        ({"controller": {"leaderElection": {"enable": True}}}, (LOST,), Verdict.FAILED),
        ({"controller": {"leaderElection": {"renewDeadline": "2s"}}}, (), Verdict.FAILED),
    ],
)
def test_a_lease_that_is_lost_for_the_values_times_is_not_the_releases(
    values: dict[str, Any], logs: tuple[Log, ...], verdict: Verdict
) -> None:
    soak = Soak(seconds=15.0, restarts={f"{CONTROLLER}-1": 1})
    found = _found(operator(values=values, logs=logs, soak=soak), "no-restarts")
    assert found.verdict is verdict
    assert (verdict is Verdict.ERROR) == ("leader election lost, and the values set controller." in found.message)


def test_a_lease_that_an_api_server_gave_no_answer_about_is_not_the_releases() -> None:
    url = (
        "https://10.96.0.1:443/apis/coordination.k8s.io/v1/namespaces/spark-operator/leases/controller-lock?timeout=5s"
    )
    lock = (
        "E1203 00:00:00.000000 1 leaderelection.go:436] error retrieving resource lock spark-operator/controller-lock"
    )
    slow = f'{lock}: Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    own = f"{lock}: client rate limiter Wait returned an error: context deadline exceeded"
    soak = Soak(seconds=15.0, restarts={f"{CONTROLLER}-1": 1})

    def found(*lines: str) -> Finding:
        text = "\n".join((*lines, "I1203 failed to renew lease spark-operator/controller-lock", LOST.text))
        return _found(operator(logs=(dataclasses.replace(LOST, text=text),), soak=soak), "no-restarts")

    assert found(slow).verdict is Verdict.ERROR
    assert "since the API server did not answer in time" in found(slow).message
    assert found(f'{lock}: Put "{url}": dial tcp 10.96.0.1:443: connect: connection refused').verdict is Verdict.ERROR
    assert found(f"{lock}: etcdserver: request timed out").verdict is Verdict.ERROR
    for lines in [(), (own,), (slow, own), (f'{lock}: leases "controller-lock" is forbidden: User "x" cannot get',)]:
        assert found(*lines).verdict is Verdict.FAILED


def test_restarts_beside_the_operators_own_containers_are_told_and_are_not_its_own() -> None:
    soak = Soak(seconds=15.0, restarts={f"{CONTROLLER}-1": 0}, beside={f"{CONTROLLER}-1": 2, "dashboard-1": 1})
    found = _found(operator(soak=soak), "no-restarts")
    assert found.verdict is Verdict.PASSED
    assert found.message.endswith(
        f"; beside them, containers of {CONTROLLER}-1 that are not the operator's own restarted 2 times"
    )
