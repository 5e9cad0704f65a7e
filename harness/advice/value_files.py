# SPDX-License-Identifier: Apache-2.0
"""Values files that an Application, a helmfile or a Kustomization names, read where they lie beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.releases.values import load_values

_OF_SOURCE = re.compile(r"\$[\w-]+/")
"""How Argo CD writes a file of another source of the Application: `$values/prod.yaml`."""
_TEMPLATE = (".gotmpl", ".tpl", ".j2")
_HIGHEST = 8


class ValueFiles:
    """Reads the files that a manifest names, and remembers which ones these were.

    Paths are relative to the manifest; those of another source in Git to the top of a checkout, which is any folder
    above the manifest. Nothing above the checkout that the manifest is in is read.
    """

    def __init__(self, manifest: Path) -> None:
        self._folder = manifest.resolve().parent
        self.read: set[str] = set()

    def __call__(self, name: str) -> Mapping[str, Any]:
        """The values of a file; none where it is not there, or made by a template.

        Raises UsageError for a file that is there and cannot be used.
        """
        file = next(self._places(name), None)
        if file is None:
            return {}
        found = load_values(file)
        self.read.add(name)
        return found

    def _places(self, name: str) -> Iterator[Path]:
        if name.endswith(_TEMPLATE) or "://" in name or "{{" in name or name.startswith("/"):
            return
        of_source = _OF_SOURCE.match(name)
        above = self._above()
        bases = above if of_source else above[:1]
        for base in bases:
            file = (base / name[of_source.end() if of_source else 0 :]).resolve()
            if file.is_relative_to(above[-1]) and file.is_file():
                yield file

    def _above(self) -> list[Path]:
        """The manifest's folder and those above it, up to the top of its checkout."""
        every = [self._folder, *self._folder.parents][:_HIGHEST]
        top = next((number for number, it in enumerate(every, 1) if (it / ".git").exists()), len(every) - 1)
        return every[: max(1, top)]
