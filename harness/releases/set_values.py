# SPDX-License-Identifier: Apache-2.0
"""Values as `helm --set` takes them, and as GitOps objects write them: a list of names and values, or a mapping."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.releases.values import merge

_STEP = re.compile(r"(?:\\.|[^.\\])+")
_ITEM = re.compile(r"(?P<name>[^\[]*)(?P<numbers>(?:\[\d+\])*)")
_WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)")


def of(parameters: Any) -> dict[str, Any]:
    """The values that these make together, the later over the earlier; items of lists stand in their order."""
    if isinstance(parameters, Mapping):
        parameters = [{"name": name, "value": value} for name, value in parameters.items()]
    made: dict[str, Any] = {}
    for it in parameters if isinstance(parameters, list) else ():
        if isinstance(it, Mapping) and it.get("name"):
            as_text = bool(it.get("forceString")) or it.get("type") == "string"
            value = it.get("value") if as_text else typed(it.get("value"))
            _put(made, [step.replace("\\", "") for step in _STEP.findall(str(it["name"]))], value)
    return made


def typed(value: Any) -> Any:
    """What Helm makes of a text: true, false, null and whole numbers are no texts (helm/pkg/strvals, typedVal)."""
    if not isinstance(value, str):
        return value
    if value.lower() in _WORDS:
        return _WORDS[value.lower()]
    if len(value) > 1 and value.startswith("{") and value.endswith("}"):
        return [typed(it.strip()) for it in value[1:-1].split(",")] if value[1:-1].strip() else []
    return int(value) if _NUMBER.fullmatch(value) else value


def _put(made: dict[str, Any], steps: list[str], value: Any) -> None:
    for number, step in enumerate(steps):
        found = _ITEM.fullmatch(step)
        name, indexed = (found["name"], bool(found["numbers"])) if found else (step, False)
        last = number == len(steps) - 1
        if indexed:
            items = made.setdefault(name, [])
            if not isinstance(items, list):
                return
            index = int(re.findall(r"\d+", step[len(name) :])[0])
            if last:
                items.insert(index, value)
                return
            while len(items) <= index:
                items.append({})
            made = items[index] if isinstance(items[index], dict) else {}
        elif last:
            made[name] = merge({name: made.get(name)}, {name: value})[name] if isinstance(value, Mapping) else value
        else:
            below = made.get(name)
            made[name] = below if isinstance(below, dict) else {}
            made = made[name]
