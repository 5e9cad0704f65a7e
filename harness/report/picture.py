# SPDX-License-Identifier: Apache-2.0
"""The chart of a pull benchmark: one self-contained SVG, for the report's page and for a file of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from pydantic import BaseModel, ConfigDict, Field

from harness.report.text import plain
from harness.wording import counted

_WIDTH = 400
"""Width of the drawing: that of a phone, where text keeps its size."""

_LEFT, _RIGHT = 1, 64
_PLOT = _WIDTH - _LEFT - _RIGHT
_HEAD, _ROW, _AXIS = 56, 40, 26
_LETTERS = 56
"""The longest row name that fits, in characters."""


class PullRow(BaseModel):
    """Measurements of one way of pulling one image.

    `state` is what the node had before (`cold`, `warm`), `manner` how the image came (`direct`, `mirrored`), `parallel`
    how many pulls ran at once. `samples` and `median` are seconds, `low` and `high` the ends of the median's confidence
    interval, `bytes` and `requests` what a pull cost. Fields beyond these are ignored.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    registry: str
    image: str
    manner: str = ""
    state: str = ""
    parallel: int = Field(default=1, ge=1)
    samples: tuple[float, ...] = ()
    median: float = Field(ge=0, allow_inf_nan=False)
    low: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    high: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    bytes: float | None = None
    requests: float | None = None

    @property
    def name(self) -> str:
        """What distinguishes it from other rows of its image and state."""
        at_once = f"{self.parallel} in parallel" if self.parallel > 1 else ""
        return " · ".join(part for part in (self.registry, self.manner, at_once) if part)


def groups(rows: Iterable[PullRow]) -> dict[tuple[str, str], list[PullRow]]:
    """The comparable rows, those of the same image and state, by these two."""
    found: dict[tuple[str, str], list[PullRow]] = {}
    for row in rows:
        found.setdefault((row.image, row.state), []).append(row)
    return found


def picture(rows: Iterable[PullRow]) -> str:
    """An SVG: for each image and state, a strip for each row, with its samples, interval and median on one scale.

    Scales begin at 0; each image and state has its own, since a warm pull takes a hundredth of a cold one.
    """
    drawn, top = [], 0
    for (image, state), some in groups(rows).items():
        drawn.append(_group(image, state, some, top))
        top += _HEAD + _ROW * len(some) + _AXIS
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pulls" viewBox="0 0 {_WIDTH} {max(top, 1)}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12" fill="currentColor">'
        f"<title>Pull durations in seconds</title>{''.join(drawn)}</svg>"
    )


def _group(image: str, state: str, rows: Sequence[PullRow], top: int) -> str:
    end = _round_up(max(max(row.median, row.high or 0, *row.samples, 0) for row in rows))
    below = top + _HEAD + _ROW * len(rows)
    parts = [
        f'<text x="{_LEFT}" y="{top + 14}" font-weight="600">{_text(image)}</text>',
        f'<text x="{_LEFT}" y="{top + 31}" fill-opacity=".75">{_text(state)}</text>',
    ]
    for part in (0.0, 0.5, 1.0):
        x = _LEFT + _PLOT * part
        anchor = {0.0: "start", 0.5: "middle", 1.0: "end"}[part]
        parts.append(
            f'<path d="M{x:.1f} {top + _HEAD - 6}V{below}" stroke="currentColor" stroke-opacity=".18"/>'
            f'<text x="{x:.1f}" y="{below + 14}" text-anchor="{anchor}" font-size="11" fill-opacity=".75">'
            f"{_seconds(end * part)}</text>"
        )
    parts += [_row(row, end, top + _HEAD + _ROW * number) for number, row in enumerate(rows)]
    return "".join(parts)


def _row(row: PullRow, end: float, top: int) -> str:
    def x(seconds: float) -> float:
        return _LEFT + _PLOT * min(max(seconds, 0) / end, 1)

    middle = top + 24
    told = escape(_flat(_told(row)))
    parts = [f'<g><title>{told}</title><text x="{_LEFT}" y="{top + 10}">{_text(row.name)}</text>']
    parts.append(
        f'<path d="M{_LEFT} {middle}H{x(row.median):.1f}" stroke="var(--accent, #4a6fa5)" stroke-width="8" '
        'stroke-opacity=".3"/>'
    )
    if row.low is not None and row.high is not None:
        parts.append(
            f'<path d="M{x(row.low):.1f} {middle}H{x(row.high):.1f}" stroke="var(--accent, #4a6fa5)" '
            'stroke-width="2.5"/>'
        )
    parts += [
        f'<circle cx="{x(it):.1f}" cy="{middle}" r="2" fill-opacity=".6"/>' for it in row.samples if math.isfinite(it)
    ]
    parts.append(
        f'<path d="M{x(row.median):.1f} {middle - 7}v14" stroke="currentColor" stroke-width="2"/>'
        f'<text x="{_WIDTH}" y="{middle + 4}" text-anchor="end" font-weight="600">{_seconds(row.median)}</text></g>'
    )
    return "".join(parts)


def _told(row: PullRow) -> str:
    text = f"{row.name}: median {_seconds(row.median)}"
    if row.low is not None and row.high is not None:
        text += f", interval {_seconds(row.low)} to {_seconds(row.high)}"
    return f"{text}, {counted(len(row.samples), 'sample')}"


def _round_up(seconds: float) -> float:
    """The end of a scale: the next higher of 1, 2, 4, 5, 8 and 10 times a power of ten."""
    if seconds <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(seconds))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= seconds * 0.999999)


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 100 or seconds == 0 else f"{seconds:.3g} s"


def _text(text: str) -> str:
    flat = _flat(text)
    return escape(flat if len(flat) <= _LETTERS else f"{flat[: _LETTERS - 1]}…")


def _flat(text: str) -> str:
    return " ".join(plain(text).split())
