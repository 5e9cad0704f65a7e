# SPDX-License-Identifier: Apache-2.0
"""Secrets that a message quotes before, or apart from, the name that says so: what a program was given and refused.

Spark, Kafka, Jackson, argparse, click, Go's flags and others tell of a setting that they cannot read in this manner.
"""

from __future__ import annotations

import re

from harness.redaction.secret_names import MASK, is_harmless, is_secret

# Every repetition has a limit, so that a line of any length is read in time that grows with its length alone.
_QUOTED = r"""(?P<quote>\\*["'`])(?P<value>(?:(?!(?P=quote))[^\n]){1,400})(?P=quote)"""
_NAME = r"""\\*["'`]?(?<![\w.-])(?P<name>[A-Za-z-][\w.-]{1,200})"""
_SETTING = r"(?:config(?:uration)?|property|setting|option|parameter|argument|flag|field|key|variable|input)"

_COMPLAINTS = tuple(
    (re.compile(pattern), hint)
    for hint, pattern in (
        # `invalid argument "x" for "--token" flag`, `The value 'x' in the config "spark.y.secret" is invalid`
        (
            "alue",
            rf"(?i)\bvalue:?\s\[?{_QUOTED}\]?\s(?:for|of|in|to)\s(?:the\s)?(?:(?:spark|sql)\s)?(?:{_SETTING}\s)?{_NAME}",
        ),
        ("rgument", rf"(?i)\bargument\s{_QUOTED}\sfor\s{_NAME}"),
        # Kafka
        (
            "alue",
            rf"""(?i)\bvalue\s(?P<value>(?!["'`])[^\s:](?:(?!\sfor\s)[^\n]){{0,300}})\sfor\s{_SETTING}\s{_NAME}(?=:|\s|$)""",
        ),
        # Spark
        ("but was", rf"{_NAME}\sshould\sbe\s[\w\s]{{1,40}},\sbut\swas\s(?P<value>[^\s][^\n]{{0,400}})$"),
        # argparse and click
        ("rgument", rf"(?i)\bargument\s(?:-\w/)?{_NAME}:\sinvalid\s\w{{1,40}}\svalue:\s{_QUOTED}"),
        ("alue", rf"(?i)\bvalue\sfor\s{_NAME}[^:\n]{{0,80}}:\s{_QUOTED}"),
        # Go's envconfig and mapstructure
        ("converting", rf"\bassigning\s{_NAME}\sto\s\w{{1,80}}:\sconverting\s{_QUOTED}"),
        ("unconvertible", rf"{_NAME}'?\sexpected\stype\s[^\n]{{1,80}}?,\svalue:\s{_QUOTED}"),
        # Users whose password a program tells of
        (
            "assword",
            rf"(?i)\b(?P<name>password)\s(?:changed|set|reset)\s(?:from\s)?{_QUOTED}(?:\sto\s(?P<other>[\"'`])(?P<after>[^\n\"'`]{{1,200}}))?",
        ),
    )
)
_SET = re.compile(
    r"(?i)\b(?:pass(?:word|phrase|code)|token|secret|api\skey)\s(?:(?:of|for)\s[^\n\"']{1,80}\s|from\s(?:\*{3}|'\*{3}'|\"\*{3}\")\s)?"
    r"to\s(?P<quote>[\"'`])(?P<value>(?:(?!(?P=quote))[^\n]){1,200})(?=(?P=quote))"
)
# An opaque run: with digits and letters, and no name of a thing
_OPAQUE = re.compile(
    r"(?i)\b(?:token|pass(?:word|phrase)|(?:api|access|secret)\skey)\s(?:was:\s)?"
    r"(?P<value>(?=[a-z+/_=]{0,40}\d)(?=[\d+/_=]{0,40}[a-z])[a-z\d+/_=]{20,})(?![\w.:/-])"
)
_GENERATED = re.compile(
    r"(?i)\bpassword (?:(?:is|was|has been) (?:generated|created|set) for \S{1,80}:\s|\[(?=[^\]\n]{1,200}\]\s*$))"
    r"(?P<value>[^\s\]]+)"
)
_WAS = re.compile(r"(?i)\b(?:token|secret|pass(?:word|phrase)) was:\s(?P<value>(?=\S{0,40}\d)[^\s\"',;]{6,})")
_ACCOUNT = re.compile(
    r"(?i)\bcredentials\s(?:for\s)?(?P<user>[\w.@-]{1,80})/(?P<value>(?=[^\s/]{0,40}\d)[^\s/\"',;]{6,})(?=\s|$)"
)
# Jackson says where a value was to go in the line below, or in the same.
_FROM_STRING = re.compile(r'\bfrom String "(?P<value>[^"\n]{1,400})"')
_CHAIN = re.compile(r"\(through reference chain: [^\n]{0,400}?\[\"(?P<name>[\w.-]{1,200})\"\]\)")


_MOST = 20


def redact(line: str) -> str:
    """The line without what it says was given for a secret."""
    for pattern, hint in _COMPLAINTS:
        if hint in line:
            said = [it for it in pattern.finditer(line) if is_secret(it["name"].lstrip("-"))]
            # Most messages say it twice.
            for found in said[:_MOST]:
                line = _without(line, found["value"])
                if found.groupdict().get("after"):
                    line = _without(line, found["after"])
            if said[_MOST:]:
                line = pattern.sub(lambda it: _masked(it) if is_secret(it["name"].lstrip("-")) else it[0], line)
    for pattern in (_SET, _OPAQUE, _GENERATED, _WAS, _ACCOUNT):
        line = pattern.sub(_masked, line)
    return line


HINTS = (
    "alue",
    "argument",
    "but was",
    "converting",
    "password ",
    "token ",
    " key ",
    "phrase ",
    "was: ",
    "credentials ",
)
"""One of these is in each line of such a message, in lower case."""


def given(before: str, line: str) -> tuple[str, str]:
    """Two lines without the text from which Jackson could not read a secret, which the second of them names."""
    chain = _CHAIN.search(line)
    if not chain or not is_secret(chain["name"]):
        return before, line
    made = [_without(it, found["value"]) if (found := _FROM_STRING.search(it)) else it for it in (before, line)]
    return made[0], made[1]


def _without(line: str, value: str) -> str:
    """The line without this value, wherever it is in it."""
    bare = value.strip()
    if is_harmless(bare) or not bare:
        return line
    # A short one may be part of any word.
    return re.sub(rf"(?<!\w){re.escape(bare)}(?!\w)", MASK, line) if len(bare) < 6 else line.replace(bare, MASK)


def _masked(found: re.Match[str]) -> str:
    value = found["value"]
    if is_harmless(value):
        return found[0]
    start = found.start("value") - found.start()
    return found[0][:start] + MASK + found[0][start + len(value) :]
