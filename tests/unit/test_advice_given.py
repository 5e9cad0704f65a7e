# SPDX-License-Identifier: Apache-2.0
"""`harness advise` with files as tools and clusters print them: names in the steps are those that a shell may have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from site_samples import production

from harness import cli
from harness.advice import site
from harness.advice.plan import Deployment, Plan
from harness.advice.steps import steps as steps_of
from harness.matrix import catalogue
from harness.report import advice_text
from harness.report.advice import Advice, Answer, Sentence
from harness.sites.model import Installer

TARGET = catalogue.load().release("2.5.2")

UPSTREAM = "https://kubeflow.github.io/spark-operator"
APPLICATION: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Application",
    "metadata": {"name": "spark", "namespace": "argocd"},
    "spec": {
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "etl"},
        "source": {"repoURL": UPSTREAM, "chart": "spark-operator", "targetRevision": "2.1.1"},
    },
}
RELEASE: dict[str, Any] = {
    "apiVersion": "helm.toolkit.fluxcd.io/v2",
    "kind": "HelmRelease",
    "metadata": {"name": "op", "namespace": "flux"},
    "spec": {"targetNamespace": "etl", "chart": {"spec": {"chart": "spark-operator", "version": "2.1.1"}}},
}
HELM_RELEASE = {
    "name": "spark",
    "namespace": "etl",
    "repository": UPSTREAM,
    "chart": "spark-operator",
    "version": "2.1.1",
    "values": ["image: {registry: docker.io}"],
}
STATE = {"type": "helm_release", "address": "module.spark.helm_release.this", "values": HELM_RELEASE}
HELMFILE = {
    "repositories": [{"name": "k", "url": UPSTREAM}],
    "releases": [{"name": "spark", "namespace": "etl", "chart": "k/spark-operator", "version": "2.1.1"}],
}
PATCH = 'patch application spark --type merge --patch \'{"spec":{"source":{"targetRevision":"2.5.2"}}}\''
REMOVED = "remove image.registry from the values"

AT_GIT = {
    "repoURL": "https://github.com/kubeflow/spark-operator.git",
    "path": "charts/spark-operator-chart",
    "targetRevision": "v2.1.1",
}

pytestmark = pytest.mark.usefixtures("own_folders")


def changed(document: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {**document, "spec": {**document["spec"], **spec}}


def called(document: dict[str, Any], **metadata: str) -> dict[str, Any]:
    return {**document, "metadata": {**document["metadata"], **metadata}}


def advised(
    document: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str, origin: str = "2.1.1"
) -> dict[str, Any]:
    file = tmp_path / "given.yaml"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    start = ["--from", origin] if origin else []
    status = cli.main(["advise", *start, "--to", "2.5.2", "--values", str(file), "--json", *more])
    printed = capsys.readouterr()
    assert not printed.err, printed.err
    assert status in (0, 1, 3)
    found: dict[str, Any] = json.loads(printed.out)
    return found


def steps(found: dict[str, Any]) -> str:
    return "\n".join(it["text"] for it in found["steps"])


@pytest.mark.parametrize(
    ("document", "told", "never"),
    [
        ({"apiVersion": "v1", "kind": "List", "items": [APPLICATION]}, PATCH, "helm show crds"),
        (
            changed(APPLICATION, syncPolicy={"syncOptions": ["ServerSideApply=false", "CreateNamespace=true"]}),
            '"syncOptions":["CreateNamespace=true","ServerSideApply=true"]',
            "ServerSideApply=false",
        ),
        (called(APPLICATION, name="spark-{{ .Values.env }}"), "argocd app sync NAME &&", "{{"),
        (called(RELEASE, name="op-${env}", namespace="flux-${env}"), "-n NAMESPACE patch helmrelease NAME ", "${"),
        (
            changed(APPLICATION, destination={"name": "prod-eu", "namespace": "etl"}),
            "note: the operator is in the cluster prod-eu, and spark in that of Argo CD",
            "that each",
        ),
        (
            changed(RELEASE, kubeConfig={"secretRef": {"name": "prod"}}),
            "in the cluster of the kubeconfig in the Secret prod, and op in that of Flux",
            "Argo CD",
        ),
        (APPLICATION, PATCH, "note: the operator is in the cluster"),
        ({"resource": [{"helm_release": [{"op": [HELM_RELEASE]}]}]}, 'helm_release.op: version = "2.5.2"', "deploy it"),
        ({"resource": {"helm_release": {"op": HELM_RELEASE}}}, REMOVED, "deploy it"),
        ({"resource": [{"helm_release": [{"op": [HELM_RELEASE]}]}]}, REMOVED, "deploy it"),
        (
            {"format_version": "1.0", "values": {"root_module": {"child_modules": [{"resources": [STATE]}]}}},
            'in module.spark.helm_release.this: version = "2.5.2"',
            "given.yaml",
        ),
        ({"planned_values": {"root_module": {"resources": [STATE]}}}, REMOVED, "given.yaml"),
        (
            {**HELMFILE, "helmDefaults": {"kubeContext": "eks prod"}},
            "kubectl --context 'eks prod' apply --server-side",
            "| kubectl apply",
        ),
        ({**HELMFILE, "helmDefaults": {"kubeContext": "{{ .Environment.Name }}"}}, "| kubectl apply", "{{"),
        (changed(APPLICATION, source=AT_GIT), '"targetRevision":"v2.5.2"', "helm show crds"),
        (
            {"resource": {"helm_release": {"op": {**HELM_RELEASE, "version": "${var.v}"}}}},
            "where ${var.v} gets its value: 2.5.2",
            'version = "2.5.2"',
        ),
        (
            {"releases": [{"name": "spark", "chart": "k/spark-operator", "version": "2.1.1"}]},
            "kubectl --namespace NAMESPACE rollout status",
            "--namespace spark-operator",
        ),
    ],
)
def test_what_a_tool_prints_has_its_own_steps(
    document: dict[str, Any], told: str, never: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = steps(advised(document, tmp_path, capsys))
    assert told in found
    assert never not in found


@pytest.mark.parametrize(
    ("source", "version", "place"),
    [
        ("git@git.corp.example:platform.git apps/spark-operator", "main", "apps/spark-operator"),
        ("https://git.corp.example/platform apps/spark-operator", "v7", "apps/spark-operator"),
        ("https://git.corp.example/spark-operator deploy", "HEAD", "deploy"),
        (f"{UPSTREAM} spark-operator", "2.1.1", ""),
        (f"{UPSTREAM} spark-operator", "~2.1", ""),
        (f"{UPSTREAM} spark-operator", "*", ""),
        (f"{UPSTREAM} spark-operator", "", ""),
        ("ghcr.io kubeflow/helm-charts/spark-operator", "2.1.1", ""),
        ("https://gitlab.com/api/v4/projects/7/packages/helm/stable spark-operator", "2.1.1", ""),
    ],
)
def test_a_chart_in_ones_own_git_is_changed_there(source: str, version: str, place: str) -> None:
    installer = Installer(
        tool="argocd",
        kind="Application",
        name="spark",
        namespace="argocd",
        source=source,
        version=version,
        at="spec/source/targetRevision",
    )
    made = site.brought_by(Deployment(tool="argocd"), installer)
    found = [it.text for it in steps_of(Plan(deployment=made, target=TARGET, crds="apply"))]
    assert (f"in Git, at {place}: the chart of 2.5.2" in found) is bool(place)
    assert any('"targetRevision":"2.5.2"' in it for it in found) is not bool(place)


def test_manifests_that_flux_applies_are_changed_in_git() -> None:
    installer = Installer(tool="flux", kind="Kustomization", name="all", namespace="infra", source="./clusters/prod")
    made = site.brought_by(Deployment(tool="flux", context="prod"), installer)
    found = [it.text for it in steps_of(Plan(deployment=made, target=TARGET, crds="apply"))]
    assert "in Git, at ./clusters/prod: the manifests of 2.5.2, its CRDs among them" in found
    assert "flux --context prod reconcile kustomization all --namespace infra --with-source" in found
    assert not any("helmrelease" in it for it in found)


def test_values_that_are_filled_in_elsewhere_are_told_as_unread(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    templated = {**APPLICATION["spec"]["source"], "helm": {"values": "image:\n  registry: {{ .registry }}\n"}}
    found = advised(changed(APPLICATION, source=templated), tmp_path, capsys)
    assert "the text of values, which is filled in elsewhere, has values, too, and was not read" in found["unknown"]


def test_several_in_a_file_are_told_by_their_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "two.yaml"
    file.write_text(json.dumps({"kind": "List", "items": [APPLICATION, called(APPLICATION, name="other")]}))
    assert cli.main(["advise", "--from", "2.1.1", "--to", "2.5.2", "--values", str(file)]) == 2
    assert "deploys the operator's chart 2 times (Application spark, Application other)" in capsys.readouterr().err


@pytest.mark.parametrize(("document", "tool"), [(RELEASE, "argocd"), (APPLICATION, "flux")])
def test_another_tool_gets_nothing_of_the_objects_of_this_one(
    document: dict[str, Any], tool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = steps(advised(document, tmp_path, capsys, "--tool", tool))
    wanted = {"argocd": "patch application spark-operator ", "flux": "patch helmrelease spark-operator "}
    assert wanted[tool] in found
    assert not any(words in found for other, words in wanted.items() if other != tool)


def test_the_file_says_which_release_is_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert advised(APPLICATION, tmp_path, capsys, origin="")["origin"] == "2.1.1"
    told = advised(APPLICATION, tmp_path, capsys, origin="2.4.0")["values"]
    assert "the file deploys 2.1.1; the advice is for a move from 2.4.0, as --from says" in [it["text"] for it in told]
    ranged = changed(APPLICATION, source={**APPLICATION["spec"]["source"], "targetRevision": "2.x"})
    (tmp_path / "ranged.yaml").write_text(json.dumps(ranged))
    assert cli.main(["advise", "--to", "2.5.2", "--values", str(tmp_path / "ranged.yaml")]) == 2
    assert "the version in the file, 2.x, does not say which one" in capsys.readouterr().err


@pytest.mark.parametrize("title", ["USER-SUPPLIED VALUES:\n", "USER-SUPPLIED VALUES:\r\n"])
@pytest.mark.parametrize(("text", "told"), [("image: {registry: docker.io}\n", REMOVED), ("null\n", "helm upgrade ")])
def test_what_helm_prints_above_values_is_none_of_them(
    title: str, text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = advised(title + text, tmp_path, capsys)
    assert told in steps(found)
    assert not any("VALUES" in it["text"] for it in found["values"])


def test_the_defaults_of_the_old_chart_are_no_values_of_a_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "all.yaml"
    file.write_text("COMPUTED VALUES:\nimage: {registry: docker.io}\n")
    assert cli.main(["advise", "--from", "2.1.1", "--to", "2.5.2", "--values", str(file)]) == 2
    assert "helm get values RELEASE --namespace NAMESPACE --output yaml, without --all" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--release-name", "My Rel;x"], "give it as `helm list --all-namespaces` shows it"),
        (["--from", "~2.1.0"], "it allows 2.1.0 and 2.1.1\n  next: give --from 2.1.0 or --from 2.1.1 ("),
        (["--from", ">=2.1 <2.2"], "it allows 2.1.0 and 2.1.1\n"),
        (["--from", "^2.0.0"], "it allows 2.0.0 to 2.5.2\n  next: give --from with one release"),
        (["--from", "latest"], "give 2.5.2, the newest that is known here"),
        (["--from", "spark-operator-2.1.1"], "give 2.1.1: the version alone"),
        (["--from", "2.2.1@dockerhub"], "did you mean 2.2.1@docker.io?"),
        (["--values", "a.yaml,b.yaml"], "give the option once for each: --values a.yaml --values b.yaml"),
    ],
)
def test_what_is_mixed_up_says_what_to_write(
    words: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("{}\n")
    origin = [] if "--from" in words else ["--from", "2.1.1"]
    assert cli.main(["advise", *origin, "--to", "2.5.2", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_command_ends_where_its_line_ends() -> None:
    step = Sentence(text="kubectl get pods", origin="from the catalogue", where="a row")
    found = Advice(origin="2.1.1", target="2.5.2", answer=Answer.WITH_STEPS, steps=(step,), why=(step,))
    assert list(advice_text.lines(found))[1:] == [
        "  why:",
        "    - kubectl get pods [from the catalogue: a row]",
        "  steps:",
        "    1. kubectl get pods",
        "       [from the catalogue: a row]",
    ]


def test_commands_read_the_kubeconfig_that_was_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with production(tmp_path) as cluster:
        argv = ["advise", "--context", "fake", "--kubeconfig", str(cluster.kubeconfig), "--to", "2.5.2", "--json"]
        cli.main(argv)
    first, *others = [it["text"] for it in json.loads(capsys.readouterr().out)["steps"]]
    assert first == f"export KUBECONFIG={cluster.kubeconfig}"
    assert any(it.startswith("helm --kube-context fake ") for it in others)
