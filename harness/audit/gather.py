# SPDX-License-Identifier: Apache-2.0
"""Collects every image in Kubernetes objects: pod specs, the operator's resources, Spark settings, CRD defaults."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from harness import libyaml, named_files
from harness.audit import deployed, rules_about
from harness.audit.deployed import Deployment
from harness.audit.homes import Homes, Role
from harness.images.references import is_tagged
from harness.releases import chart_image
from harness.releases.charts import CHART_NAME
from harness.releases.manifests import SUFFIXES
from harness.releases.values import at
from harness.untrusted import check_yaml

_SPARK_KEY = re.compile(r"spark\.kubernetes\.(?:\w+\.)?container\.image")
_SPARK_LINE = re.compile(rf"(?:^|[\s\"'])({_SPARK_KEY.pattern})\s*[=:\s]\s*[\"']?([^\s\"'\\]+)", re.M)
# Keys below which `image` is no container image: Ceph's block devices have images too.
_OTHER_IMAGES = {"rbd"}
_IMAGE_FLAG = re.compile(r"--?[\w.-]*image[\w.-]*=(?P<image>\S+)")
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:[-+][\w.-]+)?")
_ROLES: dict[str, Role] = {"image": "operator", "hook.image": "hook"}
_KUSTOMIZED = {"newName", "newTag"}
# An object as the text of another, as Argo Workflows have what they create (`resource.manifest`).
_MANIFEST = re.compile(r"(?:^|[{\s])\"?apiVersion\"?\s*:")


@dataclass(frozen=True, kw_only=True)
class Mention:
    """An image as written, and where. `partial` says that its tag is elsewhere, as a chart's appVersion."""

    text: str
    where: str
    partial: bool = False


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A file or a part of it that could not be read, and why; `refused` is whether the system did not let it be."""

    where: str
    why: str
    refused: bool = False


def of_objects(objects: Iterable[Any], origin: str, homes: Homes | None = None) -> list[Mention]:
    """The images in objects; `origin` says where the objects come from.

    With `homes` also those that the operator's chart would ask for, where an object deploys it.
    """
    every = list(objects)
    config = deployed.config_of(every)
    return [mention for it in every for mention in _of_object(it, origin, homes, config)]


def of_values(values: Mapping[str, Any], origin: str, homes: Homes) -> list[Mention]:
    """The images in Helm values: those that the newest chart would ask for, and others as one string or in parts."""
    return _of_values(values, origin, homes, "", always=False)


def of_folder(folder: Path, homes: Homes) -> tuple[list[Mention], list[Unreadable]]:
    """The images of all manifests below a folder (or of one file), and what could not be read."""
    read: list[tuple[str, list[Any]]] = []
    problems: list[Unreadable] = []

    def unlisted(refused: OSError) -> None:
        where, why = str(refused.filename or folder), f"not looked into: {refused.strerror}"
        problems.append(Unreadable(where=where, why=why, refused=True))

    tree = named_files.tree(folder, unlisted) if folder.is_dir() else named_files.Tree((folder,))
    for link, why in tree.links:
        if link.is_dir() or link.suffix in SUFFIXES:
            problems.append(Unreadable(where=link.relative_to(folder).as_posix(), why=why))
    for file in (it for it in tree.files if it.suffix in SUFFIXES or it == folder):
        if not file.is_file():
            continue
        shown = file.relative_to(folder).as_posix() if folder.is_dir() else file.name
        try:
            documents = list(yaml.load_all(check_yaml(named_files.text(file)), Loader=libyaml.Loader))
        except yaml.MarkedYAMLError as broken:
            mark = broken.problem_mark or broken.context_mark
            line = f"{shown}:{mark.line + 1}" if mark else shown
            problems.append(Unreadable(where=line, why=f"not valid YAML: {broken.problem or broken.context}"))
            continue
        except (yaml.YAMLError, OSError, UnicodeDecodeError) as broken:
            refused = isinstance(broken, OSError)
            problems.append(Unreadable(where=shown, why=str(broken), refused=refused))
            continue
        read.append((shown, documents))
    config = deployed.config_of(it for _, documents in read for it in documents)
    found = [it for shown, documents in read for one in documents for it in _of_object(one, shown, homes, config)]
    return found, problems


def other_kinds(folders: Iterable[Path]) -> Counter[str]:
    """How many files of which other kinds are below folders, by the endings of their names."""
    found = (it for folder in folders if folder.is_dir() for it in named_files.below(folder, lambda refused: None))
    files = (it for it in found if ".git" not in it.parts)
    return Counter(it.suffix or it.name for it in files if it.suffix not in SUFFIXES)


def _of_object(it: Any, origin: str, homes: Homes | None, config: Mapping[str, Mapping[str, Any]]) -> Iterator[Mention]:
    if isinstance(it, list):
        yield from _json_patch(it, origin)
    if not isinstance(it, Mapping) or _is_rule(it):
        return
    kind = str(it.get("kind") or "")
    if kind.endswith("List") and isinstance(it.get("items"), list):
        for item in it["items"]:
            yield from _of_object(item, origin, homes, config)
        return
    metadata = it.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, Mapping) else ""
    where = f"{origin}: {kind}/{name}" if kind else origin
    if kind in ("Application", "ApplicationSet"):
        yield from _argo_images(it.get("spec"), where)
    deployments = list(deployed.charts_in(it, where, config)) if homes else []
    for deployment in deployments:
        yield from _deployed(deployment, homes)
    if kind == "CustomResourceDefinition":
        yield from _defaults(it.get("spec"), where, "spec")
    elif kind in ("ConfigMap", "Secret"):
        yield from _texts(it.get("data"), where)
        yield from _texts(it.get("stringData"), where)
    elif kind == "ImageTagTransformer":
        yield from _kustomized({"images": [it.get("imageTag")]}, where)
    elif kind in ("Kustomization", "Component") or _is_kustomization(it):
        yield from _kustomized(it, where)
        # Flux has the same keys one level below.
        yield from _kustomized(it.get("spec"), where)
        yield from _texts(at(it, "spec.postBuild.substitute"), where)
    elif kind == "HelmRelease":
        renderers = at(it, "spec.postRenderers")
        for renderer in renderers if isinstance(renderers, list) else ():
            yield from _kustomized(renderer.get("kustomize") if isinstance(renderer, Mapping) else None, where)
    elif kind == "ImageRepository":
        # What Flux lists the tags of.
        yield from (replace(one, partial=True) for one in _walk(it, where, ""))
    else:
        # What a chart gets was judged with it; lists of images are beside it.
        yield from _lists_in(it, where, "") if deployments else _walk(it, where, "")


def _argo_images(spec: Any, where: str) -> Iterator[Mention]:
    """The images that Argo CD gives to Kustomize, as `OLD=NEW` or `NEW`, and its patches."""
    if isinstance(spec, list):
        for one in spec:
            yield from _argo_images(one, where)
    elif isinstance(spec, Mapping):
        images = at(spec, "kustomize.images")
        for number, image in enumerate(images if isinstance(images, list) else []):
            new = str(image).rpartition("=")[2]
            whole = is_tagged(new) or "@" in new
            yield Mention(text=new, where=f"{where} kustomize.images[{number}]", partial=not whole)
        yield from _kustomized({"patches": at(spec, "kustomize.patches")}, where)
        for below in spec.values():
            yield from _argo_images(below, where)


def _deployed(it: Deployment, homes: Homes | None) -> Iterator[Mention]:
    """The images of a chart with its values."""
    is_own = homes is not None and it.is_operators and homes.may_have_chart(it.address or it.chart)
    charts = homes.history.chart(it.version) if homes and is_own else None
    if charts is not None:
        # These charts have the whole name in the repository.
        named = list(_walk(it.values, it.where, ""))
        yield from named or [Mention(text=charts.home, where=f"{it.where} version", partial=True)]
    elif homes and (is_own or (not it.is_operators and any(path for path, _ in chart_image.of_operator(it.values)))):
        yield from _of_values(it.values, it.where, homes, homes.newest(it.version) if is_own else "", always=is_own)
    else:
        yield from _walk(it.values, it.where, "")


def _of_values(values: Mapping[str, Any], origin: str, homes: Homes, version: str, *, always: bool) -> list[Mention]:
    """With `always` also the operator's image that no value names, if the chart's version is known."""
    found: list[Mention] = []
    below_keys = (
        (path, key, at(inner, key)) for path, inner in chart_image.subcharts(values) for key in chart_image.KEYS
    )
    taken = {f"{path}{key}" for path, key, value in below_keys if not isinstance(value, str)}
    known = bool(_VERSION.fullmatch(version))
    for above, below in chart_image.of_operator(values):
        for key, role in _ROLES.items():
            home = homes.of(role, version) if known else homes.current(role)
            asked = chart_image.rendered(
                below, key, registry=home.registry, repository=home.repository, version=version if known else ""
            )
            path = f"{above}{key}"
            if not isinstance(at(below, key), str):
                taken.add(path)
            if not asked.given and not (always and known and key == "image"):
                continue
            text = asked.text if asked.tag else asked.name
            where = f"{origin} {path}" + (f".{asked.given[-1]}" if len(asked.given) == 1 else "")
            digest = at(below, f"{key}.digest")
            text += f"@{digest}" if digest else ""
            found.append(Mention(text=text, where=where, partial=not (asked.tag or digest)))
    return [*found, *(it for it in _walk(values, origin, "") if it.where.removeprefix(f"{origin} ") not in taken)]


def _is_rule(it: Mapping[str, Any]) -> bool:
    """Whether an object is a rule about images: a policy, or a mirror's."""
    group = str(it.get("apiVersion") or "").partition("/")[0]
    return group in rules_about.GROUPS or bool(rules_about.KINDS.fullmatch(str(it.get("kind") or "")))


