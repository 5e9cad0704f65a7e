# SPDX-License-Identifier: Apache-2.0
"""Claims about images: each container asks the release's registry, and runs what that registry serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from harness.errors import HarnessError, RegistryError, UnaskedError, UsageError
from harness.images.references import ImageReference
from harness.kube.models import Container, Pod
from harness.kube.node_records import NodeImage
from harness.releases.asked import hook_image, operator_image
from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.releases.own_containers import is_own_container
from harness.verdicts import Finding, errored, failed, passed, unavailable
from harness.wording import counted

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
    templates = _templates(observed)
    if wanted in templates and asked.isdisjoint(templates):
        return errored(
            name,
            f"the Deployments name {', '.join(sorted(templates))} and their pods {', '.join(sorted(asked))}: "
            "something in this cluster rewrites the images of pods",
            images=sorted(asked),
        )
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


def _templates(observed: ObservedOperator) -> frozenset[str]:
    """What the operator's own containers ask for in the templates of its Deployments."""
    deployments = () if isinstance(observed.deployments, Unseen) else observed.deployments
    return frozenset(image for it in deployments for name, image in it.images.items() if is_own_container(name))


def digests(observed: ObservedOperator, resolve: Resolve) -> Finding:
    """Every container runs the content that the registry serves for the reference that it asks for.

    What a pod's status reports is any name of that content which the node has. Where it is none that the registry
    knows, the node's own records decide; where nobody can ask the node, nothing is claimed.
    """
    name = "image-digests"
    if isinstance(observed.pods, Unseen):
        return errored(name, observed.pods.reason)
    served: dict[str, frozenset[str]] = {}
    wrong: list[str] = []
    unknown: list[str] = []
    seen: list[dict[str, Any]] = []
    for pod, container in _own(observed.pods):
        if container.image not in served:
            try:
                served[container.image] = _served(resolve, container.image)
            except HarnessError as mute:
                make = unavailable if isinstance(mute, UnaskedError) else errored
                return make(name, f"the registry could not be asked for {container.image}: {mute.message}")
        runs = observed.nodes.image_of(container)
        seen.append(_facts(pod, container, runs))
        who, there = f"{pod.name}/{container.name}", served[container.image]
        if not container.image_id:
            wrong.append(f"{who} has no image yet")
        elif there.isdisjoint(_content(container, runs)):
            what = f"{_named(container, runs)}, but the registry serves {', '.join(sorted(there)) or 'no such image'}"
            (wrong if runs or not there else unknown).append(f"{who} {what}")
    if not seen:
        return errored(name, f"there is no container in the namespace {observed.namespace} to look at")
    evidence = {"containers": seen, "served": {image: sorted(known) for image, known in served.items()}}
    if wrong:
        return failed(name, "; ".join(wrong), **evidence)
    if unknown:
        make = errored if observed.nodes.askable else unavailable
        why = observed.nodes.trouble or "the node has no record of it any more"
        return make(name, f"{'; '.join(unknown)}. What it runs is not known: {why}", **evidence)
    return passed(
        name, f"{counted(len(seen), 'container runs', 'containers run')} what the registry serves", **evidence
    )


def _served(resolve: Resolve, image: str) -> frozenset[str]:
    """The digests that the registry serves, none of an image that it has not. Raises HarnessError when it refuses."""
    try:
        return resolve(image)
    except RegistryError as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return frozenset()


def _content(container: Container, runs: NodeImage | None) -> frozenset[str]:
    """Every digest by which the content of a container is known."""
    reported = frozenset({container.image_id.rpartition("@")[2]})
    return frozenset({runs.id}) | runs.digests if runs else reported


def _named(container: Container, runs: NodeImage | None) -> str:
    if runs is None:
        return f"is reported as {container.image_id}"
    return f"runs {', '.join(sorted({*runs.digests, runs.id}))}"


def _facts(pod: Pod, container: Container, runs: NodeImage | None) -> dict[str, Any]:
    told = {"runs": runs.id, "names": [*runs.tags]} if runs else {}
    return {
        "pod": pod.name,
        "container": container.name,
        "image": container.image,
        "reported": container.image_id,
        **told,
    }


def _containers(pods: tuple[Pod, ...]) -> Iterator[tuple[Pod, Container]]:
    for pod in pods:
        for container in pod.containers:
            yield pod, container


def _own(pods: tuple[Pod, ...]) -> list[tuple[Pod, Container]]:
    """The operator's own containers, by the names that the chart gives them, beside which there may be sidecars."""
    found = list(_containers(pods))
    return [it for it in found if is_own_container(it[1].name)] or found


def _named_by(observed: ObservedOperator) -> str:
    named = f"release {observed.release.version}"
    return f"{named} with image of the values" if observed.values.get("image") else named


def _registry(image: str) -> str:
    try:
        return ImageReference.parse(image).registry
    except UsageError:
        return ""
