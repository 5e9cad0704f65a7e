# SPDX-License-Identifier: Apache-2.0
"""Values as `helm --set` takes them."""

from __future__ import annotations

from typing import Any

import pytest

from harness.releases import set_values


@pytest.mark.parametrize(
    ("parameters", "values"),
    [
        ([{"name": "a.b", "value": "x"}, {"name": "a.c", "value": "false"}], {"a": {"b": "x", "c": False}}),
        ([{"name": "a", "value": "2", "forceString": True}, {"name": "b", "value": "02"}], {"a": "2", "b": "02"}),
        ([{"name": "a", "value": "true", "type": "string"}, {"name": "b", "value": "null"}], {"a": "true", "b": None}),
        ([{"name": "a[0]", "value": "x"}, {"name": "a[1].b", "value": "1"}], {"a": ["x", {"b": 1}]}),
        ([{"name": r"a.x\.io/y", "value": "z"}], {"a": {"x.io/y": "z"}}),
        ([{"name": "a", "value": "{x,2}"}, {"name": "b", "value": "{}"}], {"a": ["x", 2], "b": []}),
        ({"image.tag": 3, "image.registry": "r"}, {"image": {"tag": 3, "registry": "r"}}),
        (None, {}),
    ],
)
def test_names_become_keys_and_texts_what_helm_makes_of_them(parameters: Any, values: dict[str, Any]) -> None:
    assert set_values.of(parameters) == values
