# SPDX-License-Identifier: Apache-2.0
"""Finds where a text names the operator's chart: its version, and the region in which the values are this chart's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypedDict

from harness.audit.chart_flags import VERSION, charts_given, version_given
from harness.audit.chart_pin import ChartPin
from harness.audit.chart_sources import ChartSources
from harness.audit.chart_tables import in_tables
from harness.audit.chart_versions import CONSTRAINT, NUMBER
from harness.audit.commands import COMMANDS, last_line
from harness.audit.expressions import EXPRESSION, Variables, named_by
from harness.audit.homes import Homes
from harness.audit.owners import Lines, indent
from harness.releases.charts import CHART_NAME

_NAME = re.escape(CHART_NAME)
_ARCHIVED = rf"{_NAME}(?:-(?P<archived>\d+\.\d+\.\d+)\.tgz)?"
"""The chart by its name, or as an archive of it."""
_Q = r"[\"']?"
END = r"(?=[\s,;)}\]\\]|$)"
"""What may follow a value."""

# A key, or a method that sets it: `chart: x`, `chart = "x"`, `.chart("x")`, `Chart: pulumi.String("x")`.
_BEGIN = rf"(?:(?<![\w.-]){_Q}|(?<=\.)(?=\w+\())"
_MADE = r"(?:[A-Za-z][\w.]{1,40}\((?=[\"']))?"
_IS = rf"{_Q}(?:[ \t]*[:=]|\()[ \t]*{_MADE}{_Q}"
_CHART = re.compile(
    rf"{_BEGIN}(?:(?:\w+[_-])?(?:remote|helm)?[_-]?chart(?:[_-]?(?:ref|name|path))?){_IS}"
    rf"(?P<where>(?:[\w.:-]+/+)*){_ARCHIVED}{_Q}{END}",
    re.I,
)
_DEPENDENCY = re.compile(rf"(?<![\w.-]){_Q}name{_Q}[ \t]*[:=][ \t]*{_Q}(?P<where>(?:[\w.:-]+/+)*){_NAME}{_Q}{END}")
_CHARTS = re.compile(r"(?:helm)?charts?", re.I)
"""The key around a chart's name and version: of one chart (KOTS, Helmwave), or of several (oc-mirror)."""
_UMBRELLA = re.compile(r"^(?P<indent>[ \t]*)[\"']?(?:spark[-_]?operator|sparkOperator)[\"']?:[ \t]*(?:[{#].*)?$", re.M)
_UMBRELLA_KEY = re.compile(r"perator[\"']?:")
_FARTHEST = 400
"""So many lines from the chart's name, nothing belongs to it."""
_WIDEST = 1000
"""So many letters from it on a line that no person has written."""
_FLAGS_WITHIN = 8
"""So many lines below a chart's name, a list of Helm's flags is this chart's."""
# `url: oci://ghcr.io/…/spark-operator` of Flux and Zarf, `repoURL` of Argo CD.
_OCI = re.compile(
    rf"{_BEGIN}(?:url|repo_?URL|repository|source){_IS}(?P<where>oci://(?:[\w.:-]+/+)*){_NAME}{_Q}{END}", re.I
)
_GIT = re.compile(rf"{_BEGIN}(?:path|chart){_IS}(?:\./)?charts/{_NAME}-chart/?{_Q}{END}")
_REPOSITORY = re.compile(
    r"\bgithub\.com[/:](?:kubeflow/spark-operator|googlecloudplatform/spark-on-k8s-operator)\b", re.I
)
_DOWNLOAD = re.compile(rf"(?P<where>https?://[^\s\"'<>]*/){_ARCHIVED}")
# `- spark-operator/spark-operator` among the words of a command.
_ITEM = re.compile(rf"^(?P<indent>[ \t]*)-[ \t]+{_Q}(?P<where>(?:[\w.:-]+/+)+){_NAME}{_Q}[ \t]*$", re.M)
_HELM_WORD = re.compile(r"^[ \t]*-[ \t]+[\"']?(?:upgrade|install|template|pull|fetch)[\"']?[ \t]*$", re.M)
# What vendir has locked names the chart by its folder only: `path: charts/spark-operator` beside `helmChart`.
_LOCKED = re.compile(rf"{_BEGIN}path{_IS}(?P<where>)(?:[\w.-]+/)*{_NAME}{_Q}{END}")
_HELM_CHART = re.compile(r"^[ \t-]*helmChart:[ \t]*$", re.M)
_KEYS = (_CHART, _DEPENDENCY, _OCI, _GIT, _LOCKED)
_K3S_CONFIG = re.compile(r"^kind:[ \t]*HelmChartConfig\b", re.M)
_CUSTOMIZED = "targetCustomizations:"
_FARTHEST_PATCH, _NEAR = 20_000, 2000
_COMMAND = re.compile(
    rf"\b(?:helm(?:3|\.exe|_remote|_resource)?\b.*?|(?:argocd\s+app|flux\s+create)\s.*?--(?:helm-)?chart[= ]{_Q})"
    rf"(?P<where>(?:[\w.:-]+/+)*){_ARCHIVED}{_Q}{END}",
    re.S,
)
# `helm:https://…/spark-operator@2.1.1`, which CDK8s imports
_IMPORT = re.compile(rf"\bhelm:(?P<where>https?://[^\s\"'@]*)/{_NAME}@(?P<version>{NUMBER})")
# `tk tool charts add spark/spark-operator@2.1.1`
_ADDED = re.compile(rf"\btk\s+tool\s+charts\s+add\s[^|;&\n]*?(?P<where>(?:[\w.-]+/+)*){_NAME}@(?P<version>{NUMBER})")
_VERSION = re.compile(
    rf"{_BEGIN}(?:version|target_?Revision|chart_?version|chart-version){_IS}"
    rf"(?P<version>{CONSTRAINT}|{EXPRESSION}|(?:var|local)\.[\w.]+"
    rf"|(?-i:[A-Z][A-Z0-9_]+)(?![\w.(]))",
    re.I,
)
_TAG = re.compile(rf"(?<![\w.-]){_Q}(?:tag|semver){_IS}(?P<version>{NUMBER}|{EXPRESSION})")
_ADDRESS = re.compile(
    rf"{_Q}(?i:repo_?url|repository|repo|url|--repo){_Q}(?:[ \t]*[:= ]|\()[ \t]*{_MADE}{_Q}"
    rf"(?P<url>(?:(?:https?|oci)://|@|alias:)[^\s\"',}}]+)"
)
# Argo CD takes those of registries without their scheme.
_PLAIN_ADDRESS = re.compile(rf"{_Q}repoURL{_Q}[ \t]*[:=][ \t]*{_Q}(?P<url>(?:[\w-]+\.)+[\w-]+(?::\d+)?/[^\s\"',}}]+)")
_OWN_NAME = re.compile(rf"^name:[ \t]*{_Q}{_NAME}{_Q}[ \t]*(?:#.*)?$", re.M)
_OWN_VERSION = re.compile(rf"^version:[ \t]*{_Q}(?P<version>{NUMBER}){_Q}", re.M)
_BARRIER = re.compile(r"^(?:---|\[{1,2}[\w.\"-]+\]|(?:resource|module|data|locals|variable)\b)", re.M)
_VARIABLES = re.compile(r"variable\b")


