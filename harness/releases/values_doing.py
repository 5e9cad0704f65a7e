# SPDX-License-Identifier: Apache-2.0
"""Whether it is the user's values of which an operator's pods do not start: what they add to them, or set otherwise.

Pure: from the words of an install that failed, and what the chart renders with the values and without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness.releases import lost_leases
from harness.releases.own_containers import is_little_cpu
from harness.releases.scheduling import part_of
from harness.releases.value_kinds import leaves
from harness.releases.values import at

Object = Mapping[str, Any]

_CONTAINER = re.compile(r"container (?P<name>[\w.-]+) of pod [\w.-]+ (?:crashes|cannot be started|fails)\b")
"""The words of harness/releases/trouble.py."""
_SET_UP = re.compile(r"pod [\w.-]+ cannot be set up: (?P<why>.*)", re.S)
_IMAGE = re.compile(r"the image (?P<name>\S+) of pod [\w.-]+ cannot be pulled")
_LATE = "was not ready within"
_ENDED_BY_KUBELET = re.compile(r"last exit (?:0|137|143)\b(?! \(OOMKilled)")
"""How containers end of which a liveness probe got no answer: tini passes the kubelet's SIGTERM on."""
_CPU_LIMIT = "resources.limits.cpu"
_NOT_READY = r"[(, ]{} (?:waiting|terminated)\b"
"""How the wait for a rollout tells a container (harness/releases/rollout.py)."""

_FLAG = re.compile(
    r"unknown flag: --(?P<unknown>[\w.-]+)"
    r'|invalid argument .{0,200}? for "(?:-\w, )?--(?P<invalid>[\w.-]+)" flag'
    r"|flag needs an argument: --(?P<bare>[\w.-]+)"
    r"|flag provided but not defined: --?(?P<undefined>[\w.-]+)"
    r"|invalid value .{0,200}? for flag --?(?P<value>[\w.-]+)"
)
"""The words of spf13/pflag (errors.go, flag.go) and of Go's package flag."""

_OF_FIELDS = (
    (re.compile(r"\bbind: (?:address already in use|permission denied)"), ("ports", "hostNetwork", "securityContext")),
    (
        re.compile(r"permission denied|read-only file system|operation not permitted"),
        ("securityContext", "volumeMounts"),
    ),
    (re.compile(r"OOMKilled|exit 137\b|cannot allocate memory"), ("resources", "env")),
    (re.compile(r"exec format error|executable file not found|exec: .{0,200}?no such file"), ("image", "command")),
    (re.compile(r"GOMEMLIMIT|proxyconnect"), ("env", "envFrom")),
    (re.compile(r"seccomp|apparmor|capabilit", re.I), ("securityContext",)),
    (re.compile(r"error mounting|not a directory|subPath", re.I), ("volumeMounts", "volumes")),
    (re.compile(r"runAsNonRoot|run as root|runAsUser"), ("securityContext", "image")),
    (re.compile(r"\b(?:configmap|secret)s?\b[^;\n]{0,200}?not found|couldn't find key"), ("env", "envFrom", "volumes")),
)
"""What programs and runtimes say at a start, and the fields of a pod that can be the reason."""

_VOLUME = re.compile(r'for volume "(?P<name>[^"]+)"|unmounted volumes=\[(?P<first>[\w.-]+)')
"""How the kubelet names a volume that it cannot mount (kubernetes, pkg/kubelet/volumemanager)."""
_OF_PODS = (
    (re.compile(r"sysctl|AppArmor|seccomp|supplemental ?groups", re.I), "securityContext"),
    (re.compile(r"user ?namespace|idmap|uid_map|gid_map", re.I), "hostUsers"),
    (re.compile(r"runtime handler|RuntimeHandler|no runtime for", re.I), "runtimeClassName"),
)
"""What kubelets and runtimes say of a pod that they cannot set up, and the field of it that can be the reason."""

_OF_LEADING = tuple(f"leader-election-{it}" for it in ("lease-duration", "renew-deadline", "retry-period"))
_OF_REQUESTS = ("kube-api-qps", "kube-api-burst")
"""What decides how soon a controller gives up that does not get to renew its lease."""


def is_about_pods(said: str) -> bool:
    """Whether the words of an install that failed are about pods that did not start, of which `found` may know more."""
    return any(it.search(said) for it in (_CONTAINER, _IMAGE, _SET_UP)) or _LATE in said


def stranger(said: str, rendered: Iterable[Object]) -> str:
    """The container that does not start and that the chart has not rendered; empty where it has, or none is named."""
    named, known = _CONTAINER.search(said), {str(it.get("name")) for it in _of_any_kind(rendered)}
    return named["name"] if named and known and named["name"] not in known else ""


