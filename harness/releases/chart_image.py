# SPDX-License-Identifier: Apache-2.0
"""The image that the operator's chart asks for with given values, as its templates join the parts.

Since 2.0.0 they print `registry/repository:tag`, with the chart's version for an empty tag (`spark-operator.image` in
templates/_helpers.tpl, and the same for the hook): a host in the repository stays behind the registry, and an empty
registry leaves a slash at the beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from harness.images.references import names_host
from harness.releases.values import at

KEYS = ("image", "hook.image")
"""Where the chart's values have images: the operator's, and that of the hook."""

_NULL = "%!s(<nil>)"
"""What the templates print for a registry or a repository that a null took away (`printf "%s"` of Go)."""

_SMALLEST, _LARGEST = 4, 6
"""Exponents of ten up to which Go prints a number without one."""

ACCOUNTS = "serviceAccounts"
"""A key of charts before 2.0.0, below which the operator's account has the chart's name as its key."""

_UMBRELLA = re.compile(r"spark[-_]?operator", re.I)


@dataclass(frozen=True, kw_only=True)
class ChartImage:
    """What the chart asks for. `given` are the keys of the values that say so; the chart has the others."""

    registry: str
    repository: str
    tag: str
    given: tuple[str, ...]

    @property
    def name(self) -> str:
        """Registry and repository, as the chart joins them; not always a valid name."""
        return f"{self.registry}/{self.repository}"

    @property
    def text(self) -> str:
        """All of it: `ghcr.io/kubeflow/spark-operator/controller:2.5.2`."""
        return f"{self.name}:{self.tag}"

    @property
    def has_host_inside(self) -> bool:
        """Whether the repository begins with a host, although the registry stands before it."""
        return bool(self.registry) and names_host(self.repository)


def rendered(values: Mapping[str, Any], key: str, *, registry: str, repository: str, version: str) -> ChartImage:
    """The image at a key of `KEYS` for a user's values; the others are the chart's own, and its version."""
    given = at(values, key)
    found = {it: given[it] for it in ("registry", "repository", "tag") if isinstance(given, Mapping) and it in given}
    if found.get("tag") is None or found["tag"] == 0:
        # What a template finds empty, a zero and false too, has the chart's version in its place.
        found.pop("tag", None)
    named = {part: _NULL if value is None else printed(value) for part, value in found.items()}
    return ChartImage(
        registry=named.get("registry", registry),
        repository=named.get("repository", repository),
        tag=named.get("tag") or version,
        given=tuple(named),
    )


def printed(value: object) -> str:
    """A plain value as a template prints it: every number is a float64 to Helm, and %v of Go gives large ones an
    exponent (strconv, %e from an exponent of 6 on). A tag like 20240115 becomes 2.0240115e+07.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, int | float):
        return str(value)
    sign, digits, power = Decimal(repr(float(value))).normalize().as_tuple()
    if not isinstance(power, int):
        return str(value)
    exponent = len(digits) + power - 1 if any(digits) else 0
    if -_SMALLEST <= exponent < _LARGEST:
        return format(Decimal((sign, digits, power)), "f")
    first, *more = map(str, digits)
    return f"{'-' * sign}{first}{'.' * bool(more)}{''.join(more)}e{exponent:+03d}"


def of_operator(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The values of the operator's chart in those of any chart, each with its path.

    Those of an umbrella chart are below the chart's name, or an alias like `sparkOperator`; if there are none, they are
    the operator's own. A subchart that `enabled: false` switches off asks for nothing.
    """
    below = list(subcharts(values, path))
    yield from (it for it in below if it[1].get("enabled") is not False) if below else [(path, values)]


def subcharts(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The values of the operator's chart as a subchart, each with its path, switched off or not."""
    for key, value in values.items():
        if not isinstance(value, Mapping) or key == ACCOUNTS:
            continue
        if _UMBRELLA.fullmatch(str(key)):
            yield f"{path}{key}.", value
        else:
            yield from subcharts(value, f"{path}{key}.")
