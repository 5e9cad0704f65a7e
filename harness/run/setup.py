# SPDX-License-Identifier: Apache-2.0
"""What was asked for: settings, cells, values, and what a user brought along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from harness import providers, seeds, stories
from harness import settings as settings_module
from harness.errors import UsageError
from harness.matrix import catalogue as catalogues
from harness.matrix import under_test as with_operator
from harness.matrix.catalogue import Catalogue
from harness.matrix.model import Cell, Path
from harness.matrix.release import Release
from harness.matrix.rules import LeftOut
from harness.matrix.select import Chosen, choose, is_general
from harness.options import RunOptions
from harness.releases import chart_files, for_a_run, manifests, own_catalogue, umbrella
from harness.releases.home import OPERATOR_NAMESPACE, RELEASE_NAME, Home, home
from harness.releases.manifests import Documents
from harness.releases.values import merge, profile, profile_name
from harness.run import asked_ways, guests, values_usable
from harness.settings import Settings
from harness.stories.protocol import NOTHING, Given

if TYPE_CHECKING:
    from harness.apps.user_folder import Untried
    from harness.apps.users import UserManifests
    from harness.existing.model import Target
    from harness.matrix.own_rows import OwnRows
    from harness.registries.source_choice import Choice
    from harness.run.lock import Lock
    from harness.run.lockstore import Found
    from harness.run.run_host import Host
    from harness.under_test.operator import UnderTest


_MOST_REPETITIONS = 1000
DEFAULT_HOME = Home()


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for, understood and found to make sense; nothing of the host was looked at but the `source` of
    images, and that only for the default selection and for tiers, which depend on it.

    `values` are the profile and the user's, `users` the latter alone, and `told` is what of them is otherwise in the
    run, in words; `profiles` are those of paths, by name. `home` is where the operator is installed, `before` what is
    in the cluster before it. `left_out` are cells that a glob stood for and that there are not. `given` is what the
    user brought along. `existing` is the cluster of a user's in which the run is a guest, where it is. `under_test` is
    the operator of --operator, a release of the catalogue. With a `lock`, cell, source, values, manifests,
    applications, chart and seed are the lock's, in `options` too.
    """

    options: RunOptions
    settings: Settings
    catalogue: Catalogue
    cells: tuple[Cell, ...]
    values: tuple[Mapping[str, Any], ...]
    users: tuple[Mapping[str, Any], ...] = ()
    told: tuple[str, ...] = ()
    before: Documents = ()
    home: Home = DEFAULT_HOME
    given: Given = NOTHING
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    existing: Target | None = None
    under_test: UnderTest | None = None
    source: Choice | None = None
    seed: int = 0
    lock: Lock | None = None

    @property
    def profile(self) -> tuple[Mapping[str, Any], ...]:
        """The values that every install gets before the user's."""
        return self.values[: len(self.values) - len(self.users)]

    def on(self, path: Path) -> Request:
        """The request as it is on a path: the values of its profile come before the user's, and count as theirs."""
        own = self.profiles.get(path.profile)
        if own is None:
            return self
        return replace(self, values=(*self.profile, own, *self.users), users=(own, *self.users), profiles={})

    @property
    def releases(self) -> tuple[Release, ...]:
        """The releases that the cells install, each once."""
        versions = dict.fromkeys(version for cell in self.cells for version in cell.path.releases)
        return tuple(self.catalogue.release(version) for version in versions)


@dataclass(frozen=True, kw_only=True, eq=False)
class Understood:
    """A request on its way from the command to the pytest plugin, to which it is handed as another plugin.

    `host` tells what has been found on this host meanwhile (see `run_host.ahead`).
    """

    request: Request
    host: Callable[[], Host]


