# SPDX-License-Identifier: Apache-2.0
"""Renders a chart with its switches on, off and one by one, so that all of its images show up.

The switches are read from the chart: all booleans in its values.yaml. Nothing here is specific to one chart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness import causes, libyaml, process
from harness.errors import CommandError, ReleaseError, UsageError
from harness.releases import chart_files
from harness.releases.charts import Chart
from harness.releases.helm import NEUTRAL
from harness.releases.values import merge
from harness.untrusted import check_yaml

_RENDER_SECONDS = 60.0
_THREADS = 4
# What a template asks the cluster for before it renders an object of somebody else's.
_API_VERSION = re.compile(r"\.Capabilities\.APIVersions\.Has\s+\"([^\"]+)\"")


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """Every object that a chart renders with any of its switches.

    `switches` are the keys that were toggled, `refused` those with which the chart does not render, with Helm's reason.
    """

    objects: tuple[tuple[str, dict[str, Any]], ...] = field(repr=False)
    switches: tuple[str, ...]
    refused: Mapping[str, str]


def render(helm: Path, chart: Chart, values: Mapping[str, Any]) -> Rendering:
    """Render a chart unchanged, with all switches on, with all off, and with each one toggled alone.

    Hooks and CRDs are included. Raises ReleaseError when the unchanged chart does not render.
    """
    files = dict(_texts(chart.path))
    own = yaml.load(check_yaml(files.get("values.yaml", "")), Loader=libyaml.Loader) or {}  # noqa: S506 - a safe loader
    apis = sorted({api for name, text in files.items() if name.startswith("templates/") for api in _apis(text)})
    effective = merge(own, values)
    switches = dict(_switches(effective, ""))
    # Budgets and the like are refused for a single replica.
    several = _several(effective)
    try:
        plain = _template(helm, chart, values, apis, "--include-crds")
    except CommandError as failed:
        raise ReleaseError(
            f"the chart {chart.reference} does not render: {_said(failed)}", "compare the values with its values.yaml"
        ) from failed
    turns: dict[str, dict[str, Any]] = {"all on": _with(switches, on=True), "all off": _with(switches, on=False)}
    turns |= {f"{key}={str(not is_on).lower()}": _at(key, not is_on) for key, is_on in switches.items()}

    def turned(turn: dict[str, Any]) -> list[tuple[str, dict[str, Any]]] | str:
        try:
            return _template(helm, chart, merge(values, several, turn), apis)
        except CommandError as failed:
            return _said(failed)

    with ThreadPoolExecutor(_THREADS) as pool:
        answers = dict(zip(turns, pool.map(turned, turns.values()), strict=True))
    objects = [*plain, *(it for answer in answers.values() if not isinstance(answer, str) for it in answer)]
    return Rendering(
        objects=tuple(objects),
        switches=tuple(switches),
        refused={turn: answer for turn, answer in answers.items() if isinstance(answer, str)},
    )


def _template(
    helm: Path, chart: Chart, values: Mapping[str, Any], apis: Sequence[str], *more: str
) -> list[tuple[str, dict[str, Any]]]:
    """Each object with the chart's file that it comes from."""
    options = [word for api in apis for word in ("--api-versions", api)]
    done = process.call(
        [helm, "template", chart.name, chart.path, "--values", "-", *options, *more],
        stdin=yaml.safe_dump(dict(values)),
        timeout=_RENDER_SECONDS,
        env=NEUTRAL,
    )
    found = []
    for text in re.split(r"^---\s*$", done.stdout, flags=re.M):
        source = re.search(r"^# Source: [^/\n]+/(\S+)", text, re.M)
        document = yaml.load(check_yaml(text), Loader=libyaml.Loader)  # noqa: S506 - a safe loader
        if isinstance(document, dict):
            found.append((source[1] if source else "", document))
    return found


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    """The chart's values and templates, with their names."""
    for name, content in chart_files.files(path):
        if name == "values.yaml" or name.startswith("templates/"):
            yield name, content.decode(errors="replace")


def _apis(text: str) -> list[str]:
    return _API_VERSION.findall(text)


def _switches(values: Mapping[str, Any], path: str) -> Iterator[tuple[str, bool]]:
    """Dotted keys of booleans with their values."""
    for key, value in values.items():
        if "." in str(key):
            continue
        below = f"{path}.{key}" if path else str(key)
        if isinstance(value, bool):
            yield below, value
        elif isinstance(value, Mapping):
            yield from _switches(value, below)


def _several(values: Mapping[str, Any]) -> dict[str, Any]:
    """Two replicas wherever there is a replica count."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key == "replicas" and isinstance(value, int) and not isinstance(value, bool):
            found[key] = max(2, value)
        elif isinstance(value, Mapping) and (below := _several(value)):
            found[key] = below
    return found


def _with(switches: Mapping[str, bool], *, on: bool) -> dict[str, Any]:
    return merge(*(_at(key, on) for key in switches)) if switches else {}


def _at(path: str, value: object) -> dict[str, Any]:
    made: Any = value
    for key in reversed(path.split(".")):
        made = {key: made}
    if not isinstance(made, dict):
        raise UsageError(f"{path!r} is not a valid key of values", "give a key")
    return made


def _said(failed: CommandError) -> str:
    return causes.told(failed.stderr or failed.message)
