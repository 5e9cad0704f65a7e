# SPDX-License-Identifier: Apache-2.0
"""What is created along a path: a refusal is the product's, a missing answer is not. The server is scripted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from harness.apps.objects import Objects, Refused
from harness.errors import ApiError, ApiServerAway
from harness.upgrades.creations import Creations
from harness.upgrades.workload_seen import Part, When

APP = {"kind": "SparkApplication", "metadata": {"name": "etl"}, "spec": {}}
MADE = {**APP, "metadata": {"name": "etl", "uid": "u-1"}}


class Server:
    """Gives these answers to creates, one after the other, and then accepts; what it has made can be got."""

    namespace = "submissions"

    def __init__(self, *answers: Exception) -> None:
        self._answers = list(answers)
        self.asked = 0

    def create(self, manifests: object) -> list[Mapping[str, Any]]:
        self.asked += 1
        if self._answers:
            raise self._answers.pop(0)
        return [MADE]

    def get(self, resource: object, name: str) -> Mapping[str, Any]:
        return MADE


def created(server: Server) -> Creations:
    found = Creations()
    found.create(cast(Objects, server), [APP], Part.SMALL, When.DURING)
    return found


@pytest.mark.parametrize(
    "answers",
    [
        [ApiServerAway("read timed out", reason="read timed out")],
        [ApiError("busy", status=429), ApiError("late", status=504)],
        [ApiServerAway("read timed out", reason="read timed out"), ApiError("there", status=409)],
    ],
    ids=["away", "busy", "away, and made"],
)
def test_what_the_api_server_did_not_get_to_is_asked_for_again(answers: list[Exception]) -> None:
    found = created(Server(*answers))
    assert not found.refused()
    assert [it.uid for it in found.created()] == ["u-1"]


@pytest.mark.parametrize("answer", [Refused("the webhook says no"), ApiError("there", status=409)])
def test_a_refusal_is_noted_at_once(answer: Exception) -> None:
    server = Server(answer)
    assert [it.name for it in created(server).refused()] == ["etl"]
    assert server.asked == 1