def request(options: RunOptions) -> Request:
    """Understand the options. Raises UsageError, SettingsError or CatalogueError."""
    _require_valid(options)
    _require_chart(options)
    # What few requests need is loaded late: harness matrix is to answer at once.
    found: Found | None = None
    if options.lock:
        from harness.run import lockstore

        found = lockstore.find(options.lock, settings_module.load(file=options.config))
        options = locked(options, found)
    settings = settings_module.load({"jobs": options.jobs, "source": options.source}, file=options.config)
    if found and options.source == "mirror" and not settings.mirrors:
        raise UsageError(
            "the lock is of a run with images from mirrors, and none is configured here",
            "add them to harness.toml, or compare with images from elsewhere: --source upstream --drift",
        )
    existing: Target | None = None
    if guests.wanted(options):
        from harness.run import guest_plan

        _require_no_operator(options)
        existing = guest_plan.target(options, settings)
        settings = settings.model_copy(update={"jobs": 1})
    own = found.lock.own_rows if found else own_catalogue.read(settings.catalogue_dirs)
    if "pull-messages" in own.files:
        from harness.kube import pull_messages

        pull_messages.use(own)
    catalogue = catalogues.load(own=own)
    providers.require_known(catalogue)
    if existing is not None:
        catalogue = guests.with_environment(catalogue, existing)
    under_test = _under_test(options, catalogue, settings) if options.operator else None
    if under_test is not None:
        catalogue = with_operator.with_release(catalogue, under_test.release)
    values = _values(options, found, own, settings, adapt=existing is None)
    before, given = _brought(options, found, settings)
    source = None if found else _source(options, catalogue, settings)
    chosen = _chosen(options, catalogue, given, existing, under_test, published=_is_public(source, settings))
    asked_ways.require(
        chosen.cells,
        values=any(values.users),
        release=bool(options.release_name or options.namespace),
        existing=existing is not None,
    )
    values_usable.require(options, values.users, values.all, chosen.cells, catalogue)
    # Only where a namespace was given: the stories import what makes them happen to answer this.
    asked = chosen.cells if options.namespace else ()
    taken = [it for cell in asked for it in stories.of(cell.scenario).job_namespaces(cell)]
    return Request(
        options=options,
        settings=settings,
        catalogue=catalogue,
        cells=chosen.cells,
        left_out=chosen.left_out,
        values=values.all,
        users=values.users,
        told=values.told,
        before=before,
        home=home(*guests.names(options), taken),
        given=given,
        profiles={} if found else {name: profile(name, own.values) for name in _profiles(chosen.cells)},
        existing=existing,
        under_test=under_test,
        source=source,
        seed=seeds.new_seed() if options.seed is None else options.seed,
        lock=found.lock if found else None,
    )


def _require_chart(options: RunOptions) -> None:
    """Raise UsageError for a chart that is to be on this disk, and is not, or is none, and for half an address."""
    chart_files.require_address(options.chart or "")
    if options.chart and "://" not in options.chart and not options.operator:
        from harness.releases import charts

        charts.from_path(FilePath(options.chart))


def _require_valid(options: RunOptions) -> None:
    """Raise UsageError for options that make no sense, whatever the catalogues and settings say."""
    if not 1 <= options.repeat <= _MOST_REPETITIONS:
        raise UsageError(
            f"--repeat {options.repeat} is not a valid number of repetitions",
            f"give a number from 1 to {_MOST_REPETITIONS}",
        )
    if options.seed is not None and not 0 <= options.seed < seeds.LIMIT:
        raise UsageError(
            f"--seed {options.seed} is not a valid seed", f"give a whole number from 0 to {seeds.LIMIT - 1}"
        )
    if options.drift and not options.lock:
        raise UsageError("--drift needs --lock", "give --lock, or leave out --drift")
    if options.exact_values and not options.values and not options.lock:
        raise UsageError("--exact-values needs --values", "give --values, or leave out --exact-values")
    umbrella.require_files(options.values, options.values_key)


@dataclass(frozen=True, kw_only=True)
class _Values:
    """`usual` are the run's own, `users` the user's, and `told` is what of the latter is otherwise in the run."""

    usual: tuple[Mapping[str, Any], ...]
    users: tuple[Mapping[str, Any], ...]
    told: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[Mapping[str, Any], ...]:
        """In the order in which they are merged."""
        return (*self.usual, *self.users)


def _values(options: RunOptions, found: Found | None, own: OwnRows, settings: Settings, *, adapt: bool) -> _Values:
    """The values of the run; `adapt` says whether the user's may be made to suit a cluster that a run makes."""
    profiles = own.values
    if found is not None and any(map(profile_name, options.values)):
        # Values that are given again are the user's own; a lock has rows of a catalogue, and no profiles.
        profiles = own_catalogue.read(settings.catalogue_dirs).values
    mine: tuple[Mapping[str, Any], ...] = umbrella.given(options.values, options.values_key or "", profiles)
    if found is not None:
        from harness.run.lock import unmasked

        if adapt and not options.exact_values:
            # The lock has them as its run took them.
            mine, _ = for_a_run.adapted(mine)
        return _Values(usual=(), users=(unmasked(found.lock, merge(*mine), settings.mirror_map.secrets),))
    if options.exact_values:
        return _Values(usual=(), users=mine, told=for_a_run.kept(mine) if adapt else ())
    usual = (for_a_run.beside(mine, profile("default", own.values)),)
    if not adapt:
        return _Values(usual=usual, users=mine)
    mine, told = for_a_run.adapted(mine)
    return _Values(usual=usual, users=mine, told=told)


