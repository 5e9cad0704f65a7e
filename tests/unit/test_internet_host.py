# SPDX-License-Identifier: Apache-2.0
"""What the small internet needs of its host is told before anything is built, and what its machine is given."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import process
from harness.errors import HostError
from harness.foundry import connect_clients, gobuild, pypi
from harness.foundry.store import Store
from harness.internet import host
from harness.settings import Settings


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


def test_the_machine_has_what_comes_from_package_indexes_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot ask them: its internet has registries alone, and spark-connect would lack its clients."""
    monkeypatch.setattr(pypi, "source", lambda *of, **more: pytest.fail("was fetched though it was there"))
    settings = Settings(cache_dir=tmp_path / "host")
    wanted = [gobuild.recipe("registry"), *connect_clients.usual_recipes()]
    assert any(it.name.startswith("pyspark-client") for it in wanted)
    for recipe in wanted:
        Store.of(settings).build(recipe, lambda folder, log: (folder / "made").touch())

    host._bring_packages(settings, tmp_path / "machine", pytest.fail)

    there = Store.of(Settings(cache_dir=tmp_path / "machine"))
    assert all((there.folder(it) / "made").is_file() and there.get(it) for it in wanted)
