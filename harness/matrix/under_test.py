# SPDX-License-Identifier: Apache-2.0
"""The operator under test among the releases of the catalogue: its paths, and what a run of it is by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from harness.errors import UsageError
from harness.matrix import path_names, possible
from harness.matrix.catalogue import Catalogue
from harness.matrix.model import Cell, Path, Scenario
from harness.matrix.names import covers
from harness.matrix.release import Release
from harness.matrix.select import Selection
from harness.matrix.versions import order

_OF_REGISTRIES = "registry-"


def with_release(catalogue: Catalogue, release: Release) -> Catalogue:
    """The catalogue with the operator under test, and with its paths from and back to each older release."""
    paths = {it.name: it for it in _paths(catalogue, release)}
    return replace(
        catalogue,
        releases=(*catalogue.releases, release),
        upgrades=replace(catalogue.upgrades, paths={**catalogue.upgrades.paths, **paths}),
    )


def by_itself(
    catalogue: Catalogue, selection: Selection, release: Release, scenarios: Mapping[str, Scenario]
) -> Selection:
    """The selection where it says nothing of paths: the install, and the upgrade from the newest release there is.

    Of the two it is the one that the selected scenarios run on, where they run on one alone.
    """
    if selection.cells or selection.paths or selection.tags:
        return selection
    newest = _older(catalogue, release)[-1]
    upgrade = path_names.name_of("upgrade", (newest.name, release.name), "apply", "default")
    asked = [it for name, it in scenarios.items() if covers(selection.scenarios, name)]
    kinds = {"install": f"install-{release.name}", "upgrade": upgrade}
    paths = [path for kind, path in kinds.items() if any(kind in it.needs.paths for it in asked)]
    return replace(selection, paths=tuple(paths or kinds.values()))


def require_use(cells: Iterable[Cell], release: Release) -> None:
    """Raise UsageError when no selected cell installs the operator under test, and for one that cannot.

    Registries that behave like the public ones have images by their public names alone.
    """
    mine = [cell for cell in cells if release.name in cell.path.releases]
    for cell in mine:
        if cell.scenario.name.startswith(_OF_REGISTRIES):
            raise UsageError(
                f"the scenario {cell.scenario.name} plays the public registries, which do not have {release.name}",
                "run it with a release that upstream has published",
            )
    if not mine:
        raise UsageError(
            f"--operator is given, but no selected path has {release.name}",
            f"select one: --path install-{release.name}, or leave out --path, --cell and --tag",
        )


def published(catalogue: Catalogue, names: Iterable[str]) -> list[str]:
    """Of the names of releases those without the operator under test; the newest release's where it is the only one.

    That is for what is made beside it, and knows nothing of it.
    """
    found = [name for name in names if not catalogue.release(name).under_test]
    return found or [max((it for it in catalogue.releases if not it.under_test), key=lambda it: order(it.version)).name]


def published_paths(catalogue: Catalogue, path: Path) -> list[str]:
    """The names of paths that need the same of the published releases as this one does."""
    names = published(catalogue, path.releases)
    return [path.name] if tuple(names) == path.releases else [f"install-{name}" for name in names]


def _paths(catalogue: Catalogue, release: Release) -> Iterator[Path]:
    for older in _older(catalogue, release):
        for crds in path_names.CRD_MODES:
            for kind in ("upgrade", "rollback"):
                if not possible.why_not(kind, (older, release), crds):
                    yield catalogue.upgrades.path(kind, (older.name, release.name), crds, "default")


def _older(catalogue: Catalogue, release: Release) -> list[Release]:
    """The releases that it can follow, oldest first."""
    older = (it for it in catalogue.releases if order(it.version) < order(release.version))
    return sorted(older, key=lambda it: order(it.version))
