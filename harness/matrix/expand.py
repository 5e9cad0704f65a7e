# SPDX-License-Identifier: Apache-2.0
"""Paths by their names, and the catalogues multiplied into cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from types import MappingProxyType
from typing import TypeVar

from harness.errors import UsageError
from harness.matrix import known_rows, meant, path_names, possible, versions
from harness.matrix.catalogue import Catalogue
from harness.matrix.model import Cell, Environment, Path, Scenario, WayName
from harness.matrix.names import NOT, covers, is_glob, matching, unknown
from harness.matrix.release import Release
from harness.wording import did_you_mean


def install_path(catalogue: Catalogue, release: Release, ways: tuple[WayName, ...] = ()) -> Path:
    """The path that installs this release on an empty cluster, with its known breaks."""
    path, known = _install_path(release.name, ways), catalogue.upgrades.of_install(release.name, *ways)
    return path.model_copy(update={"known": known}) if known else path


@lru_cache(maxsize=1000)
def _install_path(name: str, ways: tuple[WayName, ...]) -> Path:
    # Every row of the matrix asks for all of them.
    whole = f"install-{name}{path_names.ways_in_name(ways)}"
    return Path(name=whole, kind="install", releases=(name,), ways=ways)


def paths(catalogue: Catalogue) -> Mapping[str, Path]:
    """Every path that has a row, by name: installs in the order of the releases, then those of charts/upgrades.toml."""
    # Each name in each row of the matrix is looked up among them.
    if not catalogue.found_paths:
        catalogue.found_paths.update(_paths(catalogue))
    return MappingProxyType(catalogue.found_paths)


def _paths(catalogue: Catalogue) -> dict[str, Path]:
    installs = (install_path(catalogue, release) for release in catalogue.releases)
    plain = {path.name: path for path in installs} | dict(catalogue.upgrades.paths)
    return plain | {
        made.name: made.model_copy(update={"tags": row.tags})
        for row in catalogue.upgrades.profiled
        for name, profile in product(row.paths, row.profiles)
        for made in (path_names.with_profile(plain.get(name) or _named(catalogue, name, plain), profile),)
    }


def find_path(catalogue: Catalogue, name: str) -> Path:
    """The path of that name, including one between known releases that has no row.

    Without `~` the way is the usual one, without `+crds=` CRDs are left unchanged, unless Kustomize brings them, and
    without `+values=` the values are the user's. Raises UsageError for a name that is not a path, with suggestions, and
    for an impossible path, with the reason. Whether there is a values profile of that name, only its run knows.
    """
    known = paths(catalogue)
    return known.get(name) or _named(catalogue, name, known)


def _named(catalogue: Catalogue, name: str, known: Mapping[str, Path]) -> Path:
    """The same for a name that no row has."""
    parsed = path_names.parse(name)
    if parsed is None:
        raise _no_path(catalogue, name, known)
    if not parsed.understood and (made := _meant(catalogue, name)):
        raise UsageError(f"there is no path named {name!r}{did_you_mean(made)}", f"write {made}")
    if parsed.profile:
        plain = name.removesuffix(f"+profile={parsed.profile}")
        return path_names.with_profile(known.get(plain) or _named(catalogue, plain, known), parsed.profile)
    releases = [catalogue.release(each) for each in parsed.releases]
    path_names.require_sync(name, parsed)
    ways = path_names.ways_of(parsed.ways, len(releases) + (parsed.kind == "rollback"))
    if parsed.kind == "install":
        if len(releases) > 1 or parsed.crds or parsed.values:
            wrong = "one release" if len(releases) > 1 else "no modes: nothing is installed before it"
            upgrade = f", or upgrade-{'-'.join(it.name for it in releases)}" if len(releases) > 1 else ""
            plain = f"install-{releases[-1].name}{path_names.ways_in_name(ways) if len(releases) == 1 else ''}"
            raise UsageError(f"path {name}: an install has {wrong}", f"write {plain}{upgrade}")
        wrong = possible.why_not_in_ways(releases, "none", ways)
        if wrong:
            raise UsageError(f"path {name}: {wrong}", "choose another way, or a newer release")
        return install_path(catalogue, releases[0], ways)
    brought = any(way in path_names.KUSTOMIZE for way in ways[1:])
    crds = path_names.crds_of(ways, parsed.crds) or ("apply" if brought else "none")
    crds = _mode("CRD mode", crds, path_names.CRD_MODES)
    values = _mode("values mode", parsed.values or "default", path_names.VALUES_MODES)
    wrong = possible.why_not(parsed.kind, releases, crds, ways) or possible.why_not_with_values(releases, values)
    if not wrong and values != "default" and not all(map(path_names.by_helm, ways[1:])):
        wrong = f"+values={values} is about Helm, and not every step of the path is made by it"
    if wrong:
        raise UsageError(f"path {name}: {wrong}", "`nox -s matrix -- --path 'upgrade-*'` lists those that have a row")
    return catalogue.upgrades.path(parsed.kind, parsed.releases, crds, values, ways)


def _no_path(catalogue: Catalogue, name: str, known: Mapping[str, Path]) -> UsageError:
    """What to say of a name that is no path's."""
    made = _meant(catalogue, name)
    if made:
        return UsageError(f"there is no path named {name!r}{did_you_mean(made)}", f"write {made}")
    if flux := path_names.no_flux(name):
        return UsageError(f"there is no path named {name!r}", flux)
    if path_names.has_old_tag(name):
        return UsageError(f"there is no path named {name!r}", f"what begins with v1 {path_names.IMAGE_TAG}")
    file = re.search(r"\+values=([^+]*[./][^+]*)", name)
    if file:
        return UsageError(
            f"path {name}: {file[1]} is not a values mode", f"give your values beside the path: --values {file[1]}"
        )
    several = [it for it in re.split(r"[,;\s]+", name) if it]
    if len(several) > 1 and all(map(path_names.parse, several)):
        return UsageError(
            f"there is no path named {name!r}: these are {len(several)} paths", "give the option once for each of them"
        )
    if cell := _of_cell(name):
        return UsageError(f"there is no path named {name!r}", cell)
    return unknown("path", name, known)


