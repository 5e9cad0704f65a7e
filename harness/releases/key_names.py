# SPDX-License-Identifier: Apache-2.0
"""Keys of values that a chart does not have: what they are called in it, or were meant for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.matrix import chart_facts
from harness.matrix.chart_facts import RenamedRow
from harness.releases.values import at
from harness.wording import nearest

Values = Mapping[str, Any]

_LIKE = 0.8
_SHORTENED = 4
_FOR_IMAGES = ("imageRegistry", "imagePullSecrets", "image", "registry")


def known(key: str, defaults: Values) -> bool:
    """Whether a chart has a key, which is written with dots."""
    here: Any = defaults
    for part in key.split("."):
        if not isinstance(here, Mapping) or part not in here:
            return False
        here = here[part]
    return True


def renamed(key: str, values: Values, defaults: Values) -> list[RenamedRow]:
    """What charts since 2.0.0 call a key of the charts before and those below it, or how it is spelt.

    People also write those keys below a part of the operator, which then has the new one: `webhook.podAnnotations`.
    """
    rows = [it for it in chart_facts.renamed() if had_effect(it, at(values, it.before))]
    found = [it for it in rows if it.before == key or _is_below(it.before, key, values)]
    part, _, rest = key.partition(".")
    for it in rows if rest and not found else ():
        if it.before == rest or _is_below(f"{part}.{it.before}", key, values):
            head, _, last = it.now.partition(".")
            # What one part has need not be there for another, as with the hook.
            now = it.now if part == "controller" or head != "controller" else f"{part}.{last}"
            found += [RenamedRow(before=key, now=now)] if known(now, defaults) else []
    upper, _, last = key.rpartition(".")
    spelt = [f"{upper}.{it}".lstrip(".") for it in _beside(upper, defaults) if _plain(it) == _plain(last)]
    return found or [RenamedRow(before=key, now=it) for it in spelt]


def near(key: str, defaults: Values) -> str:
    """The key beside it that it may have been meant for; empty where none is like it."""
    upper, _, last = key.rpartition(".")
    beside = _beside(upper, defaults)
    longer = (it for it in beside if len(last) >= _SHORTENED and it.startswith(last))
    found = nearest(last, beside, _LIKE) or next(longer, "")
    return f"{upper}.{found}".lstrip(".") if found else ""


def had_effect(row: RenamedRow, value: object) -> bool:
    """Whether the charts before 2.0.0 did anything with a value of this key."""
    return row.only is None or value == row.only


def unread(values: Values) -> list[str]:
    """Keys below `global` by which other charts choose their images; the operator's reads nothing there."""
    given = at(values, "global")
    return [f"global.{key}" for key in given if key in _FOR_IMAGES] if isinstance(given, Mapping) else []


def _beside(upper: str, defaults: Values) -> list[str]:
    """The chart's keys below this one."""
    found = at(defaults, upper) if upper else defaults
    return list(found) if isinstance(found, Mapping) else []


def _plain(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "")


def _is_below(before: str, key: str, values: Values) -> bool:
    return before.startswith(f"{key}.") and at(values, before) is not None
