# SPDX-License-Identifier: Apache-2.0
"""What an application leaves in its namespace once it is deleted: nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from harness.apps.context import ScenarioContext
from harness.apps.objects import RESOURCES, Objects
from harness.errors import ApiError, WaitTimeout
from harness.verdicts import Finding, errored, failed, passed
from harness.waiting import Deadline, until

CHECK = "nothing-left"

SECONDS = 45.0
"""A running pod may take its grace period of 30 s; the garbage collector needs a few more."""

_OURS = "app.kubernetes.io/part-of"
_OF_APPLICATIONS = ("Pod/", *(f"{it.kind}/" for it in RESOURCES))
_CLUSTERS_OWN = ("kube-root-ca.crt", "kubernetes", "default-token")


def there_before(ctx: ScenarioContext) -> frozenset[str]:
    """What is in the namespace before any application: a mesh or a distribution may put something of its own into each.

    Pods and custom resources are not in it. Nothing where the API server does not answer, which a scenario will tell.
    """
    try:
        found = remains(Objects(ctx.api(), ctx.namespace))
    except ApiError:
        return frozenset()
    return frozenset(it for it in found if not it.startswith(_OF_APPLICATIONS))


def check_nothing_left(ctx: ScenarioContext, *, before: Collection[str] = ()) -> Finding:
    """Delete the namespace's custom resources, and see everything that belonged to them go by itself.

    What was there `before` may stay. Only the samples' own ConfigMaps, Secrets and client pods are removed by hand,
    afterwards.
    """
    objects = Objects(ctx.api(), ctx.namespace)

    def come() -> list[str]:
        return [it for it in remains(objects) if it not in before]

    # A cell whose time is up still has to clean up after itself.
    started = Deadline(seconds=SECONDS)
    try:
        deleted = delete_all(objects)
        try:
            until(come, lambda left: not left, what="the namespace to be empty", timeout=SECONDS)
        except WaitTimeout:
            left = come()
            return failed(
                CHECK,
                f"{SECONDS:.0f} s after the deletion of {_words(deleted)} there still is {', '.join(left)}",
                deleted=deleted,
                left=left,
            )
        finally:
            _remove_samples(objects)
    except ApiError as error:
        return errored(CHECK, f"could not look at the namespace {ctx.namespace}: {error}")
    return passed(
        CHECK,
        f"{started.elapsed:.1f} s after the deletion of {_words(deleted)} nothing of it is there any more",
        deleted=deleted,
    )


def delete_all(objects: Objects) -> list[str]:
    """Ask for the deletion of every custom resource of the operator; their kinds and names."""
    deleted = []
    for resource in RESOURCES:
        for raw in objects.all(resource):
            objects.delete(resource, raw["metadata"]["name"])
            deleted.append(f"{resource.kind}/{raw['metadata']['name']}")
    return deleted


def remains(objects: Objects) -> list[str]:
    """What is in the namespace and was there neither from the start nor put there by a sample."""
    core, namespace = objects.core, objects.namespace
    left = [f"{resource.kind}/{raw['metadata']['name']}" for resource in RESOURCES for raw in objects.all(resource)]
    for kind, items in (
        ("Pod", core.list_namespaced_pod(namespace).items),
        ("Service", core.list_namespaced_service(namespace).items),
        ("ConfigMap", core.list_namespaced_config_map(namespace).items),
        ("PersistentVolumeClaim", core.list_namespaced_persistent_volume_claim(namespace).items),
    ):
        left += [f"{kind}/{item.metadata.name}" for item in items if not _expected(item)]
    return left


def _expected(item: Any) -> bool:
    """An object of the cluster itself, or of a sample: labelled as such, and nobody's child."""
    if item.metadata.name.startswith(_CLUSTERS_OWN):
        return True
    return _OURS in (item.metadata.labels or {}) and not item.metadata.owner_references


def _remove_samples(objects: Objects) -> None:
    mine = f"{_OURS}=spark-samples"
    objects.core.delete_collection_namespaced_pod(objects.namespace, label_selector=mine, grace_period_seconds=0)
    objects.core.delete_collection_namespaced_config_map(objects.namespace, label_selector=mine)
    objects.core.delete_collection_namespaced_secret(objects.namespace, label_selector=mine)


def _words(deleted: list[str]) -> str:
    return ", ".join(deleted) or "nothing (it was gone already)"
