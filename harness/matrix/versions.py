# SPDX-License-Identifier: Apache-2.0
"""Versions of releases, of Kubernetes and of tools, and what they are ordered by."""

from __future__ import annotations

import re
from functools import lru_cache

import semver

VERSION = re.compile(r"\d+\.\d+\.\d+")
"""How a full version is written in the catalogues."""


@lru_cache(maxsize=10_000)
def numbers(version: str) -> tuple[int, int, int]:
    """What a version is ordered by: `(2, 5, 2)` of `2.5.2`, `v2.5.2`, `2.5.2-rc.1` and of the copy `2.5.2@docker.io`.

    Numbers that are left out are 0. Raises ValueError for what is no version.
    """
    plain = version.partition("@")[0].removeprefix("v")
    parsed = semver.Version.parse(plain, optional_minor_and_patch=True)
    return parsed.major, parsed.minor, parsed.patch


def within(version: str, since: str, until: str = "") -> bool:
    """Whether a version is `since` or newer, and not newer than `until`; an empty `until` is no bound."""
    return numbers(since) <= numbers(version) and (not until or numbers(version) <= numbers(until))
