# SPDX-License-Identifier: Apache-2.0
"""Which release does the work: after a change that did not take place the pods of the release before still serve."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import UsageError
from harness.images.references import ImageReference
from harness.kube.models import Pod
from harness.matrix.release import Release
from harness.releases.operator_seen import ObservedOperator, Unseen


def release_of(images: Sequence[str], releases: Sequence[Release]) -> Release | None:
    """The release that one of these images, as pods ask for them, is of; None where it is none's.

    That is the one that names it, since a version may have moved between registries; else, for a registry of a user's,
    the first one with the version.
    """
    asked = [it for it in map(_parsed, images) if it is not None]
    names, tags = {it.canonical for it in asked}, {it.tag for it in asked}
    named = (release for release in releases if release.image in names)
    return next(named, next((release for release in releases if release.version in tags), None))


def runs(observed: ObservedOperator, pod: Pod) -> Release:
    """The release that a pod of the operator runs: by its image, else by whether its ReplicaSet is the newest one."""
    own = release_of([it.image for it in pod.containers], (observed.release, *observed.others))
    if own is not None:
        return own
    deployments = () if isinstance(observed.deployments, Unseen) else observed.deployments
    newest = {f"ReplicaSet/{it.newest_replica_set}" for it in deployments}
    older = pod.owner.startswith("ReplicaSet/") and pod.owner not in newest
    return observed.others[0] if older and observed.others else observed.release


def answering(observed: ObservedOperator) -> tuple[Release, ...]:
    """The releases whose webhooks the API server asks: those of ready webhook pods, each once.

    Where no such pod was seen, the one that is installed.
    """
    pods = () if isinstance(observed.pods, Unseen) else observed.pods
    found = {
        it.name: it for it in (runs(observed, pod) for pod in pods if _is_of_webhook(observed, pod) and _is_ready(pod))
    }
    return tuple(found.values()) or (observed.release,)


def _is_of_webhook(observed: ObservedOperator, pod: Pod) -> bool:
    """Whether a pod belongs to a Deployment of the webhook: a ReplicaSet's name is its Deployment's and a hash."""
    deployments = () if isinstance(observed.deployments, Unseen) else observed.deployments
    webhooks = [it.name for it in deployments if "webhook" in it.arguments[:1]]
    return pod.owner.rpartition("-")[0] in {f"ReplicaSet/{name}" for name in webhooks}


def is_own_pod(observed: ObservedOperator, name: str) -> bool:
    """Whether a pod is of a Deployment of the release, by its name; where those were not seen, any."""
    deployments = () if isinstance(observed.deployments, Unseen) else observed.deployments
    return not deployments or any(name.startswith(f"{it.name}-") for it in deployments)


def _is_ready(pod: Pod) -> bool:
    return not pod.leaving and all(it.ready for it in pod.containers if not it.init)


def _parsed(image: str) -> ImageReference | None:
    try:
        return ImageReference.parse(image)
    except UsageError:
        return None
