# SPDX-License-Identifier: Apache-2.0
"""Writes the locks of a group's cells, and compares what is at hand with the lock that a run was given."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from harness import __version__, seeds, stories
from harness.apps import samples
from harness.apps.users import SECRET
from harness.errors import HarnessError
from harness.foundry import bases
from harness.foundry.store import Store
from harness.matrix.model import Cell, Environment
from harness.matrix.release import ChartSource, Release
from harness.redaction.redactor import Redactor
from harness.registries.image_records import ImageRecord
from harness.registries.sources import Source
from harness.releases import charts, ways
from harness.releases.asked import operator_image
from harness.releases.charts import Chart
from harness.releases.values import merge
from harness.report.repro import repro
from harness.run import guests, locked_apps, locked_before, locked_operator, locked_rows, lockstore
from harness.run.lock import (
    Difference,
    Lock,
    LockedAddon,
    LockedChart,
    LockedEnvironment,
    LockedImage,
    LockedNode,
    LockedRelease,
    LockedStop,
    differences,
    masked,
)
from harness.run.lockstore import LockStore
from harness.run.run_host import Host
from harness.run.setup import Request
from harness.verdicts import Finding, passed, unavailable
from harness.wording import counted


class NodeIdentities(Protocol):
    """What tells node images apart."""

    def identity(self, environment: Environment, node: ImageRecord) -> str:
        """What makes a node image the same on another machine."""


class Inputs(Protocol):
    """What a locker asks of the run's resources."""

    @property
    def source(self) -> Source:
        """Where images come from."""

    @property
    def node_images(self) -> NodeIdentities:
        """Which node images are the same."""


