# SPDX-License-Identifier: Apache-2.0
"""The chart of the scale: the controller's memory and the time without a leader against stored applications, as SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from harness.bench.scale.upgrade import Step

_WIDTH, _HEIGHT = 360, 220
_LEFT, _BOTTOM, _TOP, _RIGHT = 56, 40, 34, 24

_PANELS: tuple[tuple[str, tuple[tuple[str, str, Callable[[Step], float]], ...]], ...] = (
    (
        "memory (MiB)",
        (
            ("controller", "#35609c", lambda it: it.controller_mib),
            ("harness", "#b0151f", lambda it: it.own_mib),
        ),
    ),
    (
        "time (s)",
        (
            ("no leader", "#35609c", lambda it: it.gap_s or 0.0),
            ("until settled", "#2f8f83", lambda it: it.settled_s),
            ("harness (CPU)", "#b0151f", lambda it: it.own_cpu_s),
        ),
    ),
)


TITLE = "An upgrade by stored applications"


def draw(steps: Sequence[Step]) -> str:
    """Two panels side by side, each beginning at zero."""
    panels = "".join(
        f'<g transform="translate({number * _WIDTH} 0)">{_panel(title, lines, steps)}</g>'
        for number, (title, lines) in enumerate(_PANELS)
    )
    width = _WIDTH * len(_PANELS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="11"><title>{TITLE}</title>'
        f'<rect width="{width}" height="{_HEIGHT}" fill="#fff"/>{panels}</svg>\n'
    )


def _panel(title: str, lines: Sequence[tuple[str, str, Callable[[Step], float]]], steps: Sequence[Step]) -> str:
    right, top = _WIDTH - _RIGHT, max([value(it) for _, _, value in lines for it in steps] + [1.0])
    most = max(it.applications for it in steps)

    def x(count: int) -> float:
        return _LEFT + (right - _LEFT) * count / most

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * value / top

    drawn = [
        f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(title)}</text>',
        f'<path d="M{_LEFT} {_TOP}V{_HEIGHT - _BOTTOM}H{right}" fill="none" stroke="#888"/>',
        f'<text x="{_LEFT - 6}" y="{_TOP + 4}" text-anchor="end">{top:.0f}</text>',
        f'<text x="{_LEFT - 6}" y="{_HEIGHT - _BOTTOM}" text-anchor="end">0</text>',
        *(
            f'<text x="{x(it.applications):.0f}" y="{_HEIGHT - _BOTTOM + 14}" text-anchor="middle">'
            f"{it.applications}</text>"
            for it in steps
            if it.applications > most / 10
        ),
        f'<text x="{right}" y="{_HEIGHT - 8}" text-anchor="end">applications</text>',
    ]
    for number, (name, colour, value) in enumerate(lines):
        points = " ".join(f"{x(it.applications):.1f},{y(value(it)):.1f}" for it in steps)
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn += [
            f'<circle cx="{x(it.applications):.1f}" cy="{y(value(it)):.1f}" r="3" fill="{colour}"/>' for it in steps
        ]
        drawn.append(f'<text x="{_LEFT + 100 + 85 * number}" y="18" fill="{colour}">{escape(name)}</text>')
    return "".join(drawn)
