# SPDX-License-Identifier: Apache-2.0
"""Where a value with blanks ends that has no quotes: among the entries of a map or an object that a program prints.

Java prints `{user=x, password=two words}`, Scala `Map(password -> two words)` and `(password,two words)`, Go
`{User:x Password:two words}` and `map[password:two words]`, and all of them objects in the same manner.
"""

from __future__ import annotations

import re

from harness.redaction.secret_prose import STATUS
from harness.redaction.secret_values import Value

# Every repetition has a limit, so that a line of any length is read in time that grows with its length alone.
_NAME = r"""["']?[A-Za-z_][\w.$/-]{0,120}["']?"""
_NEXT = rf"[ ]?[,|][ ]?{_NAME}[ ]?(?:=|->|:(?!//))"
_NEXT_OF_GO = r"[ ][A-Za-z_][\w./-]{0,120}:(?!//)"
_INNER = r"""\([^()\n]{0,80}\)|\[[^\[\]\n]{0,80}\]|\{[^{}\n]{0,80}\}"""
_CLOSED = r"[ ]?[)\]}]"
# A logfmt pair says that a blank ends the value, and so does a quote that was opened before the name.
_OTHER_PAIR = r"""[ ][\w.-]{1,120}=|["'](?:[,)\]}\s]|$)"""
_REST = re.compile(
    rf"(?>(?:{_INNER}|(?!{_NEXT}|{_CLOSED}|{_OTHER_PAIR})[^\n]){{1,200}})"
    rf"(?:(?={_NEXT})|(?P<closed>{_CLOSED}))"
)
_REST_OF_GO = re.compile(
    rf"(?>(?:{_INNER}|(?!{_NEXT}|{_NEXT_OF_GO}|{_CLOSED}|{_OTHER_PAIR})[^\n]){{1,200}})"
    rf"(?:(?={_NEXT}|{_NEXT_OF_GO})|(?P<closed>{_CLOSED}))"
)
_CUT = re.compile(rf"(?! ?\*\*\*)(?>(?:(?!{_NEXT}|{_NEXT_OF_GO}|{_OTHER_PAIR})[^\n{{}}\[\]()]){{1,200}})$")
_BEGINS = re.compile(r"(?:^|[({\[][ ]?|[,|][ ]?)$")
_IN_GO = re.compile(r"[{\[][A-Za-z_][\w./-]{0,120}:(?![ ])[^\n]*$|[{\[]$")
_WINDOW = 400


def whole(line: str, start: int, separator: str, value: Value) -> Value:
    """The value of the name that begins at `start`, up to the next entry or to what closes the last one.

    The value as it is where this is no entry, or nothing says where it ends.
    """
    if value.quoted or not value.text or value.text[0] in "[{":
        return value
    before = line[max(start - _WINDOW, 0) : start]
    if separator == ":" and _is_in_go(before):
        rest = _REST_OF_GO.match(line, value.end) or _cut(line, before, value.end)
    elif _BEGINS.search(before[-4:]) or (before.endswith(": ") and ":" not in separator):
        rest = _REST.match(line, value.end) or _cut(line, before, value.end)
    else:
        return value
    end = value.end
    if rest:
        end = rest.start("closed") if rest.lastgroup else rest.end()
    elif not before.strip() and separator.strip() == "->" and "." in line[start : value.start]:
        # A property of Spark, alone in its line
        end = len(line.rstrip())
    return Value(value.start, end, line[value.start : end])


def _cut(line: str, before: str, end: int) -> re.Match[str] | None:
    """What a line goes on with that was cut within the braces that were opened before."""
    opened = max(map(before.rfind, "{(["))
    return _CUT.match(line, end) if opened > max(map(before.rfind, "})]")) else None


def is_entry(line: str, start: int, value: Value) -> bool:
    """Whether this is an entry in braces, and not a sentence with a colon: `{user: x, password: two words}`."""
    before = line[max(start - _WINDOW, 0) : start]
    return before.endswith(("{", "{ ", ", ")) and "{" in before and not STATUS.match(line, value.start)


def _is_in_go(before: str) -> bool:
    """Whether a name behind this is in a struct or a map as Go prints them."""
    if not before.endswith((" ", "{", "[")):
        return False
    opened = max(before.rfind("{"), before.rfind("["))
    return opened >= 0 and bool(_IN_GO.match(before, opened))
