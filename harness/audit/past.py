# SPDX-License-Identifier: Apache-2.0
"""Tells prose about the past from prose to act on: "was at docker.io/… until 2.1"."""

from __future__ import annotations

import re

from harness.audit.owners import Lines

_DOCUMENTS = (".md", ".mdx", ".markdown", ".rst", ".adoc", ".txt", ".html")
_FENCE = re.compile(r"\s*(?:```|~~~|----\s*$|<pre)")
_COMMENT = re.compile(r"(?:^|\s)(?:#+|//+|--|;+|/\*+|<!--|\*)\s")
_ITEM = re.compile(r"(?:[-*+|>]|\d+[.)]|#+)\s|```|~~~")
_SENTENCE_END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)[.!?;]\s+")
_VERSION = r"(?:and including )?(?:the )?(?:(?:v|version|release|chart|spark operator|operator)\s?)*\d"
_SOMEWHERE = re.compile(
    r"\b(?:was|were|had been)\s+(?:\w+\s+){0,2}?(?:pulled|published|hosted|pushed|released|available|served|shipped"
    r"|stored|distributed|called|named|kept|at|on|in|from)\b"
    r"|\b(?:ha(?:s|ve) been|was|were|is|are)\s+(?:moved|renamed|replaced|retired|abandoned|deprecated|obsolete)\b"
    r"|\b(?:used to|formerly|previously|originally|historically|in the past)\b"
    r"|\b(?:has|have|gets?|receives?) no\b|\b(?:do not|don't|never|must not|should not) (?:use|pull)\b"
    r"|\bno longer\s+(?:\w+\s+){0,2}?(?:used?|updated|maintained|published|gets?|receives?|pulled?|available|exists?)\b"
    rf"|\b(?:until|before|prior to|older than|earlier than|up to|through)\s+{_VERSION}",
    re.I,
)
_DIRECTLY_BEFORE = re.compile(
    r"\b(?:(?:was|were|formerly|previously|not)(?:\s+(?:from|at|on|in))?:?\s+"
    r"|(?:instead of|rather than|(?:mov|migrat|switch|renam)\w*(?:\s+\w+){0,3}?\s+from|in place of|replac(?:es?|ing)"
    r"|do(?: not|n't) use|never use)\s+(?:the\s+)?(?:\w+\s+){0,3}?"
    r"|(?:old|former|previous|outdated|stale|legacy|obsolete)\s+(?:[\w'-]+\s+){0,4}?)[\"'`(:<* ]*$",
    re.I,
)
_MOST_LINES = 6


def is_past(lines: Lines, file: str, start: int, end: int) -> bool:
    """Whether what is between two offsets is in prose, in a document or a comment, whose sentence is about the past."""
    number, column = lines.place(start)
    line = lines.all[number - 1]
    is_document = file.lower().endswith(_DOCUMENTS) and not _in_fence(lines, number)
    comment = None if is_document else _COMMENT.search(line[: column - 1])
    if not is_document and comment is None:
        return False
    begin = comment.end() if comment else 0
    above, below = _around(lines, number, is_document=is_document)
    before, after = f"{above} {line[begin : column - 1]}", f"{line[column - 1 + end - start :]} {below}"
    first = max((it.end() for it in _SENTENCE_END.finditer(before)), default=0)
    last = _SENTENCE_END.search(after)
    before, after = before[first:], after[: last.start()] if last else after
    return bool(_DIRECTLY_BEFORE.search(before) or _SOMEWHERE.search(f"{before} NAME {after}"))


def _in_fence(lines: Lines, number: int) -> bool:
    return sum(bool(_FENCE.match(line)) for line in lines.all[: number - 1]) % 2 == 1


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
