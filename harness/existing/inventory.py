# SPDX-License-Identifier: Apache-2.0
"""A picture of everything in a cluster that can be listed, to be compared with a later one: what came, went, changed.

Pods and what controllers write all the time are left out, and so is what status alone is. Of Secrets and ConfigMaps
only metadata is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from harness.errors import ApiError
from harness.kube.api import NAMES_ONLY, get, pages, send
from harness.late import client

_GROUPS_LEFT_OUT = ("events.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "metrics.k8s.io")
_LEFT_OUT = (
    *("events", "pods", "endpoints", "componentstatuses", "replicasets", "controllerrevisions", "jobs"),
    *("csinodes", "csistoragecapacities", "volumeattachments", "certificatesigningrequests", "podmetrics"),
)
_WHOLE = ("rbac.authorization.k8s.io", "admissionregistration.k8s.io", "scheduling.k8s.io", "storage.k8s.io")
"""Groups whose objects have no generation, or say little by it: these are read whole."""

_LABELS_ONLY = ("nodes", "namespaces")
_OF_THE_SERVER = ("resourceVersion", "managedFields", "generation")


@dataclass(frozen=True, kw_only=True, order=True)
class Key:
    """Which object: `where` is its namespace, empty outside of them."""

    kind: str
    where: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.where}/{self.name}" if self.where else f"{self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """`objects` are what was found, each with its content in short, of these `kinds`; `unread` are those that there are
    besides, and that could not be listed.
    """

    objects: Mapping[Key, str] = field(default_factory=dict)
    kinds: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Differences:
    """What two inventories differ in, of those kinds that both have."""

    came: tuple[Key, ...] = ()
    went: tuple[Key, ...] = ()
    changed: tuple[Key, ...] = ()

    def only(self, wanted: Callable[[Key], bool]) -> Differences:
        """Those of these objects."""
        return Differences(
            came=tuple(filter(wanted, self.came)),
            went=tuple(filter(wanted, self.went)),
            changed=tuple(filter(wanted, self.changed)),
        )

    @property
    def words(self) -> list[str]:
        """Each of them in words."""
        return [
            *(f"{it} came" for it in self.came),
            *(f"{it} is gone" for it in self.went),
            *(f"{it} changed" for it in self.changed),
        ]


def take(api: client.ApiClient) -> Inventory:
    """Everything that can be listed. Raises ApiError where the API server is away, or does not know the login.

    What the API of an add-on does not answer, or the conversion webhook of a CRD, is unread as what is forbidden.
    """
    objects: dict[Key, str] = {}
    unread: list[str] = []
    kinds: set[str] = set()
    for group, path, kind, plural in _kinds(api, unread):
        whole = group in _WHOLE
        try:
            for item in pages(api, path, accept="application/json" if whole else NAMES_ONLY):
                metadata = item["metadata"]
                key = Key(kind=kind, where=str(metadata.get("namespace") or ""), name=str(metadata["name"]))
                objects[key] = _short(item, plural, whole=whole)
            kinds.add(kind)
        except ApiError as refused:
            if not refused.status or refused.status == HTTPStatus.UNAUTHORIZED:
                raise
            if refused.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
                unread.append(kind)
    return Inventory(objects=objects, kinds=frozenset(kinds), unread=tuple(unread))


def delete(api: client.ApiClient, keys: Collection[Key]) -> None:
    """Have these objects deleted; what is gone already is no error. Raises ApiError.

    Nothing of a user's may be among them: this is for clusters that a run has made.
    """
    wanted = {it.kind for it in keys}
    for _, path, kind, _ in _kinds(api, []):
        for key in (it for it in keys if it.kind == kind) if kind in wanted else ():
            version, _, plural = path.rpartition("/")
            within = f"{version}/namespaces/{key.where}/{plural}" if key.where else path
            try:
                send(api, "DELETE", f"{within}/{key.name}")
            except ApiError as refused:
                if refused.status != HTTPStatus.NOT_FOUND:
                    raise


def compare(before: Inventory, after: Inventory) -> Differences:
    """What came, what went, and what is otherwise, of the kinds that both could list."""
    both = before.kinds & after.kinds
    was = {key: it for key, it in before.objects.items() if key.kind in both}
    now = {key: it for key, it in after.objects.items() if key.kind in both}
    return Differences(
        came=tuple(sorted(now.keys() - was.keys())),
        went=tuple(sorted(was.keys() - now.keys())),
        changed=tuple(sorted(key for key, it in was.items() if key in now and now[key] != it)),
    )


def _kinds(api: client.ApiClient, unread: list[str]) -> Iterator[tuple[str, str, str, str]]:
    """Group, path, kind and plural of what can be listed, each kind in the version that its group prefers."""
    groups = [("", "/api/v1")]
    for it in get(api, "/apis").get("groups") or ():
        if it["name"] not in _GROUPS_LEFT_OUT:
            groups.append((str(it["name"]), f"/apis/{it['preferredVersion']['groupVersion']}"))
    for group, path in groups:
        try:
            found = get(api, path)
        except ApiError as silent:
            # An aggregated API whose server does not answer, such as that of metrics.
            if not silent.status:
                raise
            unread.append(f"kinds of {group}")
            continue
        for it in found.get("resources") or ():
            name = str(it["name"])
            if "/" not in name and name not in _LEFT_OUT and "list" in it["verbs"]:
                kind = f"{it['kind']}.{group}" if group and "." in group and "k8s.io" not in group else str(it["kind"])
                yield group, f"{path}/{name}", kind, name


def _short(item: Mapping[str, Any], plural: str, *, whole: bool) -> str:
    """The content of an object as far as somebody has to write it: not its status."""
    metadata = item["metadata"]
    if plural in _LABELS_ONLY:
        return _digest([metadata.get("uid"), metadata.get("labels")])
    if whole:
        kept = {key: it for key, it in metadata.items() if key not in _OF_THE_SERVER}
        return _digest([kept, {key: it for key, it in item.items() if key not in ("metadata", "status")}])
    # Without a generation, each write counts.
    state = metadata.get("generation") or metadata.get("resourceVersion")
    return _digest([metadata.get("uid"), state, metadata.get("labels")])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
