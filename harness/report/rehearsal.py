# SPDX-License-Identifier: Apache-2.0
"""A rehearsal as people read it: lines for a terminal, and a section for the summary."""

from __future__ import annotations

from collections.abc import Iterator

from harness.evidence.markdown import code, prose
from harness.report.model import RehearsalResult, RehearsedMove
from harness.report.text import plain

_MARKS = {"held": "✅", "held, but for a race": "🟡", "broke as known": "🟡", "broke": "❌"}


def headline(result: RehearsalResult) -> str:
    """One line: whose move it was, and the answer."""
    return f"rehearsal of {result.site or 'a cluster'}: {result.origin} → {result.target}: {result.answer}"


def facts(result: RehearsalResult) -> Iterator[str]:
    """Where it was, and with how many applications."""
    there = f"the site has {result.there}, the snapshot is of {result.made}"
    yield f"{result.environment}, Kubernetes {result.kubernetes} ({there})"
    chosen = sum(result.applications.values())
    kinds = ", ".join(f"{number} {kind}" for kind, number in result.applications.items())
    yield f"{chosen} of {result.stored} applications{f': {kinds}' if kinds else ''}"


def lists(move: RehearsedMove) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What broke, what was not proved and what held, without empty lists."""
    every = (("broke", move.broke), ("not proved", move.unproved), ("held", move.held))
    yield from ((title, found) for title, found in every if found)


def lines(result: RehearsalResult) -> Iterator[str]:
    """All of it, the answer first."""
    yield headline(result)
    yield from (f"  {plain(it)}" for it in facts(result))
    for move in result.moves:
        yield f"  {move.what}: {move.answer} ({move.path})"
        for title, found in lists(move):
            yield from (f"    {title}: {plain(it)}" for it in found)
    if result.steps:
        yield "  the steps that made it hold:"
        yield from (f"    {number}. {plain(it)}" for number, it in enumerate(result.steps, 1))
    if result.seen:
        yield "  what the snapshot says about the move:"
        yield from (f"    - {plain(it)}" for it in result.seen)
    if result.otherwise:
        yield "  different from the site:"
        yield from (f"    - {plain(it)}" for it in result.otherwise)


def markdown(result: RehearsalResult | None) -> Iterator[str]:
    """The same as a section; nothing for a run that was no rehearsal."""
    if result is None:
        return
    yield f"### {prose(headline(result)).capitalize()}"
    yield ""
    yield from (f"- {prose(it)}" for it in facts(result))
    for move in result.moves:
        yield from (
            "",
            f"**{_MARKS.get(move.answer, '❔')} {prose(move.what)}: {move.answer}** ({code(move.path)})",
            "",
        )
        for title, found in lists(move):
            yield from (f"- {title}: {prose(it)}" for it in found)
    if result.steps:
        yield from ("", "**the steps that made it hold**", "")
        yield from (f"{number}. {prose(it)}" for number, it in enumerate(result.steps, 1))
    if result.seen:
        yield from ("", "**what the snapshot says about the move**", "")
        yield from (f"- {prose(it)}" for it in result.seen)
    if result.otherwise:
        yield from ("", "**different from the site**", "")
        yield from (f"- {prose(it)}" for it in result.otherwise)
    yield ""
