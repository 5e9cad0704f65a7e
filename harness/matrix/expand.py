# SPDX-License-Identifier: Apache-2.0
"""Paths by their names, and the catalogues multiplied into cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from harness.errors import UsageError
from harness.matrix.catalogue import Catalogue
from harness.matrix.model import Cell, Environment, Path, Release, Scenario
from harness.matrix.names import unknown

_RELEASE = r"\d+\.\d+\.\d+(?:@[\w.:-]+?)?"
_NAME = re.compile(
    rf"(?P<kind>install|upgrade|rollback)-(?P<first>{_RELEASE})(?:-(?P<second>{_RELEASE}))?(?:\+crds=(?P<crds>[\w-]+))?"
)


def install_path(release: Release) -> Path:
    """The path that puts this release on an empty cluster."""
    return Path(name=f"install-{release.version}", kind="install", releases=(release.version,))


def paths(catalogue: Catalogue) -> dict[str, Path]:
    """Every path that has a row, by name, in the order of the releases."""
    return {path.name: path for path in map(install_path, catalogue.releases)}


def find_path(catalogue: Catalogue, name: str) -> Path:
    """The path of that name.

    Raises UsageError: for a name that is no path, with what was probably meant; for one that is a path but has no row
    (upgrades, rollbacks, relocated releases, CRD modes), with what can be run instead.
    """
    known = paths(catalogue)
    if name in known:
        return known[name]
    parsed = _NAME.fullmatch(name)
    if not parsed:
        raise unknown("path", name, known)
    named = [part for part in (parsed["first"], parsed["second"]) if part]
    for release in named:
        catalogue.release(release.split("@")[0])
    raise UsageError(f"path {name}: {_no_row(parsed, named)}", f"the paths are: {', '.join(known)}")


def _no_row(parsed: re.Match[str], named: list[str]) -> str:
    kind = parsed["kind"]
    if kind == "install" and len(named) == 2:
        return "an install has one release"
    if kind != "install" and len(named) == 1:
        return f"a path of this kind has two releases, {kind}-A-B"
    if kind != "install" and named[0] == named[1]:
        return f"it would compare {named[0]} with itself"
    if kind != "install":
        return f"there are no rows for {kind} paths yet (charts/upgrades.toml does not exist)"
    if parsed["crds"]:
        return f"there are no rows for CRD modes yet (+crds={parsed['crds']})"
    return "there are no rows for releases relocated to another registry yet"


def cell(environment: Environment, path: Path, scenario: Scenario) -> Cell:
    """One cell; it carries the tags of its environment and of its scenario."""
    tags = tuple(dict.fromkeys((*environment.tags, *scenario.tags)))
    return Cell(environment=environment, path=path, scenario=scenario, tags=tags)


def cells(
    environments: Iterable[Environment], path_list: Iterable[Path], scenarios: Mapping[str, Scenario]
) -> list[Cell]:
    """Environments × paths × scenarios: cells that share a cluster are neighbours."""
    all_paths = list(path_list)
    return [
        cell(environment, path, scenario)
        for environment in environments
        for path in all_paths
        for scenario in scenarios.values()
        if path.kind in scenario.kinds
    ]


def groups(chosen: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Cells by the cluster and installed release that they share, in their order; one that is `alone` has its own."""
    found: dict[str, list[Cell]] = {}
    for each in chosen:
        found.setdefault(each.cluster, []).append(each)
    return found
