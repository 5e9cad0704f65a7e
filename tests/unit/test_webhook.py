# SPDX-License-Identifier: Apache-2.0
"""The webhook's answers: which of them are its own."""

from __future__ import annotations

from collections.abc import Iterator

from harness.releases.webhook import Attempt, answered

_AWAY = Attempt(status=500, message='failed calling webhook "x": connect: connection refused', result={})
_REFUSED = Attempt(status=403, message="admission webhook denied the request: no", result={})


def test_a_webhook_that_is_away_for_a_moment_is_asked_again() -> None:
    said: Iterator[Attempt] = iter([_AWAY, _AWAY, _REFUSED])
    assert answered(lambda: next(said), seconds=30.0) is _REFUSED


def test_one_that_stays_away_is_what_was_found() -> None:
    assert answered(lambda: _AWAY, seconds=0.3) is _AWAY
