# SPDX-License-Identifier: Apache-2.0
"""Judges names of the operator's images that a program puts together of several texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from harness.audit import built
from harness.audit.built import Built
from harness.audit.expressions import Variables
from harness.audit.findings import Finding
from harness.audit.homes import Homes
from harness.audit.owners import Lines
from harness.audit.references import HUB_HOSTS, Reference, References
from harness.audit.rules_about import is_rule
from harness.audit.stale import Edit, Stale, stale_at
from harness.images.references import DOCKER_HUB, ImageReference
from harness.releases.charts import CHART_NAME


class Assembled:
    """The names of one text. What is found here `has` its place, and is not to be judged again by a part of it.

    `unknown` counts names whose registry a variable decides that the text does not know.
    """

    def __init__(self, homes: Homes, references: References, lines: Lines, variables: Variables, file: str) -> None:
        self._homes = homes
        self._references = references
        self._lines = lines
        self._variables = variables
        self._file = file
        self._places: list[tuple[int, int]] = []
        self._tags: dict[int, str] = {}
        self.unknown = 0

    def has(self, start: int, end: int) -> bool:
        """Whether what is between two offsets is a part of a name that is put together."""
        return any(start < last and first < end for first, last in self._places)

    def tag(self, start: int, end: int) -> str:
        """The tag that is put behind a whole name between two offsets; empty where there is none that is known."""
        return next((tag for at, tag in self._tags.items() if start <= at < end), "")

    def found(
        self, may_be_stale: Callable[[Reference], bool], has_taken: Callable[[int, int], bool]
    ) -> Iterator[Stale]:
        """Every stale name; `has_taken` says what was judged otherwise, `may_be_stale` whether to look at all."""
        for offset, it in built.around(self._lines.text):
            place = (offset, offset + len(CHART_NAME))
            if has_taken(*place) or self.has(*place):
                continue
            name = next(self._references.among(self._variables.filled(it.text), Variables("")), None)
            if name is None:
                continue
            if any(_has_whole(words, name) for _, words in it.literals):
                # One that a single text has, all but its tag.
                if name.tag and not name.is_open and not any(f":{name.tag}" in words for _, words in it.literals):
                    self._tags[offset] = name.tag
                continue
            self._places += [(it.start, it.end), place]
            if is_rule(self._lines, self._file, it.start, it.end) or not may_be_stale(name):
                continue
            if name.host is None:
                self.unknown += 1
                continue
            finding = self._finding(name)
            if finding:
                start, end = it.place([name.path]) or place
                edits = list(self._edits(it, name, finding))
                yield stale_at(self._lines, self._file, start, end, finding, edits, text=_shown(it, name))

    def _finding(self, it: Reference) -> Finding | None:
        tag = it.tag or ("" if it.digest else "latest")
        image = ImageReference(
            registry=it.host or DOCKER_HUB, repository=it.path, tag=tag, digest=it.digest.removeprefix("@")
        )
        return self._homes.judge(image, tagged=bool(it.tag))

    @staticmethod
    def _edits(it: Built, name: Reference, finding: Finding) -> Iterator[Edit]:
        """Another host and another path, where each is written in one place."""
        written, _, tag = finding.replacement.partition(":")
        host, _, path = written.partition("/")
        hosts = it.place(HUB_HOSTS if name.host == DOCKER_HUB else [name.host or ""])
        paths = it.place([name.path])
        if finding.same and not name.is_open and written and hosts and paths and tag in ("", name.tag):
            yield Edit(start=hosts[0], end=hosts[1], text=host)
            yield Edit(start=paths[0], end=paths[1], text=path)


def _has_whole(words: str, name: Reference) -> bool:
    """Whether a text has a name with its host, or a short one with its tag."""
    is_short = name.host == "" and bool(name.tag) and words.startswith(f"{name.path}:{name.tag}")
    return is_short or bool(re.search(rf"\.[\w-]+(?::\d+)?/{re.escape(name.path)}", words))


def _shown(it: Built, name: Reference) -> str:
    return f"{name.name}:{name.tag}" if name.tag else name.name