def _brought(options: RunOptions, found: Found | None, settings: Settings) -> tuple[Documents, Given]:
    """What is to be in the cluster before the operator, and the user's applications: from files, or from a lock."""
    before = manifests.read(options.before) if options.before else ()
    apps: UserManifests = ()
    untried: tuple[Untried, ...] = ()
    if options.apps:
        from harness.apps import user_folder

        folder = user_folder.read(options.apps)
        apps, untried = folder.manifests, folder.left_out
    if found is not None:
        from harness.run import locked_apps, locked_before

        before = locked_before.unlocked(found.lock, before, settings.mirror_map.secrets)
        apps = locked_apps.unlocked(found.lock, apps, settings.mirror_map.secrets)
    return before, Given(apps=apps, left_out=untried)


def _source(options: RunOptions, catalogue: Catalogue, settings: Settings) -> Choice | None:
    """Where images come from, if the selection depends on it."""
    if not is_general(catalogue, options.selection):
        return None
    from harness.registries.source_choice import detect

    return detect(settings, options.source)


def _is_public(source: Choice | None, settings: Settings) -> bool:
    """Whether images come from where upstream publishes them; a rehearsal has copies in these places."""
    return source is not None and source.kind != "foundry" and not settings.rehearsed


def _chosen(
    options: RunOptions,
    catalogue: Catalogue,
    given: Given,
    existing: Target | None,
    under_test: UnderTest | None,
    *,
    published: bool,
) -> Chosen:
    """The cells that were asked for and can be run with what the user brought along."""
    selection = options.selection
    for story in stories.discover().values():
        selection = story.select(selection, given)
    scenarios = stories.scenarios(given)
    if under_test is not None:
        selection = with_operator.by_itself(catalogue, selection, under_test.release, scenarios)
    chosen = choose(catalogue, selection, scenarios, published=published)
    if existing is not None:
        chosen = replace(chosen, cells=guests.allowed(chosen.cells, existing, exact=bool(selection.cells)))
    for story in stories.discover().values():
        story.require_use(chosen.cells, given)
    if under_test is not None:
        with_operator.require_use(chosen.cells, under_test.release)
    return chosen


def _profiles(cells: Iterable[Cell]) -> list[str]:
    """The values profiles that paths of these cells name; what a lock is of has them in its values."""
    return list(dict.fromkeys(cell.path.profile for cell in cells if cell.path.profile))


def locked(options: RunOptions, found: Found) -> RunOptions:
    """The options with what the lock says in them. Raises UsageError for one that says something else."""
    from harness.run import lockstore

    lock = found.lock
    asked = options.selection.cells
    if asked and asked != (lock.cell,):
        raise UsageError(
            f"--cell {' --cell '.join(asked)} contradicts the lock, which is of {lock.cell}",
            "leave out --cell, or give the lock of that cell",
        )
    given = (
        ("--source", options.source, lock.source),
        ("--seed", options.seed, lock.seed),
        ("--release-name", options.release_name, lock.release_name or RELEASE_NAME),
        ("--namespace", options.namespace, lock.namespace or OPERATOR_NAMESPACE),
    )
    if options.exact_values and not lock.exact_values:
        raise UsageError("--exact-values contradicts the lock, which is of a run without", "leave out --exact-values")
    for flag, wanted, there in given:
        if wanted is not None and wanted != there and not (flag == "--source" and options.drift):
            more = ", or add --drift" if flag == "--source" else ""
            raise UsageError(
                f"{flag} {wanted} contradicts the lock, which has {there}",
                f"leave out {flag}, or leave out --lock{more}",
            )
    if lock.operator and not options.operator:
        raise UsageError(
            f"the lock is of an operator that nobody has published, {lock.operator.name}, and a lock holds none",
            f"give it with --operator: the {lock.operator.given} with the SHA-256 {lock.operator.sha256}",
        )
    return replace(
        options,
        selection=replace(options.selection, cells=(lock.cell,)),
        source=options.source or lock.source,
        seed=lock.seed,
        chart=options.chart or lockstore.chart_of(found) or None,
        exact_values=lock.exact_values,
        release_name=lock.release_name or None,
        namespace=lock.namespace or None,
    )


def _require_no_operator(options: RunOptions) -> None:
    """Raise UsageError for --operator in a user's own cluster."""
    if options.operator:
        raise UsageError(
            "--operator cannot be used with --env existing, whose nodes cannot reach the registries of a run",
            "push the image where they can, and name it with --values: image.registry, image.repository, image.tag",
        )


def _under_test(options: RunOptions, catalogue: Catalogue, settings: Settings) -> UnderTest:
    """The operator of --operator. Raises UsageError."""
    from harness.under_test import operator

    return operator.of(options.operator or "", options.chart or "", options.selection, catalogue, settings)