def pins(lines: Lines, variables: Variables, homes: Homes) -> list[ChartPin]:
    """Every place where the chart is named, in commands, manifests and modules, and the keys of umbrella charts."""
    sources = ChartSources(lines.text)
    found = [
        *_in_commands(lines, variables, sources),
        *_in_keys(lines, variables, homes, sources),
        *_in_items(lines, variables, sources),
    ]
    found += _downloads(lines, found, sources)
    found += in_tables(lines, found)
    covered = {it.at for it in found}
    found += [it for it in _umbrellas(lines) if not any(it.holds(at) for at in covered)]
    return sorted(found, key=lambda it: it.at)


def version_in(text: str, homes: Homes) -> str:
    """The version of the operator's chart by a Chart.yaml, its own or that of a chart that depends on it; empty where
    it has none, or several.
    """
    lines, variables = Lines(text), Variables(text)
    own = _OWN_NAME.search(text) and _OWN_VERSION.search(text)
    if own:
        return own["version"]
    versions = {it.version for it in pins(lines, variables, homes) if is_upstream(it, homes)}
    return versions.pop() if len(versions) == 1 else ""


def barriers(lines: Lines, found: Sequence[ChartPin]) -> list[int]:
    """Offsets that no name lies across: other documents, other blocks, other charts."""
    others = [match.start() for match in re.finditer(rf"(?<![\w.-]){_Q}chart{_Q}[ \t]*[:=]", lines.text)]
    blocks = (it.start() for it in _BARRIER.finditer(lines.text) if not _VARIABLES.match(it[0]))
    return sorted({*blocks, *others, *(it.at for it in found)})


