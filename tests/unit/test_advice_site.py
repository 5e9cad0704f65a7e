# SPDX-License-Identifier: Apache-2.0
"""`harness advise` from a snapshot or a live cluster: what it finds there, and the steps that follow from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from advice_samples import CATALOGUE
from fake_api_server import Answer
from site_samples import VALUES, application, crd, deployment, helm_secret, objects, production

from harness import cli
from harness.advice import objects as looked
from harness.advice import schemas
from harness.advice.ends import Schema
from harness.advice.objects import Stored
from harness.matrix import chart_facts
from harness.matrix.facts import Check
from harness.releases.values import merge
from harness.sites import folder

SECRET = "/api/v1/namespaces/spark/secrets/sh.helm.release.v1.my-op.v3"


pytestmark = pytest.mark.usefixtures("own_folders")


def advised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str, to: str = "2.5.2", **served: Any
) -> dict[str, Any]:
    with production(tmp_path, **served) as cluster:
        cli.main(["snapshot", "--kubeconfig", str(cluster.kubeconfig), "-o", str(tmp_path / "site")])
    capsys.readouterr()
    cli.main(["advise", "--site", str(tmp_path / "site"), "--to", to, "--json", *more])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def texts(found: Mapping[str, Any], part: str) -> str:
    return "\n".join(it["text"] for it in found[part])


def test_a_site_says_what_is_installed_and_gets_steps_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = advised(tmp_path, capsys)
    assert (found["origin"], found["target"], found["answer"]) == ("2.2.1@docker.io", "2.5.2", "safe with these steps")
    steps = texts(found, "steps")
    assert "kubectl --context fake create namespace gone" in steps
    assert "remove image.registry and image.repository from the values" in steps
    assert "helm --kube-context fake get values my-op --namespace spark" in steps
    assert "helm --kube-context fake upgrade my-op " in steps
    assert "applied by Helm, client-side; then kubectl, server-side" in texts(found, "site")
    assert "2.5.2 needs CRDs that the cluster does not have: sparkconnects.sparkoperator.k8s.io" in texts(found, "site")
    assert "the namespace etl enforces the restricted Pod Security Standard" in texts(found, "site")
    assert "the pull secret hub is for docker.io, not for ghcr.io" in texts(found, "site")
    where = {it["where"] for it in found["site"] if it["origin"] == "seen"}
    assert len(where) == 1
    assert "snapshot of fake" in where.pop()


def test_a_live_cluster_is_asked_and_nothing_of_it_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with production(tmp_path) as cluster:
        argv = ["advise", "--context", "fake", "--kubeconfig", str(cluster.kubeconfig), "--to", "2.5.2", "--json"]
        assert cli.main(argv) == 0
    assert json.loads(capsys.readouterr().out)["origin"] == "2.2.1@docker.io"


def test_stored_applications_are_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = [
        application(f"a-{number}", sparkConf={"spark.master": "x", "spark.kubernetes.namespace": "other"})
        for number in range(7)
    ]
    bad.append(application("1-digit", sparkConf={}, driver={"cores": "many", "unheard": True}))
    found = advised(tmp_path, capsys, listed=objects(sparkapplications=bad))
    told = texts(found, "objects")
    assert "7 of 8 SparkApplications (etl/a-0, etl/a-1, etl/a-2, etl/a-3, etl/a-4 and 2 more): the webhook" in told
    assert "refuses the sparkConf key spark.master" in told
    assert "spark.kubernetes.namespace other than the application's own" in told
    assert "(etl/1-digit): its name is not a DNS label" in told
    assert "spec.driver.cores does not fit the schema of 2.5.2: it is a string, not an integer" in told
    assert "spec.driver.unheard is dropped" in told
    assert "take spark.master out of sparkConf" in texts(found, "steps")
    assert found["answer"] == "safe with these steps"


def test_masks_of_a_snapshot_are_no_trouble(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = advised(tmp_path, capsys)
    assert "3 SparkApplications: nothing that 2.5.2 would drop or refuse" in texts(found, "objects")


def test_what_was_not_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forbidden: Answer = (403, '{"message": "may not"}')
    found = advised(tmp_path, capsys, answers={"/api/v1/namespaces/spark/secrets": forbidden})
    assert any("not read: Helm's Secrets of spark" in it for it in found["unknown"])
    assert any("the values that the operator was deployed with" in it for it in found["unknown"])


def test_a_sample_says_how_many_were_not_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with production(tmp_path) as cluster:
        argv = ["--kubeconfig", str(cluster.kubeconfig), "-o", str(tmp_path / "site"), "--sample", "1"]
        cli.main(["snapshot", *argv])
    capsys.readouterr()
    cli.main(["advise", "--site", str(tmp_path / "site"), "--to", "2.5.2"])
    assert "1 of 3 SparkApplications are in the snapshot; the others were not looked at" in capsys.readouterr().out


def test_kinds_that_are_there_need_no_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = merge(VALUES, {"certManager": {"enable": True}, "prometheus": {"podMonitor": {"create": True}}})
    groups = {"/apis": {"groups": [{"name": "cert-manager.io"}]}}
    single = {SECRET: helm_secret(values), **groups}
    steps = texts(advised(tmp_path, capsys, single=single), "steps")
    assert "certificates.cert-manager.io" not in steps
    assert "podmonitors.monitoring.coreos.com" in steps


@pytest.mark.parametrize(("status", "answer"), [("pending-upgrade", "safe with these steps"), ("deployed", "")])
def test_a_release_that_is_stuck_comes_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], status: str, answer: str
) -> None:
    found = advised(tmp_path, capsys, single={SECRET: helm_secret(status=status)})
    assert ("bring the release to an end" in texts(found, "steps")) == bool(answer)


def test_argo_cd_and_flux_get_steps_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = {"chart": "spark-operator", "repoURL": "https://charts", "targetRevision": "2.2.1", "helm": {}}
    argo = {"metadata": {"name": "op", "namespace": "argocd"}, "spec": {"source": source}}
    found = advised(tmp_path, capsys, listed=objects(applications=[argo]))
    assert "kubectl --context fake -n argocd patch application op" in texts(found, "steps")
    assert "applies the CRDs client-side, for which they are too large" in texts(found, "site")
    assert "Argo CD by default, that is with the CRDs applied first by the client" in texts(found, "why")
    assert '"ServerSideApply=true"' in texts(found, "steps")
    replacing = {**argo, "spec": {"source": source, "syncPolicy": {"syncOptions": ["Replace=true"]}}}
    found = advised(tmp_path, capsys, listed=objects(applications=[replacing]))
    assert "Argo CD with Replace=true, that is with the CRDs replaced first" in texts(found, "why")
    assert "ServerSideApply" not in texts(found, "steps")
    chart = {"spec": {"chart": "spark-operator", "version": "2.2.1"}}
    flux = {"metadata": {"name": "op", "namespace": "flux-system"}, "spec": {"chart": chart}}
    found = advised(tmp_path, capsys, listed=objects(helmreleases=[flux]))
    assert "kubectl --context fake -n flux-system patch helmrelease op" in texts(found, "steps")
    assert "spec.upgrade.crds is Skip" in texts(found, "site")
    flux["spec"]["upgrade"] = {"crds": "CreateReplace"}  # type: ignore[index]
    found = advised(tmp_path, capsys, listed=objects(helmreleases=[flux]))
    assert "Flux with upgrade.crds: CreateReplace, that is with the CRDs replaced first" in texts(found, "why")
    assert "helm upgrade" in texts(advised(tmp_path, capsys, "--tool", "helm"), "steps").replace(
        " --kube-context fake", ""
    )


def test_the_parameters_of_an_application_are_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    helm = {"values": "webhook: {replicas: 2}", "parameters": [{"name": "image.registry", "value": "acme.io"}]}
    source = {"chart": "spark-operator", "repoURL": "https://charts", "targetRevision": "2.2.1", "helm": helm}
    argo = {"metadata": {"name": "op", "namespace": "argocd"}, "spec": {"source": source}}
    forbidden: Answer = (403, '{"message": "may not"}')
    without_helm = {"/api/v1/namespaces/spark/secrets": forbidden}
    found = advised(tmp_path, capsys, listed=objects(applications=[argo]), answers=without_helm)
    assert "image.registry: your own registry must have acme.io/" in texts(found, "values")


def test_an_operator_that_nothing_says_the_version_of_needs_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = deployment("controller")
    odd["metadata"]["labels"] = {"helm.sh/chart": "spark-operator-x"}
    odd["spec"]["template"]["spec"]["containers"][0]["image"] = "harbor.example.com/op:stable"
    with production(tmp_path, listed=objects(deployments=[odd], secrets=[])) as cluster:
        cli.main(["snapshot", "--kubeconfig", str(cluster.kubeconfig), "-o", str(tmp_path / "site")])
    assert cli.main(["advise", "--site", str(tmp_path / "site"), "--to", "2.5.2"]) == 2
    assert "does not say which release is installed" in capsys.readouterr().err
    assert cli.main(["advise", "--site", str(tmp_path / "site"), "--from", "2.2.1", "--to", "2.5.2"]) == 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--site", "nowhere"], "the snapshot nowhere does not exist"),
        (["--site", "x", "--context", "y"], "cannot be combined: both say what is installed"),
        (["--kubeconfig", "x", "--from", "2.2.1"], "--kubeconfig needs --context"),
        ([], "needs the release that is installed"),
    ],
)
def test_what_cannot_be_asked_is_one_error(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["advise", "--to", "2.5.2", *argv]) == 2
    assert said in capsys.readouterr().err


def test_a_snapshot_of_a_newer_version_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / folder.SITE).write_text(yaml.safe_dump({"schema_version": 99, "harness": "9.0.0"}))
    assert cli.main(["advise", "--site", str(tmp_path), "--to", "2.5.2"]) == 2
    assert "a snapshot of version 99, made by harness 9.0.0" in capsys.readouterr().err


def test_files_of_applications_are_looked_at_without_a_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apps = tmp_path / "apps"
    apps.mkdir()
    listed = {"kind": "List", "items": [application("a", sparkConf={"spark.kubernetes.container.image": "x"})]}
    (apps / "all.yaml").write_text(yaml.safe_dump(listed))
    (apps / "others.yaml").write_text("kind: ConfigMap\n---\n")
    assert cli.main(["advise", "--from", "2.4.0", "--to", "2.5.2", "--apps", str(apps)]) == 0
    shown = capsys.readouterr().out
    assert "1 of 1 SparkApplication" in shown
    assert "take spark.kubernetes.container.image out of sparkConf and use spec.image: all.yaml: a" in shown
    (apps / "all.yaml").write_text("a: [\n")
    assert cli.main(["advise", "--from", "2.4.0", "--to", "2.5.2", "--apps", str(apps)]) == 2
    assert "all.yaml, line 2: not valid YAML" in capsys.readouterr().err


def rules(kind: str, spec: Mapping[str, Any], *, name: str = "a", target: str = "2.5.2") -> str:
    kinds = chart_facts.schemas(target) or {}
    schema = Schema(kinds=kinds, where="charts/crds.toml", whole=False)
    one = Stored(kind=kind, name=name, where=f"etl/{name}", namespace="etl", spec=spec)
    return "\n".join(it.sentence.text for it in looked.look([one], CATALOGUE.release(target), schema))


APP: Mapping[str, Any] = application("a", sparkConf={})["spec"]
CONNECT: Mapping[str, Any] = {
    "sparkVersion": "4.0.4",
    "image": "x",
    "server": {"memory": "1g"},
    "executor": {"instances": 1, "template": {"spec": {"containers": [{"name": "c"}]}}},
}
_VOLUME = "spark.kubernetes.driver.volumes.persistentVolumeClaim.data.options"
CLAIM = {f"{_VOLUME}.claimName": "OnDemand", f"{_VOLUME}.storageClass": "fast", f"{_VOLUME}.sizeLimit": "1Gi"}
OWN_CLAIM = {f"{_VOLUME}.claimName": "mine"}
RUN = {"schedule": "@daily", "template": APP}


@pytest.mark.parametrize(
    ("kind", "spec", "name", "target", "said"),
    [
        ("SparkApplication", APP, "a", "2.5.2", "nothing that 2.5.2 would drop or refuse"),
        ("SparkApplication", {**APP, "nodeSelector": {}, "driver": {"nodeSelector": {}}}, "a", "2.5.2", "nodeSelector"),
        ("SparkApplication", {**APP, "driverIngressOptions": [{"servicePort": 1}]}, "a", "2.5.2", "ingressURLFormat"),
        (
            "SparkApplication",
            {**APP, "sparkVersion": "2.4.5", "driver": {"template": {}}},
            "a",
            "2.5.2",
            "must be 3.0.0 or newer",
        ),
        ("SparkApplication", APP, "a.b", "2.3.0", "nothing that 2.3.0 would drop or refuse"),
        ("SparkApplication", APP, "a.b", "2.4.0", "not a DNS label"),
        ("SparkApplication", {**APP, "suspend": True}, "a", "2.3.0", "spec.suspend is dropped"),
        ("SparkApplication", {**APP, "mode": "local"}, "a", "2.5.2", "it is not one of cluster, client"),
        ("SparkApplication", {**APP, "executor": {"instances": 0}}, "a", "2.5.2", "it is less than 1"),
        (
            "SparkApplication",
            {"type": "Python"},
            "a",
            "2.5.2",
            "spec.driver does not fit the schema of 2.5.2: it is req",
        ),
        ("SparkApplication", {**APP, "sparkConf": CLAIM}, "a", "2.5.0", "nothing that 2.5.0 would drop or refuse"),
        ("SparkApplication", {**APP, "sparkConf": CLAIM}, "a", "2.5.1", "the controller of 2.5.1 may not create"),
        ("SparkApplication", {**APP, "sparkConf": OWN_CLAIM}, "a", "2.5.2", "nothing that 2.5.2 would drop or refuse"),
        ("ScheduledSparkApplication", RUN, "a" * 44, "2.5.2", "longer than 63: each of its runs is refused"),
        (
            "ScheduledSparkApplication",
            {**RUN, "template": {**APP, "sparkConf": {"spark.master": "x"}}},
            "a",
            "2.5.2",
            "spark.master: each of its runs is refused",
        ),
        ("SparkConnect", CONNECT, "a", "2.5.2", "nothing that 2.5.2 would drop or refuse"),
        ("SparkConnect", CONNECT, "a" * 57, "2.5.2", "NAME-server, is longer than 63"),
        ("SparkConnect", {**CONNECT, "image": ""}, "a", "2.5.2", "neither spec.image nor images"),
        ("SparkConnect", {**CONNECT, "server": {"memory": "1.5g"}}, "a", "2.5.2", "server.memory is not a number"),
        (
            "SparkConnect",
            {**CONNECT, "dynamicAllocation": {"enabled": True, "minExecutors": 5, "maxExecutors": 2}},
            "a",
            "2.5.2",
            "not minExecutors <= initialExecutors",
        ),
        ("SparkConnect", {**CONNECT, "executor": {"instances": 1}}, "a", "2.4.0", "panics at a SparkConnect without"),
    ],
)
def test_each_rule_of_the_webhook_and_of_the_schema(
    kind: str, spec: Mapping[str, Any], name: str, target: str, said: str
) -> None:
    assert said in rules(kind, spec, name=name, target=target)


@pytest.mark.parametrize("key", sorted(CATALOGUE.release("2.5.2").refused_conf))
def test_each_of_the_refused_keys_is_named_with_what_to_write(key: str) -> None:
    conf = {**APP, "sparkConf": {key: "x"}}
    assert key in rules("SparkApplication", conf)
    assert key not in rules("SparkApplication", conf, target="2.5.1")


def test_each_check_of_stored_objects_has_rows_and_a_look() -> None:
    rows = {it.check for release in CATALOGUE.releases for it in release.stored_checks}
    assert rows == set(get_args(Check)) == set(looked.CHECKS)


def test_a_refusal_links_the_validator_of_its_kind() -> None:
    for kind, spec in (("SparkApplication", APP), ("SparkConnect", CONNECT)):
        stored = Stored(kind=kind, name="1", where="etl/1", namespace="etl", spec=spec)
        (refused,) = looked.look([stored], CATALOGUE.release("2.5.2"), None)
        assert refused.sentence.where.endswith(f"/internal/webhook/{kind.lower()}_validator.go")


def test_there_are_thirteen_refused_keys() -> None:
    assert len(CATALOGUE.release("2.5.2").refused_conf) == 13


def test_a_kind_that_the_target_does_not_have_stops_it() -> None:
    assert "2.2.1 does not have the kind SparkConnect" in rules("SparkConnect", CONNECT, target="2.2.1")


def test_a_schema_is_read_as_api_servers_read_it() -> None:
    schema = {
        "type": "object",
        "properties": {
            "port": {"x-kubernetes-int-or-string": True},
            "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
            "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}}}},
        },
    }
    value = {"port": "http", "any": {"x": 1}, "map": {"k": 1}, "list": [{"a": True}, {"b": 1}], "none": 1, "any2": None}
    found = [(it.kind, it.path) for it in schemas.misfits(value, schema)]
    assert found == [
        ("refused", "spec.map.k"),
        ("refused", "spec.list[].a"),
        ("dropped", "spec.list[].b"),
        ("dropped", "spec.none"),
        ("dropped", "spec.any2"),
    ]
    assert crd("SparkApplication")["spec"]["versions"][0]["storage"]
