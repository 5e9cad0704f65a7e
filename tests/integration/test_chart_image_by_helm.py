# SPDX-License-Identifier: Apache-2.0
"""What values ask for is what Helm renders with the real chart."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import libyaml
from harness.foundry import operator
from harness.foundry.store import Store
from harness.matrix import catalogue
from harness.releases import chart_image

RELEASE = catalogue.load().release("2.5.2")


@pytest.mark.parametrize(
    "image",
    [
        {},
        {"tag": "v2.5.2"},
        {"tag": ""},
        {"tag": 2.5},
        {"tag": 20240115},
        {"tag": 12e4},
        {"tag": 0},
        {"tag": True},
        {"registry": ""},
        {"repository": None, "tag": None},
        {"registry": "docker.io"},
        {"repository": "docker.io/kubeflow/spark-operator", "tag": "v1beta2-1.6.2-3.5.0"},
        {"registry": "ghcr.io/kubeflow", "repository": "spark-operator/controller"},
    ],
    ids=str,
)
def test_the_chart_renders_what_is_said_of_its_values(image: dict[str, Any], store: Store, helm_binary: Path) -> None:
    values = {"image": image, "hook": {"upgradeCrd": True, "image": image}}
    rendered = subprocess.run(
        [helm_binary, "template", "op", operator.chart(store, RELEASE.version), "--values", "-"],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    objects = [it for it in yaml.load_all(rendered, Loader=libyaml.Loader) if it]
    pods = {it["kind"]: it["spec"]["template"]["spec"] for it in objects if it["kind"] in ("Deployment", "Job")}

    version = RELEASE.version
    own = {"registry": RELEASE.registry, "repository": RELEASE.repository, "version": version}
    of_hook = {"registry": RELEASE.hook_registry, "repository": RELEASE.hook_repository, "version": version}
    assert pods["Deployment"]["containers"][0]["image"] == chart_image.rendered(values, "image", **own).text
    assert pods["Job"]["containers"][0]["image"] == chart_image.rendered(values, "hook.image", **of_hook).text
