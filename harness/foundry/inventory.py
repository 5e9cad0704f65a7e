# SPDX-License-Identifier: Apache-2.0
"""The foundry's artefacts, stored, missing and stale: `harness foundry list`, `build` and `prune`."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from rich.table import Table

from harness import home
from harness.foundry import (
    addons,
    argocd,
    connect_clients,
    control_plane,
    debian,
    gobuild,
    harness_image,
    images,
    kubernetes,
    node_images,
    node_systems,
    nodes,
    plan,
    shapes,
)
from harness.foundry.imported import Imports
from harness.foundry.kubernetes import KubernetesRow
from harness.foundry.store import Artifact, Recipe, Store
from harness.host import display
from harness.host.steps import Progress, Step
from harness.matrix import catalogue
from harness.matrix.model import Environment
from harness.matrix.names import unknown
from harness.matrix.release import Release
from harness.settings import Settings

Identity = tuple[str, str, str]
"""Kind, name and key of an artefact."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An artefact, stored or not. `size` is in bytes and counts shared layers once, with the first that holds them.

    `stale` is an artefact that no catalogue row needs any more; `missing` one that is not built yet.
    """

    kind: str
    name: str
    key: str
    state: Literal["current", "stale", "missing"]
    reference: str = ""
    size: int = 0
    seconds: float = 0.0
    created: str = ""


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What a prune removed. `freed` is in bytes."""

    removed: tuple[Entry, ...]
    freed: int


def current(settings: Settings, releases: Iterable[Release]) -> dict[Identity, str]:
    """Every artefact that the catalogues need, with its image reference if it is an image."""
    found: dict[Identity, str] = {}
    rows = _node_rows()
    known = list(releases)
    for module in gobuild.modules():
        found[_identity(gobuild.recipe(module))] = ""
    for row in rows:
        found[_identity(gobuild.recipe(row.module, ["kubectl"]))] = ""
        for recipe in (control_plane.pause_recipe(row), control_plane.control_plane_recipe(row)):
            found[_identity(recipe)] = ""
        found[_identity(nodes.node_recipe(row))] = nodes.node_image(row)
        for node in shapes.all_nodes(settings, row):
            found[_identity(node.recipe)] = node.reference
    if rows:
        for system in (node_systems.base_system(), node_systems.proxy_system()):
            found[_identity(debian.recipe(system))] = ""
    if home.checkout():
        found[_identity(debian.recipe(harness_image.row().base))] = ""
        found[_identity(harness_image.recipe())] = harness_image.row().reference
    found[_identity(debian.recipe(argocd.row().base))] = ""
    found[_identity(argocd.recipe())] = argocd.reference()
    fetched = map(addons.recipe, catalogue.load().addons)
    for recipe in (*connect_clients.recipes(), *fetched, *images.recipes(settings, known)):
        found.setdefault(_identity(recipe), "")
    for build in images.builders(settings, known):
        found[_identity(build.recipe)] = found[_identity(build.recipe)] or build.reference
    return found


def _node_rows() -> list[KubernetesRow]:
    """The rows of all nodes that there can be: of each version, and of each environment's containerd."""
    asked = (kubernetes.row_of(it) for it in catalogue.load().listed_environments() if it.foundry)
    return list({it.title: it for it in (*kubernetes.rows().values(), *asked)}.values())


def entries(settings: Settings, releases: Iterable[Release], others: Iterable[Recipe] = ()) -> list[Entry]:
    """All artefacts, stored ones first, each with its state.

    `others` are made of the foundry's by who is above it: current where they are stored, and never missing.
    """
    wanted = current(settings, releases)
    made = {_identity(it): "" for it in others}
    stored = Store.of(settings).artifacts()
    seen: set[tuple[int, int]] = set()
    # Layers first: what an image shares with them is theirs.
    ordered = sorted(stored, key=lambda artifact: (artifact.kind != "layer", artifact.kind, artifact.name))
    found = [_entry(artifact, wanted | made, _bytes(artifact.folder, seen)) for artifact in ordered]
    have = {(artifact.kind, artifact.name, artifact.key) for artifact in stored}
    # Where a whole Kubernetes is built, its kubectl is not built alone.
    spared = {_identity(gobuild.recipe(row.module, ["kubectl"])) for row in kubernetes.rows().values()}
    for identity in wanted.keys() - have - spared:
        kind, name, key = identity
        found.append(Entry(kind=kind, name=name, key=key, state="missing", reference=wanted[identity]))
    return sorted(found, key=lambda entry: (entry.state == "missing", entry.kind, entry.name))


def table(found: Iterable[Entry]) -> Table:
    """The artefacts as `harness foundry list` shows them."""
    shown = Table(title_justify="left")
    for title in ("kind", "name", "key", "state", "size", "built in"):
        shown.add_column(title, no_wrap=True)
    shown.add_column("reference", overflow="fold")
    for entry in found:
        built = entry.state != "missing"
        size, took = (display.amount(entry.size), display.duration(entry.seconds)) if built else ("", "")
        shown.add_row(entry.kind, entry.name, entry.key, entry.state, size, took, entry.reference)
    return shown


