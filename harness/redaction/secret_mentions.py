# SPDX-License-Identifier: Apache-2.0
"""Which lines mention what the rules about names are for, so that no rule is tried on all the others."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Sequence

from harness.redaction.secret_names import KEYS_OF

# No rule about names holds in a line without one of these; a look for fixed words is much cheaper than any rule.
WORDS = (
    *("pass", "pwd", "token", "secret", "cred", "cookie", "auth", "bearer", "signature", "dockerc", "sig="),
    *(
        "jaas",
        "key",
        "psk",
        "jwt",
        "sas",
        "otp",
        "_pat",
        ".pat",
        "-pat",
        "connection",
        "session",
        "identified",
        "pw",
        "redis-cli",
    ),
    *("kinit", "x-amz-", "code=", "x-goog", "curl", "crane", "skopeo", "from-literal", "data:", "login"),
    *("opaque", "mysql", "mariadb", "mongo", "user.info", "ldap", "8q~", "stringdata", "assertion", "verifier"),
    *("art-api", "beeline", "sqlcmd", "bcp ", "unzip", "zip -", "ssh-keygen", "::add-mask", "mc alias"),
    *("mosquitto", "mc config", "sudo -", "ctr ", "etcdctl", "smbclient", "delegation=", "kadmin", "cqlsh"),
    *("useradd", "usermod", "twine", "http-basic.", "unseal", "sqlplus", "impdp", "expdp", "rabbitmqctl", "setuser"),
    *("sig%3d", "securestring", "openssl", "http -", "https -", "vault kv", "mc admin", "net user", "nmcli", "7z "),
    *("snmp", "ipmitool", "freerdp", "honeycomb-team", "consul_encrypt"),
)
_SHORT = re.compile(
    r"(?i)(?<![a-z])(?:psk|jwt|sas|t?otp|pw|(?:cert|key)s?\.data)(?![a-z])|(?<=[a-z0-9][._-])pat(?![a-z])|(?:bind|root|(?-i:[a-z]P))pw\b"
)
_SHORT_WORDS = ("psk", "jwt", "sas", "otp", "pw", "_pat", ".pat", "-pat")
# In lower case, since a search for text in any case is much slower.
_KEY_ENDS = re.compile("keys?(?![a-z]*(?:store|word|board))")
_KEY_SET = re.compile(r"""\bkey["']?\s*[:=]""")
_BEFORE_KEY = (*KEYS_OF, "?", "&", ";")
_LONGEST_BEFORE_KEY = max(map(len, _BEFORE_KEY)) + 1
_PRINTED_MAP = re.compile(r"data:\s*map\[")
_WEAK = frozenset(("key", *_SHORT_WORDS, "data:"))
# In a long text, an expression finds a word in half the time that `str.find` takes.
_SEARCHES = tuple((re.compile(re.escape(word)).search, word in _WEAK) for word in WORDS)
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
    seen = _remembered()
    fresh = [line for line in dict.fromkeys(lines) if line not in seen]
    if fresh:
        numbers = _worth_a_look(fresh)
        found = {line: number in numbers for number, line in enumerate(fresh)}
        if max(map(len, fresh)) > _LONGEST_SEEN:
            # What is remembered stays small.
            seen = {line: found[line] if line in found else seen[line] for line in lines}
        else:
            seen.update(found)
    return [number for number, line in enumerate(lines) if seen[line]]


_seen: dict[str, bool] = {}
_MOST_SEEN = 50_000
_LONGEST_SEEN = 200


def _remembered() -> dict[str, bool]:
    """Lines of which it is known whether they are worth a look.

    Several kinds of rules look at a text, one after the other, and mostly none of them has changed anything; and most
    lines of a cluster's objects come again and again.
    """
    global _seen
    if len(_seen) > _MOST_SEEN:
        _seen = {}
    return _seen


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
