# SPDX-License-Identifier: Apache-2.0
"""The releases that a helmfile writes."""

from __future__ import annotations

from typing import Any

import pytest

from harness.audit.release_blocks import helmfile_releases

OPERATOR: dict[str, Any] = {"name": "op", "chart": "spark/spark-operator", "version": "2.1.1"}


@pytest.mark.parametrize(
    ("templates", "release", "there"),
    [
        ({}, {}, True),
        ({}, {"installed": True}, True),
        ({}, {"installed": "{{ .Values.spark }}"}, True),
        ({}, {"installed": False}, False),
        ({"gone": {"installed": False}}, {"inherit": [{"template": "gone"}]}, False),
        ({"gone": {"installed": False}}, {"inherit": [{"template": "gone"}], "installed": True}, True),
    ],
)
def test_a_release_that_helmfile_takes_away_is_none(
    templates: dict[str, Any], release: dict[str, Any], there: bool
) -> None:
    found = list(helmfile_releases({"templates": templates, "releases": [OPERATOR | release]}))
    assert [it["name"] for it in found] == (["op"] if there else [])
