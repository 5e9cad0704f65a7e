# SPDX-License-Identifier: Apache-2.0
"""Values that Helm renders and that nobody can use are the user's mistake, told before there is a cluster.

Helm is a stand-in that renders nothing, or refuses: what the chart has is known from the shipped facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from run_fakes import CATALOGUE
from test_change import CHART

from harness.matrix import chart_facts
from harness.releases import fitting
from harness.releases.fitting import Fit, Given
from harness.releases.helm import Helm, HelmError
from harness.releases.on_path import ReleaseOnPath
from harness.run import values_fit
from harness.verdicts import Finding, Verdict, failed, passed


class NoHelm:
    """Renders nothing; with users' values it may refuse."""

    def __init__(self, refuses: str = "") -> None:
        self._refuses = refuses

    def template(self, chart: object, name: str, namespace: str, values: Mapping[str, Any], **_: Any) -> list[Any]:
        if self._refuses and set(values) - {"spark"}:
            raise HelmError(self._refuses)
        return []


@pytest.fixture(autouse=True)
def facts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "defaults", lambda chart: chart_facts.values("2.5.2"))


def asked(values: Mapping[str, Any]) -> tuple[Given, Helm, ReleaseOnPath]:
    given = Given(name="it", namespace="it", own=[{}], users=[values], job_namespaces=["a"], files=["prod.yaml"])
    first = ReleaseOnPath(release=CATALOGUE.release("2.5.2"), chart=CHART, values={})
    return given, cast(Helm, NoHelm()), first


def look(values: Mapping[str, Any], *, refuses: str = "", releases: tuple[str, ...] = ("2.5.2",)) -> Fit | Finding:
    given = Given(name="it", namespace="it", own=[{}], users=[values], job_namespaces=["a"], files=["prod.yaml"])
    on_path = {it: ReleaseOnPath(release=CATALOGUE.release(it), chart=CHART, values={}) for it in releases}
    return values_fit.look(given, cast(Helm, NoHelm(refuses)), on_path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"controller": {"driverPodCreationGracePeriod": 10}}, "is 10 without a unit"),
        ({"controller": {"workers": "many"}}, 'is the text "many", and in the chart of 2.5.2 a number'),
        ({"controller": {"featureGates": [{"name": "Fast", "enabled": True}]}}, "has Fast, which is none of"),
        ({"controller": {"logLevel": "trace"}}, "is trace, and may be debug, info, error, panic"),
        ({"controller": {"logLevel": -1}}, "is -1, and may be debug, info, error, panic, or a number from 1 on"),
        ({"webhook": {"logLevel": "0"}}, "is 0, and may be debug"),
        ({"webhook": {"logEncoder": "text"}}, "is text, and may be console, json: the webhook ends at its start"),
        (
            {"controller": {"featureGates": [{"name": "PartialRestart", "enabled": "on"}]}},
            "has on for PartialRestart, which is neither true nor false",
        ),
        ({"spark": {"jobNamespaces": ["Team_A"]}}, "has Team_A, which is no name of a namespace"),
        ({"spark": {"jobNamespaces": ["${NS}"]}}, "has ${NS}, which is no name of a namespace"),
        ({"webhook": {"port": 8080}}, "is 8080, and so is prometheus.metrics.port"),
        ({"controller": {"driverPodCreationGracePeriod": "1d"}}, "as a duration of Go, like 10s"),
        ({"controller": {"leaderElection": {"leaseDuration": "15 s"}}}, "as a duration of Go, like 15s"),
        ({"controller": {"leaderElection": {"renewDeadline": "20s"}}}, "must be more than renewDeadline (20s)"),
        ({"controller": {"leaderElection": {"retryPeriod": "9s"}}}, "must be more than 1.2 times retryPeriod (9s)"),
        ({"controller": {"replicas": 2, "leaderElection": {"enable": False}}}, "of which each then submits every"),
        ({"controller": {"workers": None}}, "is null, so that the templates of the chart of 2.5.2 write an argument"),
        ({"controller": {"uiService": {"enable": None}}}, "at which the controller ends"),
        ({"controller": {"leaderElection": {"retryPeriod": None}}}, "at which the controller ends"),
        ({"prometheus": {"metrics": {"jobStartLatencyBuckets": ""}}}, "must be numbers in rising order"),
        ({"controller": {"kubeAPIBurst": 30.5}}, "is 30.5, and in the chart of 2.5.2 a whole number"),
        ({"controller": {"env": {"A": "b"}}}, "controller.env is a map, and in the chart of 2.5.2 a list"),
        ({"controller": {"uiIngress": {"enable": True, "tls": [{"hosts": "a"}]}}}, "reads a list of hosts"),
        ({"prometheus": {"metrics": {"jobStartLatencyBuckets": [30, 60]}}}, "is a list, and in the chart of 2.5.2"),
        ({"prometheus": {"metrics": {"jobStartLatencyBuckets": "30s,60s"}}}, "must be numbers in rising order"),
        ({"prometheus": {"metrics": {"jobSubmitLatencyBuckets": "2,1"}}}, "must be numbers in rising order"),
        ({"commonLabels": {"app.kubernetes.io/instance": "data"}}, "give --release-name data, or a further file with"),
        ({"prometheus": {"metrics": {"prefix": "1st_"}}}, "has '1st_', which Prometheus has as no name"),
        ({"prometheus": {"metrics": {"labels": "app_type, team"}}}, "has ' team', which Prometheus has as no name"),
        ({"spark": {"jobNamespaceSelector": {"matchLabels": {"a": "b"}}}}, "is a map, and in the chart of 2.5.2 text"),
        ({"spark": {"jobNamespaceSelector": "team in (a"}}, "is team in (a, which is no selector of labels"),
        ({"spark": {"jobNamespaces": ["a" * 64]}}, "which is no name of a namespace"),
        ({"certManager": {"duration": "24h", "renewBefore": "48h"}}, "renewBefore is no less than the duration"),
        ({"certManager": {"issuerRef": {"kind": "ClusterIssuer"}}}, "certManager.issuerRef has no name"),
        ({"controller": {"env": [{"name": "GOMEMLIMIT", "value": "400Mi"}]}}, "has 400Mi for GOMEMLIMIT"),
        ({"webhook": {"env": [{"name": "GOMEMLIMIT", "value": "1G"}]}}, "the webhook ends at its start"),
        ({"controller": {"workqueueRateLimiter": {"bucketSize": 0}}}, "is 0, with which the controller gets to no"),
        ({"controller": {"workqueueRateLimiter": {"bucketQPS": -1}}}, "bucketQPS to 1 or more"),
        ({"controller": {"workqueueRateLimiter": {"bucketQPS": "0"}}}, "is 0, with which the controller gets to no"),
        (
            {"controller": {"resources": {"limits": {"cpu": "5m"}}}},
            "is 5m, with which each submission takes minutes",
        ),
        (
            {"image": {"repository": "ghcr.io/kubeflow/spark-operator/controller"}},
            "begins with the registry ghcr.io, before which the chart writes ghcr.io",
        ),
        (
            {"hook": {"image": {"repository": "harbor.corp:5000/kubectl"}}},
            "set hook.image.registry to harbor.corp:5000",
        ),
    ],
)
def test_what_helm_renders_and_nobody_can_use_is_no_fault_of_the_release(values: dict[str, Any], said: str) -> None:
    found = look(values)
    assert isinstance(found, Finding)
    assert found.verdict is Verdict.ERROR
    assert found.message.startswith("the values of --values (prod.yaml) do not fit the chart of 2.5.2: ")
    assert said in found.message
    assert "\n  next: " in found.message