class Locker:
    """The locks of one group's cells. May be used by several threads once `learn` was called."""

    def __init__(self, asked: Request, host: Host, inputs: Inputs, say: Callable[[str], None]) -> None:
        self._asked = asked
        self._host = host
        self._inputs = inputs
        self._say = say
        self._node: ImageRecord | None = None
        self._chart: Chart | None = None
        self._before: dict[str, Chart] = {}
        self._addons: tuple[LockedAddon, ...] = ()
        self._unresolved: dict[str, str] = {}
        self._lock = threading.Lock()

    def learn(
        self,
        *,
        node: ImageRecord | None = None,
        chart: Chart | None = None,
        before: Mapping[str, Chart] | None = None,
        addons: tuple[LockedAddon, ...] = (),
    ) -> None:
        """Take note of an input that was found; `before` has the charts of releases that the path only goes through.

        `addons` are in the cluster before the operator.
        """
        self._addons = addons or self._addons
        self._node = node or self._node
        self._chart = chart or self._chart
        self._before.update(before or {})

    def lock(self, cell: Cell, attempt: int = 1, *, watched: Iterable[str] = ()) -> Lock:
        """What an attempt at a cell runs with, as far as it is known; `watched` as of the attempt.

        A user's applications are in the locks of their own cells alone.
        """
        source = self._inputs.source
        environment = cell.environment
        releases = [self._asked.catalogue.release(name) for name in cell.path.releases]
        values = merge(*self._asked.values)
        shown, redacted = masked(values, source.mirrors.secrets)
        wanted = dict.fromkeys([*(operator_image(it, values) for it in releases), *cell.scenario.images])
        return Lock(
            harness_version=__version__,
            cell=cell.id,
            source=self._host.choice.kind,
            environment=LockedEnvironment(
                name=environment.name,
                provider=environment.provider,
                kubernetes=environment.kubernetes_from(self._host.choice.kind),
                distribution=environment.distribution_from(self._host.choice.kind),
                node=self._locked_node(environment),
            ),
            release=_locked_release(releases[-1]),
            chart=_locked_chart(self._chart, "" if self._asked.under_test else self._asked.options.chart or ""),
            before=tuple(
                LockedStop(release=_locked_release(it), chart=_locked_chart(self._before.get(it.name), ""))
                for it in releases[:-1]
            ),
            images=tuple(LockedImage(reference=it, digest=self._digest(it)) for it in wanted),
            applications=_applications(),
            user_apps=locked_apps.locked(stories.of(cell.scenario).brought(self._asked.given), source.mirrors.secrets),
            watched=tuple(sorted(set(watched).difference(*(it.brings for it in stories.discover().values())))),
            rows=locked_rows.locked(self._asked.catalogue, cell),
            values=shown,
            redacted=redacted,
            tools=self._tools(cell),
            packages=self._packages(),
            release_name=self._asked.options.release_name or "",
            namespace=self._asked.options.namespace or "",
            exact_values=self._asked.options.exact_values,
            addons=self._addons,
            surroundings=locked_before.locked(self._asked.before, source.mirrors.secrets),
            secrets_before=locked_before.secrets(self._asked.before),
            operator=locked_operator.locked(self._asked.under_test, cell),
            seed=seeds.of_attempt(self._asked.seed, attempt),
        )

    def differences(self, cell: Cell) -> list[Difference]:
        """What is not as in the lock that the run was given; empty without one."""
        return differences(self._asked.lock, self.lock(cell)) if self._asked.lock else []

    def refusal(self, cell: Cell) -> Finding | None:
        """Why the cell must not run: inputs that differ from the lock, unless the user accepts drift."""
        found = self.differences(cell)
        for difference in found:
            self._say(f"{cell.id}: {difference}")
        matter = [difference for difference in found if difference.matters]
        if not matter or self._asked.options.drift:
            return None
        reasons = [self._unresolved.get(image.reference, "") for image in (self._asked.lock or self.lock(cell)).images]
        return unavailable(
            "inputs-as-locked",
            "\n".join([*map(str, matter), *filter(None, reasons), "run it all the same with --drift"]),
        )

    def agreement(self, cell: Cell) -> list[Finding]:
        """The claim that the inputs are the lock's, where there is a lock and nothing drifted."""
        lock = self._asked.lock
        if lock is None or any(it.matters for it in self.differences(cell)):
            return []
        return [
            passed(
                "inputs-as-locked", f"node, chart and {counted(len(lock.images), 'image')} are those of {lock.digest}"
            )
        ]

    def repro(self, lock: Lock) -> str:
        """The line that runs the cell again from its lock; values that the lock must not hold are given again."""
        options = self._asked.options
        files = [str(file) for file in options.values] if lock.redacted else []
        key = options.values_key or "" if files else ""
        hidden = any(it.redacted for it in lock.user_apps)
        hidden = hidden or (bool(lock.user_apps) and any(it.kind == SECRET for it in self._asked.given.apps))
        apps = str(options.apps) if hidden and options.apps else ""
        hidden = bool(lock.secrets_before) or any(it.redacted for it in lock.surroundings)
        before = str(options.before) if hidden and options.before else ""
        existing = self._asked.existing
        return repro(
            lock.cell,
            lock=lock.digest,
            values=files,
            key=key,
            apps=apps,
            before=before,
            existing=guests.again(options, existing.access.context) if existing else (),
            operator=(options.operator or "", options.chart or "") if lock.operator else (),
            config=str(options.config or ""),
        )

    def keep(self, lock: Lock, evidence: str) -> None:
        """Put the lock where --lock finds it: into the cache, and into the evidence if there is any."""
        try:
            LockStore.of(self._asked.settings).save(lock, self._chart)
            if evidence:
                lockstore.write_beside(lock, Path(evidence), self._chart)
        except (OSError, HarnessError) as error:
            self._say(f"{lock.cell}: its lock could not be kept: {error}")

    def _locked_node(self, environment: Environment) -> LockedNode | None:
        if self._node is None:
            return None
        identity = self._inputs.node_images.identity(environment, self._node)
        built = self._host.choice.kind == "foundry"
        # What comes behind the colon of a built one, and a mirror's host, are this machine's own.
        image = self._node.reference.rpartition(":")[0] if built else environment.node_image
        return LockedNode(image=image, identity=identity)

    def _digest(self, reference: str) -> str:
        try:
            return self._inputs.source.resolve(reference).digest
        except HarnessError as missing:
            with self._lock:
                self._unresolved[reference] = missing.message
            return ""

    def _packages(self) -> dict[str, str]:
        """The Debian packages in what the foundry built, which the key of a node does not tell."""
        return bases.digests(Store.of(self._asked.settings)) if self._host.choice.kind == "foundry" else {}

    def _tools(self, cell: Cell) -> dict[str, str]:
        environment = cell.environment
        names = ("helm", *ways.tools_of([cell.path]), environment.provider, f"kubectl-{environment.minor}")
        return {name: self._host.tools[name].version for name in names if name in self._host.tools}


def _locked_release(release: Release) -> LockedRelease:
    return LockedRelease(version=release.version, registry=release.registry, repository=release.repository)


def _locked_chart(chart: Chart | None, wanted: str) -> LockedChart | None:
    if chart is None:
        return None
    return LockedChart(
        name=chart.name,
        version=chart.version,
        app_version=chart.app_version,
        origin=chart.origin.value,
        sha256=chart.sha256,
        # An address may have a login in it, and a lock is made to be passed on.
        requested="file" if wanted and chart.origin is ChartSource.FILE else Redactor().text(wanted),
    )


@functools.cache
def _applications() -> str:
    return charts.from_path(samples.CHART).sha256