def is_upstream(pin: ChartPin, homes: Homes) -> bool:
    """Whether a chart may be upstream's: its address is one of theirs, or none is given."""
    return homes.may_have_chart(pin.address)


def _in_commands(lines: Lines, variables: Variables, sources: ChartSources) -> Iterator[ChartPin]:
    """Helm's command lines, with the lines that continue them."""
    if not any(it in lines.text for it in COMMANDS):
        return
    number, every = 0, lines.all
    while number < len(every):
        last = last_line(every, number)
        start = lines.start(number + 1)
        end = lines.start(last + 1) + len(every[last])
        match = _COMMAND.search(lines.text, start, end) if CHART_NAME in lines.text[start:end] else None
        if match:
            version = VERSION.search(lines.text, start, end) or _VERSION.search(lines.text, match.end(), end)
            version = version or version_given(lines.text, start, end)
            address = _ADDRESS.search(lines.text, start, end)
            yield ChartPin(
                at=match.start("where"),
                start=start,
                end=end + 1,
                address=_address(match["where"], address, sources),
                **_pinned(version, variables, match),
            )
        number = last + 1
    for given, chart, version in charts_given(lines.text):
        address = _ADDRESS.search(lines.text, given.start(), given.end())
        yield ChartPin(
            at=chart.start("where"),
            start=given.start(),
            end=given.end(),
            address=_address(chart["where"], address, sources),
            **_pinned(version, variables),
        )


def _address(where: str, given: re.Match[str] | None, sources: ChartSources) -> str:
    """The address of a chart, whose repository may have a name in the same text; empty for what upstream has at Git."""
    if given and "://" not in where:
        found = f"oci://{given['url']}" if given.re is _PLAIN_ADDRESS else given["url"]
    else:
        found = where if "://" in where else sources.of(where.partition("/")[0]) or where
    return "" if _REPOSITORY.search(found) else found


def _in_items(lines: Lines, variables: Variables, sources: ChartSources) -> Iterator[ChartPin]:
    """The chart among the words of a command that are a list of YAML."""
    for match in _ITEM.finditer(lines.text):
        number, _ = lines.place(match.start("where"))
        is_item = re.compile(rf"{re.escape(match['indent'])}-[ \t]").match
        first = last = number
        while first > 1 and is_item(lines.all[first - 2]):
            first -= 1
        while last < len(lines.all) and is_item(lines.all[last]):
            last += 1
        start, end = lines.start(first), lines.start(last) + len(lines.all[last - 1])
        if _HELM_WORD.search(lines.text, start, end):
            version = VERSION.search(lines.text, start, end)
            yield ChartPin(
                at=match.start("where"),
                start=start,
                end=end + 1,
                address=_address(match["where"], None, sources),
                **_pinned(version, variables),
            )


def _downloads(lines: Lines, found: Sequence[ChartPin], sources: ChartSources) -> Iterator[ChartPin]:
    """Archives of upstream's chart by their addresses, where no chart is found otherwise, and what CDK8s and Tanka
    import.
    """
    for match in _DOWNLOAD.finditer(lines.text) if ".tgz" in lines.text else ():
        begin = match.start("archived")
        if match["archived"] and _REPOSITORY.search(match["where"]) and not any(it.begin == begin for it in found):
            yield ChartPin.alone(match, "archived")
    for match in _IMPORT.finditer(lines.text) if "helm:http" in lines.text else ():
        yield ChartPin.alone(match, address=match["where"])
    for match in _ADDED.finditer(lines.text) if "tool charts add" in lines.text else ():
        yield ChartPin.alone(match, address=_address(match["where"], None, sources))


