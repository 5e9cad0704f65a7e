# SPDX-License-Identifier: Apache-2.0
"""The webhook's answers: which of them are its own."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import ApiError
from harness.releases import webhook
from harness.releases.admission_samples import sample
from harness.releases.webhook import Attempt, answered, dry_run

_AWAY = Attempt(status=500, message='failed calling webhook "x": connect: connection refused', result={})
_REFUSED = Attempt(status=403, message="admission webhook denied the request: no", result={})


def test_a_webhook_that_is_away_for_a_moment_is_asked_again() -> None:
    said: Iterator[Attempt] = iter([_AWAY, _AWAY, _REFUSED])
    assert answered(lambda: next(said), seconds=30.0) is _REFUSED


def test_one_that_stays_away_is_what_was_found() -> None:
    assert answered(lambda: _AWAY, seconds=0.3) is _AWAY


def asked(monkeypatch: pytest.MonkeyPatch, status: int, said: str) -> Attempt:
    """A dry run that a scripted API server refuses so."""

    def refuse(*_: Any, **__: Any) -> None:
        raise ApiError(said, status=status, reason=said)

    calls = SimpleNamespace(create_namespaced_custom_object=refuse)
    monkeypatch.setattr(webhook, "client", SimpleNamespace(CustomObjectsApi=lambda api: calls))
    nobody: Any = None
    return dry_run(nobody, sample("spark"))


@pytest.mark.parametrize(
    ("status", "said"),
    [(500, "etcdserver: request timed out"), (504, "Timeout: request did not complete within the allotted timeout")],
)
def test_what_the_api_server_did_not_get_done_is_no_refusal(
    monkeypatch: pytest.MonkeyPatch, status: int, said: str
) -> None:
    with pytest.raises(ApiError, match=said):
        asked(monkeypatch, status, said)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, 'Internal error occurred: failed calling webhook "mutate": context deadline exceeded'),
        (500, 'admission webhook "mutate" denied the request: no such volume'),
        (403, 'admission webhook "validate" denied the request: no'),
    ],
)
def test_what_a_webhook_did_is_a_refusal(monkeypatch: pytest.MonkeyPatch, status: int, said: str) -> None:
    attempt = asked(monkeypatch, status, said)
    assert (attempt.accepted, attempt.status, attempt.message) == (False, status, said)
