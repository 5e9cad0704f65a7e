# SPDX-License-Identifier: Apache-2.0
"""From what the command line says to the cells that run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import CatalogueError, UsageError
from harness.matrix import expand
from harness.matrix.catalogue import Catalogue, Choice
from harness.matrix.model import Cell, Scenario
from harness.matrix.names import is_glob, matching, unknown


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What was asked for. Names and globs in `environments`, `paths`, `scenarios`; exact ids in `cells`.

    A cell stays when it has at least one of the `tags`.
    """

    cells: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def is_default(self) -> bool:
        """Whether nothing at all was asked for."""
        return not (self.cells or self.environments or self.paths or self.scenarios or self.tags)


def select(catalogue: Catalogue, selection: Selection, scenarios: Mapping[str, Scenario]) -> list[Cell]:
    """The cells of a selection: each once, grouped by environment and path, always in the same order.

    Raises UsageError for unknown names, globs that match nothing, and options that contradict each other.
    """
    if selection.is_default:
        chosen = _default(catalogue, scenarios)
    elif selection.cells:
        chosen = _exact(catalogue, selection, scenarios)
    else:
        chosen = _product(catalogue, _complete(catalogue, selection), scenarios)
    return _sorted(catalogue, _tagged(chosen, selection.tags), scenarios)


def all_cells(catalogue: Catalogue, scenarios: Mapping[str, Scenario]) -> list[Cell]:
    """Every cell that there is."""
    return expand.cells(catalogue.environments, expand.paths(catalogue).values(), scenarios)


def unavailable_reason(catalogue: Catalogue, cell: Cell, source: str) -> str:
    """Why this cell cannot run from this source, as the catalogues have it; empty when nothing speaks against it.

    `source` is `upstream`, `mirror` (which offers what upstream offers) or `foundry`.
    """
    offer = "foundry" if source == "foundry" else "upstream"
    environment = cell.environment
    if offer == "foundry" and not environment.foundry:
        return f"the foundry cannot build a node image for {environment.name}"
    if offer == "upstream" and not environment.node_image and environment.provider != "existing":
        return f"upstream has no node image for {environment.name}"
    for version in cell.path.releases:
        release = catalogue.release(version)
        if offer not in release.sources:
            detail = f": {release.notes}" if release.notes else ""
            name = "the foundry does not build" if offer == "foundry" else "upstream does not publish"
            return f"{name} release {version}{detail}"
    return ""


def _default(catalogue: Catalogue, scenarios: Mapping[str, Scenario]) -> list[Cell]:
    try:
        return [cell for row in catalogue.defaults.default for cell in _product(catalogue, row, scenarios)]
    except CatalogueError:
        raise
    except UsageError as error:
        raise CatalogueError(
            f"clusters/default.toml names what does not exist: {error.message}", error.next_step
        ) from error


def _complete(catalogue: Catalogue, selection: Selection) -> Choice:
    fallback = catalogue.defaults.when_not_given
    return Choice(
        environments=selection.environments or fallback.environments,
        paths=selection.paths or fallback.paths,
        scenarios=selection.scenarios or fallback.scenarios,
    )


def _product(catalogue: Catalogue, choice: Choice, scenarios: Mapping[str, Scenario]) -> list[Cell]:
    environments = matching("environment", choice.environments, [it.name for it in catalogue.environments])
    names = matching("scenario", choice.scenarios, list(scenarios))
    return expand.cells(
        map(catalogue.environment, environments),
        [expand.find_path(catalogue, name) for name in _path_names(catalogue, choice.paths)],
        {name: scenarios[name] for name in names},
    )


def _path_names(catalogue: Catalogue, patterns: Sequence[str]) -> list[str]:
    # find_path knows more about a name that has no row than a list of names could say.
    for pattern in patterns:
        if not is_glob(pattern):
            expand.find_path(catalogue, pattern)
    return matching("path", patterns, list(expand.paths(catalogue)))


def _exact(catalogue: Catalogue, selection: Selection, scenarios: Mapping[str, Scenario]) -> list[Cell]:
    chosen = [_cell(catalogue, name, scenarios) for name in selection.cells]
    limits = (
        ("--env", selection.environments, [it.name for it in catalogue.environments], "environment"),
        ("--path", selection.paths, list(expand.paths(catalogue)), "path"),
        ("--scenario", selection.scenarios, list(scenarios), "scenario"),
    )
    for option, patterns, known, what in limits:
        if not patterns:
            continue
        allowed = _path_names(catalogue, patterns) if what == "path" else matching(what, patterns, known)
        for cell in chosen:
            if getattr(cell, what).name not in allowed:
                raise UsageError(
                    f"--cell {cell.id} contradicts {option} {' '.join(patterns)}",
                    f"--cell is exact and needs no other option: leave out {option}, or leave out --cell",
                )
    for cell in chosen:
        if selection.tags and not set(selection.tags) & set(cell.tags):
            raise UsageError(
                f"--cell {cell.id} contradicts --tag {' '.join(selection.tags)}",
                f"its tags are: {', '.join(cell.tags) or 'none'}; leave out --tag, or leave out --cell",
            )
    return chosen


def _cell(catalogue: Catalogue, name: str, scenarios: Mapping[str, Scenario]) -> Cell:
    if is_glob(name):
        raise UsageError(f"--cell {name!r} is exact and takes no globs", "use --env, --path and --scenario, which do")
    parts = name.split("/")
    if len(parts) != 3:
        error = unknown("cell", name, [cell.id for cell in all_cells(catalogue, scenarios)])
        raise UsageError(error.message, "an id is environment/path/scenario; `nox -s matrix` lists the cells")
    if parts[2] not in scenarios:
        raise unknown("scenario", parts[2], scenarios)
    return expand.cell(catalogue.environment(parts[0]), expand.find_path(catalogue, parts[1]), scenarios[parts[2]])


def _tagged(chosen: list[Cell], tags: Sequence[str]) -> list[Cell]:
    kept = [cell for cell in chosen if not tags or set(tags) & set(cell.tags)]
    if chosen and not kept:
        known = sorted({tag for cell in chosen for tag in cell.tags})
        raise UsageError(
            f"none of the {len(chosen)} chosen cells has the tag {' or '.join(tags)}",
            f"their tags are: {', '.join(known) or 'none'}; --env and --path widen the choice",
        )
    return kept


def _sorted(catalogue: Catalogue, chosen: Iterable[Cell], scenarios: Mapping[str, Scenario]) -> list[Cell]:
    environments = [environment.name for environment in catalogue.environments]
    path_names = list(expand.paths(catalogue))
    names = list(scenarios)
    return sorted(
        {cell.id: cell for cell in chosen}.values(),
        key=lambda cell: (
            environments.index(cell.environment.name),
            path_names.index(cell.path.name),
            names.index(cell.scenario.name),
        ),
    )
