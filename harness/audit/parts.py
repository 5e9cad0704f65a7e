# SPDX-License-Identifier: Apache-2.0
"""Finds image names split into keys, in any text: `registry: docker.io` with `repository: a/b` nearby."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.audit.expressions import EXPRESSION, Variables, is_known
from harness.audit.owners import Lines, indent
from harness.images.references import names_host

Word = Literal["registry", "owner", "repository", "tag", "digest"]

VERSION = re.compile(r"\d+\.\d+\.\d+(?:[-.]\w+)*")
"""A tag that is one version."""

# Assignments of YAML, JSON, HCL, Go, Make, shell, Jsonnet and --set, and the rows of the tables that helm-docs writes.
# `registry: str = "docker.io"` of typed languages, `registry string = "docker.io"` of Go.
_TYPED = (
    r":[ \t]*&?(?:'static[ \t]+)?[A-Za-z][\w.\[\]]*[ \t]*=(?=[ \t]*(?:[\"']|[\w.]+\())|[ \t]string[ \t]*=(?=[ \t]*\")"
)
_SEPARATOR = rf"(?P<separator>{_TYPED}|\?=|::?:?=|=>|=|:{{1,3}}|\|[^|\n]{{0,200}}\||(?<=\"),(?=[ \t]*\"))"
_VALUE = rf"(?:(?:{EXPRESSION}|[A-Za-z0-9])(?:{EXPRESSION}|[\w./:@+-])*|(?<=\"\")|(?<=''))"
# What makes a value of a text: `pulumi.String("…")`, `getenv("REGISTRY", "…")`, `process.env.REGISTRY ?? "…"`.
_WRAPPED = (
    r"(?:[\w.():]+\((?:[\"'][^\"'\n]*[\"'],[ \t]*)?(?:default[ \t]*=[ \t]*)?(?=[\"'`])"
    r"|[\w.]+[ \t]*(?:\|\||\?\?)[ \t]*(?=[\"'`]))"
)
_END = r"(?=[\s,;)}\]&|\\]|$)"
_OF_YTT = r"#@[ \t]+\S[^\n]*"
"""What ytt fills in, which is a comment of YAML."""
_ASSIGNED = re.compile(
    rf"(?<![\w.])(?P<key>[A-Za-z_][\w.-]{{0,80}})(?:[\"'`]\]?)?[ \t]*{_SEPARATOR}"
    rf"[ \t]*(?:(?P<alias>\*)|&[\w.-]+[ \t]+|\[\]\w+[ \t]*|{_WRAPPED})?"
    rf"(?P<quote>[\"'`]*)(?P<value>{_VALUE}|{_OF_YTT})[\"'`]*(?:(?<=[\"'])\.\w+\(\))?{_END}"
)
_CALL = r"(?:(?:coalesce|try|lookup|tostring)\([^()\n\"']*(?=\"))?"
"""What Terraform takes a text as the default of."""
# `name: image.registry` with `value: docker.io`, in either order: Argo CD, helmfile, Terraform.
_Q = r"[\"']?"
_PATH = r"(?P<key>(?:[\w-]+\.)*[\w-]*(?i:image|registry|repository)[\w.-]*)"
_NAMED = re.compile(
    rf"(?<![\w.]){_Q}name{_Q}\s*[:=]\s*{_Q}{_PATH}{_Q}[\s,]*"
    rf"(?:{_Q}(?:type|forceString)\b{_Q}\s*[:=]\s*\S+?[\s,]+)*{_Q}(?:value|default){_Q}\s*[:=]\s*{_CALL}{_Q}(?P<value>{_VALUE}){_Q}{_END}"
)
_VALUED = re.compile(
    rf"(?<![\w.]){_Q}(?:value|default){_Q}\s*[:=]\s*{_Q}(?P<value>{_VALUE}){_Q}[\s,]+{_Q}name{_Q}\s*[:=]\s*{_Q}{_PATH}{_Q}"
)
# `- variable: image.registry` with `default: docker.io`, among other keys: Rancher
_ASKED = re.compile(
    rf"^(?P<indent>[ \t]*)-[ \t]+{_Q}variable{_Q}:[ \t]*{_Q}{_PATH}{_Q}[ \t]*\n"
    rf"(?:(?P=indent)[ \t]+(?!{_Q}default\b)[^\n]*\n){{0,8}}"
    rf"(?P=indent)[ \t]+{_Q}default{_Q}:[ \t]*{_Q}(?P<value>{_VALUE}){_Q}{_END}",
    re.M,
)
# `path: /spec/values/image/registry` with `value: docker.io`: a JSON patch
_PATCHED = re.compile(
    rf"(?<![\w.-]){_Q}path{_Q}\s*[:=]\s*{_Q}/(?:[\w~.-]+/)*(?P<key>[\w-]*(?i:image)[\w-]*/(?:registry|repository|tag)){_Q}[\s,]+"
    rf"{_Q}value{_Q}\s*[:=]\s*{_Q}(?P<value>{_VALUE}){_Q}{_END}"
)
# `"--image-registry", default="docker.io"` of argparse and click
_OPTION = re.compile(
    rf"[\"']--?{_PATH}[\"'](?:[^()]|\([^()]*\)){{0,300}}?\bdefault\s*=\s*(?P<quote>[\"'])(?P<value>{_VALUE})(?P=quote)"
)
# `:registry "docker.io"` of Clojure and EDN; without quotes it is code
_KEYWORD = re.compile(
    rf"(?<![\w.:]):(?P<key>[A-Za-z][\w./-]{{0,80}})[ \t]+"
    rf"(?:(?P<quote>\")(?=[^\"\n]*\"))?(?P<value>(?(quote){_VALUE}|(?:\(|[a-z][\w./-]*(?=[ \t]*(?:[,}}\n]|:[a-z])))))"
)
# `<registry>docker.io</registry>`
_ELEMENT = re.compile(rf"<(?P<key>[A-Za-z_][\w.-]*)>\s*(?P<value>{_VALUE})\s*</(?P=key)>")
# `registry: {description: …, default: docker.io}` of inputs and of schemas, in one line or several
_INPUT = re.compile(
    rf"^(?P<indent>[ \t]*){_Q}{_PATH}{_Q}:[ \t]*\n(?P<inner>(?P=indent)[ \t]+)(?=\S)"
    rf"(?:(?!{_Q}default\b)[^\n]*\n(?P=inner)(?=\S)){{0,8}}{_Q}default{_Q}:[ \t]*{_Q}(?P<value>{_VALUE}){_Q}{_END}",
    re.M,
)
_SCHEMA = re.compile(rf"{_Q}{_PATH}{_Q}\s*:\s*\{{[^{{}}]*?{_Q}default{_Q}\s*:\s*{_Q}(?P<value>{_VALUE}){_Q}{_END}")
# `yaml:"registry" default:"docker.io"` of Go
_FIELD = re.compile(
    rf"\b(?:yaml|json|env|envconfig|mapstructure|koanf):\"(?P<key>[\w.-]*(?i:image|registry|repo(?:sitory)?|tag))[^\"\n]*\""
    rf"[^`\n]{{0,200}}?\b(?:default|envDefault):\"(?P<value>{_VALUE})\""
)
# `variable "image_registry" { default = "docker.io" }`
_DECLARED = re.compile(rf"^variable\s+\"{_PATH}\"\s*\{{[^{{}}]*?\bdefault\s*=\s*\"(?P<value>{_VALUE})\"", re.M)
_PATTERNS = (
    (_NAMED, "name"),
    (_VALUED, "name"),
    (_PATCHED, "path"),
    (_ASKED, "variable"),
    (_DECLARED, "variable"),
    (_INPUT, "default"),
    (_OPTION, "default"),
    (_SCHEMA, "default"),
    (_FIELD, 'efault:"'),
    (_ASSIGNED, ""),
    (_KEYWORD, ' "'),
    (_ELEMENT, "</"),
)
"""Each with a word that is in every match of it: to look for that is faster by far."""
_NAMING = (_NAMED, _VALUED, _PATCHED, _ASKED, _DECLARED, _INPUT, _OPTION, _SCHEMA, _FIELD)
"""Those whose key is a value itself."""
_WORDS: dict[str, Word] = {
    "registry": "registry",
    "hub": "registry",
    "organization": "owner",
    "org": "owner",
    "owner": "owner",
    "namespace": "owner",
    "project": "owner",
    "repository": "repository",
    "repo": "repository",
    "name": "repository",
    "image": "repository",
    "tag": "tag",
    "version": "tag",
    "digest": "digest",
}
_HUMPS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_COMMENT = re.compile(r"\s*(?:#|//|\*|<!--)")
_OF_CHART = {"chart", "helm", "api"}
"""Whose versions are no tags."""
_IN_COMMENT = re.compile(r"(?:.*\s)?(?:#+|//+)\s")
_HOST = re.compile(r"(?:localhost|[\w-]+(?:\.[\w-]+)+)(?::\d+)?")
# How many lines with content may lie between the parts of one name.
_REACH = 8
_ASSIGNED_IN_ITEM = re.compile(r"\s*-\s+(?:value:\s+)?[\"']?[\w.-]+\.\w+=")
_SET = "--set"
"""A flag of Helm's, all of which are of one command."""
_MOST = 60


