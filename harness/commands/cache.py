# SPDX-License-Identifier: Apache-2.0
"""The command `harness cache`: what the image cache has, less of it, and whether it is intact."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from harness import options as run_options
from harness.errors import UsageError
from harness.report.text import wide_console

_GIGABYTE = 1e9


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `cache` with its actions to the parser of `harness`."""
    cache = command(commands, "cache", None, "list, verify or prune the images that runs have fetched from registries")
    actions = cache.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = command(actions, "list", _list, "list the images in the image cache, and when they were last used")
    prune = command(actions, "prune", _prune, "remove the images that have not been used for longest")
    prune.add_argument(
        "--keep-gb",
        type=float,
        metavar="GB",
        default=None,
        help="keep this much, in 10⁹ bytes (default: image_cache_gb of the settings; 0 removes all)",
    )
    verify = command(actions, "verify", _verify, "read all images; what is corrupt is removed")
    for parser in (listing, prune, verify):
        run_options.declare(parser.add_argument, run_options.CONFIG)


def _list(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from rich.table import Table

    from harness.image_cache.cache import ImageCache

    cache = ImageCache.of(run_options.settings_of(parsed))
    images = cache.images()
    shown = Table("image", "platform", "digest", "MB", "last used", box=None, pad_edge=False)
    for image, used in images:
        shown.add_row(
            image.reference, image.platform, image.digest, f"{image.size / 1e6:.0f}", f"{used:%Y-%m-%d %H:%M}"
        )
    console = wide_console()
    if images:
        console.print(shown)
    console.print(f"{cache.size() / _GIGABYTE:.2f} GB in {cache.root}", soft_wrap=True, highlight=False)
    return 0


def _prune(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.image_cache.cache import ImageCache

    wanted = run_options.settings_of(parsed)
    most = wanted.image_cache_gb if parsed.keep_gb is None else parsed.keep_gb
    if most < 0:
        raise UsageError(f"--keep-gb {most} is not a size in GB", "give a number such as 5, or 0 to remove everything")
    cache = ImageCache.of(wanted)
    for image in cache.prune(most * _GIGABYTE):
        print(f"removed {image.reference}")
    print(f"{cache.size() / _GIGABYTE:.2f} GB are left")
    return 0


def _verify(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.image_cache.cache import ImageCache

    problems = ImageCache.of(run_options.settings_of(parsed)).verify(print)
    return 3 if problems else 0
