# SPDX-License-Identifier: Apache-2.0
"""Reads applications from the YAML files of a folder, to look at them; nothing in them has to be fit to run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness import named_files
from harness.advice.objects import Stored
from harness.apps import kustomize, listing
from harness.apps.moving import texts
from harness.apps.objects import GROUP, RESOURCES
from harness.apps.unfilled import Template
from harness.audit.expressions import is_known
from harness.errors import UsageError
from harness.releases.values import Loader, with_text_keys
from harness.untrusted import check_yaml
from harness.wording import did_you_mean, nearest

_KINDS = frozenset(it.kind for it in RESOURCES)
_INSIDE = re.compile(rf"^\s*[\"']?kind[\"']?:\s*[\"']?(?:{'|'.join(sorted(_KINDS))})\b", re.M)
"""An application in a text, as an Argo Workflow or a ConfigMap has it."""
_NEAR, _SHOWN = 0.9, 3


@dataclass(frozen=True, kw_only=True)
class Folder:
    """The applications in the files of a folder, and what was left out, with the reason."""

    found: tuple[Stored, ...]
    left_out: tuple[str, ...] = ()


def in_folder(folder: Path) -> Folder:
    """The applications in the files of a folder. Patches of Kustomize, templates beside others, and what only resembles
    an application or holds one in a text are left out by name. Raises UsageError with file and line.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise UsageError(f"--apps {folder} {what}", "give the folder with the YAML files of your applications")
    found: list[Stored] = []
    left_out: list[str] = []
    templates: list[Template] = []
    listed = listing.manifests(folder)
    left_out += [f"{it.path} is left out: {it.why}" for it in listed.passed]
    for file in listed.files:
        if file.resolve() in listed.patches:
            left_out.append(f"{file.relative_to(folder).as_posix()} is left out: {kustomize.WHY}")
            continue
        try:
            for it in _in_file(file, folder):
                (left_out if isinstance(it, str) else found).append(it)  # type: ignore[arg-type]
        except Template as unfilled:
            templates.append(unfilled)
            left_out.append(f"{unfilled.message.removeprefix(f'{folder}/')}, and is left out")
    if not found and templates:
        raise UsageError(templates[0].message, templates[0].next_step)
    if not found:
        others = "".join(f"; {it}" for it in left_out[:_SHOWN])
        kinds = ", ".join(sorted(_KINDS))
        raise UsageError(f"no file in {folder} has an application{others}", f"the kinds are {kinds}")
    return Folder(found=tuple(found), left_out=tuple(left_out))


def _in_file(file: Path, folder: Path) -> Iterator[Stored | str]:
    """The applications of a file, and in words what of it is left out."""
    shown = file.relative_to(folder).as_posix()
    try:
        text = named_files.text(file)
        documents = list(yaml.load_all(check_yaml(text), Loader=Loader))
    except yaml.MarkedYAMLError as broken:
        mark = broken.problem_mark or broken.context_mark
        where = f"{file}, line {mark.line + 1}" if mark else str(file)
        message, step = f"{where}: not valid YAML: {broken.problem or broken.context}", "correct that line"
        if is_known(text):
            raise UsageError(message, step) from broken
        raise Template(
            f"{message}; it looks like a template", "fill it in before, with the tool that you use"
        ) from broken
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as broken:
        raise UsageError(f"{file} cannot be read: {broken}", "it must be YAML in UTF-8") from broken
    for document in map(with_text_keys, documents):
        if why := _why_not(document):
            yield f"{shown}: not looked at: {why}"
            continue
        for it in _flat(document):
            yield stored(it, f"{shown}: {_metadata(it).get('name')}")


def _why_not(document: Any) -> str:
    """Why a document is not looked at although it has to do with applications; empty for all others."""
    if not isinstance(document, Mapping):
        return ""
    kind, version = str(document.get("kind") or ""), str(document.get("apiVersion") or "")
    title = f"{kind} {_metadata(document).get('name') or ''}".strip()
    if kind in _KINDS and isinstance(document.get("sops"), Mapping):
        return f"{title} is encrypted with sops"
    if kind in _KINDS:
        has = f"the apiVersion {version}" if version else "no apiVersion"
        return "" if version.startswith(f"{GROUP}/") else f"{title} has {has}, and its group is {GROUP}"
    near = nearest(kind, _KINDS, _NEAR)
    if near or (kind and version.startswith(f"{GROUP}/") and not kind.endswith("List")):
        return f"{title} is of no kind of the operator{did_you_mean(near)}"
    inside = any(_INSIDE.search(text) for text in texts(document)) if kind and version else False
    return f"{title} has an application in a text" if inside else ""


def _flat(document: Any) -> Iterator[Mapping[str, Any]]:
    """The applications in a document, also those in a List."""
    if not isinstance(document, Mapping):
        return
    items = document.get("items")
    if str(document.get("kind", "")).endswith("List") and isinstance(items, list):
        for item in items:
            yield from _flat(item)
    elif str(document.get("kind")) in _KINDS and str(document.get("apiVersion", "")).startswith(f"{GROUP}/"):
        yield document


def stored(document: Mapping[str, Any], where: str) -> Stored:
    """An object as one that was stored."""
    metadata, spec = _metadata(document), document.get("spec")
    return Stored(
        kind=str(document["kind"]),
        name=str(metadata.get("name") or ""),
        where=where,
        namespace=str(metadata.get("namespace") or ""),
        spec=spec if isinstance(spec, Mapping) else {},
        version=str(document.get("apiVersion") or ""),
    )


def _metadata(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found = document.get("metadata")
    return found if isinstance(found, Mapping) else {}