def test_each_value_is_told_with_file_and_line_and_each_step_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("prod.yaml").write_text("# ours\nprometheus:\n  metrics:\n    port: 8081\ncontroler: {}\n")
    found = look({"prometheus": {"metrics": {"port": 8081}}})
    assert isinstance(found, Finding)
    assert "so is the port of the webhook's probes" in found.message
    assert found.message.count(" (prod.yaml, line 4)") == 2
    assert found.message.count("set prometheus.metrics.port to another port") == 1
    unknown = look({"controler": {}})
    assert isinstance(unknown, Fit)
    assert any(it.startswith("controler (prod.yaml, line 5; did you mean controller?) is not") for it in unknown.told)


def test_what_helm_takes_without_a_word_and_otherwise_than_it_looks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("prod.yaml").write_text("image:\n  tag: 2.50\nwebhook: {port: 1}\nimage:\n  tag: 2.50\n")
    found = look({"image": {"tag": 2.5}})
    assert isinstance(found, Fit)
    assert found.told == (
        "image stands twice in one mapping (prod.yaml, lines 1 and 4): Helm takes the last alone",
        "image.tag is the number 2.50, which Helm writes as 2.5 (prod.yaml, line 5): write image.tag in quotes",
    )
    Path("prod.yaml").write_text("a: &a {x: 1}\nb: &b {y: 2}\nimage:\n  <<: *a\n  <<: *b\n  tag: '2.50'\n")
    assert look({"image": {"tag": "2.50"}}) == Fit()


def test_a_variable_that_nobody_filled_in_is_to_be_filled_in_first() -> None:
    found = look({"spark": {"jobNamespaces": ["${NS}"]}})
    assert isinstance(found, Finding)
    assert "\n  next: fill in the template first, with the tool that you use: envsubst" in found.message


def test_what_helm_stumbles_over_is_told_by_its_key() -> None:
    found = look({"controller": 3}, refuses="can't evaluate field serviceAccount in type interface {}")
    assert isinstance(found, Finding)
    assert "controller is a number, and in the chart of 2.5.2 a map\n  next: write controller as a map" in found.message
    unexplained = look({"controller": {"labels": {"a": "b"}}}, refuses="some template ends")
    assert isinstance(unexplained, Finding)
    assert "some template ends" in unexplained.message


