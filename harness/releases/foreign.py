# SPDX-License-Identifier: Apache-2.0
"""Kinds of other operators that values make the chart use: where the kind alone is enough, a run brings its CRD along.

A PodMonitor is read by the Prometheus operator, which no run has: that the release makes one is all there is to see.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from harness.errors import ApiError
from harness.kube import reading
from harness.kube.api import read
from harness.late import client
from harness.releases.values import at
from harness.waiting import until

_SWITCH = "prometheus.podMonitor.create"
_GROUP, _VERSION, _KIND, _PLURAL = "monitoring.coreos.com", "v1", "PodMonitor", "podmonitors"
_SECONDS = 15.0


def api_versions(values: Mapping[str, Any]) -> list[str]:
    """What Helm is to take for there when it renders with these values, as its `--api-versions` has it."""
    return [f"{_GROUP}/{_VERSION}/{_KIND}"] if at(values, _SWITCH) else []


def bring(api: client.ApiClient, values: Mapping[str, Any]) -> None:
    """Make the CRDs that these values need, and wait until they can be used. Raises ApiError, WaitTimeout."""
    if not at(values, _SWITCH):
        return
    calls: Any = client.ApiextensionsV1Api(api)
    wanted = definition()
    try:
        calls.create_custom_resource_definition(wanted)
    except ApiError as there:
        if there.status != HTTPStatus.CONFLICT:
            raise
    name = wanted["metadata"]["name"]
    until(
        lambda: reading.crd(read(calls.read_custom_resource_definition, name)).established,
        what=f"the CRD {name} to be established",
        timeout=_SECONDS,
        interval=0.1,
    )


def definition() -> dict[str, Any]:
    """A CRD of the kind that takes whatever is written: the real one belongs to the Prometheus operator."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": _VERSION, "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    names = {"kind": _KIND, "plural": _PLURAL, "singular": _KIND.lower(), "listKind": f"{_KIND}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{_PLURAL}.{_GROUP}"},
        "spec": {"group": _GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }
