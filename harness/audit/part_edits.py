# SPDX-License-Identifier: Apache-2.0
"""Finds the edits that mend a name in parts, and tells where none is safe: other places would change with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from harness.audit.expressions import EXPRESSION, literal_in, named_by
from harness.audit.findings import Finding
from harness.audit.homes import Homes
from harness.audit.owners import indent
from harness.audit.parts import VERSION, Part
from harness.audit.placed import Placed
from harness.audit.stale import Edit

_VARIABLE_PATH = re.compile(rf"(?P<variable>{EXPRESSION})/(?P<path>[a-z0-9][\w./-]*)")
# `registry + "/a/b"`, `Sprintf("%s/a/b", registry)`
_ADDED_PATH = re.compile(
    r"\b(?P<name>[A-Za-z_]\w*)\s*(?:\+|\.\.|<>|~)\s*[\"'`]/(?P<path>[a-z0-9][\w./-]*)"
    r"|[\"'](?:%s|\{\})/(?P<inner>[a-z0-9][\w./-]*)[^\"'\n]*[\"'](?:\.format\(|\s*[,%]\s*\(?)\s*(?P<given>[A-Za-z_]\w*)"
)
_ANCHOR = re.compile(r"&(?P<name>[\w.-]+)[ \t]+[\"']?$")
_ANCHORED = re.compile(r":[ \t]+&(?P<name>[\w.-]+)[ \t]*(?:#.*)?$")
_NEAR_ALIAS = 4
"""So many lines from an alias, a tag is that of what it merges."""


class PartEdits:
    """The edits of one text. `registries` is what became of each variable or key that is a registry, so far."""

    def __init__(self, homes: Homes, placed: Placed) -> None:
        self._homes = homes
        self._placed = placed
        self._lines = placed.lines
        self.registries: dict[str, Edit] = {}

    def of(self, given: Sequence[Part], tag: Part | None, finding: Finding) -> list[Edit]:
        """The edits of registry, repository and tag; none where a part would have to be added."""
        if not finding.same or not finding.replacement:
            return []
        name, _, right = finding.replacement.partition(":")
        host, _, repository = name.partition("/")
        values = {"registry": host, "repository": repository, "tag": right}
        by_word = {it.word: it for it in (*given, *([tag] if tag and tag.value and right else []))}
        if "registry" not in by_word and host != self._homes.current("operator").registry:
            return []
        if "repository" not in by_word and "registry" in by_word and finding.rule != "mixed-up-host":
            return []
        changed = [(it, values[it.word]) for it in by_word.values() if it.value != values[it.word]]
        edits = []
        if any(it.word == "registry" and self._serves_others(it) for it, _ in changed):
            return []
        if tag and tag.value is None:
            # It may be any version.
            return []
        if any(self._has_aliases(it) for it, _ in changed) or (not tag and self._is_merged_into_old(given[0])):
            return []
        for it, value in changed:
            span = (0, len(it.written)) if it.value == it.written else literal_in(it.written, {it.value or ""})
            if span is None:
                # The value comes from elsewhere.
                return []
            edits.append(Edit(start=it.start + span[0], end=it.start + span[1], text=value))
        self.registries |= {it.key: edit for (it, _), edit in zip(changed, edits, strict=True) if it.word == "registry"}
        return edits

    def _serves_others(self, part: Part) -> bool:
        """Whether a registry is the variable before names of other images, too."""
        return part.key in self._serving_others

    def _has_aliases(self, part: Part) -> bool:
        """Whether a value has an anchor of YAML, and other places are the same by an alias."""
        anchor = _ANCHOR.search(self._lines.before(part.start))
        return bool(anchor and re.search(rf"\*{re.escape(anchor['name'])}(?![\w.-])", self._lines.text))

    def _is_merged_into_old(self, part: Part) -> bool:
        """Whether the mapping around a part is merged by an alias of YAML where the tag is one of a former home."""
        number = part.line
        above = (it for it in reversed(self._lines.all[: number - 1]) if it.strip() and indent(it) < part.column)
        anchor = _ANCHORED.search(next(above, ""))
        places = re.finditer(rf"\*{re.escape(anchor['name'])}(?![\w.-])", self._lines.text) if anchor else ()
        lines = [self._lines.place(it.start())[0] for it in places]
        current = self._homes.current("operator")
        return any(
            it.word == "tag"
            and bool(VERSION.fullmatch(it.value or ""))
            and self._homes.of("operator", it.value or "") is not current
            and any(abs(it.line - line) <= _NEAR_ALIAS for line in lines)
            for it in self._placed.parts
        )

    @cached_property
    def _serving_others(self) -> frozenset[str]:
        """The variables before names of other images."""
        own = tuple(self._homes.repositories)
        found = _VARIABLE_PATH.finditer(self._lines.text)
        added = _ADDED_PATH.finditer(self._lines.text)
        return frozenset(
            [named_by(it["variable"]) for it in found if not it["path"].startswith(own)]
            + [it["name"] or it["given"] for it in added if not (it["path"] or it["inner"]).startswith(own)]
        )
