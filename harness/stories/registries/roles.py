# SPDX-License-Identifier: Apache-2.0
"""How a pod of each role is made to pull anew: operator, hook, driver, executor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.apps.applications import parse
from harness.apps.objects import APPLICATION, Objects
from harness.errors import ApiError, HarnessError
from harness.late import client
from harness.stories.registries import kubelet, private_packages
from harness.stories.registries.context import PullContext
from harness.stories.registries.secrets import PullSecret
from harness.waiting import until

if TYPE_CHECKING:
    from harness.kube.models import Pod
    from harness.stories.registries.kubelet import Belongs

LONG = "long"
_HELM_SECONDS = 150.0
_GONE_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class PullingPod:
    """A pod that is to pull: where, which one, and what its user sees above it (`level`)."""

    namespace: str
    belongs: Belongs
    level: Callable[[], str]


Make = Callable[[PullContext, Objects, PullSecret], AbstractContextManager[PullingPod]]
"""Makes a pod of a role pull with this secret. Leaving the block waits until all is sound again."""


@contextmanager
def operator(ctx: PullContext, objects: Objects, secret: PullSecret) -> Iterator[PullingPod]:
    """`kubectl rollout restart` of the controller."""
    before = kubelet.uids(ctx, ctx.operator_namespace)
    deployment = _controller(ctx)
    stamp = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
    patch = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
    with ctx.api() as api:
        apps: Any = client.AppsV1Api(api)
        apps.patch_namespaced_deployment(deployment, ctx.operator_namespace, patch)

    def belongs(pod: Pod) -> bool:
        return pod.uid not in before and pod.owner.startswith(f"ReplicaSet/{deployment}-")

    def level() -> str:
        serving = [it.name for it in kubelet.pods(ctx, ctx.operator_namespace) if it.uid in before and _ready(it)]
        return f"the old pods go on: {', '.join(serving) or 'none'}"

    yield PullingPod(namespace=ctx.operator_namespace, belongs=belongs, level=level)
    until(
        lambda: [
            it for it in kubelet.pods(ctx, ctx.operator_namespace) if it.owner.startswith(f"ReplicaSet/{deployment}-")
        ],
        lambda found: len(found) == 1 and _ready(found[0]) and belongs(found[0]),
        what=f"the rollout of {deployment}",
        timeout=ctx.within(_GONE_SECONDS),
        ignore=(ApiError,),
    )


@contextmanager
def hook(ctx: PullContext, objects: Objects, secret: PullSecret) -> Iterator[PullingPod]:
    """`helm upgrade` to the same release, whose hook applies the CRDs first."""
    before = kubelet.uids(ctx, ctx.operator_namespace)
    installed = ctx.installed

    def statuses() -> str:
        latest = ctx.binary.history(installed.name, installed.namespace)[-1]
        return f"Helm says {latest.status!r} of revision {latest.number}, and the previous operator keeps serving"

    with ThreadPoolExecutor(1, "helm") as pool:
        upgrading = pool.submit(
            ctx.binary.install_or_upgrade,
            installed.chart,
            installed.name,
            installed.namespace,
            installed.values,
            timeout=_HELM_SECONDS,
        )
        yield PullingPod(
            namespace=ctx.operator_namespace,
            belongs=lambda pod: pod.uid not in before and pod.owner.startswith("Job/"),
            level=statuses,
        )
        upgrading.result()


@contextmanager
def driver(ctx: PullContext, objects: Objects, secret: PullSecret) -> Iterator[PullingPod]:
    """A new application, which is deleted as soon as its driver has started."""
    name = secret.user
    objects.create(private_packages.application(ctx, "spark-pi", name, driver=secret))

    def level() -> str:
        raw = objects.get(APPLICATION, name)
        return f"the SparkApplication says {parse(raw).state or 'nothing'}" if raw else "the SparkApplication is gone"

    yield PullingPod(namespace=ctx.namespace, belongs=lambda pod: pod.name == f"{name}-driver", level=level)
    objects.delete(APPLICATION, name)
    until(
        lambda: [it.name for it in objects.spark_pods() if it.name.startswith(f"{name}-")],
        lambda left: not left,
        what=f"the pods of {name} to go",
        timeout=ctx.within(_GONE_SECONDS),
        ignore=(ApiError,),
    )


@contextmanager
def executor(ctx: PullContext, objects: Objects, secret: PullSecret) -> Iterator[PullingPod]:
    """The executor of the application `long` is deleted, so that its driver asks for another one."""
    old = kubelet.await_running(ctx, ctx.namespace, is_executor, what="the previous executor")
    objects.core.delete_namespaced_pod(old.name, ctx.namespace, grace_period_seconds=0)

    def level() -> str:
        raw = objects.get(APPLICATION, LONG)
        return f"the SparkApplication says {parse(raw).state}, and its driver waits" if raw else "it is gone"

    yield PullingPod(namespace=ctx.namespace, belongs=lambda pod: is_executor(pod) and pod.uid != old.uid, level=level)


MAKES: Mapping[str, Make] = {"operator": operator, "hook": hook, "driver": driver, "executor": executor}


def is_executor(pod: Pod) -> bool:
    """Whether Spark made it for work: `…-exec-1`."""
    return "-exec-" in pod.name


def begin_long(ctx: PullContext, objects: Objects) -> Pod:
    """Submit the application `long`, and wait until its executor runs. Raises WaitTimeout."""
    manifests = private_packages.application(ctx, LONG, LONG)
    for it in manifests:
        if it["kind"] == "SparkApplication":
            # Each executor that is taken away counts as failed, and Spark gives up after a few
            # (spark.apache.org/docs/latest/configuration.html, spark.executor.maxNumFailures).
            it["spec"].setdefault("sparkConf", {})["spark.executor.maxNumFailures"] = "100"
    objects.create(manifests)
    return kubelet.await_running(ctx, ctx.namespace, is_executor, what="the long application's executor")


def _controller(ctx: PullContext) -> str:
    with ctx.api() as api:
        apps: Any = client.AppsV1Api(api)
        found = apps.list_namespaced_deployment(
            ctx.operator_namespace, label_selector="app.kubernetes.io/component=controller"
        ).items
    if not found:
        raise HarnessError(f"{ctx.operator_namespace} has no Deployment of the controller")
    return str(found[0].metadata.name)


def _ready(pod: Pod) -> bool:
    return not pod.leaving and bool(pod.containers) and all(it.ready for it in pod.containers if not it.init)