@dataclass(frozen=True, kw_only=True)
class Part:
    """One key with its value, with what is filled in of it; None if that is not known.

    `stem` is the key without its last word; lines count from 1, columns from 0. `indent` is the column where the line
    begins, `count` the number of lines with content up to here. `start` and `end` are offsets of the value. `named`
    says that the key was a value itself, as in `name: image.registry`, and `commented` that it is in a comment.
    """

    key: str
    word: Word
    stem: str
    written: str
    value: str | None
    line: int
    column: int
    indent: int
    count: int
    start: int
    end: int
    named: bool = False
    commented: bool = False


def found_in(lines: Lines, variables: Variables) -> list[Part]:
    """Every part in a text, in the order of their places."""
    counts = _counts(lines.all)
    parts: dict[int, Part] = {}
    for pattern, word in _PATTERNS:
        for match in pattern.finditer(lines.text) if word in lines.text else ():
            part = _part(match, lines, variables, counts, named=pattern in _NAMING)
            if part:
                parts.setdefault(part.start, part)
    return [part for _, part in sorted(parts.items())]


def near(
    lines: Lines, parts: Sequence[Part], this: Part, word: Word, barriers: Sequence[int] = (), stem: str | None = None
) -> Part | None:
    """The nearest other part of the same name: same stem, same mapping, a few lines away, and no barrier between.

    `barriers` are offsets. `stem` is that of the other part, where it has one of its own.
    """
    stems = {this.stem if stem is None else stem}
    if this.key.lower().endswith("image"):
        stems.add(f"{this.stem} image".strip())
    if word == "registry" and this.stem.endswith("image") and not names_host(this.value or ""):
        # `REGISTRY` before `IMAGE_NAME`.
        stems.add(this.stem.removesuffix("image").rstrip())
    around = [
        it
        for it in _around(parts, this)
        if (it.named, it.commented) == (this.named, this.commented) and it.start != this.start
    ]
    alike = [it for it in around if it.stem in stems]
    rivals = [it for it in around if it.key == this.key]
    places = [it.start for it in (*around, this)]
    nearby = barriers[bisect_left(barriers, min(places)) : bisect_left(barriers, max(places))]
    close = [
        it
        for it in alike
        if it.word == word
        and (this.named or _together(lines, it, this))
        and not any(_between(rival.start, it, this) for rival in rivals)
        and not any(_between(barrier, it, this) for barrier in nearby)
    ]
    # `OPERATOR_TAG` goes before `OPERATOR_VERSION`.
    return min(
        close, key=lambda it: (_is_version(it), abs(it.line - this.line), abs(it.start - this.start)), default=None
    )