def found(said: str, with_values: Iterable[Object], without: Iterable[Object], values: Object) -> str:
    """What the user's `values` do, so that an install failed with the words `said`; empty where nothing is known."""
    with_values, without = list(with_values), list(without)
    theirs, own = dict(_containers(with_values)), dict(_containers(without))
    if not theirs or not own:
        return ""
    if pod := _SET_UP.search(said):
        return _of_pod(pod["why"], dict(_pods(with_values)), dict(_pods(without)))
    added = sorted({name for _, name in theirs} - {name for _, name in own})
    if named := _CONTAINER.search(said):
        name = named["name"]
        if name in added:
            return f"they bring the container {name}"
        for place in [it for it in theirs if it[1] == name and it in own]:
            if doing := _of_own(said, place, theirs[place], own[place], values):
                return doing
        return ""
    if image := _IMAGE.search(said):
        mine = {str(it.get("image")) for it in _of_any_kind(without)}
        rendered = {str(it.get("image")) for it in _of_any_kind(with_values)}
        hooks = rendered - {str(it.get("image")) for it in theirs.values()}
        usual = image["name"] in mine or image["name"] not in rendered
        if usual or (image["name"] in hooks and not at(values, "hook.image")):
            return ""
        return f"they bring the image {image['name']}"
    if _LATE not in said:
        return ""
    late = [it for it in added if re.search(_NOT_READY.format(re.escape(it)), said)]
    if late:
        return f"they bring the container {late[0]}, which is not ready"
    return next(filter(None, (_slow(it[0], theirs[it], own[it]) for it in theirs if it in own)), "")


def _of_own(said: str, place: tuple[str, str], theirs: Object, own: Object, values: Object) -> str:
    """What is otherwise about a container of the release's own, so that it says this."""
    flag = next((it for match in _FLAG.finditer(said) for it in match.groupdict().values() if it), "")
    if flag:
        if not (given := _given([flag], theirs, own)) and theirs.get("image") != own.get("image"):
            return f"they bring the image {theirs.get('image')}, which does not know what this chart tells it"
        return _giving(place[0], given, values) if given else ""
    if lost_leases.LOST.search(said) and (given := _given((*_OF_LEADING, *_OF_REQUESTS), theirs, own)):
        return _giving(place[0], given, values)
    if (lost_leases.LOST.search(said) or _ENDED_BY_KUBELET.search(said)) and (slow := _slow(place[0], theirs, own)):
        return slow
    for words, fields in _OF_FIELDS:
        if not words.search(said):
            continue
        other = [it for it in fields if theirs.get(it) != own.get(it)]
        if other:
            return f"they set {' and '.join(f'{place[0]}.{it}' for it in other)} otherwise than the chart"
    return ""


def _slow(part: str, theirs: Object, own: Object) -> str:
    """The limit of processors with which a container of the release's own may be too slow; empty where it has none."""
    limit = at(theirs, _CPU_LIMIT)
    if limit == at(own, _CPU_LIMIT) or not is_little_cpu(limit):
        return ""
    return f"they set {part}.{_CPU_LIMIT} to {limit}, with which the {part} may be too slow"


def _given(flags: Sequence[str], theirs: Object, own: Object) -> list[str]:
    """The arguments of these flags that are otherwise than the chart's."""
    return [it for it in _arguments(theirs) if it not in _arguments(own) and any(_is_of(it, flag) for flag in flags)]


def _giving(part: str, arguments: Sequence[str], values: Object) -> str:
    keys = ", ".join(key for it in arguments for key in _setting(it, values))
    return f"they give the {part} {' '.join(arguments)}{f' ({keys})' if keys else ''}"


def _of_pod(why: str, theirs: Mapping[str, Object], own: Mapping[str, Object]) -> str:
    """What is otherwise about a pod that cannot be set up."""
    volume = _VOLUME.search(why)
    for part, pod in theirs.items():
        beside = own.get(part) or {}
        if volume:
            name = volume["name"] or volume["first"]
            mine = [it for it in pod.get("volumes") or () if it.get("name") == name]
            if mine and mine[0] not in (beside.get("volumes") or ()):
                return f"they bring the volume {name} ({part}.volumes)"
            continue
        for words, field in _OF_PODS:
            if words.search(why) and pod.get(field) != beside.get(field):
                key = "podSecurityContext" if field == "securityContext" else field
                return f"they set {part}.{key} otherwise than the chart"
    return ""


def _pods(objects: Iterable[Object]) -> Iterator[tuple[str, Object]]:
    for it in objects:
        if it.get("kind") == "Deployment":
            yield part_of(it), at(it, "spec.template.spec") or {}


def _of_any_kind(objects: Iterable[Object]) -> Iterator[Object]:
    """All containers of a release, those of its hooks too."""
    for it in objects:
        pod = at(it, "spec.template.spec") or {}
        for key in ("initContainers", "containers"):
            yield from pod.get(key) or ()


def _containers(objects: Iterable[Object]) -> Iterator[tuple[tuple[str, str], Object]]:
    """By part and name what each container of a release is told, with what its pod says for all of them."""
    for it in objects:
        if it.get("kind") != "Deployment":
            continue
        pod = at(it, "spec.template.spec") or {}
        for key in ("initContainers", "containers"):
            for one in pod.get(key) or ():
                security = (pod.get("securityContext"), one.get("securityContext"))
                of_pod = {"hostNetwork": pod.get("hostNetwork"), "volumes": pod.get("volumes")}
                yield (part_of(it), str(one.get("name"))), {**one, **of_pod, "securityContext": security}


def _arguments(container: Object) -> list[str]:
    return [str(it) for it in (*(container.get("command") or ()), *(container.get("args") or ()))]


def _is_of(argument: str, flag: str) -> bool:
    return argument.lstrip("-").partition("=")[0] == flag


def _setting(argument: str, values: Object) -> Sequence[str]:
    """The keys of the values whose value is that of an argument, or a part of it."""
    value = argument.partition("=")[2]
    return [key for key, it in leaves(values) if it not in (None, "", True, False) and str(it) in (value, argument)]
