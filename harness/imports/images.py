# SPDX-License-Identifier: Apache-2.0
"""Imports image archives: unpacks and verifies them, and pushes them into the storage of their registry."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from harness.errors import UsageError
from harness.foundry import images as foundry_images
from harness.foundry.imported import ImportedImage, Imports, Records
from harness.foundry.publish import Publisher
from harness.host import disk, display
from harness.images.architecture import architecture
from harness.images.references import ImageReference
from harness.imports.archive import unpack
from harness.matrix.names import unknown
from harness.settings import Settings
from harness.untrusted import no_file

Say = Callable[[str], None]


def add(settings: Settings, file: Path, name: str, *, say: Say, publisher: Publisher | None = None) -> ImportedImage:
    """Import an archive under a full name, `docker.io/kubeflow/spark-operator:2.1.1`; with `@sha256:…` by its digest.

    An earlier import under that name is replaced. Raises UsageError for a name or an archive that cannot be
    used, DiskError for lack of space, RegistryError when the registry reports another digest.
    """
    wanted = full_reference(name)
    if not file.is_file():
        raise UsageError(no_file("the image archive", file), "check the path; a folder must be packed with tar")
    imports = Imports.of(settings)
    # Unpacked, and for an archive with plain layers once more in the storage of another file system.
    disk.require(settings.cache_dir, 2 * file.stat().st_size, what=f"unpacking {file.name}")
    with imports.changing(), tempfile.TemporaryDirectory(dir=imports.folder, prefix="unpacked-") as scratch:
        say(f"unpacking {file}")
        found = unpack(file, Path(scratch), wanted, architecture())
        if found.left_out:
            say(f"the archive has no content for {', '.join(found.left_out)}: importing only {found.platforms[0]}")
        reference = f"{wanted.name}:{wanted.tag}"
        say(f"publishing {reference}")
        digest = (publisher or foundry_images.publisher(settings)).publish(found.image, reference)
        with file.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        made = ImportedImage(
            reference=reference,
            digest=digest,
            platforms=found.platforms,
            size=found.image.size,
            file=file.name,
            sha256=sha256,
            imported=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        known = imports.read()
        others = tuple(it for it in known.images if it.reference != reference)
        imports.write(known.model_copy(update={"images": (*others, made)}))
    return made


def remove(settings: Settings, name: str, *, publisher: Publisher | None = None) -> ImportedImage:
    """Remove an imported image. Its blobs go with the next `harness foundry prune`. Raises UsageError for others.

    If the foundry publishes the same name, the next bootstrap restores the foundry's image.
    """
    wanted = full_reference(name)
    imports = Imports.of(settings)
    with imports.changing():
        known = imports.read()
        found = known.image(f"{wanted.name}:{wanted.tag}")
        if found is None:
            raise unknown("imported image", name, (it.reference for it in known.images))
        (publisher or foundry_images.publisher(settings)).withdraw(found.reference)
        imports.write(known.model_copy(update={"images": tuple(it for it in known.images if it is not found)}))
    return found


def table(known: Records) -> Table:
    """The imported images as `harness images list` shows them."""
    shown = Table(title_justify="left")
    for title in ("reference", "digest", "platforms", "size", "from", "imported"):
        shown.add_column(title, overflow="fold")
    for it in known.images:
        shown.add_row(
            it.reference, it.digest[:19], ", ".join(it.platforms), display.amount(it.size), it.file, it.imported
        )
    return shown


def full_reference(name: str) -> ImageReference:
    """A reference with registry and tag, as nodes pull it. Raises UsageError."""
    wanted = ImageReference.parse(name)
    host = name.partition("/")[0]
    if "/" not in name or not ("." in host or ":" in host or host == "localhost"):
        raise UsageError(f"{name} has no registry host", f"give the full name: {wanted.canonical}")
    if not wanted.tag or ":" not in name.partition("@")[0].rpartition("/")[2]:
        raise UsageError(
            f"{name} has no tag, which charts need to refer to an image", f"write it like {wanted.name}:2.1.1"
        )
    return wanted
