# SPDX-License-Identifier: Apache-2.0
"""Secrets in statements of SQL: the passwords of users, the options of connections and stores."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from harness.redaction.secret_names import MASK, is_harmless, is_secret

_STRING = r"""(?P<quote>['"])(?P<value>(?>(?:\\.|(?P=quote){2}|(?!(?P=quote)).)+))(?=(?P=quote)|$)"""
_BY = r"(?i)\b(?:identified\s+(?:with\s+\w+\s+)?by"
_GIVEN = re.compile(rf"{_BY}|password|(?-i:SECRET))\s+{_STRING}")
# MySQL and Oracle ask for the password that was
_REPLACED = re.compile(rf"{_BY})\s+(?:'[^'\n]{{1,200}}'|\"[^\"\n]{{1,200}}\"|\S{{1,200}})\s+replace\s+{_STRING}")
# Oracle wants no quotes
_BARE = re.compile(
    r"(?i)\b(?:create|alter)\s+user\s+\S{1,100}\s+identified\s+by\s+(?!values\b)(?P<value>[^\s;'\"]{1,200})"
)
_BARE_REPLACED = re.compile(r"(?i)\bidentified\s+by\s+\S{1,200}\s+replace\s+(?P<value>[^\s;'\"]{1,200})")
# `SECRET_ACCESS_KEY 'x'`
_OPTION = re.compile(r"\b(?P<name>[A-Z]+(?:_[A-Z]+)+)\s+'(?P<value>(?>(?:''|[^'\n])+))(?=')")


def _masked(pattern: re.Pattern[str], line: str) -> str:
    """The line without the `value` of each place where the pattern holds, whose `name`, if any, is a secret's."""

    def without(found: re.Match[str]) -> str:
        name = found.groupdict().get("name") or ""
        if (name and not is_secret(name)) or is_harmless(found["value"], name):
            return found[0]
        start, end = found.start("value") - found.start(), found.end("value") - found.start()
        return found[0][:start] + MASK + found[0][end:]

    return pattern.sub(without, line)


def _rule(pattern: re.Pattern[str]) -> Callable[[str], str]:
    return functools.partial(_masked, pattern)


RULES: tuple[tuple[tuple[str, ...], Callable[[str], str]], ...] = (
    (("identified ", "password '", 'password "', "secret '", 'secret "'), _rule(_GIVEN)),
    (("identified ",), _rule(_BARE)),
    (("replace ",), _rule(_REPLACED)),
    (("replace ",), _rule(_BARE_REPLACED)),
    (("_",), _rule(_OPTION)),
)
"""Each with the words in lower case without which it does not hold."""
