# SPDX-License-Identifier: Apache-2.0
"""Advice as people read it: lines for a terminal, and a section for GitHub's job summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.evidence.markdown import prose
from harness.report.advice import Advice, Answer, Sentence
from harness.report.text import plain

_MARKS = {Answer.SAFE: "✅", Answer.WITH_STEPS: "🟡", Answer.NOT_SAFE: "❌", Answer.NOT_KNOWN: "❔"}


def lines(advice: Advice) -> Iterator[str]:
    """The advice, the answer first; every sentence ends with its origin, a step on the line below it."""
    yield f"advice: {advice.origin} → {advice.target}: {advice.answer}"
    for title, sentences in parts(advice):
        yield f"  {title}:"
        if title.startswith("steps"):
            # A command ends where its line ends, so that it can be copied.
            yield from (it for number, step in enumerate(sentences, 1) for it in _step(number, step))
        else:
            yield from (f"    - {plain(str(it))}" for it in sentences)
    if advice.unknown:
        yield "  not tested:"
        yield from (f"    - {plain(it)}" for it in advice.unknown)
    if advice.evidence:
        yield "  evidence:"
        for report in dict.fromkeys(it.report for it in advice.evidence):
            cells = ", ".join(f"{it.cell} ({it.verdict})" for it in advice.evidence if it.report == report)
            yield f"    - {f'{report}: ' if report else ''}{cells}"


def _step(number: int, step: Sentence) -> Iterator[str]:
    before = f"    {number}. "
    yield f"{before}{plain(step.text)}"
    yield f"{' ' * len(before)}{plain(str(step).removeprefix(step.text).strip())}"


def markdown(advices: Iterable[Advice]) -> Iterator[str]:
    """The same as Markdown sections; empty when there is no advice."""
    for advice in advices:
        yield f"### {_MARKS[advice.answer]} `{advice.origin}` → `{advice.target}`: {advice.answer}"
        for title, sentences in parts(advice):
            yield from ("", f"**{title}**", "")
            numbered = title.startswith("steps")
            yield from (f"{f'{number}.' if numbered else '-'} {_told(it)}" for number, it in enumerate(sentences, 1))
        if advice.unknown:
            yield from ("", "**not tested**", "")
            yield from (f"- {prose(it)}" for it in advice.unknown)
        yield ""


def parts(advice: Advice) -> Iterator[tuple[str, tuple[Sentence, ...]]]:
    """The sections of the advice by title, without empty ones."""
    every = (
        ("why", advice.why),
        (f"steps, as run on {advice.path}" if advice.path else "steps", advice.steps),
        ("what to expect", advice.expect),
        ("what breaks otherwise", advice.breaks),
        ("your values", advice.values),
        ("your applications", advice.objects),
        ("your cluster", advice.site),
        ("your registry", advice.registry),
    )
    yield from ((title, sentences) for title, sentences in every if sentences)


def _told(sentence: Sentence) -> str:
    where = f": {prose(sentence.where)}" if sentence.where else ""
    return f"{prose(sentence.text)} _({sentence.origin}{where})_"
