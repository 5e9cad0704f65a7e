# SPDX-License-Identifier: Apache-2.0
"""What of kube-system is adjusted, as requests to a server over real HTTP. Real clusters come with every kind cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_api_server import api_server

from harness.errors import ApiError
from harness.providers import addons


def proxy(requests: dict[str, str] | None) -> dict[str, Any]:
    resources = {} if requests is None else {"requests": requests}
    return {
        "metadata": {"name": "kube-proxy-x"},
        "spec": {"containers": [{"name": "kube-proxy", "resources": resources}]},
    }


@pytest.mark.parametrize(
    "pods", [[], [proxy(None)], [proxy({"memory": "10Mi"})], [proxy({"cpu": "100m"}), proxy(None)]]
)
def test_kube_proxy_is_given_a_share_where_it_has_none(tmp_path: Path, pods: list[Any]) -> None:
    changed: list[Any] = []
    with api_server(tmp_path, {"pods": [proxy(it) for it in pods]}, changed=changed) as cluster:
        addons.give_kube_proxy_a_share(cluster)

    ((path, change),) = changed
    assert path == "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy"
    (container,) = change["spec"]["template"]["spec"]["containers"]
    assert container == {"name": "kube-proxy", "resources": {"requests": {"cpu": "100m"}}}


def test_kube_proxy_that_has_its_share_already_is_not_started_again(tmp_path: Path) -> None:
    changed: list[Any] = []
    with api_server(tmp_path, {"pods": [proxy({"cpu": "100m"})]}, changed=changed) as cluster:
        addons.expect_kube_proxy(cluster)
        addons.give_kube_proxy_a_share(cluster)

    assert changed == []


@pytest.mark.parametrize(("status", "raises"), [(409, False), (404, True), (503, True)])
def test_only_a_limit_range_that_is_there_already_is_no_trouble(tmp_path: Path, status: int, raises: bool) -> None:
    with api_server(tmp_path, {}, {"limitranges": (status, "{}")}) as cluster:
        if raises:
            with pytest.raises(ApiError):
                addons.expect_kube_proxy(cluster)
        else:
            addons.expect_kube_proxy(cluster)


def test_names_start_on_a_cordoned_node_and_are_asked_for_every_second(tmp_path: Path) -> None:
    changed: list[Any] = []
    with api_server(tmp_path, {}, changed=changed) as cluster:
        addons.start_names_on_a_cordoned_node(cluster)

    ((path, change),) = changed
    assert path == "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
    assert change["spec"]["replicas"] == 1
    template = change["spec"]["template"]["spec"]
    assert {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"} in template["tolerations"]
    assert template["containers"] == [{"name": "coredns", "readinessProbe": {"periodSeconds": 1}}]
