# SPDX-License-Identifier: Apache-2.0
"""Files that a Kustomization changes objects with: they look like objects and are parts of some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from harness import libyaml, named_files
from harness.untrusted import check_yaml

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""What Kustomize calls its files (kustomize, api/konfig)."""

WHY = "it is a patch of Kustomize: to look at what Kustomize makes, give the output of `kubectl kustomize`"

_PATCHES = ("patches", "patchesJson6902", "patchesStrategicMerge")


def patches(files: Iterable[Path]) -> frozenset[Path]:
    """The files that Kustomizations among these name as patches, with their paths resolved.

    Kustomizations that cannot be read name none: whoever reads the files says what is wrong.
    """
    return frozenset((it.parent / name).resolve() for it in files if it.name in NAMES for name in _named(it))


def _named(file: Path) -> Iterator[str]:
    try:
        found: Any = yaml.load(check_yaml(named_files.text(file)), Loader=libyaml.Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, OSError, UnicodeDecodeError):
        return
    for key in _PATCHES if isinstance(found, Mapping) else ():
        given = found.get(key)
        for it in given if isinstance(given, list) else ():
            path = it.get("path") if isinstance(it, Mapping) else it
            # A patch may also be written out.
            if isinstance(path, str) and "\n" not in path:
                yield path
