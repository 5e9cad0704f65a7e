# SPDX-License-Identifier: Apache-2.0
"""What all clusters of a run share: its ledger, its network, its registries, its source of images."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from harness import process
from harness.cleanup.clean import clean_stale
from harness.cleanup.engine import DockerObject
from harness.cleanup.remains import anonymous_volumes
from harness.errors import HarnessError
from harness.evidence.folders import remove_folder
from harness.evidence.ledger import Ledger, ledger_folder, short_run_id
from harness.evidence.temporary import all_in
from harness.foundry import images as foundry_images
from harness.foundry.imported import Imports, Records
from harness.host.disk import GIGABYTE
from harness.image_cache.cache import ImageCache
from harness.images import logins
from harness.images.architecture import of_nodes
from harness.images.credentials import Credentials
from harness.images.mirrors import MirrorMap
from harness.images.references import ImageReference
from harness.kube.pull_messages import PullsLeft
from harness.matrix.model import Cell
from harness.matrix.release import Release
from harness.providers import network
from harness.providers.base import Guest
from harness.registries import limits
from harness.registries.image_records import Provenance
from harness.registries.local import NodeRegistries, stored_hosts
from harness.registries.sources import Mirrored, Source, Unasked, Upstream, source_for
from harness.releases.asked import operator_image
from harness.releases.charts import Chart
from harness.releases.values import at, merge
from harness.run import before, registry_hosts, spark_images
from harness.run.image_supply import SERVER, ImageSupply, serving
from harness.run.node_images import NodeImages
from harness.run.own_load import OwnLoad
from harness.run.preflight import Preflight
from harness.run.release_charts import ReleaseCharts
from harness.run.run_host import Host
from harness.run.setup import Request
from harness.verdicts import Finding

if TYPE_CHECKING:
    from harness.run.guest_proof import Proof

_INSPECT_SECONDS = 60.0


class Resources:
    """Made by `open`, unmade by `close`; every piece is in the ledger before it exists.

    `node_images`, `charts` and `supply` are there from `open` on; there is no supply where images are on this machine
    anyway.
    """

    node_images: NodeImages
    charts: ReleaseCharts
    supply: ImageSupply | None

    def __init__(self, run_id: str, asked: Request, host: Host, say: Callable[[str], None]) -> None:
        self.run_id = run_id
        self._asked = asked
        self._host = host
        self._say = say
        self.network = f"soh-{short_run_id(run_id)}"
        self.ledger: Ledger | None = None
        self.folder: Path | None = None
        self._temporary = ExitStack()
        self._registries: NodeRegistries | None = None
        self._source: Source | None = None
        self.supply = None
        self.guest: Guest | None = None
        self._proof: Proof | None = None
        self._under_test: dict[str, Chart] = {}
        self.operator_changes: dict[str, tuple[str, ...]] = {}
        self._load = OwnLoad(self._is_own)

    def open(self) -> None:
        """Remove what dead runs left, make the run's own things. Raises HarnessError; then `close` is needed, too."""
        settings = self._asked.settings
        clean_stale(settings, say=self._say)
        self.ledger = Ledger.open(self.run_id, ledger_folder(settings))
        self.folder = self.ledger.temporary_folder()
        self._temporary.enter_context(all_in(self.folder))
        mirrors = None if self._open_as_guest() else self._open_engine(self.ledger)
        self._source = self._source_of(mirrors)
        self.node_images = NodeImages(settings, self._host, self._source, self._imports)
        self._open_supply()
        self.charts = ReleaseCharts(
            settings,
            self._source,
            self._imports,
            helm=self._host.tools["helm"].path,
            folder=self.scratch("charts"),
            given=self._under_test,
        )

    def _open_as_guest(self) -> bool:
        """Take up a user's cluster, where the run is a guest in one: nothing is made on this machine then."""
        found = self._asked.existing
        if found is None:
            return False
        from harness.run import guest_plan

        helm = self._host.tools["helm"].path
        self.guest = guest_plan.guest(self._asked, found, self.run_id, self.scratch("existing"), helm)
        self._proof = guest_plan.proof(self._asked, self.guest, self._say)
        return True

    def leaks_in_cluster(self) -> list[str]:
        """What is the run's in a user's cluster, at the end; nothing where it was no guest in one."""
        return self._proof.leaks() if self._proof is not None else []

    def _source_of(self, mirrors: MirrorMap | None) -> Source:
        kind = self._host.choice.kind
        if self.guest is not None and kind == "foundry":
            return Unasked()
        return source_for(kind, self._asked.settings, local=mirrors, provenance=self._provenance())

    def _open_engine(self, ledger: Ledger) -> MirrorMap | None:
        """Make what clusters of this machine need: a network, and registries where the source has them on it."""
        settings = self._asked.settings
        ledger.uses(self._host.engine)
        self._load.start()
        ledger.planned("network", self.network)
        before.build_images(self._asked, self._host.choice.kind, self._say)
        spark_images.build_missing(self._asked, self._host.choice.kind, self._say)
        self._prepare_operator()
        with ThreadPoolExecutor(1, "network") as beside:
            ipv6 = any(cell.environment.ip_family != "ipv4" for cell in self._asked.cells)
            made = beside.submit(network.create, self.network, self.run_id, isolated=settings.isolated, ipv6=ipv6)
            registries = self._node_registries()
            made.result()
        if registries is None:
            return None
        self._registries = registries
        stored = stored_hosts(registries.storage)
        if self._host.choice.kind == "foundry" or self._asked.under_test is None:
            hosts = registry_hosts.needed(self._asked, stored)
        else:
            hosts = (self._asked.under_test.release.registry,)
        return registries.start(self.run_id, self.network, hosts=hosts)

    def _open_supply(self) -> None:
        """Have the run's images come to this machine once, where they come from registries elsewhere."""
        settings, source = self._asked.settings, self._source
        if self.guest is not None or not settings.image_cache_gb or not isinstance(source, Upstream | Mirrored):
            return
        registry = self._host.tools.get("registry")
        if registry is None:
            self._say(
                "no image cache: its registry server is not built (nox -s bootstrap), so each node pulls for itself"
            )
            return
        cache = ImageCache.of(settings)
        server, view = serving(
            cache,
            self.scratch("registries"),
            registry.path,
            lambda name: self._planned("container", name),
        )
        supply = ImageSupply(
            cache,
            source,
            server,
            view,
            most_bytes=settings.image_cache_gb * GIGABYTE,
            platform=of_nodes(),
            images=self._images_of,
            engine_images=self.node_images.from_registries,
            say=self._say,
        )
        self.supply = supply
        supply.start(self.run_id, self.network)

    def _images_of(self, cell: Cell) -> Iterator[str]:
        operator = self._asked.under_test
        own = (operator.release.image, operator.release.hook_image) if operator else ()
        yield from (it for it in self.preflight.images(cell) if it not in own)
        for addon in before.addons_of(self._asked, [cell]):
            yield from addon.images

    def node_cache(self) -> Mapping[str, str]:
        """What nodes ask for images before mirrors and registries, by registry host."""
        return self.supply.addresses(self.source.mirrors.mirrors) if self.supply is not None else {}

    def _prepare_operator(self) -> None:
        """Have the operator under test in the storage of the run's registries. Raises HarnessError."""
        found = self._asked.under_test
        if found is None:
            return
        for line in found.told:
            self._say(line)
        hook = any(cell.path.crds == "hook" for cell in self._asked.cells)
        hook = hook or bool(at(merge(*self._asked.values), "hook.upgradeCrd"))
        registry = self._host.tools["registry"].path
        chart = found.prepare(self._asked.settings, self._say, hook=hook, registry=registry)
        self._under_test[found.release.name] = chart

    def compare_operator(self, release: Release, chart: Chart) -> None:
        """Note and tell how the chart of the operator under test differs from that of a release, once."""
        found = self._asked.under_test
        if found is None or release.under_test or release.version in self.operator_changes:
            return
        from harness.under_test import changes

        lines = changes.between(chart, self._under_test[found.release.name])
        self.operator_changes[release.version] = lines
        for line in lines or ("nothing differs",):
            self._say(f"{found.release.name} against {release.version}: {line}")

    def _node_registries(self) -> NodeRegistries | None:
        """The registries that the source needs, ready to be started. Raises HarnessError."""
        if self._host.choice.kind != "foundry" and self._asked.under_test is None:
            return None
        registries = NodeRegistries(
            binary=self._host.tools["registry"].path,
            storage=foundry_images.registries(self._asked.settings),
            announce=lambda name: self._planned("container", name),
            hidden=self._unasked_copies(),
        )
        registries.prepare()
        return registries

    @property
    def source(self) -> Source:
        """Where images come from. Only after `open`."""
        if self._source is None:
            raise HarnessError("the run has no source of images yet")
        return self._source

    def scratch(self, name: str) -> Path:
        """A folder for one cluster, inside the run's temporary folder."""
        if self.folder is None:
            raise HarnessError("the run has no folder yet")
        made = self.folder / name
        made.mkdir(parents=True, exist_ok=True)
        return made

    @functools.cached_property
    def preflight(self) -> Preflight:
        """Who asks what the mirrors have, before a cluster is made. Only after `open`."""
        return Preflight(
            self.source,
            self._asked.catalogue,
            lambda path: merge(*self._asked.on(path).values),
            options=self._asked.options,
            engine_images=self.node_images.from_registries,
            say=self._say,
        )

    def refusals(self, cells: Sequence[Cell]) -> dict[str, Finding]:
        """Cell id → why it cannot be run. The images of the others are on their way from now on."""
        refused = self.preflight.refusals(cells)
        rest = [self.preflight.without_absent(cell) for cell in cells if cell.id not in refused]
        return refused | (self.supply.gather(rest) if self.supply is not None else {})

    def login(self, host: str, repository: str = "") -> Credentials | None:
        """What a pull secret says to a registry host: what this machine knows; None when it knows nothing.

        The run's own registries let everybody in and take any login. Raises SettingsError for a broken configuration.
        """
        kind = self._host.choice.kind
        if kind == "foundry" and self.guest is None:
            return Credentials(username="spark-operator-harness", password=SecretStr(self.run_id))
        if kind == "mirror":
            mirror = self.source.mirrors.mirrors.get(host)
            return (
                Credentials(username=mirror.username, password=mirror.password) if mirror and mirror.username else None
            )
        return logins.for_pulls(host, self._asked.settings.logins, repository)[0]

    def pulls_left(self, image: str) -> PullsLeft | None:
        """What the registry that this run has the image from says of its pull limit; None when it says nothing."""
        name = ImageReference.parse(image)
        login = self.login(name.registry, name.repository)
        return limits.pulls_left(image, self.source.mirrors.mirrors.get(name.registry), login)

    def registry_logs(self) -> Mapping[str, str]:
        """Registry host → access log of the run's own registries."""
        logs = {SERVER: self.supply.log()} if self.supply is not None else {}
        if self._registries is None:
            return logs
        return logs | {host: self._registries.access_log(host) for host in self.source.mirrors.mirrors}

    def own_load(self, moment: float) -> float | None:
        """The run's own part of the host's load since a moment of the monotonic clock, as OwnLoad has it."""
        return self._load.since(moment)

    def _is_own(self, it: DockerObject) -> bool:
        """Whether something in the container engine is this run's."""
        entries = self.ledger.open_entries() if self.ledger is not None else []
        return it.run_id == self.run_id or it.cluster in {entry.name for entry in entries if entry.kind == "cluster"}

    def learn_volumes(self, containers: tuple[str, ...]) -> None:
        """Note the anonymous volumes of node containers, which have no name of ours."""
        for volume in anonymous_volumes(containers):
            self._planned("volume", volume)

    def release_registries(self) -> None:
        """Stop the registries, since nothing pulls any more. Raises HarnessError."""
        if self._registries is not None:
            self._registries.stop()
        if self.supply is not None:
            self.supply.stop()

    def close(self, *, keep: bool = False) -> None:
        """Unmake everything, in reverse; one failure does not stop the rest, and the first is raised at the end."""
        problems: list[HarnessError] = []

        def attempt(act: Callable[[], None]) -> bool:
            try:
                act()
            except HarnessError as error:
                problems.append(error)
                return False
            return True

        self._load.stop()
        if self.supply is not None:
            attempt(self.supply.close)
        if self._source is not None:
            self._source.close()
        self._temporary.close()
        if self.ledger is None:
            return
        if not keep:
            if attempt(self.release_registries):
                self._gone("container")
            if self.guest is None and attempt(lambda: network.remove(self.network)):
                self._gone("network")
            if self.folder is not None:
                said = remove_folder(self.folder)
                if said:
                    problems.append(HarnessError(said))
                else:
                    self._gone("folder")
            self._forget_volumes()
        if keep:
            self.ledger.keep()
        self.ledger.close()
        if problems:
            raise problems[0]

    @functools.cached_property
    def _imports(self) -> Records:
        return Imports.of(self._asked.settings).read()

    def _provenance(self) -> Provenance:
        catalogue = self._asked.catalogue
        copies: dict[str, str] = {}
        for copy in catalogue.copies():
            own = catalogue.release(copy.version)
            copies |= {copy.image: own.image} | ({copy.hook_image: own.hook_image} if own.hook_image else {})
        served = self._host.choice.kind == "foundry"
        imported = {it.reference: it.obtained for it in self._imports.images} if served else {}
        if self._asked.under_test is not None:
            imported[self._asked.under_test.release.image] = self._asked.under_test.obtained
        return Provenance(imported=imported, copies=copies)

    def _unasked_copies(self) -> list[ImageReference]:
        """Copies of releases in other registries that some run made, and that nothing in this one asks for.

        A run must not find what nobody has copied in its story: an upgrade whose values still name the old registry.
        """
        catalogue, values = self._asked.catalogue, merge(*self._asked.values)
        wanted = {it.image for it in self._asked.releases} | {operator_image(it, values) for it in self._asked.releases}
        unasked = [it for it in catalogue.copies() if it.image not in wanted]
        images = [image for it in unasked for image in (it.image, it.hook_image) if image]
        return [ImageReference.parse(image) for image in images]

    def _planned(self, kind: str, name: str) -> None:
        if self.ledger is not None:
            self.ledger.planned(kind, name)  # type: ignore[arg-type]

    def _gone(self, kind: str) -> None:
        if self.ledger is not None:
            for entry in self.ledger.open_entries():
                if entry.kind == kind:
                    self.ledger.gone(entry.kind, entry.name)

    def _forget_volumes(self) -> None:
        if self.ledger is None:
            return
        for entry in self.ledger.open_entries():
            if entry.kind == "volume":
                argv = ["docker", "volume", "inspect", entry.name]
                if process.call(argv, timeout=_INSPECT_SECONDS, check=False).returncode != 0:
                    self.ledger.gone("volume", entry.name)
