# SPDX-License-Identifier: Apache-2.0
"""What the small internet's registries have: what the foundry built, under the public names, and nodes like users'.

It is an artefact of the foundry's store, built once: a storage for each registry host, and the Helm repository's pages.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness import process
from harness.bootstrap import tools
from harness.errors import CatalogueError, ToolError
from harness.foundry import images as foundry_images
from harness.foundry import operator, shapes
from harness.foundry.assemble import share
from harness.foundry.kubernetes import row_of
from harness.foundry.loaded import LoadedNode
from harness.foundry.publish import published
from harness.foundry.shapes import FoundryNode
from harness.foundry.store import Artifact, Recipe, Store
from harness.images.references import ImageReference
from harness.internet import indexes, names
from harness.matrix.catalogue import Catalogue
from harness.matrix.model import Environment
from harness.matrix.release import Release
from harness.providers import PROVIDERS
from harness.registries import local
from harness.settings import Settings

_ENGINE_SECONDS = 900.0
_SECONDS = 120.0
_HOSTS = ("docker.io", "ghcr.io", "registry.k8s.io")
_BASE = "docker/registry/v2"
_DATA = "data"
_ENVIRONMENTS = ("kind-1.34", "k3d-1.34")
_RELEASES = ("2.2.1@docker.io", "2.5.2")
_NOT_REHEARSED = {"upstream_kubernetes", "foundry_distribution"}


@dataclass(frozen=True, kw_only=True)
class PublicNode:
    """A node image as the public registries have it: `reference` is its name there, without a digest."""

    environment: Environment
    reference: str
    node: FoundryNode


def public_nodes(environments: Sequence[Environment]) -> list[PublicNode]:
    """The nodes of these environments under their public names, tagged with the version that the foundry builds."""
    found = []
    for it in environments:
        node = shapes.shaped(LoadedNode(row=row_of(it), builds=()), it.distribution)
        public = ImageReference.parse(it.node_image)
        suffix = public.tag[public.tag.index("-") :] if "-" in public.tag else ""
        name = f"{public.registry}/{public.repository}:v{it.kubernetes}{suffix}"
        found.append(PublicNode(environment=it, reference=name, node=node))
    return found


def helper_of(environment: Environment, version: str) -> str:
    """The image that a provider starts beside its nodes, by its public name; empty where there is none."""
    repository = PROVIDERS[environment.provider].helper_repository
    return f"{repository}:{version}" if repository else ""


@dataclass(frozen=True, kw_only=True)
class Content:
    """What to publish: these environments' nodes, and images and charts of these releases."""

    settings: Settings
    environments: tuple[Environment, ...]
    releases: tuple[Release, ...]

    @classmethod
    def of(cls, settings: Settings, known: Catalogue) -> Self:
        """What the rehearsal of upstream needs."""
        return cls(
            settings=settings,
            environments=tuple(map(known.environment, _ENVIRONMENTS)),
            releases=tuple(map(known.release, _RELEASES)),
        )

    def kept(self) -> list[Recipe]:
        """Its recipe, for who looks which artefacts are of use still; none where no rehearsal could use what is stored:
        without a provider's program, or with nodes that the foundry does not build."""
        try:
            return [self.recipe()]
        except (ToolError, CatalogueError):
            return []

    def recipe(self) -> Recipe:
        """What it depends on. Raises ToolError where a provider's program is not there, CatalogueError for a node that
        the foundry does not build."""
        stored = {it: published(self._stored, it) for it in self._images()}
        return Recipe(
            kind="internet",
            name="content",
            inputs={
                **stored,
                **{it.reference: it.node.recipe.key for it in public_nodes(self.environments)},
                **{name: operator.chart_recipe(name).key for name in self._versions()},
                "helpers": " ".join(self._helpers()),
                "form": "3",
            },
        )

    def build(self) -> Artifact:
        """Build it when it is missing. Raises BuildError that names the log."""
        tools.ensure(self.settings, list(dict.fromkeys(it.provider for it in self.environments)))
        return Store.of(self.settings).build(self.recipe(), self._make)

    @property
    def _stored(self) -> Path:
        return foundry_images.registries(self.settings)

    def _versions(self) -> list[str]:
        return list(dict.fromkeys(it.version for it in self.releases))

    def _images(self) -> Iterator[str]:
        """What the foundry has published of what these releases and their applications need."""
        wanted = [it.reference for it in foundry_images.builders(self.settings, self.releases)]
        for environment in self.environments:
            wanted += row_of(environment).images().values()
        yield from (it for it in dict.fromkeys(wanted) if published(self._stored, it))

    def _helpers(self) -> Iterator[str]:
        for it in self.environments:
            if PROVIDERS[it.provider].helper_repository:
                version = tools.resolve(self.settings, [it.provider])[it.provider].version
                yield helper_of(it, version)

    def _make(self, folder: Path, log_file: Path) -> None:
        storage = folder / "storage"
        for host in _HOSTS:
            (storage / host).mkdir(parents=True)
        for reference in self._images():
            copy_image(self._stored, reference, storage, reference)
        registry = tools.ensure(self.settings, ["registry"])["registry"].path
        for host in ("docker.io", "ghcr.io"):
            with local.serve(registry, storage / host, folder / "registry.log") as server:
                indexes.with_attestations(server.url, host, tags(storage / host))
                if host == "docker.io":
                    self._push_nodes(server.address, storage / host, log_file)
                else:
                    self._push_charts(server.address, folder / "charts", log_file)
        for node, helper in zip(
            [it for it in public_nodes(self.environments) if PROVIDERS[it.environment.provider].helper_repository],
            self._helpers(),
            strict=True,
        ):
            copy_image(storage, node.reference, storage, helper)
        (folder / "registry.log").unlink()

    def _push_nodes(self, address: str, storage: Path, log_file: Path) -> None:
        for it in public_nodes(self.environments):
            if not it.node.exists():
                it.node.build(Store.of(self.settings))
            name = f"{address}/{it.reference.partition('/')[2]}"
            process.call(["docker", "tag", it.node.reference, name], timeout=_SECONDS, log_file=log_file)
            try:
                process.call(["docker", "push", "--quiet", name], timeout=_ENGINE_SECONDS, log_file=log_file)
            finally:
                process.call(["docker", "rmi", name], timeout=_SECONDS, log_file=log_file, check=False)

    def _push_charts(self, address: str, pages: Path, log_file: Path) -> None:
        """The charts, as OCI artifacts and on the pages of the Helm repository."""
        helm = tools.ensure(self.settings, ["helm"])["helm"].path
        charts = names.hosts().charts
        for version in self._versions():
            chart = operator.chart(Store.of(self.settings), version)
            for release in (it for it in self.releases if it.version == version and it.chart_oci):
                path = release.chart_oci.removeprefix("oci://").partition("/")[2].rpartition("/")[0]
                process.call(
                    [helm, "push", chart, f"oci://{address}/{path}", "--plain-http"],
                    timeout=_SECONDS,
                    log_file=log_file,
                )
            target = pages / f"v{version}" / chart.name
            target.parent.mkdir(parents=True)
            shutil.copyfile(chart, target)
        process.call(
            [helm, "repo", "index", pages, "--url", f"https://{charts.releases}{charts.files}"],
            timeout=_SECONDS,
            log_file=log_file,
        )


