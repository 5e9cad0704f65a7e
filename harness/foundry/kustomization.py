# SPDX-License-Identifier: Apache-2.0
"""The operator's config/ of a release, which `kubectl apply -k` deploys, from its Go module."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.foundry import gobuild, operator
from harness.foundry.store import Recipe, Store

_FOLDER = "config"
# Bump when this module puts the same inputs together in another way.
_LAYOUT = "1"


def recipe(version: str) -> Recipe:
    """What the folder depends on. Raises CatalogueError for a release that the foundry does not know."""
    row = operator.catalogue().row(version)
    inputs = {"module": gobuild.recipe(row.module).key, "folder": _FOLDER, "layout": _LAYOUT}
    return Recipe(kind="kustomization", name=f"spark-operator-{version}", inputs=inputs)


def folder(store: Store, version: str) -> Path:
    """The folder, `config/` with all its kustomizations; taken out of the module where it is not there yet.

    Raises CatalogueError for a release that the foundry does not know, BuildError that names the log.
    """
    row = operator.catalogue().row(version)

    def make(made: Path, log_file: Path) -> None:
        module = gobuild.module_folder(store, row.module, operator.catalogue().go_module, log_file)
        # The module cache is read-only, and what is copied from it would be, too.
        shutil.copytree(module / _FOLDER, made / _FOLDER, copy_function=shutil.copyfile)
        for path in (made / _FOLDER).rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        (made / _FOLDER).chmod(0o755)

    return store.build(recipe(version), make).folder / _FOLDER


def stored(store: Store, version: str) -> Path | None:
    """The folder, where it has been taken out already."""
    found = store.get(recipe(version))
    return found.folder / _FOLDER if found else None
