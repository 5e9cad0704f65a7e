# SPDX-License-Identifier: Apache-2.0
"""An install is taken back completely, and what prevents that is an error of the cluster.

Helm is a stand-in; requests go to a server over real HTTP.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_api_server import Answer, api_server

from harness.errors import ClusterError
from harness.releases.undo import undo

HELM = """#!/bin/sh
echo "$*" >> {folder}/words
[ "$1" = version ] && {{ echo v3.19.0; exit 0; }}
{does}
"""
NAMESPACE = "/api/v1/namespaces/spark-operator"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OWN, OTHER = "sparkapplications.sparkoperator.k8s.io", "leases.example.com"
OBJECTS = {"customresourcedefinitions": [{"metadata": {"name": OWN}}, {"metadata": {"name": OTHER}}]}


def run(folder: Path, answers: dict[str, Answer], *, does: str = "exit 0") -> list[Any]:
    """What was deleted."""
    helm = folder / "helm"
    helm.write_text(HELM.format(folder=folder, does=does))
    helm.chmod(0o755)
    changed: list[Any] = []
    with api_server(folder, OBJECTS, answers, changed) as cluster:
        undo(cluster, helm=helm, name="spark-operator", namespace="spark-operator")
    return changed


def test_release_crds_and_namespace_go(tmp_path: Path) -> None:
    gone: Answer = (404, "{}")
    changed = run(tmp_path, {"spark-operator": gone, OWN: gone})

    assert changed == [(f"{CRDS}/{OWN}", "deleted"), (NAMESPACE, "deleted")]
    assert "uninstall spark-operator" in (tmp_path / "words").read_text()


def test_a_release_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    gone: Answer = (404, "{}")
    does = 'echo "Error: uninstall: Release not loaded: spark-operator: release: not found" >&2; exit 1'

    assert run(tmp_path, {"spark-operator": gone, OWN: gone}, does=does)[-1] == (NAMESPACE, "deleted")


@pytest.mark.parametrize("does", ['echo "Error: it cannot be uninstalled" >&2; exit 1', "exit 0"])
def test_what_cannot_be_removed_is_an_error_of_the_cluster(does: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="what was begun of the release spark-operator on fake"):
        run(tmp_path, {"customresourcedefinitions": (500, "{}")}, does=does)
