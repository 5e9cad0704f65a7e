# SPDX-License-Identifier: Apache-2.0
"""`harness advise --values` with what deploys the operator: the values in it, and the names of its own in the steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import cli

APPLICATION = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: spark-op, namespace: argo}
spec:
  destination: {namespace: spark}
  sources:
  - {repoURL: https://git.example/values, ref: values}
  - chart: spark-operator
    repoURL: https://kubeflow.github.io/spark-operator
    helm:
      valueFiles: [$values/a.yaml]
      values: "image: {tag: 2.1.1}"
      parameters:
      - {name: image.registry, value: docker.io}
      - {name: webhook.enable, value: "false"}
"""
RELEASE = """
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: op, namespace: flux}
spec:
  targetNamespace: spark
  chart: {spec: {chart: spark-operator, version: 2.1.1}}
  valuesFrom: [{kind: ConfigMap, name: beside}, {kind: Secret, name: away}]
  values: {image: {registry: docker.io}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: beside}
data: {values.yaml: "image: {tag: 2.1.1}"}
"""
HELMFILE = """
releases:
- {name: before, namespace: spark, chart: kubeflow/spark-operator, version: 2.0.2, installed: false}
- name: op
  namespace: spark
  chart: kubeflow/spark-operator
  values: [base.yaml, {image: {registry: docker.io}}]
  set: [{name: image.tag, value: 2.1.1}]
"""
KUSTOMIZATION = """
kind: Kustomization
helmCharts:
- {name: spark-operator, valuesInline: {image: {registry: docker.io, tag: 2.1.1}}}
"""
PLAYBOOK = """
- hosts: localhost
  tasks:
  - name: Operators
    block:
    - name: Spark
      kubernetes.core.helm:
        release_name: op
        release_namespace: spark
        chart_ref: kubeflow/spark-operator
        chart_version: 2.1.1
        values_files: [base.yaml]
        release_values: {image: {registry: docker.io, tag: "2.0.0"}}
        set_values: [{value: image.tag=2.1.1, value_type: string}]
    - kubernetes.core.helm: {name: other, namespace: other, chart_ref: a/b, chart_version: 1.0.0}
"""
TASKS = """
- community.kubernetes.helm:
    name: op
    namespace: spark
    chart_ref: spark-operator
    chart_repo_url: https://kubeflow.github.io/spark-operator
    reuse_values: true
    values: {image: {registry: docker.io, tag: 2.1.1}}
"""
CROSSPLANE = """
apiVersion: helm.crossplane.io/v1beta1
kind: Release
metadata: {name: op-prod, annotations: {crossplane.io/external-name: op}}
spec:
  forProvider:
    namespace: spark
    chart: {name: spark-operator, repository: https://kubeflow.github.io/spark-operator, version: 2.1.1}
    values: {image: {registry: docker.io, tag: 2.1.1}}
"""
COMPOSITION = """
apiVersion: apiextensions.crossplane.io/v1
kind: Composition
metadata: {name: platform}
spec:
  resources:
  - name: operator
    base:
      apiVersion: helm.crossplane.io/v1beta1
      kind: Release
      spec:
        forProvider:
          namespace: spark
          chart: {name: spark-operator, repository: https://kubeflow.github.io/spark-operator, version: 2.1.1}
          values: {image: {registry: docker.io, tag: 2.1.1}}
"""
KAPP = """
apiVersion: kappctrl.k14s.io/v1alpha1
kind: App
metadata: {name: op, namespace: spark}
spec:
  fetch:
    - helmChart: {name: spark-operator, version: 2.1.1, repository: {url: https://kubeflow.github.io/spark-operator}}
  template:
    - helmTemplate: {valuesFrom: [{secretRef: {name: op-values}}, {configMapRef: {name: away}}]}
---
kind: Secret
metadata: {name: op-values}
stringData: {values.yaml: "image: {registry: docker.io, tag: v2.5.2}"}
"""

pytestmark = pytest.mark.usefixtures("own_folders")


