# SPDX-License-Identifier: Apache-2.0
"""index.html: a run as one self-contained page, problems first."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.report import advice, advice_text, grid, picture, rehearsal, timeline, under_test
from harness.report.attachments import Attachments
from harness.report.flakes import told
from harness.report.model import GREEN, CellResult, CheckResult, RunResult, exit_status
from harness.report.summary import headline
from harness.report.text import plain
from harness.report.timeline import Bar
from harness.verdicts import Verdict
from harness.wording import counted

_LINK = re.compile(r"https://[^\s<>\"'()\[\]]*[^\s<>\"'()\[\].,;:]")
_ISSUE = re.compile(r"https://github\.com/([^/]+/[^/]+)/(?:issues|pull)/(\d+)")
_SAID = {0: "Everything held", 1: "Something broke", 3: "Not everything was proved"}
_UNFINISHED = "The run has not ended"


@dataclass(frozen=True, kw_only=True)
class CellView:
    """A cell as the page shows it: its anchor, its checks by outcome, where its time went, its evidence."""

    cell: CellResult
    anchor: str
    bad: tuple[CheckResult, ...]
    good: tuple[CheckResult, ...]
    bars: tuple[Bar, ...]
    steps: tuple[Bar, ...]
    evidence: tuple[str, ...]

    @property
    def remark(self) -> str:
        """The cell's remark, unless a check on the page says the same."""
        said = {check.message for check in self.bad}
        return "" if self.cell.remark in said or self.cell.retries else self.cell.remark

    @property
    def title(self) -> str:
        """The id, with the number of the attempt if there are several."""
        return self.cell.id if self.cell.attempt == 1 else f"{self.cell.id} (attempt {self.cell.attempt})"


def render(run: RunResult, attachments: Attachments | None = None) -> str:
    """The page. `attachments` are the files next to the report that it shows or links to."""
    known = attachments or Attachments()
    views = [_view(cell, number, known) for number, cell in enumerate(run.cells, 1)]
    worst_first = sorted(views, key=lambda view: -view.cell.verdict.severity)
    style, script = part("style.css"), part("script.js")
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            run=run,
            style=Markup(style),  # noqa: S704  # a file of this package
            script=Markup(script),  # noqa: S704
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            headline=headline(run),
            said=_SAID[exit_status(run)] if run.ended else _UNFINISHED,
            green=exit_status(run) == 0 and run.ended is not None,
            counts=grid.counts(run),
            tables=grid.tables(run),
            clusters=timeline.clusters(run),
            anchors={view.cell.name: view.anchor for view in views},
            anchor_of={view.cell.id: view.anchor for view in reversed(views)},
            bad=[view for view in worst_first if view.cell.verdict not in GREEN],
            good=_by_group(view for view in views if view.cell.verdict in GREEN),
            longest=max((timeline.scale(view.bars) for view in views), default=0.0),
            selection=shlex.join(("harness", "run", *run.selection)),
            advices=advice.of_run(run),
            rehearsal=run.rehearsal,
            operator=run.operator,
            pulls=known.pulls,
            pictures=[_picture(rows) for rows in picture.groups(known.pulls).values()],
            pulls_from=known.pulls_from,
            pulls_notes=known.pulls_notes,
        )
    )


@functools.cache
def environment() -> Environment:
    """The templates of pages: once for the process, since compiling one takes longer than filling it in."""
    made = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.globals.update(units=timeline.units, scale=timeline.scale, width=timeline.WIDTH, parts=advice_text.parts)
    made.globals.update(
        operator_facts=under_test.facts,
        rehearsed=rehearsal.facts,
        lists=rehearsal.lists,
        rehearsal_line=rehearsal.headline,
    )
    made.filters.update(
        counted=counted,
        duration=timeline.duration,
        facts=_facts,
        told=told,
        href=_href,
        linked=_linked,
        nearby=_nearby,
        bytes=_bytes,
        sentence=_sentence,
    )
    return made


def _view(cell: CellResult, number: int, attachments: Attachments) -> CellView:
    ordered = sorted(cell.checks, key=lambda check: -check.verdict.severity)
    return CellView(
        cell=cell,
        anchor=f"cell-{number}",
        bad=tuple(check for check in ordered if check.verdict is not Verdict.PASSED),
        good=tuple(check for check in ordered if check.verdict is Verdict.PASSED),
        bars=timeline.phases(cell),
        steps=timeline.steps(cell),
        evidence=tuple(attachments.evidence.get(cell.evidence, ())),
    )


def _by_group(views: Iterable[CellView]) -> list[tuple[str, list[CellView]]]:
    """The cells of each environment and path."""
    found: dict[str, list[CellView]] = {}
    for view in views:
        found.setdefault(f"{view.cell.environment}/{view.cell.path}", []).append(view)
    return list(found.items())


def part(name: str) -> str:
    """A file of the templates that goes into pages as it is."""
    return (files("harness.report") / "templates" / name).read_text(encoding="utf-8").strip()


def _picture(rows: Sequence[picture.PullRow]) -> Markup:
    return Markup(picture.picture(rows))  # noqa: S704  # it escapes what it writes


def _shown(value: Any) -> Any:
    """Any text for the page, without terminal escapes and characters that HTML does not allow."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _facts(value: object) -> str:
    """A fact of a check as text; a list of texts as lines."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(it, str) for it in value):
        return "\n".join(value)
    if isinstance(value, dict) and value and not any(isinstance(it, dict | list) for it in value.values()):
        return "\n".join(f"{name}: {_facts(it)}" for name, it in value.items())
    return json.dumps(value, ensure_ascii=False, indent=1 if isinstance(value, dict | list) and value else None)


def _href(path: str) -> str:
    """A path relative to the report as a link, which cannot point to another host whatever the path contains."""
    return "./" + quote(path)


def _linked(text: str) -> Markup:
    """Text with its URLs as links."""
    text, parts, at = plain(text), [], 0
    for found in _LINK.finditer(text):
        parts += [escape(text[at : found.start()]), _upstream(found[0])]
        at = found.end()
    return Markup("").join([*parts, escape(text[at:])])


def _upstream(address: str) -> Markup:
    """A link to a public page, named as GitHub names its issues."""
    issue = _ISSUE.fullmatch(address)
    name = f"{issue[1]}#{issue[2]}" if issue else address.removeprefix("https://")
    return Markup('<a href="{}" rel="noopener noreferrer">{}</a>').format(address, name)


def _nearby(where: str, run: RunResult) -> str:
    """Where something was observed, without what is the same for the whole page."""
    return where.removesuffix(f", run {run.run_id}, {run.started:%Y-%m-%d}")


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:]


def _bytes(number: float | None) -> str:
    """Bytes in MiB; empty if not known."""
    return "" if number is None else f"{number / 2**20:.1f} MiB"
