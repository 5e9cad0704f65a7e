# SPDX-License-Identifier: Apache-2.0
"""What Helm prints of a release is no values file, and is refused with the command that prints the values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.advice import manifests
from harness.errors import UsageError
from harness.releases.values import load_values

ROW = {"name": "op", "namespace": "etl", "status": "deployed", "chart": "spark-operator-2.2.1", "app_version": "2.2.1"}
REVISION = {"revision": 3, "status": "deployed", "chart": "spark-operator-2.2.1", "app_version": "2.2.1"}
METADATA = {**REVISION, "name": "op", "namespace": "etl", "chart": "spark-operator", "version": "2.2.1"}
STATUS = {"name": "op", "info": {"status": "deployed"}, "config": {"image": {"tag": "2.2.1"}}, "manifest": "---"}
HEAD = "NAME: op\nLAST DEPLOYED: Mon Jan  5 10:00:00 2026\nNAMESPACE: etl\nSTATUS: deployed\nREVISION: 3\n"
VALUES = "USER-SUPPLIED VALUES:\nimage: {tag: 2.2.1}\n\nCOMPUTED VALUES:\nimage: {tag: 2.2.1}\nHOOKS:\nMANIFEST:\n---\n"
RENDERED = "---\n# Source: spark-operator/templates/a.yaml\napiVersion: v1\nkind: ServiceAccount\n---\nkind: Service\n"


@pytest.mark.parametrize(
    ("text", "command", "release"),
    [
        (json.dumps([ROW]), "list", "op --namespace etl"),
        (json.dumps([ROW, {**ROW, "name": "kafka", "chart": "kafka-1.0.0"}]), "list", "op --namespace etl"),
        (json.dumps([ROW, {**ROW, "name": "other"}]), "list", "RELEASE --namespace NAMESPACE"),
        ("NAME\tNAMESPACE\tREVISION\nop\tetl\t3\tdeployed\tspark-operator-2.2.1\n", "list", "op --namespace etl"),
        (json.dumps([REVISION]), "history", "RELEASE --namespace NAMESPACE"),
        ("REVISION\tUPDATED\tSTATUS\tCHART\n3\tx\tdeployed\ty\n", "history", "RELEASE --namespace NAMESPACE"),
        (json.dumps(METADATA), "get metadata", "op --namespace etl"),
        (json.dumps({**STATUS, "namespace": "etl"}), "status", "op --namespace etl"),
        (HEAD, "status", "op --namespace etl"),
        (HEAD + VALUES, "get all", "op --namespace etl"),
        (RENDERED, "get manifest", "RELEASE --namespace NAMESPACE"),
    ],
)
def test_what_helm_prints_of_a_release_is_refused(text: str, command: str, release: str, tmp_path: Path) -> None:
    file = tmp_path / "printed"
    file.write_text(text)
    for read in (load_values, manifests.read):
        with pytest.raises(UsageError, match=f"is what `helm {command}` prints") as refused:
            read(file)
        assert f"`helm get values {release} --output yaml > values.yaml`" in refused.value.next_step


@pytest.mark.parametrize(
    "text",
    [
        "image: {tag: a}\nname: a\ninfo: b\nmanifest: c\n",
        "USER-SUPPLIED VALUES:\nimage: {tag: a}\n",
        "# Source: spark-operator/templates/a.yaml\nimage: {tag: a}\n",
        "nameOverride: op\ncontroller: {replicas: 2}\n",
    ],
)
def test_values_are_none_of_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(text)
    assert load_values(file)