def advised(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> dict[str, Any]:
    file = tmp_path / "deploy.yaml"
    file.write_text(text)
    assert cli.main(["advise", "--from", "2.1.1", "--to", "2.5.2", "--values", str(file), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("text", "steps", "unread"),
    [
        (
            APPLICATION,
            (
                "kubectl -n argo patch application spark-op",
                "/spec/sources/1/targetRevision",
                "kubectl --namespace spark rollout status deployment --selector app.kubernetes.io/instance=spark-op",
            ),
            ["$values/a.yaml"],
        ),
        (RELEASE, ("kubectl -n flux patch helmrelease op", "kubernetes.io/instance=spark-op "), ["Secret away"]),
        (
            HELMFILE,
            ("deploy.yaml, release op: version: 2.5.2", "kubectl --namespace spark rollout"),
            ["base.yaml"],
        ),
        (
            PLAYBOOK,
            ("deploy.yaml, version of the chart spark-operator: 2.5.2; then", "kubectl --namespace spark rollout"),
            ["base.yaml"],
        ),
        (TASKS, ("kubectl --namespace spark rollout", "kubernetes.io/instance=op "), []),
        (KUSTOMIZATION, ("deploy.yaml, version of the chart spark-operator: 2.5.2",), []),
        (CROSSPLANE, ("kubectl --namespace spark rollout", "app.kubernetes.io/instance=op --timeout"), []),
        (COMPOSITION, ("kubectl --namespace spark rollout", "app.kubernetes.io/instance=RELEASE --timeout"), []),
        (KAPP, ("deploy.yaml, version of the chart spark-operator: 2.5.2",), ["ConfigMap away"]),
    ],
)
def test_the_values_in_it_and_its_names_are_taken(
    text: str, steps: tuple[str, ...], unread: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = advised(tmp_path, capsys, text)
    told = "\n".join(it["text"] for it in found["steps"])
    for step in ("remove image.registry from the values", "remove image.tag from the values", *steps):
        assert step in told
    assert "has no effect" not in "".join(it["text"] for it in found["values"])
    assert [it for it in found["unknown"] if "was not read" in it] == [
        f"{it} has values, too, and was not read" for it in unread
    ]


def test_several_operators_in_a_file_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "deploy.yaml"
    file.write_text(f"{RELEASE}---{RELEASE}")
    assert cli.main(["advise", "--from", "2.1.1", "--to", "2.5.2", "--values", str(file)]) == 2
    assert "deploys the operator's chart 2 times" in capsys.readouterr().err


SET = """
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: ops, namespace: argo}
spec:
  template:
    metadata: {name: op}
    spec:
      destination: {namespace: spark}
      source: {chart: spark-operator, repoURL: https://kubeflow.github.io/spark-operator, helm: {releaseName: op}}
  templatePatch: |
    %s
    spec: {source: {helm: {valuesObject: {image: {registry: docker.io, tag: 2.1.1}}}}}
"""


def test_an_application_set_is_patched_with_its_template_patch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = advised(tmp_path, capsys, SET % "# of all clusters")
    told = "\n".join(it["text"] for it in found["steps"])
    for step in (
        "remove image.registry from the values",
        "remove image.tag from the values",
        "kubectl -n argo patch applicationset ops",
        '{"spec":{"template":{"spec":{"syncPolicy":{"syncOptions":["ServerSideApply=true"]}}}}}',
        '{"spec":{"template":{"spec":{"source":{"targetRevision":"2.5.2"}}}}}',
        "for each Application of the ApplicationSet ops: argocd app sync APPLICATION",
        "kubectl --namespace spark rollout status deployment --selector app.kubernetes.io/instance=op ",
    ):
        assert step in told


def test_a_template_patch_with_conditions_is_said_to_be_unread(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = advised(tmp_path, capsys, SET % "{{- if .prod }}")
    assert "templatePatch, which Argo CD fills in, has values, too, and was not read" in found["unknown"]


@pytest.mark.parametrize(
    "text",
    [
        APPLICATION.replace("image: {tag: 2.1.1}", ""),
        "releases: [{name: op, chart: kubeflow/spark-operator, values: [a.yaml]}, {chart: a/b, values: [sealed.yaml]}]",
        "kind: Kustomization\nhelmCharts: [{name: spark-operator, valuesFile: a.yaml}]",
    ],
)
def test_values_files_beside_it_are_read(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("image: {tag: 2.1.1}")
    (tmp_path / "sealed.yaml").write_text("a: ENC[AES256_GCM,data:x]")
    found = advised(tmp_path, capsys, text)
    assert "remove image.tag from the values" in "".join(it["text"] for it in found["steps"])
    assert not any("was not read" in it for it in found["unknown"])


def test_nothing_above_the_checkout_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("image: {tag: 2.1.1}")
    (tmp_path / "here/apps").mkdir(parents=True)
    (tmp_path / "here/.git").mkdir()
    found = advised(tmp_path / "here/apps", capsys, APPLICATION.replace("$values/a.yaml", "$values/../a.yaml"))
    assert "$values/../a.yaml has values, too, and was not read" in found["unknown"]


def test_a_values_file_beside_it_that_is_encrypted_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text("image: {tag: 'ENC[AES256_GCM,data:x]'}")
    file = tmp_path / "deploy.yaml"
    file.write_text(APPLICATION)
    assert cli.main(["advise", "--from", "2.1.1", "--to", "2.5.2", "--values", str(file)]) == 2
    assert "a.yaml is encrypted with sops" in capsys.readouterr().err


def test_a_release_with_a_chart_reference_is_changed_where_its_version_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = RELEASE.replace(
        "chart: {spec: {chart: spark-operator, version: 2.1.1}}",
        "chartRef: {kind: OCIRepository, name: spark-operator, namespace: sources}",
    )
    told = "\n".join(it["text"] for it in advised(tmp_path, capsys, text)["steps"])
    assert "kubectl -n sources patch ocirepositories.source.toolkit.fluxcd.io spark-operator --type merge" in told
    assert (
        '{"url":"oci://ghcr.io/kubeflow/helm-charts/spark-operator","ref":{"tag":"2.5.2","semver":null,"digest":null}}'
        in told
    )
    assert '{"spec":{"chart"' not in told


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (
            "main.tf",
            'resource "helm_release" "op" {\n  name = "op"\n  namespace = "spark"\n  set {\n    name = "a.b"\n  }\n}\n',
            ["main.tf is written in HCL", "helm get values op --namespace spark --output yaml > values.yaml"],
        ),
        ("a.jsonnet", "{image: {}}", ["is written in Jsonnet", "jsonnet"]),
        ("stack.ts", "new k8s.helm.v3.Release('op', {})", ["is code", "helm get values RELEASE"]),
    ],
)
def test_other_languages_are_refused_by_name(
    name: str, text: str, says: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(text)
    assert cli.main(["advise", "--from", "2.1.1", "--to", "2.5.2", "--values", str(tmp_path / name)]) == 2
    told = capsys.readouterr().err
    assert all(it in told for it in says)


@pytest.mark.parametrize(
    ("chart", "url", "step"),
    [
        (
            "./charts/spark-operator-chart",
            "https://github.com/kubeflow/spark-operator",
            '{"ref":{"tag":"v2.5.2","branch":null,"semver":null,"commit":null,"name":null}}',
        ),
        ("platform/op/spark-operator", "https://git.example/a", "in Git, at platform/op/spark-operator: the chart of"),
    ],
)
def test_a_chart_from_git_is_changed_there(
    chart: str, url: str, step: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = RELEASE.replace(
        "{spec: {chart: spark-operator, version: 2.1.1}}",
        f"{{spec: {{chart: {chart}, sourceRef: {{kind: GitRepository, name: op}}}}}}",
    )
    text += f"---\nkind: GitRepository\nmetadata: {{name: op}}\nspec: {{url: {url}, ref: {{tag: v2.1.1}}}}\n"
    assert step in "\n".join(it["text"] for it in advised(tmp_path, capsys, text)["steps"])


@pytest.mark.parametrize(
    "text",
    [
        APPLICATION.replace("- {repoURL: https://git.example/values, ref: values}", "- null").replace(
            "    helm:\n", "    helm: [a]\n    other:\n"
        ),
        "kind: Application\nmetadata: {name: a}\nspec: {source: {chart: spark-operator, repoURL: x}, syncPolicy: on}",
        "kind: HelmRelease\nmetadata: {name: a}\nspec: {chart: {spec: {chart: spark-operator, sourceRef: b}}}",
        "kind: ApplicationSet\nspec: {templatePatch: 5, template: {chart: spark-operator, repoURL: x}}",
        "releases: [{name: a, chart: a/spark-operator, values: [5, null], set: text}, 7]",
        "kind: Kustomization\nhelmCharts: [{name: spark-operator, valuesFile: 5, valuesInline: [a]}]",
    ],
)
def test_fields_that_are_no_mappings_are_no_defect(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert advised(tmp_path, capsys, text)["values"]


def test_crds_that_flux_replaces_already_need_no_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = RELEASE.replace("  values: {", "  upgrade: {crds: CreateReplace}\n  values: {", 1)
    steps = [it["text"] for it in advised(tmp_path, capsys, text)["steps"]]
    assert any('"version":"2.5.2"' in it for it in steps)
    assert [it for it in steps if "CreateReplace" in it] == []


@pytest.mark.parametrize(
    ("text", "name", "home"),
    [
        (
            (
                "kind: Kustomization\n"
                "helmCharts: [{name: spark-operator, releaseName: op, namespace: spark, version: 2.1.1}]"
            ),
            "op",
            "spark",
        ),
        (
            (
                "kind: HelmChart\nmetadata: {name: op, namespace: kube-system}\n"
                "spec: {chart: spark-operator, version: 2.1.1, targetNamespace: spark}"
            ),
            "op",
            "spark",
        ),
        (
            (
                "defaultNamespace: spark\n"
                "helm: {chart: spark-operator, version: 2.1.1, releaseName: op, values: {image: {registry: docker.io}}}"
            ),
            "op",
            "spark",
        ),
        (
            (
                "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: jobs, namespace: spark}\n"
                "spec: {components: [{name: op, type: helm, properties: {chart: spark-operator, version: 2.1.1}}]}"
            ),
            "op",
            "spark",
        ),
        (
            (
                "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: jobs, namespace: vela}\n"
                "spec: {components: [{name: op, type: helm, properties: {chart: spark-operator, version: 2.1.1, "
                "targetNamespace: spark}}]}"
            ),
            "spark-op",
            "spark",
        ),
        (
            (
                "apiVersion: skaffold/v4beta11\nkind: Config\nmetadata: {name: jobs}\ndeploy: {helm: {releases: "
                "[{name: op, namespace: spark, remoteChart: k/spark-operator, version: 2.1.1}]}}"
            ),
            "op",
            "spark",
        ),
        (
            (
                "kind: ZarfPackageConfig\nmetadata: {name: jobs}\ncomponents: [{charts: [{name: spark-operator, "
                "version: 2.1.1, namespace: spark, url: https://kubeflow.github.io/spark-operator}]}]"
            ),
            "spark-operator",
            "spark",
        ),
    ],
)
def test_what_a_tool_reads_in_a_file_is_changed_there_and_not_with_helm(
    text: str, name: str, home: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [it["text"] for it in advised(tmp_path, capsys, text)["steps"]]
    file = tmp_path / "deploy.yaml"
    assert f"in {file}, version of the chart spark-operator: 2.5.2; then deploy it as you do" in steps
    assert [it for it in steps if it.startswith(("helm upgrade", "helm get"))] == []
    assert any(f"--namespace {home} rollout" in it and f"instance={name} " in it for it in steps)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (RELEASE.replace("  values: {", "  postRenderers: [{kustomize: {}}]\n  values: {", 1), "spec.postRenderers"),
        (f"{KUSTOMIZATION}images: [{{name: docker.io/kubeflow/spark-operator, newTag: 2.1.1}}]", "images"),
        (HELMFILE.replace("  values:", "  jsonPatches: [{target: {}}]\n  values:"), "releases[op].jsonPatches"),
    ],
)
def test_what_changes_the_rendered_objects_is_said(
    text: str, field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = advised(tmp_path, capsys, text)["unknown"]
    assert f"{field}: it changes what the chart renders, and was not looked at" in unknown


def test_what_is_to_be_absent_is_no_operator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = TASKS.replace("name: op\n", "name: before\n    release_state: absent\n")
    found = advised(tmp_path, capsys, gone + TASKS)
    assert any("kubernetes.io/instance=op " in it["text"] for it in found["steps"])