@pytest.mark.parametrize(
    "values",
    [
        {"controller": {"leaderElection": {"leaseDuration": "1m30s", "renewDeadline": "1m", "retryPeriod": "500ms"}}},
        {"controller": {"leaderElection": {"enable": False, "leaseDuration": "1s"}}},
        {"controller": {"logLevel": "INFO", "logEncoder": "JSON"}, "webhook": {"logLevel": 3}},
        {"controller": {"logLevel": 0, "featureGates": [{"name": "PartialRestart", "enabled": "True"}]}},
        {"controller": {"kubeAPIQPS": 20.5, "batchScheduler": {"kubeSchedulerNames": "volcano"}}},
        {"prometheus": {"metrics": {"jobStartLatencyBuckets": "0.5,1,2e1"}, "podMonitor": {"labels": {}}}},
        {"commonLabels": {"app.kubernetes.io/instance": "it", "app.kubernetes.io/part-of": "data"}},
        {"webhook": {"resources": {"limits": {"cpu": "10m"}}}},
        {"prometheus": {"metrics": {"prefix": "spark-op_", "labels": "app_type,cost-center"}}},
        {"spark": {"jobNamespaceSelector": "team in (a, b),env!=prod,!off, x.io/tier = 1,spark"}},
        {"certManager": {"duration": "2160h", "renewBefore": "360h", "issuerRef": {"name": "ca"}}},
        {
            "controller": {
                "env": [{"name": "GOMEMLIMIT", "value": it} for it in ("400MiB", "off", "1073741824", "$(M)")]
            }
        },
        {"image": {"registry": "harbor.corp", "repository": "ghcr.io/kubeflow/spark-operator/controller"}},
        {"image": {"repository": "acme/spark-operator"}},
    ],
)
def test_what_is_taken_is_not_told(values: dict[str, Any]) -> None:
    found = look(values)
    assert isinstance(found, Fit), found.message


@pytest.mark.parametrize("nothing", ["", {}, []])
def test_nothing_is_of_any_kind(nothing: object) -> None:
    parts = {"affinity": nothing, "tolerations": nothing, "nodeSelector": nothing, "annotations": nothing}
    assert look({"controller": parts}) == Fit()


INVALID = 'helm upgrade failed: Deployment.apps "it" is invalid: spec.replicas: Invalid value: -1'


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (failed("installed", f"{INVALID}\n  next: run it again with --debug"), Verdict.ERROR),
        (failed("installed", 'error validating data: unknown field "spec.template.spec.a"'), Verdict.ERROR),
        (failed("installed", 'webhook "x" denied the request: the name is invalid: a'), Verdict.FAILED),
        (failed("installed", "container a of pod b crashes: 2 restarts"), Verdict.FAILED),
        (failed("moved", 'Deployment.apps "it" is invalid: spec.selector: field is immutable'), Verdict.FAILED),
        (passed("installed", INVALID), Verdict.PASSED),
    ],
)
def test_an_install_that_an_api_server_takes_for_wrong_may_be_the_values_fault(
    finding: Finding, verdict: Verdict
) -> None:
    found = values_fit.refused(finding, *asked({"a": 1}))
    assert found.verdict is verdict
    if verdict is Verdict.ERROR:
        assert "of the values of --values (prod.yaml): " in found.message
        assert found.message.count("\n  next: ") == 1


def test_keys_that_have_no_effect_are_told() -> None:
    found = look({"sparkJobNamespaces": ["a"], "replicaCount": 2, "x-pool": {"a": "b"}, "_pool": {}})
    assert isinstance(found, Fit)
    words = (
        "sparkJobNamespaces (its name there is spark.jobNamespaces), replicaCount (its name there is "
        "controller.replicas) are not in the chart of 2.5.2: Helm accepts them, without effect"
    )
    assert found.told == (words,)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"controller": {"replica": 2}}, "controller.replica (did you mean controller.replicas?) is not in the chart"),
        (
            {"controller.replicas": 2},
            "(it has a dot in its name: write it as keys below",
        ),
        ({"webhook": {"podLabels": {"a": "b"}}}, "webhook.podLabels (its name there is webhook.labels) is not in"),
        ({"global": {"imageRegistry": "a.io", "x": 1}}, "global.imageRegistry has no effect on the operator, whose"),
        ({"webhok": {"enable": False}}, "webhok (did you mean webhook?) is not in the chart of 2.5.2"),
        ({"controller": {"initContainers": []}}, "controller.initContainers is not in the chart of 2.5.2"),
        ({"webhook": {"enable": "false"}}, "takes any text for true: write webhook.enable: false, without quotes"),
        ({"webhook": {"enable": None}}, "Helm drops the true of the chart of 2.5.2"),
    ],
)
def test_what_is_taken_otherwise_than_it_is_meant_is_told(values: dict[str, Any], said: str) -> None:
    found = look(values)
    assert isinstance(found, Fit)
    assert said in "; ".join(found.told)