def _in_keys(lines: Lines, variables: Variables, homes: Homes, sources: ChartSources) -> Iterator[ChartPin]:
    # Both are on the line where the chart's name is: to look there only is faster by far.
    found = (
        (pattern, it)
        for first, last in _named(lines.text)
        for pattern in _KEYS
        for it in pattern.finditer(lines.text, first, last)
    )
    for pattern, match in found:
        start, end = _region(lines, match.start())
        near = max(start, match.start() - _NEAR), min(end, match.start() + _NEAR)
        address = _nearest(lines, match.start(), _ADDRESS.finditer(lines.text, *near))
        address = address or _ADDRESS.search(lines.text, start, end) or _PLAIN_ADDRESS.search(lines.text, start, end)
        if pattern is _DEPENDENCY:
            around = _of_charts(lines, match.start())
            address = address or (_ADDRESS.search(lines.text, *around) if around else None)
            if (
                not around
                and not (address and (CHART_NAME in address[0] or _may_be_theirs(address, homes)))
                and not _K3S_CONFIG.search(lines.text, start, end)
            ):
                continue
        if pattern is _LOCKED and not _HELM_CHART.search(lines.text, start, end):
            continue
        at_git = sources.git(start, end) if pattern is _GIT else None
        if pattern is _GIT and not _REPOSITORY.search(lines.text, *(at_git or (start, end))):
            continue
        if at_git:
            version = _TAG.search(lines.text, *at_git)
        else:
            patterns = (_VERSION, _TAG) if pattern is _OCI else (_VERSION,)
            version = _nearest_version(lines, match.start(), start, end, patterns)
        where = _address("" if pattern is _GIT else match["where"], address, sources) or sources.of_release(start, end)
        named = match if pattern is _CHART else None
        pin = ChartPin(at=match.start(), start=start, end=end, address=where, **_pinned(version, variables, named))
        yield pin
        yield from _customized(pin, lines, variables)
        yield from _template_patch(pin, lines)


def _may_be_theirs(address: re.Match[str], homes: Homes) -> bool:
    """Whether an address is one of upstream's charts, or of their images by mistake."""
    return homes.may_have_chart(address["url"]) or homes.owns_images(_address("", address, ChartSources("")))


def _of_charts(lines: Lines, offset: int) -> tuple[int, int] | None:
    """The region around a key for charts that a name belongs to; None where it is the name of something else."""
    owners = (it for it in lines.owners(offset) if it != "name")
    if not _CHARTS.fullmatch(next(owners, "")):
        return None
    number, _ = lines.place(offset)
    own = indent(lines.all[number - 1])
    for above in range(number - 1, max(0, number - _FARTHEST), -1):
        line = lines.all[above - 1]
        if line.strip() and indent(line) < own:
            return _region(lines, lines.start(above) + indent(line))
    return lines.start(number), offset


def _customized(pin: ChartPin, lines: Lines, variables: Variables) -> Iterator[ChartPin]:
    """The versions that Fleet takes for some clusters instead of a chart's own, with the keys beside them."""
    begin = lines.text.find(_CUSTOMIZED, pin.start, pin.end)
    for version in _VERSION.finditer(lines.text, begin, pin.end) if begin >= 0 else ():
        if "helm" not in lines.owners(version.start())[:2]:
            continue
        number, column = lines.place(version.start())
        first = last = number
        while first > 1 and indent(lines.all[first - 2]) >= column - 1:
            first -= 1
        while last < len(lines.all) and (not lines.all[last].strip() or indent(lines.all[last]) >= column - 1):
            last += 1
        end = lines.start(last) + len(lines.all[last - 1]) + 1
        yield replace(pin, at=version.start(), start=lines.start(first), end=end, **_pinned(version, variables))


