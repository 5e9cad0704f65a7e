# SPDX-License-Identifier: Apache-2.0
"""The operator under test as a release: its name in paths, its images, its chart, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from harness import libyaml
from harness.errors import UsageError
from harness.foundry.assemble import read_image
from harness.foundry.store import Store
from harness.matrix import behaviour
from harness.matrix.catalogue import Catalogue
from harness.matrix.release import Release
from harness.matrix.select import Selection
from harness.matrix.versions import RELEASE, UNDER_TEST, is_prerelease, numbers, order
from harness.releases import chart_files, charts, crds
from harness.releases.charts import CHART_NAME, Chart
from harness.releases.values import at
from harness.settings import Settings
from harness.under_test import build, image, mistaken, tree
from harness.under_test.image import GivenImage
from harness.under_test.tree import GitState, Tree
from harness.untrusted import check_yaml
from harness.wording import first_few

REGISTRY = "operator-under-test.invalid"
"""The registry in the names of its images, which nobody can have (RFC 2606, 2): only the run's own answers for it."""

_REPOSITORY = "spark-operator"
_HOOK_REPOSITORY = "spark-operator-hook"
_SHOWN = 12
_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class UnderTest:
    """The operator under test. `given` is what the user brought, `chart` its chart where it lies.

    `told` says in lines what it is, and whose facts are taken for it.
    """

    release: Release
    given: Tree | GivenImage
    chart: Chart
    told: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """64 hexadecimal digits that tell it from any other."""
        return self.given.sha256 if isinstance(self.given, Tree) else self.given.identity.rpartition(":")[2]

    @property
    def is_checkout(self) -> bool:
        """Whether it is built here."""
        return isinstance(self.given, Tree)

    @property
    def git(self) -> GitState | None:
        """What git knows of a checkout."""
        return self.given.git if isinstance(self.given, Tree) else None

    @property
    def obtained(self) -> str:
        """Where its image comes from, for reports."""
        if isinstance(self.given, GivenImage):
            return f"under test: {self.given}"
        dirty = ", dirty" if self.git and self.git.changed else ""
        return f"under test: built from a checkout, tree {self.given.sha256[:_SHOWN]}{dirty}"

    def prepare(self, settings: Settings, say: Callable[[str], None], *, hook: bool, registry: Path) -> Chart:
        """Have its image, and with `hook` that of the chart's hook, in the storage of the run's registries.

        `registry` is the program of their server, and must not serve yet. Returns the chart to install. Raises
        BuildError, RegistryError, UsageError.
        """
        store, chart, release = Store.of(settings), self.chart, self.release
        publisher = image.publisher(settings, registry)
        if isinstance(self.given, Tree):
            if store.get(build.recipe(self.given)) is None:
                say(f"building the operator of {self.given.folder}; this takes some minutes, once")
            built = build.build(store, self.given)
            chart = charts.from_path(build.chart(built), reference=str(self.chart.path))
            layout = read_image(build.build_image(store, self.given, built).folder)
            publisher.publish(layout, release.image)
        else:
            image.bring(self.given, release.image, settings, say, registry=registry)
        if hook and release.hook_image:
            layout = read_image(build.build_hook(store, chart).folder)
            publisher.publish(layout, release.hook_image)
        return chart


def of(wanted: str, chart: str, selection: Selection, catalogue: Catalogue, settings: Settings) -> UnderTest:
    """What --operator and --chart mean. Raises UsageError for what is no operator, or does not belong together."""
    name = name_of(selection, catalogue)
    folder = Path(wanted)
    given: Tree | GivenImage
    if folder.is_dir():
        if chart and (folder / "go.mod").is_file():
            raise UsageError(
                "--chart does not go with --operator DIR: a checkout is tried with its own chart",
                "leave out --chart, or give the image that you built: --operator IMAGE --chart DIR",
            )
        given = tree.read(folder)
        found, spark = charts.from_path(given.chart), given.spark
        identity = given.sha256
    else:
        mistaken.require_image(wanted, chart)
        found, spark = _chart_of(wanted, chart), _newest(catalogue).spark
        given = image.find(wanted, settings)
        identity = given.identity.rpartition(":")[2]
    _require_chart(found, name)
    release = _release(name, found, spark, identity[:_SHOWN], catalogue)
    return UnderTest(
        release=release, given=given, chart=found, told=tuple(_told(name, given, found, release, catalogue))
    )


def name_of(selection: Selection, catalogue: Catalogue) -> str:
    """Its name in paths: the pre-release that a selected path has and no row of the catalogue, else `dev`.

    Raises UsageError where there are several.
    """
    known = {it.version for it in catalogue.releases}
    asked = [*selection.paths, *(cell.partition("/")[2] for cell in selection.cells)]
    names = dict.fromkeys(found[0] for path in asked for found in RELEASE.finditer(path.partition("+")[0]))
    mine = [it for it in names if it == UNDER_TEST or (is_prerelease(it) and it not in known)]
    if len(mine) > 1:
        raise UsageError(
            f"the paths have {' and '.join(mine)}, but --operator is one operator", "name it the same in all of them"
        )
    return mine[0] if mine else UNDER_TEST


