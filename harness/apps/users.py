# SPDX-License-Identifier: Apache-2.0
"""A user's own applications, from the YAML files of a folder (`--apps`): read, checked, made ready for a namespace."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.apps.objects import CONNECT, GROUP, RESOURCES, SCHEDULED
from harness.apps.samples import Manifest, chart_values
from harness.errors import SettingsError, UsageError
from harness.images.references import ImageReference
from harness.releases.values import Loader, with_text_keys

CONFIG_MAP = "ConfigMap"

_VERSIONS = {**{it.kind: f"{GROUP}/{it.version}" for it in RESOURCES}, CONFIG_MAP: "v1"}
_SUFFIXES = (".yaml", ".yml")
_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_LABEL_LENGTH = 63
"""The operator labels pods with the name of their application."""

_IMAGE_CONF = re.compile(r"spark\.kubernetes\.(driver\.|executor\.)?container\.image")
_KEPT_METADATA = ("name", "labels", "annotations")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_PART_OF = {"app.kubernetes.io/part-of": "spark-samples"}
_AFTER = "-after"
_DRIVER_CONTAINER = "spark-kubernetes-driver"
_REQUEST_CONF = re.compile(r"spark\.kubernetes\.(driver|executor)\.request\.cores")


@dataclass(frozen=True, kw_only=True)
class UserManifest:
    """One document as the user wrote it; `file` is below the folder of --apps, `line` where the document begins."""

    file: str
    line: int
    document: Manifest

    @property
    def kind(self) -> str:
        """The Kubernetes kind."""
        return str(self.document["kind"])

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.document["metadata"]["name"])

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
    def images(self) -> tuple[str, ...]:
        """The full references of all images that it names."""
        return tuple(dict.fromkeys(ImageReference.parse(it).canonical for it in _images(self.document.get("spec"))))


UserManifests = tuple[UserManifest, ...]

USERS = "users"
"""The kind of applications that they are along a path."""


def load(folder: Path) -> UserManifests:
    """All documents of the YAML files below a folder, by the order of files. Raises UsageError with file and line.

    There must be at least one application; ConfigMaps that applications need may stand beside them.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise UsageError(f"--apps {folder} {what}", "give the folder with the YAML files of your applications")
    files = sorted(it for it in folder.rglob("*") if it.suffix in _SUFFIXES and it.is_file())
    if not files:
        raise UsageError(f"there is no YAML file below {folder}", f"files of --apps end in {' or '.join(_SUFFIXES)}")
    found = tuple(it for file in files for it in _documents(file, str(file.relative_to(folder))))
    if not applications(found):
        raise UsageError(f"there is no application in the files below {folder}", f"kinds are {', '.join(_VERSIONS)}")
    _require_unique(found)
    return found


def applications(manifests: Sequence[UserManifest]) -> UserManifests:
    """Those that are no helpers."""
    return tuple(it for it in manifests if it.kind != CONFIG_MAP)


def ready(
    manifests: Sequence[UserManifest], application: UserManifest, namespace: str, name: str = ""
) -> list[Manifest]:
    """What to create for one application: the ConfigMaps, then itself, in this namespace and under this name.

    It runs under the service account that the operator's chart makes there, since its own is in another namespace. Its
    pods ask for as little of a processor as those of samples, since the node has few: how much they may use, and their
    memory, stay as they are. What an API server adds to an object is left out.
    """
    helpers = [_helper(it, namespace) for it in manifests if it.kind == CONFIG_MAP]
    made = _moved(application.document, namespace, name or application.name)
    _run_as(made, chart_values().service_account)
    _ask_little(made, chart_values().driver.core_request)
    return [*helpers, made]


def name_after(name: str) -> str:
    """The name of the copy that is submitted after a move."""
    return name[: _LABEL_LENGTH - len(_AFTER)].rstrip("-.") + _AFTER


def _documents(file: Path, shown: str) -> Iterator[UserManifest]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as unreadable:
        raise UsageError(f"{file} cannot be read: {unreadable}", "it must be UTF-8 text") from unreadable
    loader = Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            line = node.start_mark.line + 1
            document = with_text_keys(loader.construct_document(node))
            if document is not None:
                _require_application(document, f"{file}:{line}")
                yield UserManifest(file=shown, line=line, document=document)
    except yaml.MarkedYAMLError as broken:
        mark = broken.problem_mark or broken.context_mark
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        raise UsageError(
            f"{where}: not valid YAML: {broken.problem or broken.context}",
            "correct that line; templates of Helm must be rendered before (`helm template`)",
        ) from broken
    except yaml.YAMLError as broken:
        raise UsageError(f"{file}: not valid YAML: {broken}", "correct it, or take it out of the folder") from broken
    finally:
        loader.dispose()


