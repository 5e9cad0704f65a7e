# SPDX-License-Identifier: Apache-2.0
"""Where a command that takes a chart ends, if it is longer than a line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.audit.owners import indent

COMMANDS = ("helm", "argocd", "flux")
"""What takes a chart."""
_CONTINUED = re.compile(r"(?:\\|`|\\\\\\n\",?)\s*$")
"""How a line ends that the next one continues: of a shell, of PowerShell, and of a shell in a notebook."""
_FOLDED = re.compile(r"(?::|-)[ \t]*>[-+\d]*[ \t]*(?:#.*)?$")
_WORD = re.compile(r"[\"'](?:helm3?|argocd|flux)[\"'],")
_CALLED = re.compile(r"\bhelm_(?:remote|resource)\(")
"""What Tilt calls."""
_OPTION = re.compile(r"\s+--?[A-Za-z]")
_MOST_LINES = 40
"""So many lines at most has a command."""


def last_line(every: Sequence[str], number: int) -> int:
    """The last line of the command that begins on a line: one that others continue, that YAML folds, or that a program
    has as a list of words.

    A plain text of YAML goes on in lines that are further in; of these, only options are taken for such.
    """
    last, furthest = number, min(len(every) - 1, number + _MOST_LINES)
    while last < len(every) - 1 and _CONTINUED.search(every[last]):
        last += 1
    if last > number or not any(it in every[number] for it in COMMANDS):
        return last
    word = _WORD.search(every[number]) or ("helm_" in every[number] and _CALLED.search(every[number]))
    if word:
        depth = _opened(every[number][word.end() :])
        while depth >= 0 and last < furthest:
            last += 1
            depth += _opened(every[last])
        return last
    own = indent(every[number])
    above = next(
        (it for it in reversed(every[max(0, number - _MOST_LINES) : number]) if it.strip() and indent(it) < own), ""
    )
    while _FOLDED.search(above) and last < furthest and every[last + 1].strip() and indent(every[last + 1]) >= own:
        last += 1
    while last < furthest and _OPTION.match(every[last + 1]) and indent(every[last + 1]) > own:
        last += 1
    return last


def _opened(text: str) -> int:
    """How many more brackets open in a text than close."""
    return text.count("[") + text.count("(") - text.count("]") - text.count(")")
