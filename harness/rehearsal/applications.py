# SPDX-License-Identifier: Apache-2.0
"""The applications of a rehearsal: checked against their own CRDs, chosen, and made fit for a small cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.advice import ends, schemas
from harness.apps import users
from harness.apps.objects import GROUP, RESOURCES, SCHEDULED
from harness.apps.places import NAMESPACE
from harness.errors import UsageError
from harness.rehearsal import helpers, stand_ins
from harness.rehearsal.choice import chosen, state_of
from harness.rehearsal.stand_ins import Means, Playing
from harness.sites import folder
from harness.sites.model import Object, Site
from harness.wording import first_few

_REFUSED = "FailedValidation"
"""The state of a schedule that the operator does not accept."""

_ANY = {"x-kubernetes-preserve-unknown-fields": True}
_OBJECT = {"type": "object", **_ANY}
_OBJECTS = {"type": "array", "items": _OBJECT}
_POD = {**_OBJECT, "properties": {"containers": _OBJECTS}}
_PART: dict[str, Any] = {
    **_OBJECT,
    "properties": {
        **dict.fromkeys(("env", "volumeMounts"), _OBJECTS),
        "envVars": _OBJECT,
        "template": {**_OBJECT, "properties": {"spec": _POD}},
    },
}
_RUN: dict[str, Any] = {
    **_OBJECT,
    "properties": {
        **dict.fromkeys(("driver", "executor", "server"), _PART),
        "sparkConf": _OBJECT,
        "arguments": {"type": "array"},
        "volumes": _OBJECTS,
    },
}
_SHAPE = {
    **_OBJECT,
    "properties": {
        "metadata": {**_OBJECT, "properties": dict.fromkeys(("labels", "annotations"), _OBJECT)},
        "status": _OBJECT,
        "spec": {**_RUN, "properties": {**_RUN["properties"], "template": _RUN}},
    },
}
"""What the parts of an application have to be so that they can be rehearsed, whatever their CRD says."""


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """The chosen ones by namespace with all that they need, and how many of each kind and state they are.

    `told` is what is otherwise in them: words, and whose.
    """

    objects: Mapping[str, Sequence[Mapping[str, Any]]]
    counts: Mapping[str, int]
    told: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()


def rehearsed(
    path: Path, site: Site, means: Means, count: int, *, away: Sequence[str] = (), crds: Sequence[str] = ()
) -> Rehearsed:
    """What is rehearsed of a snapshot's applications: `count` of them. Those in `away` go to another namespace.

    `crds` are those of the release that the rehearsal begins with; without any, each kind is taken to be there.

    Raises UsageError for a damaged file, and for an application that its own CRD would refuse.
    """
    every = list(_stored(path, site))
    known = [it.kind for it in RESOURCES if not crds or f"{it.plural}.{GROUP}" in crds]
    accepted = [it for it in every if state_of(it) != _REFUSED and it["kind"] in known]
    fit = [it for it in accepted if len(it["metadata"]["name"]) <= users.LABEL_LENGTH]
    found = [(it, stand_ins.playing(it, means, stays=_home(it) not in ("", *away))) for it in chosen(fit, count)]
    refused = sum(state_of(it) == _REFUSED for it in every)
    told = [f"{refused} schedules that the operator refuses at the site are left out"] if refused else []
    for kind in dict.fromkeys(str(it["kind"]) for it in every if it["kind"] not in known):
        told.append(f"{kind}s are left out: the release that the rehearsal begins with does not have them")
    if len(fit) < len(accepted):
        what = f"{len(accepted) - len(fit)} applications with names of more than {users.LABEL_LENGTH} characters"
        told.append(f"{what} are left out: no label of a pod can have such a name")
    moved = [_shown(it) for it, _ in found if _home(it) in away]
    if moved:
        told.append(f"in the namespace {NAMESPACE}, since the run uses their own otherwise: {', '.join(moved)}")
    by_namespace: dict[str, list[Playing]] = {}
    for it, played in found:
        by_namespace.setdefault(_home(it) or NAMESPACE, []).append(played)
    objects, made = {}, []
    for namespace, played_here in sorted(by_namespace.items()):
        brought = helpers.stand_ins([_spec(it.document) for it in played_here], namespace)
        brought = [it for it in brought if it["metadata"]["name"] != stand_ins.PROGRAM]
        made += [f"{it['kind']} {namespace}/{it['metadata']['name']}" for it in brought]
        if any(it.stood_in for it in played_here):
            brought.append(stand_ins.program(namespace))
        objects[namespace] = [*brought, *(it.document for it in played_here)]
    counts: dict[str, int] = {}
    for it, _ in found:
        key = f"{it['kind']} {state_of(it) or '(new)'}"
        counts[key] = counts.get(key, 0) + 1
    if made:
        told.append(f"empty ones stand in for what applications name: {', '.join(made)}")
    return Rehearsed(
        objects=objects,
        counts=counts,
        told=(*told, *_grouped([(_shown(it), played.told) for it, played in found])),
        kinds=frozenset(str(it["kind"]) for it, _ in found),
    )


def _stored(path: Path, site: Site) -> Iterator[Object]:
    for resource in RESOURCES:
        crd = folder.crd(path, f"{resource.plural}.{GROUP}")
        schema = ends.spec_schema(crd) if crd else None
        for it in folder.stored(path, resource.kind) if resource.kind in site.kinds else ():
            whole = _without_nulls(it)
            _require_fit(path, whole, resource.kind, schema)
            yield whole


def _require_fit(path: Path, document: Object, kind: str, schema: Mapping[str, Any] | None) -> None:
    """Raise UsageError for what is no application, or one that the CRD of its own cluster would refuse."""
    spec = document.get("spec")
    file = path / folder.APPLICATIONS / f"{kind}.yaml"
    again = "correct it there, or make the snapshot again: harness snapshot --context CONTEXT -o DIR"
    if not isinstance(spec, Mapping) or (kind == SCHEDULED.kind and not isinstance(spec.get("template"), Mapping)):
        raise UsageError(f"{file}: {kind} {_shown(document)} has no spec", again)
    for it in schemas.misfits(document, _SHAPE, ""):
        raise UsageError(f"{file}: {kind} {_shown(document)}: {it.path.lstrip('.')}: {it.why}", again)
    for it in schemas.misfits(spec, schema or {}) if schema else ():
        if it.kind == "refused":
            raise UsageError(
                f"{file}: {kind} {_shown(document)} does not fit the CRD of its own cluster: {it.path}: {it.why}", again
            )


def _without_nulls(value: Any) -> Any:
    """An object as an API server would have stored it: without fields that are null."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(it) for key, it in value.items() if it is not None}
    return [_without_nulls(it) for it in value if it is not None] if isinstance(value, list) else value


def _spec(document: Mapping[str, Any]) -> Any:
    spec = document["spec"]
    return spec.get("template") if document["kind"] == SCHEDULED.kind else spec


def _home(document: Object) -> str:
    return str(document["metadata"].get("namespace") or "")


def _shown(document: Object) -> str:
    return f"{_home(document) or '(no namespace)'}/{document['metadata']['name']}"


def _grouped(told: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """The same words of many applications as one sentence, with the first names."""
    names: dict[str, list[str]] = {}
    for name, words in told:
        for it in words:
            names.setdefault(it, []).append(name)
    for words, whose in names.items():
        yield f"{words}: {first_few(whose, 3)}"
