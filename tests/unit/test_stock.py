# SPDX-License-Identifier: Apache-2.0
"""What Helm keeps of a release that another way has gone over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from fake_kube import fake_kube

from harness.upgrades import stock


def test_helms_records_are_those_of_the_release() -> None:
    with fake_kube() as kube:
        for name, owner in (("sh.helm.release.v1.op.v1", "helm"), ("op-webhook-certs", "operator")):
            labels = {"owner": owner, "name": "op"}
            kube.put("secrets", {"metadata": {"name": name, "namespace": "ns", "labels": labels}})
        cluster = cast(Any, SimpleNamespace(api_client=lambda: kube.api))
        assert stock.records_of_helm(cluster, "op", "ns") == ("Secret/ns/sh.helm.release.v1.op.v1",)
