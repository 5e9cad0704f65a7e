# SPDX-License-Identifier: Apache-2.0
"""Manifests that are in a cluster before the operator, read from a folder or a file as kubectl reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness import named_files
from harness.errors import UsageError
from harness.releases import doubled_keys, encrypted
from harness.releases.home import require_namespace
from harness.releases.values import Loader, with_text_keys
from harness.untrusted import check_yaml

CRD, NAMESPACE, SECRET = "CustomResourceDefinition", "Namespace", "Secret"

# What any kind can be called, since its name is a segment of a path (apimachinery, pkg/api/validation/path).
_PATH_SEGMENT = re.compile(r"[^/%\x00-\x20\x7f]{1,253}")
SUFFIXES = (".yaml", ".yml", ".json")
"""How files with manifests end."""

_PLACEHOLDER = re.compile(r"\{\{|\$\{[A-Za-z_]")
_KUSTOMIZE = "kustomize.config.k8s.io"
_OPERATORS_OWN = "sparkoperator.k8s.io"
_LEFT_TO_OTHERS = "take the file out of the folder, or make it what `kubectl apply` takes"


@dataclass(frozen=True, kw_only=True)
class Document:
    """One object; `where` is its file and line, or the add-on that it is from."""

    where: str
    document: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The Kubernetes kind."""
        return str(self.document["kind"])

    @property
    def version(self) -> str:
        """The apiVersion, `apps/v1`."""
        return str(self.document["apiVersion"])

    @property
    def group(self) -> str:
        """The API group; empty for the core's."""
        return self.version.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.document["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The namespace that it says; empty where it says none."""
        return str(self.document["metadata"].get("namespace") or "")

    def __str__(self) -> str:
        return f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}"


Documents = tuple[Document, ...]


def read(folder: Path) -> Documents:
    """All objects of the YAML and JSON files below a folder, by the order of files; lists are taken apart.

    A link to a file is read in its place, once for each file. Raises UsageError for a link that cannot be followed, and
    with file and line for what kubectl would not apply as it is: text that is no YAML, templates,
    kustomizations, encrypted files, objects without a name; and for the same object twice.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise UsageError(f"--before {folder} {what}", "give the folder with the manifests")
    tree = named_files.listed("--before", folder)
    files = {it.resolve(): it for it in reversed(tree.files) if it.suffix in SUFFIXES}
    for file in tree.files:
        if why := why_no_suffix(file):
            raise UsageError(f"--before {folder}: {file} is not applied: {why}", "rename it, or take it out")
    for link, why in tree.links:
        if link.is_dir() or link.suffix in SUFFIXES:
            raise UsageError(
                f"--before {folder}: {link} is not applied: {why}", "put what it is meant for in its place"
            )
    found = [it for file in sorted(files.values()) for it in of_file(file, str(file.relative_to(folder)))]
    if not found:
        raise UsageError(f"there is no manifest below {folder}", f"files of --before end in {', '.join(SUFFIXES)}")
    _require_unique(found)
    return tuple(found)


def why_no_suffix(file: Path) -> str:
    """Why a file is not read whose name ends nearly as those of manifests do; empty for any other."""
    near = file.suffix.strip().lower()
    if near == file.suffix or near not in SUFFIXES:
        return ""
    return f"kubectl reads names that end in {near}, and this one ends in {file.suffix!r}"


def of_file(file: Path, shown: str) -> Iterator[Document]:
    """The objects of one file, which is `shown` in messages. Raises UsageError as `read` does."""
    try:
        content = named_files.content(file)
        encrypted.refuse("the manifest", file, encrypted.of_bytes(content))
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as unreadable:
        raise UsageError(f"{file} cannot be read: {unreadable}", "it must be UTF-8 text") from unreadable
    yield from of_text(text, shown, file)


def of_text(text: str, shown: str, file: Path | None = None) -> Iterator[Document]:
    """The objects of a text. Raises UsageError as `read` does."""
    where = file or shown
    try:
        check_yaml(text)
        loader = Loader(text)
        try:
            while loader.check_node():
                node = loader.get_node()
                line = node.start_mark.line + 1
                doubled_keys.require_none(doubled_keys.first(node), where)
                yield from _objects(with_text_keys(loader.construct_document(node)), f"{shown}:{line}")
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as broken:
        mark = broken.problem_mark or broken.context_mark
        told = f"{where}{f':{mark.line + 1}' if mark else ''}: not valid YAML: {broken.problem or broken.context}"
        template = _PLACEHOLDER.search(text)
        raise UsageError(
            f"{told}{'; it looks like a template' if template else ''}",
            "fill it in before, with the tool that you use" if template else _LEFT_TO_OTHERS,
        ) from broken
    except yaml.YAMLError as broken:
        raise UsageError(f"{where}: not valid YAML: {broken}", _LEFT_TO_OTHERS) from broken


def crds(documents: Iterable[Document]) -> list[Document]:
    """The CustomResourceDefinitions among them."""
    return [it for it in documents if it.kind == CRD]


def kinds(documents: Iterable[Document]) -> list[str]:
    """What their CRDs serve, as Helm's `--api-versions` has it: versions, and versions with the kind."""
    found: dict[str, None] = {}
    for it in crds(documents):
        spec = it.document.get("spec") or {}
        for version in spec.get("versions") or ():
            if version.get("served"):
                served = f"{spec.get('group')}/{version.get('name')}"
                found |= {served: None, f"{served}/{(spec.get('names') or {}).get('kind')}": None}
    return list(found)