def _is_version(it: Part) -> bool:
    return it.key.lower().endswith("version")


def _part(
    match: re.Match[str], lines: Lines, variables: Variables, counts: Sequence[int], *, named: bool
) -> Part | None:
    key, written = match["key"], match["value"]
    humps = [it.lower() for it in _HUMPS.findall(key)]
    word = _WORDS.get(humps[-1]) if humps else None
    in_table = not named and "|" in (match.groupdict().get("separator") or "") and not match["quote"]
    is_use = match.groupdict().get("separator") == ":" and lines.text[match.start() - 1 : match.start()] == "$"
    if word is None or in_table or is_use or (humps[-1] == "version" and (not humps[:-1] or _OF_CHART & {*humps})):
        return None
    alias = match.groupdict().get("alias") and not match["quote"]
    value = variables.anchored(written) if alias else variables.filled(written)
    if word == "repository" and "://" in value:
        # That of a chart, or of code.
        return None
    if humps[-1] in ("repo", "name") and _HOST.fullmatch(value):
        word = "registry"
    line, column = lines.place(match.start("value" if named else "key"))
    return Part(
        key=key,
        word=word,
        stem=" ".join(humps[:-1]),
        written=written,
        value=value if is_known(value) and not _is_code(match, value) else None,
        line=line,
        column=column - 1,
        indent=indent(lines.all[line - 1]),
        count=counts[line - 1],
        start=match.start("value"),
        end=match.end("value"),
        named=named,
        commented=bool(_IN_COMMENT.match(lines.before(match.start("key")))),
    )


