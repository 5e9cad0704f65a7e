# SPDX-License-Identifier: Apache-2.0
"""The distance of the small internet's registries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from harness import process
from harness.internet.link import Link


def test_a_link_is_told_and_shaped(monkeypatch: pytest.MonkeyPatch) -> None:
    # It changes an interface, for which a test would need a network namespace.
    called: list[Sequence[Any]] = []
    monkeypatch.setattr(process, "call", lambda argv, **_: called.append(argv))
    link = Link(megabytes=100, milliseconds=30)

    link.shape("wan0")

    assert str(link) == "100 MB/s and 30 ms to each registry"
    assert link.seconds == 0.03
    assert " ".join(called[0]) == "tc qdisc add dev wan0 root tbf rate 800mbit burst 1mb latency 50ms"


@pytest.mark.parametrize("wrong", [{"megabytes": 0}, {"milliseconds": -1}, {"hops": 3}])
def test_a_link_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Link.model_validate({"megabytes": 100, "milliseconds": 30, **wrong})