def _objects(document: Any, where: str) -> Iterator[Document]:
    if document is None:
        return
    if not isinstance(document, Mapping) or not document.get("kind") or not document.get("apiVersion"):
        raise UsageError(f"{where}: not a Kubernetes object: it has no apiVersion and kind", _LEFT_TO_OTHERS)
    kind, version = document["kind"], document["apiVersion"]
    if not (isinstance(kind, str) and isinstance(version, str)):
        raise UsageError(f"{where}: not a Kubernetes object: apiVersion and kind must be text", _LEFT_TO_OTHERS)
    encrypted.refuse("the manifest", where, encrypted.of_document(document))
    if kind.endswith("List") and isinstance(document.get("items"), list):
        for number, item in enumerate(document["items"], 1):
            yield from _objects(item, f"{where}, item {number}")
        return
    if version.startswith(_KUSTOMIZE):
        raise UsageError(f"{where}: a {kind} is not applied", "give what `kubectl kustomize` makes of it")
    if version.startswith(_OPERATORS_OWN):
        raise UsageError(f"{where}: a {kind} cannot exist before the operator", "give your applications with --apps")
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(name, str) or not name:
        raise UsageError(f"{where}: this {kind} has no metadata.name", "give it a name; generateName is of no use here")
    if _PLACEHOLDER.search(name):
        raise UsageError(f"{where}: the name {name!r} is a template", "fill it in before, with the tool that you use")
    if name in (".", "..") or not _PATH_SEGMENT.fullmatch(name):
        raise UsageError(f"{where}: {name[:80]!r} cannot be the name of a {kind}", "use letters, digits, '-' and '.'")
    _require_shape(document, f"{where}: {kind} {name}")
    yield Document(where=where, document=document)


_OF_METADATA = ("metadata.labels", "metadata.annotations")
_OF_TEMPLATE = ("spec.template", "spec.template.metadata", "spec.template.spec")
_LISTS = tuple(f"{it}.{kind}" for it in ("spec", "spec.template.spec") for kind in ("containers", "initContainers"))
_TEXTS = {"ConfigMap": ("data", "binaryData"), SECRET: ("data", "stringData")}
"""Mappings to texts of these kinds, beside labels and annotations."""
_PODS = ("Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")


def _require_shape(document: Mapping[str, Any], where: str) -> None:
    """Refuse what is no text, mapping or list where the harness itself looks."""
    namespace = document["metadata"].get("namespace")
    if namespace is not None:
        require_namespace(str(namespace), f"{where}: metadata.namespace {namespace!r}")
    mappings: Sequence[str] = _OF_METADATA
    lists: Sequence[str] = ()
    if document["kind"] in _PODS:
        mappings, lists = (*_OF_METADATA, "spec", *_OF_TEMPLATE), _LISTS
    elif document["kind"] in _TEXTS:
        mappings = (*_OF_METADATA, *_TEXTS[document["kind"]])
    elif document["kind"] == CRD:
        mappings, lists = (*_OF_METADATA, "spec", "spec.names"), ("spec.versions",)
    for path in mappings:
        if not isinstance(_at(document, path), Mapping | None):
            raise UsageError(f"{where}: {path} is not a mapping", _LEFT_TO_OTHERS)
    for path in (*_OF_METADATA, *_TEXTS.get(document["kind"], ())):
        for key, value in (_at(document, path) or {}).items():
            if not isinstance(value, str | None):
                # What it is may be secret.
                raise UsageError(f"{where}: {path}.{key} is not text", "write it in quotes")
    for path in lists:
        found = _at(document, path)
        if found is not None and not (isinstance(found, list) and all(isinstance(it, Mapping) for it in found)):
            raise UsageError(f"{where}: {path} is not a list of mappings", _LEFT_TO_OTHERS)


def _at(document: Mapping[str, Any], path: str) -> Any:
    """What is at a path; None where nothing is, or where something before it is not a mapping."""
    found: Any = document
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _require_unique(documents: Sequence[Document]) -> None:
    known: dict[tuple[str, str, str, str], Document] = {}
    for it in documents:
        other = known.setdefault((it.group, it.kind, it.namespace, it.name), it)
        if other is not it:
            raise UsageError(f"{it.where} and {other.where} both have the {it}", "keep one of them")
