# SPDX-License-Identifier: Apache-2.0
"""Where the operator's images are published, by charts/releases.toml and charts/history.toml, and what is wrong with
other names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from harness.audit import history
from harness.audit.findings import Finding, Severity
from harness.audit.history import FormerHome, History
from harness.errors import UsageError
from harness.images.references import DOCKER_HUB, HUB_CACHES, HUB_SERVERS, ImageReference, is_tagged, names_host
from harness.matrix.release import Release
from harness.releases.charts import CHART_NAME

Role = Literal["operator", "hook"]

_VERSION = re.compile(r"(v?)(\d+)\.(\d+)\.(\d+)(?:[-.]\w.*)?")
_WHOLE = re.compile(r"\d+(?:\.\d+){0,2}")
_ALLOWED = re.compile(r"(?P<mark>[~^=]?)v?(?P<parts>\d+(?:\.(?:\d+|[xX*])){0,2})")
"""Which versions of a chart Helm may take: `2.4.x`, `~2.1.0`, `^2.1`."""
_PESSIMISTIC = re.compile(r"~>[ ]?")
"""How Terraform and others write `~`."""
_BOUND = re.compile(r"([<>]=?|=[<>])[ ]?v?(\d+(?:\.\d+){0,2})")
"""One end of them: `>=2.0.0 <2.2.0`."""
_BETWEEN = re.compile(r"v?(\d[\w.]*)[ ]-[ ]v?(\d[\w.]*)")
"""`1.1.0 - 1.4.6`, with both of them."""
_AT_REGISTRY = re.compile(r"\w[\w-]*(?:\.[\w-]+)+(?::\d+)?/")
"""An address of a registry without its scheme, as Argo CD and helmfile take it."""
_API = re.compile(r"v1(?:alpha|beta)\d-.*")
"""Tags of images before release 2.0: the version of the API, of the operator, and of Spark."""
_MOVING = ("", "latest")


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
    """Every home of every image of the operator; the last one of a role gets new releases.

    `history` has the homes before release 2.0; without it, those of charts/history.toml.
    """

    def __init__(self, releases: Iterable[Release], past: History | None = None) -> None:
        found: dict[tuple[Role, str, str], list[str]] = {}
        charts: dict[str, None] = {}
        rows = [it for it in releases if not it.relocated]
        for release in rows:
            charts |= dict.fromkeys(it for it in (release.chart_repository, release.chart_oci) if it)
            found.setdefault(("operator", release.registry, release.repository), []).append(release.version)
            if release.hook_repository:
                key: tuple[Role, str, str] = ("hook", release.hook_registry, release.hook_repository)
                found.setdefault(key, []).append(release.version)
        self.all = tuple(
            Home(role=role, registry=registry, repository=repository, versions=tuple(versions))
            for (role, registry, repository), versions in found.items()
        )
        self.history = history.read() if past is None else past
        self.registries = frozenset(home.registry for home in self.all)
        self.repositories = frozenset(home.repository for home in self.all)
        self.charts = tuple(charts)
        self.oci_charts = frozenset(it.version for it in rows if it.chart_oci)
        """The versions of the chart that upstream published as OCI artefacts."""
        self.chart_addresses = frozenset(it.split("://", 1)[-1] for it in charts)
        self.tails = frozenset(it[at:] for it in self.repositories for at in (0, it.find("/") + 1))
        """The repositories, and what is left of them behind a registry with an owner: `spark-operator/controller`."""
        self._names = {home.name: home for home in self.all}

    def current(self, role: Role) -> Home:
        """The home of new releases."""
        return [home for home in self.all if home.role == role][-1]

    def of(self, role: Role, tag: str) -> Home:
        """The home of a version; for an unknown version, that of the nearest older known one."""
        mine = [home for home in self.all if home.role == role]
        known = sorted((_numbers(version), home) for home in mine for version in home.versions)
        older = [home for numbers, home in known if numbers <= _numbers(tag)]
        return older[-1] if older else known[0][1]

    def published(self, role: Role, tag: str) -> str:
        """The image of a version, `name:tag`, where upstream published it; empty for one that it did not."""
        home = next((it for it in self.all if it.role == role and tag in it.versions), None)
        return f"{home}:{tag}" if home else ""

    def newest(self, written: str) -> str:
        """The newest release that a version of the chart allows, which is the one that Helm takes (Masterminds/semver,
        Checking Version Constraints); a version that is one, and one that no release meets, as they are.
        """
        every = (self._allowed(it.strip()) for it in written.split("||"))
        return max((max(known, key=_numbers, default=least) for known, least in every), key=_numbers)

    def allowed(self, written: str) -> list[str]:
        """The releases, oldest first, that a range of versions allows; none for a single version, and other words."""
        found = (known for it in written.split("||") for known in self._allowed(it.strip())[0])
        return sorted(set(found), key=_numbers)

    def _allowed(self, written: str) -> tuple[list[str], str]:
        """The releases that a range allows, and the least that it asks for; none for a single version, and itself."""
        known = [it for home in self.all if home.role == "operator" for it in home.versions]
        written = _PESSIMISTIC.sub("~", written)
        bounds = _BOUND.findall(_BETWEEN.sub(r">=\1 <=\2", written))
        if bounds:
            return [it for it in known if all(_meets(it, *bound) for bound in bounds)], _least(*bounds[0])
        found = _ALLOWED.fullmatch(written)
        parts = [it for it in found["parts"].split(".") if it.isdigit()] if found else []
        if not found or (len(parts) == 3 and found["mark"] in ("", "=")):
            return [], written.lstrip("v~^=")
        fixed = 1 if found["mark"] == "^" else min(len(parts), 2)
        least = _padded(".".join(parts))
        return [it for it in known if it.split(".")[:fixed] == parts[:fixed] and _meets(it, ">=", least)], least

    def may_have_chart(self, address: str) -> bool:
        """Whether upstream's chart may be at an address; an alias of a repository may stand for any."""
        if "://" not in address and not _AT_REGISTRY.match(address):
            return True
        known = [*(it.address for it in self.history.helm), *self.chart_addresses]
        plain = address.split("://", 1)[-1].rstrip("/")
        return any(plain == it or plain == it.rpartition("/")[0] for it in known)

    def owns_images(self, address: str) -> bool:
        """Whether the chart's name behind an address at `oci://` makes that of an image: `oci://docker.io/kubeflow`."""
        scheme, found, owner = address.rstrip("/").partition("oci://")
        host, _, rest = owner.partition("/")
        host = DOCKER_HUB if host in HUB_SERVERS else host
        begin = f"{host}/{rest}/{CHART_NAME}"
        return (
            bool(found) and not scheme and any(it.name == begin or it.name.startswith(f"{begin}/") for it in self.all)
        )

    def judge(self, image: ImageReference, *, tagged: bool = True) -> Finding | None:
        """What is wrong with the place that a name points to; None for images other than the operator's.

        `tagged` is false if the text had no tag; `latest` is then only the engine's default. A replacement is
        something that upstream published, and a digest is never replaced: that of another name is not known here.
        """
        found = self._judge(image, tagged=tagged)
        if found is None or not image.digest or not found.same or not found.replacement:
            return found
        message = f"{found.message}; the digest of {found.replacement} is that registry's to tell"
        return replace(found, message=message, replacement="")

    def judge_malformed(self, text: str) -> Finding | None:
        """What is wrong with text that is no reference since a chart put its registry before a host with a port."""
        registry, _, rest = text.partition("/")
        # Capital letters alone make no host of a path that somebody misspelt.
        if registry not in self.registries or not any(it in rest.partition("/")[0] for it in ".:"):
            return None
        try:
            inner = ImageReference.parse(rest)
        except UsageError:
            return None
        return self._inside(text, inner, tagged=is_tagged(rest))

    def _judge(self, image: ImageReference, *, tagged: bool) -> Finding | None:
        if image.registry in HUB_CACHES:
            return self._in_cache(image) if _VERSION.fullmatch(image.tag) else None
        if names_host(image.repository) and image.registry in self.registries:
            return self._host_inside(image, tagged=tagged)
        home = self._names.get(image.name)
        former = self.history.names.get(image.name)
        if former is not None and (home is None or _API.fullmatch(image.tag)):
            if home is None and not _API.fullmatch(image.tag) and image.repository in self.repositories:
                return self._mixed_up(image, tagged=tagged)
            return self._before(image, former, tagged=tagged)
        if home is None:
            return self._mixed_up(image, tagged=tagged) or self._unknown_package(image, tagged=tagged)
        version = _VERSION.fullmatch(image.tag)
        if version and version[1]:
            return self._with_v(image, home)
        if tagged and _WHOLE.fullmatch(image.tag) and not self.published(home.role, image.tag):
            told = self._never(image, home)
            if told:
                return told
        current = self.current(home.role)
        if home is not current:
            return self._left_behind(image, home, current, tagged=tagged)
        if version and _numbers(image.tag) < _numbers(home.versions[0]):
            right = self.published(home.role, image.tag)
            message = f"the first version in {home} is {home.versions[0]}: {image.tag} exists only in {right}"
            return Finding(rule="not-published", message=message, replacement=right)
        return None

    def _in_cache(self, image: ImageReference) -> Finding | None:
        """What is wrong with a version behind a cache of Docker Hub; nothing if Docker Hub has it."""
        found = self._judge(replace(image, registry=DOCKER_HUB), tagged=True)
        if found is None or found.severity is not Severity.ERROR:
            return None
        return replace(found, message=f"{image.registry} is a cache of Docker Hub: {found.message}")

    def _with_v(self, image: ImageReference, home: Home) -> Finding:
        right = self.of(home.role, image.tag[1:])
        return Finding(
            rule="tag-with-v",
            message=f"{right} has no tag {image.tag}: its tags are versions without v",
            replacement=self.published(home.role, image.tag[1:]),
        )

    def _never(self, image: ImageReference, home: Home) -> Finding | None:
        """What is wrong with a version that upstream never published; None for one newer than all that are known."""
        newest = self.current(home.role).versions[-1]
        if _VERSION.fullmatch(image.tag) and _numbers(image.tag) > _numbers(newest):
            return None
        charts = self.history.chart(image.tag)
        if charts:
            message = f"{image.tag} is a version of the chart: the images of these charts have tags like {charts.tags}"
            return Finding(rule="not-published", message=message)
        if not _VERSION.fullmatch(image.tag):
            message = f"{image.tag} is not a tag of {home}: its tags are whole versions, like {newest}"
            return Finding(rule="not-published", message=message)
        if _numbers(image.tag) < _numbers(home.versions[0]):
            message = f"the first version in {home} is {home.versions[0]}: there is no earlier release"
            return Finding(rule="not-published", message=message, replacement=f"{home}:{home.versions[0]}", same=False)
        message = f"upstream never published {image.tag} of {home}"
        return Finding(rule="not-published", message=message)

    def _before(self, image: ImageReference, former: FormerHome, *, tagged: bool) -> Finding | None:
        """What is wrong with a name from before release 2.0, by the rows of charts/history.toml."""
        newest = self.published("operator", self.current("operator").versions[-1]) if former.role == "operator" else ""
        if tagged and image.tag not in _MOVING and not former.had(image.tag):
            if not _API.fullmatch(image.tag):
                # Whoever has a tag of their own there has built it.
                return None
            elsewhere = next((it for it in self.history.homes if it.state == "kept" and it.had(image.tag)), None)
            message = f"upstream never published {image.tag} of {former.name} ({former.source})"
            right = f"{elsewhere.name}:{image.tag}" if elsewhere else ""
            return Finding(rule="not-published", message=message, replacement=right)
        if former.state == "kept":
            current = self.current("operator")
            message = (
                f"{image.tag} exists only in {former.name}; releases from {current.versions[0]} on are in {current}"
            )
            return Finding(rule="old-release", message=message, replacement=newest, same=False)
        lost = {"lost": "its images cannot be pulled any more", "unknown": "nobody says that its images can be pulled"}
        message = f"upstream left {former.name} on {former.until}, and {lost[former.state]} ({former.source})"
        return Finding(rule="stale-registry", message=message, replacement=newest, same=False)

    def _left_behind(self, image: ImageReference, home: Home, current: Home, *, tagged: bool) -> Finding | None:
        version = _VERSION.fullmatch(image.tag)
        last = home.versions[-1]
        if version and _numbers(image.tag) > _numbers(last):
            right = self.of(home.role, image.tag)
            return Finding(
                rule="stale-registry",
                message=f"the last version in {home} is {last}; {image.tag} is in {right}",
                replacement=self.published(home.role, image.tag),
            )
        newest = f"{current}:{current.versions[-1]}"
        if version:
            return Finding(
                rule="old-release",
                message=f"{image.tag} exists only in {home}, whose last version is {last}; "
                f"releases from {current.versions[0]} on are in {current}",
                replacement=newest,
                same=False,
            )
        if image.tag not in _MOVING:
            # Whoever has a tag of their own has built it.
            return None
        return Finding(
            rule="stale-registry",
            message=f"the last version in {home} is {last}; releases from {current.versions[0]} on are in {current}",
            replacement=newest if image.tag and tagged else current.name,
        )

    def _mixed_up(self, image: ImageReference, *, tagged: bool) -> Finding | None:
        elsewhere = [home for home in self.all if home.repository == image.repository]
        if image.registry not in self.registries or not elsewhere:
            return None
        role = elsewhere[0].role
        version = _VERSION.fullmatch(image.tag)
        tag = image.tag.removeprefix("v") if version else image.tag
        if tagged and tag not in _MOVING and not version:
            # A tag of one's own, or one that no home has.
            return None
        others = ", ".join(dict.fromkeys(home.registry for home in elsewhere))
        return Finding(
            rule="mixed-up-host",
            message=f"{image.repository} is a repository of {others}, not of {image.registry}",
            replacement=self._named(role, tag, tagged=tagged),
        )

    def _unknown_package(self, image: ImageReference, *, tagged: bool) -> Finding | None:
        """A package below upstream's own that upstream does not have."""
        beside = {home.repository.rpartition("/")[0] for home in self.all if home.repository.count("/") > 1}
        registry = self.current("operator").registry
        if image.registry != registry or image.repository.rpartition("/")[0] not in beside:
            return None
        packages = " and ".join(it.name for it in self.all if it.registry == registry)
        return Finding(
            rule="not-published",
            message=f"upstream has no package {image.name}: its images are {packages}",
            replacement=self._named("operator", image.tag.removeprefix("v"), tagged=tagged),
        )

    def _host_inside(self, image: ImageReference, *, tagged: bool) -> Finding:
        """A host within the repository: the chart writes its registry before it."""
        host, _, rest = image.repository.partition("/")
        inner = ImageReference(registry=host, repository=rest, tag=image.tag, digest=image.digest)
        return self._inside(image.canonical if tagged else image.name, inner, tagged=tagged)

    def _inside(self, asked: str, inner: ImageReference, *, tagged: bool) -> Finding:
        right = self._judge(inner, tagged=tagged)
        written = right.replacement if right else inner.canonical if tagged else inner.name
        return Finding(
            rule="host-in-repository",
            message=f"the host belongs in the registry: the chart asks for {asked}",
            replacement=written,
            same=right is None or right.same,
        )

    def _named(self, role: Role, tag: str, *, tagged: bool) -> str:
        """The right name of an image; empty if upstream never published its version."""
        if tagged and tag not in _MOVING:
            return self.published(role, tag)
        return self.current(role).name if not tagged or not tag else f"{self.current(role)}:{tag}"


def _padded(version: str) -> str:
    """A version with the numbers that are missing."""
    return ".".join((*version.split("."), "0", "0")[:3])


def _least(mark: str, bound: str) -> str:
    """The least version on the right side of a bound, as far as its numbers go: 3.0.0 of `>2`."""
    *first, last = bound.split(".")
    return _padded(".".join([*first, str(int(last) + 1)]) if mark == ">" else bound)


def _meets(version: str, mark: str, bound: str) -> bool:
    """Whether a version is on the right side of a bound, of which numbers may be missing."""
    one, two = list(_numbers(version)), list(_numbers(_padded(bound)))
    if ("=" in mark) != (">" in mark):
        # All of `2.1` is `<=2.1`, and none of it `>2.1` (Masterminds/semver, constraints.go).
        given = bound.count(".") + 1
        one, two = one[:given], two[:given]
    return (one == two and "=" in mark) or (one > two if ">" in mark else one < two)


def _numbers(version: str) -> tuple[int, int, int]:
    found = _VERSION.fullmatch(version)
    return (int(found[2]), int(found[3]), int(found[4])) if found else (0, 0, 0)
