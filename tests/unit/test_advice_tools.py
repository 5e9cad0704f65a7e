# SPDX-License-Identifier: Apache-2.0
"""What is advised of a tool's own settings beside the values, and that each tool's steps are whole for it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from advice_samples import COMMANDS, cells, run

from harness import cli
from harness.advice import steps
from harness.advice.plan import Deployment, Plan
from harness.matrix import catalogue
from harness.matrix.crd_modes import Tool
from harness.matrix.model import CrdMode
from harness.report.writer import RESULTS

TARGET = catalogue.load().release("2.5.2")
UPSTREAM = "https://kubeflow.github.io/spark-operator"
GONE = "https://googlecloudplatform.github.io/spark-on-k8s-operator"
HELMFILE = """
repositories: [{name: spark, url: "%s"}]
helmDefaults: {reuseValues: %s}
releases:
- {name: spark, namespace: etl, chart: spark/spark-operator, version: 2.2.1, values: [{webhook: {port: 9443}}]%s}
"""
FLUX = """
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: op, namespace: flux}
spec:
  targetNamespace: etl
  suspend: %s
  chart: {spec: {chart: spark-operator, version: "%s", sourceRef: {kind: HelmRepository, name: spark}}}
  upgrade: {crds: CreateReplace, preserveValues: %s}
  values: {controller: {workers: 5}}
"""
TERRAFORM: dict[str, Any] = {
    "name": "spark",
    "namespace": "etl",
    "repository": UPSTREAM,
    "chart": "spark-operator",
    "version": "2.2.1",
    "set": [{"name": "controller.workers", "value": "5"}],
}
SET = """
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: operators, namespace: argocd}
spec:
  goTemplate: true
  generators: [{list: {elements: [{cluster: prod, version: 2.2.1}, {cluster: dev, version: 2.4.0}]}}]
  template:
    metadata: {name: "spark-{{.cluster}}"}
    spec:
      source:
        repoURL: %s
        chart: spark-operator
        targetRevision: "{{.version}}"
        helm: {valuesObject: {controller: {workers: 5}}}
      destination: {name: "{{.cluster}}", namespace: spark}
"""
KUSTOMIZATION = """
kind: Kustomization
helmCharts:
- {name: spark-operator, repo: %s, version: 2.2.1, includeCRDs: %s, valuesInline: {controller: {workers: 5}}}
"""

pytestmark = pytest.mark.usefixtures("own_folders")


def advised(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, *more: str, origin: str = "2.2.1"
) -> tuple[list[str], list[str]]:
    """The steps, and the sentences about the values."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    cli.main(["advise", "--from", origin, "--to", "2.5.2", "--values", str(file), "--json", *more])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return [it["text"] for it in found["steps"]], [it["text"] for it in found["values"]]


def test_helm_forgets_the_values_that_were_the_only_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Helm takes those of the release before for values that are empty: the registry would stay.
    pinned = "image: {registry: docker.io, repository: kubeflow/spark-operator}\n"
    told, _ = advised(tmp_path / "v.yaml", capsys, pinned, origin="2.1.1")
    assert told[0].startswith("remove image.registry and image.repository from the values")
    (upgrade,) = [it for it in told if it.startswith("helm upgrade ")]
    assert " --reset-values " in upgrade


def test_terraform_is_told_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = json.dumps({"resource": {"helm_release": {"op": TERRAFORM}}})
    file = tmp_path / "main.tf.json"
    told, values = advised(file, capsys, text)
    assert f'in {file}, helm_release.op: version = "2.5.2"' in told
    assert any(it.startswith(f"in {file}, helm_release.op: reset_values = true, ") for it in told)
    assert any("--namespace etl rollout status" in it and "/instance=spark " in it for it in told)
    assert values[0] == "none of these values needs a change"


