# SPDX-License-Identifier: Apache-2.0
"""Manifests of --before are read as kubectl reads them, and what it would not apply is told with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.releases import manifests

QUOTA = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: limits, namespace: team-a}\nspec: {hard: {pods: '9'}}\n"


def test_documents_lists_and_json_are_read_in_the_order_of_files(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.yaml").write_text(f"# nothing\n---\n{QUOTA}---\n")
    (tmp_path / "b" / "c.json").write_text(
        '{"apiVersion": "v1", "kind": "List", "items": ['
        '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a", "labels": {"spark": "enabled"}}}]}'
    )
    (tmp_path / "notes.txt").write_text("not a manifest")
    found = manifests.read(tmp_path)
    assert [(str(it), it.where) for it in found] == [
        ("ResourceQuota team-a/limits", "a.yaml:3"),
        ("Namespace team-a", "b/c.json:1, item 1"),
    ]


@pytest.mark.parametrize(
    ("text", "said", "next_step"),
    [
        ("a: [}", "a.yaml:1: not valid YAML", "take the file out"),
        ("kind: {{ .Values.kind }}\n", "looks like a template", "fill it in"),
        ("replicas: 2\n", "it has no apiVersion and kind", "kubectl apply"),
        ("- 1\n", "not a Kubernetes object", "kubectl apply"),
        ("apiVersion: v1\nkind: Namespace\nmetadata: {generateName: a-}\n", "no metadata.name", "generateName"),
        ("apiVersion: v1\nkind: Namespace\nmetadata: {name: '${NAME}'}\n", "is a template", "fill it in"),
        ("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n", "is not applied", "kubectl kustomize"),
        (
            "apiVersion: sparkoperator.k8s.io/v1beta2\nkind: SparkApplication\nmetadata: {name: a}\n",
            "cannot exist before the operator",
            "--apps",
        ),
        ("apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: a}\n", "a SealedSecret", "without"),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {k: 'ENC[AES256_GCM,data:eA==]'}\n",
            "encrypted with sops",
            "sops --decrypt",
        ),
        (f"{QUOTA}---\n{QUOTA}", "both have the ResourceQuota team-a/limits", "keep one"),
        ("", "no manifest below", "end in"),
    ],
)
def test_what_cannot_be_applied_is_told(text: str, said: str, next_step: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UsageError) as told:
        manifests.read(tmp_path)
    assert said in told.value.message
    assert next_step in told.value.next_step


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_a_folder_that_is_none(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(QUOTA)
    with pytest.raises(UsageError, match="--before"):
        manifests.read(tmp_path / name)


def test_what_crds_serve_is_known_to_helm(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: as.example.com}\n"
        "spec:\n  group: example.com\n  names: {kind: A, plural: as}\n"
        "  versions: [{name: v1, served: true}, {name: v1beta1, served: false}]\n"
    )
    assert manifests.kinds(manifests.read(tmp_path)) == ["example.com/v1", "example.com/v1/A"]
