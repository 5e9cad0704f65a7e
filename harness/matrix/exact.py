# SPDX-License-Identifier: Apache-2.0
"""Cells by their exact ids, and what a request may not combine with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.matrix import expand, path_names, sparks
from harness.matrix.catalogue import Catalogue
from harness.matrix.model import Cell, Environment, Path, Scenario
from harness.matrix.names import NOT, is_glob, matching, unknown
from harness.wording import did_you_mean

if TYPE_CHECKING:
    from harness.matrix.select import Selection


def cells(catalogue: Catalogue, selection: Selection, scenarios: Mapping[str, Scenario]) -> list[Cell]:
    """The cells that a selection names. Raises UsageError for what is none, and for an option that contradicts one."""
    chosen = [_cell(catalogue, name, scenarios) for name in selection.cells]
    versions = sparks.versions(scenarios.values())
    limits: tuple[tuple[str, tuple[str, ...], Callable[[Sequence[str]], list[str]], Callable[[Cell], str]], ...] = (
        ("--env", selection.environments, catalogue.environment_names, lambda it: it.environment.name),
        ("--path", selection.paths, partial(expand.matching_paths, catalogue), lambda it: it.path.name),
        ("--scenario", selection.scenarios, partial(_matching, "scenario", list(scenarios)), _scenario),
        ("--spark", selection.spark, partial(_matching, sparks.WHAT, versions), lambda it: it.scenario.spark),
    )
    for option, patterns, allowed, name in limits:
        for cell in chosen if patterns else ():
            if name(cell) not in allowed(patterns):
                raise UsageError(
                    f"--cell {cell.id} contradicts {option} {' '.join(patterns)}",
                    f"--cell is exact and needs no other option: omit {option}, or omit --cell",
                )
    for cell in chosen:
        if not has_tags(cell, selection.tags):
            raise UsageError(
                f"--cell {cell.id} contradicts --tag {' '.join(selection.tags)}",
                f"its tags are: {', '.join(cell.tags) or 'none'}; omit --tag, or omit --cell",
            )
    return chosen


def _matching(what: str, known: Sequence[str], patterns: Sequence[str]) -> list[str]:
    return matching(what, patterns, known)


def _scenario(cell: Cell) -> str:
    return cell.scenario.base


def _cell(catalogue: Catalogue, name: str, scenarios: Mapping[str, Scenario]) -> Cell:
    if is_glob(name):
        raise UsageError(
            f"--cell {name!r} is exact and does not accept globs", "use --env, --path and --scenario, which do"
        )
    parts = name.split("/")
    if len(parts) != 3:
        every = expand.ids(catalogue.environments, expand.paths(catalogue).values(), scenarios)
        error = unknown("cell", name, _like(parts, every))
        raise UsageError(error.message, "an id is environment/path/scenario; `nox -s matrix` lists the cells")
    if turned := _turned(catalogue, parts, scenarios):
        raise UsageError(f"there is no cell named {name!r}{did_you_mean(turned)}", f"write {turned}")
    scenario = sparks.named(scenarios, parts[2])
    environment, path = catalogue.environment(parts[0]), expand.find_path(catalogue, parts[1])
    require_kind(path, scenario)
    require_addons([environment], scenario)
    return catalogue.rules.tiered(expand.cell(environment, path, scenario))


def _turned(catalogue: Catalogue, parts: Sequence[str], scenarios: Mapping[str, Scenario]) -> str:
    """The id whose three parts these are in another order; empty where they are in the right one, or of no cell."""
    environments = {it.name for it in catalogue.environments}
    if parts[0] in environments:
        return ""
    path = next((it for it in parts if path_names.parse(it)), "")
    environment = next((it for it in parts if it in environments), "")
    scenario = next((it for it in parts if it in scenarios), "")
    return f"{environment}/{path}/{scenario}" if path and environment and scenario else ""


def _like(parts: Sequence[str], ids: list[str]) -> list[str]:
    """The ids with the most matching parts, the newest path last."""

    def shared(cell_id: str) -> int:
        return len(set(parts) & set(cell_id.split("/")))

    most = max(map(shared, ids), default=0)
    return [cell_id for cell_id in ids if shared(cell_id) == most]


def require_kind(path: Path, scenario: Scenario) -> None:
    """Raise UsageError for a scenario that does not run on a path of this kind, or in its way."""
    needs = scenario.needs
    if needs.fits(path):
        return
    if path.kind in needs.paths:
        raise UsageError(
            f"the scenario {scenario.name} runs on paths whose last way is {' or '.join(needs.ways)}, and that of "
            f"{path.name} is {path.way(-1)}",
            "`nox -s matrix` lists cells",
        )
    kinds = " or ".join(scenario.needs.paths)
    article = "an" if path.kind in ("install", "upgrade") else "a"
    raise UsageError(
        f"the scenario {scenario.name} runs on paths of kind {kinds}, but {path.name} is {article} {path.kind}",
        f"`nox -s matrix -- --scenario {scenario.name} --path '{scenario.needs.paths[0]}-*'` lists its cells",
    )


def require_addons(environments: Sequence[Environment], scenario: Scenario) -> None:
    """Raise UsageError for a scenario that needs an add-on which none of these environments has."""
    lacking = [scenario.needs.lack(it) for it in environments]
    if lacking and all(lacking):
        raise UsageError(
            f"the scenario {scenario.name} needs an environment with {' and '.join(lacking[0])}",
            "see `addons` in clusters/properties.toml: such as --env kind-1.34-kueue",
        )


def has_tags(cell: Cell, tags: Sequence[str]) -> bool:
    """Whether a cell has one of the tags, and none of those that `!` excludes."""
    wanted = {tag for tag in tags if not tag.startswith(NOT)}
    unwanted = {tag.removeprefix(NOT) for tag in tags} - wanted
    return (not wanted or bool(wanted & set(cell.tags))) and not unwanted & set(cell.tags)
