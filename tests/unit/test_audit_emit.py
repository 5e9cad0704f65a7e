# SPDX-License-Identifier: Apache-2.0
"""What is printed for Renovate and Kyverno speaks of every former name and of no right one."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from harness import cli
from harness.audit import docs, emit
from harness.audit.homes import Homes
from harness.matrix import catalogue

GHCR = "ghcr.io/kubeflow/spark-operator/controller"


@pytest.fixture(scope="module")
def homes() -> Homes:
    return Homes(catalogue.load().releases)


def emitted(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["audit", "docs", "--emit", name]) == 0
    return capsys.readouterr().out


def test_renovate_replaces_former_names_by_the_newest_release(homes: Homes, capsys: pytest.CaptureFixture[str]) -> None:
    images, chart = json.loads(emitted("renovate", capsys))["packageRules"]
    assert {"docker.io/kubeflow/spark-operator", "kubeflow/spark-operator"} <= set(images["matchPackageNames"])
    assert GHCR not in images["matchPackageNames"]
    newest = homes.current("operator").versions[-1]
    assert (images["replacementName"], images["replacementVersion"]) == (GHCR, newest)
    assert chart["matchDatasources"] == ["helm"]
    patterns = [re.compile(it.removeprefix("/").removesuffix("/i"), re.I) for it in chart["matchRegistryUrls"]]
    former = "https://googlecloudplatform.github.io/spark-on-k8s-operator"
    for address, is_gone in ((former, True), (f"{former}/", True), ("https://charts.example.com/spark", False)):
        assert any(it.search(address) for it in patterns) is is_gone
    assert chart["registryUrls"] == ["https://kubeflow.github.io/spark-operator"]


@pytest.mark.parametrize(
    ("image", "passes"),
    [
        (f"{GHCR}:2.5.2", True),
        ("ghcr.io/kubeflow/spark-operator/kubectl:2.5.2", True),
        ("docker.io/apache/spark:4.0.4", True),
        ("harbor.example.com/docker.io/kubeflow/spark-operator:2.1.1", True),
        ("docker.io/kubeflow/spark-operator:2.1.1", False),
        ("docker.io/kubeflow/spark-operator", False),
        ("kubeflow/spark-operator:latest", False),
        (f"index.docker.io/kubeflow/spark-operator@sha256:{'1' * 64}", False),
        ("ghcr.io/kubeflow/spark-operator:v1beta2-1.4.3-3.5.0", False),
        ("gcr.io/spark-operator/spark-operator:latest", False),
    ],
)
def test_kyverno_reports_former_names_only(
    image: str, passes: bool, homes: Homes, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = yaml.safe_load(emitted("kyverno", capsys))
    (rule,) = policy["spec"]["rules"]
    spec = rule["validate"]["pattern"]["spec"]
    assert rule["validate"]["failureAction"] == "Audit"
    assert spec["containers"] == spec["=(initContainers)"] == spec["=(ephemeralContainers)"]
    # As pkg/engine/pattern of Kyverno: all that is between & must hold, ! turns a wildcard around.
    conditions = [it.strip() for it in spec["containers"][0]["image"].split("&")]
    assert all(re.fullmatch(r"![\w./-]+(?:[:@]\*)?", it) for it in conditions)
    assert all(not fnmatchcase(image, it[1:]) for it in conditions) is passes


def test_what_is_printed_is_no_finding_itself(homes: Homes, tmp_path: Path) -> None:
    (tmp_path / "renovate.json").write_text(emit.renovate(homes))
    (tmp_path / "policy.yaml").write_text(emit.kyverno(homes))
    assert [str(it) for it in docs.audit(tmp_path, homes).findings] == []


def test_a_folder_is_needed_for_everything_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit", "docs"]) == 2
    assert "give a folder or a file" in capsys.readouterr().err