def _meant(catalogue: Catalogue, name: str) -> str:
    made = meant.meant(name, [it.version for it in catalogue.releases if not it.under_test])
    return made if made and (found := path_names.parse(made)) and found.understood else ""


def _of_cell(name: str) -> str:
    """What to write for the id of a cell, or for two parts of one; empty for what is neither."""
    parts = name.split("/")
    at = next((number for number, it in enumerate(parts) if path_names.parse(it)), None)
    if at is None or (len(parts), at) not in ((3, 1), (2, 0), (2, 1)):
        return ""
    if len(parts) == 3:
        return f"it is the id of a cell: --cell {name}"
    return f"write --path {parts[0]} --scenario {parts[1]}" if at == 0 else f"write --env {parts[0]} --path {parts[1]}"


def matching_paths(catalogue: Catalogue, patterns: Sequence[str]) -> list[str]:
    """The paths that names and globs match, by canonical name.

    Globs match only paths that have a row, and those with a profile only where they say `+profile=` themselves.
    """
    asked = ("path", *patterns)
    if asked not in catalogue.matched:
        catalogue.matched[asked] = tuple(_matching_paths(catalogue, patterns))
    return list(catalogue.matched[asked])


def _matching_paths(catalogue: Catalogue, patterns: Sequence[str]) -> list[str]:
    # find_path knows more about a name that has no row than a list of names could say.
    named = {
        pattern: find_path(catalogue, pattern.removeprefix(NOT)).name for pattern in patterns if not is_glob(pattern)
    }
    profiled = [it for it in patterns if "+profile=" in it and not it.startswith(NOT)]
    rows = (it for it in paths(catalogue).values() if not it.profile or (profiled and covers(profiled, it.name)))
    known = dict.fromkeys((*(it.name for it in rows), *named.values()))
    canonical = [
        (NOT if pattern.startswith(NOT) else "") + named[pattern] if pattern in named else pattern
        for pattern in patterns
    ]
    for pattern in canonical:
        _require_match(catalogue, pattern.removeprefix(NOT), known)
    return matching("path", canonical, list(known))


def _require_match(catalogue: Catalogue, pattern: str, known: Iterable[str]) -> None:
    """Raise UsageError for a glob that no row has because of a release in it, or of a path that has no row."""
    if not is_glob(pattern) or any(covers((pattern,), name) for name in known):
        return
    for release in versions.RELEASE.findall(re.split(r"[~+]", pattern)[0]):
        catalogue.release(release)
    mode = re.search(r"[~+][^~+]*[*?\[].*", pattern)
    named = pattern[: mode.start()] if mode else ""
    if path_names.parse(named):
        find_path(catalogue, named)
        raise UsageError(
            f"no path matches {pattern!r}: globs stand for paths that have a row in charts/upgrades.toml",
            f"name what you want of it: {named}{'~helm4' if mode and mode[0].startswith('~') else '+crds=apply'}",
        )


_Mode = TypeVar("_Mode", bound=str)


def _mode(what: str, name: str, known: tuple[_Mode, ...]) -> _Mode:
    for mode in known:
        if mode == name:
            return mode
    raise unknown(what, name, known)


def cell(environment: Environment, path: Path, scenario: Scenario) -> Cell:
    """One cell; it carries the tags of its environment, of its path and of its scenario.

    Of the known breaks of the path it has those of its environment and of its Spark version.
    """
    known = tuple(
        it
        for it in path.known
        if (not it.environments or environment.concerned_by(it.environments))
        and (not it.spark or (scenario.spark and known_rows.matches(it.spark, scenario.spark)))
    )
    if known != path.known:
        path = path.model_copy(update={"known": known})
    tags = tuple(dict.fromkeys((*environment.tags, *path.tags, *scenario.tags)))
    return Cell(environment=environment, path=path, scenario=scenario, tags=tags)


def cells(
    environments: Iterable[Environment], path_list: Iterable[Path], scenarios: Mapping[str, Scenario]
) -> list[Cell]:
    """Environments × paths × scenarios: cells that share a cluster are adjacent, and none lacks an add-on."""
    return [cell(*parts) for parts in _possible(environments, path_list, scenarios)]


def ids(environments: Iterable[Environment], path_list: Iterable[Path], scenarios: Mapping[str, Scenario]) -> list[str]:
    """The ids of the same cells, in the same order, without making tens of thousands of them."""
    return [
        f"{environment.name}/{path.name}/{scenario.name}"
        for environment, path, scenario in _possible(environments, path_list, scenarios)
    ]


def _possible(
    environments: Iterable[Environment], path_list: Iterable[Path], scenarios: Mapping[str, Scenario]
) -> Iterator[tuple[Environment, Path, Scenario]]:
    fitting = [(path, [it for it in scenarios.values() if it.needs.fits(path)]) for path in path_list]
    for environment in environments:
        lacking = {it.name for it in scenarios.values() if it.needs.lack(environment)}
        for path, fit in fitting:
            yield from ((environment, path, scenario) for scenario in fit if scenario.name not in lacking)


def groups(chosen: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Cells grouped by the cluster that they share, in order."""
    found: dict[str, list[Cell]] = {}
    for each in chosen:
        found.setdefault(each.cluster, []).append(each)
    return found
