# SPDX-License-Identifier: Apache-2.0
"""Reads the folder of --apps: which of its documents are applications, whether they can run, and what is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness import named_files
from harness.apps import fields, kustomize, listing, unfilled
from harness.apps.objects import GROUP, RESOURCES
from harness.apps.unfilled import FILL_IN, IN_NAME, PLACEHOLDER, Template
from harness.apps.users import (
    HELPERS,
    LABEL_LENGTH,
    UserManifest,
    UserManifests,
    applications,
    images_in,
    stored,
    told_apart,
)
from harness.errors import SettingsError, UsageError
from harness.images.references import ImageReference
from harness.releases import doubled_keys, encrypted
from harness.releases.manifests import SUFFIXES
from harness.releases.values import Loader, with_text_keys
from harness.untrusted import check_yaml
from harness.wording import did_you_mean, nearest

_VERSIONS = {**{it.kind: f"{GROUP}/{it.version}" for it in RESOURCES}, **dict.fromkeys(HELPERS, "v1")}
_LISTS = ("List", *(f"{kind}List" for kind in _VERSIONS))
_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_NAME_LENGTH = 253
_OURS = re.compile(rf"{re.escape(GROUP)}|kind['\"]?:\s*['\"]?(ConfigMap|Secret)\b")
"""What a file with an application, or with what one needs, says in its text, even where it is not valid YAML."""

_NEXT_OBJECT = re.compile(r"^(.*\})[ \t]*\n(?=\{)", re.M)
"""Where one object of JSON ends and the next one begins, which kubectl reads as documents."""

NO_MANIFEST = {
    "kustomization": "it is Kustomize's: to run what Kustomize makes, give the output of `kubectl kustomize`",
    "Chart": "it is Helm's: to run what the chart makes, give the output of `helm template`",
}
"""What files of these names are, which stand beside manifests and are none."""
_SHOWN = 3
_LIKE = 0.8
_QUOTE = "write it in quotes"


@dataclass(frozen=True, kw_only=True)
class Untried:
    """A document that no run tries, and why; `application` is whether it would be one."""

    where: str
    what: str
    why: str
    application: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what} is left out: {self.why}"


@dataclass(frozen=True, kw_only=True)
class UserFolder:
    """What is in a folder of --apps: what runs, and what is left out by name."""

    manifests: UserManifests
    left_out: tuple[Untried, ...] = ()


def read(folder: Path) -> UserFolder:
    """All documents of the YAML and JSON files below a folder, by the order of files. Raises UsageError with file and
    line.

    There must be at least one application; ConfigMaps and Secrets that applications need may stand beside them. Other
    kinds are left out by name, and so are files that are not manifests, such as values, and documents that are still to
    be filled in, as long as others are not.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise UsageError(f"--apps {folder} {what}", "give the folder with the YAML files of your applications")
    listed = listing.manifests(folder)
    if not listed.files:
        others = "".join(f"; {it.path} is left out: {it.why}" for it in listed.passed[:_SHOWN])
        raise UsageError(
            f"there is no manifest below {folder}{others}", f"files of --apps end in {' or '.join(SUFFIXES)}"
        )
    found: list[UserManifest] = []
    left_out = [Untried(where=it.path, what=it.what, why=it.why) for it in listed.passed]
    templates: list[Template] = []
    for file in listed.files:
        shown = str(file.relative_to(folder))
        if file.resolve() in listed.patches:
            left_out.append(Untried(where=shown, what="the file", why=kustomize.WHY))
            continue
        try:
            for it in _documents(file, shown):
                if isinstance(it, UserManifest):
                    found.append(it)
                elif isinstance(it, Untried):
                    left_out.append(it)
                else:
                    templates.append(it)
                    left_out.append(_unfilled(it, shown))
        except Template as broken:
            templates.append(broken)
            left_out.append(_unfilled(broken, shown, "what follows in the file"))
    if not applications(found):
        if templates:
            raise UsageError(templates[0].message, templates[0].next_step)
        others = "".join(f"; {it}" for it in left_out[:_SHOWN])
        raise UsageError(
            f"there is no application in the files below {folder}{others}", f"kinds are {', '.join(_VERSIONS)}"
        )
    _require_unique(found)
    return UserFolder(manifests=told_apart(found), left_out=tuple(left_out))


