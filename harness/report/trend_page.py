# SPDX-License-Identifier: Apache-2.0
"""trend.html: results over time as one self-contained page."""

from __future__ import annotations

from markupsafe import Markup

from harness.report import trend
from harness.report.diff_text import spread
from harness.report.html import environment, part
from harness.report.trend import Trend
from harness.wording import counted

MARK = '<table class="trend nights">'
"""What no other page has."""


def render(found: Trend) -> str:
    """The page of a trend over at least one run."""
    runs = len(found.nights)
    first, last = found.nights[0].started, found.nights[-1].started
    return (
        environment()
        .get_template("trend.html.j2")
        .render(
            trend=found,
            headline=f"{counted(runs, 'run')}, {first:%Y-%m-%d} to {last:%Y-%m-%d}",
            style=Markup(part("style.css")),  # noqa: S704  # a file of this package
            width=trend.WIDTH,
            height=trend.HEIGHT,
            spread=spread,
        )
    )
