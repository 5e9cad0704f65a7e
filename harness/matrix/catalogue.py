# SPDX-License-Identifier: Apache-2.0
"""The catalogues in clusters/ and charts/, read into frozen models; an error names file, line and key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from pydantic import ConfigDict, Field

from harness.errors import CatalogueError, UsageError
from harness.images.references import ImageReference
from harness.matrix import behaviour, edges, model, own_rows, properties
from harness.matrix.addons import Addon, named, read_addons
from harness.matrix.edges import Upgrades
from harness.matrix.model import Environment, Scenario
from harness.matrix.names import matching, unknown
from harness.matrix.own_rows import OwnRows
from harness.matrix.properties import Properties
from harness.matrix.release import Release, ReleaseRow, Relocation
from harness.matrix.rows import Model
from harness.matrix.rules import Exclusion, Rules, Tier
from harness.matrix.versions import RELEASE, UNDER_TEST, VERSION, is_prerelease, numbers
from harness.settings import PROJECT_ROOT, Settings
from harness.toml_source import TomlSource
from harness.untrusted import SEGMENT
from harness.wording import did_you_mean, nearest

_RELEASE_TABLES = ("release", "relocation")
_REFERENCE = re.compile(r"[a-z0-9.-]+\.[a-z]+(?::\d+)?/[a-z0-9._/-]+:(?P<tag>[\w.-]+)(?:@sha256:[0-9a-f]{64})?")


class Choice(Model):
    """Lists of names or globs that multiply: environments × paths × scenarios × Spark versions.

    Without any in `spark`, applications run on the usual version.
    """

    environments: tuple[str, ...] = Field(min_length=1)
    paths: tuple[str, ...] = Field(min_length=1)
    scenarios: tuple[str, ...] = Field(min_length=1)
    spark: tuple[str, ...] = ()


class Defaults(Model):
    """clusters/default.toml: the default selection, and defaults of omitted options."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    default: tuple[Choice, ...] = Field(min_length=1)
    when_not_given: Choice = Field(alias="when-not-given")


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """All rows. Names are unique; the order is that of the files, whose texts are in `written` by their stems.

    `found_paths` is for `expand.paths` alone, which fills it, and `checked` for `select.check`: the scenarios with
    which the rows are in order. `matched` is what names and globs have matched: environments, and paths for
    `expand.matching_paths`.
    """

    environments: tuple[Environment, ...]
    releases: tuple[Release, ...]
    defaults: Defaults
    relocations: tuple[Relocation, ...] = ()
    rules: Rules = field(default_factory=Rules)
    upgrades: Upgrades = field(default_factory=Upgrades)
    addons: tuple[Addon, ...] = ()
    properties: Properties = field(default_factory=Properties)
    written: Mapping[str, TomlSource] = field(default_factory=dict)
    found_paths: dict[str, model.Path] = field(default_factory=dict, init=False, repr=False, compare=False)
    checked: list[Mapping[str, Scenario]] = field(default_factory=list, init=False, repr=False, compare=False)
    matched: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def environment(self, name: str) -> Environment:
        """The environment of that name, which may end in properties. Raises UsageError with suggestions."""
        return properties.find(name, self.environments, self.properties)

    def environment_names(self, patterns: Sequence[str]) -> list[str]:
        """The names of environments that names and globs match, in order. Raises UsageError as `matching` does."""
        asked = ("environment", *patterns)
        if asked not in self.matched:
            known = properties.names_for(patterns, self.environments, self.properties)
            meant = properties.canonical(patterns, self.environments, self.properties)
            matching("environment", meant, known)
            self.matched[asked] = tuple(it for it in known if self.environment(it).named_by(meant))
        return list(self.matched[asked])

    def listed_environments(self) -> tuple[Environment, ...]:
        """All with a row, and those with properties that tiers or the default selection name."""
        lists = [*(it.environments for it in self.rules.tiers), *(it.environments for it in self.defaults.default)]
        asked = [name for patterns in lists if patterns for name in self.environment_names(patterns)]
        names = dict.fromkeys((*(it.name for it in self.environments), *asked))
        return tuple(map(self.environment, names))

    def release(self, name: str) -> Release:
        """The release of that name: a version, `2.5.2`, or one that was copied to another registry, `2.2.1@docker.io`.

        Raises UsageError with suggestions, and for a copy in the registry where upstream publishes the release itself.
        """
        version, at, host = name.partition("@")
        found = next((release for release in self.releases if release.version == version), None)
        if found is None:
            published = [it.version for it in self.releases if not it.under_test]
            raise _without_operator(version) or _unknown(version, published)
        if not at:
            return found
        if found.under_test:
            raise UsageError(f"release {name}: the operator under test is in no registry of a site", f"write {version}")
        if host == found.registry:
            raise UsageError(
                f"release {name}: upstream publishes {version} there itself, as {found.image}", f"write {version}"
            )
        relocation = next((it for it in self.relocations if it.host == host), None)
        if relocation is None:
            hosts = [it.host for it in self.relocations]
            near = nearest(host, hosts)
            meant = did_you_mean(near and f"{version}@{near}")
            raise UsageError(
                f"release {name}: charts/releases.toml has no relocation to {host or 'no registry'}{meant}",
                f"its relocations are to: {', '.join(hosts) or 'none'}; "
                "add a [[relocation]] row for another, there or in a folder of catalogue_dirs",
            )
        return relocation.of(found)

    def copies(self) -> tuple[Release, ...]:
        """Every release that can be relocated, in each registry where upstream does not publish it."""
        return tuple(
            place.of(release)
            for place in self.relocations
            for release in self.releases
            if release.registry != place.host and not release.under_test
        )


