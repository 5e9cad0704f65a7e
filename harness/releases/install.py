# SPDX-License-Identifier: Apache-2.0
"""Install a release on a cluster: namespaces, values, Helm, and the wait until it is ready."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import ApiError, ClusterError, ReleaseError, UsageError
from harness.kube.api import listed
from harness.kube.cluster import Cluster
from harness.late import client
from harness.matrix.model import WayName
from harness.matrix.release import Release
from harness.releases import accounts, asked, charts, probing, rollout, ways
from harness.releases.charts import Chart
from harness.releases.helm import Helm
from harness.releases.home import OPERATOR_NAMESPACE, RELEASE_NAME
from harness.releases.namespaces import CHECK_NAMESPACE, of_values, with_job_namespaces
from harness.releases.values import merge
from harness.releases.ways.protocol import InstalledRelease, On, Programs
from harness.waiting import Deadline

INSTALL_SECONDS = 180.0
"""How long an install may take that does not say otherwise, until the release is ready."""


@dataclass(frozen=True, kw_only=True)
class BegunInstall:
    """A release that its way has put there and that need not be ready; `before` are the UIDs of the pods before it."""

    release: InstalledRelease
    before: frozenset[str]


def install(
    cluster: Cluster,
    release: Release,
    *,
    chart: Chart | Path | str,
    programs: Programs,
    job_namespaces: Sequence[str],
    values: Sequence[Mapping[str, Any]] = (),
    timeout: float = INSTALL_SECONDS,
    name: str = RELEASE_NAME,
    namespace: str = OPERATOR_NAMESPACE,
    way: WayName = "helm",
    kustomization: Path | None = None,
) -> InstalledRelease:
    """Install a release (or upgrade to it) and wait until it is ready: `begin` and `finish` in `timeout` seconds."""
    deadline = Deadline(seconds=timeout)
    begun = begin(
        cluster,
        release,
        chart=chart,
        programs=programs,
        job_namespaces=job_namespaces,
        values=values,
        deadline=deadline,
        name=name,
        namespace=namespace,
        way=way,
        kustomization=kustomization,
    )
    return finish(cluster, begun, deadline)


def begin(
    cluster: Cluster,
    release: Release,
    *,
    chart: Chart | Path | str,
    programs: Programs,
    job_namespaces: Sequence[str],
    values: Sequence[Mapping[str, Any]] = (),
    deadline: Deadline,
    name: str = RELEASE_NAME,
    namespace: str = OPERATOR_NAMESPACE,
    way: WayName = "helm",
    kustomization: Path | None = None,
    exact: bool = False,
    interrupt: threading.Event | None = None,
) -> BegunInstall:
    """Make the namespaces and put the release there in its way (or upgrade to it), without waiting for its pods.

    `job_namespaces` must exist; they come into spark.jobNamespaces, with the checks' own and after those of `values`,
    which are made where they do not exist. `values` are merged in their order, the user's last; `exact` ones reach the
    way as they are, with all job namespaces in them. Accounts and rights that these leave to others are brought along.
    `interrupt` ends the way's program as Ctrl-C does.

    Raises ReleaseError when the release is at fault (an image that its registry does not have, a crash, a chart that
    does not render), PullError when an image cannot be pulled for another reason, HostError when the node has no room,
    ClusterError when the API server is away, UsageError when values and namespaces contradict each other.
    """
    found = chart if isinstance(chart, Chart) else charts.from_path(Path(chart))
    wanted = [*dict.fromkeys([*job_namespaces, CHECK_NAMESPACE])]
    given = merge(*values)
    merged = given if exact else with_job_namespaces(given, wanted)
    started = deadline.elapsed
    installed = InstalledRelease(
        release=release,
        chart=found,
        name=name,
        namespace=namespace,
        job_namespaces=tuple(wanted),
        revision=0,
        values=merged,
        seconds={},
        way=way,
        kustomization=kustomization,
    )
    on, by = On(cluster=cluster, programs=programs), ways.of(way)
    with _api_of(cluster, release) as api:
        _prepare_namespaces(api, [namespace, CHECK_NAMESPACE, *filter(None, of_values(given))], job_namespaces)
        accounts.bring(api, accounts.to_bring(Helm(programs.helm), found, name, namespace, merged))
        prepared = deadline.elapsed
        # What is broken already is not this install's fault: a hook's pod of an attempt before, an old release.
        before = frozenset(pod.uid for pod in rollout.pods_of(api, namespace))
        put = rollout.run_way(
            api,
            namespace,
            before,
            deadline,
            lambda seconds, stop: by.put(on, installed, timeout=seconds, stop=stop),
            interrupt=interrupt,
        )
    if put.trouble:
        raise ReleaseError(f"{release.version} was not installed: {put.trouble}")
    seconds = {"namespaces": round(prepared - started, 2), "helm": round(deadline.elapsed - prepared, 2)}
    return BegunInstall(release=replace(installed.after(put), seconds=seconds), before=before)


def finish(cluster: Cluster, begun: BegunInstall, deadline: Deadline) -> InstalledRelease:
    """Wait until a release that was begun is ready. Raises as `begin` does.

    In a cluster of the run's own, pods that are not ready yet are probed more often than their chart says.
    """
    it = begun.release
    started = deadline.elapsed
    # A user's cluster is left to itself.
    sooner = nullcontext() if cluster.marks else probing.hastened(cluster, it.namespace, rollout.selector(it.name))
    with _api_of(cluster, it.release) as api:
        with sooner:
            rollout.await_rollout(api, it.release, it.namespace, it.name, begun.before, deadline)
        rolled_out = deadline.elapsed
        rollout.await_admission(api, it.release, CHECK_NAMESPACE, deadline, lets_pass=asked.lets_pass(it.values))
        took = {"ready": round(rolled_out - started, 2), "admission": round(deadline.elapsed - rolled_out, 2)}
        account = it.account or accounts.of_applications(api, it.name, it.job_namespaces, it.values)
    return replace(it, seconds={**it.seconds, **took}, account=account)


def uninstall(cluster: Cluster, installed: InstalledRelease, *, programs: Programs, timeout: float = 120.0) -> None:
    """Remove a release in its way. Its certificate Secret, Leases and CRDs stay, as upstream means it."""
    ways.of(installed.way).remove(On(cluster=cluster, programs=programs), installed, timeout=timeout)


@contextmanager
def _api_of(cluster: Cluster, release: Release) -> Iterator[client.ApiClient]:
    """A client of the cluster. Within the block, an API server that fails is an error of the cluster."""
    try:
        with cluster.api_client() as api:
            yield api
    except ApiError as away:
        raise ClusterError(
            f"the API server of {cluster.name} failed while {release.version} was installed: {away.brief}",
            "see the node's logs in the evidence",
        ) from away


def _prepare_namespaces(api: client.ApiClient, needed: Sequence[str], job_namespaces: Sequence[str]) -> None:
    core = client.CoreV1Api(api)
    existing = {it["metadata"]["name"] for it in listed(core.list_namespace)}
    missing = [it for it in job_namespaces if it not in existing]
    if missing:
        raise UsageError(
            f"the job namespaces {', '.join(missing)} do not exist",
            "create them before the install: the chart needs them",
        )
    for wanted in dict.fromkeys(needed):
        if wanted not in existing:
            core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=wanted)))