@pytest.mark.parametrize(
    ("name", "text", "setting"),
    [
        ("helmfile.yaml", HELMFILE % (UPSTREAM, "true", ""), "helmDefaults.reuseValues"),
        ("helmfile.yaml", HELMFILE % (UPSTREAM, "false", ", reuseValues: true"), "reuseValues"),
        ("helmfile.yaml", HELMFILE % (UPSTREAM, "true", ", reuseValues: false"), ""),
        ("hr.yaml", FLUX % ("false", "2.2.1", "true"), "spec.upgrade.preserveValues"),
        ("hr.yaml", FLUX % ("false", "2.2.1", "false"), ""),
        (
            "a.tf.json",
            json.dumps({"resource": {"helm_release": {"op": {**TERRAFORM, "reuse_values": True}}}}),
            "reuse_values",
        ),
        (
            "a.tf.json",
            json.dumps(
                {"resource": {"helm_release": {"op": {**TERRAFORM, "reuse_values": True, "reset_values": True}}}}
            ),
            "",
        ),
    ],
)
def test_a_setting_that_keeps_the_values_of_before_is_named(
    name: str, text: str, setting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, values = advised(tmp_path / name, capsys, text)
    off = [it for it in told if it.startswith("switch ")]
    assert off == (
        [f"switch {setting} off; add to your values what you still need of the previous ones"] if setting else []
    )
    said = [it for it in values if "--reuse-values" in it]
    assert [it.startswith(f"{setting} is Helm's --reuse-values: ") for it in said] == ([True] if setting else [])
    assert all("the old ones have no `hook`" in it for it in said)


def test_where_nothing_is_known_to_break_kept_values_still_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, values = advised(tmp_path / "hr.yaml", capsys, FLUX % ("false", "2.4.0", "true"), origin="2.4.0")
    assert "values that you remove stay, and new defaults do not count" in "\n".join(values)


def test_a_suspended_release_is_resumed_before_it_is_reconciled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, _ = advised(tmp_path / "hr.yaml", capsys, FLUX % ("true", "2.2.1", "false"))
    resumed = next(at for at, it in enumerate(told) if "flux resume helmrelease op --namespace flux" in it)
    assert told[resumed + 1].startswith("flux reconcile helmrelease op")
    told, _ = advised(tmp_path / "hr.yaml", capsys, FLUX % ("false", "2.2.1", "false"))
    assert not any("flux resume" in it for it in told)


@pytest.mark.parametrize(
    ("address", "step"),
    [
        (GONE, f"take {UPSTREAM} as the repository of the chart, in the place of {GONE}"),
        (f"{GONE}/", f"take {UPSTREAM} as the repository of the chart, in the place of {GONE}/"),
        (UPSTREAM, ""),
        (
            "https://artifactory.acme.example/helm",
            "see that the chart 2.5.2 is at https://artifactory.acme.example/helm",
        ),
    ],
)
def test_the_repository_of_the_chart_must_have_the_new_one(
    address: str, step: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, _ = advised(tmp_path / "helmfile.yaml", capsys, HELMFILE % (address, "false", ""))
    assert [it for it in told if it.startswith(("take ", "see that the chart"))][:1] == (
        [it for it in told if it.startswith(step)] if step else []
    )


@pytest.mark.parametrize("chart", ["./charts/spark-operator", "../../vendor/spark-operator/"])
def test_a_chart_that_lies_beside_the_file_is_replaced(
    chart: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (HELMFILE % (UPSTREAM, "false", "")).replace(
        "chart: spark/spark-operator, version: 2.2.1", f"chart: {chart}"
    )
    told, _ = advised(tmp_path / "helmfile.yaml", capsys, text)
    pulled = "helm pull oci://ghcr.io/kubeflow/helm-charts/spark-operator --version 2.5.2 --untar"
    assert f"put the new chart in the place of {chart}: {pulled}" in told
    assert not any("version: 2.5.2" in it for it in told)


@pytest.mark.parametrize(("own", "url"), [("oci://harbor.acme.example/charts/spark-operator", False), ("", True)])
def test_a_repository_of_flux_keeps_an_address_of_its_own(own: str, url: bool) -> None:
    deployment = Deployment(tool="flux", source="OCIRepository/flux/op", repository=own)
    told = [it.text for it in steps.steps(Plan(deployment=deployment, target=TARGET, crds="apply"))]
    (patch,) = [it for it in told if "patch ocirepositories" in it]
    assert ('"url":"oci://ghcr.io/kubeflow/helm-charts/spark-operator"' in patch) == url


@pytest.mark.parametrize("tool", ["helm", "helmfile", "kubectl", "flux", "argocd", "terraform"])
def test_every_command_is_for_the_cluster_that_was_asked_about(tool: Tool) -> None:
    before = ("kubectl create namespace etl", "see that it is there: kubectl get crd x", "first: helm history op")
    deployment = Deployment(tool=tool, context="prod eu", applied="csa")
    plan = Plan(deployment=deployment, target=TARGET, crds="apply", before=before)
    asked = r"\b(?:kubectl|helm|flux|helmfile) (?!show |template |config )[a-z-][^|&;]*"
    told = [it.text for it in steps.steps(plan) if not it.text.startswith("note: ")]
    commands = [command for text in told for command in re.findall(asked, text)]
    assert len(commands) > len(before)
    assert [it for it in commands if "context 'prod eu'" not in it] == []


def test_a_run_here_leaves_the_names_of_the_user_in_the_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run(cells("upgrade-2.4.0-2.5.2+crds=none"))
    folder = tmp_path / "reports" / made.run_id
    folder.mkdir(parents=True)
    (folder / RESULTS).write_text(made.model_dump_json())
    monkeypatch.setenv("HARNESS_REPORTS", str(folder.parent))
    asked = ["advise", "--from", "2.4.0", "--to", "2.5.2", "--json"]
    assert cli.main(asked) == 0
    assert [it["text"] for it in json.loads(capsys.readouterr().out)["steps"]] == COMMANDS
    assert cli.main([*asked, "--release-name", "my-op"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert any(it["text"].startswith("helm upgrade my-op ") for it in found["steps"])
    assert (found["answer"], found["path"]) == ("safe", "")
    assert any(it["origin"] == "run here" for it in found["why"])


def test_commands_ask_the_repository_that_the_chart_comes_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, own = tmp_path / "helmfile.yaml", "https://artifactory.acme.example/helm"
    for address, chart in (
        (own, f"spark-operator --repo {own}"),
        ("oci://harbor.acme.example/charts", "oci://harbor.acme.example/charts/spark-operator"),
        ("harbor.acme.example:8443/charts", "oci://harbor.acme.example:8443/charts/spark-operator"),
        ("ghcr.io/kubeflow/helm-charts", "oci://ghcr.io/kubeflow/helm-charts/spark-operator"),
        (UPSTREAM, "oci://ghcr.io/kubeflow/helm-charts/spark-operator"),
        ("https://${NEXUS}/helm", "oci://ghcr.io/kubeflow/helm-charts/spark-operator"),
    ):
        told, _ = advised(file, capsys, HELMFILE % (address, "false", ""))
        assert any(it.startswith(f"helm show crds {chart} --version 2.5.2 | ") for it in told)


def test_a_helmfile_is_called_by_the_name_that_it_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "helmfile.d" / "10-spark.yaml"
    told, _ = advised(file, capsys, HELMFILE % (UPSTREAM, "false", ""))
    assert f"in {file}, release spark: version: 2.5.2" in told
    command = f"helmfile --file {file} --selector name=spark"
    assert f"{command} diff && {command} apply" in told


def test_a_version_that_is_filled_in_is_changed_where_it_comes_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, _ = advised(tmp_path / "set.yaml", capsys, SET % UPSTREAM)
    assert "in Git, where {{.version}} of the ApplicationSet operators gets its value: 2.5.2" in told
    assert not any("targetRevision" in it for it in told)
    assert any("/instance=RELEASE " in it for it in told)
    told, _ = advised(tmp_path / "hr.yaml", capsys, FLUX % ("false", "${SPARK_OPERATOR}", "false"))
    assert "in Git, where ${SPARK_OPERATOR} of the HelmRelease op gets its value: 2.5.2" in told


@pytest.mark.parametrize(("with_crds", "by_server"), [("true", True), ("false", False)])
def test_rendered_crds_are_too_large_for_a_plain_apply(
    with_crds: str, by_server: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, _ = advised(tmp_path / "kustomization.yaml", capsys, KUSTOMIZATION % (UPSTREAM, with_crds))
    (deployed,) = [it for it in told if "kustomization.yaml, version of the chart spark-operator: 2.5.2" in it]
    assert ("kubectl apply --server-side --force-conflicts, with Argo CD ServerSideApply=true" in deployed) == by_server


@pytest.mark.parametrize("tool", ["helm", "terraform", "helmfile", "kubectl"])
@pytest.mark.parametrize(
    ("mode", "command"),
    [
        ("none", ""),
        ("apply", "| kubectl apply --server-side --force-conflicts -f -"),
        ("ssa", "| kubectl apply --server-side -f -"),
        ("create", "| kubectl create -f -"),
        ("replace", "kubectl create -f spark-operator-crds.yaml; kubectl replace -f spark-operator-crds.yaml"),
        ("hook", "hook.upgradeCrd"),
    ],
)
def test_no_mode_leaves_the_crds_to_nobody(tool: Tool, mode: CrdMode, command: str) -> None:
    made = steps.steps(Plan(deployment=Deployment(tool=tool), target=TARGET, crds=mode))
    told = [it.text for it in made if "helm show crds" in it.text or "hook.upgradeCrd" in it.text]
    # Without Helm no hook runs: they are applied.
    wanted = "--server-side --force-conflicts" if (tool, mode) == ("kubectl", "hook") else command
    assert [it for it in told if wanted in it] == told
    assert len(told) == (0 if mode == "none" else 1)


def test_a_patch_through_a_list_also_works_where_no_version_was_set() -> None:
    deployment = Deployment(tool="argocd", at="spec/sources/1/targetRevision")
    told = [it.text for it in steps.steps(Plan(deployment=deployment, target=TARGET, crds="apply"))]
    (patch,) = [it for it in told if "/spec/sources/1/targetRevision" in it]
    assert '"op":"add"' in patch


@pytest.mark.parametrize(("home", "name"), [("", "op"), ("argocd", "op"), ("team-a", "team-a/op")])
def test_an_application_in_another_namespace_is_called_with_it(home: str, name: str) -> None:
    deployment = Deployment(tool="argocd", owner="op", owner_home=home)
    told = [it.text for it in steps.steps(Plan(deployment=deployment, target=TARGET, crds="apply"))]
    assert f"argocd app sync {name} && argocd app wait {name} --health --timeout 600" in told


def test_what_kubectl_leaves_behind_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["advise", "--from", "1.1.27", "--to", "2.5.2", "--tool", "kubectl", "--json"]) == 3
    told = [it["text"] for it in json.loads(capsys.readouterr().out)["steps"]]
    assert any("delete the Deployment of the release before 2.0.0 first" in it for it in told)
    assert told[-1].startswith("note: kubectl deletes nothing")
