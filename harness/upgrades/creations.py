# SPDX-License-Identifier: Apache-2.0
"""Creates objects of a workload, and remembers what each was for, when it was asked for, and what was refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any

from harness import causes
from harness.apps.objects import RESOURCES, Objects, Refused
from harness.apps.samples import Manifest
from harness.errors import ApiError, ApiServerAway
from harness.upgrades.workload_seen import Part, RefusedCreate, When
from harness.waiting import retry

_NO_ANSWER = frozenset({429, 502, 503, 504})
"""Statuses with which an API server, or a load balancer before it, says that it has not looked at a request, or has not
come to an end with it."""

_KINDS = frozenset(resource.kind for resource in RESOURCES)


@dataclass(frozen=True, kw_only=True)
class Created:
    """A custom resource that was accepted, and when it was asked for."""

    at: datetime
    namespace: str
    kind: str
    name: str
    uid: str
    part: Part
    when: When


class Creations:
    """To be shared by threads, each of which brings its own Objects."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._created: dict[str, Created] = {}
        self._refused: list[RefusedCreate] = []
        self._helpers: set[tuple[str, str, str]] = set()

    def create(self, objects: Objects, manifests: Iterable[Manifest], part: Part, when: When) -> Created | None:
        """Create what is not there yet of ConfigMaps and the like, then the custom resource.

        A refusal is a fact about the product: it is noted, and None returned. What the API server did not get to is
        none, and asked for again.
        """
        found = None
        for manifest in manifests:
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            if kind not in _KINDS and not self._first((objects.namespace, kind, name)):
                continue
            at, started = datetime.now(UTC), time.monotonic()
            asked: list[Manifest] = []
            try:
                made = retry(partial(_create, objects, manifest, asked), on=(ApiError,), when=_did_not_get_to)
            except (Refused, ApiError) as refused:
                self._refuse(objects.namespace, manifest, part, when, at, time.monotonic() - started, words_of(refused))
                return None
            if made:
                found = self._accept(objects.namespace, made[0], part, when, at)
        return found

    def of(self, uid: str) -> Created | None:
        """What is known of an object that this created; None of any other."""
        with self._lock:
            return self._created.get(uid)

    def created(self) -> tuple[Created, ...]:
        """Everything that was accepted, in order."""
        with self._lock:
            return tuple(self._created.values())

    def refused(self) -> tuple[RefusedCreate, ...]:
        """Everything that was not accepted, in order."""
        with self._lock:
            return tuple(self._refused)

    def _first(self, helper: tuple[str, str, str]) -> bool:
        with self._lock:
            if helper in self._helpers:
                return False
            self._helpers.add(helper)
            return True

    def _accept(self, namespace: str, raw: Mapping[str, Any], part: Part, when: When, at: datetime) -> Created:
        metadata = raw["metadata"]
        found = Created(
            at=at,
            namespace=namespace,
            kind=raw["kind"],
            name=metadata["name"],
            uid=metadata["uid"],
            part=part,
            when=when,
        )
        with self._lock:
            self._created[found.uid] = found
        return found

    def _refuse(
        self, namespace: str, manifest: Manifest, part: Part, when: When, at: datetime, seconds: float, words: str
    ) -> None:
        refused = RefusedCreate(
            at=at,
            namespace=namespace,
            kind=manifest["kind"],
            name=manifest["metadata"]["name"],
            part=part,
            when=when,
            words=words,
            answered=seconds,
        )
        with self._lock:
            self._refused.append(refused)


def _create(objects: Objects, manifest: Manifest, asked: list[Manifest]) -> list[Mapping[str, Any]]:
    """Create an object; what is there already is what was asked for before, when no answer came in time."""
    asked.append(manifest)
    try:
        return objects.create([manifest])
    except ApiError as there:
        if len(asked) == 1 or there.status != HTTPStatus.CONFLICT:
            raise
    resource = next((it for it in RESOURCES if it.kind == manifest["kind"]), None)
    found = objects.get(resource, manifest["metadata"]["name"]) if resource else None
    return [found] if found else []


def _did_not_get_to(error: BaseException) -> bool:
    return isinstance(error, ApiServerAway) or (isinstance(error, ApiError) and error.status in _NO_ANSWER)


def words_of(error: Exception) -> str:
    """An API server's answer, or its absence, in a line."""
    if isinstance(error, Refused):
        return error.message
    if isinstance(error, ApiError):
        return f"{error.status} {error.reason}: {causes.shortened(error.said)}"
    return f"{type(error).__name__}: {error}"


def renamed(manifests: Iterable[Manifest], name: str, **spec: Any) -> list[Manifest]:
    """The same objects with another name for the custom resource, and these fields in its spec."""
    return [
        {**it, "metadata": {**it["metadata"], "name": name}, "spec": {**it["spec"], **spec}}
        if it["kind"] in _KINDS
        else it
        for it in manifests
    ]
