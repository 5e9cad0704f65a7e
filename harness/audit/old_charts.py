# SPDX-License-Identifier: Apache-2.0
"""Judges the versions of the operator's chart that a text names, where it takes the chart and elsewhere."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from harness.audit.chart_pin import ChartPin
from harness.audit.chart_pins import END, is_upstream
from harness.audit.chart_versions import NUMBER
from harness.audit.expressions import named_by
from harness.audit.findings import Finding
from harness.audit.homes import Homes
from harness.audit.owners import Lines
from harness.audit.placed import Placed
from harness.audit.rules_about import is_absent
from harness.audit.stale import Stale, stale_at
from harness.releases.charts import CHART_NAME

_Q = r"[\"']?"
_ANY_VERSION = re.compile(
    rf"(?<![\w.-])(?P<key>(?:[\w.-]{{0,60}}version|[\w.-]{{0,20}}operator(?:[_-]?(?:helm|chart)){{0,2}})){_Q}"
    rf"(?:[ \t]*(?:[?:]?=|:)[ \t]*|[ \t]+|>){_Q}(?P<version>{NUMBER}){_Q}(?:{END}|(?=<))",
    re.I,
)
_OPTION = re.compile(
    rf"[\"']--?(?P<key>[\w-]*version)[\"'][^()]{{0,300}}?\bdefault\s*=\s*[\"'](?P<version>{NUMBER})[\"']"
)
_DECLARED = re.compile(
    rf"^variable\s+\"(?P<key>[\w-]*version)\"\s*\{{[^{{}}]*?\bdefault\s*=\s*\"(?P<version>{NUMBER})\"", re.M
)
_OPERATOR = CHART_NAME.replace("-", "")
_OWN_KEY = re.compile(rf"(?:[a-z]*{_OPERATOR})?(?:helm)?(?:chart)?(?:version)?")
_OF_CHART = re.compile(r"chart|helm")
_TELLING = re.compile(r"[.xX*^~<>]")
"""What a chart's version has, and the number of a format's version has not."""


class OldCharts:
    """The old charts of one text. Their variables are known once those that stand alone have been found."""

    def __init__(self, homes: Homes, placed: Placed, file: str) -> None:
        self._homes = homes
        self._placed = placed
        self._lines = placed.lines
        self._file = file
        self.variables: set[str] = set()
        """Those whose values are several versions of the chart, of which one is old."""

    def standing_alone(self) -> Iterator[Stale]:
        """Every old version that no chart takes, and of each variable of a chart every old value."""
        for pin in self._lone_versions():
            if pin.variable:
                self.variables.add(pin.variable)
            yield from self._old(pin)

    def taken(self) -> Iterator[Stale]:
        """Every old version where the text takes the chart, or where it is written for it."""
        for pin in self._placed.pins:
            yield from self._old(self._as_written(pin))

    def _as_written(self, pin: ChartPin) -> ChartPin:
        """A version that a variable of the same text has, where it is written, if that is one place."""
        text = self._lines.text
        written = text[pin.begin : pin.finish]
        if not pin.finish or pin.version in written:
            return pin
        name = named_by(written) or written.rpartition(".")[2]
        places = {it.span() for it in re.finditer(rf"(?<![\w.-]){re.escape(pin.version)}(?![\w.-])", text)}
        if len(places) != 1:
            known = (*_values_of({name}, self._lines), *(it for it in _DECLARED.finditer(text) if it["key"] == name))
            places = {it.span("version") for it in known if it["version"] == pin.version}
        if len(places) != 1:
            return pin
        begin, finish = places.pop()
        return replace(pin, begin=begin, finish=finish)

    def _old(self, pin: ChartPin) -> Iterator[Stale]:
        """A chart whose image is in a former registry, unless its values name another one."""
        home = self._former_home(pin.version)
        if not home or not pin.finish or not is_upstream(pin, self._homes) or is_absent(self._lines, pin.at):
            return
        held = self._placed.between(pin.start, pin.end)
        owned = (it for it in held if it.word == "registry" and self._placed.is_of_image(it))
        if any(it.value is None or it.value not in self._homes.registries for it in owned):
            return
        current = self._homes.current("operator")
        finding = Finding(
            rule="old-chart",
            message=f"chart {pin.version} asks for its image in {home}, which gets no new releases; charts from "
            f"{current.versions[0]} on ask {current}",
            replacement=current.versions[-1],
            same=False,
        )
        yield stale_at(self._lines, self._file, pin.begin, pin.finish, finding)

    def _former_home(self, written: str) -> str:
        """Where the newest chart that a version allows has its image, if that gets no new releases; empty for all
        others.
        """
        version = self._homes.newest(written) if _TELLING.search(written) else ""
        former = next((it for it in self._homes.all if it.role == "operator" and version in it.versions), None)
        charts = self._homes.history.chart(version)
        if former is not None:
            return "" if former is self._homes.current("operator") else former.name
        return charts.home if charts else ""

    def _lone_versions(self) -> Iterator[ChartPin]:
        """Old versions by their names and the keys around them, where no chart takes them:
        `SPARK_OPERATOR_CHART_VERSION=2.1.1`, `charts: {spark-operator: 2.1.1}`; and each of several values that a text
        has for the version of a chart, as in the generator of an ApplicationSet.
        """
        pins, lines = self._placed.pins, self._lines
        taken = {it.version for it in pins}
        variables = {it.variable for it in pins if it.variable}
        known = (_ANY_VERSION, _DECLARED, _OPTION)
        for it in (*_values_of(variables, lines), *(it for one in known for it in one.finditer(lines.text))):
            if it["version"] in taken or not self._former_home(it["version"]):
                continue
            if it["key"] in variables:
                yield ChartPin.alone(it, variable=it["key"])
                continue
            around = [*dict.fromkeys((it["key"], *lines.owners(it.start("version"))))][:4]
            own, *_ = words = [re.sub(r"[^a-z]", "", key.lower()) for key in around]
            if _OWN_KEY.fullmatch(own) and any(_OPERATOR in key for key in words) and any(map(_OF_CHART.search, words)):
                yield ChartPin.alone(it)


def _values_of(variables: Collection[str], lines: Lines) -> Iterator[re.Match[str]]:
    """Where keys of these names have versions as their values."""
    if not variables:
        return iter(())
    keys = "|".join(map(re.escape, variables))
    return re.finditer(
        rf"(?<![\w.-])(?P<key>{keys}){_Q}[ \t]*(?:[?:]?=|:)[ \t]*{_Q}(?P<version>{NUMBER}){_Q}{END}", lines.text
    )