def _is_kustomization(it: Mapping[str, Any]) -> bool:
    """Whether a mapping without kind is a Kustomization, which may leave it out."""
    images = it.get("images")
    named = isinstance(images, list) and any(isinstance(one, Mapping) and _KUSTOMIZED & set(one) for one in images)
    return "kind" not in it and (named or ("resources" in it and bool({"patches", "helmCharts", "images"} & set(it))))


def _walk(value: Any, where: str, path: str) -> Iterator[Mention]:
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _walk(inner, where, f"{path}[{number}]")
        return
    if isinstance(value, str) and _MANIFEST.search(value):
        yield from _texts({path: value}, where)
    elif isinstance(value, str):
        for key, image in _SPARK_LINE.findall(value):
            yield Mention(text=image, where=f"{where} {path} ({key})")
        flag = _IMAGE_FLAG.fullmatch(value)
        if flag and _is_operators(flag["image"]):
            yield Mention(text=flag["image"], where=f"{where} {path}")
    if not isinstance(value, Mapping):
        return
    yield from _in_parts(value, where, path)
    if value.get("kind") == "DockerImage" and isinstance(value.get("name"), str):
        # What a tag of an ImageStream is imported from.
        yield Mention(text=value["name"], where=f"{where} {path}.name")
    source = value.get("source")
    if value.get("type") in ("registry-image", "docker-image") and isinstance(source, Mapping):
        # A resource of Concourse.
        yield from _in_parts({"tag": "latest", **source}, where, f"{path}.image")
    parameter = value.get("value") or value.get("default")
    if str(value.get("name") or "").lower().endswith("image") and _is_operators(parameter):
        yield Mention(text=str(parameter), where=f"{where} {path} {value['name']}")
    for key, inner in value.items():
        below = f"{path}.{key}" if path else str(key)
        if rules_about.is_key_of_rules(str(key)) or (key == "image" and "newImage" in value):
            # What a rule is about, or what kbld replaces.
            continue
        if isinstance(inner, str) and (key == "image" or _SPARK_KEY.fullmatch(str(key))):
            if path.rpartition(".")[2] not in _OTHER_IMAGES and inner.strip():
                yield Mention(text=inner, where=f"{where} {below}")
        elif path.endswith("]") and key == "image" and isinstance(inner, Mapping) and "reference" in inner:
            # An image volume (core/v1 ImageVolumeSource).
            yield Mention(text=str(inner["reference"]), where=f"{where} {below}.reference")
        elif key == "env" and isinstance(inner, list):
            for entry in inner:
                name = str(entry.get("name", "")) if isinstance(entry, Mapping) else ""
                if name.startswith("RELATED_IMAGE_") or ("IMAGE" in name.upper() and _is_operators(entry.get("value"))):
                    yield Mention(text=str(entry.get("value") or ""), where=f"{where} {below} {entry['name']}")
        elif str(key).lower().endswith("image") and _is_operators(inner):
            yield Mention(text=str(inner), where=f"{where} {below}")
        elif key not in ("status", "managedFields", "annotations"):
            if str(key).lower().endswith("images") and isinstance(inner, list):
                yield from _listed(inner, f"{where} {below}")
            yield from _walk(inner, where, below)


