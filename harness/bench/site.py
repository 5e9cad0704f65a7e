# SPDX-License-Identifier: Apache-2.0
"""A cluster with an installed operator, as a run makes it, for benches that try many things on one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from harness import children, install_checks
from harness.bench import state
from harness.bench.state import Picture
from harness.errors import ApiError, HarnessError, WaitTimeout
from harness.evidence.ledger import cluster_name
from harness.kube import reading
from harness.kube.api import listed
from harness.kube.interruptions import findings_of
from harness.kube.models import Pod
from harness.late import client
from harness.matrix.costs import costs
from harness.providers.base import Provider
from harness.releases import install as installing
from harness.releases import rollout
from harness.releases.home import OPERATOR_NAMESPACE
from harness.releases.namespaces import CHECK_NAMESPACE
from harness.releases.ways.protocol import InstalledRelease, Programs
from harness.run import diagnosing
from harness.run.attempt import Attempt, ClusterRecord
from harness.run.budget import Budget
from harness.run.locking import Locker
from harness.run.preparation import Preparation
from harness.run.resources import Resources
from harness.run.run_host import Host
from harness.run.setup import Request
from harness.stories.cluster import PreparedCluster
from harness.stories.installs import scenarios
from harness.stories.installs.beside import context_on
from harness.verdicts import Finding, Verdict, worst
from harness.waiting import Deadline, until

_SETTLE_SECONDS = 120.0
_UNDONE_SECONDS = 90.0
_FRESH_SECONDS = 10.0


@dataclass(kw_only=True)
class Site:
    """A cluster, the release on it, and how both were `before` the first row. `programs` install it."""

    prepared: PreparedCluster
    installed: InstalledRelease
    request: Request
    resources: Resources
    programs: Programs
    preparation: Preparation
    before: Picture = field(default_factory=dict)

    def api(self) -> client.ApiClient:
        """A client of the caller's own."""
        return self.prepared.cluster.api_client()

    def pods(self) -> list[Pod]:
        """The pods of the operator's namespace."""
        with self.api() as api:
            return rollout.pods_of(api, OPERATOR_NAMESPACE)

    def install(self, values: Mapping[str, Any] | None = None) -> None:
        """`helm upgrade` to the same release, with further values or, without any, as it was. Raises HarnessError."""
        first = self.prepared.releases[self.prepared.path.releases[0]]
        own = (first.values, *self.request.values, *([values] if values else []))
        self.installed = installing.install(
            self.prepared.cluster,
            first.release,
            chart=first.chart,
            programs=self.programs,
            job_namespaces=self.prepared.job_namespaces,
            values=own,
        )

    def await_rollout(self) -> None:
        """Wait until each Deployment has rolled out and nothing leaves any more. Raises WaitTimeout."""

        def all_there() -> bool:
            with self.api() as api:
                known = rollout.find_deployments(client.AppsV1Api(api), OPERATOR_NAMESPACE, self.installed.name)
                leaving = [it for it in rollout.pods_of(api, OPERATOR_NAMESPACE) if it.leaving]
            return bool(known) and all(it.rolled_out for it in known) and not leaving

        until(all_there, what="the operator to be rolled out", timeout=_SETTLE_SECONDS, ignore=(ApiError,))

    def renew_pods(self) -> None:
        """Take away the operator's pods with what they logged, and wait for the next. Raises WaitTimeout."""
        self._remove_pods("")
        with self.api() as api:
            self._free_leases(api)
        self.settle()

    def renew_webhook(self) -> None:
        """Take away the webhook's pods, and wait for the next. Raises WaitTimeout."""
        self._remove_pods("app.kubernetes.io/component=webhook")
        self.await_rollout()

    def _remove_pods(self, selector: str) -> None:
        with self.api() as api:
            core = client.CoreV1Api(api)
            items = listed(core.list_namespaced_pod, OPERATOR_NAMESPACE, label_selector=selector)
            core.delete_collection_namespaced_pod(OPERATOR_NAMESPACE, label_selector=selector, grace_period_seconds=1)
        before = {it["metadata"]["uid"] for it in items}
        until(
            lambda: not [it for it in self.pods() if it.uid in before],
            what="the operator's pods to be gone",
            timeout=_SETTLE_SECONDS,
        )

    def settle(self) -> None:
        """Wait until the operator is rolled out, leads, and admits. Raises WaitTimeout, ReleaseError."""
        self.await_rollout()
        until(self._leads, what="a leader that renews its lease", timeout=_SETTLE_SECONDS, ignore=(ApiError,))
        with self.api() as api:
            rollout.await_admission(api, self.installed.release, CHECK_NAMESPACE, Deadline(seconds=_SETTLE_SECONDS))

    def remember(self) -> None:
        """Take the picture that later ones are compared with."""
        self.before = self._picture()

    def as_before(self) -> list[str]:
        """What differs from the picture, after some time for what ends by itself; nothing when all was undone."""
        try:
            self.settle()
            until(lambda: not self._differences(), what="the cluster to be as before", timeout=_UNDONE_SECONDS)
        except (WaitTimeout, HarnessError) as late:
            return self._differences() or [str(late)]
        return []

    def checks(self, seed: int) -> list[Finding]:
        """The install checks, with the diagnosis that a run would add."""
        found = install_checks.run(
            self.prepared.cluster,
            self.installed,
            resolve=self.resources.source.digests,
            provider=self.prepared.provider,
            seed=seed,
        )
        return self._diagnosed(found, [OPERATOR_NAMESPACE])

    def scenario(self, name: str, seed: int) -> list[Finding]:
        """The findings of a scenario, with the diagnosis that a run would add."""
        module = scenarios.discover()[name]
        context = context_on(
            self.prepared.cluster,
            self.installed,
            module.SCENARIO,
            helm=self.programs.helm,
            folder=self.resources.scratch(f"{self.prepared.cluster.name}/{name}"),
            seed=seed,
        )
        found = findings_of(name, lambda: list(module.run(context)))
        return self._diagnosed(found, [OPERATOR_NAMESPACE, module.SCENARIO.namespace])

    def _diagnosed(self, found: Sequence[Finding], namespaces: Sequence[str]) -> list[Finding]:
        if worst(found) is Verdict.PASSED:
            return list(found)
        host = self.preparation.host_now()
        diagnosis = diagnosing.diagnose(
            found, host, self.resources, cluster=self.prepared.cluster, namespaces=namespaces
        )
        return [diagnosis.finding(), *found] if diagnosis else list(found)

    def _leads(self) -> bool:
        """Whether every lease of the operator is held by a pod that lives and has renewed it just now."""
        living = {it.name for it in self.pods() if not it.leaving}
        with self.api() as api:
            items = listed(client.CoordinationV1Api(api).list_namespaced_lease, OPERATOR_NAMESPACE)
        leases = [reading.lease(it, "", datetime.now(UTC)) for it in items]
        return bool(leases) and all(it.holder in living and it.age < _FRESH_SECONDS for it in leases)

    def _free_leases(self, api: client.ApiClient) -> None:
        """Take the leases from holders that are gone, which would keep them for another 15 s."""
        coordination = client.CoordinationV1Api(api)
        for item in listed(coordination.list_namespaced_lease, OPERATOR_NAMESPACE):
            change = {"spec": {"holderIdentity": ""}}
            coordination.patch_namespaced_lease(item["metadata"]["name"], OPERATOR_NAMESPACE, change)

    def _differences(self) -> list[str]:
        return state.differences(self.before, self._picture())

    def _picture(self) -> Picture:
        with self.api() as api:
            return state.look(api, [OPERATOR_NAMESPACE, *self.installed.job_namespaces])


