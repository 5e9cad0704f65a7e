# SPDX-License-Identifier: Apache-2.0
"""The operator under test as people read it: what it is, and how its chart differs from those of releases."""

from __future__ import annotations

from collections.abc import Iterator

from harness.evidence.markdown import prose
from harness.report.model import OperatorResult
from harness.report.text import plain


def facts(found: OperatorResult) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A heading and its lines: what it is, and each release that its chart was compared with."""
    yield f"the operator under test, {found.name}", found.told
    for it in found.changes:
        yield f"the chart of {found.name} against that of {it.release}", it.lines or ("nothing differs",)


def lines(found: OperatorResult | None) -> Iterator[str]:
    """All of it for a terminal; nothing for a run without one."""
    for title, them in facts(found) if found else ():
        yield f"{title}:"
        yield from (f"  {plain(it)}" for it in them)


def markdown(found: OperatorResult | None) -> Iterator[str]:
    """The same as sections; nothing for a run without one."""
    for title, them in facts(found) if found else ():
        yield from (f"### {prose(title[0].upper() + title[1:])}", "")
        yield from (f"- {prose(it)}" for it in them)
        yield ""
