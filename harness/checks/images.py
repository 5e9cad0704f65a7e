# SPDX-License-Identifier: Apache-2.0
"""Claims about images: each container asks the release's registry, and runs what that registry serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus

from harness.errors import HarnessError, RegistryError, UsageError
from harness.images.references import ImageReference
from harness.kube.models import Container, Pod
from harness.releases.asked import hook_image, operator_image
from harness.releases.observe import ObservedOperator, Unseen
from harness.verdicts import Finding, errored, failed, passed

_NAMES = "spark-operator-"

Resolve = Callable[[str], frozenset[str]]
"""Reference → digests (`sha256:…`) that the registry serves for it: of the index, the manifest, the configuration."""


def references(observed: ObservedOperator) -> Finding:
    """Every container of the operator asks the registry of the release, or the one that the values name instead."""
    name = "images-from-registry"
    if isinstance(observed.pods, Unseen):
        return errored(name, observed.pods.reason)
    release = observed.release
    wanted = operator_image(release, observed.values)
    allowed = {_registry(it) for it in (wanted, hook_image(release, observed.values)) if it}
    asked = {container.image for _, container in _own(observed.pods)}
    if not asked:
        return errored(name, f"there is no container in the namespace {observed.namespace} to look at")
    elsewhere = sorted(image for image in asked if _registry(image) not in allowed)
    if elsewhere:
        return failed(
            name,
            f"{', '.join(elsewhere)} is not on {' or '.join(sorted(allowed))}, which {_named_by(observed)} names",
            images=sorted(asked),
        )
    if wanted not in asked:
        return failed(
            name,
            f"no container asks for {wanted}; they ask for {', '.join(sorted(asked))}",
            images=sorted(asked),
        )
    return passed(name, f"all containers ask {' and '.join(sorted(allowed))}", images=sorted(asked))


def digests(observed: ObservedOperator, resolve: Resolve) -> Finding:
    """Every container runs an image whose digest is what the registry serves for the reference that it asks for."""
    name = "image-digests"
    if isinstance(observed.pods, Unseen):
        return errored(name, observed.pods.reason)
    served: dict[str, frozenset[str]] = {}
    wrong, seen = [], []
    for pod, container in _containers(observed.pods):
        if container.image not in served:
            try:
                served[container.image] = resolve(container.image)
            except HarnessError as unknown:
                if not (isinstance(unknown, RegistryError) and unknown.status == HTTPStatus.NOT_FOUND):
                    return errored(name, f"the registry could not be asked for {container.image}: {unknown.message}")
                served[container.image] = frozenset()
        running = container.image_id.rpartition("@")[2]
        seen.append({"pod": pod.name, "container": container.name, "image": container.image, "runs": running})
        if not running:
            wrong.append(f"{pod.name}/{container.name} has no image yet")
        elif running not in served[container.image]:
            what = ", ".join(sorted(served[container.image])) or "no such image"
            wrong.append(f"{pod.name}/{container.name} runs {running}, but the registry serves {what}")
    if not seen:
        return errored(name, f"there is no container in the namespace {observed.namespace} to look at")
    evidence = {"containers": seen, "served": {image: sorted(known) for image, known in served.items()}}
    if wrong:
        return failed(name, "; ".join(wrong), **evidence)
    return passed(name, f"{len(seen)} containers run the digests that the registry serves", **evidence)


def _containers(pods: tuple[Pod, ...]) -> Iterator[tuple[Pod, Container]]:
    for pod in pods:
        for container in pod.containers:
            yield pod, container


def _own(pods: tuple[Pod, ...]) -> list[tuple[Pod, Container]]:
    """The operator's own containers, by the names that the chart gives them, beside which there may be sidecars."""
    found = list(_containers(pods))
    return [it for it in found if it[1].name.startswith(_NAMES)] or found


def _named_by(observed: ObservedOperator) -> str:
    named = f"release {observed.release.version}"
    return f"{named} with image of the values" if observed.values.get("image") else named


def _registry(image: str) -> str:
    try:
        return ImageReference.parse(image).registry
    except UsageError:
        return ""
