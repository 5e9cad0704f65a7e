# SPDX-License-Identifier: Apache-2.0
"""What a run cannot even be asked for with: values whose job namespaces are none, or whose images have no name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from harness.errors import UsageError
from harness.images.references import ImageReference
from harness.matrix.catalogue import Catalogue
from harness.matrix.model import Cell
from harness.options import RunOptions
from harness.releases import asked as of_values
from harness.releases import namespaces, value_places
from harness.releases.values import FILL_IN, VARIABLE, at, merge

Values = Mapping[str, Any]


def require(
    options: RunOptions, users: Sequence[Values], every: Sequence[Values], cells: Iterable[Cell], catalogue: Catalogue
) -> None:
    """Raise UsageError for the `users` values, with file and line; `every` has the run's own before them."""
    _require_namespaces(users, options)
    if any(users):
        _require_images(merge(*every), cells, catalogue, options)


def _require_namespaces(users: Sequence[Values], options: RunOptions) -> None:
    """Raise UsageError for spark.jobNamespaces that is not a list of names, with file and line."""
    for document in users:
        try:
            namespaces.of_values(document)
        except UsageError as wrong:
            raise UsageError(f"{wrong.message}{place(options, 'spark.jobNamespaces')}", wrong.next_step) from wrong


def _require_images(merged: Values, cells: Iterable[Cell], catalogue: Catalogue, options: RunOptions) -> None:
    """Raise UsageError for values that give the operator, its hook or a sidecar an image whose name is none."""
    names = dict.fromkeys(name for cell in cells for name in cell.path.releases)
    asked = {f"the sidecar {image}": image for image in of_values.sidecar_images(merged)}
    for release in map(catalogue.release, names):
        asked["image"] = of_values.operator_image(release, merged)
        if at(merged, "hook.upgradeCrd"):
            asked["hook.image"] = of_values.hook_image(release, merged)
        for key, image in asked.items():
            try:
                ImageReference.parse(image or release.image)
            except UsageError as wrong:
                step = f"{FILL_IN}; " if VARIABLE.search(wrong.message) else ""
                raise UsageError(
                    f"{key} of the values: {wrong.message}{place(options, _culprit(key, merged))}",
                    f"{step}correct {key}: registry is a host without a scheme, repository a path in lower-case "
                    "letters, and tag letters, digits, '.', '_' and '-'",
                ) from wrong


def _culprit(key: str, values: Values) -> str:
    """The key below an image's without whose value the name would be one; the image's own where it is none of them."""
    parts = ("registry", "repository", "tag")
    for one in parts:
        rest = {it: at(values, f"{key}.{it}") or "a" for it in parts if it != one}
        whole = f"{rest.get('registry', 'a.io')}/{rest.get('repository', 'a')}:{rest.get('tag', 'a')}"
        with suppress(UsageError):
            ImageReference.parse(whole)
            return f"{key}.{one}"
    return key


def place(options: RunOptions, key: str) -> str:
    """Where the files set a key, in brackets after a blank; empty where none of them does."""
    found = value_places.place(list(map(str, options.values)), key, options.values_key or "")
    return f" ({found})" if found else ""