def _unfilled(it: Template, shown: str, what: str = "the application") -> Untried:
    """What is left out of a file because of this; the message begins with the file and its line."""
    place, _, why = it.message.partition(": ")
    line = place.rpartition(":")[2]
    where = f"{shown}:{line}" if line.isdecimal() else shown
    return Untried(where=where, what=what, why=why or it.message, application=True)


def _documents(file: Path, shown: str) -> Iterator[UserManifest | Untried | Template]:
    try:
        text = named_files.text(file)
    except (OSError, UnicodeDecodeError) as unreadable:
        raise UsageError(f"{file} cannot be read: {unreadable}", "it must be UTF-8 text") from unreadable
    if file.suffix == ".json" and _OURS.search(text):
        text = _NEXT_OBJECT.sub(r"\1\n--- ", text)
    loader = Loader(text)
    try:
        check_yaml(text)
        for node in _objects(loader):
            line = node.start_mark.line + 1
            # Before it is made a document, which puts what is merged beside what replaces it.
            doubled = doubled_keys.first(node)
            document = with_text_keys(loader.construct_document(node))
            if document is None:
                continue
            if other := _of_no_matter(document):
                yield Untried(where=f"{shown}:{line}", what=other, why="no run needs or tries this kind")
                continue
            if why := _why_no_manifest(document, file):
                yield Untried(where=f"{shown}:{line}", what="what has no kind", why=why)
                continue
            doubled_keys.require_none(doubled, file)
            try:
                _require_application(document, f"{file}:{line}")
            except Template as it:
                yield it
                continue
            yield UserManifest(file=shown, line=line, document=document)
    except yaml.MarkedYAMLError as broken:
        mark = broken.problem_mark or broken.context_mark
        at = f":{mark.line + 1}" if mark else ""
        problem = broken.problem or broken.context
        message = f"{file}{at}: not valid YAML: {problem}"
        if not _OURS.search(text):
            yield Untried(where=f"{shown}{at}", what="the file", why=f"it is not valid YAML: {problem}")
            return
        if PLACEHOLDER.search(text):
            raise Template(f"{message}; it looks like a template", FILL_IN) from broken
        raise UsageError(message, "correct that line, or take the file out of the folder") from broken
    except yaml.YAMLError as broken:
        raise UsageError(f"{file}: not valid YAML: {broken}", "correct it, or take it out of the folder") from broken
    finally:
        loader.dispose()


def _objects(loader: Loader) -> Iterator[yaml.Node]:
    """The documents of a file; of a list, as `kubectl get --output yaml` prints one, its items."""
    while loader.check_node():
        yield from _items(loader.get_node())


def _items(node: yaml.Node) -> Iterator[yaml.Node]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    fields_of = {key.value: value for key, value in pairs if isinstance(key, yaml.ScalarNode)}
    kind, items = fields_of.get("kind"), fields_of.get("items")
    if kind is not None and kind.value in _LISTS and isinstance(items, yaml.SequenceNode):
        for it in items.value:
            yield from _items(it)
    else:
        yield node


def _of_no_matter(document: object) -> str:
    """The kind and name of an object that is none of the operator's, nor meant to be one; else empty."""
    if not isinstance(document, dict):
        return ""
    kind, version = str(document.get("kind") or ""), str(document.get("apiVersion") or "")
    group = version.rpartition("/")[0]
    named = kind in _VERSIONS or kind in _LISTS or nearest(kind, _VERSIONS)
    # Others have kinds of these names, or of names like these; a group that was misspelt is like the right one.
    foreign = group and not nearest(group, [GROUP], _LIKE)
    if not kind or not version or (named and not foreign) or group == GROUP:
        return ""
    metadata = document.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    return f"{kind} {name}".rstrip() + (f" of {group}" if named else "")


