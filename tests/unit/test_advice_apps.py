# SPDX-License-Identifier: Apache-2.0
"""`harness advise --apps` with folders as people keep them: templates, patches, versions of the API that went."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from advice_samples import CATALOGUE
from user_samples import PI, written

from harness.advice import files, objects
from harness.advice.ends import Schema
from harness.errors import UsageError
from harness.matrix import chart_facts

TARGET = CATALOGUE.release("2.5.2")
FACTS = chart_facts.schemas("2.5.2")


def said(folder: files.Folder) -> str:
    assert FACTS
    schema = Schema(kinds=FACTS, where="here", whole=False)
    return "\n".join(f"{it.sentence.text} -> {it.step}" for it in objects.look(folder.found, TARGET, schema))


def test_an_api_version_that_is_not_served_is_named(tmp_path: Path) -> None:
    found = said(files.in_folder(written(tmp_path, etl=PI.replace("v1beta2", "v1beta1"))))
    assert (
        "its apiVersion is sparkoperator.k8s.io/v1beta1, and the CRDs of 2.5.2 serve sparkoperator.k8s.io/v1beta2"
        in found
    )
    assert "-> write apiVersion: sparkoperator.k8s.io/v1beta2: etl.yaml: etl" in found


def test_what_is_filled_in_later_is_not_judged(tmp_path: Path) -> None:
    text = PI.replace("name: etl", "name: 'etl-{{ ds_nodash }}'").replace("instances: 1", "instances: $N")
    assert "$N" in text
    found = said(files.in_folder(written(tmp_path, etl=text)))
    assert "DNS label" not in found
    assert "instances" not in found
    assert "DNS label" in said(files.in_folder(written(tmp_path, etl=PI.replace("name: etl", "name: Etl"))))


def test_a_key_of_a_map_is_named(tmp_path: Path) -> None:
    text = PI.replace("  mode: cluster\n", "  mode: cluster\n  sparkConf: {spark.eventLog.enabled: true}\n")
    assert "spec.sparkConf.spark.eventLog.enabled does not fit" in said(files.in_folder(written(tmp_path, etl=text)))


def test_templates_and_patches_beside_applications_are_left_out_by_name(tmp_path: Path) -> None:
    patch = PI[: PI.index("spec:")] + "spec: {executor: {instances: 5}}\n"
    template = "{{- range .Values.jobs }}\n---\nkind: SparkApplication\n{{- end }}\n"
    kustomization = "patchesStrategicMerge: [patch.yaml]\n"
    folder = files.in_folder(written(tmp_path, etl=PI, patch=patch, kustomization=kustomization, template=template))
    assert [it.name for it in folder.found] == ["etl"]
    assert [it.partition(" ")[0].rstrip(",") for it in folder.left_out] == ["patch.yaml", "template.yaml"]
    with pytest.raises(UsageError, match="not valid YAML"):
        files.in_folder(written(tmp_path / "alone", template=template))
    with pytest.raises(UsageError, match="not valid YAML"):
        files.in_folder(written(tmp_path / "broken", etl=PI, broken="a: ["))


WORKFLOW = """apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: etl}
spec:
  templates:
    - resource:
        manifest: |
          apiVersion: sparkoperator.k8s.io/v1beta2
          kind: SparkApplication
"""
SEALED = PI + "sops: {mac: x, version: 3.9.0, lastmodified: y}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (WORKFLOW, "WorkflowTemplate etl has an application in a text"),
        (PI.replace("SparkApplication", "Sparkapplication"), "did you mean SparkApplication?"),
        (PI.replace("apiVersion", "apiversion"), "SparkApplication etl has no apiVersion"),
        (SEALED, "SparkApplication etl is encrypted with sops"),
    ],
)
def test_what_resembles_an_application_is_not_passed_over(tmp_path: Path, text: str, why: str) -> None:
    (left_out,) = files.in_folder(written(tmp_path, fine=PI, other=text)).left_out
    assert left_out.startswith("other.yaml: not looked at: ")
    assert why in left_out
    with pytest.raises(UsageError, match=re.escape(why)):
        files.in_folder(written(tmp_path / "alone", other=text))


def test_other_kinds_are_no_matter(tmp_path: Path) -> None:
    others = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {app: 'the kind: SparkApplication'}\n"
    assert files.in_folder(written(tmp_path, fine=PI, other=others)).left_out == ()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    folder = written(tmp_path, etl=PI)
    with pytest.raises(UsageError, match="is not a folder"):
        files.in_folder(folder / "etl.yaml")
    with pytest.raises(UsageError, match="does not exist"):
        files.in_folder(folder / "none")