def names(settings: Settings, environments: Sequence[Environment], releases: Sequence[Release]) -> list[str]:
    """The names that `build` accepts."""
    return list(_steps(settings, environments, releases))


def _steps(settings: Settings, environments: Sequence[Environment], releases: Sequence[Release]) -> dict[str, Step]:
    """What a bootstrap may need, the clients that a cell fetches where they are not there, Argo CD, and the harness's
    own image, which no cell needs.
    """
    store = Store.of(settings)
    own = (harness_image.step(store),) if home.checkout() else ()
    asked = [build.reference for build in images.builders(settings, ())]
    steps = plan.steps(settings, environments, releases, asked)
    return {it.name: it for it in (*steps, connect_clients.step(store), argocd.step(store), *own)}


def build(
    settings: Settings,
    environments: Sequence[Environment],
    releases: Sequence[Release],
    wanted: Sequence[str],
    progress: Progress,
) -> list[str]:
    """Build these artefacts, and what they need from the foundry, if missing; returns what was built.

    Raises UsageError with suggestions for an unknown name, BuildError that names the log.
    """
    steps = _steps(settings, environments, releases)
    built: list[str] = []

    def do(step: Step) -> None:
        for need in step.needs:
            if need in steps:
                do(steps[need])
        if not step.done():
            progress(f"{step.name} …")
            step.run(progress)
            built.append(step.name)

    for name in wanted:
        if name not in steps:
            raise unknown("foundry artefact", name, steps)
    for name in wanted:
        do(steps[name])
    return built


def prune(settings: Settings, releases: Iterable[Release], progress: Progress, others: Iterable[Recipe] = ()) -> Pruned:
    """Remove stale artefacts, leftovers of interrupted builds, and unreferenced images in the registries.

    What is one of `others` stays. Builds in progress are not touched. Raises CommandError when garbage collection of a
    registry fails.
    """
    known = list(releases)
    store = Store.of(settings)
    wanted = current(settings, known) | {_identity(it): "" for it in others}
    roots = (store.root, images.registries(settings))
    before = sum(_bytes(root, set()) for root in roots)
    removed = []
    for artifact in store.artifacts():
        entry = _entry(artifact, wanted, 0)
        if entry.state == "stale":
            progress(f"removing {entry.kind} {entry.name}-{entry.key}")
            node_images.remove_image_of(artifact)
            store.remove(artifact)
            removed.append(entry)
    folders = {store.root / kind / f"{name}-{key}" for kind, name, key in wanted}
    for leftover in _leftovers(store.root):
        _remove_leftover(leftover, keep_lock=leftover.with_suffix("") in folders)
    references = [build.reference for build in images.builders(settings, known)]
    references += [image.reference for image in Imports.of(settings).read().images]
    references += [reference for row in kubernetes.rows().values() for reference in row.images().values()]
    if images.registries(settings).is_dir():
        progress("collecting garbage in the registries")
        images.publisher(settings).sweep(references)
    return Pruned(removed=tuple(removed), freed=max(0, before - sum(_bytes(root, set()) for root in roots)))


def _identity(recipe: Recipe) -> Identity:
    return (recipe.kind, recipe.name, recipe.key)


def _entry(artifact: Artifact, wanted: dict[Identity, str], size: int) -> Entry:
    identity = (artifact.kind, artifact.name, artifact.key)
    return Entry(
        kind=artifact.kind,
        name=artifact.name,
        key=artifact.key,
        state="current" if identity in wanted else "stale",
        reference=wanted.get(identity, ""),
        size=size,
        seconds=artifact.seconds,
        created=artifact.created,
    )


def _bytes(folder: Path, seen: set[tuple[int, int]]) -> int:
    """The disk usage of a folder in bytes, counting each hard-linked file once over all calls with the same `seen`."""
    total = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        status = path.lstat()
        inode = (status.st_dev, status.st_ino)
        if not path.is_dir() and inode not in seen:
            seen.add(inode)
            total += status.st_size
    return total


def _leftovers(root: Path) -> Iterator[Path]:
    yield from root.glob("*/*.partial")
    yield from (lock for lock in root.glob("*/*.lock") if not lock.with_suffix(".partial").exists())


def _remove_leftover(leftover: Path, *, keep_lock: bool) -> None:
    lock = leftover.with_suffix(".lock")
    try:
        with FileLock(str(lock), timeout=0):
            if leftover.suffix == ".partial":
                shutil.rmtree(leftover, ignore_errors=True)
    except Timeout:
        return
    # Whoever waits for a lock that is gone would build beside whoever made a new one: only stale ones go.
    if not keep_lock:
        lock.unlink(missing_ok=True)
