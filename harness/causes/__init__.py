# SPDX-License-Identifier: Apache-2.0
"""The cause in what a program printed: the one function that puts the output of outside software into a reason.

A reason begins with the cause, in one line; the whole output belongs into the evidence. Which lines are noise, and
which ones are causes, is in clusters/output.toml; stack traces are read in harness/causes/stack_traces.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.causes import layouts, stack_traces
from harness.causes.rows import load
from harness.causes.stack_traces import FRAME

__all__ = ["LENGTH", "cause", "chain", "ended_itself", "found", "shortened", "told", "without_noise"]

LENGTH = 400
"""How many characters of a cause a reason has."""

_READ = 200_000
_FEW = 3
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_USAGE = re.compile(r"^Usage:")
_EXITED = re.compile(r"SparkUserAppException: (User application exited with \d+)")
"""How spark-submit tells the exit status of a program in Python or R (org.apache.spark.SparkUserAppException)."""
_STOPPED = re.compile(r"\bSuccessfully stopped SparkContext\b")
"""What a SparkContext logs last (org.apache.spark.SparkContext.stop)."""
_GAP = " … "

ENDED_ITSELF = "its program ended itself"
"""What `ended_itself` begins with."""


def cause(output: str, limit: int = LENGTH) -> str:
    """What went wrong, in one line of up to `limit` characters; empty where the output has nothing but noise.

    Where no line is known to be a cause, a few lines are told whole, and of more the last one.
    """
    lines = _lines(output)
    words = stack_traces.told(_known(lines))
    if not words:
        rest = [line for line in lines if not FRAME.match(line)]
        words = " ".join(rest) if len(rest) <= _FEW else rest[-1]
    return shortened(words, limit)


def found(output: str, limit: int = LENGTH) -> str:
    """The same where a line is known to be a cause; empty otherwise. For logs, whose last line proves nothing.

    Of a program that ended itself with a status, that status and the last line that it printed.
    """
    lines = _lines(output)
    return shortened(stack_traces.told(_known(lines)) or _exited(output, lines), limit)


def ended_itself(log: str, limit: int = LENGTH) -> str:
    """That a program ended itself, by the log of a driver whose exit status was not 0, and what it printed last.

    spark-submit passes the status of a program on without a word (SparkSubmit.doSubmit), but stops Spark before it.
    Empty where the log has no such end, or names a cause.
    """
    lines = _lines(log)
    if _known(lines) or not _STOPPED.search(log[-_READ:]):
        return ""
    words = next((it.strip() for it in reversed(lines) if not layouts.is_entry(it)), "")
    return shortened(f"{ENDED_ITSELF}{f', and last printed: {words}' if words else ''}", limit)


def chain(output: str) -> str:
    """All that is known to be the cause, unshortened: each exception of what ended the program on lines of its own."""
    return "\n".join(_known(_lines(output)))


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


def _known(lines: Sequence[str]) -> list[str]:
    """The cause by what is known: an exception that ended the program, a row of the file, the last error of a log."""
    named = _by_rows(lines) if not (thrown := stack_traces.uncaught(lines)) else ""
    structured = next(filter(None, map(layouts.json_error, reversed(lines))), "") if not (thrown or named) else ""
    return thrown or [it for it in (named or structured,) if it] or stack_traces.last_logged(lines)


def _exited(output: str, lines: Sequence[str]) -> str:
    """The status with which a program ended itself, and its last words; empty where it did not."""
    if not (statuses := _EXITED.findall(output[-_READ:])):
        return ""
    words = next((it.strip() for it in reversed(lines) if not FRAME.match(it)), "")
    return f"{statuses[-1]}{f', and last printed: {words}' if words else ''}"


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
            if layouts.level(line) or FRAME.match(line) or _USAGE.match(line):
                break
            words.append(line.strip())
        return " ".join(words)
    return ""
