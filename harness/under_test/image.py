# SPDX-License-Identifier: Apache-2.0
"""An image of the operator that a user has: in the container engine, in a file, or in a registry."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock

from harness import process
from harness.errors import CommandError, RegistryError, ToolError, UsageError
from harness.foundry import images as foundry_images
from harness.foundry.publish import Publisher, published
from harness.images import logins
from harness.images.architecture import architecture, of_nodes
from harness.images.mirrors import Mirror
from harness.images.references import ImageReference
from harness.imports.archive import unpack
from harness.registries import copy as copying
from harness.registries import local
from harness.registries.push import Transfer
from harness.settings import Settings

_INSPECT_SECONDS = 60.0
_SAVE_SECONDS = 900.0
_ASK_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class GivenImage:
    """An image as the user named it. `identity` tells it from others: the hash of the file, the engine's id, or the
    digest in the registry.
    """

    name: str
    where: Literal["engine", "file", "registry"]
    identity: str

    def __str__(self) -> str:
        places = {"engine": "in the container engine", "file": "from a file", "registry": "from its registry"}
        return f"the image {self.name} {places[self.where]}, {self.identity}"


def find(name: str, settings: Settings) -> GivenImage:
    """The image that a name means: a file, else what the engine has by this name, else what its registry has.

    Raises UsageError when it is nowhere.
    """
    file = Path(name)
    if file.is_file():
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return GivenImage(name=name, where="file", identity=f"sha256:{digest}")
    image = ImageReference.parse(name)
    found = _id_in_engine(name)
    if found:
        return GivenImage(name=name, where="engine", identity=found)
    try:
        with _client(image, settings) as client:
            return GivenImage(name=name, where="registry", identity=client.head(image).digest)
    except RegistryError as absent:
        raise UsageError(
            f"--operator {name}: it is neither a folder nor a file, the container engine has no such image, and of its "
            f"registry: {absent.message}",
            "give the folder of a checkout, an image archive, or the name of an image that is there",
        ) from absent


def bring(image: GivenImage, reference: str, settings: Settings, say: Callable[[str], None], *, registry: Path) -> str:
    """Put the image into the storage of the run's registries as `reference`, unless it is there; returns its digest.

    `registry` is the server's program.

    Raises UsageError for an archive that cannot be used and an image for other machines, RegistryError, CommandError.
    """
    there = published(foundry_images.registries(settings), reference)
    if there:
        return there
    say(f"taking {image}")
    if image.where == "registry":
        return _copied(image, reference, settings, say, registry)
    work = settings.cache_dir / "work"
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work, prefix="operator-") as scratch:
        file = Path(image.name)
        if image.where == "engine":
            file = Path(scratch) / "image.tar"
            process.call(["docker", "save", "--output", file, image.name], timeout=_SAVE_SECONDS)
        folder = Path(scratch) / "layout"
        folder.mkdir()
        # What the engine writes is that one image, whose digest is not the one in a registry.
        wanted = ImageReference.parse(image.name.partition("@")[0] if image.where == "engine" else reference)
        try:
            unpacked = unpack(file, folder, wanted, architecture())
        except UsageError as wrong:
            if "--as" not in wrong.next_step:
                raise
            alone = "save the operator's image alone: docker save IMAGE --output FILE.tar"
            raise UsageError(wrong.message, alone) from wrong
        return publisher(settings, registry).publish(unpacked.image, reference)


def publisher(settings: Settings, registry: Path) -> Publisher:
    """Who puts images into the storage of the run's registries, with this server's program."""
    return Publisher(foundry_images.registries(settings), registry=registry, logs=settings.cache_dir / "logs")


def _copied(image: GivenImage, reference: str, settings: Settings, say: Callable[[str], None], registry: Path) -> str:
    source, to = ImageReference.parse(image.name), ImageReference.parse(reference)
    storage = foundry_images.registries(settings) / to.registry
    storage.mkdir(parents=True, exist_ok=True)
    with (
        FileLock(f"{storage}.lock"),
        local.serve(registry, storage, settings.cache_dir / "logs" / "publish.log") as server,
        _client(source, settings) as client,
        Transfer(Mirror(url=server.url), to.registry, push=True) as target,
    ):
        there = dict.fromkeys(f"{it.os}/{it.architecture}" for it in client.platforms(source))
        if of_nodes() not in there:
            raise UsageError(
                f"--operator {image.name}: its registry has it for {', '.join(there) or 'no platform'}, not for "
                f"{of_nodes()}, which the nodes of this machine are",
                f"push it for this one, too: docker buildx build --platform {','.join((of_nodes(), *there))} --push",
            )
        return copying.copy(client, source, target, to, with_referrers=False, say=say).digest


def _client(image: ImageReference, settings: Settings) -> Transfer:
    mirror = settings.mirrors.get(image.registry)
    login, why = (None, "") if mirror else logins.for_pulls(image.registry, settings.logins, image.repository)
    made = Transfer(mirror, image.registry, credentials=login, timeout=_ASK_SECONDS, attempts=1)
    made.no_login = why
    return made


def _id_in_engine(name: str) -> str:
    """The engine's id of an image; empty where it has none, or where there is no engine."""
    argv = ["docker", "image", "inspect", "--format", "{{.Id}}", name]
    try:
        return process.call(argv, timeout=_INSPECT_SECONDS).stdout.strip()
    except (CommandError, ToolError):
        return ""
