# SPDX-License-Identifier: Apache-2.0
"""The last way out after a rollback: uninstall, install anew, and see that the release works and nothing runs again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from harness.apps import samples, states
from harness.apps.objects import APPLICATION, GROUP, RESOURCES, Resource
from harness.apps.states import TERMINAL, State
from harness.errors import ApiError, HarnessError, ReleaseError, WaitTimeout
from harness.kube.api import listed
from harness.kube.cluster import Cluster
from harness.late import client
from harness.releases import install as installing
from harness.releases import rollout, ways
from harness.releases.operator_seen import Unseen
from harness.releases.ways.protocol import InstalledRelease, On, Programs
from harness.upgrades import one_application, stock
from harness.waiting import Cancelled, until

T = TypeVar("T")

_GONE_SECONDS = 60.0
_NAME = "after-reinstall"


@dataclass(frozen=True, kw_only=True)
class ReinstallSeen:
    """What came of uninstalling and installing the same release with the same values, in its way.

    `uninstall_error` and `install_error` are why one did not get to its end, else empty. `left` are objects of the
    release, and its pods, that were still there after the uninstall: `Kind/namespace/name`. `custom_resources` counts
    the operator's custom resources before the uninstall and before the install. Of `ended` applications that had ended,
    `rerun` were submitted again. `state` and `error` are those of a new application at its end or at the deadline;
    `seconds` holds phase → seconds.
    """

    release: str
    uninstall_error: str
    install_error: str
    left: tuple[str, ...]
    custom_resources: tuple[int, int]
    rerun: tuple[str, ...]
    ended: int
    state: str
    error: str
    seconds: Mapping[str, float]


def reinstall(
    cluster: Cluster,
    installed: InstalledRelease,
    *,
    programs: Programs,
    namespace: str,
    folder: Path,
    images: Mapping[str, str],
) -> ReinstallSeen | Unseen:
    """Do it. `namespace` is a job namespace in which the new application comes; `images` are those of the samples.

    What the product does wrong is told, not raised. Raises Cancelled.
    """
    try:
        return _Reinstall(cluster, installed, programs).run(
            samples.RenderedFor(
                namespace=namespace,
                helm=programs.helm,
                folder=folder,
                spark_images=images,
                service_account=installed.account,
                restricted=cluster.environment.restricted,
            )
        )
    except Cancelled:
        raise
    except HarnessError as away:
        return Unseen(reason=f"uninstall and reinstall could not be followed: {away}")


class _Reinstall:
    def __init__(self, cluster: Cluster, installed: InstalledRelease, programs: Programs) -> None:
        self._cluster = cluster
        self._installed = installed
        self._programs = programs
        self._seconds: dict[str, float] = {}

    def run(self, rendering: samples.RenderedFor) -> ReinstallSeen:
        it = self._installed
        manifest = ways.of(it.way).objects(On(cluster=self._cluster, programs=self._programs), it)
        with self._cluster.api_client() as api:
            before, count = self._submissions(api), self._custom_resources(api)
            removed = self._phase("uninstall", lambda: _words_of(self._uninstall))
            left = self._left(api, manifest)
            kept = self._custom_resources(api)
            installed = self._phase("install", lambda: _words_of(self._install))
            state = error = ""
            if not installed:
                state, error = self._phase("application", lambda: one_application.run(api, rendering, _NAME, it.values))
            after = self._submissions(api)
        ended = {uid: facts for uid, facts in before.items() if facts[1] in TERMINAL}
        rerun = tuple(facts[0] for uid, facts in ended.items() if uid in after and after[uid] != facts)
        return ReinstallSeen(
            release=it.release.name,
            uninstall_error=removed,
            install_error=installed,
            left=left,
            custom_resources=(count, kept),
            rerun=rerun,
            ended=len(ended),
            state=state,
            error=error,
            seconds=dict(self._seconds),
        )

    def _submissions(self, api: client.ApiClient) -> dict[str, tuple[str, State, str, int]]:
        """Of each SparkApplication by its UID: where it is, its state, its submission id and its attempts."""
        found = {}
        for item in self._own(api, APPLICATION):
            meta, status = item["metadata"], item.get("status") or {}
            found[meta["uid"]] = (
                f"{meta['namespace']}/{meta['name']}",
                states.read(status),
                str(status.get("submissionID", "")),
                int(status.get("executionAttempts", 0)),
            )
        return found

    def _custom_resources(self, api: client.ApiClient) -> int:
        """How many of the operator's custom resources there are; of a kind whose CRD is missing there are none."""
        count = 0
        for resource in RESOURCES:
            try:
                count += len(self._own(api, resource))
            except ApiError as unknown:
                if unknown.status != HTTPStatus.NOT_FOUND:
                    raise
        return count

    def _own(self, api: client.ApiClient, resource: Resource) -> list[dict[str, Any]]:
        """All of a kind; in a cluster of a user's, where others have theirs, those in the run's namespaces."""
        custom: Any = client.CustomObjectsApi(api)
        items = listed(custom.list_cluster_custom_object, GROUP, resource.version, resource.plural)
        spaces = self._installed.job_namespaces
        return [it for it in items if not self._cluster.marks or it["metadata"]["namespace"] in spaces]

    def _phase(self, name: str, act: Callable[[], T]) -> T:
        started = time.monotonic()
        try:
            return act()
        finally:
            self._seconds[name] = round(time.monotonic() - started, 1)

    def _uninstall(self) -> None:
        installing.uninstall(self._cluster, self._installed, programs=self._programs)

    def _left(self, api: client.ApiClient, manifest: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """Objects and pods of the release that do not go. What Helm deletes in the background gets a minute."""
        namespace = self._installed.namespace

        def look() -> tuple[str, ...]:
            pods = tuple(f"Pod/{namespace}/{pod.name}" for pod in rollout.pods_of(api, namespace))
            return stock.orphans(self._cluster, manifest, (), namespace) + pods

        try:
            until(lambda: not look(), what="the release's objects to be gone", timeout=_GONE_SECONDS, interval=1.0)
        except WaitTimeout:
            return look()
        return ()

    def _install(self) -> None:
        it = self._installed
        installing.install(
            self._cluster,
            it.release,
            chart=it.chart,
            programs=self._programs,
            job_namespaces=it.job_namespaces,
            values=(it.values,),
            name=it.name,
            namespace=it.namespace,
            way=it.way,
            kustomization=it.kustomization,
        )


def _words_of(act: Callable[[], None]) -> str:
    """Why the release could not; empty when it could. What is no fault of the release is raised."""
    try:
        act()
    except ReleaseError as error:
        return error.message
    return ""
