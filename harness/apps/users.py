# SPDX-License-Identifier: Apache-2.0
"""A user's own applications, as manifests: what each says of itself, and how it is made ready for a namespace."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.apps import moving, own_values, unfilled
from harness.apps.objects import SCHEDULED
from harness.apps.samples import Manifest, chart_values
from harness.images.references import ImageReference

CONFIG_MAP, SECRET = "ConfigMap", "Secret"

HELPERS = (CONFIG_MAP, SECRET)
"""What applications need beside them, and is none."""

_TELLING = 4
"""Shorter values are in every text."""

LABEL_LENGTH = 63
"""The operator labels pods with the name of their application."""

KEPT_NAMESPACE, ENDS = "spark-operator-harness/namespace", "spark-operator-harness/ends"
"""Annotations: `own` lets an application run in the namespace that it names, `FAILED` says that it is to end so."""

_IMAGE_CONF = re.compile(r"spark\.kubernetes\.(driver\.|executor\.)?container\.image")
_PART_OF = {"app.kubernetes.io/part-of": "spark-samples"}
_AFTER = "-after"
_TELLING_DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class UserManifest:
    """One document as the user wrote it; `file` is below the folder of --apps, `line` where the document begins.

    `label` is what it is called in checks: its name, with the file where others have the same one. `unable` says why
    it cannot run, where that is known before.
    """

    file: str
    line: int
    document: Manifest
    label: str = ""
    unable: str = ""

    @property
    def kind(self) -> str:
        """The Kubernetes kind."""
        return str(self.document["kind"])

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.document["metadata"]["name"])

    @property
    def home(self) -> str:
        """The namespace that it has in its own cluster; empty where it does not say."""
        return str(self.document["metadata"].get("namespace") or "")

    @property
    def where(self) -> str:
        """The file and the line; the file alone where the line is not known."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def spec(self) -> Mapping[str, Any]:
        """The spec of an application; of a schedule that of its runs."""
        spec: Mapping[str, Any] = self.document.get("spec") or {}
        return (spec.get("template") or {}) if self.kind == SCHEDULED.kind else spec

    @property
    def endless(self) -> bool:
        """Whether the operator starts it again whenever it ends."""
        return (self.spec.get("restartPolicy") or {}).get("type") == "Always"

    @property
    def suspended(self) -> bool:
        """Whether it is to stand still."""
        return bool((self.document.get("spec") or {}).get("suspend"))

    @property
    def stays(self) -> bool:
        """Whether it runs in the namespace that it has in its own cluster."""
        return bool(self.home) and self._annotation(KEPT_NAMESPACE) == "own"

    @property
    def fails(self) -> bool:
        """Whether it is to end as FAILED."""
        return self._annotation(ENDS) == "FAILED"

    @property
    def gaps(self) -> list[str]:
        """What looks like a variable that was to be filled in, in words; see `unfilled.gaps`."""
        return [] if stored(self.document) else unfilled.gaps(self.spec)

    def where_there_is(self, absent: Mapping[str, str], memory_mib: int) -> UserManifest:
        """The same, where some images cannot be had, full references with the reason, and nodes have so much memory."""
        lacks = "; ".join(dict.fromkeys(why for it, why in absent.items() if it in self.images))
        if lacks:
            return replace(self, unable=f"has an image that cannot be had here: {lacks}")
        return replace(self, unable=own_values.too_large(self.spec, memory_mib))

    def _annotation(self, name: str) -> str:
        return str((self.document["metadata"].get("annotations") or {}).get(name) or "")

    @property
    def images(self) -> tuple[str, ...]:
        """The full references of all images that it names."""
        return tuple(dict.fromkeys(ImageReference.parse(it).canonical for it in images_in(self.document.get("spec"))))


def stored(document: Mapping[str, Any]) -> bool:
    """Whether an object was in a cluster, from which a rehearsal has its applications: there, nothing is to be filled
    in any more.
    """
    metadata = document["metadata"]
    return "uid" in metadata or KEPT_NAMESPACE in (metadata.get("annotations") or {})


UserManifests = tuple[UserManifest, ...]

USERS = "users"
"""The kind of applications that they are along a path."""


def told_apart(manifests: Sequence[UserManifest]) -> UserManifests:
    """The same, each with a label of its own."""
    names = [it.name for it in applications(manifests)]
    return tuple(
        replace(it, label=f"{it.name} ({it.where})" if names.count(it.name) > 1 else it.name) for it in manifests
    )


def applications(manifests: Sequence[UserManifest]) -> UserManifests:
    """Those that are no helpers."""
    return tuple(it for it in manifests if it.kind not in HELPERS)


def secret_values(manifests: Sequence[UserManifest]) -> list[str]:
    """What the Secrets among them hold, as written and decoded: it must be in no evidence."""
    found: list[str] = []
    for it in manifests:
        if it.kind == SECRET:
            found += map(str, (it.document.get("stringData") or {}).values())
            for value in map(str, (it.document.get("data") or {}).values()):
                found += [value, _decoded(value)]
    return [it for it in dict.fromkeys(found) if len(it) >= _TELLING]


def _decoded(value: str) -> str:
    """What base64 stands for; empty for what is none, which an API server refuses."""
    try:
        return b64decode(value).decode(errors="ignore")
    except ValueError:
        return ""


def ready(application: UserManifest, namespace: str, account: str, name: str = "") -> tuple[Manifest, list[str]]:
    """An application in this namespace and under this name and account; and what was left out of it, in words.

    Its pods ask for as little of a processor as those of samples, since the node has few: how much they may use, and
    their memory, stay as they are. What an API server adds to an object is left out.
    """
    made = moving.moved(application.document, namespace, name or application.name)
    return made, moving.settle(made, account, chart_values().driver.core_request)


def helper(manifest: UserManifest, namespace: str) -> Manifest:
    """A ConfigMap or a Secret in this namespace."""
    made = moving.moved(manifest.document, namespace, manifest.name)
    # By this label a namespace is emptied of what samples brought along.
    made["metadata"]["labels"] = {**(made["metadata"].get("labels") or {}), **_PART_OF}
    return made


def name_after(name: str) -> str:
    """The name of the copy that is submitted after a move: of long names that begin alike, another one for each."""
    room = LABEL_LENGTH - len(_AFTER)
    if len(name) > room:
        digest = hashlib.sha256(name.encode()).hexdigest()[:_TELLING_DIGITS]
        name = f"{name[: room - len(digest) - 1].rstrip('-.')}-{digest}"
    return name + _AFTER


def images_in(value: object) -> Iterator[str]:
    """Every image that a spec names, also those of sidecars, of pod templates and of sparkConf."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, str) and inner and (key == "image" or _IMAGE_CONF.fullmatch(str(key))):
                yield inner
            else:
                yield from images_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from images_in(inner)
