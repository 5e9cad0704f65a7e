# SPDX-License-Identifier: Apache-2.0
"""The values of the site's release, as a run on this machine can take them, and what of them is otherwise."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.advice.site import Reading, with_image
from harness.kube.amounts import amount_or_zero
from harness.matrix.catalogue import Catalogue
from harness.matrix.release import Release
from harness.rehearsal import stand_ins
from harness.releases import umbrella
from harness.releases.charts import CHART_NAME
from harness.releases.values import at

_PARTS = ("controller", "webhook")
_NAMES_OF_IMAGE = ("registry", "repository", "tag")
_MOST = {"cpu": "100m", "memory": "512Mi"}
"""What a pod of the operator asks for here at most: the node has few processors."""

_GONE = object()


@dataclass(frozen=True, kw_only=True)
class OfTheSite:
    """Values for a run; `pinned` says that those of the site name the registry that they were installed from."""

    values: dict[str, Any]
    pinned: bool = False
    told: tuple[str, ...] = ()


def of(reading: Reading, origin: Release, known: Catalogue) -> OfTheSite:
    """The values that the site's release was deployed with."""
    given = reading.release or reading.installer
    found = copy.deepcopy(dict(given.values)) if given else {}
    told: list[str] = []
    for pointer in given.masked if given else ():
        if _removed(found, pointer):
            told.append(f"the value {_dots(pointer)} is not in the snapshot, and is left out")
    chart = reading.release.chart if reading.release else ""
    keys = umbrella.keys_above(found) if chart != CHART_NAME and not umbrella.OF_THE_CHART & found.keys() else []
    if keys:
        below = found
        for name in umbrella.names(keys[0]):
            below = below[name]
        found = copy.deepcopy(dict(below))
        told.append(f"{keys[0]} of the umbrella chart{f' {chart}' if chart else ''} is installed by itself")
    found = dict(with_image(reading, found, known, origin.name))
    pinned, said = _without_image(found, origin)
    told += [*said, *_without_company(found), *_smaller(found)]
    return OfTheSite(values=found, pinned=pinned, told=tuple(told))


def _removed(values: Any, pointer: str) -> bool:
    """Take out what a JSON pointer (RFC 6901) names; whether there was anything."""
    _, *above, last = ["", *(it.replace("~1", "/").replace("~0", "~") for it in pointer.split("/"))]
    here = values
    for name in above[1:]:
        here = _inner(here, name)
    if isinstance(here, dict):
        return here.pop(last, _GONE) is not _GONE
    if isinstance(here, list) and last.isdigit() and int(last) < len(here):
        # The others keep their places, by which later pointers name them.
        here[int(last)] = None
        return True
    return False


def _inner(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return value[int(name)] if name.isdigit() and int(name) < len(value) else None
    return value.get(name) if isinstance(value, Mapping) else None


def _dots(pointer: str) -> str:
    return pointer.strip("/").replace("~1", "/").replace("~0", "~").replace("/", ".")


def _without_image(values: dict[str, Any], origin: Release) -> tuple[bool, list[str]]:
    """Take out the operator's image, which each release here has by its own name; whether it was the origin's."""
    image = values.get("image")
    if not isinstance(image, dict):
        return False, []
    named = {key: image.pop(key) for key in _NAMES_OF_IMAGE if image.get(key)}
    if not image:
        del values["image"]
    registry, repository = str(named.get("registry") or ""), str(named.get("repository") or "")
    own = registry in ("", origin.registry) and repository in ("", origin.repository)
    pinned = bool(own and (registry or repository))
    told = []
    if pinned:
        name = f"{origin.registry}/{origin.repository}"
        told.append(f"only the plain move keeps image.registry and image.repository of the values ({name})")
    elif named.keys() - {"tag"}:
        told.append(f"image {registry}/{repository}: the operator's images have their public names here")
    if named.get("tag"):
        told.append(f"image.tag {named['tag']} is left out: with it, no move would change the operator's image")
    return pinned, told


def _without_company(values: dict[str, Any]) -> Iterator[str]:
    """Take out what comes from registries and storage of the site: the hook's image, sidecars, volumes."""
    image = at(values, "hook.image")
    named = [key for key in _NAMES_OF_IMAGE if image.pop(key, None)] if isinstance(image, dict) else []
    if named:
        yield "hook.image: the hook's image has its public name here"
    for part in _PARTS:
        own = values.get(part)
        if not isinstance(own, dict):
            continue
        if own.pop("sidecars", None):
            yield f"{part}.sidecars are left out"
        if isinstance(own.get("volumes"), list):
            yield from (f"{part}: {words}" for words in stand_ins.volumes(own))


def _smaller(values: dict[str, Any]) -> Iterator[str]:
    """Ask for no more than the node of a run has; limits stay."""
    for part in _PARTS:
        resources = at(values, f"{part}.resources")
        if not isinstance(resources, dict):
            continue
        asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
        less = {
            key: most
            for key, most in _MOST.items()
            if key in asked and amount_or_zero(asked[key]) > amount_or_zero(most)
        }
        if less:
            resources["requests"] = {**(resources.get("requests") or {}), **less}
            said = " and ".join(f"{it} of {key}" for key, it in less.items())
            yield f"{part}.resources.requests: {said} at most, since the node is small"
