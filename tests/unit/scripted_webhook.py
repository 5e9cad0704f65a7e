# SPDX-License-Identifier: Apache-2.0
"""Webhooks that do what those of real releases do, read from the Go code of each tag and not from our own catalogue.

A fake, since releases up to 2.2.0 cannot be built here. internal/webhook/sparkapplication_defaulter.go up to 2.3.0,
api/v1beta2/defaults.go from 2.4.0 on; sparkapplication_validator.go and sparkconf_validator.go.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any

from operator_samples import RELEASE, deployment, operator, pod

from harness.matrix import catalogue
from harness.matrix.facts import Rule
from harness.matrix.release import Release
from harness.releases import admission_samples
from harness.releases.operator_seen import ObservedOperator
from harness.releases.webhook import Attempt

CATALOGUE = catalogue.load()


def mutated(version: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec as the mutating webhook of a release leaves it."""
    made: dict[str, Any] = copy.deepcopy(dict(spec))
    number = tuple(map(int, version.split(".")))
    conf = made.get("sparkConf")
    dynamic = made.get("dynamicAllocation", {}).get("enabled", False)
    made.setdefault("mode", "cluster")
    made.setdefault("restartPolicy", {}).setdefault("type", "Never")
    if number < (2, 1, 0) or number >= (2, 4, 0):
        for role in ("driver", "executor"):
            for key, value in (("cores", 1), ("memory", "1g")):
                if f"spark.{role}.{key}" not in (conf or {}):
                    made[role].setdefault(key, value)
    asks = conf is not None if number < (2, 2, 0) else True
    if asks and not dynamic and not (conf or {}).get("spark.executor.instances"):
        made["executor"].setdefault("instances", 1)
    if number >= (2, 2, 0) and dynamic:
        made["dynamicAllocation"].setdefault("shuffleTrackingEnabled", True)
    return made


def refusal(version: str, app: Mapping[str, Any]) -> str:
    """Why the validating webhook of a release refuses an application; empty when it does not."""
    number, spec = tuple(map(int, version.split("."))), app["spec"]
    if number >= (2, 4, 0) and not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", app["metadata"]["name"]):
        return f'invalid SparkApplication name "{app["metadata"]["name"]}": a DNS-1035 label must consist of …'
    if "nodeSelector" in spec and ("nodeSelector" in spec["driver"] or "nodeSelector" in spec["executor"]):
        return "node selector cannot be defined at both SparkApplication and Driver/Executor"
    conf = spec.get("sparkConf") or {}
    if number >= (2, 5, 2) and "spark.master" in conf:
        return 'sparkConf key "spark.master" is not allowed: this value is managed by the operator'
    if number >= (2, 5, 2) and conf.get("spark.kubernetes.namespace", "") not in ("", app["metadata"]["namespace"]):
        return 'sparkConf key "spark.kubernetes.namespace" is not allowed: must equal the application namespace'
    return ""


def asked(version: str, app: Mapping[str, Any], *, unknown: Iterable[str] = ()) -> Attempt:
    """A dry run; the CRD in the cluster does not know the fields `unknown` of spec, which the API server drops."""
    refused = refusal(version, app)
    if refused:
        return Attempt(status=403, message=f"admission webhook denied the request: {refused}", result={})
    spec = mutated(version, app["spec"])
    for field in unknown:
        *above, last = field.split(".")
        below: Any = spec
        for step in above:
            below = below.get(step, {})
        below.pop(last, None)
    return Attempt(status=0, message="", result={**app, "spec": spec})


def release(version: str) -> Release:
    """A release of the catalogue, with so few CRDs and metrics that a healthy operator can have them all."""
    real = CATALOGUE.release(version)
    return real.model_copy(update={"crds": RELEASE.crds, "metrics": RELEASE.metrics})


def serving(
    installed: str, *, others: Iterable[str] = (), webhook: str = "", unknown: Iterable[str] = (), **changes: Any
) -> ObservedOperator:
    """An operator of which a release is `installed`, seen as `observe` sees it.

    `webhook` is the release whose webhook answers, where that is one of the `others`: its pods are the older ones, and
    those of the newest ReplicaSet do not get ready.
    """
    answers = webhook or installed
    releases = [release(it) for it in (installed, *others)]
    rules: dict[str, Rule] = {rule.name: rule for it in releases for rule in it.rules}
    pods = [pod(part, image=releases[0].image, ready=answers == installed) for part in ("controller", "webhook")]
    if answers != installed:
        image = release(answers).image
        pods += [
            pod(part, replica_set=f"spark-operator-{part}-old", name=f"spark-operator-{part}-old-1", image=image)
            for part in ("controller", "webhook")
        ]
    given: dict[str, Any] = {
        "release": releases[0],
        "others": tuple(releases[1:]),
        "pods": tuple(pods),
        "deployments": (deployment("controller"), deployment("webhook")),
        "sample_attempts": {
            shape: asked(answers, admission_samples.sample("ns", shape=shape), unknown=unknown)
            for shape in admission_samples.SHAPES
        },
        "rule_attempts": tuple(
            (rule, asked(answers, admission_samples.breaking(rule, "ns"), unknown=unknown)) for rule in rules.values()
        ),
    }
    return operator(**{**given, **changes})
