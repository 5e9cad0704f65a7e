# SPDX-License-Identifier: Apache-2.0
"""SparkApplications for dry runs, and which values a release's webhook fills into each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from harness.matrix.facts import Rule
from harness.matrix.release import Release
from harness.releases.values import at, merge

BARE, CONFIGURED = "bare", "with a sparkConf"

SHAPES: Mapping[str, Mapping[str, Any]] = {
    BARE: {},
    CONFIGURED: {"sparkConf": {"spark.eventLog.enabled": "false"}},
    "with dynamic allocation": {"dynamicAllocation": {"enabled": True}},
}
"""What a SparkApplication that says as little as the CRD allows says besides: together they show each default of
charts/behaviour.toml where it is filled in, and where it is not. What the one key of sparkConf says is Spark's own
default."""


def sample(namespace: str, name: str = "harness-admission", *, shape: str = BARE) -> dict[str, Any]:
    """A valid SparkApplication of one of SHAPES."""
    return {
        "apiVersion": "sparkoperator.k8s.io/v1beta2",
        "kind": "SparkApplication",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "type": "Scala",
            "sparkVersion": "4.0.0",
            "image": "docker.io/apache/spark:4.0.0",
            "mainClass": "org.apache.spark.examples.SparkPi",
            "mainApplicationFile": "local:///opt/spark/examples/jars/spark-examples.jar",
            "driver": {},
            "executor": {},
            **copy.deepcopy(dict(SHAPES[shape])),
        },
    }


def breaking(rule: Rule, namespace: str) -> dict[str, Any]:
    """A SparkApplication that breaks a rule of the validating webhook, and is valid otherwise."""
    return merge(sample(namespace), rule.breaks)


def expected(release: Release, shape: str, known: Callable[[str], bool] = lambda field: True) -> dict[str, object]:
    """The fields of the catalogue that a sample leaves out, each with what it has after the webhook; None is nothing.

    `known` says of a field whether the CRD in the cluster has it: the API server drops what it does not know.
    """
    spec = sample("", shape=shape)["spec"]
    wanted: dict[str, object] = dict.fromkeys((*release.left_alone, *(it.field for it in release.defaults)))
    wanted |= {it.field: it.value for it in release.defaults if it.applies(spec) and known(it.field)}
    return {field: value for field, value in wanted.items() if at(spec, field) is None}


def unlike(wanted: Mapping[str, object], spec: Mapping[str, Any]) -> dict[str, object]:
    """The fields in which a spec is not what was wanted, with what it has there."""
    return {field: at(spec, field) for field, value in wanted.items() if at(spec, field) != value}
