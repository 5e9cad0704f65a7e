# SPDX-License-Identifier: Apache-2.0
"""The Deployments that values stand for, without Helm, as far as the chart's templates pass values on as they are.

Pure: from values over those of the chart (templates/controller/deployment.yaml, templates/webhook/deployment.yaml).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.releases.values import at

Values = Mapping[str, Any]

_OF_POD = ("affinity", "nodeSelector", "priorityClassName", "tolerations", "volumes", "topologySpreadConstraints")
_OF_CONTAINER = ("env", "envFrom", "resources", "securityContext", "volumeMounts")
_OF_SPEC = ("replicas", "revisionHistoryLimit")
_ALL = (*_OF_POD, *_OF_CONTAINER, *_OF_SPEC, "podSecurityContext", "sidecars")


def deployments(users: Values, used: Values) -> Iterator[dict[str, Any]]:
    """A Deployment of each part for which the `users` values set something that is passed on; `used` are all values.

    Nothing of a part that is switched off.
    """
    for part in ("controller", "webhook"):
        if any(at(users, f"{part}.{key}") is not None for key in _ALL) and at(used, f"{part}.enable") is not False:
            yield _deployment(part, at(used, part))


def _deployment(part: str, given: Values) -> dict[str, Any]:
    sidecars = given.get("sidecars")
    containers = [
        {"name": f"spark-operator-{part}", "image": "operator", **_some(given, _OF_CONTAINER)},
        *(sidecars if isinstance(sidecars, list) else ()),
    ]
    pod = {"containers": containers, **_some(given, _OF_POD)}
    if given.get("podSecurityContext"):
        pod["securityContext"] = given["podSecurityContext"]
    labels = {"app.kubernetes.io/component": part}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": part, "labels": labels},
        "spec": {
            **{key: _number(it) for key, it in _some(given, _OF_SPEC).items()},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _some(given: Values, keys: Iterable[str]) -> dict[str, Any]:
    """What is passed on of these: a template leaves out what is empty."""
    return {key: given[key] for key in keys if given.get(key)}


def _number(value: object) -> object:
    """A number that a template writes without its quotes."""
    return int(value) if isinstance(value, str) and value.removeprefix("-").isdecimal() else value
