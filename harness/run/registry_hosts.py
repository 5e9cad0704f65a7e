# SPDX-License-Identifier: Apache-2.0
"""The registry hosts that a run's cells may pull from: only for these the run starts registries of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness import stories
from harness.images.references import DOCKER_HUB, ImageReference
from harness.releases import asked as of_values
from harness.releases.values import merge
from harness.run import before
from harness.run.setup import Request


def needed(asked: Request, stored: Sequence[str]) -> tuple[str, ...]:
    """The `stored` hosts that something in the request names, and Docker Hub, which short names are of.

    What a user wrote may name a host anywhere, in keys of charts that we do not know: a text that has it is enough.
    """
    named = {DOCKER_HUB, *(ImageReference.parse(it).registry for it in _images(asked))}
    texts = [it for document in _users(asked) for it in _texts(document)]
    return tuple(host for host in stored if host in named or any(host in text for text in texts))


def _images(asked: Request) -> Iterator[str]:
    values = merge(*asked.values)
    for release in asked.releases:
        yield from (release.image, of_values.operator_image(release, values))
        yield from filter(None, (release.hook_image, of_values.hook_image(release, values)))
        if release.chart_oci:
            yield f"{release.chart_oci.removeprefix('oci://')}:{release.version}"
    for cell in asked.cells:
        story = stories.of(cell.scenario)
        yield from (*cell.scenario.images, *story.images(cell), *story.doubtful_images(cell))
    for addon in before.addons_of(asked):
        yield from addon.images
        if addon.stand_in is not None:
            yield addon.stand_in.image


def _users(asked: Request) -> Iterator[object]:
    yield from asked.values
    yield from asked.profiles.values()
    yield from (it.document for it in asked.before)
    yield from (it.document for it in asked.given.apps)
    yield asked.options.chart


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, Iterable):
        for inner in value:
            yield from _texts(inner)
