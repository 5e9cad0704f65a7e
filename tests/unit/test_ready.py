# SPDX-License-Identifier: Apache-2.0
"""When a new cluster can be used: how its Services are asked, by either family of addresses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from fake_api_server import api_server

from harness import process
from harness.providers import ready
from harness.waiting import Deadline

NODE = {
    "metadata": {"name": "node", "resourceVersion": "1"},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


@pytest.mark.parametrize(
    ("address", "url"), [("10.96.0.1", "https://10.96.0.1:443"), ("fd00:10:96::1", "https://[fd00:10:96::1]:443")]
)
def test_services_work_once_the_api_server_answers_on_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, url: str
) -> None:
    asked: list[Sequence[str]] = []

    def execute(node: str, argv: Sequence[str]) -> process.Completed:
        asked.append(argv)
        return process.Completed(argv=tuple(argv), returncode=0, stdout="ok", stderr="", seconds=0.1)

    monkeypatch.setattr(ready, "execute", execute)
    service = {"metadata": {"name": "kubernetes"}, "spec": {"clusterIP": address}}
    answers = {"default": (200, "{}"), "kubernetes": (200, json.dumps(service))}
    with api_server(tmp_path, {"nodes": [NODE]}, answers) as cluster:
        took = ready.wait_services(cluster, Deadline(seconds=20), ["kubectl"])

    assert [argv[argv.index("--server") + 1] for argv in asked] == [url]
    assert set(took) == {"node-ready", "services-ready"}
