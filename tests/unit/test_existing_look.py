# SPDX-License-Identifier: Apache-2.0
"""What is seen of an existing cluster, from an API server that lists what a test gives it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fake_api_server import api_server

from harness.existing import look
from harness.kube.login import access


def node(name: str, memory: str, *, ready: str = "True", **spec: Any) -> dict[str, Any]:
    status = {"conditions": [{"type": "Ready", "status": ready}], "allocatable": {"memory": memory}}
    return {"metadata": {"name": name}, "spec": spec, "status": status}


def test_room_is_what_pods_can_have_on_the_nodes_that_take_them(tmp_path: Path) -> None:
    shut = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
    nodes = [
        node("control-plane", "8Gi", taints=shut),
        node("cordoned", "8Gi", unschedulable=True),
        node("away", "8Gi", ready="Unknown"),
        node("one", "3972Mi"),
        node("another", "2097152Ki"),
    ]
    version = (200, json.dumps({"gitVersion": "v1.34.4+k3s1"}))

    with api_server(tmp_path, {"nodes": nodes}, {"version": version}) as cluster:
        target = look.target(access(str(cluster.kubeconfig), ""))

    assert target.nodes == ("one", "another")
    assert target.memory_mib == 3972 + 2048
    assert (target.environment.kubernetes, target.environment.distribution) == ("1.34.4", "k3s")
