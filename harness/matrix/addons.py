# SPDX-License-Identifier: Apache-2.0
"""clusters/addons.toml: what can be in a cluster before the operator, as rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from harness.matrix.model import Known
from harness.matrix.names import unknown
from harness.matrix.rows import Model
from harness.toml_source import TomlSource


class StandIn(Model):
    """What runs in the place of an add-on whose images cannot be had: a program of a Go tool module, `module`.

    `image` is the name that it gets in the run's own registry, `about` says in reports what it is.
    """

    module: str
    image: str
    about: str


class Program(Model):
    """The add-on itself, as the foundry builds it: a program of a Go tool module, `module`, at `path` in its image."""

    module: str
    path: str = Field(pattern=r"^/[\w/-]+$")


class Addon(Model):
    """`[[addon]]`: manifests from a Go module or of this project, labels for namespaces, or several of these.

    `for_values` are switches of the operator's chart that need it. `module`, `version` and `sum` are a Go module with
    its checksum, `manifests` globs in it. `chart` is a Helm chart in it that runs the add-on itself, in `namespace`,
    with `chart_values`, from `images`; of these the foundry builds the first from `program`. Where they cannot be had,
    `stand_in` runs instead. `labels` are for the namespaces of the operator and of applications. `files` are manifests
    of this project in clusters/addons/; where they decide about pods of these namespaces, `mark` is the label that each
    pod gets of them. `known` is what breaks with it.
    """

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    about: str = Field(min_length=1)
    for_values: tuple[str, ...] = ()
    module: str = ""
    version: str = ""
    sum: str = Field(default="", pattern=r"^(h1:[A-Za-z0-9+/]{43}=)?$")
    manifests: tuple[str, ...] = ()
    chart: str = ""
    chart_values: dict[str, Any] = Field(default_factory=dict)
    namespace: str = ""
    images: tuple[str, ...] = ()
    program: Program | None = None
    stand_in: StandIn | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    files: tuple[str, ...] = ()
    mark: str = ""
    known: tuple[Known, ...] = ()


def read_addons(source: TomlSource) -> tuple[Addon, ...]:
    """The rows of a file. Raises CatalogueError with file, line and key."""
    source.require_only("addon")
    rows = source.rows("addon", Addon)
    source.require_unique("addon", "name", (row.name for row in rows))
    for number, row in enumerate(rows):
        for key, why in _problems(row):
            raise source.error("addon", number, key, why)
    return rows


def named(addons: Iterable[Addon], name: str) -> Addon:
    """The add-on of that name. Raises UsageError with suggestions."""
    known = list(addons)
    found = next((it for it in known if it.name == name), None)
    if found is None:
        raise unknown("add-on", name, (it.name for it in known))
    return found


def _problems(row: Addon) -> list[tuple[str, str]]:
    problems = []
    if bool(row.module) != bool(row.version and row.sum):
        problems.append(("module", "module, version and sum must be given together"))
    if (row.manifests or row.chart) and not row.module:
        problems.append(("module", "manifests and chart are files of a module"))
    if row.chart and not (row.images and row.namespace and (row.stand_in or row.program)):
        problems.append(("chart", "a chart needs images, a namespace, and a stand_in or a program"))
    if not (row.manifests or row.chart or row.labels or row.files):
        problems.append(("manifests", "give manifests, a chart, files, or labels"))
    if row.mark and not (row.files and row.labels):
        problems.append(("mark", "what marks pods is in files, and decides about namespaces by their labels"))
    return problems
