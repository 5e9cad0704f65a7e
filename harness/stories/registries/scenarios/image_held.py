# SPDX-License-Identifier: Apache-2.0
"""registry-held-HOW: a private image is in the node already, and a pod that has no pull secret asks for it.

Since Kubernetes 1.35, the kubelet remembers with which credentials it pulled an image, and lets only pods that have
them, too, use it without asking the registry (KubeletEnsureSecretPulledImages). What it did not pull itself is free to
all by default (`imagePullCredentialsVerificationPolicy: NeverVerifyPreloadedImages`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness import late
from harness.apps import samples
from harness.apps.trial import trial
from harness.images.references import ImageReference
from harness.kube.api import listed
from harness.late import client
from harness.matrix.model import ClusterNeeds, Scenario
from harness.stories.registries import catalogue, claims, private_packages, secrets
from harness.stories.registries.own_registries import GHCR, HUB, RegistrySetup
from harness.verdicts import Finding, failed, passed
from harness.waiting import until

if TYPE_CHECKING:
    from harness.apps.objects import Objects
    from harness.stories.registries import kubelet
    from harness.stories.registries.catalogue import HeldRow
    from harness.stories.registries.context import PullContext
    from harness.upgrades import detour
else:
    detour = late.module("harness.upgrades.detour")
    kubelet = late.module("harness.stories.registries.kubelet")

_PREFIX = "registry-held-"
_SUMMARIES = {
    "preloaded": "a pod without a pull secret asks for a private image that was put into the node",
    "pulled": "a pod without a pull secret asks for a private image that another pod pulled with one",
}
_DELETION_SECONDS = 60.0
_IMPORT_SECONDS = 30.0


def scenarios() -> Mapping[str, Scenario]:
    """One scenario for each way into the node."""
    return {f"{_PREFIX}{how}": _scenario(how) for how in dict.fromkeys(row.how for row in catalogue.load().held)}


def _scenario(how: str) -> Scenario:
    return Scenario(
        name=f"{_PREFIX}{how}",
        summary=_SUMMARIES[how],
        images=(samples.chart_values().spark.image,),
        needs=ClusterNeeds(cluster="registry-held", installed="nothing"),
    )


def setup(name: str) -> RegistrySetup:
    """Private packages."""
    return private_packages.SETUP


def run(ctx: PullContext, name: str) -> list[Finding]:
    """Bring the image into the node, and ask for it without a secret."""
    return trial(ctx, lambda _, objects: _steps(ctx, objects, name.removeprefix(_PREFIX)))


def _steps(ctx: PullContext, objects: Objects, how: str) -> Iterator[Finding]:
    version = kubelet_version(ctx)
    row = catalogue.load().held_by(how, version)
    with _all_gone(ctx):
        if how == "preloaded":
            image = _preloaded(ctx)
        else:
            image = ctx.registries.another(ctx.registries.spark_at(GHCR), label=how)
            secret = private_packages.secret_of(ctx, "driver", how)
            secrets.grant(ctx, secret)
            objects.create([_pod("with-secret", image, secret.name)])
            first = kubelet.await_running(ctx, ctx.namespace, lambda it: it.name == "with-secret", what="with-secret")
            yield passed("pulled-with-secret", f"{first.name} pulled {image} with the secret {secret.name}")
        asked = len(ctx.registries.ghcr.requests())
        objects.create([_pod("without-secret", image)])
        yield from _judged(ctx, row, version, asked)


def _judged(ctx: PullContext, row: HeldRow, version: str, asked: int) -> Iterator[Finding]:
    """What the pod without a secret came to: on this version of the kubelet, the image is to be had or refused."""
    if row.outcome == "stuck":
        stuck = kubelet.await_stuck(
            ctx, ctx.namespace, lambda it: it.name == "without-secret", what="the pod without a secret"
        )
        yield from claims.all_of(row.how, stuck, says=row.says, cause=row.cause, level=f"kubelet {version}")
        return
    pod = kubelet.await_running(
        ctx, ctx.namespace, lambda it: it.name == "without-secret", what="the pod without a secret"
    )
    since = [it.path for it in ctx.registries.ghcr.requests()[asked:] if it.path.startswith("/v2/")]
    make = failed if since else passed
    yield make(
        f"{row.how}-held",
        f"with kubelet {version}, {pod.name} runs the private image without a secret, and ghcr.io was asked "
        f"{len(since) or 'nothing'}",
        version=version,
        requests=since,
    )


def kubelet_version(ctx: PullContext) -> str:
    """The version of the nodes' kubelet, without `v`. Raises ApiError."""
    with ctx.api() as api:
        core: Any = client.CoreV1Api(api)
        nodes = listed(core.list_node)
    return str(nodes[0]["status"]["nodeInfo"]["kubeletVersion"]).removeprefix("v").partition("+")[0]


def _preloaded(ctx: PullContext) -> str:
    """Put an image into the nodes under a private name, past the kubelet, as an import does; the name."""
    public = ctx.registries.another(ctx.registries.spark_at(HUB), label="preloaded")
    tag = ImageReference.parse(public).tag
    private = f"{ctx.registries.spark_at(GHCR).rpartition(':')[0]}:{tag}"
    for node in ctx.cluster.nodes:
        detour.run(ctx.provider, ctx.cluster, node, ["crictl", "pull", public])
        detour.run(ctx.provider, ctx.cluster, node, ["ctr", "-n", "k8s.io", "images", "tag", public, private])
        _await_name(ctx, node, private)
    return private


def _await_name(ctx: PullContext, node: str, image: str) -> None:
    """The runtime hears of a new name by an event. Raises WaitTimeout."""
    until(
        lambda: ctx.provider.node_exec(ctx.cluster, node, ["crictl", "inspecti", image]).returncode,
        lambda status: status == 0,
        what=f"{image} in the node {node}",
        timeout=ctx.within(_IMPORT_SECONDS),
    )


def _pod(name: str, image: str, secret: str = "") -> samples.Manifest:
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"]}
    spec: dict[str, Any] = {"containers": [container], "terminationGracePeriodSeconds": 0}
    if secret:
        spec["imagePullSecrets"] = [{"name": secret}]
    labels = {"app.kubernetes.io/part-of": "registry-scenarios"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


@contextmanager
def _all_gone(ctx: PullContext) -> Iterator[None]:
    """Delete the pods afterwards: they are the scenario's own, and no application's."""
    try:
        yield
    finally:
        with ctx.api() as api:
            core: Any = client.CoreV1Api(api)
            core.delete_collection_namespaced_pod(ctx.namespace, label_selector="app.kubernetes.io/part-of")
        until(
            lambda: kubelet.pods(ctx, ctx.namespace),
            lambda left: not left,
            what="the pods to be gone",
            timeout=_DELETION_SECONDS,
        )
