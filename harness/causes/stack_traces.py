# SPDX-License-Identifier: Apache-2.0
"""Stack traces of Java and tracebacks of Python: the innermost exception of the one that ended a program.

The forms are those of java.lang.Throwable.printStackTrace and of Python's traceback module. Py4J prints the first
within the second, and Spark's PythonException the second within the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.causes import layouts
from harness.causes.rows import load

FRAME = re.compile(r"^\s+at \S.*\)$|^\s*\.\.\. \d+ (?:more|common frames omitted)|^\s+File \".*\", line \d+")
"""A line of a stack trace that names a place in a program."""

_CLASS = r"(?:[a-z_][\w$]*\.)+[A-Z][\w$]*"
_THROWABLE = re.compile(rf"^(?:Caused by: |: )?(?P<error>{_CLASS}(?:: .*)?)$")
_MAIN = re.compile(r"^Exception in thread \"[^\"]*\" (?P<error>.*)")
_CAUSED_BY = re.compile(r"^Caused by: (?P<error>.*)")
_PY4J = re.compile(rf"^: (?P<error>{_CLASS}.*)")
_TRACEBACK = "Traceback (most recent call last):"
_DIRECT = "The above exception was the direct cause of the following exception:"
_DURING = "During handling of the above exception, another exception occurred:"
_OF_HANDLER = re.compile(r"^(?:AttributeError|NameError|UnboundLocalError)\b")
"""What a handler of exceptions ends with by mistake, as where it closes what was never opened."""

_PYTHON_ERROR = re.compile(r"^(?P<error>(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?::(?: .*)?)?)$")
_MESSAGE_LINES = 5
_BARE = re.compile(
    r"(?i)(?:connect(?:ion)? (?:refused|reset|timed out)|read timed out|no route to host|broken pipe"
    r"|client cannot authenticate via:.*)$|^[\w.$]+(?:: null)?$"
)
"""The messages of exceptions that do not say whom they are about: what they are told within does."""


_OF_SYSTEM = re.compile(r"^java\.io\.IOException: error=\d+, ")
"""The number of an error of the system, which whoever threw what is around it repeats (java.lang.ProcessBuilder)."""


def uncaught(lines: Sequence[str]) -> list[str]:
    """What ended a program, the exceptions from the outermost to the innermost: of its last thread that died, or of
    its last traceback. Empty where nothing tells.
    """
    main = max((number for number, line in enumerate(lines) if _MAIN.match(line)), default=-1)
    python = max((number for number, line in enumerate(lines) if _TRACEBACK in line), default=-1)
    if main < 0 and python < 0:
        return _unannounced(lines)
    if python > main:
        return _of_python(lines, python)
    return list(_chain(lines, main))


def _unannounced(lines: Sequence[str]) -> list[str]:
    """The exceptions of a trace that no line of a log announces: all that a launcher or a status has."""
    caused = next((number for number, line in enumerate(lines) if _CAUSED_BY.match(line)), -1)
    if caused < 0 or any(layouts.level(line) for line in lines[:caused]):
        return []
    start = max((number for number in range(caused) if not FRAME.match(lines[number])), default=caused)
    return list(_chain(lines, start))


def last_logged(lines: Sequence[str]) -> list[str]:
    """What the last error in a log says, or the exceptions below it; else the last exception of all."""
    for number in reversed(range(len(lines))):
        if layouts.level(lines[number]) in ("", "WARN"):
            continue
        if number + 1 < len(lines) and _is_throwable(lines[number + 1]):
            return list(_chain(lines, number + 1))
        return [layouts.said(lines[number])]
    thrown = [
        number for number, line in enumerate(lines[:-1]) if _is_throwable(line) and FRAME.match(lines[number + 1])
    ]
    return list(_chain(lines, thrown[-1])) if thrown else []


def _is_throwable(line: str) -> bool:
    return _THROWABLE.match(line) is not None


def _chain(lines: Sequence[str], start: int) -> Iterator[str]:
    """The messages of an exception and of what caused it, outermost first, from the line where it begins."""
    yield _message(lines, start, _strip(lines[start]))
    for number in range(start + 1, len(lines)):
        line = lines[number]
        if layouts.level(line) or _MAIN.match(line):
            return
        if match := _CAUSED_BY.match(line) or _PY4J.match(line):
            yield _message(lines, number, match["error"])


def _strip(line: str) -> str:
    match = _MAIN.match(line) or _CAUSED_BY.match(line) or _PY4J.match(line)
    return match["error"] if match else line.strip()


def _message(lines: Sequence[str], start: int, first: str) -> str:
    """The message of an exception, which may go on below its first line until the first frame."""
    words = [first]
    for line in lines[start + 1 : start + 1 + _MESSAGE_LINES]:
        if FRAME.match(line) or _CAUSED_BY.match(line) or layouts.level(line) or line.startswith("Driver stack"):
            break
        words.append(line.strip())
    return " ".join(words)


def told(chain: Sequence[str]) -> str:
    """The cause of a chain of exceptions: what the API server answered, else the innermost; the outermost follows."""
    answers = [answer for it in chain if (answer := load().cause_in(it))]
    if answers:
        return answers[-1]
    if not chain:
        return ""
    inner, outer = chain[-1], chain[0]
    if _OF_SYSTEM.match(inner) and inner != outer:
        return outer
    alone = len(chain) == 1 or inner == outer or (inner in outer and not _BARE.search(inner))
    return inner if alone else f"{inner} (from {outer})"


def _of_python(lines: Sequence[str], start: int) -> list[str]:
    """The exception of a traceback: the innermost one of those that are a direct cause, and what Java says below it."""
    while _DIRECT in lines[:start]:
        marker = max(number for number in range(start) if lines[number] == _DIRECT)
        earlier = max((number for number in range(marker) if _TRACEBACK in lines[number]), default=-1)
        if earlier < 0 or any(_TRACEBACK in it for it in lines[marker + 1 : start]):
            break
        start = earlier
    number = _error_at(lines, start)
    if number < 0:
        return []
    below = list(_chain(lines, number))[1:]
    words = lines[number].strip()
    # A message may begin on the next line, or name there what it announces.
    more = lines[number + 1] if number + 1 < len(lines) else ""
    goes_on = words.endswith(":") and more and not layouts.level(more)
    told = f"{words} {more.strip()}" if goes_on else words
    return below or [told, *(_handled(lines, start) if _OF_HANDLER.match(told) else ())]


def _handled(lines: Sequence[str], start: int) -> list[str]:
    """What the traceback above says, where that at `start` is of its handler."""
    marker = max((number for number in range(start) if lines[number] == _DURING), default=-1)
    earlier = max((number for number in range(marker) if _TRACEBACK in lines[number]), default=-1)
    if earlier < 0 or any(_TRACEBACK in it for it in lines[marker + 1 : start]):
        return []
    return _of_python(lines, earlier)


def _error_at(lines: Sequence[str], start: int) -> int:
    """The line below a traceback that names the exception; -1 where the output ends before."""
    for number in range(start + 1, len(lines)):
        if not lines[number].startswith((" ", "\t", "|")) and _PYTHON_ERROR.match(lines[number]):
            return number
    return -1
