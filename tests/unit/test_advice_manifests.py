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


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


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
            ("in helmfile.yaml, release op: version: 2.5.2", "kubectl --namespace spark rollout"),
            ["base.yaml"],
        ),
        (KUSTOMIZATION, ("helm upgrade spark-operator",), []),
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
