# SPDX-License-Identifier: Apache-2.0
"""What all clusters of a run share: its ledger, its network, its registries, its source of images, its charts."""

from __future__ import annotations

import functools
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from harness import process, providers
from harness.cleanup.clean import clean_stale
from harness.cleanup.remains import anonymous_volumes, remove_folder
from harness.errors import CommandError, HarnessError, RegistryError, UnavailableError
from harness.evidence.ledger import Ledger, ledger_folder, short_run_id, temp_prefix
from harness.foundry import images as foundry_images
from harness.foundry import shapes
from harness.foundry.imported import Imports, Records
from harness.foundry.shapes import FoundryNode
from harness.images.credentials import Credentials, from_docker_config
from harness.images.mirrors import MirrorMap, mirrored
from harness.images.references import ImageReference
from harness.imports import at_hand
from harness.kube.pull_messages import PullsLeft
from harness.matrix.imported import why_not_offered
from harness.matrix.model import Environment, Release
from harness.providers import network
from harness.registries import limits, pull
from harness.registries.local import NodeRegistries
from harness.registries.sources import ImageRecord, Provenance, Source, source_for
from harness.releases import charts
from harness.releases.charts import Chart
from harness.releases.values import merge
from harness.run.locking import operator_image
from harness.run.preflight import Preflight
from harness.run.setup import Host, Request

_PULL_SECONDS = 900.0
_INSPECT_SECONDS = 60.0


