# SPDX-License-Identifier: Apache-2.0
"""Prepares this host: engine, tools and, with the foundry, the images of the requested cells."""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from harness.bootstrap import tools
from harness.errors import CommandError, EngineError, ToolError, UnavailableError
from harness.foundry import argocd as argo
from harness.foundry import gobuild, plan
from harness.foundry.store import Store
from harness.host import disk, display, engine, packages, step_runner
from harness.host.steps import BUILD_PACKAGES, ENGINE, Progress, Step
from harness.matrix.model import Environment
from harness.matrix.release import Release
from harness.process import call
from harness.settings import Settings, SourceKind

_IMAGE_TIMEOUT = 1800.0
_INSPECT_TIMEOUT = 30.0


@dataclass(frozen=True, kw_only=True)
class BootstrapReport:
    """What a bootstrap found and did. `seconds` is the whole wall-clock time."""

    outcomes: tuple[step_runner.Outcome, ...]
    seconds: float

    @property
    def changed(self) -> bool:
        """Whether anything was missing."""
        return any(outcome.state == "done" for outcome in self.outcomes)


def bootstrap(
    settings: Settings,
    *,
    source: SourceKind,
    environments: Sequence[Environment],
    releases: Sequence[Release],
    console: Console,
    providers: Sequence[str] = (),
    programs: Sequence[str] = (),
    spark_images: Sequence[str] = (),
    argocd: bool = False,
    to_be_continued: bool = False,
) -> BootstrapReport:
    """Do what is missing for cells of these environments and releases with images from `source`.

    Spark images that are built on demand are built if they are among `spark_images`.
    `providers` are those of further cells, whose images a run makes itself (harness.bootstrap.remainder): of these the
    programs are made here, and Go's caches are left to it where this is `to_be_continued`. `programs` are what the
    ways of paths call, and `argocd` says that Argo CD is one of these.

    Prints the plan, the progress and a summary to `console`. What is there already stays as it is; after an
    interruption a second call goes on with what is missing. Raises DiskError before it starts, EngineError, HostError,
    ToolError, BuildError or UnavailableError from the step that failed.
    """
    started = time.monotonic()
    console.print(f"Source of images: {source}. Cache: {settings.cache_dir}.", soft_wrap=True, highlight=False)
    steps = all_steps(
        settings,
        source=source,
        environments=environments,
        releases=releases,
        providers=providers,
        programs=programs,
        spark_images=spark_images,
        argocd=argocd,
    )
    known = step_runner.what_is_there(steps)
    require_room(settings, [step for step in steps if not known[step.name]])
    display.print_plan(console, steps, known)
    with display.shown(console) as shown:
        outcomes = step_runner.run(steps, shown, known=known)
        caches = _caches_step(settings)
        if not to_be_continued and not caches.done() and any(outcome.state == "done" for outcome in outcomes):
            outcomes += step_runner.run([caches], shown, known={})
    report = BootstrapReport(outcomes=tuple(outcomes), seconds=time.monotonic() - started)
    console.print(display.summary(outcomes))
    verdict = "Ready" if report.changed else "Nothing to do"
    console.print(f"{verdict}, {display.duration(report.seconds)}.", highlight=False)
    if to_be_continued:
        console.print("What only later cells need is built while the first ones run.", highlight=False)
    return report


def all_steps(
    settings: Settings,
    *,
    source: SourceKind,
    environments: Sequence[Environment],
    releases: Sequence[Release],
    providers: Sequence[str] = (),
    programs: Sequence[str] = (),
    spark_images: Sequence[str] = (),
    argocd: bool = False,
) -> list[Step]:
    """Every step for these cells, done or not, and those for `programs` and those of further `providers`."""
    steps = [_engine_step(settings)]
    # A provider's program has its name; one without a row among the tools needs none.
    used = dict.fromkeys((*(environment.provider for environment in environments), *providers))
    names = [*(name for name in used if name in tools.catalogue()), "helm", *programs]
    # For the image cache, without which a run can do: no machine needs Go for that.
    if source == "foundry" or (settings.image_cache_gb and shutil.which("go")):
        names.append("registry")
    if source == "foundry" or argocd:
        steps.append(_packages_step(settings))
    if argocd:
        steps.append(argo.step(Store.of(settings)))
    clusters = tools.clusters_of(environments)
    steps += [_tool_step(settings, name, clusters=clusters) for name in names]
    compiled: tuple[str, ...] = ()
    if source == "foundry":
        steps += plan.steps(settings, environments, releases, spark_images)
        # kubectl is one of the programs of a Kubernetes that the foundry builds; alone it would be built twice.
        compiled = plan.kubernetes_steps(environments)
    elif source == "upstream":
        steps += [_node_image_step(settings, environment) for environment in environments if environment.node_image]
    minors = dict.fromkeys(environment.minor for environment in environments)
    steps += [_tool_step(settings, tools.KUBECTL, minor, needs=compiled) for minor in minors]
    return steps


