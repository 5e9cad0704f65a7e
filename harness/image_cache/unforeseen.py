# SPDX-License-Identifier: Apache-2.0
"""Images that nodes asked the cache for and that nobody had foreseen, so that the next run has them.

k3s pulls images of its own that no row names (`rancher/mirrored-…`), and charts and applications may name others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from filelock import FileLock

from harness.errors import UsageError
from harness.images.references import ImageReference

_LACKED = re.compile(r'"(?:HEAD|GET) /v2/(\S+?)/manifests/([^\s?]+)\S* HTTP/[\d.]+" 404 ')


class Unforeseen:
    """The record below the cache's `root`: environment → references."""

    def __init__(self, root: Path) -> None:
        self._file = root / "unforeseen.json"

    def of(self, environments: Iterable[str]) -> list[str]:
        """What nodes of these environments asked for in earlier runs."""
        known = self._read()
        return list(dict.fromkeys(it for name in environments for it in known.get(name, ())))

    def learn(self, environments: Iterable[str], references: Iterable[str]) -> None:
        """Note what the nodes of a run asked for."""
        fresh = list(references)
        if fresh:
            self._change(
                lambda known: {
                    **known,
                    **{name: [*known.get(name, ()), *fresh] for name in dict.fromkeys(environments)},
                }
            )

    def forget(self, references: Iterable[str]) -> None:
        """Drop what no registry gives to anybody."""
        gone = set(references)
        if gone:
            self._change(
                lambda known: {name: [it for it in images if it not in gone] for name, images in known.items()}
            )

    def _change(self, change: Callable[[Mapping[str, list[str]]], Mapping[str, list[str]]]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._file.with_suffix(".lock")):
            made = {name: sorted(set(images)) for name, images in change(self._read()).items()}
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps(made, indent=1))
            new.replace(self._file)

    def _read(self) -> dict[str, list[str]]:
        try:
            return {
                str(name): [str(it) for it in images] for name, images in json.loads(self._file.read_text()).items()
            }
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError, TypeError):
            # What it says is a guess about the next run, which can do without.
            return {}


def lacked(log: str, hosts: Mapping[str, str]) -> list[str]:
    """The references that a server answered with 404, by its access log; `hosts` by the first part of repositories."""
    found: dict[str, None] = {}
    for path, identifier in _LACKED.findall(log):
        part, _, repository = path.partition("/")
        if part not in hosts:
            continue
        try:
            image = ImageReference.parse(f"{hosts[part]}/{repository}{'@' if ':' in identifier else ':'}{identifier}")
        except UsageError:
            continue
        if image.tag:
            found[image.canonical] = None
    return list(found)
