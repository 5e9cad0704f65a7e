# SPDX-License-Identifier: Apache-2.0
"""Uploads without an end go; those that go on stay. The clock is the test's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.registries.front.access import is_name
from harness.registries.front.uploads import ABORTED_SECONDS, IDLE_SECONDS, Uploads

ID = "0f0e0d0c-0b0a-4908-8706-050403020100"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def answer(status: int, location: str = "") -> Any:
    return SimpleNamespace(status=status, headers={"Location": location} if location else {})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def begun(tmp_path: Path, clock: Clock) -> tuple[Uploads, Path]:
    """An upload that has begun."""
    folder = tmp_path / "docker/registry/v2/repositories/me/app/_uploads" / ID
    folder.mkdir(parents=True)
    made = Uploads(tmp_path, clock=clock)
    made.note("me/app", "POST", "", answer(202, f"https://r.example/v2/me/app/blobs/uploads/{ID}?_state=x"))
    return made, folder


def after(clock: Clock, uploads: Uploads, seconds: float) -> None:
    clock.now += seconds
    uploads.sweep()


def test_one_that_broke_off_goes_soon(begun: tuple[Uploads, Path], clock: Clock) -> None:
    uploads, folder = begun
    uploads.abort(ID)
    after(clock, uploads, ABORTED_SECONDS - 1)
    assert folder.is_dir()
    after(clock, uploads, 2)
    assert not folder.exists()


def test_one_that_goes_on_after_a_break_stays(begun: tuple[Uploads, Path], clock: Clock) -> None:
    uploads, folder = begun
    uploads.abort(ID)
    uploads.note("me/app", "PATCH", ID, answer(202))
    after(clock, uploads, IDLE_SECONDS - 1)
    assert folder.is_dir()
    after(clock, uploads, 2)
    assert not folder.exists()


@pytest.mark.parametrize(("method", "status"), [("PUT", 201), ("DELETE", 204)])
def test_one_that_has_ended_is_the_storages_own_business(
    begun: tuple[Uploads, Path], clock: Clock, method: str, status: int
) -> None:
    uploads, folder = begun
    uploads.note("me/app", method, ID, answer(status))
    after(clock, uploads, IDLE_SECONDS * 2)
    assert folder.is_dir()


def test_a_path_is_no_id(begun: tuple[Uploads, Path], tmp_path: Path, clock: Clock) -> None:
    uploads, _ = begun
    victim = tmp_path / "victim"
    victim.mkdir()
    uploads.note("me/app", "PATCH", "../../../../../victim", answer(202))
    after(clock, uploads, IDLE_SECONDS * 2)
    assert victim.is_dir()


@pytest.mark.parametrize("name", ["a", "a/b", "a.b/c_d", "a..b"])
def test_the_name_of_a_repository_is_one(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["..", "a/../b", "a/./b", "/a", "a/", "a//b", "a/%2e%2e/b", "%2E%2E/a", "a%2f..%2fb"])
def test_a_name_that_leads_elsewhere_is_none(name: str) -> None:
    assert not is_name(name)


def test_what_a_front_that_was_killed_has_left_goes_too(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "docker/registry/v2/repositories/me/app/_uploads" / ID
    folder.mkdir(parents=True)
    beside = folder.with_name("kept")
    beside.mkdir()
    uploads = Uploads(tmp_path, clock=clock)
    uploads.adopt()
    after(clock, uploads, ABORTED_SECONDS - 1)
    assert folder.is_dir()
    after(clock, uploads, 2)
    assert not folder.exists()
    assert beside.is_dir()