def share_tree(source: Path, target: Path) -> None:
    """A copy of a registry's storage that shares the content, which never changes; links and tags are its own."""
    shutil.copytree(source, target, copy_function=lambda origin, copy: _share(str(origin), str(copy)))


def _share(origin: str, copy: str) -> None:
    if Path(origin).name == _DATA:
        share(Path(origin), Path(copy))
    else:
        shutil.copyfile(origin, copy)


def copy_image(source: Path, reference: str, target: Path, name: str) -> None:
    """Give an image of the storages below `source` a name in those below `target`, with the same content."""
    origin, wanted = ImageReference.parse(reference), ImageReference.parse(name)
    base, other = (root / host / _BASE for root, host in ((source, origin.registry), (target, wanted.registry)))
    repository, place = base / "repositories" / origin.repository, other / "repositories" / wanted.repository
    digests = list(_parts(base, (repository / "_manifests/tags" / origin.tag / "current/link").read_text().strip()))
    for digest, is_manifest in digests:
        algorithm, _, digits = digest.partition(":")
        blob = Path("blobs", algorithm, digits[:2], digits, _DATA)
        if not (other / blob).exists():
            (other / blob).parent.mkdir(parents=True)
            _share(str(base / blob), str(other / blob))
        for kind in ("_layers", *(("_manifests/revisions",) if is_manifest else ())):
            _link(place / kind / algorithm / digits / "link", digest)
    tag, (digest, _) = place / "_manifests/tags" / wanted.tag, digests[0]
    _link(tag / "current/link", digest)
    _link(tag / "index" / digest.replace(":", "/") / "link", digest)


def _parts(base: Path, digest: str) -> Iterator[tuple[str, bool]]:
    """Digests of a manifest and of everything that it lists, and whether it is a manifest."""
    digits = digest.partition(":")[2]
    yield digest, True
    manifest = json.loads((base / "blobs/sha256" / digits[:2] / digits / _DATA).read_bytes())
    for child in manifest.get("manifests", ()):
        yield from _parts(base, child["digest"])
    for part in (*((manifest["config"],) if "config" in manifest else ()), *manifest.get("layers", ())):
        yield part["digest"], False


def _link(file: Path, digest: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(digest)


def tags(storage: Path) -> list[tuple[str, str]]:
    """Repository and tag of everything in a storage."""
    root = storage / _BASE / "repositories"
    found = root.rglob("_manifests/tags/*/current/link")
    return sorted((link.parents[4].relative_to(root).as_posix(), link.parents[1].name) for link in found)


def pins(nodes: Sequence[PublicNode], digests: Mapping[str, str]) -> str:
    """The rows of a catalogue in which the environments have these node images."""
    rows = []
    for it in nodes:
        row = it.environment.model_dump(exclude_defaults=True, exclude=_NOT_REHEARSED, mode="json")
        row |= {"node_image": f"{it.reference}@{digests[it.reference]}", "replaces": True}
        # What stands in for another distribution is called so, whoever serves it.
        row["distribution"] = it.environment.distribution_from("foundry")
        rows.append("[[environment]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in row.items()))
    return "\n".join(rows)