def _why_no_manifest(document: object, file: Path) -> str:
    """Why a document is not even meant to be an object of Kubernetes; empty for one that is."""
    if isinstance(document, dict) and ("kind" in document or document.keys() >= {"metadata", "spec"}):
        return ""
    if file.stem in NO_MANIFEST:
        return NO_MANIFEST[file.stem]
    return "" if isinstance(document, dict) and "apiVersion" in document else "it is no manifest"


def _require_application(document: object, where: str) -> None:
    if not isinstance(document, dict):
        raise UsageError(f"{where}: not a Kubernetes object", "write apiVersion, kind, metadata and spec")
    kind = str(document.get("kind", ""))
    if kind in _LISTS:
        raise UsageError(f"{where}: this {kind} has no list of items", "write its items as documents, with --- between")
    if kind not in _VERSIONS:
        raise UsageError(
            f"{where}: the kind {kind or 'is missing'}{'' if kind else ' and'} is not one that --apps runs"
            f"{did_you_mean(nearest(kind, _VERSIONS))}",
            f"kinds are {', '.join(_VERSIONS)}; take other objects out of the folder",
        )
    if document.get("apiVersion") != _VERSIONS[kind]:
        raise UsageError(
            f"{where}: {kind} has the apiVersion {document.get('apiVersion', 'none')}", f"write {_VERSIONS[kind]}"
        )
    if "sops" in document:
        encrypted.refuse("the manifest", where.rpartition(":")[0], encrypted.of_document(document))
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if name is not None and not isinstance(name, str):
        raise UsageError(
            f"{where}: metadata.name of this {kind} is {json.dumps(name, default=str)}, which is not text", _QUOTE
        )
    if not name:
        raise UsageError(
            f"{where}: this {kind} has no metadata.name",
            "give it a name; generateName is of no use here",
        )
    if IN_NAME.search(name):
        raise Template(f"{where}: the name {name!r} of this {kind} is a template", FILL_IN)
    longest = _NAME_LENGTH if kind in HELPERS else LABEL_LENGTH
    if not _DNS_NAME.fullmatch(name) or len(name) > longest:
        raise UsageError(
            f"{where}: {name!r} cannot be the name of a {kind}",
            f"use at most {longest} lower-case letters, digits, '-' and '.'",
        )
    fields.require_metadata(metadata or {}, f"{where}: {kind} {name}: metadata")
    if kind in HELPERS:
        fields.require_helper(document, f"{where}: {kind} {name}")
    else:
        _require_images(document, f"{where}: {kind} {name}")


def _require_images(document: Mapping[str, Any], what: str) -> None:
    if not isinstance(document.get("spec"), dict):
        raise UsageError(f"{what} has no spec", "write it as `kubectl explain` shows it")
    fields.require(document["kind"], document["spec"], f"{what}: spec")
    images = list(images_in(document["spec"]))
    if not images:
        raise UsageError(f"{what} names no image", "set spec.image: no release of the operator has a default for it")
    for image in images:
        if IN_NAME.search(image):
            raise Template(f"{what}: the image {image!r} is a template", FILL_IN)
        try:
            ImageReference.parse(image)
        except (UsageError, SettingsError) as wrong:
            raise UsageError(f"{what}: {wrong.message}", wrong.next_step) from wrong
    if not stored(document):
        unfilled.require_filled_in(document["spec"], what)
        unfilled.require_filled_in(document["metadata"].get("labels") or {}, what)


def _require_unique(manifests: Sequence[UserManifest]) -> None:
    """Two files may use one name; within a file and one namespace it is a mistake, which kubectl would overwrite."""
    known: dict[tuple[str, str, str, str], UserManifest] = {}
    for it in manifests:
        other = known.setdefault((it.file, it.home, it.kind, it.name), it)
        if other is not it:
            raise UsageError(
                f"{it.where} and {other.where} both have a {it.kind} with the name {it.name}",
                "rename one: the later would replace the earlier in any namespace",
            )