@contextmanager
def site(
    number: int, asked_for: Request, host: Host, resources: Resources, say: Callable[[str], None]
) -> Iterator[Site]:
    """A cluster of its own with the release of the request's cells, removed afterwards. Raises HarnessError."""
    attempts = [Attempt(cell=cell) for cell in asked_for.cells]
    name = cluster_name(resources.run_id, number)
    preparation = Preparation(
        attempts[0].cell.group,
        attempts,
        ClusterRecord(),
        cluster_name=name,
        asked=asked_for,
        host=host,
        resources=resources,
        locker=Locker(asked_for, host, resources, say),
        say=say,
    )
    provider = preparation.provider()
    budget = Budget.of(asked_for.settings, host.processors(asked_for.settings), host.load)
    with budget.some(costs().install, name, say):
        yield from _made(preparation, provider, name, asked_for, host, resources)


def _made(
    preparation: Preparation,
    provider: Provider,
    name: str,
    asked_for: Request,
    host: Host,
    resources: Resources,
) -> Iterator[Site]:
    try:
        prepared = preparation.prepare(provider)
        if isinstance(prepared, Finding):
            raise HarnessError(f"there is no cluster to plant anything on: {prepared.check}: {prepared.message}")
        if not isinstance(prepared, PreparedCluster):
            raise HarnessError("the cluster has no release on it")
        made = Site(
            prepared=prepared,
            installed=prepared.installed,
            request=asked_for,
            resources=resources,
            programs=preparation.programs(),
            preparation=preparation,
        )
        made.settle()
        made.remember()
        yield made
    finally:
        with children.sheltered():
            provider.delete(name)
        if resources.ledger is not None:
            resources.ledger.gone("cluster", name)
