# SPDX-License-Identifier: Apache-2.0
"""What is said of an application of --apps before anything runs: how its copy differs, and what it will not find."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.apps import moving, unfilled, users
from harness.apps.objects import APPLICATION
from harness.apps.places import Place
from harness.apps.users import UserManifest
from harness.kube.needs import fields

_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
"""What the operator's webhook takes (internal/webhook/sparkapplication_validator.go, 2.4.0 and newer)."""

_HAS_TO_BE_THERE = ("Directory", "File", "Socket", "CharDevice", "BlockDevice")
"""Types of a hostPath that the kubelet does not make (HostPathType in k8s.io/api/core/v1)."""

_POD_TEMPLATE = re.compile(r"spark\.kubernetes\.(?:driver|executor)\.podTemplateFile")
_STORAGE_CLASS = re.compile(r"storageClassName|spark\.kubernetes\..*\.options\.storageClass")
_VENDOR = re.compile(r"spark\.(?:driver|executor)\.resource\.(?P<kind>\w+)\.vendor")


def lines(place: Place, it: UserManifest) -> Iterator[str]:
    """What is said, a line each, without the application's own name."""
    _, left_out = users.ready(it, place.namespace, "")
    if left_out:
        yield f"runs without its {', '.join(left_out)}"
    if it.kind == APPLICATION.kind and not _DNS_1035.fullmatch(it.name):
        yield "has a name that releases from 2.4.0 on refuse: it is no DNS label of RFC 1035"
    if addresses := moving.homes(it.document):
        yield f"names {', '.join(addresses)}, which no run has"
    if gaps := it.gaps:
        yield f"runs with {', '.join(gaps)}, which nobody has filled in"
    for one in place.needed(it):
        if one.kind == users.SECRET and (gaps := unfilled.gaps_of_secret(one.document)):
            yield f"needs the Secret {one.name} with {', '.join(gaps)}, which nobody has filled in"
    if lacking := place.lacking(it):
        yield lacking
    if foreign := list(dict.fromkeys(_of_its_cluster(it.spec))):
        yield f"uses {', '.join(foreign)}, which the cluster of a run may not have"


def _of_its_cluster(spec: Mapping[str, Any]) -> Iterator[str]:
    """Devices, paths and classes of nodes, and pod templates, which the operator's pod reads."""
    for key, value in fields(spec):
        if key == "gpu" and isinstance(value, Mapping) and value.get("name"):
            yield f"the device {value['name']}"
        elif key in ("limits", "requests") and isinstance(value, Mapping):
            yield from (f"the device {name}" for name in value if "/" in str(name))
        elif key == "hostPath" and isinstance(value, Mapping) and value.get("type") in _HAS_TO_BE_THERE:
            yield f"{value.get('path')} of its node"
        elif isinstance(value, str) and value:
            yield from _of_text(key, value)


def _of_text(key: str, value: str) -> Iterator[str]:
    if _POD_TEMPLATE.fullmatch(key):
        yield f"the pod template {value}"
    elif _STORAGE_CLASS.fullmatch(key):
        yield f"the storage class {value}"
    elif found := _VENDOR.fullmatch(key):
        yield f"the device {value}/{found['kind']}"
