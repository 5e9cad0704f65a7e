# SPDX-License-Identifier: Apache-2.0
"""What is said of an application before anything runs."""

from __future__ import annotations

from pathlib import Path

from user_samples import PI, apps_of

from harness.apps import said_before
from harness.apps.places import places

_GIVEN = """\
  arguments: ['s3a://${BUCKET}/in']
  imagePullSecrets: [registry]
  volumes: [{name: nvme, hostPath: {path: /mnt/nvme, type: Directory}}, {name: tmp, hostPath: {path: /tmp/x}}]
  sparkConf:
    spark.kubernetes.driver.podTemplateFile: /templates/driver.yaml
    spark.kubernetes.executor.volumes.persistentVolumeClaim.data.options.storageClass: gp3
    spark.executor.resource.gpu.vendor: amd.com
    spark.hadoop.fs.s3a.endpoint: http://minio.production.svc:9000
"""
_DRIVER = (
    "driver: {schedulerName: yunikorn, gpu: {name: nvidia.com/gpu, quantity: 1}, envFrom: [{secretRef: {name: s}}]}"
)
_SECRET = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: '${PASSWORD}', b: hush}\n"


def said(folder: Path, text: str) -> list[str]:
    (place,) = places(apps_of(folder, etl=text))
    return list(said_before.lines(place, place.applications[0]))


def test_what_a_run_changes_and_may_not_have_is_said_before(tmp_path: Path) -> None:
    text = PI.replace("  uid: 0b5a\n", "").replace("  mode: cluster\n", _GIVEN)
    text = text.replace("driver: {cores: 1, serviceAccount: production}", _DRIVER)

    template, devices = (
        "the pod template /templates/driver.yaml",
        ("the device amd.com/gpu", "the device nvidia.com/gpu"),
    )
    lacking = ("/mnt/nvme of its node", template, "the storage class gp3", *devices)
    assert said(tmp_path / "whole", text + _SECRET) == [
        "runs without its driver.schedulerName yunikorn",
        "names minio.production.svc:9000, which no run has",
        "runs with ${BUCKET} in arguments, which nobody has filled in",
        "needs the Secret s with ${PASSWORD}, which nobody has filled in",
        f"uses {', '.join(lacking)}, which the cluster of a run may not have",
    ]
    assert "needs the Secret s, not found in the folder of --apps" in said(tmp_path / "without", text)


def test_a_claim_is_not_looked_for_in_the_folder(tmp_path: Path) -> None:
    claim = "  volumes: [{name: data, persistentVolumeClaim: {claimName: lake}}]\n"
    told = said(tmp_path, PI.replace("spec:\n", f"spec:\n{claim}"))
    assert "needs the PersistentVolumeClaim lake, and no run makes volumes" in told


def test_of_what_runs_as_it_is_nothing_is_said(tmp_path: Path) -> None:
    assert said(tmp_path, PI) == []


def test_a_name_that_newer_releases_refuse_is_said_before(tmp_path: Path) -> None:
    (told,) = said(tmp_path, PI.replace("name: etl", "name: etl.v2"))
    assert told.startswith("has a name that releases from 2.4.0 on refuse")
