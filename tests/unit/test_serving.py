# SPDX-License-Identifier: Apache-2.0
"""Which release serves, by the images that pods ask for: one version may be on two registries."""

from __future__ import annotations

import pytest

from harness.matrix import catalogue
from harness.matrix.release import Release
from harness.releases.serving import release_of

_KNOWN = catalogue.load()
OLD, NEW, NEWEST = (_KNOWN.release(name) for name in ("2.2.1@docker.io", "2.2.1", "2.5.2"))


@pytest.mark.parametrize("releases", [(OLD, NEW), (NEW, OLD)])
def test_a_version_that_moved_between_registries_is_told_by_its_registry(releases: tuple[Release, ...]) -> None:
    assert release_of([OLD.image], releases) is OLD
    assert release_of([NEW.image], releases) is NEW
    # Short names are Docker Hub's.
    assert release_of([OLD.image.removeprefix("docker.io/")], releases) is OLD


def test_in_a_registry_of_a_users_it_is_told_by_its_version() -> None:
    assert release_of(["registry.example.com/op:2.5.2"], (NEW, NEWEST)) is NEWEST
    assert release_of(["registry.example.com/op:2.2.1"], (OLD, NEW)) is OLD


@pytest.mark.parametrize("images", [[], [""], ["registry.example.com/op:9"], ["not an image"]])
def test_what_is_no_releases_is_none(images: list[str]) -> None:
    assert release_of(images, (NEW, NEWEST)) is None