def require_room(settings: Settings, missing: Sequence[Step]) -> None:
    """Raise DiskError when the disk has no room for a run, or for the step that needs most of it."""
    most = max(missing, key=lambda step: step.room, default=None)
    needed = settings.min_disk_gb * disk.GIGABYTE
    if most and most.room:
        disk.require(settings.cache_dir, needed + most.room, what=most.name)
    for folder in (settings.cache_dir, *_data_root(settings)):
        disk.require(folder, needed, what="a run")


def _data_root(settings: Settings) -> list[Path]:
    try:
        found = engine.probe(settings)
    except EngineError:
        # The step that starts it says what is wrong.
        return []
    return [found.data_root] if found.here else []


def _engine_step(settings: Settings) -> Step:
    def done() -> bool:
        try:
            engine.probe(settings)
        except engine.EngineRefusal:
            raise
        except EngineError:
            return False
        return True

    def run(progress: Progress) -> None:
        found = engine.ensure_engine(settings, progress)
        progress(f"{found}, data in {found.data_root}")

    return Step(name=ENGINE, done=done, run=run, estimate=40.0)


def _packages_step(settings: Settings) -> Step:
    def run(progress: Progress) -> None:
        packages.ensure_build_packages(log_file=settings.cache_dir / "logs" / "build-packages.log", progress=progress)

    return Step(name=BUILD_PACKAGES, done=lambda: not packages.missing_build_packages(), run=run, estimate=60.0)


def _tool_step(
    settings: Settings,
    name: str,
    minor: str = "",
    *,
    needs: tuple[str, ...] = (),
    clusters: tools.Clusters = MappingProxyType({}),
) -> Step:
    minors = [minor] if minor else []

    def done() -> bool:
        try:
            tools.resolve(settings, [name], minors, clusters=clusters)
        except ToolError:
            return False
        return True

    def run(progress: Progress) -> None:
        tools.ensure(settings, [name], minors, progress, clusters=clusters)

    def size() -> int:
        tool = next(iter(tools.resolve(settings, [name], minors, clusters=clusters).values()))
        return tool.path.stat().st_size

    title = f"{name} {minor}" if minor else name
    # What other steps bring along needs no time of its own.
    estimate = 1.0 if needs else 40.0
    return Step(name=f"tool {title}", done=done, run=run, needs=needs, heavy=True, size=size, estimate=estimate)


def _node_image_step(settings: Settings, environment: Environment) -> Step:
    reference = environment.node_image

    @functools.cache
    def client() -> str:
        return str(engine.probe(settings).client)

    def inspect() -> str:
        argv = [client(), "image", "inspect", "--format", "{{.Size}}", reference]
        answer = call(argv, timeout=_INSPECT_TIMEOUT, check=False)
        return answer.stdout.strip() if answer.returncode == 0 else ""

    def run(progress: Progress) -> None:
        progress(f"pulling {reference}")
        try:
            call([client(), "pull", "--quiet", reference], timeout=_IMAGE_TIMEOUT)
        except CommandError as error:
            raise UnavailableError(
                f"the node image {reference} cannot be pulled: {error.message}",
                "run `harness doctor`; without access to the registry use --source foundry or mirror",
            ) from error

    return Step(
        name=f"node image {environment.name}",
        done=lambda: bool(inspect()),
        run=run,
        needs=(ENGINE,),
        size=lambda: int(inspect() or 0),
        estimate=60.0,
    )


def drop_caches(settings: Settings, progress: Progress = lambda line: None) -> None:
    """Remove Go's caches, unless another process is building with them."""
    store = Store.of(settings)
    if not any(store.root.glob("*/*.partial")):
        gobuild.drop_caches(store, progress)


def _caches_step(settings: Settings) -> Step:
    """Many GB in a hundred thousand small files, which takes a busy disk minutes: a step that shows how far it is."""
    store = Store.of(settings)
    return Step(
        name="removal of Go's caches",
        done=lambda: not any(folder.exists() for folder in (*gobuild.caches(store), *gobuild.removed_caches(store))),
        run=lambda progress: drop_caches(settings, progress),
        estimate=30.0,
    )
