# SPDX-License-Identifier: Apache-2.0
"""Rights, one line each, and how they differ."""

from __future__ import annotations

from harness.upgrades.permissions import change, rights


def test_each_right_has_a_line_of_its_own() -> None:
    rules = [
        {"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "create"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], "resourceNames": ["b", "a"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]
    assert list(rights(rules)) == [
        "get pods",
        "get services",
        "create pods",
        "create services",
        "get deployments.apps named a, b",
        "get /metrics",
    ]


def test_what_came_and_what_went() -> None:
    found = change({"a in x: get pods", "a in x: create pods"}, {"a in x: get pods", "a in y: get pods"})
    assert (found.gained, found.lost) == (("a in y: get pods",), ("a in x: create pods",))
