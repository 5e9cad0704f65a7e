# SPDX-License-Identifier: Apache-2.0
"""Reads applications from the YAML files of a folder, to look at them; nothing in them has to be fit to run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.advice.objects import Stored
from harness.apps import kustomize
from harness.apps.objects import GROUP, RESOURCES
from harness.apps.user_folder import Template
from harness.audit.expressions import is_known
from harness.errors import UsageError
from harness.releases.manifests import SUFFIXES
from harness.releases.values import Loader, with_text_keys
from harness.untrusted import check_yaml, files_below

_KINDS = frozenset(it.kind for it in RESOURCES)


@dataclass(frozen=True, kw_only=True)
class Folder:
    """The applications in the files of a folder, and what was left out, with the reason."""

    found: tuple[Stored, ...]
    left_out: tuple[str, ...] = ()


def in_folder(folder: Path) -> Folder:
    """The applications in the files of a folder. Patches of Kustomize, and templates beside others, are left out.

    Raises UsageError with file and line.
    """
    if not folder.is_dir():
        raise UsageError(f"the folder {folder} does not exist", "check the path after --apps")
    found: list[Stored] = []
    left_out: list[str] = []
    templates: list[Template] = []
    patches = kustomize.patches(folder)
    for file in (it for it in files_below(folder) if it.suffix in SUFFIXES):
        if file.resolve() in patches:
            left_out.append(f"{file.relative_to(folder).as_posix()} is left out: {kustomize.WHY}")
            continue
        try:
            found += _in_file(file, folder)
        except Template as unfilled:
            templates.append(unfilled)
            left_out.append(f"{unfilled.message}; it looks like a template, and is left out")
    if not found and templates:
        raise templates[0]
    if not found:
        kinds = ", ".join(sorted(_KINDS))
        raise UsageError(f"no file in {folder} has an application", f"the kinds are {kinds}")
    return Folder(found=tuple(found), left_out=tuple(left_out))


def _in_file(file: Path, folder: Path) -> Iterator[Stored]:
    shown = file.relative_to(folder).as_posix()
    try:
        text = file.read_text(encoding="utf-8")
        documents = list(yaml.load_all(check_yaml(text), Loader=Loader))
    except yaml.MarkedYAMLError as broken:
        mark = broken.problem_mark or broken.context_mark
        where = f"{shown}, line {mark.line + 1}" if mark else shown
        raise (UsageError if is_known(text) else Template)(
            f"{where}: not valid YAML: {broken.problem or broken.context}",
            "correct that line; a template is filled in first, with the tool that you use",
        ) from broken
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as broken:
        raise UsageError(f"{shown} cannot be read: {broken}", "it must be YAML in UTF-8") from broken
    for document in documents:
        for it in _flat(with_text_keys(document)):
            yield stored(it, f"{shown}: {_metadata(it).get('name')}")


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
