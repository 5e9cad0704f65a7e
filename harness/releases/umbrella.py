# SPDX-License-Identifier: Apache-2.0
"""Values of an umbrella chart: those of the operator are below a key of it, as `--values-key` says.

Helm hands a dependency what is below its name or alias, and `global` of every chart above it (pkg/chartutil, coalesce).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from harness.errors import UsageError
from harness.releases import chart_image
from harness.releases.values import Loader, at, load_values, merge, profile, profile_name, with_text_keys
from harness.untrusted import check_yaml
from harness.wording import nearest

Values = Mapping[str, Any]

OF_THE_CHART = frozenset(
    [
        *("certManager", "commonLabels", "controller", "fullnameOverride", "hook", "image", "nameOverride"),
        *("prometheus", "spark", "webhook"),
    ]
)
"""The top keys of the charts from 2.0.0 on (values.yaml of the chart)."""

_GLOBAL = "global"
_SEPARATOR = re.compile(r"(?<!\\)\.")
_DEPTH = 5
_AS_DEPLOYED = (
    "give the values that the operator's chart gets: a values file, or "
    "`helm get values RELEASE --namespace NAMESPACE --output yaml > values.yaml`"
)
_HAS_VALUES = re.compile(r"values|valuesObject|valuesContent|.*\\\.ya?ml")
"""Fields of manifests that have a chart's values."""


def require_files(values: Iterable[Path], key: str | None) -> None:
    """Raise UsageError for a key that is given although there is no file that might have it."""
    if key and all(map(profile_name, values)):
        raise UsageError("--values-key needs --values", "give --values, or leave out --values-key")


def load(files: Sequence[Path], key: str = "", *, lax: bool = False, chart: str = "") -> tuple[dict[str, Any], ...]:
    """The values of each file for the operator's chart, in the order of the files.

    With a `key`, written with dots, they are what is below it. Raises UsageError for a file that cannot be read, for a
    key that none of the files has, for a manifest, and for files that have the operator's values below a key that was
    not given: `lax` lets those pass whose key says that it is the operator. Where the key is that of a `chart`, a file
    need not have it, unless what it has instead is the operator's.
    """
    whole = [load_values(file) for file in files]
    if not key:
        _require_no_manifest(whole, files)
        _require_no_umbrella(whole, files, lax=lax)
        return tuple(whole)
    found = [_below(it, names(key), file) for it, file in zip(whole, files, strict=True)]
    if whole and not chart and not any(it is not None for it in found):
        raise UsageError(
            f"--values-key {key}: there is nothing below that key in {', '.join(map(str, files))}", _instead(key, whole)
        )
    for file, values, below in zip(files, whole, found, strict=True):
        if chart and below is None:
            _require_beside(file, values, key, chart)
    return tuple({} if it is None else it for it in found)


def _require_beside(file: Path, values: Values, key: str, chart: str) -> None:
    """Raise UsageError for a file without the key of a chart whose values are meant for the operator's all the same."""
    likely = next(iter(keys_above(values)), "")
    mine = sorted(OF_THE_CHART & values.keys())
    if likely or mine:
        have = f"has those of the operator below {likely}" if likely else f"has {', '.join(mine)} at its top"
        raise UsageError(
            f"{chart} reads the operator's values below {key}, and the values file {file} {have}: Helm would ignore "
            "them",
            f"put them below {key}, or give the chart that they are for",
        )


def given(
    asked: Sequence[Path],
    key: str = "",
    own: Mapping[str, Sequence[Path]] = MappingProxyType({}),
    *,
    lax: bool = False,
    chart: str = "",
) -> tuple[dict[str, Any], ...]:
    """The values of each file and of each profile of `--values`, in their order.

    `own` are the files of the user's own profiles. Raises UsageError as `load` does, and for an unknown profile.
    """
    files = iter(load([it for it in asked if not profile_name(it)], key, lax=lax, chart=chart))
    return tuple(profile(name, own) if (name := profile_name(it)) else next(files) for it in asked)


def key_of(files: Sequence[Path], key: str) -> str:
    """The key that an umbrella chart has the operator's values below: the given one, without the way to a manifest's.

    Empty where the values below the key of a manifest are the operator's own.
    """
    if not any(
        isinstance(it.get("apiVersion"), str) and isinstance(it.get("kind"), str) for it in map(load_values, files)
    ):
        return key
    names = _SEPARATOR.split(key)
    last = next((number for number, it in enumerate(names, 1) if _HAS_VALUES.fullmatch(it)), len(names))
    return ".".join(names[last:])


def names(key: str) -> list[str]:
    """The parts of a key that is written with dots; a dot of its own has a backslash before it."""
    return [it.replace("\\.", ".") for it in _SEPARATOR.split(key)]


