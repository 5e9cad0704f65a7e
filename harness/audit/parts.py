# SPDX-License-Identifier: Apache-2.0
"""Finds image names split into keys, in any text: `registry: docker.io` with `repository: a/b` nearby."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Assignments of YAML, JSON, Go, Make, shell and --set, and the rows of the tables that helm-docs writes.
_ASSIGNED = re.compile(
    r"(?P<key>[A-Za-z_][\w.]*)[\"'`]?\s*(?:\?=|::?=|=|:|\|\s*string\s*\|)\s*"
    r"[\"'`]*(?P<value>[A-Za-z0-9][\w./:-]*)[\"'`]*(?=[\s,;)}&|\\]|$)"
)
_KEY = re.compile(r"(.*?)(registry|repository|tag)", re.I)
_WORD = re.compile(r"registry|repository|tag", re.I)
_COMMENT = re.compile(r"\s*(?:#|//|\*|<!--)")
_VERSION = re.compile(r"--version[ =]v?(\d+\.\d+\.\d+)")
# How many lines with content may lie between the parts of one name.
_REACH = 8
_LONGEST_LINE = 10_000


@dataclass(frozen=True, kw_only=True)
class Part:
    """One key with its value. `stem` is the key without its last word; lines count from 1, columns from 0.

    `indent` is the column where the line begins, `count` the number of lines with content up to here.
    """

    key: str
    word: str
    stem: str
    value: str
    line: int
    column: int
    end: int
    indent: int
    count: int


@dataclass(frozen=True, kw_only=True)
class Split:
    """A split name with at least a registry or a repository; missing parts are None. `version` is the chart's."""

    registry: Part | None
    repository: Part | None
    tag: Part | None
    version: str = ""

    @property
    def given(self) -> list[Part]:
        """Registry and repository, if present."""
        return [it for it in (self.registry, self.repository) if it]


def pairs(lines: Sequence[str]) -> Iterator[Split]:
    """The split names of a text.

    A repository without a registry counts where it belongs to a key `image`, and a registry without a repository in
    the words of a Helm command for the operator.
    """
    parts = list(_parts(lines))
    used: list[Part] = []
    for part in parts:
        if part.word != "repository":
            continue
        registry = _near(lines, parts, part, "registry")
        if registry is None and not _of_an_image(lines, part):
            continue
        used += [registry] if registry else []
        yield Split(registry=registry, repository=part, tag=_near(lines, parts, part, "tag"))
    for part in parts:
        if part.word == "registry" and part not in used:
            command = _command(lines, part)
            if part.stem == "image." and re.search(r"\bhelm\b.*spark-operator", command):
                version = _VERSION.search(command)
                tag = _near(lines, parts, part, "tag")
                yield Split(registry=part, repository=None, tag=tag, version=version[1] if version else "")


def _parts(lines: Sequence[str]) -> Iterator[Part]:
    count = 0
    for number, line in enumerate(lines, 1):
        if line.strip() and not _COMMENT.match(line):
            count += 1
        if len(line) > _LONGEST_LINE or not _WORD.search(line):
            continue
        for match in _ASSIGNED.finditer(line):
            found = _KEY.fullmatch(match["key"])
            if found:
                yield Part(
                    key=match["key"],
                    word=found[2].lower(),
                    stem=found[1].lower(),
                    value=match["value"],
                    line=number,
                    column=match.start("key"),
                    end=match.end("value"),
                    indent=_indent(line),
                    count=count,
                )


def _near(lines: Sequence[str], parts: Sequence[Part], this: Part, word: str) -> Part | None:
    """The nearest other part of the same name: same stem, same mapping, a few lines away."""
    alike = [it for it in parts if it.stem == this.stem and abs(it.count - this.count) <= _REACH]
    rivals = [it for it in alike if it.word == this.word and it != this]
    close = [
        it
        for it in alike
        if it.word == word and _together(lines, it, this) and not any(_between(rival, it, this) for rival in rivals)
    ]
    return min(close, key=lambda it: abs(it.line - this.line), default=None)


def _together(lines: Sequence[str], one: Part, two: Part) -> bool:
    """Whether two parts belong to one mapping: on one line, or at the same depth with nothing shallower in between."""
    if one.line == two.line:
        return True
    first, last = sorted((one.line, two.line))
    between = (line for line in lines[first : last - 1] if line.strip() and not _COMMENT.match(line))
    return one.indent == two.indent and all(_indent(line) >= one.indent for line in between)


def _between(other: Part, one: Part, two: Part) -> bool:
    low, high = sorted(((one.line, one.column), (two.line, two.column)))
    return low < (other.line, other.column) < high


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _of_an_image(lines: Sequence[str], part: Part) -> bool:
    """Whether a repository belongs to an image: `image.repository`, `IMAGE_REPOSITORY`, or below a key `image:`."""
    if part.stem:
        return part.stem.rstrip("._").endswith("image")
    for line in reversed(lines[: part.line - 1]):
        if line.strip() and not _COMMENT.match(line) and _indent(line) < part.indent:
            return bool(re.match(r"\s*(?:-\s+)?[\w.\"]*image[\"']?\s*:\s*\{?\s*$", line, re.I))
    return False


def _command(lines: Sequence[str], part: Part) -> str:
    """The command line that contains a part, with continued lines joined."""
    first = last = part.line - 1
    while first > 0 and lines[first - 1].rstrip().endswith("\\"):
        first -= 1
    while last < len(lines) - 1 and lines[last].rstrip().endswith("\\"):
        last += 1
    return " ".join(lines[first : last + 1])
