# SPDX-License-Identifier: Apache-2.0
"""Which lines mention what the rules about names are for, so that no rule is tried on all the others."""

from __future__ import annotations

import bisect
import functools
import itertools
import re
from collections.abc import Sequence

from harness.redaction.secret_names import KEYS_OF

# No rule about names holds in a line without one of these; a look for fixed words is much cheaper than any rule.
WORDS = (
    *("pass", "pwd", "token", "secret", "cred", "cookie", "auth", "bearer", "signature", "dockerc", "sig="),
    *("jaas", "key", "psk", "jwt", "sas", "otp", "connection", "session", "identified", "pw", "redis-cli"),
    *("kinit", "x-amz-", "code=", "x-goog", "curl", "crane", "skopeo", "from-literal", "data:", "login"),
    *("opaque", "mysql", "mariadb", "mongo", "user.info", "ldap", "8q~", "stringdata", "assertion", "verifier"),
    *("art-api", "beeline", "sqlcmd", "bcp ", "unzip", "zip -", "ssh-keygen", "::add-mask", "mc alias"),
    *("mosquitto", "mc config"),
)
_SHORT = re.compile(
    r"(?i)(?<![a-z])(?:psk|jwt|sas|t?otp|pw|(?:cert|key)s?\.data)(?![a-z])|(?:bind|root|(?-i:[a-z]P))pw\b"
)
_SHORT_WORDS = ("psk", "jwt", "sas", "otp", "pw")
# In lower case, since a search for text in any case is much slower.
_KEY_ENDS = re.compile("keys?(?![a-z]*(?:store|word|board))")
_KEY_SET = re.compile(r"""\bkey["']?\s*[:=]""")
_BEFORE_KEY = (*KEYS_OF, "?", "&", ";")
_LONGEST_BEFORE_KEY = max(map(len, _BEFORE_KEY)) + 1
_PRINTED_MAP = re.compile(r"data:\s*map\[")
_WEAK = frozenset(("key", *_SHORT_WORDS, "data:"))
# In a long text, an expression finds a word in half the time that `str.find` takes.
_SEARCHES = tuple((re.compile(re.escape(word)).search, word in _WEAK) for word in WORDS)
_MANY = 200
_STRONG = tuple(word for word in WORDS if word not in _WEAK)


def mentions(text: str) -> bool:
    """Whether a rule about names could hold somewhere in the text."""
    lowered = text.lower()
    return any(word in lowered for word in _STRONG) or _weak(text, lowered)


def _weak(text: str, lowered: str) -> bool:
    """Whether one of the words that are part of many others is there as a secret's name."""
    about_keys = "key" in lowered
    is_data = "data:" in lowered
    return (
        (about_keys and _names_a_key(lowered))
        or (is_data and bool(_PRINTED_MAP.search(lowered)))
        or (
            (any(it in lowered for it in _SHORT_WORDS) or ((about_keys or is_data) and ".data" in lowered))
            and bool(_SHORT.search(text))
        )
    )


def _names_a_key(lowered: str) -> bool:
    """Whether a key is set (`key: x`), or is of a kind that is secret (`access_key`)."""
    at = lowered.find("key")
    while at >= 0:
        before = lowered[max(at - _LONGEST_BEFORE_KEY, 0) : at]
        is_kind = before.endswith(_BEFORE_KEY) or (before[-1:] in " ._-" and before[:-1].endswith(_BEFORE_KEY))
        if (is_kind and _KEY_ENDS.match(lowered, at)) or _KEY_SET.match(lowered, at):
            return True
        at = lowered.find("key", at + 3)
    return False


def worth_a_look(lines: Sequence[str]) -> Sequence[int]:
    """The numbers of lines in which a rule about names could hold, in order."""
    return _numbers(lines) if len(lines) < _MANY else _remembered(tuple(lines))


def _numbers(lines: Sequence[str]) -> Sequence[int]:
    distinct = tuple(dict.fromkeys(lines))
    numbers = _worth_a_look(distinct)
    if len(distinct) == len(lines):
        return sorted(numbers)
    found = {distinct[number] for number in numbers}
    return [number for number, line in enumerate(lines) if line in found] if found else []


# Several kinds of rules look at a long text, one after the other, and mostly none of them has changed anything.
_remembered = functools.lru_cache(maxsize=1)(_numbers)


def _worth_a_look(lines: Sequence[str]) -> set[int]:
    lowered = lower("".join(lines))
    ends = list(itertools.accumulate(map(len, lines)))
    found: set[int] = set()
    for search, is_weak in _SEARCHES:
        hit = search(lowered)
        while hit:
            number = bisect.bisect_right(ends, hit.start())
            if number not in found and not (is_weak and not _weak(lines[number], lines[number].lower())):
                found.add(number)
            hit = search(lowered, ends[number])
    return found


def lower(text: str) -> str:
    """The text in lower case, with every character in its place."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := it.lower()) == 1 else it for it in text)
