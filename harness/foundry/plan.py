# SPDX-License-Identifier: Apache-2.0
"""The steps that bootstrap needs for cells with images from the foundry."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Sequence

from harness.foundry import (
    control_plane,
    debian,
    gobuild,
    images,
    k3s,
    kubernetes,
    kustomization,
    node_images,
    node_systems,
    nodes,
    operator,
    shapes,
    spark,
)
from harness.foundry.assemble import read_image
from harness.foundry.k3s import K3sShapedNode
from harness.foundry.kubernetes import KubernetesRow, row, row_of
from harness.foundry.loaded import LoadedNode, loaded_node
from harness.foundry.publish import published
from harness.foundry.store import Recipe, Store
from harness.host.steps import BUILD_PACKAGES, ENGINE, Progress, Step
from harness.matrix.model import Environment
from harness.matrix.release import Release
from harness.settings import Settings

_GIGABYTE = 10**9
# What Go's build cache may hold when a Kubernetes is begun: more than all other programs of a node leave there.
_BUILD_CACHE = 3 * _GIGABYTE
_NODE_MODULES = ("runc", "cni", "crictl", kubernetes.FLANNEL)


def steps(
    settings: Settings,
    environments: Sequence[Environment],
    releases: Sequence[Release],
    spark_images: Collection[str] = (),
) -> list[Step]:
    """The steps for these environments and releases, the longest first within what each needs.

    Of Spark images that are built on demand only those in `spark_images`, by their full names.
    """
    store = Store.of(settings)
    rows = {it.title: it for it in (row_of(environment) for environment in environments if environment.foundry)}
    found: list[Step] = []
    if rows:
        found += [_base_step(store), _programs_step(store, [it.containerd_module for it in rows.values()])]
    for version in {it.version: it for it in rows.values()}.values():
        found += [_kubernetes_step(store, version), _control_plane_step(settings, version)]
    found += [_node_step(store, version) for version in rows.values()]
    for build in images.builders(settings, releases):
        if build.on_demand and build.reference not in spark_images:
            continue
        found.append(
            Step(
                name=f"image {build.name}",
                done=build.done,
                run=functools.partial(_run_image, build),
                needs=(BUILD_PACKAGES, *_hook_needs(build, rows)),
                heavy=build.name.startswith("operator"),
                size=build.size,
                estimate=build.seconds,
                room=build.room,
            )
        )
    names = {step.name for step in found}
    found += [_loaded_step(store, loaded_node(settings, version), names) for version in rows.values()]
    shaped = [node for node in shapes.nodes_for(settings, environments) if isinstance(node, K3sShapedNode)]
    if shaped:
        found.append(_k3s_programs_step(store))
    found += [_k3s_step(store, node) for node in shaped]
    charted: set[str] = set()
    for release in releases:
        # Copies of a release have its chart.
        if "foundry" in release.sources and release.version not in charted:
            charted.add(release.version)
            found.append(_chart_step(store, release))
            if release.kustomize:
                found.append(_kustomization_step(store, release))
    return found


def _run_image(build: images.ImageBuild, progress: Progress) -> None:
    build.build(progress)
    _announce(Store.of(build.settings), spark.catalogue().base, progress)


def _announce(store: Store, system: debian.BaseSystem, progress: Progress) -> None:
    """Say how the packages of a base system differ from those on record."""
    drift = debian.drift(store, system)
    if drift:
        progress(str(drift))


def _hook_needs(build: images.ImageBuild, rows: dict[str, KubernetesRow]) -> tuple[str, ...]:
    # The hook's image holds a kubectl, which is not worth a second compilation of its Kubernetes.
    modules = {part.name for part in build.parts if part.kind == "go"}
    return tuple(_kubernetes_name(version) for version in rows.values() if version.module in modules)


def _base_step(store: Store) -> Step:
    systems = (node_systems.base_system(), node_systems.proxy_system())

    def run(progress: Progress) -> None:
        for system in systems:
            progress(f"building the base system {system.name}")
            debian.build(store, system)
            _announce(store, system, progress)

    return Step(
        name="node base systems",
        done=lambda: all(store.get(debian.recipe(system)) for system in systems),
        run=run,
        needs=(BUILD_PACKAGES,),
        size=lambda: _size(store, [debian.recipe(system) for system in systems]),
        estimate=60.0,
        room=_GIGABYTE,
    )


def _programs_step(store: Store, containerds: Iterable[str]) -> Step:
    modules = (*dict.fromkeys(containerds), *_NODE_MODULES)

    def run(progress: Progress) -> None:
        for module in modules:
            progress(f"building {module} {gobuild.build_file(module).version}")
            gobuild.build(store, module)

    return Step(
        name="node programs",
        done=lambda: all(store.get(gobuild.recipe(module)) for module in modules),
        run=run,
        needs=(BUILD_PACKAGES,),
        heavy=True,
        size=lambda: _size(store, [gobuild.recipe(module) for module in modules]),
        estimate=90.0,
        room=2 * _GIGABYTE,
    )


def kubernetes_steps(environments: Sequence[Environment]) -> tuple[str, ...]:
    """The names of the steps that compile Kubernetes for these environments, kubectl among its programs."""
    versions = dict.fromkeys(it.kubernetes for it in environments if it.foundry)
    return tuple(_kubernetes_name(row(version)) for version in versions)


def _kubernetes_name(version: KubernetesRow) -> str:
    return f"Kubernetes {version.version}"


def _kubernetes_step(store: Store, version: KubernetesRow) -> Step:
    modules = (version.module, version.etcd_module, version.coredns_module)

    def run(progress: Progress) -> None:
        gobuild.limit_build_cache(store, _BUILD_CACHE)
        for module in modules:
            progress(f"building {module}")
            gobuild.build(store, module)

    return Step(
        name=_kubernetes_name(version),
        done=lambda: all(store.get(gobuild.recipe(module)) for module in modules),
        run=run,
        heavy=True,
        size=lambda: _size(store, [gobuild.recipe(module) for module in modules]),
        estimate=360.0,
        room=6 * _GIGABYTE,
    )


def _node_step(store: Store, version: KubernetesRow) -> Step:
    def run(progress: Progress) -> None:
        progress(f"building {nodes.node_image(version)}")
        nodes.build_node(store, version)

    return Step(
        name=f"kind node {version.title}",
        done=lambda: (
            bool(store.get(nodes.node_recipe(version))) and node_images.image_size(nodes.node_image(version)) > 0
        ),
        run=run,
        needs=(ENGINE, "node base systems", "node programs", _kubernetes_name(version)),
        size=lambda: node_images.image_size(nodes.node_image(version)),
        estimate=60.0,
        room=3 * _GIGABYTE,
    )


def _loaded_step(store: Store, loaded: LoadedNode, names: Collection[str]) -> Step:
    # An image of a release that is not asked for has no step of its own; it is built on the way.
    parts = [f"image {build.name}" for build in loaded.builds]

    def run(progress: Progress) -> None:
        progress(f"building {loaded.reference}")
        loaded.build(store)

    return Step(
        name=f"kind node {loaded.row.title} with images",
        done=lambda: bool(store.get(loaded.recipe)) and loaded.exists(),
        run=run,
        needs=(f"kind node {loaded.row.title}", *(part for part in parts if part in names)),
        size=lambda: node_images.image_size(loaded.reference),
        estimate=30.0,
        room=4 * _GIGABYTE,
    )


def _k3s_programs_step(store: Store) -> Step:
    def run(progress: Progress) -> None:
        for module in k3s.MODULES:
            progress(f"building {module} {gobuild.build_file(module).version}")
            gobuild.build(store, module)

    return Step(
        name="k3s-shaped node programs",
        done=lambda: all(store.get(gobuild.recipe(module)) for module in k3s.MODULES),
        run=run,
        needs=(BUILD_PACKAGES,),
        heavy=True,
        size=lambda: _size(store, [gobuild.recipe(module) for module in k3s.MODULES]),
        estimate=90.0,
        room=2 * _GIGABYTE,
    )


def _k3s_step(store: Store, node: K3sShapedNode) -> Step:
    def run(progress: Progress) -> None:
        progress(f"building {node.reference}")
        node.build(store)

    return Step(
        name=f"k3s-shaped node {node.row.title}",
        done=lambda: bool(store.get(node.recipe)) and node.exists(),
        run=run,
        needs=(f"kind node {node.row.title} with images", "k3s-shaped node programs"),
        # What lies below it is counted with the node that it stands on.
        size=lambda: max(0, node_images.image_size(node.reference) - node_images.image_size(node.base.reference)),
        estimate=15.0,
        room=_GIGABYTE,
    )


def _control_plane_step(settings: Settings, version: KubernetesRow) -> Step:
    store = Store.of(settings)
    recipe = control_plane.control_plane_recipe(version)

    def done() -> bool:
        artifact = store.get(recipe)
        return artifact is not None and all(
            published(images.registries(settings), reference) == read_image(artifact.folder / program).digest
            for program, reference in version.images().items()
        )

    def run(progress: Progress) -> None:
        artifact = control_plane.build_control_plane(store, version)
        publisher = images.publisher(settings)
        for program, reference in version.images().items():
            progress(f"publishing {reference}")
            publisher.publish(read_image(artifact.folder / program), reference)

    return Step(
        name=f"control plane {version.version}",
        done=done,
        run=run,
        needs=("node base systems", "node programs", _kubernetes_name(version), "tool registry"),
        size=lambda: _size(store, [recipe]),
        estimate=30.0,
        room=_GIGABYTE,
    )


def _chart_step(store: Store, release: Release) -> Step:
    def run(progress: Progress) -> None:
        progress(f"packaging the chart of {release.version}")
        operator.chart(store, release.version)

    return _beside_operator(store, release, "chart", operator.chart_recipe(release.version), run)


def _kustomization_step(store: Store, release: Release) -> Step:
    def run(progress: Progress) -> None:
        progress(f"taking config/ of {release.version} out of its module")
        kustomization.folder(store, release.version)

    return _beside_operator(store, release, "kustomization", kustomization.recipe(release.version), run)


def _beside_operator(
    store: Store, release: Release, kind: str, recipe: Recipe, run: Callable[[Progress], None]
) -> Step:
    """What is taken out of the module from which the operator's image was built."""
    return Step(
        name=f"{kind} {release.version}",
        done=lambda: store.get(recipe) is not None,
        run=run,
        needs=(f"image operator-{release.name}",),
        size=lambda: _size(store, [recipe]),
        estimate=5.0,
    )


def _size(store: Store, recipes: Sequence[Recipe]) -> int:
    found = [store.get(recipe) for recipe in recipes]
    return sum(artifact.size for artifact in found if artifact)