def _ask_little(made: Manifest, request: str) -> None:
    """Set the processor requests of all pods of an application, of a schedule's runs, or of Connect."""
    spec = made["spec"]
    if made["kind"] == SCHEDULED.kind:
        spec = spec["template"]
    conf = {key: it for key, it in (spec.get("sparkConf") or {}).items() if not _REQUEST_CONF.fullmatch(str(key))}
    if made["kind"] == CONNECT.kind:
        conf["spark.kubernetes.executor.request.cores"] = request
        for container in spec["server"]["template"]["spec"]["containers"]:
            asked = (container.get("resources") or {}).get("requests") or {}
            if "cpu" in asked:
                asked["cpu"] = request
    else:
        for part in ("driver", "executor"):
            spec[part] = {**(spec.get(part) or {}), "coreRequest": request}
    if conf or "sparkConf" in spec:
        spec["sparkConf"] = conf


def _require_application(document: object, where: str) -> None:
    if not isinstance(document, dict):
        raise UsageError(f"{where}: not an object of Kubernetes", "write apiVersion, kind, metadata and spec")
    kind = str(document.get("kind", ""))
    if kind not in _VERSIONS:
        near = difflib.get_close_matches(kind, _VERSIONS, n=1)
        raise UsageError(
            f"{where}: the kind {kind or 'is missing'}{'' if kind else ' and'} is not one that --apps runs"
            + (f"; did you mean {near[0]}?" if near else ""),
            f"kinds are {', '.join(_VERSIONS)}; take other objects out of the folder",
        )
    if document.get("apiVersion") != _VERSIONS[kind]:
        raise UsageError(
            f"{where}: {kind} has the apiVersion {document.get('apiVersion', 'none')}", f"write {_VERSIONS[kind]}"
        )
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise UsageError(f"{where}: this {kind} has no metadata.name", "give it a name; generateName is of no use here")
    if not _DNS_NAME.fullmatch(name) or len(name) > _LABEL_LENGTH:
        raise UsageError(
            f"{where}: {name!r} cannot be the name of a {kind}",
            f"use at most {_LABEL_LENGTH} lower-case letters, digits, '-' and '.'",
        )
    if kind != CONFIG_MAP:
        _require_images(document, f"{where}: {kind} {name}")


def _require_images(document: Mapping[str, Any], what: str) -> None:
    if not isinstance(document.get("spec"), dict):
        raise UsageError(f"{what} has no spec", "write it as `kubectl explain` shows it")
    images = list(_images(document["spec"]))
    if not images:
        raise UsageError(f"{what} names no image", "set spec.image: no release of the operator has a default for it")
    for image in images:
        try:
            ImageReference.parse(image)
        except (UsageError, SettingsError) as wrong:
            raise UsageError(f"{what}: {wrong.message}", wrong.next_step) from wrong


def _require_unique(manifests: Sequence[UserManifest]) -> None:
    known: dict[tuple[str, str], UserManifest] = {}
    for it in manifests:
        other = known.setdefault((it.kind, it.name), it)
        if other is not it:
            raise UsageError(
                f"{it.where} and {other.where} both have a {it.kind} with the name {it.name}",
                "all of --apps run in one namespace, whatever theirs are: rename one",
            )


def _images(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, str) and inner and (key == "image" or _IMAGE_CONF.fullmatch(str(key))):
                yield inner
            else:
                yield from _images(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _images(inner)


def _helper(manifest: UserManifest, namespace: str) -> Manifest:
    made = _moved(manifest.document, namespace, manifest.name)
    # By this label a namespace is emptied of what samples brought along.
    made["metadata"]["labels"] = {**(made["metadata"].get("labels") or {}), **_PART_OF}
    return made


def _moved(document: Mapping[str, Any], namespace: str, name: str) -> Manifest:
    made = {key: copy.deepcopy(value) for key, value in document.items() if key != "status"}
    metadata = {key: value for key, value in made["metadata"].items() if key in _KEPT_METADATA}
    annotations = {key: it for key, it in (metadata.pop("annotations", None) or {}).items() if key != _LAST_APPLIED}
    made["metadata"] = {
        **metadata,
        **({"annotations": annotations} if annotations else {}),
        "namespace": namespace,
        "name": name,
    }
    return made


def _run_as(made: Manifest, account: str) -> None:
    """Set the service account of the driver, or of the server of Connect."""
    spec = made["spec"]
    if made["kind"] == CONNECT.kind:
        server = spec["server"] = {**(spec.get("server") or {})}
        template = server["template"] = {**(server.get("template") or {})}
        pod = template["spec"] = {**(template.get("spec") or {})}
        # A pod template needs a container; one without an image gets that of the spec.
        pod.setdefault("containers", [{"name": _DRIVER_CONTAINER, "image": spec.get("image", "")}])
        pod["serviceAccountName"] = account
        return
    if made["kind"] == SCHEDULED.kind:
        spec["template"] = {**(spec.get("template") or {})}
        spec = spec["template"]
    driver = spec["driver"] = {**(spec.get("driver") or {})}
    driver["serviceAccount"] = account
    pod_template = driver.get("template")
    if isinstance(pod_template, dict) and isinstance(pod_template.get("spec"), dict):
        pod_template["spec"].pop("serviceAccountName", None)
