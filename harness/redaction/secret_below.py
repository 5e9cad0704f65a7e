# SPDX-License-Identifier: Apache-2.0
"""Secrets whose name is in another line than they are: below a heading, in a form, in a protocol."""

from __future__ import annotations

import re

from harness.redaction import secret_complaints
from harness.redaction.secret_names import MASK, is_harmless, is_secret
from harness.redaction.secret_prose import STATUS

# A directive of nginx, Apache, Fluentd and others
_DIRECTIVE = re.compile(
    r"(?P<head>(?:\s*(?:SetEnv|env|set|proxy_set_header|add_header|fastcgi_param|RequestHeader\s+set|Header\s+set)|\s*)\s+"
    r"\$?(?P<key>[A-Za-z]\w*(?:[_.-]\w+)+)\s+)(?P<value>[^\s=:\"'][^\s\"']*?);?\s*$"
)
# Neither a time, nor a number, nor the name of an object
_NO_SECRET = re.compile(r"\d{4}-\d\d-\d\d.*|[\d.,e+%-]+\w?|/.*|[a-z0-9]+(?:[.-][a-z0-9]+)+|[A-Z]?[a-z]+|[A-Z]+")
_FORM = re.compile(r"""(?i)content-disposition:\s*form-data;\s*name=["'](?P<key>[\w.\[\]-]{1,200})["']\s*$""")
_PART_HEADER = re.compile(r"(?i)content-[\w-]+:")
_MOST_OF_PART = 100
# What FTP and POP say after the name of a user, as curl and others print it
_PASS = re.compile(r"(?P<head>\s*(?:-+)?>\s+PASS\s+)(?P<value>\S.*?)\s*$")
_USER = re.compile(r"\s*(?:-+)?>\s+USER\s+\S")
_NEAR = 6
# A heading, and then a value alone in its line
_HEADING = re.compile(
    r"""(?i)\b(?:pass(?:word|phrase|code)|root token|initial token)\b|[\s\]]signature:\s*$|\binstance\[["']"""
)
_INSTANCE = re.compile(r"\[['\"](?P<key>[\w.-]{1,200})['\"]\]:\s*$")
_ALONE = re.compile(r"(?P<head>\s*['\"]?)(?P<value>[^\s'\"]{6,200})(?P<tail>['\"]?)\s*$")
_RESET = re.compile(r"(?i)\s*pass(?:word|phrase) for .*\breset\b")
_NEW_VALUE = re.compile(r"(?P<head>\s*New value:\s+)(?P<value>\S+)\s*$")


def redact(lines: list[str], number: int) -> None:
    """Mask what this line names in those below it, and in itself what those above it say of it."""
    line = lines[number]
    if (
        (directive := _DIRECTIVE.match(line))
        and _is_of_secret(directive)
        and not _NO_SECRET.fullmatch(directive["value"])
        and not STATUS.match(directive["value"])
    ):
        _mask(lines, number, directive)
    elif (sent := _PASS.match(line)) and any(map(_USER.match, lines[max(number - _NEAR, 0) : number])):
        _mask(lines, number, sent)
    elif (part := _FORM.match(line)) and is_secret(part["key"].strip("[]")):
        _mask_part(lines, number + 1)
    elif line.rstrip().endswith(":") and _HEADING.search(line):
        _mask_alone(lines, number)
    elif _RESET.match(line) and number + 1 < len(lines) and (new := _NEW_VALUE.match(lines[number + 1])):
        _mask(lines, number + 1, new)
    if "reference chain" in line:
        before, own = secret_complaints.given(lines[number - 1] if number else "", line)
        lines[number] = own
        if number:
            lines[number - 1] = before


def _is_of_secret(found: re.Match[str]) -> bool:
    return is_secret(found["key"]) and not is_harmless(found["value"], found["key"])


def _mask(lines: list[str], number: int, found: re.Match[str]) -> None:
    line = lines[number]
    lines[number] = line[: found.start("value")] + MASK + line[found.end("value") :]


def _mask_part(lines: list[str], begin: int) -> None:
    """The value in a part of a form, which is between an empty line and the boundary."""
    in_value = False
    for at in range(begin, min(begin + _MOST_OF_PART, len(lines))):
        bare = lines[at].strip()
        if in_value and bare.startswith("--"):
            return
        if in_value:
            lines[at] = lines[at].replace(bare, MASK) if bare else lines[at]
        elif not bare:
            in_value = True
        elif not _PART_HEADER.match(bare):
            return


def _mask_alone(lines: list[str], number: int) -> None:
    """The value below a heading, alone in its line, with an empty one before it or none."""
    after = number + 1
    if after + 1 < len(lines) and not lines[after].strip():
        after += 1
    found = _ALONE.match(lines[after]) if after < len(lines) else None
    if found is None:
        return
    named = _INSTANCE.search(lines[number])
    if named:
        is_value = is_secret(named["key"])
    else:
        value = found["value"]
        is_value = any(it.isdigit() for it in value) and any(map(str.isalpha, value)) and not _NO_NAME.fullmatch(value)
    if is_value and not is_harmless(found["value"]):
        _mask(lines, after, found)


# What the heading may be about instead: a path, an address, an object, a field
_NO_NAME = re.compile(r"/.*|\w+://.*|[a-z0-9]+(?:[.-][a-z0-9]+)+|.*[:=,{\[]|-.*")