def _is_code(match: re.Match[str], value: str) -> bool:
    """Whether a value is another name and no text: `var.registry`, `local.ecr`, `data.aws.…`, `#@ data.values.x`."""
    if value.startswith("#@"):
        return True
    quoted = match.groupdict().get("quote")
    if match.re is _KEYWORD:
        return not quoted
    return not quoted and bool(re.match(r"(?:var|local|data|module|each|self|config|params|inputs)\.[A-Za-z_]", value))


def _counts(lines: Sequence[str]) -> list[int]:
    counts, count = [], 0
    for line in lines:
        if line.strip() and not _COMMENT.match(line):
            count += 1
        counts.append(count)
    return counts


def _around(parts: Sequence[Part], this: Part) -> list[Part]:
    """The parts that are close enough to be of the same name; `parts` are in the order of their places."""
    here = bisect_left(parts, this.start, key=lambda it: it.start)
    return [it for it in parts[max(0, here - _MOST) : here + _MOST] if abs(it.count - this.count) <= _REACH]


def _together(lines: Lines, one: Part, two: Part) -> bool:
    """Whether two parts belong to one mapping: on one line, or at the same depth with nothing shallower in between."""
    if one.line == two.line:
        return True
    upper, lower = sorted((one, two), key=lambda it: it.start)
    if {lines.all[it.line - 1][:1] for it in (upper, lower)} == {"+", "-"}:
        # Before and after a change.
        return False
    if _are_assigned_in_items(lines, upper, lower):
        return True
    if _in_braces(lines, upper, lower) or all(_SET in lines.all[it.line - 1] for it in (upper, lower)):
        return True
    if any(
        line.lstrip().startswith("- ") and indent(line) < upper.column for line in lines.all[upper.line : lower.line]
    ):
        # Another item of a list.
        return False
    between = [line for line in lines.all[upper.line : lower.line - 1] if line.strip() and not _COMMENT.match(line)]
    shallow = min(one.indent, two.indent)
    return (one.indent == two.indent or one.column == two.column) and all(indent(line) >= shallow for line in between)


def _are_assigned_in_items(lines: Lines, upper: Part, lower: Part) -> bool:
    """Whether two parts are in items of one list, each as an assignment: `- image.tag=…`, `- value: image.tag=…`."""
    every = lines.all[upper.line - 1 : lower.line]
    own = indent(every[0])
    both = all(_ASSIGNED_IN_ITEM.match(it) and indent(it) == own for it in (every[0], every[-1]))
    return both and all(indent(it) >= own for it in every if it.strip())


def _in_braces(lines: Lines, upper: Part, lower: Part) -> bool:
    """Whether a brace that opens on the line of the upper part is still open at the lower one."""
    before = lines.all[upper.line - 1][: upper.column]
    between = lines.text[upper.end : lower.start]
    return before.count("{") > before.count("}") and "{" not in between and "}" not in between


def _between(place: int, one: Part, two: Part) -> bool:
    low, high = sorted((one.start, two.start))
    return low < place < high