def _is_operators(value: object) -> bool:
    """Whether a text is a name, and may be one of the operator's images: people have them below keys of their own."""
    return isinstance(value, str) and CHART_NAME in value and not re.search(r"\s|://", value)


def _listed(images: Iterable[Any], where: str) -> Iterator[Mention]:
    """The operator's images in a list of names, as packages and mirrors have them."""
    for number, image in enumerate(images):
        name = image.get("name") if isinstance(image, Mapping) and not _KUSTOMIZED & set(image) else image
        # `OLD=NEW` of Kustomize.
        name = name.rpartition("=")[2] if isinstance(name, str) else ""
        if _is_operators(name):
            tag = image.get("tag") if isinstance(image, Mapping) else None
            text = f"{name}:{tag}" if tag and not is_tagged(name) else name
            yield Mention(text=text, where=f"{where}[{number}]")


def _lists_in(value: Any, where: str, path: str) -> Iterator[Mention]:
    """The lists of images anywhere in an object."""
    for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
        below = f"{path}.{key}" if path else str(key)
        if str(key).lower().endswith("images") and isinstance(inner, list):
            yield from _listed(inner, f"{where} {below}")
        if isinstance(inner, Mapping | list):
            yield from _lists_in(inner, where, below)


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


def _texts(data: Any, where: str) -> Iterator[Mention]:
    """Spark properties, pod templates and other objects in texts, as of a ConfigMap."""
    for key, text in data.items() if isinstance(data, Mapping) else ():
        if not isinstance(text, str):
            continue
        for name, image in _SPARK_LINE.findall(text):
            yield Mention(text=image, where=f"{where} {key} ({name})")
        if str(key).upper().endswith("IMAGE") and _is_operators(text):
            yield Mention(text=text, where=f"{where} {key}")
        if not any(it in text for it in ("image:", "images:", '"image"', '"images"')):
            continue
        try:
            documents = list(yaml.load_all(check_yaml(text), Loader=libyaml.Loader))
        except yaml.YAMLError:
            # A ConfigMap may hold any text; what is not YAML is not a pod template.
            continue
        for document in documents:
            if isinstance(document, Mapping):
                yield from _walk(document, f"{where} {key}", "")


