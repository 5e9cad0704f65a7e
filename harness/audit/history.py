# SPDX-License-Identifier: Apache-2.0
"""charts/history.toml: where the operator's images and its chart were before release 2.0."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pydantic import Field

from harness.matrix.rows import Model
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

FILE = PROJECT_ROOT / "charts" / "history.toml"

State = Literal["kept", "lost", "unknown"]

_LINK = r"^https://[^\s/]+/\S+$"
_DAY = r"^(|\d{4}-\d\d-\d\d)$"


class FormerHome(Model):
    """A `[[home]]`: where images were before release 2.0."""

    name: str = Field(pattern=r"^[a-z0-9.-]+\.[a-z]+/[a-z0-9/-]+$")
    role: Literal["operator", "spark"]
    begun: str = Field(default="", alias="from", pattern=_DAY)
    until: str = Field(pattern=_DAY)
    tags: str
    state: State
    source: str = Field(pattern=_LINK)

    @property
    def registry(self) -> str:
        """The host."""
        return self.name.partition("/")[0]

    @property
    def repository(self) -> str:
        """The name without the host."""
        return self.name.partition("/")[2]

    def had(self, tag: str) -> bool:
        """Whether a tag was published there."""
        return bool(re.fullmatch(self.tags, tag))


class FormerHelm(Model):
    """A `[[helm]]`: an address of charts that answers no more."""

    address: str
    until: str = Field(pattern=_DAY)
    source: str = Field(pattern=_LINK)


class FormerCharts(Model):
    """A `[[chart]]`: versions of the chart that are no tags of the image, and the home that these charts ask."""

    versions: str
    tags: str
    home: str
    source: str = Field(pattern=_LINK)

    def has(self, version: str) -> bool:
        """Whether a version is one of these charts."""
        return bool(re.fullmatch(self.versions, version))


@dataclass(frozen=True)
class History:
    """All rows."""

    homes: tuple[FormerHome, ...] = ()
    helm: tuple[FormerHelm, ...] = ()
    charts: tuple[FormerCharts, ...] = ()

    @cached_property
    def names(self) -> dict[str, FormerHome]:
        """Each home by its name."""
        return {home.name: home for home in self.homes}

    def chart(self, version: str) -> FormerCharts | None:
        """The charts of which a version is one; None for any other version."""
        return next((it for it in self.charts if it.has(version)), None)


def read(source: TomlSource | None = None) -> History:
    """The rows of the file. Raises CatalogueError with file, line and key."""
    source = source or TomlSource.read(FILE)
    source.require_only("home", "helm", "chart")
    homes = source.rows("home", FormerHome)
    source.require_unique("home", "name", (it.name for it in homes))
    return History(homes, source.rows("helm", FormerHelm), source.rows("chart", FormerCharts))
