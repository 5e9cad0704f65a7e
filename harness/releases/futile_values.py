# SPDX-License-Identifier: Apache-2.0
"""Values that Helm, the chart and Kubernetes take, and with which no operator starts or gets to its work.

Pure: from values and the chart's own to a key, why its value is futile, the step in two halves between which the path
to the values stands, and the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from harness.kube.amounts import amount
from harness.releases.values import at

Values = Mapping[str, Any]
Futile = tuple[str, str, tuple[str, str], object]

_GOS_BYTES = re.compile(r"|off|\d+(?:B|[KMGT]iB)?|.*\$\(.*")
"""A limit as Go takes it (runtime, parseByteCount), or one that the kubelet makes of other variables."""

_GOS_WHOLE = re.compile(r"[-+]?(?:0|[1-9]\d*)")
"""A whole number, also as text: the templates write both alike."""
_NO_CPU = Decimal("0.05")
"""Of a processor. A submission is a JVM, which took 4.2 to 4.6 s of a whole one with 2.5.2 and Spark 4.0.4, so that
minutes go by with this, in which the controller also has to answer its probes and to renew its lease."""


def found(values: Values, defaults: Values) -> Iterator[Futile]:
    """What of the values is futile, over those of the chart."""
    yield from _host_twice(values, defaults)
    yield from _never_full(values)
    for part in ("controller", "webhook"):
        yield from _memory_limit(values, part)
    yield from _no_cpu(values)


def _host_twice(values: Values, defaults: Values) -> Iterator[Futile]:
    """A repository that begins with a registry, as charts before 2.0.0 have it, below the registry of the chart."""
    for key in ("image", "hook.image"):
        host, slash, _ = str(at(values, f"{key}.repository") or "").partition("/")
        registry = at(defaults, f"{key}.registry")
        if slash and ("." in host or ":" in host) and registry and at(values, f"{key}.registry") is None:
            why = f"begins with the registry {host}, before which the chart writes {registry}"
            step = f"{key}.registry to {host}, and take that out of {key}.repository"
            yield f"{key}.repository", why, ("set ", step), host


def _never_full(values: Values) -> Iterator[Futile]:
    """A bucket out of which the controller gets no application (golang.org/x/time/rate, Reserve)."""
    for name in ("bucketQPS", "bucketSize"):
        key = f"controller.workqueueRateLimiter.{name}"
        number = at(values, key)
        if not isinstance(number, bool) and _GOS_WHOLE.fullmatch(str(number)) and int(str(number), 0) <= 0:
            why = f"is {number}, with which the controller gets to no application"
            yield key, why, ("set ", f"{key} to 1 or more"), number


def _memory_limit(values: Values, part: str) -> Iterator[Futile]:
    key = f"{part}.env"
    given = at(values, key)
    for it in given if isinstance(given, list) else ():
        name, value = at(it, "name"), at(it, "value")
        if name == "GOMEMLIMIT" and isinstance(value, str) and not _GOS_BYTES.fullmatch(value):
            why = f"has {value} for GOMEMLIMIT, which Go does not take: the {part} ends at its start"
            yield key, why, ("write GOMEMLIMIT in ", f"{key} like 400MiB"), value


def _no_cpu(values: Values) -> Iterator[Futile]:
    key = "controller.resources.limits.cpu"
    limit = at(values, key)
    share = amount(limit)
    if share is not None and 0 < share < _NO_CPU:
        why = (
            f"is {limit}, with which each submission takes minutes: it is a JVM, and takes some five seconds of a "
            "whole processor"
        )
        yield key, why, ("set ", f"{key} to 500m or more, or leave it out"), limit
