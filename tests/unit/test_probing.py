# SPDX-License-Identifier: Apache-2.0
"""Pods that run and are not ready have the kubelet look again; no others are touched.

The API server is a stand-in; what a kubelet does with the change shows in how soon real installs are ready.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_kube import FakeKube, fake_kube

from harness import waiting
from harness.kube.api import listed
from harness.kube.cluster import Cluster
from harness.matrix.model import Environment
from harness.releases import probing

LABELS = {"app.kubernetes.io/instance": "spark-operator"}
SELECTOR = "app.kubernetes.io/instance=spark-operator"


def pod(name: str, state: str, *, ready: bool, labels: dict[str, str] = LABELS) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "spark-operator", "uid": name, "labels": labels},
        "spec": {"containers": [{"name": "main", "image": "operator"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "main", "ready": ready, "state": {state: {}}}],
        },
    }


def cluster_of(kube: FakeKube, folder: Path) -> Cluster:
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(kube.kubeconfig("here")))
    environment = Environment(name="kind-1.34", provider="kind", kubernetes="1.34.4")
    return Cluster(name="c", environment=environment, kubeconfig=kubeconfig, nodes=())


def annotation(kube: FakeKube, name: str) -> str:
    metadata = kube.stored["pods"][f"spark-operator/{name}"]["metadata"]
    return str((metadata.get("annotations") or {}).get(probing.ANNOTATION, ""))


def test_only_pods_that_run_and_are_not_ready_are_probed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_SECONDS", 0.01)
    with fake_kube() as kube:
        kube.put("pods", pod("late", "running", ready=False))
        kube.put("pods", pod("ready", "running", ready=True))
        kube.put("pods", pod("starting", "waiting", ready=False))
        kube.put("pods", pod("another", "running", ready=False, labels={"app": "another"}))
        with probing.hastened(cluster_of(kube, tmp_path), "spark-operator", SELECTOR):
            waiting.until(lambda: annotation(kube, "late") == str(probing._LIMIT), what="the last probe", timeout=60)
        assert not any(annotation(kube, it) for it in ("ready", "starting", "another"))


def test_an_api_server_that_is_away_is_left_to_whoever_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_SECONDS", 0.01)
    with fake_kube() as kube:
        cluster = cluster_of(kube, tmp_path)
    asked = threading.Event()

    def asking(*call: Any, **options: Any) -> Any:
        asked.set()
        return listed(*call, **options)

    monkeypatch.setattr(probing, "listed", asking)
    # An exception that ends a thread fails the test.
    with probing.hastened(cluster, "spark-operator", SELECTOR):
        assert asked.wait(20)
