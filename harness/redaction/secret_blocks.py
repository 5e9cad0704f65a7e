# SPDX-License-Identifier: Apache-2.0
"""Finds the data of Secrets in YAML and JSON that cannot be read as such: what was cut, templates, text in between."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from harness.redaction.secret_names import MASK, is_secret

_LEAD = re.compile(
    r"(?:\[pod/[^\s\]]+\] )?"
    r"(?:\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?(?: std(?:out|err) [FP])? )?"
    r"(?:\d\d/\d\d/\d\d \d\d:\d\d:\d\d (?:TRACE|DEBUG|INFO|WARN|ERROR) [\w.$-]+: "
    r"|[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [\w.-]+:\d+\] "
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]+ [\w./-]+\[\d+\]: )?"
)
# What `kubectl logs --timestamps --prefix`, container runtimes, Spark, klog and journald put before a line begins so.
_LEADS = frozenset("0123456789[IWEFJMASOND")
# What `docker compose logs`, kubetail, stern and `gh run view --log` put before it: where the line comes from.
_SOURCE = re.compile(
    r"\[[\w./ -]{1,120}+\] |(?P<name>[\w.-]++) ++\| "
    r"|[a-z0-9][a-z0-9.]*+-[a-z0-9.-]++ [a-z0-9][a-z0-9-]*+ |[^\s][^\t\n]{0,80}+\t[^\t\n]{1,80}+\t(?=\d{4}-\d\d-\d\dT)"
)


# A collector may put its own before those of the program.
_MOST_LEADS = 3


def leads(lines: Sequence[str]) -> tuple[str, ...]:
    """What a log puts before each of these lines; empty for lines of none.

    The name of a source is taken for one where a line beside it has the same.
    """
    return _leads(tuple(lines))


@functools.lru_cache(maxsize=2)
def _leads(lines: Sequence[str]) -> tuple[str, ...]:
    # Two kinds of rules ask for those of the same text, one after the other.
    found = ("",) * len(lines)
    for _ in range(_MOST_LEADS):
        more = _outer_leads(lines)
        if not any(more):
            break
        found = tuple(map(operator.add, found, more))
        lines = [line[len(it) :] for line, it in zip(lines, more, strict=True)]
    return found


def _outer_leads(lines: Sequence[str]) -> list[str]:
    sources = [_source(found) if (found := _SOURCE.match(line)) else "" for line in lines]
    if any(sources):
        around = zip(sources, ["", *sources], [*sources[1:], ""], strict=False)
        sources = [it if it and it in (before, after) else "" for it, before, after in around]
        rests = [line[len(it) :] for line, it in zip(lines, sources, strict=True)]
    else:
        rests = list(lines)
    times = [found[0] if it[:1] in _LEADS and (found := _LEAD.match(it)) else "" for it in rests]
    return list(map(operator.add, sources, times))


def _source(found: re.Match[str]) -> str:
    return "" if found["name"] and is_secret(found["name"]) else found[0]


_KEY = re.compile(r"""^(?P<lead>\s*(?:- )*)(?P<key>["']?[\w./-]+["']?):(?:\s+(?P<value>.*))?$""")
_SHAPE = re.compile(
    r"""^(?:\s*(?:- )*["']?[\w./-]+["']?\s*:(?:\s|$)|\s+\S|\s*-\s|\s*#|\s*$|---(?:\s|$)|[?:]\s|\s*[{[\]}])"""
)
_JSON_SECRET = re.compile(
    r"""\\*["'](?:kind\\*["']\s*:\s*\\*["']Secret|stringData)\\*["']|\bpatch\s(?:-\S+\s)*secrets?[\s/]"""
)
_OF_SECRETS = re.compile("Secret|stringData|patch (?:secret|-)")
_JSON_DATA = re.compile(r"""\\*["'](?:data|stringData)\\*["']\s*:\s*\{""")
_JSON_MEMBERS = re.compile(
    r"""(?:\s*(?:"(?:\\.|[^"\\])*"\s*:\s*"(?:\\.|[^"\\])*"|\\+"[^"\\]*\\+"\s*:\s*\\+"[^"\\]*\\+")\s*,?)*\s*\}"""
)
_JSON_MEMBER = re.compile(
    r"""("(?:\\.|[^"\\])*"\s*:\s*")(?:\\.|[^"\\])*(")|(\\+"[^"\\]*\\+"\s*:\s*\\+")[^"\\]*(\\+")"""
)

# Longer ones are cut, and then every `data` is taken for a Secret's, since `kind` comes after it.
_MAX_LINES = 200_000
_NOWHERE = 1_000_000


def blocks(text: str, redact: Callable[[str], str | None]) -> str:
    """The text with each part that looks like YAML redacted by its structure, or else by the look of its lines."""
    return "".join(_redacted(block, redact) for block in _split(text))


@dataclass
class _Block:
    """Lines that look alike, and the time that a log puts before each."""

    shaped: bool = False
    times: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def _redacted(block: _Block, redact: Callable[[str], str | None]) -> str:
    text = "".join(block.lines)
    redacted = text
    if block.shaped:
        structured = redact(text) if len(block.lines) < _MAX_LINES else None
        masked = _mask_secrets(block.lines, take_all=len(block.lines) >= _MAX_LINES)
        redacted = structured if structured is not None else "".join(masked)
    if not any(block.times):
        return redacted
    last = len(block.times) - 1
    return "".join(block.times[min(at, last)] + line for at, line in enumerate(redacted.splitlines(keepends=True)))


def _split(text: str) -> Iterator[_Block]:
    """The parts of a text that look like YAML, and those between them."""
    block = _Block()
    shapes: dict[str, bool] = {}
    lines = text.splitlines(keepends=True)
    for time, line in zip(leads(lines), lines, strict=True):
        body = line[len(time) :] if time else line
        shaped = shapes.get(body)
        if shaped is None:
            shaped = shapes[body] = bool(_SHAPE.match(body))
        if block.lines and (shaped != block.shaped or body[:3] == "---" or len(block.lines) >= _MAX_LINES):
            yield block
            block = _Block()
        block.shaped = shaped
        block.times.append(time)
        block.lines.append(body)
    yield block


def in_lines(text: str) -> str:
    """The text without the data of Secrets that are written in one line of JSON, in a string of JSON too."""
    if not _OF_SECRETS.search(text):
        return text
    lines = text.splitlines(keepends=True)
    return "".join(
        _mask_json_data(line) if _OF_SECRETS.search(line) and _JSON_SECRET.search(line) else line for line in lines
    )


def _mask_json_data(line: str) -> str:
    done = ""
    while found := _JSON_DATA.search(line):
        done += line[: found.end()]
        members = _JSON_MEMBERS.match(line, found.end())
        if members is None:
            # Better to lose the rest of the line than a secret.
            return done + MASK + _line_end(line)
        done += _JSON_MEMBER.sub(_mask_json_member, members[0])
        line = line[members.end() :]
    return done + line


def _mask_json_member(found: re.Match[str]) -> str:
    return f"{found[1] or found[3]}{MASK}{found[2] or found[4]}"


def _mask_secrets(block: Sequence[str], *, take_all: bool = False) -> Iterator[str]:
    if not take_all and not any("Secret" in line for line in block):
        yield from block
        return
    keys = [_field(line) for line in block]
    masked: set[int] = set()
    for number, key in enumerate(keys):
        if key.name in ("data", "stringData") and (take_all or _belongs_to_secret(keys, number)):
            masked |= _members(keys, number)
    value_of: int | None = None
    for number, line in enumerate(block):
        key = keys[number]
        if number not in masked:
            value_of = None
            yield line
        elif key.name and (value_of is None or key.column <= value_of):
            # What is deeper than this name is its value, and is dropped.
            value_of = key.column
            yield _mask_member(line, key.value)
        elif line.strip() in ("}", "},"):
            yield line
        elif key.column != _NOWHERE and (value_of is None or key.column <= value_of):
            yield f'{" " * key.column}"{MASK}"{_line_end(line)}'


@dataclass(frozen=True)
class _Field:
    """A `name: value` line of YAML or indented JSON; without a name when the line is something else.

    `column` is where the name, or else the text, begins; comments and empty lines are beyond every column.
    """

    column: int
    name: str = ""
    value: str = ""
    begins_item: bool = False


def _field(line: str) -> _Field:
    text = line.strip()
    if not text or text.startswith("#"):
        return _Field(_NOWHERE)
    found = _KEY.match(line.rstrip("\r\n"))
    if not found:
        return _Field(len(line) - len(line.lstrip(" ")))
    lead = found["lead"]
    return _Field(len(lead), found["key"].strip("\"'"), (found["value"] or "").strip(), begins_item="-" in lead)


def _belongs_to_secret(keys: Sequence[_Field], number: int) -> bool:
    """Whether a sibling of this key says `kind: Secret`."""
    column = keys[number].column

    def siblings() -> Iterator[_Field]:
        for key in reversed(keys[:number] if not keys[number].begins_item else ()):
            if key.column < column:
                break
            if key.column == column:
                yield key
                if key.begins_item:
                    break
        for key in keys[number + 1 :]:
            if key.column < column or (key.column == column and key.begins_item):
                break
            if key.column == column:
                yield key

    return any(key.name == "kind" and key.value.rstrip(",").strip("\"'") == "Secret" for key in siblings())


def _members(keys: Sequence[_Field], number: int) -> set[int]:
    """The lines of a mapping: everything further right than its key, or its own line when it is written in one."""
    if keys[number].value not in ("", "{"):
        return {number}
    lines = set()
    for at in range(number + 1, len(keys)):
        if keys[at].column <= keys[number].column:
            break
        lines.add(at)
    return lines


def _mask_member(line: str, value: str) -> str:
    if not value:
        return line
    head = line[: line.index(value, line.index(":") + 1)]
    if value.rstrip(",") in ("{}", "null"):
        return line
    return f'{head}"{MASK}"{"," if value.endswith(",") else ""}{_line_end(line)}'


def _line_end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]
