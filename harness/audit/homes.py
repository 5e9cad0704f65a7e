# SPDX-License-Identifier: Apache-2.0
"""Where the operator's images are published, by charts/releases.toml, and what is wrong with other names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from harness.audit.findings import Finding
from harness.images.references import ImageReference
from harness.matrix.model import Release

Role = Literal["operator", "hook"]

_VERSION = re.compile(r"(v?)(\d+)\.(\d+)\.(\d+)(?:[-.]\w.*)?")


@dataclass(frozen=True, kw_only=True)
class Home:
    """A registry and repository with the versions, oldest first, that upstream published there."""

    role: Role
    registry: str
    repository: str
    versions: tuple[str, ...]

    @property
    def name(self) -> str:
        """`ghcr.io/kubeflow/spark-operator/controller`."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        return self.name


class Homes:
    """Every home of every image of the operator; the last one of a role gets new releases."""

    def __init__(self, releases: Iterable[Release]) -> None:
        found: dict[tuple[Role, str, str], list[str]] = {}
        for release in releases:
            if release.relocated:
                continue
            found.setdefault(("operator", release.registry, release.repository), []).append(release.version)
            if release.hook_repository:
                key: tuple[Role, str, str] = ("hook", release.hook_registry, release.hook_repository)
                found.setdefault(key, []).append(release.version)
        self.all = tuple(
            Home(role=role, registry=registry, repository=repository, versions=tuple(versions))
            for (role, registry, repository), versions in found.items()
        )
        self.registries = frozenset(home.registry for home in self.all)
        self.repositories = frozenset(home.repository for home in self.all)

    def current(self, role: Role) -> Home:
        """The home of new releases."""
        return [home for home in self.all if home.role == role][-1]

    def of(self, role: Role, tag: str) -> Home:
        """The home of a version; for an unknown version, that of the nearest older known one."""
        mine = [home for home in self.all if home.role == role]
        known = sorted((_numbers(version), home) for home in mine for version in home.versions)
        older = [home for numbers, home in known if numbers <= _numbers(tag)]
        return older[-1] if older else known[0][1]

    def judge(self, image: ImageReference, *, tagged: bool = True) -> Finding | None:
        """What is wrong with the place that a name points to; None for images other than the operator's.

        `tagged` is false if the text had no tag; `latest` is then only the engine's default.
        """
        home = next((it for it in self.all if (it.registry, it.repository) == (image.registry, image.repository)), None)
        if home is None:
            return self._mixed_up(image, tagged=tagged)
        version = _VERSION.fullmatch(image.tag)
        if version and version[1]:
            right = self.of(home.role, image.tag[1:])
            return Finding(
                rule="tag-with-v",
                message=f"{right} has no tag {image.tag}: its tags are versions without v",
                replacement=f"{right}:{image.tag[1:]}",
            )
        current = self.current(home.role)
        if home is not current:
            return self._left_behind(image, home, current, tagged=tagged)
        if version and _numbers(image.tag) < _numbers(home.versions[0]):
            right = self.of(home.role, image.tag)
            where = f"{image.tag} exists only in {right}" if right is not home else "there is no earlier release"
            return Finding(
                rule="not-published",
                message=f"the first version in {home} is {home.versions[0]}: {where}",
                replacement=f"{right}:{image.tag}" if right is not home else f"{home}:{home.versions[0]}",
            )
        return None

    def _left_behind(self, image: ImageReference, home: Home, current: Home, *, tagged: bool) -> Finding:
        is_version = bool(_VERSION.fullmatch(image.tag))
        last = home.versions[-1]
        if is_version and _numbers(image.tag) > _numbers(last):
            return Finding(
                rule="stale-registry",
                message=f"the last version in {home} is {last}; {image.tag} is in {self.of(home.role, image.tag)}",
                replacement=f"{self.of(home.role, image.tag)}:{image.tag}",
            )
        if is_version or (tagged and image.tag not in ("", "latest")):
            return Finding(
                rule="old-release",
                message=f"{image.tag} exists only in {home}, whose last version is {last}; "
                f"releases from {current.versions[0]} on are in {current}",
                replacement=f"{current}:{current.versions[-1]}",
            )
        return Finding(
            rule="stale-registry",
            message=f"the last version in {home} is {last}; releases from {current.versions[0]} on are in {current}",
            replacement=f"{current}:{current.versions[-1]}" if image.tag and tagged else current.name,
        )

    def _mixed_up(self, image: ImageReference, *, tagged: bool) -> Finding | None:
        elsewhere = [home for home in self.all if home.repository == image.repository]
        if image.registry not in self.registries or not elsewhere:
            return None
        version = _VERSION.fullmatch(image.tag)
        tag = image.tag.removeprefix("v") if version else image.tag
        role = elsewhere[0].role
        right = self.of(role, tag) if version else self.current(role)
        others = ", ".join(dict.fromkeys(home.registry for home in elsewhere))
        return Finding(
            rule="mixed-up-host",
            message=f"{image.repository} is a repository of {others}, not of {image.registry}",
            replacement=f"{right}:{tag}" if tag and tagged else right.name,
        )


def _numbers(version: str) -> tuple[int, int, int]:
    found = _VERSION.fullmatch(version)
    return (int(found[2]), int(found[3]), int(found[4])) if found else (0, 0, 0)
