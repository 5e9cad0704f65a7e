# SPDX-License-Identifier: Apache-2.0
"""The images of cluster nodes, in the container engine: built by the foundry, or pulled."""

from __future__ import annotations

from collections.abc import Iterator

from harness import process, providers
from harness.errors import CommandError, CommandTimeout, PullError, RegistryError, UnavailableError
from harness.foundry import shapes
from harness.foundry.imported import Records
from harness.foundry.shapes import FoundryNode
from harness.images.architecture import of_nodes
from harness.images.mirrors import mirrored
from harness.images.references import ImageReference
from harness.kube import pull_messages
from harness.matrix.model import Environment
from harness.registries import pull
from harness.registries.image_records import ImageRecord
from harness.registries.sources import Mirrored, Source, Upstream
from harness.run.run_host import Host
from harness.settings import Settings

_PULL_SECONDS = 900.0
_INSPECT_SECONDS = 60.0


class NodeImages:
    """The node images that a run uses, from its source. `imports` is what the user brought along."""

    def __init__(self, settings: Settings, host: Host, source: Source, imports: Records) -> None:
        self._settings = settings
        self._host = host
        self._source = source
        self._imports = imports

    def held(self, environment: Environment) -> tuple[str, ...]:
        """References that the environment's node image holds already."""
        if self._host.choice.kind != "foundry":
            return ()
        node = shapes.node_for(self._settings, environment)
        return node.held if self._usable(node) else ()

    def helper(self, environment: Environment) -> str:
        """The image of what a provider starts beside its nodes, in the engine; empty where it has its own choice.

        Raises UnavailableError when the mirror does not have it, PullError where something kept it away. k3d could not
        be given the mirror's login.
        """
        if self._host.choice.kind == "foundry":
            return shapes.node_for(self._settings, environment).reference
        wanted = self._public_helper(environment)
        if self._host.choice.kind != "mirror" or not wanted:
            return ""
        try:
            return pull.from_mirror(wanted, self._source.mirrors, timeout=_PULL_SECONDS)
        except RegistryError as error:
            raise _blamed(error, wanted) from error

    def image(self, environment: Environment, *, plain: bool = False) -> ImageRecord:
        """The node image, present in the container engine, with images where there is one (unless `plain`).

        Raises UnavailableError, PullError.
        """
        kind = self._host.choice.kind
        if kind == "foundry":
            node = shapes.node_for(self._settings, environment)
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
            if self._settings.rehearsed:
                obtained += " (rehearsed)"
            remedy = f"try `docker pull {reference}` by hand, or --source foundry"
        digest = _image_id(reference)
        if not digest and kind != "foundry":
            self._pull(environment, reference, remedy)
            digest = _image_id(reference)
        if not digest:
            raise UnavailableError(f"the node image {reference} of {environment.name} is not there", remedy)
        return ImageRecord(
            reference=reference,
            digest=digest,
            registry=reference.split("/")[0] if kind != "foundry" else "",
            obtained=obtained,
        )

    def _pull(self, environment: Environment, reference: str, remedy: str) -> None:
        """Have the engine pull a node image. Raises PullError where a network, a limit or a login kept it away, else
        UnavailableError with what is known of why it could not.
        """
        try:
            if self._host.choice.kind == "mirror":
                pull.from_mirror(environment.node_image, self._source.mirrors, timeout=_PULL_SECONDS)
            else:
                process.call(["docker", "pull", "--quiet", reference], timeout=_PULL_SECONDS)
        except (CommandError, RegistryError) as error:
            known = self._unpackable(environment.node_image)
            if isinstance(error, RegistryError) and not known:
                raise _blamed(error, reference) from error
            why = f"{error.message}{f'; {known}' if known else ''}"
            what = f"the node image {reference} of {environment.name} cannot be pulled: {why}"
            trouble = "" if known else _trouble(error, reference)
            if trouble:
                raise PullError(what, trouble) from error
            raise UnavailableError(what, remedy) from error

    def _unpackable(self, image: str) -> str:
        if not isinstance(self._source, Upstream | Mirrored):
            return ""
        name = ImageReference.parse(image)
        return pull.unpackable(self._source.client(name.registry), name, platform=of_nodes())

    def identity(self, environment: Environment, node: ImageRecord) -> str:
        """What makes a node image the same on another machine: its manifest's digest, or for one that is built here the
        key of its recipe. What images it holds besides is no part of that: the cells' own are compared one by one.
        """
        if self._host.choice.kind == "foundry":
            return f"recipe {shapes.node_for(self._settings, environment).identity}"
        pinned = node.reference.partition("@")[2]
        return pinned or _manifest_digest(node.reference) or node.digest

    def from_registries(self, environment: Environment) -> Iterator[str]:
        """What the engine pulls for an environment and does not have yet, by its public name."""
        for reference in filter(None, (environment.node_image, self._public_helper(environment))):
            if not _image_id(mirrored(reference, self._source.mirrors) or reference):
                yield reference

    def _public_helper(self, environment: Environment) -> str:
        """The provider's own choice of a helper image."""
        repository = providers.named(environment.provider).helper_repository
        return f"{repository}:{self._host.tools[environment.provider].version}" if repository else ""

    def _public_node_image(self, environment: Environment) -> str:
        if self._host.choice.kind == "upstream":
            return environment.node_image
        reference = mirrored(environment.node_image, self._source.mirrors)
        if not reference:
            registry = ImageReference.parse(environment.node_image).registry
            raise UnavailableError(
                f"no mirror is configured for {registry}, which has the node image {environment.node_image}",
                f'add [mirrors."{registry}"] to harness.toml',
            )
        return reference

    def _usable(self, node: FoundryNode) -> bool:
        """Whether a node image with images is there, and holds none that a user has imported another one for."""
        return node.exists() and not self._imports.imported.images & set(node.held)


def _trouble(error: CommandError | RegistryError, reference: str) -> str:
    """What to do where the engine says nothing of the image, but of the way to it; empty for all else."""
    if isinstance(error, CommandTimeout):
        return "see what the engine waits for: docker pull by hand"
    found = pull_messages.read(error.stderr if isinstance(error, CommandError) else error.message, image=reference)
    return found.next_step if found.is_recognised and not found.is_releases_fault else ""


def _blamed(error: RegistryError, reference: str) -> RegistryError | PullError:
    """The same error, as one of the way to the image where it is about that."""
    return PullError(error.message, error.next_step) if _trouble(error, reference) else error


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
