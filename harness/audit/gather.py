# SPDX-License-Identifier: Apache-2.0
"""Collects every image in Kubernetes objects: pod specs, the operator's resources, Spark settings, CRD defaults."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.untrusted import check_yaml

_SPARK_KEY = re.compile(r"spark\.kubernetes\.(?:\w+\.)?container\.image")
_SPARK_LINE = re.compile(rf"(?:^|[\s\"'])({_SPARK_KEY.pattern})\s*[=:\s]\s*[\"']?([^\s\"'\\]+)", re.M)
# Keys below which `image` is no container image: Ceph's block devices have images too.
_OTHER_IMAGES = {"rbd"}
_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, kw_only=True)
class Mention:
    """An image as written, and where. `partial` says that its tag is elsewhere, as a chart's appVersion."""

    text: str
    where: str
    partial: bool = False


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A file or a part of it that could not be read, and why."""

    where: str
    why: str


def of_objects(objects: Iterable[Any], origin: str) -> list[Mention]:
    """The images in objects; `origin` says where the objects come from."""
    return [mention for it in objects for mention in _of_object(it, origin)]


def of_values(values: Mapping[str, Any], origin: str, repositories: Mapping[str, str]) -> list[Mention]:
    """The images in Helm values, as one string or in parts (`registry`, `repository`, `tag`).

    `repositories` are the chart's own by key (`image`, `hook.image`), for values that override nothing
    but the registry.
    """
    found = list(_walk(values, origin, ""))
    for path, repository in repositories.items():
        below: Any = values
        for key in path.split("."):
            below = below.get(key) if isinstance(below, Mapping) else None
        if isinstance(below, Mapping) and below.get("registry") and not below.get("repository"):
            text = f"{below['registry']}/{repository}" + (f":{below['tag']}" if below.get("tag") else "")
            found.append(Mention(text=text, where=f"{origin} {path}.registry", partial=not below.get("tag")))
    return found


def of_folder(folder: Path) -> tuple[list[Mention], list[Unreadable]]:
    """The images of all manifests below a folder (or of one file), and what could not be read."""
    files = sorted(it for it in folder.rglob("*") if it.suffix in _SUFFIXES) if folder.is_dir() else [folder]
    mentions: list[Mention] = []
    problems: list[Unreadable] = []
    for file in files:
        if not file.is_file():
            continue
        shown = file.relative_to(folder).as_posix() if folder.is_dir() else file.name
        try:
            documents = list(yaml.load_all(check_yaml(file.read_text(encoding="utf-8")), Loader=_LOADER))
        except yaml.MarkedYAMLError as broken:
            mark = broken.problem_mark or broken.context_mark
            line = f"{shown}:{mark.line + 1}" if mark else shown
            problems.append(Unreadable(where=line, why=f"not valid YAML: {broken.problem or broken.context}"))
            continue
        except (yaml.YAMLError, OSError, UnicodeDecodeError) as broken:
            problems.append(Unreadable(where=shown, why=str(broken)))
            continue
        mentions += of_objects(documents, shown)
    return mentions, problems


_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


def _of_object(it: Any, origin: str) -> Iterator[Mention]:
    if not isinstance(it, Mapping):
        return
    kind = str(it.get("kind") or "")
    if kind.endswith("List") and isinstance(it.get("items"), list):
        for item in it["items"]:
            yield from _of_object(item, origin)
        return
    metadata = it.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, Mapping) else ""
    where = f"{origin}: {kind}/{name}" if kind else origin
    if kind == "CustomResourceDefinition":
        yield from _defaults(it.get("spec"), where, "spec")
    elif kind in ("ConfigMap", "Secret"):
        yield from _texts(it.get("data") or {}, where)
    elif kind == "Kustomization":
        yield from _kustomized(it.get("images"), where)
    else:
        yield from _walk(it, where, "")


def _walk(value: Any, where: str, path: str) -> Iterator[Mention]:
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _walk(inner, where, f"{path}[{number}]")
        return
    if isinstance(value, str):
        for key, image in _SPARK_LINE.findall(value):
            yield Mention(text=image, where=f"{where} {path} ({key})")
        return
    if not isinstance(value, Mapping):
        return
    yield from _in_parts(value, where, path)
    for key, inner in value.items():
        below = f"{path}.{key}" if path else str(key)
        if isinstance(inner, str) and (key == "image" or _SPARK_KEY.fullmatch(str(key))):
            if path.rpartition(".")[2] not in _OTHER_IMAGES and inner.strip():
                yield Mention(text=inner, where=f"{where} {below}")
        elif path.endswith("]") and key == "image" and isinstance(inner, Mapping) and "reference" in inner:
            # An image volume (core/v1 ImageVolumeSource).
            yield Mention(text=str(inner["reference"]), where=f"{where} {below}.reference")
        elif key == "env" and isinstance(inner, list):
            for entry in inner:
                if isinstance(entry, Mapping) and str(entry.get("name", "")).startswith("RELATED_IMAGE_"):
                    yield Mention(text=str(entry.get("value") or ""), where=f"{where} {below} {entry['name']}")
        elif key not in ("status", "managedFields", "annotations"):
            yield from _walk(inner, where, below)


def _in_parts(value: Mapping[str, Any], where: str, path: str) -> Iterator[Mention]:
    """`registry`, `repository` and `tag` as sibling keys, as in charts' values."""
    repository, registry = value.get("repository"), value.get("registry")
    if not isinstance(repository, str) or not repository or "://" in repository or "{{" in repository:
        return
    if not isinstance(registry, str) and not path.rpartition(".")[2].lower().endswith("image"):
        return
    name = f"{registry}/{repository}" if registry else repository
    tag, digest = value.get("tag"), value.get("digest")
    text = name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    yield Mention(text=text, where=f"{where} {path}".rstrip(), partial=not (tag or digest))


