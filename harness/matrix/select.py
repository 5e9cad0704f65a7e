# SPDX-License-Identifier: Apache-2.0
"""From the command line to the cells to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import CatalogueError, UsageError
from harness.matrix import exact as exact_ids
from harness.matrix import expand, path_names, sparks
from harness.matrix.catalogue import Catalogue, Choice
from harness.matrix.imported import NOTHING, Imported, why_not_offered
from harness.matrix.model import Cell, Scenario
from harness.matrix.names import NOT, covers, effective, is_glob, matching, refuse_empty_exclusions
from harness.matrix.published import with_published
from harness.matrix.rules import Exclusion, LeftOut, Tier
from harness.toml_source import TomlSource
from harness.wording import did_you_mean, nearest

_KINDS = ("environments", "paths", "scenarios", "spark")
_ALL = Choice(environments=("*",), paths=("*",), scenarios=("*",), spark=("*",))


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A request. Names and globs in `environments`, `paths` and `scenarios`, versions in `spark`; exact ids in `cells`.

    A cell is selected if it has at least one of the `tags`. `!` before a name, glob or tag excludes.
    """

    cells: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    spark: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def is_default(self) -> bool:
        """Whether the request is empty."""
        return not (self.cells or self.environments or self.paths or self.scenarios or self.spark or self.tags)

    @property
    def wanted_tags(self) -> tuple[str, ...]:
        """The tags of which a cell needs at least one."""
        return tuple(tag for tag in self.tags if not tag.startswith(NOT))


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The cells of a selection, and its excluded cells."""

    cells: tuple[Cell, ...]
    left_out: tuple[LeftOut, ...] = ()


def choose(
    catalogue: Catalogue, selection: Selection, scenarios: Mapping[str, Scenario], *, published: bool = False
) -> Chosen:
    """The cells of a selection: without duplicates, grouped by environment and path, always in the same order.

    `published` says that images come from where upstream publishes them: the default selection and the tiers then begin
    with releases that upstream has (see `published.with_published`).

    Raises CatalogueError for rows of the tiers, exclusions and defaults that name nothing, with file and line.
    Raises UsageError for unknown names, globs that match nothing, options that contradict each other, and for an
    excluded cell that is requested by name; one that only a glob matches is omitted.
    """
    check(catalogue, scenarios)
    refuse_empty_exclusions(
        {
            "--env": selection.environments,
            "--path": selection.paths,
            "--scenario": selection.scenarios,
            "--spark": selection.spark,
            "--tag": selection.tags,
        }
    )
    if selection.is_default:
        found = [cell for row in catalogue.defaults.default for cell in _product(catalogue, row, scenarios)]
        exact = False
    elif selection.cells:
        found = exact_ids.cells(catalogue, selection, scenarios)
        exact = True
    elif _is_tiers(catalogue, selection):
        found = _of_tiers(catalogue, selection.wanted_tags, scenarios)
        exact = False
        if not found:
            raise UsageError(
                f"the tier {' or '.join(selection.wanted_tags)} has no cell beside the rows of catalogue_dirs",
                "its rows are in clusters/matrix.toml; with `foundry = true` an environment is one of theirs again",
            )
    else:
        _require_kinds(catalogue, selection, scenarios)
        choice = _complete(catalogue, selection, scenarios)
        found = _product(catalogue, choice, scenarios)
        _require_use(catalogue, selection, choice, found, scenarios)
        exact = not any(is_glob(name) or name.startswith(NOT) for kind in _KINDS for name in getattr(choice, kind))
    found = _tagged(found, selection.tags)
    if published and is_general(catalogue, selection):
        found = with_published(catalogue, found)
    return _possible(catalogue, _sorted(catalogue, found, scenarios), exact=exact)


def is_general(catalogue: Catalogue, selection: Selection) -> bool:
    """Whether a request names no release: it is empty, or has only tiers."""
    return selection.is_default or (not selection.cells and _is_tiers(catalogue, selection))


def check(catalogue: Catalogue, scenarios: Mapping[str, Scenario]) -> None:
    """Raise CatalogueError, with file and line, for a tier, exclusion or default that names or yields nothing.

    A row of the project may yield nothing beside rows of a user, who may do without what the row is about.
    """
    if scenarios not in catalogue.checked:
        _check(catalogue, scenarios)
        catalogue.checked.append(dict(scenarios))


def _check(catalogue: Catalogue, scenarios: Mapping[str, Scenario]) -> None:
    rules = catalogue.rules
    for number, tier in enumerate(rules.tiers):
        for name in tier.includes:
            if name not in [other.name for other in rules.tiers[:number]]:
                raise rules.written.error("tier", number, "includes", f"no row above this one is a tier {name!r}")
        if tier.environments:
            cells = _of_row(catalogue, _choice_of(tier), scenarios, rules.written, "tier", number)
            if not cells:
                raise rules.written.error("tier", number, "scenarios", "none of these runs on these kinds of paths")
            if _emptied(catalogue, rules.written, "tier", number):
                continue
            if not any(tier.has(cell) for cell in cells):
                raise rules.written.error(
                    "tier", number, "foundry", "the foundry builds no node for these environments"
                )
            _require_some(catalogue, filter(tier.has, cells), rules.written, "tier", number)
    for number, row in enumerate(rules.exclusions):
        _named(catalogue, _choice_of(row), scenarios, rules.written, "exclude", number)
    written = catalogue.written.get("default", TomlSource())
    for number, choice in enumerate(catalogue.defaults.default):
        cells = _of_row(catalogue, choice, scenarios, written, "default", number)
        if not _emptied(catalogue, written, "default", number):
            _require_some(catalogue, cells, written, "default", number)
    _named(catalogue, catalogue.defaults.when_not_given, scenarios, written, "when-not-given", 0)
    own = [
        *((tag, f"the environment {it.name}") for it in catalogue.environments for tag in it.tags),
        *((it.name, f"the property {it.name}") for it in catalogue.properties.rows),
        *((tag, f"the path {it.name}") for it in catalogue.upgrades.paths.values() for tag in it.tags),
        *((tag, f"the scenario {it.name}") for it in scenarios.values() for tag in it.tags),
    ]
    for tag, what in own:
        if tag in rules.names:
            raise CatalogueError(
                f"{what} has the tag {tag}, which is the name of a tier",
                f"put it into {rules.written.file}, or rename the tag",
            )


def _emptied(catalogue: Catalogue, written: TomlSource, table: str, number: int) -> bool:
    """Whether a row is the project's, and beside it are a user's, which may have left it without cells."""
    return not written.is_own(table, number) and any(it.has_own for it in catalogue.written.values())


def _of_row(
    catalogue: Catalogue,
    choice: Choice,
    scenarios: Mapping[str, Scenario],
    written: TomlSource,
    table: str,
    number: int,
) -> list[Cell]:
    """The cells of a row, without the tags of tiers. Raises CatalogueError as `_named`."""
    return _untagged(catalogue, _named(catalogue, choice, scenarios, written, table, number), scenarios)


def _named(
    catalogue: Catalogue,
    choice: Choice,
    scenarios: Mapping[str, Scenario],
    written: TomlSource,
    table: str,
    number: int,
) -> Choice:
    """What a row names, among these scenarios. Raises CatalogueError for a name or glob in it that matches nothing."""
    known = {
        "scenarios": list(scenarios),
        "spark": sparks.versions(scenarios.values()),
    }
    choice = _lenient(choice, scenarios)
    for kind in _KINDS:
        try:
            patterns = getattr(choice, kind)
            if kind == "paths":
                _require_canonical(catalogue, patterns)
                expand.matching_paths(catalogue, patterns)
            elif kind == "environments":
                catalogue.environment_names(patterns)
            elif patterns:
                matching(sparks.WHAT if kind == "spark" else kind.removesuffix("s"), patterns, known[kind])
        except UsageError as error:
            raise written.error(table, number, kind, error.message, error.next_step) from error
    return choice


def _require_canonical(catalogue: Catalogue, patterns: Iterable[str]) -> None:
    """Raise UsageError for a path with an abbreviated name in a row, since cells have the full one."""
    for pattern in patterns:
        name = pattern.removeprefix(NOT)
        whole = name if is_glob(name) else expand.find_path(catalogue, name).name
        if whole != name:
            raise UsageError(f"the full name of path {name} is {whole}", f"write {whole}")


def _choice_of(row: Tier | Exclusion) -> Choice:
    """What a row of the matrix multiplies."""
    return Choice(environments=row.environments, paths=row.paths, scenarios=row.scenarios, spark=row.spark)


def _lenient(choice: Choice, scenarios: Mapping[str, Scenario]) -> Choice:
    """The selection of a row, which may exclude unknown scenarios."""
    return choice.model_copy(update={"scenarios": effective(choice.scenarios, list(scenarios))})


def _require_some(catalogue: Catalogue, cells: Iterable[Cell], written: TomlSource, table: str, number: int) -> None:
    out = [_left_out(catalogue, cell) for cell in cells]
    if out and all(out):
        reason = next(it.reason for it in out if it)
        raise written.error(table, number, "", f"every cell of this row is excluded: {reason}")


def _left_out(catalogue: Catalogue, cell: Cell) -> LeftOut | None:
    return catalogue.rules.left_out(cell, map(catalogue.release, cell.path.releases))


def _possible(catalogue: Catalogue, cells: Sequence[Cell], *, exact: bool) -> Chosen:
    """The cells that are not excluded. Raises UsageError when an excluded one was named, and when nothing is left."""
    out = {cell.id: _left_out(catalogue, cell) for cell in cells}
    left_out = [found for found in out.values() if found]
    if left_out and (exact or len(left_out) == len(cells)):
        first = left_out[0]
        raise UsageError(f"cell {first.cell.id} is excluded: {first.reason}", f"see {first.link}")
    return Chosen(cells=tuple(cell for cell in cells if not out[cell.id]), left_out=tuple(left_out))


def unavailable_reason(catalogue: Catalogue, cell: Cell, source: str, imported: Imported = NOTHING) -> str:
    """Why this cell cannot run from this source according to the catalogues; empty if it can.

    `source` is `upstream`, `mirror` (which offers what upstream offers) or `foundry`, which also serves imported
    images.
    """
    offer = "foundry" if source == "foundry" else "upstream"
    environment = cell.environment
    made = not environment.existing
    if environment.impossible:
        return f"{environment.name} cannot be had: {environment.impossible}"
    if made and offer == "foundry" and not environment.foundry:
        return f"the foundry cannot build a node image for {environment.name}"
    if made and offer == "upstream" and not environment.node_image:
        return f"upstream has no node image for {environment.name}"
    reasons = (
        why_not_offered(catalogue.release(name), source, imported, hook=cell.path.crds == "hook")
        for name in cell.path.releases
    )
    return next(filter(None, reasons), "")


def _complete(catalogue: Catalogue, selection: Selection, scenarios: Mapping[str, Scenario]) -> Choice:
    # A tier says itself which cells it has.
    fallback = _ALL if _names_tiers(catalogue, selection) else _lenient(catalogue.defaults.when_not_given, scenarios)
    return Choice(
        environments=selection.environments or fallback.environments,
        paths=selection.paths or fallback.paths,
        scenarios=selection.scenarios or fallback.scenarios,
        spark=selection.spark or fallback.spark,
    )


def _names_tiers(catalogue: Catalogue, selection: Selection) -> bool:
    return bool(selection.wanted_tags) and set(selection.wanted_tags) <= set(catalogue.rules.names)


def _is_tiers(catalogue: Catalogue, selection: Selection) -> bool:
    """Whether the request has only tiers."""
    other = selection.environments or selection.paths or selection.scenarios or selection.spark
    return not other and _names_tiers(catalogue, selection)


def _of_tiers(catalogue: Catalogue, names: Iterable[str], scenarios: Mapping[str, Scenario]) -> list[Cell]:
    """The cells of these tiers: a small part of all cells, whose expansion would take seconds."""
    found: dict[str, Cell] = {}
    for tier in catalogue.rules.rows_of(names):
        row = _lenient(_choice_of(tier), scenarios)
        found |= {cell.id: cell for cell in _untagged(catalogue, row, scenarios) if tier.has(cell)}
    return [catalogue.rules.tiered(cell) for cell in found.values()]


def _product(catalogue: Catalogue, choice: Choice, scenarios: Mapping[str, Scenario]) -> list[Cell]:
    return [catalogue.rules.tiered(cell) for cell in _untagged(catalogue, choice, scenarios)]


def _untagged(catalogue: Catalogue, choice: Choice, scenarios: Mapping[str, Scenario]) -> list[Cell]:
    environments = catalogue.environment_names(choice.environments)
    names = matching("scenario", choice.scenarios, list(scenarios))
    return expand.cells(
        map(catalogue.environment, environments),
        [expand.find_path(catalogue, name) for name in expand.matching_paths(catalogue, choice.paths)],
        sparks.chosen((scenarios[name] for name in names), choice.spark, sparks.versions(scenarios.values())),
    )


def _require_kinds(catalogue: Catalogue, selection: Selection, scenarios: Mapping[str, Scenario]) -> None:
    """Raise UsageError for a name that is none for its option, but one for another."""
    environments = {it.name for it in catalogue.environments}
    kinds: Mapping[str, tuple[str, tuple[str, ...], Callable[[str], object]]] = {
        "--env": ("an environment", selection.environments, environments.__contains__),
        "--path": ("a path", selection.paths, path_names.parse),
        "--scenario": ("a scenario", selection.scenarios, scenarios.__contains__),
    }
    for option, (_, names, is_one) in kinds.items():
        for name in (it for it in names if not is_glob(it) and not is_one(it)):
            for other, (what, _, is_other) in kinds.items():
                if other != option and is_other(name):
                    raise UsageError(f"{option} {name}: this is {what}", f"write {other} {name}")


def _require_use(
    catalogue: Catalogue,
    selection: Selection,
    choice: Choice,
    found: Sequence[Cell],
    scenarios: Mapping[str, Scenario],
) -> None:
    """Raise UsageError for a path or scenario that was requested by name but cannot be combined with the others."""
    used = {cell.scenario.base for cell in found}
    for name in selection.scenarios:
        if name in scenarios and name not in used and covers(choice.scenarios, name):
            if selection.spark and scenarios[name].spark not in selection.spark:
                sparks.named(scenarios, f"{name}{sparks.MARK}{selection.spark[0]}")
            names = matching("environment", choice.environments, [it.name for it in catalogue.environments])
            exact_ids.require_addons([catalogue.environment(it) for it in names], scenarios[name])
            path = next(iter(expand.matching_paths(catalogue, choice.paths)))
            exact_ids.require_kind(expand.find_path(catalogue, path), scenarios[name])
    walked = {cell.path.name for cell in found}
    for name in selection.paths:
        if not is_glob(name) and not name.startswith(NOT):
            path_named = expand.find_path(catalogue, name)
            first = next(iter(matching("scenario", choice.scenarios, list(scenarios))))
            if path_named.name not in walked:
                exact_ids.require_kind(path_named, scenarios[first])
    if not found:
        asked = " ".join((*choice.paths, *choice.scenarios))
        raise UsageError(
            f"no cell is left of {asked}: none of these scenarios runs on paths of these kinds",
            "`nox -s matrix` lists cells; --path 'upgrade-*' or --path 'install-*' selects the kind",
        )


def _tagged(chosen: list[Cell], tags: Sequence[str]) -> list[Cell]:
    kept = [cell for cell in chosen if exact_ids.has_tags(cell, tags)]
    if chosen and not kept:
        known = sorted({tag for cell in chosen for tag in cell.tags})
        each = [it.strip() for it in tags[0].split(",")]
        if len(each) > 1 and {it.removeprefix(NOT) for it in each} <= set(known):
            raise UsageError(
                f"{tags[0]!r} is no tag: these are {len(each)} tags", "give the option once for each of them"
            )
        near = nearest(tags[0].removeprefix(NOT), known)
        meant = did_you_mean(near if near != tags[0] else "")
        raise UsageError(
            f"none of the {len(chosen)} selected cells has the tag {' or '.join(tags)}{meant}",
            f"their tags are: {', '.join(known) or 'none'}; --env and --path widen the selection",
        )
    return kept


def _sorted(catalogue: Catalogue, chosen: Iterable[Cell], scenarios: Mapping[str, Scenario]) -> list[Cell]:
    environments = [environment.name for environment in catalogue.environments]
    properties = [it.name for it in catalogue.properties.rows]
    cells = {cell.id: cell for cell in chosen}
    # Paths without a row stand behind those with one.
    paths = list(dict.fromkeys((*expand.paths(catalogue), *sorted(cell.path.name for cell in cells.values()))))
    names = list(scenarios)
    return sorted(
        cells.values(),
        key=lambda cell: (
            environments.index(cell.environment.base),
            [properties.index(it) for it in cell.environment.properties],
            paths.index(cell.path.name),
            names.index(cell.scenario.base),
            sparks.order(cell.scenario),
        ),
    )
