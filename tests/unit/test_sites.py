# SPDX-License-Identifier: Apache-2.0
"""Snapshots of what operators and their tools write in their own ways, which is not always what a schema suggests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from site_samples import application, deployment, objects, production

from harness import cli
from harness.sites import folder
from harness.sites.model import Site


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBECONFIG", raising=False)


def taken(tmp_path: Path, **listed: Any) -> tuple[Site, Path]:
    target = tmp_path / "site"
    with production(tmp_path, objects(**listed)) as cluster:
        assert cli.main(["snapshot", "--kubeconfig", str(cluster.kubeconfig), "-o", str(target)]) == 0
    return folder.read(target), target


def test_a_time_that_has_not_come_is_null_in_a_running_application(tmp_path: Path) -> None:
    """The operator's times are no pointers, so that `omitempty` keeps them (api/v1beta2, nullable in the CRD)."""
    running = application("runs")
    running["status"] = {
        "applicationState": {"state": "RUNNING"},
        "lastSubmissionAttemptTime": "2026-11-30T06:00:00Z",
        "terminationTime": None,
    }
    _, target = taken(tmp_path, sparkapplications=[running])
    (kept,) = folder.stored(target, "SparkApplication")
    assert kept["status"] == {"state": "RUNNING"}


def test_all_namespaces_are_no_namespace(tmp_path: Path) -> None:
    controller = deployment("controller")
    controller["spec"]["template"]["spec"]["containers"][0]["args"][2] = '--namespaces=""'
    site, _ = taken(tmp_path, deployments=[controller], secrets=[])
    assert [it.name for it in site.namespaces] == ["etl", "spark"]
