# SPDX-License-Identifier: Apache-2.0
"""Finds addresses in text that are no names of images: pages of Docker Hub, dead Helm repositories, OCI charts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from harness.audit.chart_pin import ChartPin
from harness.audit.findings import Finding, Severity
from harness.audit.homes import Homes
from harness.images.references import DOCKER_HUB, ImageReference
from harness.releases.charts import CHART_NAME

_LOGIN = r"auth\.docker\.io/token\?[^\s\"']*scope=repository:"
_NAMESPACE = r"hub\.docker\.com/v2/namespaces/(?P<owner>[\w-]+)/repositories/(?P<repository>[\w-]+)"
_PAGES = (
    r"hub\.docker\.com/(?:r|layers|repository/docker|v2/repositories)|registry\.hub\.docker\.com/v[12]/repositories"
    r"|img\.shields\.io/docker/[a-z-]+(?:/[a-z-]+)?|(?:registry-1|index)\.docker\.io/v[12](?:/repositories)?"
)


@dataclass(frozen=True, kw_only=True)
class Address:
    """A stale address between two offsets. `fixable` says that the replacement takes its place as it is."""

    start: int
    end: int
    finding: Finding
    fixable: bool = False


class Addresses:
    """Finds them by the rows of releases and of their history."""

    def __init__(self, homes: Homes) -> None:
        self._homes = homes
        names = "|".join(sorted(map(re.escape, homes.repositories), key=len, reverse=True))
        self._pages = re.compile(
            rf"https?://(?:(?:(?:{_PAGES})/|{_LOGIN})(?P<name>{names})|{_NAMESPACE})(?P<more>(?:/[\w.-]*)*)(?![\w-])"
        )
        self._purl = re.compile(rf"pkg:docker/(?P<name>{names})@(?P<tag>v?\d+\.\d+[\w.-]*)(?!\?\S*\brepository_url=)")
        helm = "|".join(re.escape(it.address) for it in homes.history.helm) or "(?!)"
        self._helm = re.compile(rf"(?P<scheme>https?://)?(?<![\w.-])(?P<address>{helm})(?P<more>(?:/[\w.-]*)*)", re.I)

    def among(self, text: str) -> Iterator[Address]:
        """Every stale address in a text, but for images at `oci://`, which `chart` judges."""
        for match in self._pages.finditer(text) if "docker" in text else ():
            name = match["name"] or f"{match['owner']}/{match['repository']}"
            found = self._homes.judge(ImageReference(registry=DOCKER_HUB, repository=name), tagged=False)
            if found:
                page = package_page(found.replacement)
                told = Finding(rule=found.rule, message=found.message, replacement=page)
                plain = "//hub.docker.com/r/" in match[0] and match["more"].strip("/") in ("", "tags", "general")
                yield Address(start=match.start(), end=match.end(), finding=told, fixable=plain)
        yield from self._packages(text)
        rows = {it.address.lower(): it for it in self._homes.history.helm}
        for match in self._helm.finditer(text) if self._may_have_helm(text) else ():
            row = rows[match["address"].lower()]
            told = Finding(
                rule="chart-repository-gone",
                message=f"{row.address} answers no more since {row.until} ({row.source})",
                replacement=next(iter(self._homes.charts), ""),
            )
            whole = bool(match["scheme"]) and match["more"] in ("", "/") and bool(told.replacement)
            yield Address(start=match.start(), end=match.end(), finding=told, fixable=whole)

    def _packages(self, text: str) -> Iterator[Address]:
        """Package URLs of Docker Hub with versions that it does not have (package-url, types/docker)."""
        for match in self._purl.finditer(text) if "pkg:docker/" in text else ():
            found = self._homes.judge(ImageReference(registry=DOCKER_HUB, repository=match["name"], tag=match["tag"]))
            if found and found.severity is Severity.ERROR:
                host, _, rest = found.replacement.partition("/")
                name, _, tag = rest.partition(":")
                right = f"pkg:docker/{name}@{tag}?repository_url={host}" if tag else ""
                yield Address(start=match.start(), end=match.end(), finding=replace(found, replacement=right))

    def _may_have_helm(self, text: str) -> bool:
        """Cheaper than the expression."""
        return any(it.address.rpartition("/")[2] in text for it in self._homes.history.helm)

    def of_images(self, text: str, pins: Iterable[ChartPin]) -> Iterator[Address]:
        """Every address that makes an image's with the name of the chart it is of: `oci://docker.io/kubeflow`."""
        for pin in pins:
            owner = pin.address.removeprefix("oci://").rstrip("/")
            written = re.compile(rf"(?:oci://|(?<![\w./-])){re.escape(owner)}(?!/?[\w.-])")
            beside = written.search(text, pin.start, pin.end) if self._homes.owns_images(pin.address) else None
            found = beside or (written.search(text) if self._homes.owns_images(pin.address) else None)
            if found is None:
                continue
            told = self._no_chart(f"{owner}/{CHART_NAME}")
            right = told.replacement.removesuffix(f"/{CHART_NAME}").removeprefix("" if "://" in found[0] else "oci://")
            is_there = pin.version in self._homes.oci_charts
            told = replace(told, replacement=right if is_there else self._homes.charts[0])
            # Another chart may be of the same address, where that has a name.
            yield Address(start=found.start(), end=found.end(), finding=told, fixable=is_there and beside is not None)

    def chart(self, name: str) -> Finding | None:
        """What is wrong with an image's name at `oci://`, where a chart's address belongs; None for other names."""
        registry, _, repository = name.partition("/")
        known = registry in self._homes.registries and any(
            repository == it or repository.startswith(f"{it}/") for it in self._homes.repositories
        )
        return self._no_chart(name) if known else None

    def _no_chart(self, name: str) -> Finding:
        right = next((it for it in reversed(self._homes.charts) if it.startswith("oci://")), "")
        return Finding(
            rule="chart-address",
            message=f"oci://{name} is the address of an image, not of the chart",
            replacement=right,
        )


def package_page(reference: str) -> str:
    """The web page of a package on GHCR (docs.github.com, packages of an organisation's repository)."""
    host, _, path = reference.partition(":")[0].partition("/")
    owner, _, rest = path.partition("/")
    repository = rest.partition("/")[0]
    if host != "ghcr.io" or not rest:
        return reference
    return f"https://github.com/{owner}/{repository}/pkgs/container/{rest.replace('/', '%2F')}"
