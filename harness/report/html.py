# SPDX-License-Identifier: Apache-2.0
"""report.html: one file without outside parts, what is wrong first."""

from __future__ import annotations

import json
import shlex

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.report import advice, advice_text
from harness.report.flakes import told
from harness.report.model import GREEN, CellResult, CheckResult, RunResult, exit_status
from harness.report.summary import headline
from harness.report.text import plain
from harness.verdicts import Verdict


def _facts(value: object) -> str:
    return plain(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


def _checks_worst_first(cell: CellResult) -> list[CheckResult]:
    return sorted(cell.checks, key=lambda check: -check.verdict.severity)


def render(run: RunResult) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plain
    environment.filters["facts"] = _facts
    environment.filters["worst_first"] = _checks_worst_first
    environment.filters["told"] = told
    return environment.get_template("report.html.j2").render(
        run=run,
        headline=headline(run),
        green=exit_status(run) == 0,
        bad=[cell for cell in run.worst_first if cell.verdict not in GREEN],
        good=[cell for cell in run.cells if cell.verdict in GREEN],
        selection=shlex.join(run.selection) or "the default selection",
        passed=Verdict.PASSED,
        advices=["\n".join(advice_text.lines(each)) for each in advice.of_run(run)],
    )