def _defaults(value: Any, where: str, path: str) -> Iterator[Mention]:
    """Defaults of properties named `image` in a CRD's schema."""
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _defaults(inner, where, f"{path}[{number}]")
    elif isinstance(value, Mapping):
        properties = value.get("properties")
        image = properties.get("image") if isinstance(properties, Mapping) else None
        if isinstance(image, Mapping) and isinstance(image.get("default"), str):
            yield Mention(text=image["default"], where=f"{where} {path}.properties.image.default")
        for key, inner in value.items():
            if key != "default":
                yield from _defaults(inner, where, f"{path}.{key}")
            elif isinstance(inner, Mapping):
                yield from _walk(inner, where, f"{path}.default")


def _texts(data: Mapping[str, Any], where: str) -> Iterator[Mention]:
    """Spark properties and pod templates in the text of a ConfigMap."""
    for key, text in data.items():
        if not isinstance(text, str):
            continue
        for name, image in _SPARK_LINE.findall(text):
            yield Mention(text=image, where=f"{where} {key} ({name})")
        if "image:" not in text and '"image"' not in text:
            continue
        try:
            documents = list(yaml.load_all(check_yaml(text), Loader=_LOADER))
        except yaml.YAMLError:
            # A ConfigMap may hold any text; what is not YAML is not a pod template.
            continue
        for document in documents:
            if isinstance(document, Mapping):
                yield from _walk(document, f"{where} {key}", "")


def _kustomized(images: Any, where: str) -> Iterator[Mention]:
    for entry in images if isinstance(images, list) else []:
        if not isinstance(entry, Mapping) or not (entry.get("newName") or entry.get("name")):
            continue
        tag, digest = entry.get("newTag"), entry.get("digest")
        name = str(entry.get("newName") or entry["name"])
        text = name + (f"@{digest}" if digest else f":{tag}" if tag else "")
        shown = f"{where} images[{entry.get('name', name)}]"
        yield Mention(text=text, where=shown, partial=not (tag or digest))
