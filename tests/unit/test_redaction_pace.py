# SPDX-License-Identifier: Apache-2.0
"""Redaction reads a line in time that grows with its length alone, whatever the line repeats."""

from __future__ import annotations

import time

import pytest

from harness.redaction.redactor import Redactor

_LENGTH = 100_000
# The beginnings of what the rules look for, with names that are no secret's.
_PREFIXES = (
    *("{partition=x, ", "{topic:x ", "map[topic:x ", "(partition,", "(kind,a ", "topic -> List(", "Some(", "Optional["),
    *("Map(kind -> x, ", "set a.b ", "set x.kind from y to ", "MyCredentials(", "MyCredentials('a", "; partition=a "),
    *('"SET a.kind=', "val topic: A[b] = ", "kind: a b", "kind|a", "(x.kind,a(b ", "password for ", "${env:"),
    *(
        "${kind:",
        "=[(",
        "<pre>",
        '"| partition | a ',
        "NAME  PASSWORD ",
        "name,password,",
        "a  kind ",
        "|a|password",
        "--+",
        "<dt>kind</dt> ",
    ),
    *("<b>kind: </b> <i>", "kind,a  ", "create user x identified by ", "&amp;kind=a"),
    *(
        "<name>x</name><value>",
        "machine x login x ",
        "| partition | a",
        "{name=a, value=b ",
        "{Name:a Value:b ",
        "ENV x y ",
        "--topic x ",
        "a.b.kind  x",
    ),
    *(
        "value 'a' for key ",
        'argument "a" for a ',
        "password to ",
        "token was: ",
        "credentials a/",
        "a should be a, but was ",
    ),
    *(
        'password "a ',
        "secret set A=b ",
        "secret --valu a ",
        'from String "a": ["token"] ',
        "user a password ",
        "curl -b a ",
    ),
    *(
        "git config token a ",
        "kind%3Da%26",
        "arn:aws:secretsmanager:a:1:kind:",
        '{kind,"a"},',
        "A_KIND 'a' ",
        "[zk] addauth ",
        "<div>kind</div>",
        "token = a.get(",
        "credential = a ",
        "token: ABC ",
        '{"log":"a","stream":"stdout",',
        '{"log":"a',
    ),
    *('"token: "',),
)
# A name, a value, many blanks and something behind them: what is trimmed must not be tried blank by blank.
_BEGINNINGS = (
    *("password: str", "| password | str", "password | str", "a.secret.key s", "ENV PASSWORD s", "::add-mask::x"),
    *("--password", "key: a", "Authorization: x", "cookie: a", "password for a: x", "a.key -> x", "MyCredentials("),
    *(
        "password of a:",
        "  a_token x",
        "Password for a reset",
        "DB_TOKEN should be a, but was a",
        "the password is set for a:",
    ),
    *("(x.key,a(", "Map(x.key -> a", "password=a", "set a.key to", "{token:", "{name=A_KEY, value=s"),
)


@pytest.mark.parametrize("prefix", _PREFIXES)
def test_a_line_that_repeats_the_beginning_of_a_rule_takes_no_time(prefix: str) -> None:
    text = (prefix * (_LENGTH // len(prefix) + 1))[:_LENGTH]
    assert _seconds(text) < 0.3


@pytest.mark.parametrize("beginning", _BEGINNINGS)
def test_blanks_within_a_line_take_no_time(beginning: str) -> None:
    assert _seconds(f"{beginning}{' ' * (_LENGTH // 5)}x") < 0.3


def _seconds(text: str) -> float:
    """Of this process alone; the better of two, since the first may have had to load a library."""
    taken = []
    for _ in range(2):
        started = time.process_time()
        Redactor().text(text)
        taken.append(time.process_time() - started)
    return min(taken)