def _template_patch(pin: ChartPin, lines: Lines) -> Iterator[ChartPin]:
    """What an ApplicationSet puts over the chart of its template."""
    begin = lines.text.find("templatePatch:", pin.at, pin.at + _FARTHEST_PATCH)
    if begin >= 0 and not pin.holds(begin) and "\n---" not in lines.text[pin.at : begin]:
        yield replace(pin, at=begin, start=begin, end=lines.below(lines.place(begin)[0]))


def _nearest_version(
    lines: Lines, offset: int, start: int, end: int, patterns: Sequence[re.Pattern[str]]
) -> re.Match[str] | None:
    """The version that belongs to a chart's name: one on its line or in its column, if there is any."""
    near = lines.start(min(len(lines.all), lines.place(offset)[0] + _FLAGS_WITHIN))
    found = (it for pattern in patterns for it in pattern.finditer(lines.text, start, end))
    return _nearest(lines, offset, found) or VERSION.search(lines.text, offset, min(near, end))


def _nearest(lines: Lines, offset: int, found: Iterable[re.Match[str]]) -> re.Match[str] | None:
    """The nearest match to an offset, and rather one on its line or in its column."""
    line, column = lines.place(offset)

    def distance(it: re.Match[str]) -> tuple[bool, int]:
        here, where = lines.place(it.start())
        return here != line and where != column, abs(it.start() - offset)

    return min(found, key=distance, default=None)


class _Pinned(TypedDict):
    version: str
    begin: int
    finish: int
    variable: str


def _pinned(version: re.Match[str] | None, variables: Variables, archive: re.Match[str] | None = None) -> _Pinned:
    """A version with what the same text says of its variables; empty if that is not known. An archive has its own."""
    if archive and archive["archived"]:
        begin, finish = archive.span("archived")
        return {"version": archive["archived"], "begin": begin, "finish": finish, "variable": ""}
    if version is None:
        return {"version": "", "begin": 0, "finish": 0, "variable": ""}
    written = version["version"]
    is_name = written[0].isalpha() and not re.fullmatch(NUMBER, written)
    expression = f"${{{written}}}" if is_name else written
    filled = variables.filled(expression)
    known = bool(re.fullmatch(CONSTRAINT, filled))
    return {
        "version": filled if known else "",
        "begin": version.start("version"),
        "finish": version.end("version"),
        "variable": "" if known else named_by(expression),
    }


def _named(text: str) -> Iterator[tuple[int, int]]:
    """The lines with the chart's name, by the offsets where they begin and end."""
    place = text.find(CHART_NAME)
    while place >= 0:
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        yield text.rfind("\n", 0, place) + 1, end
        place = text.find(CHART_NAME, end)


def _region(lines: Lines, offset: int) -> tuple[int, int]:
    """The list item, the block or the document around an offset."""
    number, column = lines.place(offset)
    every = lines.all
    own, first, depth = column - 1, max(1, number - _FARTHEST), -1
    if every[number - 1].lstrip().startswith("- "):
        first, depth = number, indent(every[number - 1])
    for above in range(number - 1, max(0, number - _FARTHEST), -1):
        line = every[above - 1]
        if depth >= 0 or _BARRIER.match(line):
            first = above + (0 if line.rstrip().endswith("{") else 1) if depth < 0 else first
            break
        if not line.strip() or indent(line) >= own:
            continue
        own = indent(line)
        if line.lstrip().startswith("- "):
            first, depth = above, own
    last = min(len(every), number + _FARTHEST)
    for below in range(number + 1, last + 1):
        line = every[below - 1]
        if _BARRIER.match(line) or (depth >= 0 and line.strip() and indent(line) <= depth):
            last = below - 1
            break
    begin, end = lines.start(first), lines.start(last) + len(every[last - 1]) + 1
    return (max(begin, offset - _WIDEST), min(end, offset + _WIDEST)) if lines.is_long(number) else (begin, end)


def _umbrellas(lines: Lines) -> Iterator[ChartPin]:
    """The blocks below the chart's name, or what people make of it, as a key of values."""
    for key in _UMBRELLA_KEY.finditer(lines.text):
        match = _UMBRELLA.match(lines.text, lines.text.rfind("\n", 0, key.start()) + 1)
        if not match:
            continue
        yield ChartPin(at=match.start(), start=match.start(), end=lines.below(lines.place(match.start())[0]))
