# SPDX-License-Identifier: Apache-2.0
"""Tells names that a test of somebody's migration is given from those that a test pulls."""

from __future__ import annotations

import re
from functools import lru_cache

from harness.audit.owners import Lines
from harness.releases.charts import CHART_NAME

_OF_TESTS = re.compile(
    r"(?:^|/)(?:test_[^/]*|[^/]*(?:[._-](?:test|spec)|(?<=[a-z])(?:Tests?|Spec|IT))\.\w+|[^/]*\.bats)$"
)
_OPENS = re.compile(r"[(\[{][ \t]*(?:\w+[ \t]*[:=][ \t]*)?[\"'`]$")
_NEW = rf"(?:\w+[ \t]*[:=][ \t]*)?[\"'`]?[\w./:-]*{CHART_NAME}/\w"
_PAIR, _COLUMNS = re.compile(rf"[\"'`],\s*{_NEW}"), re.compile(rf"[\"'`]?[ \t]*[,;|][ \t]*{_NEW}")
"""A pair, whose second one is a name that upstream has now."""
_LOOP = re.compile(r"\bfor\b[^\n;]*?\b(?P<name>\w+)[ \t]*(?::?=[ \t]*range|in|of|:)[ \t]*[\w\[\](.]*[ \t]*[(\[{]")
_CASES = re.compile(
    r"\bparametrize\(\s*[(\[]?[\"'](?P<names>[\w\"', ]+?)[\"'][)\]]?\s*,|\b(?:test|it|describe)\.each\("
)
_NAMES = re.compile(r"\w+")
_ASKS = re.compile(
    r"\b(?:assert\w*|expect\w*|raises|if)\b[^\n]*?(?P<function>\w+)\(\s*(?:\w+\.)?(?P<name>[A-Za-z_]\w*)[ \t]*[,)]"
)
_OF_SHELLS = re.compile(r"\.(?:bats|sh|bash|ksh|zsh)$")
_ASKED = re.compile(
    r"\s*(?:!\s+)?(?P<by>run(?:\s+-\S+)*|(?:assert|refute|fail)\w*|\[\[?|test|(?:el)?if(?:\s+!)?)\s+(?P<rest>.*)$"
)
_CALLED = re.compile(r"(?:\$\(|^)[\s\"']*(?P<function>[\w./-]+)[ \t](?![^()]*\))")
_PROGRAMS = re.compile(
    r"(?:docker|podman|nerdctl|buildah|crane|skopeo|crictl|ctr|regctl|oras|cosign|trivy|kind|k3d|minikube|kubectl|helm\w*)$"
)
"""What takes a name to do something with the image."""
_TAKES = re.compile(r"pull|run|start|deploy|install|create|apply|load|container|submit|exists", re.I)
_FARTHEST = 3000


def is_case(lines: Lines, file: str, start: int, end: int) -> bool:
    """Whether a name in a file of tests is the first of a pair with the new one, or one of those that a parametrized
    test gives to a function, whose answer it looks at; not if the function pulls or deploys.
    """
    if not _is_of_tests(file):
        return False
    before = lines.before(start)
    if _OPENS.search(before) and _PAIR.match(lines.text, end):
        return True
    if not before.strip(" \t\"'`") and _COLUMNS.match(lines.text, end):
        return True
    if _OF_SHELLS.search(file):
        return _is_asked(before)
    nearby = lines.text[max(0, start - _FARTHEST) : start]
    cases = next((it for it in reversed([*_CASES.finditer(nearby)]) if _is_open(nearby[it.start() :])), None)
    loop = next((it for it in reversed([*_LOOP.finditer(nearby)]) if _is_open(nearby[it.start() :])), None)
    if cases is None and loop is None:
        return False
    names = {*_NAMES.findall(cases["names"] or "")} if cases else {loop["name"]} if loop else set()
    asked = (it for it in _ASKS.finditer(lines.text) if not _TAKES.search(it["function"]))
    return any(not names or it["name"] in names for it in asked)


@lru_cache(maxsize=2)
def _is_of_tests(file: str) -> bool:
    return bool(_OF_TESTS.search(file))


def _is_asked(before: str) -> bool:
    """Whether a test of a shell gives a name to a function whose answer it looks at, or compares it with one."""
    asked = _ASKED.match(before)
    if asked is None:
        return False
    called = next(reversed([*_CALLED.finditer(asked["rest"])]), None)
    if called is None:
        return asked["by"] != "run"
    name = called["function"].rpartition("/")[2]
    return not _PROGRAMS.match(name) and not _TAKES.search(name)


def _is_open(text: str) -> bool:
    """Whether more brackets open in a text than close."""
    return any(text.count(opens) > text.count(closes) for opens, closes in ("()", "[]", "{}"))
