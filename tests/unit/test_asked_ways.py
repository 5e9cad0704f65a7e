# SPDX-License-Identifier: Apache-2.0
"""What cannot be asked for together with a way of installing."""

from __future__ import annotations

import pytest

from harness import stories
from harness.errors import UsageError
from harness.matrix import catalogue, expand
from harness.matrix.model import Cell
from harness.run import asked_ways
from harness.stories.protocol import NOTHING

CATALOGUE = catalogue.load()
HEALTH = next(it for it in stories.scenarios(NOTHING).values() if it.name == "operator-health")


def cells(name: str) -> list[Cell]:
    return [expand.cell(CATALOGUE.environment("kind-1.34"), expand.find_path(CATALOGUE, name), HEALTH)]


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("install-2.5.2~overlay", {"values": True}, "install-2.5.2~overlay: Kustomize takes no values"),
        ("upgrade-2.4.0-2.5.2~helm3,kustomize", {"values": True}, "Kustomize takes no values"),
        ("install-2.5.2~kustomize", {"release": True}, "names its objects and its namespace itself"),
        ("install-2.5.2~kubectl", {"existing": True}, "only Helm installs releases"),
        ("install-2.5.2~helm4", {"values": True, "release": True, "existing": True}, ""),
        ("install-2.5.2~kubectl", {"values": True, "release": True}, ""),
        ("install-2.5.2~overlay", {}, ""),
    ],
)
def test_what_a_way_does_not_take_is_refused(name: str, asked: dict[str, bool], said: str) -> None:
    wanted = {"values": False, "release": False, "existing": False, **asked}
    if not said:
        asked_ways.require(cells(name), **wanted)
        return
    with pytest.raises(UsageError, match=said):
        asked_ways.require(cells(name), **wanted)
