# SPDX-License-Identifier: Apache-2.0
"""Plans of what to copy between registries: whole releases by version, and further images by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import UsageError
from harness.images.references import ImageReference, ends_of_copy, names_host
from harness.matrix.release import Release
from harness.toml_source import TomlSource
from harness.untrusted import no_file

Part = Literal["operator", "hook", "chart", "spark"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedRelease(_Row):
    """A `[[release]]`: a version of the catalogue, and the host and path below which its repositories are copied."""

    version: str
    to: str
    parts: tuple[Part, ...] = Field(default=get_args(Part), min_length=1)


class PlannedImage(_Row):
    """An `[[image]]`: two names, as `harness registry copy` takes them."""

    src: str
    dst: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The images to copy as pairs of names, and `left_out`: what cannot be copied between registries, in words."""

    images: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]


def read(file: Path, release: Callable[[str], Release], spark_image: Callable[[str], str]) -> Plan:
    """The plan in a file; `release` finds a version, `spark_image` names the image of a Spark version.

    Raises UsageError for a file that is missing, empty or wrong, for a version that is unknown, for what is no name of
    an image, for a copy of an image to itself, and for two images that become one; it names file, line and key.
    """
    if not file.is_file():
        raise UsageError(no_file("the plan", file), "docs/publishing.md shows one")
    source = TomlSource.read(file)
    source.require_only("release", "image")
    source.require_values()
    images: list[tuple[str, str]] = []
    taken: dict[str, str] = {}
    left_out: list[str] = []
    for number, row in enumerate(source.rows("release", PlannedRelease)):
        with _told(source, "release", number, "version"):
            found = release(row.version)
        with _told(source, "release", number, "to"):
            images += (pair for pair in _below(row.to, _names(found, row.parts, spark_image)) if _is_new(pair, taken))
        if "chart" in row.parts and not found.chart_oci:
            left_out.append(f"the chart of {row.version} is in no registry, but at {found.chart_repository}")
    for number, image in enumerate(source.rows("image", PlannedImage)):
        with _told(source, "image", number, "src"):
            ImageReference.parse(image.src)
        with _told(source, "image", number, "dst"):
            if _is_new((image.src, image.dst), taken):
                images.append((image.src, image.dst))
    if not images:
        raise UsageError(f"the plan {file} names nothing", "add a [[release]] or an [[image]]; see docs/publishing.md")
    return Plan(images=tuple(images), left_out=tuple(left_out))


def _is_new(pair: tuple[str, str], taken: dict[str, str]) -> bool:
    """Whether a pair is not in the plan yet; `taken` has each target's source. Raises UsageError."""
    src, dst = pair
    source, target = (it.canonical for it in ends_of_copy(src, dst))
    if source == target:
        raise UsageError(f"{dst} is the image itself that is copied", "give another destination, or take the row out")
    if target not in taken:
        taken[target] = source
        return True
    if taken[target] != source:
        raise UsageError(f"{target} is the destination of {taken[target]} already", "give each image a name of its own")
    return False


@contextmanager
def _told(source: TomlSource, table: str, row: int, key: str) -> Iterator[None]:
    """Say of what is refused within the block that this key of the plan asks for it."""
    try:
        yield
    except UsageError as refused:
        raise source.error(table, row, key, refused.message, refused.next_step) from refused


def _names(release: Release, parts: Iterable[Part], spark_image: Callable[[str], str]) -> Iterator[str]:
    names = {
        "operator": release.image,
        "hook": release.hook_image,
        "chart": f"{release.chart_oci.removeprefix('oci://')}:{release.version}" if release.chart_oci else "",
        "spark": spark_image(release.spark),
    }
    yield from (names[part] for part in parts if names[part])


def _below(to: str, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    below = to.rstrip("/")
    if "://" in below:
        # Of the names below it, the message would be about what nobody wrote.
        ImageReference.parse(below)
    if not names_host(f"{below}/"):
        raise UsageError(
            f"{to!r} does not begin with the host of a registry", f"write HOST/{below}, or docker.io/{below}"
        )
    for name in names:
        image = ImageReference.parse(name)
        target = f"{below}/{image.repository}:{image.tag}"
        ImageReference.parse(target)
        yield name, target
