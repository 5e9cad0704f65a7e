# SPDX-License-Identifier: Apache-2.0
"""What an application leaves in its namespace, and what is not its own. The API server is a fake over real HTTP."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fake_kube import FakeKube, fake_kube

from harness.apps import leftovers
from harness.verdicts import Verdict


def config_map(name: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "metadata": {"name": name, "namespace": "spark-pi"}}


def looked(kube: FakeKube, monkeypatch: pytest.MonkeyPatch, *later: str) -> Any:
    """The finding where these ConfigMaps come while the scenario runs."""
    monkeypatch.setattr(leftovers, "SECONDS", 0.5)
    monkeypatch.setattr(leftovers, "_remove_samples", lambda objects: None)
    ctx: Any = SimpleNamespace(api=lambda: kube.api, namespace="spark-pi")
    before = leftovers.there_before(ctx)
    for name in later:
        kube.put("configmaps", config_map(name))
    return leftovers.check_nothing_left(ctx, before=before)


def test_what_a_mesh_or_a_distribution_puts_into_each_namespace_is_nobodys_leftover(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with fake_kube() as kube:
        kube.put("configmaps", config_map("istio-ca-root-cert"))
        kube.put("configmaps", config_map("openshift-service-ca.crt"))
        found = looked(kube, monkeypatch)
    assert found.verdict is Verdict.PASSED, found.message


def test_what_came_with_an_application_and_stays_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_kube() as kube:
        kube.put("configmaps", config_map("istio-ca-root-cert"))
        found = looked(kube, monkeypatch, "spark-drv-1-conf-map")
    assert found.verdict is Verdict.FAILED
    assert found.evidence["left"] == ["ConfigMap/spark-drv-1-conf-map"]
