# SPDX-License-Identifier: Apache-2.0
"""Judges names of the operator's images that a text has in parts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.audit import chart_pins
from harness.audit.chart_pin import ChartPin
from harness.audit.chart_versions import is_before_2
from harness.audit.findings import Finding, Severity
from harness.audit.homes import Homes, Role
from harness.audit.old_charts import OldCharts
from harness.audit.part_edits import PartEdits
from harness.audit.parts import VERSION, Part
from harness.audit.placed import Placed
from harness.audit.references import HUB_HOSTS, in_image_key, is_host
from harness.audit.rules_about import is_rule
from harness.audit.stale import Edit, Stale, stale_at
from harness.images.references import DOCKER_HUB, ImageReference, names_host
from harness.releases.charts import CHART_NAME

_WITH_V = re.compile(r"v\d+\.\d+\.\d+(?:[-.]\w+)*")
_OF_VALUES = ("image.repository", f"{CHART_NAME}.image.repository")
_HUB = tuple(f"{it}/" for it in HUB_HOSTS)
_LONGEST_HOST = max(map(len, _HUB))


class Splits:
    """The parts of a text. What is found here is `taken`, and not to be judged again as a whole name."""

    def __init__(self, homes: Homes, placed: Placed, file: str) -> None:
        self._homes = homes
        self._placed = placed
        self._lines = placed.lines
        self._file = file
        self._taken: list[tuple[int, int]] = []
        self._used: set[int] = set()
        self._edits = PartEdits(homes, placed)
        self._charts = OldCharts(homes, placed, file)
        self._last = frozenset(it.rpartition("/")[2] for it in homes.repositories)
        self.unknown = 0

    @property
    def registries(self) -> Mapping[str, Edit]:
        """What becomes of each variable or key that is a registry."""
        return self._edits.registries

    def has_taken(self, start: int, end: int) -> bool:
        """Whether what is between two offsets was judged as a part of a name."""
        return any(start < last and first < end for first, last in self._taken)

    def has_taken_of(self, variable: str) -> bool:
        """Whether what a variable has was judged as a part of a name."""
        return any(self._lines.owners(start)[:1] == [variable] for start, _ in self._taken)

    def found(self) -> Iterator[Stale]:
        """Every stale name in parts, and every old chart."""
        yield from self._charts.standing_alone()
        if not self._placed.pins and not any(_stands_alone(it, self._lines.text) for it in self._homes.tails):
            return
        for part in self._placed.parts:
            if part.word == "repository":
                yield from self._repository(part)
        for pin in self._placed.pins:
            yield from self._without_repository(pin)
        yield from self._charts.taken()

    # Names with a repository

    def _repository(self, part: Part) -> Iterator[Stale]:
        value = part.value
        if value is None or (CHART_NAME not in value and value.rpartition("/")[2] not in self._last):
            # Most are others': what follows costs time.
            return
        if is_rule(self._lines, self._file, part.start, part.end):
            return
        registry, tag, digest = (self._placed.near(part, word) for word in ("registry", "tag", "digest"))
        if registry and registry.value and part.written != value and value.startswith(f"{registry.value}/"):
            # `IMAGE: $REGISTRY/a/b` is a whole name.
            registry = None
        pin = self._placed.pin(part.start)
        owner = self._placed.near(part, "owner") if registry and "/" not in value else None
        if owner and owner.value:
            value = f"{owner.value}/{value}"
            part = replace(part, value=value)
        if part.key in ("name", "image"):
            new = self._placed.near(part, "repository", "new")
            if new and new.key == f"new{part.key.capitalize()}":
                # What a Kustomization replaces, or kbld.
                self._take(part)
                return
        shared = None if registry or names_host(value) else self._placed.registry_above(part.start)
        if part.stem and part.key.lower().endswith("image") and not (registry or shared or names_host(value)):
            # `REGISTRY` beside `OPERATOR_IMAGE` is that of other images, too.
            shared = self._placed.near(part, "registry", "")
        registry = registry or shared
        if registry is None:
            if names_host(value):
                yield from self._host_inside(part, tag, pin)
                return
            has_tag = bool(tag and tag.key == "tag" and VERSION.fullmatch(tag.value or ""))
            if value not in self._homes.repositories or not (has_tag or self._is_image(part)):
                return
            if self._placed.has_unread_registry(part):
                self.unknown += 1
                return
            if not _is_repository(part):
                if self._placed.uses.registry(part.start, self._lines.owners(part.start)) is not None:
                    # A whole name behind what the text puts before it.
                    return
                yield from self._whole(part, tag if has_tag else None)
                return
        else:
            if not any(
                value == it or f"{registry.value}/{value}".endswith(f"/{it}") for it in self._homes.repositories
            ):
                return
            self._take(part, *([] if shared else [registry]))
            if registry.value is None:
                self.unknown += 1
                return
        self._take(part)
        for stale in self._judged(registry, part, tag, digest, pin):
            # Another registry would be that of its other images, too.
            yield replace(stale, edits=(), regions=()) if shared else stale

    def _whole(self, part: Part, tag: Part | None) -> Iterator[Stale]:
        """A whole name beside `name: operator-image`, or beside a tag; others are found as whole names."""
        written = tag.value or "" if tag else ""
        image = ImageReference(registry=DOCKER_HUB, repository=part.value or "", tag=written)
        finding = self._homes.judge(image, tagged=bool(tag)) if part.named or tag else None
        if finding:
            self._take(part)
            name, _, right = finding.replacement.partition(":")
            edit = Edit(start=part.start, end=part.end, text=name)
            edits = [edit] if name and finding.same and right == written else []
            yield stale_at(self._lines, self._file, part.start, part.end, finding, edits)

    def _host_inside(self, part: Part, tag: Part | None, pin: ChartPin | None) -> Iterator[Stale]:
        """A host within the repository: an error where the chart is one that puts its registry before it."""
        if pin is None or not self._placed.is_of_image(part) or part.key.lower().endswith(("name", "image")):
            return
        version = self._homes.newest(pin.version)
        if is_before_2(version) or not pin.version or not chart_pins.is_upstream(pin, self._homes):
            return
        host, _, rest = (part.value or "").partition("/")
        known = {it.partition("/")[0] for it in self._homes.history.names} | self._homes.registries | HUB_HOSTS
        if host not in known or not any(rest.startswith(it) for it in self._homes.repositories):
            return
        right = self._homes.of("operator", version)
        written = tag.value if tag and tag.value else version
        finding = self._homes.judge(ImageReference(registry=right.registry, repository=part.value or "", tag=written))
        if finding:
            self._take(part)
            edits = [Edit(start=part.start, end=part.end, text=right.repository)] if written == version else []
            told = replace(finding, replacement=f"repository {right.repository}" if edits else "", same=True)
            yield stale_at(self._lines, self._file, part.start, part.end, told, edits)

    def _judged(
        self, registry: Part | None, part: Part, tag: Part | None, digest: Part | None, pin: ChartPin | None
    ) -> Iterator[Stale]:
        host = registry.value if registry else None
        name = f"{host}/{part.value}" if host else self._home_of(part.value or "")
        first, _, rest = name.partition("/")
        if not is_host(first):
            return
        first = DOCKER_HUB if first in HUB_HOSTS else first
        version = (pin.version if pin else self._placed.chart) if self._placed.is_of_image(part) else ""
        version = self._homes.newest(version)
        # The chart takes its own version for an empty tag.
        used = None if tag else self._placed.used_tag(part.key)
        written = (tag.value if tag else used) or ("" if tag and tag.value is None else version)
        hashed = digest.value if digest and digest.value and digest.value.startswith("sha256:") else ""
        if not any(rest == it or rest.endswith(f"/{it}") for it in self._homes.repositories):
            return
        image = ImageReference(registry=first, repository=rest, tag=written, digest=hashed)
        finding = self._homes.judge(image, tagged=bool(written))
        if finding is None:
            return
        given = sorted((it for it in (registry, part) if it), key=lambda it: it.start)
        if registry is None and (self._has_other_registry() or not (pin or self._is_of_values(part))):
            # What stands before the repository is written elsewhere.
            finding = replace(finding, same=False)
        if (pin and pin.variable in self._charts.variables) or (used == "" and not version):
            # No registry has all of these versions.
            finding = replace(finding, same=False)
        yield self._stale(given, tag, finding)

    def _has_other_registry(self) -> bool:
        """Whether a registry that was upstream's stands apart from all repositories."""
        return any(
            it.word == "registry"
            and (it.value in HUB_HOSTS or it.value in self._homes.registries)
            and not self._placed.near(it, "repository")
            for it in self._placed.parts
        )

    def _is_of_values(self, part: Part) -> bool:
        """Whether a repository is that of the chart's own values: `image.repository`, or below `image` alone."""
        around = [it for it in self._lines.owners(part.start) if it.lower() != part.key.lower()]
        return part.key in _OF_VALUES or around == ["image"]

    def _stale(self, given: Sequence[Part], tag: Part | None, finding: Finding) -> Stale:
        where = given[-1]
        end = where.end if where.end > self._lines.start(where.line) + where.column else where.start
        start = self._lines.start(where.line) + where.column
        text = " + ".join(f"{it.key} {it.written}" for it in given)
        edits = self._edits.of(given, tag, finding)
        return stale_at(self._lines, self._file, start, max(start, end), _in_parts(finding), edits, text)

    # Names without a repository: the chart has one

    def _without_repository(self, pin: ChartPin) -> Iterator[Stale]:
        version = self._homes.newest(pin.version) or self._homes.current("operator").versions[-1]
        if is_before_2(version) or not chart_pins.is_upstream(pin, self._homes):
            return
        for part in self._placed.between(pin.start, pin.end):
            if part.start in self._used or not self._placed.is_of_image(part):
                continue
            if self._placed.pin(part.start) is not pin or part.value is None or self._placed.near(part, "repository"):
                continue
            role: Role = "hook" if self._placed.is_of_hook(part) else "operator"
            if (
                part.word == "registry"
                and (DOCKER_HUB if part.value in HUB_HOSTS else part.value) in self._homes.registries
            ):
                tag = self._placed.near(part, "tag")
                yield from self._registry_alone(part, tag, version, role)
            elif part.word == "tag" and not self._placed.near(part, "registry"):
                yield from self._tag_alone(part, pin, version, role)

    def _tag_alone(self, part: Part, pin: ChartPin, version: str, role: Role) -> Iterator[Stale]:
        """A tag that the chart's own registry and repository get, if the chart's version says which they are."""
        with_v = bool(_WITH_V.fullmatch(part.value or ""))
        if not with_v and not pin.version:
            return
        registry, repository = self._home(role, (part.value or "")[1:] if with_v else version)
        finding = self._homes.judge(ImageReference(registry=registry, repository=repository, tag=part.value or ""))
        if finding is None or finding.severity is not Severity.ERROR:
            return
        self._take(part)
        right = finding.replacement.rpartition(":")[2] if with_v else ""
        told = replace(finding, replacement=f"tag {right}" if right else "")
        edits = [Edit(start=part.start, end=part.end, text=right)] if right else []
        yield stale_at(self._lines, self._file, part.start, part.end, told, edits)

    def _registry_alone(self, part: Part, tag: Part | None, version: str, role: Role) -> Iterator[Stale]:
        if tag and tag.value is None:
            return
        written = tag.value if tag and tag.value else version
        host = DOCKER_HUB if part.value in HUB_HOSTS else part.value or ""
        image = ImageReference(registry=host, repository=self._home(role, version)[1], tag=written)
        finding = self._homes.judge(image)
        if finding:
            self._take(part)
            if tag:
                self._take(tag)
            yield self._stale([part], tag, finding)

    def _home(self, role: Role, version: str) -> tuple[str, str]:
        home = self._homes.of(role, version)
        return home.registry, home.repository

    # What they have in common

    def _take(self, *taken: Part) -> None:
        for part in taken:
            self._used.add(part.start)
            self._taken.append((part.start, part.end))

    def _home_of(self, repository: str) -> str:
        return next((home.name for home in self._homes.all if home.repository == repository), repository)

    def _is_image(self, part: Part) -> bool:
        """Whether a repository without a registry is an image's: by its key, or the keys around it."""
        return self._placed.is_of_image(part) or bool(part.key != "name" and in_image_key([part.key]))


def _is_repository(part: Part) -> bool:
    """Whether a key is a repository's; without a registry beside them, others have whole names."""
    return part.key.lower().endswith(("repository", "repo"))


def _stands_alone(name: str, text: str) -> bool:
    """Whether a name is in a text, alone or behind the host of Docker Hub, and no part of a longer one."""
    place = text.find(name)
    while place >= 0:
        before, after = text[max(0, place - _LONGEST_HOST) : place], text[place + len(name) : place + len(name) + 1]
        apart = not before or before.endswith(_HUB) or not (before[-1].isalnum() or before[-1] in "_/.-")
        if apart and not (after.isalnum() or (after and after in "_/-")):
            return True
        place = text.find(name, place + 1)
    return False


def _in_parts(finding: Finding) -> Finding:
    """The replacement as registry and repository, the form that the text uses."""
    if not finding.replacement:
        return finding
    name, _, tag = finding.replacement.partition(":")
    host, _, repository = name.partition("/")
    written = f"registry {host}, repository {repository}" + (f", tag {tag}" if tag else "")
    return replace(finding, replacement=written)