def _without_operator(version: str) -> UsageError | None:
    """What to say of a release that only an operator under test can be; None of others."""
    if version != UNDER_TEST and not is_prerelease(version):
        return None
    return UsageError(
        f"release {version} is the operator under test, and none was given",
        "give it with --operator: a checkout of the operator, or an image, with its chart in --chart",
    )


def _unknown(version: str, known: Sequence[str]) -> UsageError:
    """What to say of a release that has no row; of one before or after all that have one, also where it leads."""
    error = unknown("release", version, known)
    if not VERSION.fullmatch(version) or not known:
        return error
    oldest, newest = min(known, key=numbers), max(known, key=numbers)
    if numbers(version) < numbers(oldest):
        return UsageError(
            f"there is no release named {version!r}: the oldest that can be run is {oldest}",
            f"`harness advise --from {version} --to {newest}` says what is known of a move from it",
        )
    if numbers(version) > numbers(newest):
        step = f"{error.next_step}; a newer one needs a row first: docs/foundry.md, A new release"
        return UsageError(error.message, step)
    return error


def load(root: Path = PROJECT_ROOT, own: OwnRows = own_rows.NONE) -> Catalogue:
    """Read the catalogues in `clusters/` and `charts/` below `root`, with a user's `own` rows over them.

    Raises CatalogueError with file, line and key: including releases marked for the foundry that it cannot build.
    Names in tiers, exclusions and defaults are checked once the scenarios are known, in `select.choose`.
    """
    files = {
        "environments": root / "clusters" / "environments.toml",
        "releases": root / "charts" / "releases.toml",
        "behaviour": root / "charts" / "behaviour.toml",
        "upgrades": root / "charts" / "upgrades.toml",
        "default": root / "clusters" / "default.toml",
        "matrix": root / "clusters" / "matrix.toml",
        "addons": root / "clusters" / "addons.toml",
        "properties": root / "clusters" / "properties.toml",
    }
    written = {name: TomlSource.read(file) for name, file in files.items()}
    written = {name: source if name == "default" else own.over(source) for name, source in written.items()}
    found = _catalogue(written) if own.files else _shipped(tuple(written.items()))
    _require_foundry_parts(found, root / "clusters" / "nodes")
    return found


@lru_cache(maxsize=4)
def _shipped(written: tuple[tuple[str, TomlSource], ...]) -> Catalogue:
    """The files of the project, which several rooms read: validated again only where a file has changed."""
    return _catalogue(dict(written))


