# SPDX-License-Identifier: Apache-2.0
"""What is read in the log of a driver that ended: the cause, and whether an application lacks something of its own."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness import causes
from harness.apps import own_lacks
from harness.apps.users import UserManifest
from harness.causes import layouts

_ENDINGS = tomllib.loads(Path(__file__).with_name("driver_endings.toml").read_text())["ending"]
_SPEC = {"image": "acme/etl:1", "mainClass": "org.acme.etl.Main", "mainApplicationFile": "local:///opt/app/job.jar"}


@pytest.mark.parametrize("ending", _ENDINGS, ids=lambda it: str(it["name"]))
def test_the_end_of_a_log_tells_the_cause_and_what_is_lacking(ending: dict[str, Any]) -> None:
    said = causes.found(ending["text"])
    assert said.startswith(ending["cause"])
    assert len(said) <= causes.LENGTH
    document = {"kind": "SparkApplication", "metadata": {"name": "etl"}, "spec": _SPEC | ending.get("spec", {})}
    ended = causes.chain(ending["text"]) or said
    lacks = own_lacks.told(UserManifest(file="a.yaml", line=1, document=document), "", ended)
    assert ending["lacks"] in lacks
    assert bool(lacks) is bool(ending["lacks"])


@pytest.mark.parametrize(
    ("line", "level", "said"),
    [
        ("26/11/30 03:00:05 ERROR Main: no rows", "ERROR", "Main: no rows"),
        ("2026-11-30T03:00:05,101 [main] WARN org.acme.Main - slow", "WARN", "slow"),
        ("2026-11-30 03:00:05.101  INFO 1 --- ERROR is a word", "", ""),
        ("26/11/30 03:00:05 INFO Main: ERROR count is 0", "", ""),
        ("WARNING:root:slow", "WARN", "slow"),
        ("CRITICAL:acme.etl:no rows", "CRITICAL", "no rows"),
        ("2026/11/30 03:00:05 ERROR no rows", "ERROR", "no rows"),
        ("an ERROR of mine", "", ""),
    ],
)
def test_the_level_of_a_line_is_where_a_layout_has_it(line: str, level: str, said: str) -> None:
    assert layouts.level(line) == level
    if level:
        assert layouts.said(line) == said
