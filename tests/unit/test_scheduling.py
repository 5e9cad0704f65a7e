# SPDX-License-Identifier: Apache-2.0
"""Nodes that all pods of a release can be scheduled on: their labels, their number, and what cannot be met."""

from __future__ import annotations

from typing import Any

import pytest

from harness.releases import node_labels, scheduling

MACHINE = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def deployment(part: str, replicas: int = 1, **pod: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": part}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {"kind": "Deployment", "metadata": {"labels": labels}, "spec": {"replicas": replicas, "template": template}}


def node_affinity(*terms: list[dict[str, Any]]) -> dict[str, Any]:
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": it} for it in terms]}}}


def apart_from(part: str) -> dict[str, Any]:
    selector = {"matchLabels": {"app.kubernetes.io/component": part}}
    return {"podAntiAffinity": {REQUIRED: [{"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}]}}


def labels(*deployments: dict[str, Any]) -> list[dict[str, str | None]]:
    nodes, unmet = scheduling.nodes_for(deployments, MACHINE)
    assert not unmet
    return [node_labels.labels(it.demand, number) for number, it in enumerate(nodes, 1)]


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("pod", "asked"),
    [
        ({}, {}),
        ({"nodeSelector": {"pool": "system"}}, {"pool": "system"}),
        ({"nodeSelector": {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}}, {}),
        ({"affinity": node_affinity([expression("pool", "In", "a", "b")])}, {"pool": "a"}),
        (
            {"affinity": node_affinity([expression("pool", "In", "a", "b"), expression("pool", "NotIn", "a")])},
            {"pool": "b"},
        ),
        ({"affinity": node_affinity([expression("gpu", "DoesNotExist")])}, {"gpu": None}),
        ({"affinity": node_affinity([expression("generation", "Gt", "4")])}, {"generation": "5"}),
        ({"affinity": node_affinity([expression("pool", "Exists")])}, {"pool": "run-1"}),
        (
            {
                "affinity": node_affinity(
                    [expression("kubernetes.io/arch", "In", "arm64")], [expression("x", "In", "y")]
                )
            },
            {"x": "y"},
        ),
        (
            {"topologySpreadConstraints": [{"topologyKey": "topology.kubernetes.io/zone"}]},
            {"topology.kubernetes.io/zone": "run-1"},
        ),
        (
            {"topologySpreadConstraints": [{"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]},
            {},
        ),
    ],
)
def test_one_node_has_the_labels_that_the_pods_demand(pod: dict[str, Any], asked: dict[str, str | None]) -> None:
    assert labels(deployment("controller", **pod)) == [asked]


def test_two_pools_are_two_nodes_and_one_pool_is_one() -> None:
    same = labels(
        deployment("controller", nodeSelector={"pool": "a"}), deployment("webhook", nodeSelector={"zone": "z"})
    )
    assert same == [{"pool": "a", "zone": "z"}]
    other = labels(
        deployment("controller", nodeSelector={"pool": "a"}), deployment("webhook", nodeSelector={"pool": "b"})
    )
    assert other == [{"pool": "a"}, {"pool": "b"}]


def test_replicas_that_keep_apart_get_a_node_each() -> None:
    controller = deployment("controller", 2, affinity=apart_from("controller"), nodeSelector={"pool": "a"})
    assert labels(controller, deployment("webhook")) == [{"pool": "a"}, {"pool": "a"}]


@pytest.mark.parametrize("which", ["controller", "webhook"])
def test_deployments_that_keep_apart_get_a_node_each_whichever_says_so(which: str) -> None:
    other = {"controller": "webhook", "webhook": "controller"}[which]
    both = {which: deployment(which, affinity=apart_from(other)), other: deployment(other)}
    assert len(labels(both["controller"], both["webhook"])) == 2


@pytest.mark.parametrize(
    ("replicas", "pod", "value", "what"),
    [
        (1, {"nodeSelector": {"kubernetes.io/arch": "arm64"}}, "nodeSelector", "kubernetes.io/arch=arm64"),
        (1, {"nodeSelector": {"kubernetes.io/hostname": "node-7"}}, "nodeSelector", "kubernetes.io/hostname=node-7"),
        (4, {"affinity": apart_from("controller")}, "affinity", "4 nodes, one for each replica"),
        (
            1,
            {"affinity": node_affinity([expression("pool", "In", "a"), expression("pool", "DoesNotExist")])},
            "affinity",
            "contradict each other",
        ),
    ],
)
def test_what_no_node_of_a_run_can_be_is_named(replicas: int, pod: dict[str, Any], value: str, what: str) -> None:
    _, unmet = scheduling.nodes_for([deployment("controller", replicas, **pod)], MACHINE)
    assert [it.value for it in unmet] == [value]
    assert what in unmet[0].what


def test_an_affinity_to_other_pods_than_the_releases_own_is_named() -> None:
    affinity = apart_from("cache")["podAntiAffinity"]
    near = deployment("controller", affinity={"podAffinity": affinity})
    assert [it for it, _ in scheduling.foreign_pods([near])] == ["controller"]
    own = deployment("controller", affinity={"podAffinity": apart_from("webhook")["podAntiAffinity"]})
    assert not list(scheduling.foreign_pods([own, deployment("webhook")]))