def _chart_of(wanted: str, chart: str) -> Chart:
    if not chart:
        here = "" if Path(wanted).is_file() else " (there is no folder and no file of that name)"
        raise UsageError(
            f"--operator {wanted} is an image, which has no chart{here}",
            "give the chart that belongs to it: --chart with its folder or .tgz",
        )
    if "://" in chart:
        raise UsageError(f"--chart {chart}: the chart of an operator under test is a folder or .tgz", "give its path")
    return charts.from_path(Path(chart))


def _require_chart(chart: Chart, name: str) -> None:
    """Raise UsageError for a chart that cannot be the operator's, or is of another version than its name says."""
    where = f"the chart {chart.reference}"
    if chart.name != CHART_NAME:
        raise UsageError(
            f"{where} is {chart.name}, which does not belong to the operator", f"its chart is named {CHART_NAME}"
        )
    if crds.APPLICATIONS not in crds.chart_crds(chart):
        raise UsageError(
            f"{where} does not belong to the operator: its crds/ has no {crds.APPLICATIONS}",
            "give the whole chart, charts/spark-operator-chart of the checkout",
        )
    if name != UNDER_TEST and numbers(name) != _numbers(chart.version):
        raise UsageError(
            f"{where} does not belong to {name}: its version is {chart.version}",
            f"name the operator {UNDER_TEST} in the path, or correct version in Chart.yaml",
        )


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers of a chart's version; none where it is no version, as with `latest`."""
    try:
        return numbers(version)
    except ValueError:
        return ()


def _release(name: str, chart: Chart, spark: str, identity: str, catalogue: Catalogue) -> Release:
    text = chart_files.text(chart.path, "values.yaml") or ""
    values = yaml.load(check_yaml(text), Loader=libyaml.Loader)  # noqa: S506 - a safe loader
    has_hook = at(values, "hook.image") is not None
    row = Release(
        version=name,
        date="",
        registry=REGISTRY,
        repository=_REPOSITORY,
        hook_registry=REGISTRY if has_hook else "",
        hook_repository=_HOOK_REPOSITORY if has_hook else "",
        spark=spark,
        crds=tuple(crds.chart_crds(chart)),
        tag=f"{name}-{identity}",
    )
    return behaviour.read(catalogue.written["behaviour"]).of(row)


def _newest(catalogue: Catalogue) -> Release:
    return max((it for it in catalogue.releases if not it.under_test), key=lambda it: order(it.version))


def _told(name: str, given: Tree | GivenImage, chart: Chart, release: Release, catalogue: Catalogue) -> Iterator[str]:
    yield f"{name} is {_of_tree(given) if isinstance(given, Tree) else given}"
    if isinstance(given, Tree):
        yield from _of_git(name, given)
    older = [it for it in catalogue.releases if order(it.version) <= order(name)]
    if not older:
        raise UsageError(
            f"{name} is older than every release that is known, so that nothing is known of what it must be like",
            f"name it {UNDER_TEST} in the path, and it is judged as the newest",
        )
    facts = max(older, key=lambda it: order(it.version)).version
    hook = "" if release.hook_image else ", and it has no hook"
    yield (
        f"{name}: what webhook, metrics and logs must be like is taken from {facts}, the newest release known before "
        f"it; CRDs and values are those of its own chart {chart.version}{hook}"
    )
    oldest = min(numbers(it.version) for it in catalogue.releases if not it.under_test)
    # What is before all releases is no older line of them: forks begin anew, at 0.1.0.
    if name == UNDER_TEST and oldest <= _numbers(chart.version) < numbers(facts):
        yield (
            f"{name}: its chart is of {chart.version}, which is older than {facts}: to be judged as of then, name it "
            f"{chart.version.partition('-')[0]}-{UNDER_TEST}.1 in the path"
        )


def _of_tree(given: Tree) -> str:
    return f"the checkout {given.folder} (tree {given.sha256[:_SHOWN]}), on Spark {given.spark}"


def _of_git(name: str, given: Tree) -> Iterator[str]:
    if given.git_says:
        yield f"{name}: git cannot tell its commit: {given.git_says}"
    if given.git is None:
        return
    changed = given.git.changed
    if not changed:
        yield f"{name}: it is commit {given.git.commit[:_SHOWN]}, unchanged"
        return
    yield (
        f"{name}: the checkout is dirty: {first_few(changed, _MOST_NAMED)} differ from commit "
        f"{given.git.commit[:_SHOWN]} ({given.git.diff}); commit them so that others can have the same"
    )
