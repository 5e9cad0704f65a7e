# SPDX-License-Identifier: Apache-2.0
"""The flags of Helm, on its command line or in what a shell has put together before: `args+=(--version 1.4.6)`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.audit.chart_versions import CONSTRAINT
from harness.audit.expressions import EXPRESSION
from harness.releases.charts import CHART_NAME

VERSION = re.compile(
    rf"--(?:version|revision|chart-version)(?:[ =]|[\"'],\s*|[\"']?[ \t]*\n[ \t]*-[ \t]+)[\"']?"
    rf"(?P<version>{CONSTRAINT}|{EXPRESSION})"
)
"""The chart's version, in a line or among the words of a list."""
_USED = re.compile(
    r"\$\{?(?P<name>[A-Za-z_]\w*)(?:\[[@*]\])?\}?|^[ \t]*(?:const |let |var )?(?P<list>\w+)[ \t]*:?=[ \t]*\[", re.M
)
_GIVEN = (
    r"(?:^|[\s;])(?:local[ \t]+|declare[ \t]+(?:-\w+[ \t]+)*|export[ \t]+|readonly[ \t]+)?"
    r"(?P<name>{name})(?:\+?=|[ \t]*\+=[ \t]*(?=\[)|\.extend(?=\())"
    r"(?:\[(?P<items>[^\[\]]{{0,2000}})\]|\((?P<words>(?:[^()]|\$\([^()]*\)){{0,2000}})\)|(?P<quote>[\"'])(?P<text>(?:(?!(?P=quote)).){{0,2000}})(?P=quote))"
)
_ANY_GIVEN = re.compile(_GIVEN.format(name=r"[A-Za-z_]\w*"), re.M | re.S)
_CHART = re.compile(rf"(?<![\w./:-])(?P<where>(?:[\w.:-]+/+)+){CHART_NAME}(?=[\s\"'}})]|$)")
_MOST = 6


def version_given(text: str, start: int, end: int) -> re.Match[str] | None:
    """The version in what a shell put into the variables of a command, which is between two offsets."""
    names = {it["name"] or it["list"] for it in _USED.finditer(text, start, end)}
    return _version_of(text, names) if len(names) <= _MOST else None


def charts_given(text: str) -> Iterator[tuple[re.Match[str], re.Match[str], re.Match[str] | None]]:
    """Each variable that has the chart and that Helm gets: what it is given, where the chart is in it, its version."""
    for given in _ANY_GIVEN.finditer(text) if f"/{CHART_NAME}" in text and "helm" in text else ():
        name = given["name"]
        chart = _CHART.search(text, given.start(), given.end())
        if chart and re.search(rf"\bhelm\b[^\n|;&]*\$\{{?{name}\b", text):
            yield given, chart, _version_of(text, {name})


def _version_of(text: str, names: set[str]) -> re.Match[str] | None:
    for name in sorted(names):
        for given in re.finditer(_GIVEN.format(name=name), text, re.M | re.S):
            found = VERSION.search(text, given.start(), given.end())
            if found:
                return found
    return None
