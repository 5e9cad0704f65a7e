# SPDX-License-Identifier: Apache-2.0
"""Spark images that the foundry builds on demand, for cells that ask for another Spark than the usual one."""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import BuildError, RegistryError
from harness.foundry import images as foundry_images
from harness.run.setup import Request


def build_missing(asked: Request, kind: str, say: Callable[[str], None]) -> None:
    """Build those that cells of this run need, where images are to come from the foundry.

    Must be called before the run's registries are started. One that cannot be built is told: its cells find out that
    it cannot be had, the others run.
    """
    if kind != "foundry":
        return
    wanted = {image for cell in asked.cells for image in cell.scenario.images}
    for build in foundry_images.builders(asked.settings, ()):
        if not build.on_demand or build.reference not in wanted or build.done():
            continue
        say(f"building {build.reference}; this takes some minutes, once")
        try:
            build.build(say)
        except (BuildError, RegistryError) as failed:
            say(f"{build.reference} cannot be built: {failed.message}")