def _catalogue(written: Mapping[str, TomlSource]) -> Catalogue:
    known = behaviour.read(written["behaviour"])
    found = Catalogue(
        environments=read_environments(written["environments"]),
        releases=tuple(map(known.of, read_releases(written["releases"]))),
        relocations=read_relocations(written["releases"]),
        defaults=read_defaults(written["default"]),
        rules=read_rules(written["matrix"]),
        addons=read_addons(written["addons"]),
        properties=properties.read_properties(written["properties"]),
        written=written,
    )
    _require_addons(found)
    return replace(found, upgrades=edges.read(found.written["upgrades"], found.release))


def of(settings: Settings) -> Catalogue:
    """The catalogues with the rows of `catalogue_dirs` over them. Raises CatalogueError with file, line and key."""
    return load(own=own_rows.read(settings.catalogue_dirs))


def releases_of(settings: Settings) -> tuple[Release, ...]:
    """The releases of `of` without the facts of charts/behaviour.toml, for what needs nothing else: to read all of the
    catalogues takes as long as to audit a thousand files.
    """
    own = own_rows.read(settings.catalogue_dirs)
    return read_releases(own.over(TomlSource.read(PROJECT_ROOT / "charts" / "releases.toml")))


def read_environments(file: Path | TomlSource) -> tuple[Environment, ...]:
    """The `[[environment]]` rows of a file."""
    return _unique(_source(file), "environment", Environment, "name", _environment_problems)


def read_releases(file: Path | TomlSource) -> tuple[Release, ...]:
    """The `[[release]]` rows of a file, without the facts of charts/behaviour.toml."""
    rows = _unique(_source(file), "release", ReleaseRow, "version", _release_problems, _RELEASE_TABLES)
    return tuple(Release(**row.model_dump()) for row in rows)


def read_relocations(file: Path | TomlSource) -> tuple[Relocation, ...]:
    """The `[[relocation]]` rows of a file; it may have none."""
    written = _source(file)
    if "relocation" not in written.data:
        return ()
    return _unique(written, "relocation", Relocation, "host", _relocation_problems, _RELEASE_TABLES)


def read_defaults(file: Path | TomlSource) -> Defaults:
    """The default selection of a file."""
    return _source(file).validated(Defaults)


def read_rules(file: Path | TomlSource) -> Rules:
    """The `[[tier]]` and `[[exclude]]` rows of a file."""
    written = _source(file)
    tables = ("tier", "exclude")
    return Rules(
        tiers=_rows(written, "tier", Tier, tables),
        exclusions=_rows(written, "exclude", Exclusion, tables) if "exclude" in written.data else (),
        written=written,
    )


def _source(file: Path | TomlSource) -> TomlSource:
    return file if isinstance(file, TomlSource) else TomlSource.read(file)


def _require_addons(found: Catalogue) -> None:
    """Raise CatalogueError for an environment or a property with an add-on that has no row."""
    for table, rows in (("environment", found.environments), ("property", found.properties.rows)):
        for number, row in enumerate(rows):
            for name in row.addons:
                try:
                    named(found.addons, name)
                except UsageError as missing:
                    source = found.written["environments" if table == "environment" else "properties"]
                    raise source.error(table, number, "addons", missing.message, missing.next_step) from missing


def _require_foundry_parts(found: Catalogue, nodes: Path) -> None:
    """Raise CatalogueError for a version that is marked for the foundry, which cannot build it."""
    rows = TomlSource.read(nodes / "kubernetes.toml")
    versions = [row.get("version") for row in rows.data.get("kubernetes", [])]
    for number, environment in enumerate(found.environments):
        if environment.foundry and environment.kubernetes not in versions:
            raise found.written["environments"].error(
                "environment",
                number,
                "foundry",
                f"{rows.file} has no row for Kubernetes {environment.kubernetes}",
                "add one with `harness foundry add-kubernetes VERSION`, or remove `foundry`",
            )
    for table, named_rows in (("environment", found.environments), ("property", found.properties.rows)):
        for number, row in enumerate(named_rows):
            module = nodes / "modules" / f"containerd-{row.containerd}"
            if row.containerd and not module.is_dir():
                raise found.written["environments" if table == "environment" else "properties"].error(
                    table, number, "containerd", f"there is no Go tool module {module}", "add it, or remove the key"
                )
    for number, release in enumerate(found.releases):
        module = nodes / "modules" / f"spark-operator-{release.version}"
        if "foundry" in release.sources and not module.is_dir():
            raise found.written["releases"].error(
                "release", number, "sources", f"there is no Go tool module {module}", "add it, or remove `foundry`"
            )


