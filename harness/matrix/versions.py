# SPDX-License-Identifier: Apache-2.0
"""Versions of releases, Kubernetes and tools, and their order."""

from __future__ import annotations

import re
from functools import lru_cache

import semver

VERSION = re.compile(r"\d+\.\d+\.\d+")
"""The format of a full version in the catalogues."""

UNDER_TEST = "dev"
"""The name of the operator under test as a release, which is newer than all others."""

NO_PRERELEASES = (
    *(UNDER_TEST, "to", "from", "then", "and", "latest", "main", "master", "head", "develop"),
    *("helm", "helm3", "helm4", "kubectl", "kustomize", "overlay", "argocd"),
    *("none", "apply", "hook", "replace", "create", "ssa", "client", "default", "reuse", "reset", "pinned"),
)
"""What stands behind a version in the name of a path and belongs to something else: `2.4.0-to-2.5.2`, `2.5.2-helm4`."""

RELEASE = re.compile(
    rf"{UNDER_TEST}(?![\w.])|\d+\.\d+\.\d+(?:-(?!(?i:{'|'.join(NO_PRERELEASES)})(?![\w.]))[A-Za-z][0-9A-Za-z]*(?:\.(?:0|[1-9]\d*|\d*[A-Za-z][0-9A-Za-z]*))*)?"
)
"""The version of a release of the operator: `2.5.2`, `2.6.0-rc.1`, or `dev`.

A pre-release begins with a letter, has no hyphen and is no word that names of paths have otherwise (SemVer 2.0.0, 9,
narrowed), so that releases in the name of a path stay apart; `2.5.2-dev` is two of them.
"""

_NEWEST = 1_000_000


def is_prerelease(version: str) -> bool:
    """Whether a version is one before a release: `2.6.0-rc.1`."""
    return "-" in version.partition("@")[0]


@lru_cache(maxsize=10_000)
def numbers(version: str) -> tuple[int, int, int]:
    """The numbers of a version: `(2, 5, 2)` for `2.5.2`, `v2.5.2`, `2.5.2-rc.1` and of the copy `2.5.2@docker.io`.

    What is known of a release holds for its pre-releases, too, so that they have the same. Missing numbers are 0. `dev`
    is newer than every release, and so has what is known of the newest one. Raises ValueError if it is not a version.
    """
    parsed = order(version)
    return parsed.major, parsed.minor, parsed.patch


@lru_cache(maxsize=10_000)
def order(version: str) -> semver.Version:
    """A version as SemVer orders it: pre-releases before their release. Raises ValueError as `numbers` does."""
    plain = version.partition("@")[0].removeprefix("v")
    if plain == UNDER_TEST:
        return semver.Version(_NEWEST)
    return semver.Version.parse(plain, optional_minor_and_patch=True)


def within(version: str, since: str, until: str = "") -> bool:
    """Whether a version is `since` or newer, and not newer than `until`; an empty `until` is no bound."""
    return numbers(since) <= numbers(version) and (not until or numbers(version) <= numbers(until))