class Resources:
    """Made by `open`, unmade by `close`; every piece is in the ledger before it exists."""

    def __init__(self, run_id: str, asked: Request, host: Host, say: Callable[[str], None]) -> None:
        self.run_id = run_id
        self._asked = asked
        self._host = host
        self._say = say
        self.network = f"soh-{short_run_id(run_id)}"
        self.ledger: Ledger | None = None
        self.folder: Path | None = None
        self._registries: NodeRegistries | None = None
        self._source: Source | None = None
        self._charts: dict[tuple[str, str], Chart] = {}
        self._lock = threading.Lock()

    def open(self) -> None:
        """Remove what dead runs left, make the run's own things. Raises HarnessError; then `close` is needed, too."""
        settings = self._asked.settings
        clean_stale(settings, say=self._say)
        self.ledger = Ledger.open(self.run_id, ledger_folder(settings))
        self.folder = Path(tempfile.mkdtemp(prefix=temp_prefix(self.run_id)))
        self.ledger.planned("folder", str(self.folder))
        self.ledger.planned("network", self.network)
        network.create(self.network, self.run_id, isolated=settings.isolated)
        mirrors: MirrorMap | None = None
        if self._host.choice.kind == "foundry":
            self._registries = NodeRegistries(
                binary=self._host.tools["registry"].path,
                storage=foundry_images.registries(settings),
                announce=lambda name: self._planned("container", name),
                hidden=self._unasked_copies(),
            )
            mirrors = self._registries.start(self.run_id, self.network)
        self._source = source_for(self._host.choice.kind, settings, local=mirrors, provenance=self._provenance())

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

    def held_images(self, environment: Environment) -> tuple[str, ...]:
        """References that the environment's node image holds already."""
        if self._host.choice.kind != "foundry":
            return ()
        node = shapes.node_for(self._asked.settings, environment)
        return node.held if self._usable(node) else ()

    def helper_image(self, environment: Environment) -> str:
        """The image of what a provider starts beside its nodes, in the engine; empty where it has its own choice.

        Raises UnavailableError when the mirror does not have it. k3d could not be given the mirror's login.
        """
        if self._host.choice.kind == "foundry":
            return shapes.node_for(self._asked.settings, environment).reference
        wanted = self._public_helper(environment)
        if self._host.choice.kind != "mirror" or not wanted:
            return ""
        return pull.from_mirror(wanted, self.source.mirrors, timeout=_PULL_SECONDS)

    def _public_helper(self, environment: Environment) -> str:
        """The provider's own choice of a helper image."""
        repository = providers.named(environment.provider).helper_repository
        return f"{repository}:{self._host.tools[environment.provider].version}" if repository else ""

    def node_image(self, environment: Environment, *, plain: bool = False) -> ImageRecord:
        """The node image, present in the container engine, with images where there is one (unless `plain`).

        Raises UnavailableError.
        """
        kind = self._host.choice.kind
        if kind == "foundry":
            node = shapes.node_for(self._asked.settings, environment)
            reference = node.reference if self._usable(node) and not plain else node.plain
            if reference == node.reference and not self._usable(node) and node.exists():
                raise UnavailableError(
                    f"the node image of {environment.name} holds {', '.join(node.held)}, which you have imported "
                    "another one of, and there is none without",
                    "`harness images remove` it, or take an environment of kind",
                )
            obtained, remedy = "built by the foundry", f"run `nox -s bootstrap -- --env {environment.name}`"
        else:
            reference = self._public_node_image(environment)
            obtained = "pulled from its registry" if kind == "upstream" else "pulled from a mirror"
            remedy = f"try `docker pull {reference}` by hand, or --source foundry"
        digest = _image_id(reference)
        if not digest and kind == "mirror":
            pull.from_mirror(environment.node_image, self.source.mirrors, timeout=_PULL_SECONDS)
            digest = _image_id(reference)
        elif not digest and kind == "upstream":
            try:
                process.call(["docker", "pull", "--quiet", reference], timeout=_PULL_SECONDS)
            except CommandError as error:
                raise UnavailableError(
                    f"the node image {reference} of {environment.name} cannot be pulled: {error.message}", remedy
                ) from error
            digest = _image_id(reference)
        if not digest:
            raise UnavailableError(f"the node image {reference} of {environment.name} is not there", remedy)
        return ImageRecord(
            reference=reference,
            digest=digest,
            registry=reference.split("/")[0] if kind != "foundry" else "",
            obtained=obtained,
        )

    def node_identity(self, environment: Environment, node: ImageRecord) -> str:
        """What makes a node image the same on another machine: its manifest's digest, or for one that is built here the
        key of its recipe. What images it holds besides is no part of that: the cells' own are compared one by one.
        """
        if self._host.choice.kind == "foundry":
            return f"recipe {shapes.node_for(self._asked.settings, environment).identity}"
        pinned = node.reference.partition("@")[2]
        return pinned or _manifest_digest(node.reference) or node.digest

    def chart(self, release: Release, *, wanted: str = "") -> Chart:
        """The release's chart: what is `wanted`, as --chart says it, else an imported one, else what the source offers.

        The release's image has been found then, too. Raises UnavailableError that says how it can be had, UsageError.
        """
        with self._lock:
            key = release.version, wanted
            if key not in self._charts:
                self._require_images(release, chart=wanted)
                self._charts[key] = self._find_chart(release, wanted)
            return self._charts[key]

    @functools.cached_property
    def preflight(self) -> Preflight:
        """Who asks what the mirrors have, before a cluster is made. Only after `open`."""
        return Preflight(
            self.source,
            self._asked.catalogue,
            self._asked.values,
            chart=self._asked.options.chart or "",
            engine_images=lambda it: tuple(filter(None, (it.node_image, self._public_helper(it)))),
            has=lambda reference: bool(_image_id(mirrored(reference, self.source.mirrors) or reference)),
            say=self._say,
        )

    def login(self, host: str) -> Credentials | None:
        """What a pull secret says to a registry host: what this machine knows; None when it knows nothing.

        The run's own registries let everybody in and take any login. Raises SettingsError for a broken configuration.
        """
        kind = self._host.choice.kind
        if kind == "foundry":
            return Credentials(username="spark-operator-harness", password=SecretStr(self.run_id))
        if kind == "mirror":
            mirror = self.source.mirrors.mirrors.get(host)
            return (
                Credentials(username=mirror.username, password=mirror.password) if mirror and mirror.username else None
            )
        return from_docker_config(host)

    def pulls_left(self, image: str) -> PullsLeft | None:
        """What the registry that this run has the image from says of its pull limit; None when it says nothing."""
        return limits.pulls_left(image, self.source.mirrors.mirrors.get(ImageReference.parse(image).registry))

    def registry_logs(self) -> Mapping[str, str]:
        """Registry host → access log of the run's own registries."""
        if self._registries is None:
            return {}
        return {host: self._registries.access_log(host) for host in self.source.mirrors.mirrors}

    def learn_volumes(self, containers: tuple[str, ...]) -> None:
        """Note the anonymous volumes of node containers, which have no name of ours."""
        for volume in anonymous_volumes(containers):
            self._planned("volume", volume)

    def release_registries(self) -> None:
        """Stop the registries, since nothing pulls any more. Raises HarnessError."""
        if self._registries is not None:
            self._registries.stop()

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

        if self._source is not None:
            self._source.close()
        if self.ledger is None:
            return
        if not keep:
            registries = self._registries
            if registries is None or attempt(registries.stop):
                self._gone("container")
            if attempt(lambda: network.remove(self.network)):
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

    def _find_chart(self, release: Release, wanted: str) -> Chart:
        folder = self.scratch("charts")
        helm = self._host.tools["helm"].path
        if wanted:
            return charts.find(wanted, release, helm, folder, mirrors=self.source.mirrors)
        if self._host.choice.kind == "foundry":
            found = at_hand.chart(self._asked.settings, release)
            if found is None:
                raise UnavailableError(f"the chart of release {release.name} is not packed yet", _bootstrap(release))
            return found
        return charts.for_release(release, helm, folder, mirrors=self.source.mirrors)

    def _require_images(self, release: Release, *, chart: str) -> None:
        """Raise UnavailableError when the source does not have the operator's image.

        Upstream is asked for relocated releases only: whether it still has what it published is what an install shows.
        """
        kind, imported = self._host.choice.kind, self._imports.imported
        if chart:
            imported = replace(imported, charts=imported.charts | {release.version})
        reason = why_not_offered(release, kind, imported)
        if reason:
            raise UnavailableError(reason, "choose another --source, or another release")
        if kind != "foundry" and not release.relocated:
            return
        try:
            self.source.resolve(release.image)
        except RegistryError as error:
            if kind != "foundry" or error.status != 404:
                raise
            raise UnavailableError(
                f"{release.image} of release {release.name} is not built yet", _bootstrap(release)
            ) from error

    def _usable(self, node: FoundryNode) -> bool:
        """Whether a node image with images is there, and holds none that a user has imported another one for."""
        return node.exists() and not self._imports.imported.images & set(node.held)

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

    def _public_node_image(self, environment: Environment) -> str:
        if self._host.choice.kind == "upstream":
            return environment.node_image
        reference = mirrored(environment.node_image, self.source.mirrors)
        if not reference:
            registry = ImageReference.parse(environment.node_image).registry
            raise UnavailableError(
                f"no mirror is configured for {registry}, which has the node image {environment.node_image}",
                f'add [mirrors."{registry}"] to harness.toml',
            )
        return reference

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


def _bootstrap(release: Release) -> str:
    return f"run `nox -s bootstrap -- --path install-{release.name}`"


def _image_id(reference: str) -> str:
    argv = ["docker", "image", "inspect", "--format", "{{.Id}}", reference]
    found = process.call(argv, timeout=_INSPECT_SECONDS, check=False)
    return found.stdout.strip() if found.returncode == 0 else ""


def _manifest_digest(reference: str) -> str:
    """The digest by which an image was pulled; empty when it was not."""
    argv = ["docker", "image", "inspect", "--format", '{{join .RepoDigests "\\n"}}', reference]
    found = process.call(argv, timeout=_INSPECT_SECONDS, check=False)
    first = found.stdout.strip().splitlines()[:1]
    return first[0].partition("@")[2] if found.returncode == 0 and first else ""
