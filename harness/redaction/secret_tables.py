# SPDX-License-Identifier: Apache-2.0
"""Secrets in tables: below the heading of their column, or beside their name in a table of names and values.

Tables have columns that kubectl and Helm align, bars as psql and Spark draw them, or commas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from harness.redaction.secret_names import COUNTS, MASK, is_harmless, is_secret

_MOST_ROWS = 60
_MOST_COLUMNS = 40
Cells = Sequence[tuple[int, int]]
"""Where the cells of a line begin and end."""

_NAMES_AND_VALUES = re.compile(
    r"(?i)\s*[\"']?(?:key|name|property|variable|setting|option)[\"']?(?:\s+|,)[\"']?value\b"
)
_OF_RULES = frozenset("|│├┼┤┌┬┐└┴┘+:=-─ \t\r\n")
_ALIGNED = re.compile(r"\s{0,8}[A-Za-z][\w-]*(?: [\w-]+){0,3}(?:(?: {2,}|\t+)[A-Za-z][\w-]*(?: [\w-]+){0,3}){1,20}\s*$")
_ALIGNED_CELL = re.compile(r"\S+(?: \S+)*")
_BARRED = re.compile(r"[^|│]{0,200}[|│]")
_LISTED = re.compile(r"\"?[A-Za-z][\w. -]{0,80}\"?(?:,\"?[A-Za-z][\w. -]{0,80}\"?){1,40}\s*$")
_LISTED_CELL = re.compile(r"(?:(?<=,)|^)(?:\"(?P<quoted>(?:\"\"|[^\"\n])*)\"|(?P<bare>[^,\"\r\n]*))(?=,|\s*$)")
_ROW = re.compile(r"\s*(?P<key>[\w.$/-]+)(?:\s{2,}|\t+)(?P<value>\S(?:[^\n]*\S)?)\s*$")
_PAIR = re.compile(r"\"?(?P<key>[\w.$/-]+)\"?,\"?(?P<value>[^,\"\s](?:[^,\"\n]*[^,\"\s])?)(?=\s*(?:[\",]|$))")
# Of these, the column has the names of Secrets: `NAME READY SECRET AGE` of certificates.
_OF_NAMES = frozenset(("secret", "secrets", "credential", "credentials", "creds", "auth", "authentication", "cookie"))
# Neither a time, nor a number, nor the name of an object
_PLAIN = re.compile(r"\d{4}-\d\d-\d\d.*|[\d.,:e+%-]+\w{0,2}|/.*|[a-z0-9]+(?:[._-][a-z0-9]+)+|[A-Z]?[a-z]+|[A-Z]+")
_TOLD = re.compile(r"(?i)(?:set|unset|not set|n/a|x|-+|ok|md5\w{32}|<.*>)$")


def redact(lines: list[str], number: int) -> None:
    """Mask what is below this line, if it is a heading, and its own value, if it is a row of names and values."""
    line = lines[number]
    if _is_pair(lines, number):
        return
    for heading, cells_of in _KINDS:
        if heading(lines, number):
            names = _texts(line, cells_of(line))
            secret = [at for at, name in enumerate(names) if _is_column(name)]
            if secret and not _is_of_words(names):
                _mask_below(lines, number, secret, cells_of)
            return


def _is_pair(lines: list[str], number: int) -> bool:
    """Mask the value in a row of a table of names and values; whether this is one."""
    line = lines[number]
    pair = _PAIR.match(line) if "," in line else None
    row = pair or _ROW.match(line)
    if row is None or not is_secret(row["key"]) or is_harmless(row["value"], row["key"]):
        return False
    is_property = pair is not None and row["key"].count(".") > 1 and not _PLAIN.fullmatch(row["value"])
    heading = _heading_of_pairs(lines, number)
    if heading < 0 and not (is_property and line[row.end("value") :].strip(' \r\n"') == ""):
        return False
    end = row.end("value")
    if not pair and heading >= 0:
        columns = _aligned(lines[heading])
        cells = _aligned(line)
        end = cells[1][1] if len(columns) > 2 and len(cells) > 1 else end
    lines[number] = line[: row.start("value")] + MASK + line[end:]
    return True


def _heading_of_pairs(lines: Sequence[str], number: int) -> int:
    """The line above that is the heading of names and values; negative when there is none."""
    for at in range(number - 1, max(number - _MOST_ROWS, 0) - 1, -1):
        if _NAMES_AND_VALUES.match(lines[at]):
            return at
        if not lines[at].strip():
            break
    return -1


def _is_column(name: str) -> bool:
    """Whether a column of this name has secrets."""
    return name.lower() not in _OF_NAMES and is_secret(name.replace(" ", "_"))


def _is_of_words(names: Sequence[str]) -> bool:
    """Whether a table counts the words of a text, which are its tokens."""
    lowered = {it.strip().lower() for it in names}
    return not lowered.isdisjoint(("token", "tokens")) and not lowered.isdisjoint(COUNTS)


def _texts(line: str, cells: Cells) -> list[str]:
    return [line[start:end] for start, end in cells]


def _mask_below(lines: list[str], number: int, secret: Sequence[int], cells_of: Callable[[str], Cells]) -> None:
    """Mask these columns in the rows below their heading, which have as many cells as that."""
    heading = lines[number]
    columns = cells_of(heading)
    for at in range(number + 1, min(number + _MOST_ROWS, len(lines))):
        line = lines[at]
        if _is_rule(line):
            continue
        cells = cells_of(line)
        if line == heading or len(cells) < 2:
            break
        found = cells if len(cells) == len(columns) else _below(cells, columns)
        for column in reversed(secret):
            start, end = found[column] if column < len(found) else (0, 0)
            if start < end and is_secret_cell(line[start:end], heading[slice(*columns[column])]):
                line = line[:start] + MASK + line[end:]
        lines[at] = line


def _below(cells: Cells, columns: Cells) -> Cells:
    """The cell that begins below each column, or nothing."""
    begins = dict(cells)
    return [(start, begins.get(start, start)) for start, _ in columns]


def is_secret_cell(value: str, name: str) -> bool:
    """Whether this is the secret that a cell of this name has, and neither a name, a number nor a state."""
    bare = value.strip()
    if not bare or is_harmless(bare, name) or _TOLD.match(bare):
        return False
    is_password = any(it in name.lower() for it in ("pass", "pwd"))
    return not (bare.replace(".", "").isdigit() and not is_password) and (is_password or not _PLAIN.fullmatch(bare))


def _aligned(line: str) -> Cells:
    return [it.span() for it in _ALIGNED_CELL.finditer(line)]


def _barred(line: str) -> Cells:
    """The cells between bars; those at the edges of a table are none."""
    cells: list[tuple[int, int]] = []
    bare = line.strip().strip("|│")
    at = line.find(bare)
    for cell in re.split(r"[|│]", bare)[:_MOST_COLUMNS]:
        begin = at + len(cell) - len(cell.lstrip())
        cells.append((begin, max(begin, at + len(cell.rstrip()))))
        at += len(cell) + 1
    return cells


def _listed(line: str) -> Cells:
    return [it.span("quoted" if it["quoted"] is not None else "bare") for it in _LISTED_CELL.finditer(line)]


def _is_rule(line: str) -> bool:
    """Whether a line is drawn between the heading and the rows."""
    return any(it in line for it in ("--", "==", "──")) and _OF_RULES.issuperset(line)


def _is_aligned(lines: Sequence[str], number: int) -> bool:
    line = lines[number]
    if not _ALIGNED.match(line):
        return False
    return line.upper() == line or (number + 1 < len(lines) and _is_rule(lines[number + 1]))


def _is_barred(lines: Sequence[str], number: int) -> bool:
    is_row = ("|" in lines[number] or "│" in lines[number]) and bool(_BARRED.match(lines[number]))
    return is_row and number + 1 < len(lines) and _is_rule(lines[number + 1])


def _is_listed(lines: Sequence[str], number: int) -> bool:
    if "," not in lines[number] or not _LISTED.match(lines[number]) or number + 1 >= len(lines):
        return False
    return len(_listed(lines[number])) == len(_listed(lines[number + 1]))


_KINDS: tuple[tuple[Callable[[Sequence[str], int], bool], Callable[[str], Cells]], ...] = (
    (_is_barred, _barred),
    (_is_listed, _listed),
    (_is_aligned, _aligned),
)
