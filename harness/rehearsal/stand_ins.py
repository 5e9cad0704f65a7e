# SPDX-License-Identifier: Apache-2.0
"""Applications of a snapshot as a small cluster can run them: what cannot be had is played by something small.

State, schedule, restarts, names, labels, sparkConf and security contexts stay. Everything that changes is told.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.apps.objects import CONNECT, SCHEDULED
from harness.apps.samples import SparkChoice
from harness.apps.users import CONFIG_MAP, ENDS, KEPT_NAMESPACE, images_in
from harness.redaction.redactor import MASK
from harness.rehearsal.choice import state_of
from harness.sites.model import Object

PROGRAM = "rehearsal-stand-in"
"""The name of the ConfigMap with the program that plays applications."""

_FILE, _MOUNT = "stand_in.py", "/opt/rehearsal"
_EXAMPLES = "local:///opt/spark/examples/"
_STOCK = "/apache/spark"
_LONG, _SHORT, _MOST = 150.0, 10.0, 60.0
"""Seconds: of an application that is RUNNING, to outlast a move; of one that has ended where nothing says how long it
ran, and at most."""

_RAN = frozenset({"RUNNING", "SUBMITTED", "SUCCEEDING", "FAILING", "PENDING_RERUN", "PENDING_SUBMISSION"})
_RAN |= frozenset({"INVALIDATING", "RESUMING", "UNKNOWN"})
_FAILED = frozenset({"FAILED", "SUBMISSION_FAILED"})
_MEMORY, _CORE_LIMIT = "512m", "1000m"
_OF_THE_PROGRAM = ("arguments", "mainApplicationFile", "mainClass", "pythonVersion")
_TO_LEAVE_OUT = (*_OF_THE_PROGRAM, "deps", "monitoring", "proxyUser")
_OF_A_POD = ("gpu", "hostNetwork", "initContainers", "javaOptions", "lifecycle", "sidecars", "memoryOverhead")
_OF_A_CONTAINER = ("args", "command", "envFrom", "image", "lifecycle", "livenessProbe", "readinessProbe", "resources")
_OF_A_TEMPLATE = ("initContainers", "nodeName", "overhead", "resourceClaims", "runtimeClassName", "volumes")
_LASTING = ("configMap", "secret", "emptyDir", "projected", "downwardAPI")
"""Sources of volumes that a cluster has or gets."""

_CONF = re.compile(
    r"spark\.(jars|files|archives|submit|plugins|eventLog|pyspark|kerberos)\b.*|spark\.(driver|executor)\.(extra|default|memory).*"
    r"|spark\.kubernetes\.(driver\.|executor\.)?(container\.image|podTemplate|volumes|limit|file\.upload).*"
)
"""What of sparkConf names files, programs, images, volumes and sizes that are not here."""


_ENVIRONMENT_CONF = re.compile(r"spark\.(executorEnv|kubernetes\.driverEnv)\.")


@dataclass(frozen=True, kw_only=True)
class Means:
    """What there is: images that can be had, and the Spark images that play the others."""

    has: Callable[[str], bool]
    spark: SparkChoice


@dataclass(frozen=True, kw_only=True)
class Playing:
    """An application as it is rehearsed, and what of it is otherwise, in words that are the same for many."""

    document: dict[str, Any]
    told: tuple[str, ...] = ()
    stood_in: bool = False


def program(namespace: str) -> dict[str, Any]:
    """The ConfigMap with the program."""
    text = Path(__file__).with_name(_FILE).read_text(encoding="utf-8")
    metadata = {"name": PROGRAM, "namespace": namespace}
    return {"apiVersion": "v1", "kind": CONFIG_MAP, "metadata": metadata, "data": {_FILE: text}}


def playing(stored: Object, means: Means, *, stays: bool) -> Playing:
    """An application of a snapshot as a run can have it; `stays` lets it run in its own namespace."""
    document = copy.deepcopy({key: it for key, it in stored.items() if key != "status"})
    state, told = state_of(stored), []
    spec = document["spec"]
    run = spec.setdefault("template", {}) if document["kind"] == SCHEDULED.kind else spec
    told += _without_masks(run)
    # Whether one that was FAILED does so here, too, nobody knows.
    stood_in = document["kind"] == CONNECT.kind or state in _FAILED or not _is_here(run, means)
    if document["kind"] == CONNECT.kind:
        told += _connect(run, means)
    elif stood_in:
        told += _stand_in(run, means, state, _seconds(stored, state))
    else:
        told += list(_smaller(run))
    annotations = {KEPT_NAMESPACE: "own"} if stays else {}
    if state in _FAILED and document["kind"] != SCHEDULED.kind:
        annotations[ENDS] = "FAILED"
        run["restartPolicy"] = {"type": "Never"}
    metadata = document["metadata"]
    # A mask is no value of a label.
    metadata["labels"] = {key: it for key, it in (metadata.get("labels") or {}).items() if MASK not in str(it)}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    return Playing(document=document, told=tuple(told), stood_in=stood_in)


def _is_here(run: Mapping[str, Any], means: Means) -> bool:
    """Whether an application can run as it is: its images can be had, and its main file is in its own."""
    image, main = str(run.get("image") or ""), str(run.get("mainApplicationFile") or "")
    masked = MASK in map(str, run.get("arguments") or ())
    if masked or not main.startswith("local://") or not image or not all(map(means.has, images_in(run))):
        return False
    if image.partition("@")[0].partition(":")[0].endswith(_STOCK) and not main.startswith(_EXAMPLES):
        return False
    path = main.removeprefix("local://")
    mounts = [it for role in ("driver", "executor") for it in (run.get(role) or {}).get("volumeMounts") or ()]
    return not any(path.startswith(f"{str(it.get('mountPath')).rstrip('/')}/") for it in mounts)


def _image(run: Mapping[str, Any], means: Means) -> tuple[str, str]:
    """The Spark version, and the image, that play: the same version, else one of the same major, else the newest."""
    asked = str(run.get("sparkVersion") or "")
    images = means.spark.images
    alike = [it for it in images if it == asked] or [it for it in images if it.split(".")[0] == asked.split(".")[0]]
    version = alike[0] if alike else means.spark.version
    return version, images[version]


def _seconds(stored: Object, state: str) -> float:
    """How long an application is played."""
    ran = (stored.get("status") or {}).get("seconds")
    if state in _RAN:
        return _LONG
    return min(float(ran), _MOST) if isinstance(ran, int) else _SHORT


def _stand_in(run: dict[str, Any], means: Means, state: str, seconds: float) -> Iterator[str]:
    """Let the program of this room play the application."""
    version, image = _image(run, means)
    if run.get("image") != image:
        yield f"the image {run.get('image') or '(none)'} is played by {image}"
    yield f"{_main(run)} is played by a program that only waits and ends"
    for key in _TO_LEAVE_OUT:
        if run.pop(key, None) and key not in _OF_THE_PROGRAM:
            yield f"spec.{key} is left out"
    status = 1 if state in _FAILED else 0
    driver, executor = run.setdefault("driver", {}), run.setdefault("executor", {})
    yield from _bare(run)
    run.update(
        type="Python",
        mode="cluster",
        pythonVersion="3",
        sparkVersion=version,
        image=image,
        imagePullPolicy="IfNotPresent",
        mainApplicationFile=f"local://{_MOUNT}/{_FILE}",
        arguments=[f"{seconds:g}", str(status)],
    )
    run["volumes"] = [*(run.get("volumes") or ()), {"name": PROGRAM, "configMap": {"name": PROGRAM}}]
    driver["volumeMounts"] = [*(driver.get("volumeMounts") or ()), {"name": PROGRAM, "mountPath": _MOUNT}]
    executor.setdefault("instances", 1)


def _main(run: Mapping[str, Any]) -> str:
    """The main file in words: those of a bucket together."""
    scheme, found, path = str(run.get("mainApplicationFile") or "").partition("://")
    if not found:
        return "the main file"
    return f"the main file local://{path}" if scheme == "local" else f"a main file of {scheme}://"


def _bare(run: dict[str, Any]) -> Iterator[str]:
    """Take out what needs files, images, volumes, devices and room that are not here."""
    conf = run.get("sparkConf") or {}
    without = sorted(str(key) for key in conf if _CONF.fullmatch(str(key)))
    if without:
        run["sparkConf"] = {key: it for key, it in conf.items() if str(key) not in without}
        yield f"sparkConf without {', '.join(without)}"
    yield from volumes(run)
    for role in ("driver", "executor"):
        if not isinstance(run.get(role), dict):
            continue
        part = run[role]
        for key in _OF_A_POD:
            if part.pop(key, None):
                yield f"spec.{role}.{key} is left out"
        part.pop("image", None)
        part.update(memory=_MEMORY, cores=1)
        if "coreLimit" in part:
            # A quota of limits asks for one.
            part["coreLimit"] = _CORE_LIMIT
        template = (part.get("template") or {}).get("spec")
        if isinstance(template, dict):
            yield from _template(template, role)


def _template(pod: dict[str, Any], role: str) -> Iterator[str]:
    for key in _OF_A_TEMPLATE:
        if pod.pop(key, None):
            yield f"spec.{role}.template without {key}"
    for container in pod.get("containers") or ():
        for key in (*_OF_A_CONTAINER, "env", "volumeMounts"):
            container.pop(key, None)


def volumes(run: dict[str, Any]) -> Iterator[str]:
    """Volumes of storage that is not here are empty ones."""
    for number, volume in enumerate(run.get("volumes") or ()):
        if isinstance(volume, Mapping) and not any(it in volume for it in _LASTING):
            source = ", ".join(key for key in volume if key != "name") or "nothing"
            run["volumes"][number] = {"name": volume.get("name"), "emptyDir": {}}
            yield f"volumes of {source} are empty ones"


def _connect(run: dict[str, Any], means: Means) -> Iterator[str]:
    """A Connect server with its own program, in an image that can be had."""
    version, image = _image(run, means)
    if run.get("image") != image:
        yield f"the image {run.get('image') or '(none)'} is played by {image}"
    run.update(image=image, sparkVersion=version)
    conf = run.get("sparkConf") or {}
    run["sparkConf"] = {key: it for key, it in conf.items() if not _CONF.fullmatch(str(key))}
    if len(run["sparkConf"]) < len(conf):
        yield f"sparkConf without {', '.join(sorted(set(conf) - set(run['sparkConf'])))}"
    for role in ("server", "executor"):
        part = run.setdefault(role, {})
        if "memory" in part:
            part["memory"] = _MEMORY
        template = (part.get("template") or {}).get("spec")
        if isinstance(template, dict):
            yield from _template(template, role)
    run["executor"]["instances"] = 1
    if run.pop("dynamicAllocation", None):
        yield "spec.dynamicAllocation is left out"


def _smaller(run: dict[str, Any]) -> Iterator[str]:
    """What is here runs as it is, with little memory and one executor."""
    executor = run.get("executor") or {}
    instances = executor.get("instances", 1)
    if isinstance(instances, int) and instances > 1:
        executor["instances"] = 1
        yield f"one executor in the place of {instances}"
    for role in ("driver", "executor"):
        part = run.get(role)
        if isinstance(part, dict) and part.get("memory", _MEMORY) != _MEMORY:
            yield f"spec.{role}.memory is {_MEMORY} in the place of {part['memory']}"
            part["memory"] = _MEMORY


def _without_masks(run: dict[str, Any]) -> list[str]:
    """Leave out variables whose values the snapshot does not have: a JVM or a shell would take the mask for one."""
    conf = run.get("sparkConf") or {}
    names = [str(key) for key, it in conf.items() if it == MASK and _ENVIRONMENT_CONF.match(str(key))]
    if names:
        run["sparkConf"] = {key: it for key, it in conf.items() if key not in names}
    for role in ("driver", "executor"):
        part = run.get(role)
        if not isinstance(part, dict):
            continue
        kept = [it for it in part.get("env") or () if not (isinstance(it, Mapping) and it.get("value") == MASK)]
        names += [str(it.get("name")) for it in part.get("env") or () if it not in kept]
        if "env" in part:
            part["env"] = kept
        variables = part.get("envVars")
        if isinstance(variables, Mapping):
            names += [str(key) for key, it in variables.items() if it == MASK]
            part["envVars"] = {key: it for key, it in variables.items() if it != MASK}
    return [f"without the environment variables {', '.join(dict.fromkeys(names))}"] if names else []
