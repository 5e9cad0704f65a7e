# SPDX-License-Identifier: Apache-2.0
"""Plans of what to copy between registries."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError, UsageError
from harness.foundry import spark
from harness.images.references import ImageReference
from harness.matrix import catalogue
from harness.releases.copy_plan import Plan, read


def plan_of(tmp_path: Path, text: str) -> Plan:
    file = tmp_path / "plan.toml"
    file.write_text(text)
    return read(file, catalogue.load().release, spark.reference)


def test_a_release_is_operator_hook_chart_and_spark_below_one_path(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, '[[release]]\nversion = "2.5.2"\nto = "harbor.example.com/mirror/"\n')

    assert plan.left_out == ()
    assert dict(plan.images) == {
        "ghcr.io/kubeflow/spark-operator/controller:2.5.2": (
            "harbor.example.com/mirror/kubeflow/spark-operator/controller:2.5.2"
        ),
        "ghcr.io/kubeflow/spark-operator/kubectl:2.5.2": (
            "harbor.example.com/mirror/kubeflow/spark-operator/kubectl:2.5.2"
        ),
        "ghcr.io/kubeflow/helm-charts/spark-operator:2.5.2": (
            "harbor.example.com/mirror/kubeflow/helm-charts/spark-operator:2.5.2"
        ),
        "docker.io/apache/spark:4.0.4": "harbor.example.com/mirror/apache/spark:4.0.4",
    }


@pytest.mark.parametrize("version", [it.version for it in catalogue.load().releases])
def test_every_release_can_be_planned_and_what_no_registry_has_is_said(tmp_path: Path, version: str) -> None:
    release = catalogue.load().release(version)

    plan = plan_of(tmp_path, f'[[release]]\nversion = "{version}"\nto = "localhost:5000"\n')

    assert all(ImageReference.parse(name).tag for pair in plan.images for name in pair)
    assert release.image in dict(plan.images)
    assert (release.hook_image in dict(plan.images)) == bool(release.hook_image)
    assert [release.chart_repository in it for it in plan.left_out] == ([] if release.chart_oci else [True])


def test_parts_and_further_images_are_taken_once(tmp_path: Path) -> None:
    release = '[[release]]\nversion = "2.1.1"\nto = "localhost:5000"\nparts = ["operator"]\n'

    plan = plan_of(tmp_path, f'{release}{release}[[image]]\nsrc = "busybox:1"\ndst = "localhost:5000/busybox"\n')

    assert plan.left_out == ()
    assert plan.images == (
        ("docker.io/kubeflow/spark-operator:2.1.1", "localhost:5000/kubeflow/spark-operator:2.1.1"),
        ("busybox:1", "localhost:5000/busybox"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names nothing"),
        ('[[release]]\nversion = "2.5.2"\n', "to"),
        ('[[release]]\nversion = "9.9.9"\nto = "a.b/c"\n', "plan.toml, line 2: key version: there is no release named"),
        ('[[release]]\nversion = "2.5.2"\nto = "https://a.b/c"\n', "plan.toml, line 3: key to: 'https://a.b/c' is not"),
        ('[[release]]\nversion = "2.5.2"\nto = "a.b/my c"\n', "line 3: key to: 'a.b/my c/kubeflow/"),
        ('[[release]]\nversion = "2.5.2"\nto = "a.b/c:1"\n', "line 3: key to: 'a.b/c:1/kubeflow/"),
        ('[[release]]\nversion = "2.5.2"\nto = "mirror"\n', "key to: 'mirror' does not begin with the host"),
        ('[[release]]\nversion = "2.5.2"\nto = "/"\n', "key to: '/' does not begin with the host"),
        ('[[image]]\nsrc = "A:1"\ndst = "a.b/c"\n', "plan.toml, line 2: key src: 'A:1' is not an image reference"),
        ('[[image]]\nsrc = "a:1"\ndst = "oci://a.b/c"\n', "line 3: key dst: 'oci://a.b/c' is not an image reference"),
        ('[[release]]\nversion = "2.5.2"\nto = "a.b/c"\nparts = ["webhook"]\n', "parts"),
        ("[[images]]\n", "images"),
    ],
)
def test_a_wrong_plan_is_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as told:
        plan_of(tmp_path, text)
    assert said in str(told.value)


IMAGE = '[[image]]\nsrc = "{}"\ndst = "{}"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (IMAGE.format("a.b/c:1", "a.b/c:1"), "line 3: key dst: a.b/c:1 is the image itself"),
        (IMAGE.format("spark:1", "docker.io/library/spark"), "line 3: key dst: docker.io/library/spark is the image"),
        (
            IMAGE.format("a.b/c:1", "a.b/z:1") + IMAGE.format("a.b/d:1", "a.b/z"),
            "line 6: key dst: a.b/z:1 is the destination of a.b/c:1 already",
        ),
        (
            '[[release]]\nversion = "2.5.2"\nto = "ghcr.io"\nparts = ["operator"]\n',
            "line 3: key to: ghcr.io/kubeflow/spark-operator/controller:2.5.2 is the image itself",
        ),
        ('[[release]]\nversion = "2.5.2"\nto = "a.b"\nparts = []\n', "line 4: key parts"),
    ],
)
def test_a_plan_that_copies_nothing_or_two_images_to_one_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(HarnessError) as refused:
        plan_of(tmp_path, text)
    assert refused.value.exit_status == 2
    assert said in refused.value.message
