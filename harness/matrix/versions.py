# SPDX-License-Identifier: Apache-2.0
"""Versions of releases, Kubernetes and tools, and their order."""

from __future__ import annotations

import re
from functools import lru_cache

import semver

VERSION = re.compile(r"\d+\.\d+\.\d+")
"""The format of a full version in the catalogues."""


@lru_cache(maxsize=10_000)
def numbers(version: str) -> tuple[int, int, int]:
    """The sort key of a version: `(2, 5, 2)` for `2.5.2`, `v2.5.2`, `2.5.2-rc.1` and of the copy `2.5.2@docker.io`.

    Missing numbers are 0. Raises ValueError if it is not a version.
    """
    plain = version.partition("@")[0].removeprefix("v")
    parsed = semver.Version.parse(plain, optional_minor_and_patch=True)
    return parsed.major, parsed.minor, parsed.patch


def within(version: str, since: str, until: str = "") -> bool:
    """Whether a version is `since` or newer, and not newer than `until`; an empty `until` is no bound."""
    return numbers(since) <= numbers(version) and (not until or numbers(version) <= numbers(until))
