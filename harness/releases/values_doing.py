# SPDX-License-Identifier: Apache-2.0
"""Whether it is the user's values of which an operator's pods do not start: what they add to them, or set otherwise.

Pure: from the words of an install that failed, and what the chart renders with the values and without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness.releases.scheduling import part_of
from harness.releases.value_kinds import leaves
from harness.releases.values import at

Object = Mapping[str, Any]

_CONTAINER = re.compile(r"container (?P<name>[\w.-]+) of pod [\w.-]+ (?:crashes|cannot be started|fails)\b")
"""The words of harness/releases/trouble.py."""
_IMAGE = re.compile(r"the image (?P<name>\S+) of pod [\w.-]+ cannot be pulled")
_LATE = "was not ready within"
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
    (re.compile(r"runAsNonRoot|run as root|runAsUser"), ("securityContext", "image")),
    (re.compile(r"\b(?:configmap|secret)s?\b[^;\n]{0,200}?not found|couldn't find key"), ("env", "envFrom", "volumes")),
)
"""What programs and runtimes say at a start, and the fields of a pod that can be the reason."""


def is_about_pods(said: str) -> bool:
    """Whether the words of an install that failed are about pods that did not start, of which `found` may know more."""
    return bool(_CONTAINER.search(said) or _IMAGE.search(said)) or _LATE in said


def found(said: str, with_values: Iterable[Object], without: Iterable[Object], values: Object) -> str:
    """What the user's `values` do, so that an install failed with the words `said`; empty where nothing is known."""
    theirs, own = dict(_containers(with_values)), dict(_containers(without))
    if not theirs or not own:
        return ""
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
        mine = {str(it.get("image")) for it in own.values()}
        return "" if image["name"] in mine else f"they bring the image {image['name']}"
    late = [it for it in added if _LATE in said and re.search(_NOT_READY.format(re.escape(it)), said)]
    return f"they bring the container {late[0]}, which is not ready" if late else ""


def _of_own(said: str, place: tuple[str, str], theirs: Object, own: Object, values: Object) -> str:
    """What is otherwise about a container of the release's own, so that it says this."""
    flag = next((it for match in _FLAG.finditer(said) for it in match.groupdict().values() if it), "")
    if flag:
        argument = next((it for it in _arguments(theirs) if _is_of(it, flag) and it not in _arguments(own)), "")
        keys = ", ".join(_setting(argument, values))
        return f"they give the {place[0]} {argument}{f' ({keys})' if keys else ''}" if argument else ""
    for words, fields in _OF_FIELDS:
        if not words.search(said):
            continue
        other = [it for it in fields if theirs.get(it) != own.get(it)]
        if other:
            return f"they set {' and '.join(f'{place[0]}.{it}' for it in other)} otherwise than the chart"
    return ""


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
