# SPDX-License-Identifier: Apache-2.0
"""Which known breaks the values of a run bring about: a chart's own with the user's over them, as Helm has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.matrix.model import Known
from harness.releases import fitting
from harness.releases.helm import version_of
from harness.releases.on_path import ReleaseOnPath
from harness.releases.values import at, merge


def holds(when: Mapping[str, bool | int | str], values: Mapping[str, Any]) -> bool:
    """Whether each of these keys has its value there; a text is a glob."""
    return all(_is(at(values, key), wanted) for key, wanted in when.items())


def in_force(
    known: Iterable[Known],
    releases: Mapping[str, ReleaseOnPath],
    values: Sequence[Mapping[str, Any]],
    *,
    helm: Path,
    prepared: bool = False,
) -> Iterator[Known]:
    """The known breaks whose conditions hold with the user's `values`, each for the release that it is about.

    `helm` is the program of the usual way: some breaks are those of Helm 3 or of Helm 4.

    Where something was `prepared` in the cluster before the release, it may be the way out: what rests on a condition
    may strike then, and need not.
    """
    rendered: dict[str, Mapping[str, Any]] = {}
    for it in known:
        if it.ways and f"helm{version_of(str(helm)).major}" not in it.ways:
            continue
        if not it.when:
            yield it
            continue
        if it.release not in rendered:
            rendered[it.release] = _rendered(releases[it.release], values)
        if holds(it.when, rendered[it.release]):
            yield it.model_copy(update={"strikes": "sometimes"}) if prepared and it.strikes == "always" else it


def _rendered(on_path: ReleaseOnPath, values: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return merge(fitting.defaults(on_path.chart), *on_path.with_users(values))


def _is(value: object, wanted: bool | int | str) -> bool:
    if isinstance(wanted, str):
        return value is not None and fnmatchcase(str(value), wanted)
    return type(value) is type(wanted) and value == wanted