def _kustomized(it: Any, where: str) -> Iterator[Mention]:
    """What a Kustomization, or a post-renderer with its keys, makes of images: by name, and by patches."""
    if not isinstance(it, Mapping):
        return
    images = it.get("images")
    for entry in images if isinstance(images, list) else []:
        if not isinstance(entry, Mapping) or not (entry.get("newName") or entry.get("name")):
            continue
        tag, digest = entry.get("newTag"), entry.get("digest")
        name = str(entry.get("newName") or entry["name"])
        text = name + (f"@{digest}" if digest else f":{tag}" if tag else "")
        shown = f"{where} images[{entry.get('name', name)}]"
        yield Mention(text=text, where=shown, partial=not (tag or digest))
    for generator in it.get("configMapGenerator") or ():
        literals = generator.get("literals") if isinstance(generator, Mapping) else None
        pairs = (str(one).partition("=") for one in (literals if isinstance(literals, list) else []))
        yield from _texts({key: value for key, _, value in pairs}, where)
    for key in ("patches", "patchesJson6902", "patchesStrategicMerge"):
        patches = it.get(key)
        for number, patch in enumerate(patches if isinstance(patches, list) else []):
            shown = f"{where} {key}[{number}]"
            written = patch.get("patch") if isinstance(patch, Mapping) else patch
            yield from _patched(written, shown)


def _patched(written: Any, where: str) -> Iterator[Mention]:
    """A patch: text or not, a list of operations or a part of an object."""
    if isinstance(written, str):
        try:
            written = yaml.load(check_yaml(written), Loader=libyaml.Loader)  # noqa: S506 - a safe loader
        except yaml.YAMLError:
            # The name of a file, which is read on its own, or a template.
            return
    if isinstance(written, list):
        yield from _json_patch(written, where)
    elif isinstance(written, Mapping):
        yield from _walk(written, where, "")


def _json_patch(operations: Iterable[Any], where: str) -> Iterator[Mention]:
    """Images in the values of a JSON patch (RFC 6902)."""
    for number, operation in enumerate(operations):
        if not isinstance(operation, Mapping) or "op" not in operation:
            continue
        value, path = operation.get("value"), str(operation.get("path") or "")
        if isinstance(value, str) and path.rpartition("/")[2] == "image":
            yield Mention(text=value, where=f"{where} [{number}].value")
        else:
            yield from _walk(value, where, f"[{number}].value")
