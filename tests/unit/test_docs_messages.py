# SPDX-License-Identifier: Apache-2.0
"""The messages that docs/troubleshooting.md quotes are messages that the code has."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from functools import cache
from itertools import chain
from pathlib import Path

from harness.settings import PROJECT_ROOT

_PAGE = PROJECT_ROOT / "docs" / "troubleshooting.md"
_NODE = PROJECT_ROOT / "clusters" / "nodes" / "modules" / "k3s-shaped-node"
_PULLS = PROJECT_ROOT / "clusters" / "pull-messages.toml"
_GAP = "\0"
"""Stands for any text, in a quotation (`…`) as well as in a message (a value that is filled in)."""

# What others say: the kubelet, the kernel, the container engine.
_FROM_OTHERS = {"too many open files", "cgroup", "x509", "unable to apply caps"}


def _quotations() -> list[str]:
    tables = re.findall(r"^\| message \|.*\n\| ---.*\n((?:\|.*\n)+)", _PAGE.read_text(), re.M)
    spans = [span for table in tables for row in table.splitlines() for span in re.findall(r"`([^`]+)`", _first(row))]
    return [span for span in spans if span not in _FROM_OTHERS and len(_words(span)) > 1]


def _first(row: str) -> str:
    return row.split(" | ")[0]


@cache
def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[A-Za-z]{3,}", text))


@cache
def _files() -> dict[Path, str]:
    """What has messages, with its text: the harness, its diagnoses of pulls and the program that plays k3s."""
    files = [*sorted((PROJECT_ROOT / "harness").rglob("*.py")), _PULLS, *sorted(_NODE.glob("*.go"))]
    return {file: file.read_text() for file in files}


@cache
def _messages(file: Path) -> list[str]:
    """Every string of a file, with gaps for values."""
    source = _files()[file]
    if file.suffix == ".py":
        found = [text for node in ast.walk(ast.parse(source)) if (text := _text(node))]
    else:
        strings = r'^words = "(.*)"$' if file == _PULLS else r'"((?:[^"\\\n]|\\.)+)"'
        found = [re.sub(r"%[a-z]|\{\w+\}", _GAP, text) for text in re.findall(strings, source, re.M)]
    return [it for it in dict.fromkeys(found) if _words(it)]


def _text(node: ast.AST) -> str:
    """The text of a string or an f-string; empty for anything else."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or _GAP for part in node.values)
    return ""


_NEVER = -1


def _in_common(quoted: str, message: str) -> int:
    """How many letters both have in common if some text is both, where gaps stand for anything; otherwise _NEVER."""
    # best[n]: the same for what was read of the quotation so far, and the first n characters of the message.
    best = [0 if not message[:n].strip(_GAP) else _NEVER for n in range(len(message) + 1)]
    for letter in quoted:
        before, best = best, [best[0] if letter == _GAP else _NEVER]
        for n, other in enumerate(message, 1):
            if _GAP in (letter, other):
                best.append(max(before[n], best[n - 1]))
            else:
                best.append(before[n - 1] + 1 if letter == other and before[n - 1] != _NEVER else _NEVER)
    return best[-1]


def _quotes(quotation: str, message: str) -> bool:
    """Whether the quotation is of this message, or of a part of it. Half of it may be what the message fills in."""
    if not _may_quote(quotation, message):
        return False
    gaps = quotation.replace("…", _GAP)
    return _in_common(_GAP + gaps + _GAP, message) * 2 >= len(gaps.replace(_GAP, ""))


def _may_quote(quotation: str, message: str) -> bool:
    words = _words(quotation)
    return len(words & _words(message)) * 2 >= len(words)


def _likely_first(quotation: str) -> Iterator[str]:
    """The messages that may be quoted; to compare texts takes a thousand times longer than to count common words.

    A file is read when its turn comes, since to read all of the harness takes longer than all the rest.
    """
    words = _words(quotation)
    longest = max(quotation.split("…"), key=len).strip()
    likely = [file for file, text in _files().items() if longest in text]
    others = (file for file in sorted(_files(), key=lambda it: -_number_in(it, words)) if file not in likely)
    for file in chain(likely, others):
        possible = [it for it in _messages(file) if _may_quote(quotation, it)]
        yield from sorted(possible, key=lambda it: (-len(words & _words(it)), len(it)))


def _number_in(file: Path, words: Collection[str]) -> int:
    return sum(word in _files()[file] for word in words)


def test_quoted_messages_are_in_the_code() -> None:
    # One test for all, since each process that has a part of them would read the whole code.
    quoted = _quotations()
    assert quoted
    assert [it for it in quoted if not any(_quotes(it, message) for message in _likely_first(it))] == []


def test_another_wording_is_noticed() -> None:
    assert _quotes("… answered 401", f"{_GAP} answered {_GAP}")
    assert not _quotes("the container engine does not run", "the container engine is not running: it was stopped")
