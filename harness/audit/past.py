# SPDX-License-Identifier: Apache-2.0
"""Tells prose about the past from prose to act on: "was at docker.io/… until 2.1"."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from functools import cached_property, lru_cache

from harness.audit.findings import Finding
from harness.audit.owners import Lines
from harness.audit.stale import Stale
from harness.releases.charts import CHART_NAME

_DOCUMENTS = (".md", ".mdx", ".markdown", ".rst", ".adoc", ".txt", ".html")
_FENCE = re.compile(r"\s*(?:```|~~~|----\s*$|<pre)")
_COMMENT = re.compile(r"(?:^|\s)(?:#+|//+|--|;+|/\*+|<!--|\*)\s")
_ITEM = re.compile(r"(?:[-*+|>]|\d+[.)]|#+)\s|```|~~~")
_SENTENCE_END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)[.!?;]\s+|[。！？；]")
_VERSION = r"(?:and including )?(?:the )?(?:(?:v|version|release|chart|spark operator|operator)\s?)*\d"
_SOMEWHERE = re.compile(
    r"\b(?:was|were|had been)\s+(?:\w+\s+){0,2}?(?:pulled|published|hosted|pushed|released|available|served|shipped"
    r"|stored|distributed|called|named|kept|at|on|in|from)\b"
    r"|\b(?:was|were) the (?:last|final|latest|newest)\b"
    r"|\b(?:ha(?:s|ve) been|was|were|is|are)\s+(?:moved|renamed|replaced|retired|removed"
    r"|rejected|abandoned|dropped|deprecated|obsolete|frozen)\b"
    r"|\b(?:will not be|won't be|is not|are not)\s+(?:updated|maintained)\b"
    r"|\bhad\s+(?:\w+\s+)?(?:pulled|used|mirrored|copied)\b"
    r"|\b(?:used to|formerly|previously|originally|historically|in the past)\b"
    r"|\b(?:has|have|gets?|receives?) no\b|\b(?:do not|don't|never|must not|should not) (?:use|pull)\b"
    r"|\bno longer\s+(?:\w+\s+){0,2}?(?:used?|updated|maintained|published|gets?|receives?|pulled?|available|exists?)\b"
    r"|\b(?:that|which|who|if you)\s+still\s+(?:runs?|uses?|pulls?|names?|have|has)\b"
    r"|\bNAME\W{0,3}\((?:the\s+)?(?:old|former|previous|outdated|legacy)\b"
    rf"|\b(?:until|before|prior to|older than|earlier than|up to|through)\s+{_VERSION}",
    re.I,
)
_IN_OTHER_LANGUAGES = re.compile(
    # German, French, Spanish, Portuguese, Italian, Russian, Chinese, Japanese
    r"\b(?:war(?:en)?|lag(?:en)?)\s+(?:[\w.]+\s+){0,4}?(?:auf|bei|in|unter|von)\b|\b(?:früher|ehemals|vormals)\b"
    r"|\b(?:étai(?:t|ent)|anciennement|autrefois|auparavant)\b|\bjusqu['’]à (?:la version )?v?\d"
    r"|\b(?:estaban?|estavam?|anteriormente|antiguamente|antigamente|precedentemente|in precedenza)\b"
    r"|\b(?:hasta|até|fino)(?: a| al| alla| la)?(?: vers\w+)? v?\d|\bera(?:no)? su\b"
    r"|\b(?:ранее|раньше|прежде)\b|\bдо версии\b"
    r"|(?:以前|之前|此前|原来|原先)(?:在|是|位于|存放|的)|曾(?:经|在|位于)|不再|以前は|かつて",
    re.I,
)
_DIRECTLY_BEFORE = re.compile(
    r"\b(?:(?:was|were|formerly|previously|not)(?:\s+(?:from|at|on|in))?:?\s+"
    r"|(?:instead of|rather than|(?:mov|migrat|switch|renam)\w*(?:\s+\w+){0,3}?\s+from|in place of|replac(?:e[sd]?|ing)"
    r"|dropped|removed|stopped using|got rid of|(?:moved|migrated|switched)\s+(?:\w+\s+){0,2}?(?:off|away from)"
    r"|do(?: not|n't) use|never use)\s+(?:the\s+)?(?:\w+\s+){0,3}?"
    r"|(?:old|former|previous|outdated|stale|legacy|obsolete)\s+(?:[\w'-]+\s+){0,4}?)[\"'`(:<* ]*$",
    re.I,
)
_BEFORE = re.compile(
    r"\W*(?:(?:before|previously|formerly|was)(?:\s+(?:the\s+)?(?:change|migration|move|v?\d[\d.]*))?|old(?:\s+\w+)?"
    r"|wrong|incorrect|bad|do(?: not|n[’']t)(?:\s+do\s+(?:this|that))?|not\s+(?:this|so))\W*$",
    re.I,
)
_TRUE_ONCE = ("stale-registry", "old-release", "chart-repository-gone", "old-chart")
_VERSIONED = re.compile(r"(?::|\btag )\d")
_PATCHES = (".diff", ".patch")
_TEXT = re.compile(r"\"[^\"]*\"|'[^']*'")
_REFUSED = re.compile(r"\b(?:manifest (?:for|unknown)|not found|pull access denied|failed to (?:pull|resolve))\b", re.I)
_OUTPUT = 4
"""So many lines below a command, its output may be."""
_WORDS = 3
_MOST_LINES = 6
_MOST_LETTERS = 600


class Past:
    """What a text says of the past."""

    def __init__(self, lines: Lines, file: str) -> None:
        self._lines = lines
        self._is_document = file.lower().endswith(_DOCUMENTS)
        self._is_patch = file.endswith(_PATCHES)

    @cached_property
    def _fences(self) -> list[int]:
        return [number for number, line in enumerate(self._lines.all, 1) if _FENCE.match(line)]

    def _fence(self, number: int) -> int:
        """The line that opens the example around a line; 0 outside of all."""
        before = bisect_left(self._fences, number)
        return self._fences[before - 1] if before % 2 else 0

    def has(self, stale: Stale) -> bool:
        """Whether a stale name is in prose, in a document or a comment, whose sentence is about the past; or in an
        example that is there to be replaced. What never was cannot be past.
        """
        line = self._lines.all[stale.line - 1]
        fence = self._fence(stale.line) if self._is_document else 0
        if fence:
            is_removed = "diff" in self._lines.all[fence - 1] and line.startswith("-")
            return is_removed or bool(_BEFORE.match(_above(self._lines, fence))) or self._fails(stale.line)
        if self._is_patch:
            return line.startswith("-")
        begin, end = self._prose(stale, line)
        if not _was_true(stale.finding) or begin < 0:
            return False
        before, after = line[begin : stale.column - 1], line[stale.end - 1 : end]
        if end == len(line):
            above, below = _around(self._lines, stale.line, is_document=self._is_document)
            before, after = f"{above} {before}", f"{after} {below}"
        before, after = before[-_MOST_LETTERS:], after[:_MOST_LETTERS]
        first = max((it.end() for it in _SENTENCE_END.finditer(before)), default=0)
        last = _SENTENCE_END.search(after)
        before, after = before[first:], after[: last.start()] if last else after
        sentence = f"{before} NAME {after}"
        told = _DIRECTLY_BEFORE.search(before) or _SOMEWHERE.search(sentence) or _IN_OTHER_LANGUAGES.search(sentence)
        return bool(told)

    def _fails(self, number: int) -> bool:
        """Whether an example shows that the name of its command cannot be pulled."""
        below = self._lines.all[number : number + _OUTPUT]
        return any(CHART_NAME in line and _REFUSED.search(line) for line in itertools.takewhile(str.strip, below))

    def _prose(self, stale: Stale, line: str) -> tuple[int, int]:
        """Where prose around a name begins and ends on its line: all of it, a comment, or a text of several words."""
        if self._is_document:
            return 0, len(line)
        at = stale.column - 1
        comment = _COMMENT.search(line, max(0, at - _MOST_LETTERS) if self._lines.is_long(stale.line) else 0, at)
        if comment:
            return comment.end(), len(line)
        texts = _texts(line)
        begin, end = texts[max(0, bisect_left(texts, (at, at)) - 1)] if texts else (0, 0)
        is_prose = begin < at < end and (
            line.count(" ", begin, end) >= _WORDS
            or bool(_DIRECTLY_BEFORE.search(line, max(begin + 1, at - _MOST_LETTERS), at))
        )
        return (begin + 1, end - 1) if is_prose else (-1, -1)


@lru_cache(maxsize=8)
def _texts(line: str) -> list[tuple[int, int]]:
    """Where texts in quotes begin and end on a line."""
    return [it.span() for it in _TEXT.finditer(line)]


def _was_true(finding: Finding) -> bool:
    """Whether what is stale was right once: another version than one that upstream had there was not."""
    return finding.rule in _TRUE_ONCE and not (finding.same and _VERSIONED.search(finding.replacement))


def _above(lines: Lines, number: int) -> str:
    """The nearest line with content above a line."""
    return next((line for line in reversed(lines.all[max(0, number - 4) : number - 1]) if line.strip()), "")


def _around(lines: Lines, number: int, *, is_document: bool) -> tuple[str, str]:
    """What stands above and below a line in its paragraph, or its comment."""

    def text(index: int) -> str | None:
        line = lines.all[index] if 0 <= index < len(lines.all) else ""
        comment = None if is_document else _COMMENT.match(line)
        if not is_document:
            line = line[comment.end() :] if comment else ""
        return line.strip() or None

    above: list[str] = []
    below: list[str] = []
    here = number - 1
    for index in range(here - 1, here - _MOST_LINES, -1):
        said = text(index)
        if said is None or _ITEM.match(text(index + 1) or ""):
            break
        above.insert(0, said)
    for index in range(here + 1, here + _MOST_LINES):
        said = text(index)
        if said is None or _ITEM.match(said):
            break
        below.append(said)
    return " ".join(above), " ".join(below)