def keys_above(values: Values) -> list[str]:
    """The keys, written with dots, below which these values have what looks like those of the operator's chart."""
    return [".".join(it.replace(".", "\\.") for it in names) for names in _of_operator(values, (), _DEPTH)]


def _below(values: Values, names: Sequence[str], file: Path) -> dict[str, Any] | None:
    """What is below the key, with all that is global above it; None where the file does not have the key."""
    here: Any = values
    shared: dict[str, Any] = {}
    for number, name in enumerate(names, 1):
        if not isinstance(here, Mapping) or name not in here:
            return None
        if isinstance(here.get(_GLOBAL), Mapping):
            shared = merge(here[_GLOBAL], shared)
        here = _parsed(here[name], ".".join(names[:number]), file)
    if here is None:
        here = {}
    if not isinstance(here, Mapping):
        raise UsageError(
            f"{file}: what is below {'.'.join(names)} is not a mapping of keys to values",
            "give the key that the values of the operator's chart are below",
        )
    return merge({_GLOBAL: shared} if shared else {}, here)


def _parsed(value: Any, key: str, file: Path) -> Any:
    """A value, or what it says where it is a text that holds YAML, as an Argo CD Application has it."""
    if not isinstance(value, str):
        return value
    try:
        return with_text_keys(yaml.load(check_yaml(value), Loader=Loader))  # noqa: S506 - derived from the safe loader
    except yaml.YAMLError as broken:
        raise UsageError(f"{file}: the text below {key} is not valid YAML: {broken}", "correct it") from broken


def _require_no_manifest(values: Sequence[Values], files: Sequence[Path]) -> None:
    """Raise UsageError for an object of Kubernetes: to Helm its keys are values that no chart reads."""
    for it, file in zip(values, files, strict=True):
        if not _is_manifest(it):
            continue
        key = next(_values_in(it), "")
        raise UsageError(
            f"the values file {file} is a manifest, of the kind {it['kind']}: Helm would ignore all of it",
            f"give the values in it: --values-key {shlex.quote(key)}" if key else _AS_DEPLOYED,
        )


def _is_manifest(values: Values) -> bool:
    return isinstance(values.get("apiVersion"), str) and isinstance(values.get("kind"), str)


def _values_in(it: Values) -> Iterator[str]:
    """The keys, written with dots, of what may be a chart's values in a manifest, also as a text."""
    yield from keys_above(it)
    yield from (key for key in ("spec.values", "spec.source.helm.valuesObject") if isinstance(at(it, key), Mapping))
    yield from (key for key in ("spec.source.helm.values", "spec.valuesContent") if isinstance(at(it, key), str))
    data = it.get("data")
    for name in data if isinstance(data, Mapping) else ():
        if name.endswith((".yaml", ".yml")):
            yield "data." + name.replace(".", "\\.")


def _require_no_umbrella(values: Sequence[Values], files: Sequence[Path], *, lax: bool) -> None:
    """Raise UsageError where Helm would ignore all of a file, and what is in it is meant for the operator's chart."""
    for it, file in zip(values, files, strict=True):
        alias = [
            key for key, inner in it.items() if isinstance(inner, Mapping) and len(OF_THE_CHART & inner.keys()) > 1
        ]
        if not it or (OF_THE_CHART & it.keys() and not alias) or (lax and any(chart_image.subcharts(it))):
            continue
        keys = alias or keys_above(it)
        if keys:
            others = "".join(f", then --values-key {shlex.quote(other)}" for other in keys[1:])
            raise UsageError(
                f"the values file {file} has the values of the operator's chart below {keys[0]}, as an umbrella chart "
                "has them: the chart itself would ignore them",
                f"give --values-key {shlex.quote(keys[0])}{others}",
            )


def _of_operator(value: Any, above: tuple[str, ...], depth: int) -> Iterator[tuple[str, ...]]:
    if not isinstance(value, Mapping) or not depth:
        return
    for name, inner in value.items():
        if isinstance(inner, Mapping) and name != chart_image.ACCOUNTS:
            # Many charts have an image and a controller; few have these.
            if {"spark", "webhook", "certManager", "hook"} & inner.keys() or _named(name, inner):
                yield (*above, str(name))
            else:
                yield from _of_operator(inner, (*above, str(name)), depth - 1)


def _named(name: str, inner: Values) -> bool:
    return "spark" in name.lower() and bool(OF_THE_CHART & inner.keys())


def _instead(key: str, values: Sequence[Values]) -> str:
    likely = list(dict.fromkeys(it for each in values for it in keys_above(each)))
    if likely:
        return f"did you mean --values-key {shlex.quote(likely[0])}?"
    top = list(dict.fromkeys(str(it) for each in values for it in each))
    near = nearest(key, top)
    return f"did you mean {near}?" if near else f"the top keys are: {', '.join(top[:10]) or 'none'}"
