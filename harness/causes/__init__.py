# SPDX-License-Identifier: Apache-2.0
"""The cause in what a program printed: the one function that puts the output of outside software into a reason.

A reason begins with the cause, in one line; the whole output belongs into the evidence. Which lines are noise, and
which ones are causes, is in clusters/output.toml; stack traces are read in harness/causes/stack_traces.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from harness.causes.rows import load
from harness.causes.stack_traces import ERROR_LINE, FRAME, last_logged, uncaught

__all__ = ["LENGTH", "cause", "found", "shortened", "told", "without_noise"]

LENGTH = 400
"""How many characters of a cause a reason has."""

_READ = 200_000
_FEW = 3
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_USAGE = re.compile(r"^Usage:")
_GAP = " … "


def cause(output: str, limit: int = LENGTH) -> str:
    """What went wrong, in one line of up to `limit` characters; empty where the output has nothing but noise.

    Where no line is known to be a cause, a few lines are told whole, and of more the last one.
    """
    lines = _lines(output)
    words = _known(lines)
    if not words:
        rest = [line for line in lines if not FRAME.match(line)]
        words = " ".join(rest) if len(rest) <= _FEW else rest[-1]
    return shortened(words, limit)


def found(output: str, limit: int = LENGTH) -> str:
    """The same where a line is known to be a cause; empty otherwise. For logs, whose last line proves nothing."""
    return shortened(_known(_lines(output)), limit)


def told(output: str, nothing: str = "it said nothing", limit: int = LENGTH) -> str:
    """The cause, or `nothing` where there was no output; where it has only noise, its last line."""
    return cause(output, limit) or shortened((output.strip().splitlines() or [nothing])[-1], limit)


def without_noise(output: str) -> str:
    """The lines of an output that are no known noise."""
    return "\n".join(_lines(output))


def shortened(text: str, limit: int = LENGTH) -> str:
    """A text in one line of up to `limit` characters. What is left out is in the middle: causes often come last."""
    line = " ".join(_CONTROL.sub("", text).split())
    if len(line) <= limit:
        return line
    kept = max(limit - len(_GAP), 2)
    head = kept * 2 // 5
    return f"{line[:head].rstrip()}{_GAP}{line[len(line) - (kept - head) :].lstrip()}"


def _lines(output: str) -> list[str]:
    """The lines without wrappers, terminal colours and noise."""
    if len(output) > 2 * _READ:
        output = f"{output[:_READ]}\n{output[-_READ:]}"
    rows = load()
    bare = (_CONTROL.sub("", line.rstrip("\r").rpartition("\r")[2]).rstrip() for line in output.rstrip().split("\n"))
    unwrapped = (rows.without_wrapper(line) for line in bare)
    return [line for line in unwrapped if line.strip() and not rows.is_noise(line)]


def _known(lines: Sequence[str]) -> str:
    """The cause by what is known: an exception that ended the program, a row of the file, the last error of a log."""
    return uncaught(lines) or _by_rows(lines) or _structured(lines) or last_logged(lines)


def _by_rows(lines: Sequence[str]) -> str:
    for row in load().causes:
        fits = [(number, match) for number, line in enumerate(lines) if (match := row.expression.search(line))]
        if not fits:
            continue
        number, match = fits[0 if row.take == "first" else -1]
        groups = match.groupdict()
        above = [line.strip() for line in lines[max(number - row.above, 0) : number]]
        words = [*above, groups["cause"] if "cause" in groups else match[0].strip()]
        for line in lines[number + 1 : number + 1 + row.next]:
            if ERROR_LINE.search(line) or FRAME.match(line) or _USAGE.match(line):
                break
            words.append(line.strip())
        return " ".join(words)
    return ""


def _structured(lines: Sequence[str]) -> str:
    """The last error among the lines that are JSON, as zap, Spark 4 and containerd can log."""
    for line in reversed(lines):
        if not line.startswith("{"):
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if str(entry.get("level", "")).lower() in ("error", "fatal", "panic", "dpanic"):
            thrown = entry.get("exception")
            words = [thrown.get("msg") if isinstance(thrown, dict) else None, entry.get("error"), entry.get("msg")]
            return next((str(it) for it in words if it), "")
    return ""
