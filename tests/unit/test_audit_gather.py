# SPDX-License-Identifier: Apache-2.0
"""Every image that an object names is found, and nothing else."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from harness.audit import gather, subjects
from harness.audit.homes import Homes
from harness.matrix import catalogue


def texts(document: str) -> list[str]:
    return [it.text for it in gather.of_objects(list(yaml.safe_load_all(dedent(document))), "a.yaml")]


def test_pods_of_any_workload() -> None:
    document = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: a}
        spec:
          template:
            spec:
              initContainers: [{name: i, image: init:1}]
              containers:
              - name: c
                image: main:1
                args: [--conf, spark.kubernetes.container.image=conf:1]
                env: [{name: RELATED_IMAGE_HOOK, value: related:1}, {name: OTHER, value: "no:1"}]
              volumes:
              - name: v
                image: {reference: volume:1}
              - name: r
                rbd: {image: a-block-device}
        ---
        apiVersion: batch/v1
        kind: CronJob
        spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: cron:1}]}}}}}
    """
    assert sorted(texts(document)) == ["conf:1", "cron:1", "init:1", "main:1", "related:1", "volume:1"]


def test_what_a_workflow_creates() -> None:
    document = """
        apiVersion: argoproj.io/v1alpha1
        kind: Workflow
        spec:
          templates:
          - name: pi
            resource:
              action: create
              manifest: |
                apiVersion: sparkoperator.k8s.io/v1beta2
                kind: SparkApplication
                spec: {image: "apache/spark:4.0.1", sparkConf: {spark.kubernetes.executor.container.image: own:1}}
          - name: whatever
            resource:
              action: create
              manifest: "apiVersion: batch/v1\\nkind: Job\\nspec: {image: {{inputs.parameters.image}}, a: {{b}}"
          - name: json
            resource: {manifest: '{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"image": "pod:1"}]}}'}
    """
    assert sorted(set(texts(document))) == ["apache/spark:4.0.1", "own:1", "pod:1"]


@pytest.mark.parametrize("kind", ["SparkApplication", "ScheduledSparkApplication", "SparkConnect"])
def test_the_operators_resources(kind: str) -> None:
    spec = {
        "image": "app:1",
        "sparkConf": {
            "spark.kubernetes.container.image": "both:1",
            "spark.kubernetes.driver.container.image": "driver-conf:1",
            "spark.kubernetes.executor.container.image": "executor-conf:1",
            "spark.kubernetes.container.image.pullPolicy": "Always",
        },
        "driver": {
            "image": "driver:1",
            "sidecars": [{"image": "sidecar:1"}],
            "initContainers": [{"image": "init:1"}],
            "template": {"spec": {"containers": [{"image": "template:1"}]}},
        },
        "executor": {"image": "executor:1"},
    }
    inner = {"template": spec} if kind.startswith("Scheduled") else spec
    found = gather.of_objects([{"kind": kind, "metadata": {"name": "a"}, "spec": inner}], "a.yaml")
    assert sorted(it.text for it in found) == sorted(
        [
            "app:1",
            "both:1",
            "driver-conf:1",
            "executor-conf:1",
            "driver:1",
            "sidecar:1",
            "init:1",
            "template:1",
            "executor:1",
        ]
    )
    assert all(it.where.startswith(f"a.yaml: {kind}/a spec.") for it in found)


def test_lists_config_maps_kustomizations_and_crds() -> None:
    document = """
        kind: List
        items:
        - kind: Pod
          spec: {containers: [{image: listed:1}]}
          status: {containerStatuses: [{image: status:1}]}
        ---
        kind: ConfigMap
        data:
          spark-defaults.conf: |
            spark.kubernetes.driver.container.image   defaults:1
            # spark.kubernetes.container.image.pullPolicy Always
          template.yaml: |
            kind: Pod
            spec: {containers: [{image: template:1}]}
          notes: "image: {broken"
        ---
        kind: Kustomization
        images: [{name: a, newName: kustomized, newTag: "1"}, {name: untouched}]
        ---
        kind: CustomResourceDefinition
        spec:
          versions:
          - schema:
              openAPIV3Schema:
                properties:
                  spec:
                    default: {image: object-default:1}
                    properties:
                      image: {type: string, default: default:1}
                      other: {properties: {image: {type: string}}}
    """
    assert sorted(texts(document)) == [
        "default:1", "defaults:1", "kustomized:1", "listed:1", "object-default:1", "template:1", "untouched",
    ]  # fmt: skip


def test_values_name_images_whole_and_in_parts() -> None:
    values = yaml.safe_load("""
        image: {registry: docker.io, tag: 2.5.2}
        hook: {image: {registry: ghcr.io, repository: a/hook}}
        controller: {sidecars: [{name: s, image: sidecar:1}]}
        source: {repository: https://example.com/charts}
        chart: {repository: a/b}
    """)
    found = gather.of_values(values, "v.yaml", Homes(catalogue.load().releases))
    assert {(it.text, it.partial) for it in found} == {
        ("docker.io/kubeflow/spark-operator/controller:2.5.2", False),
        ("ghcr.io/a/hook", True),
        ("sidecar:1", False),
    }


def test_a_file_that_is_no_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("kind: Pod\nspec: {containers: [{image: a:1}]}\n")
    (tmp_path / "bad.yaml").write_text("kind: Pod\nspec:\n  image: {A}/{B}/spark:1\n")
    (tmp_path / "plain.txt").write_text("image: not-a-manifest:1\n")
    mentions, problems = gather.of_folder(tmp_path, Homes(catalogue.load().releases))
    assert [it.text for it in mentions] == ["a:1"]
    assert [it.where for it in problems] == ["bad.yaml:3"]


def test_what_a_folder_of_manifests_has_beside_manifests_is_named_by_kind(tmp_path: Path) -> None:
    for name in ("a.yaml", "main.tf", "more.tf", "values.yaml.gotmpl", "justfile"):
        (tmp_path / name).write_text("image: a:1\n")
    (note,) = subjects.of_manifests([tmp_path], Homes(catalogue.load().releases)).notes
    assert note.startswith("not read, since they are not manifests: 2 .tf, 1 ")
    assert {"1 .gotmpl", "1 justfile"} <= set(note.partition(": ")[2].partition(";")[0].split(", "))