def _environment_problems(row: Environment) -> list[tuple[str, str]]:
    problems = [] if SEGMENT.fullmatch(row.name) else [("name", f"{row.name!r} cannot be a part of a cell's id")]
    problems += [
        (key, f"{value!r} is not a full version such as 1.34.4")
        for key, value in (("kubernetes", row.kubernetes), ("upstream_kubernetes", row.upstream_kubernetes))
        if value and not VERSION.fullmatch(value)
    ]
    if row.upstream_kubernetes and not row.upstream_kubernetes.startswith(f"{row.minor}."):
        problems.append(("upstream_kubernetes", f"{row.upstream_kubernetes} is not a patch version of {row.minor}"))
    if row.node_image:
        image = _REFERENCE.fullmatch(row.node_image)
        version = row.kubernetes_from("upstream")
        if not image:
            problems.append(
                ("node_image", f"{row.node_image!r} is not a full reference, registry/repository:tag@sha256:…")
            )
        elif not re.fullmatch(rf"v{re.escape(version)}(?:-\w+)?", image["tag"]):
            problems.append(("node_image", f"the tag {image['tag']} is not v{version}"))
    elif not row.foundry:
        problems.append(("foundry", "an environment needs a node_image or foundry = true"))
    if row.containerd and (row.node_image or not row.foundry):
        problems.append(("containerd", "only a node of the foundry can have another containerd, so no node_image"))
    return problems


def _release_problems(row: ReleaseRow) -> list[tuple[str, str]]:
    problems = []
    if not RELEASE.fullmatch(row.version):
        problems.append(("version", f"{row.version!r} is not a full version such as 2.5.2 or 2.6.0-rc.1"))
    if row.version == UNDER_TEST:
        problems.append(("version", f"{UNDER_TEST} is the operator of --operator, and has no row"))
    if bool(row.hook_registry) != bool(row.hook_repository):
        problems.append(("hook_repository", "hook_registry and hook_repository must be given together"))
    if not row.sources:
        problems.append(("sources", "name at least one source"))
    if not row.crds:
        problems.append(("crds", "name at least one"))
    images = {"repository": f"{row.registry}/{row.repository}"}
    if row.hook_repository:
        images["hook_repository"] = f"{row.hook_registry}/{row.hook_repository}"
    for key, name in images.items():
        try:
            ImageReference.parse(f"{name}:{row.version}")
        except UsageError as wrong:
            problems.append((key, wrong.message))
    for key, address, schemes in (
        ("chart_repository", row.chart_repository, ("https://", "http://")),
        ("chart_oci", row.chart_oci, ("oci://",)),
    ):
        if address and not address.startswith(schemes):
            problems.append((key, f"{address!r} does not begin with {' or '.join(schemes)}"))
    return problems


def _relocation_problems(row: Relocation) -> list[tuple[str, str]]:
    parts = {"repository": row.repository, "hook_repository": row.hook_repository}
    return [
        (key, f"{row.host}/{repository} is not registry/repository")
        for key, repository in parts.items()
        if not _REFERENCE.fullmatch(f"{row.host}/{repository}:1.0.0")
    ]


_Row = TypeVar("_Row", bound=Model)


def _unique(
    written: TomlSource,
    table: str,
    model: type[_Row],
    key: str,
    problems: Callable[[_Row], Sequence[tuple[str, str]]],
    tables: Sequence[str] = (),
) -> tuple[_Row, ...]:
    rows = _rows(written, table, model, tables or (table,))
    for number, row in enumerate(rows):
        for wrong, why in problems(row):
            raise written.error(table, number, wrong, why)
    written.require_unique(table, key, (str(getattr(row, key)) for row in rows))
    return rows


def _rows(written: TomlSource, table: str, model: type[_Row], tables: Sequence[str]) -> tuple[_Row, ...]:
    written.require_only(*tables)
    rows = written.rows(table, model)
    if not rows:
        raise CatalogueError(f"{written.file} has no [[{table}]] row", f"add one; see the head of {written.file.name}")
    return rows
