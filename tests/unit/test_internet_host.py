# SPDX-License-Identifier: Apache-2.0
"""What the small internet needs of its host is told before anything is built."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest

from harness import process
from harness.errors import HostError
from harness.internet import host


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes this process a user's, or a program missing, or namespaces forbidden."""

    def make(*, user: int = 0, missing: str = "", refused: str = "") -> None:
        def tried(argv: list[str], **options: object) -> process.Completed:
            return process.Completed(
                argv=tuple(argv), returncode=1 if refused else 0, stdout="", stderr=refused, seconds=0
            )

        monkeypatch.setattr(os, "geteuid", lambda: user)
        monkeypatch.setattr(shutil, "which", lambda name: None if name == missing else f"/usr/bin/{name}")
        monkeypatch.setattr(process, "call", tried)

    return make


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"user": 1000}, "needs root"),
        ({"missing": "nsenter"}, "needs nsenter"),
        ({"refused": "unshare: unshare failed: Operation not permitted\n"}, "made here: unshare: unshare failed"),
    ],
)
def test_what_is_missing_is_told(lacking: Callable[..., None], what: dict[str, object], said: str) -> None:
    lacking(**what)

    with pytest.raises(HostError, match=said):
        host.require()


def test_a_host_that_has_all_of_it_will_do(lacking: Callable[..., None]) -> None:
    lacking()

    host.require()
