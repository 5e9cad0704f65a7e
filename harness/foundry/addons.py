# SPDX-License-Identifier: Apache-2.0
"""Fetches the files of an add-on from its Go module, once; what was taken from it stays in the store.

Nothing of it is in the repository: the row has the module's checksum, which Go's own (`go.sum`) must be.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import yaml

from harness import process
from harness.errors import BuildError
from harness.foundry import toolmodule
from harness.foundry.store import Recipe, Store
from harness.matrix.addons import Addon

_RENDER_SECONDS = 60.0


def recipe(addon: Addon) -> Recipe:
    """What the fetched files depend on."""
    inputs = {"module": addon.module, "version": addon.version, "sum": addon.sum, "chart": addon.chart}
    return Recipe(kind="addon", name=addon.name, inputs={**inputs, "manifests": " ".join(addon.manifests)})


def manifests(store: Store, addon: Addon) -> list[Path]:
    """The manifest files of an add-on. Raises BuildError that names the log."""
    return sorted((_fetched(store, addon) / "manifests").iterdir())


def chart(store: Store, addon: Addon) -> Path:
    """The Helm chart of an add-on that has one. Raises BuildError that names the log."""
    return _fetched(store, addon) / "chart"


def rendered(store: Store, addon: Addon, helm: Path, kubernetes: str) -> str:
    """The objects of an add-on's own chart, as `helm template` has them for this version of Kubernetes.

    Raises BuildError, CommandError.
    """
    argv: list[str | Path] = [helm, "template", addon.name, chart(store, addon), "--namespace", addon.namespace]
    argv += ["--kube-version", kubernetes, "--values", "-"]
    return process.call(argv, timeout=_RENDER_SECONDS, stdin=yaml.safe_dump(addon.chart_values)).stdout


def _fetched(store: Store, addon: Addon) -> Path:
    def make(folder: Path, log_file: Path) -> None:
        source = _download(store, addon, log_file)
        _copy(_matching(source, addon), folder / "manifests")
        if addon.chart:
            shutil.copytree(source / addon.chart, folder / "chart")

    return store.build(recipe(addon), make).folder


def _download(store: Store, addon: Addon, log_file: Path) -> Path:
    """The module's folder, once it is known to be the one that the row means."""
    wanted = f"{addon.module}@{addon.version}"
    source = toolmodule.download(store, wanted, log_file)
    if source.sum != addon.sum:
        raise BuildError(
            f"{wanted} has the checksum {source.sum}, and clusters/addons.toml says {addon.sum}",
            "do not use this module: it is another one than was meant",
        )
    return source.folder


def _matching(source: Path, addon: Addon) -> list[Path]:
    found = []
    for pattern in addon.manifests:
        files = sorted(source.glob(pattern))
        if not files:
            raise BuildError(f"{addon.module}@{addon.version} has no file {pattern}", "correct clusters/addons.toml")
        found += files
    return found


def _copy(files: Iterable[Path], target: Path) -> None:
    target.mkdir()
    for file in files:
        shutil.copyfile(file, target / file.name)
