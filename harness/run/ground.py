# SPDX-License-Identifier: Apache-2.0
"""What a cluster has before the operator: namespaces, manifests, and what the user's values ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.kube.cluster import Cluster
from harness.registries.sources import Source
from harness.releases import applying, provision
from harness.releases.applying import Applied
from harness.releases.fitting import Fit, Given, Room
from harness.releases.helm import Helm
from harness.releases.namespaces import CHECK_NAMESPACE
from harness.releases.on_path import ReleaseOnPath
from harness.run import before, plan, values_fit
from harness.run.attempt import Attempt
from harness.run.before import Before
from harness.run.run_host import Host
from harness.run.setup import Request
from harness.verdicts import Finding, Verdict

_APPLY_SECONDS = 60.0
_WORKLOAD_SECONDS = 120.0
"""For the pods of an add-on, whose images are pulled first."""


class Ground:
    """What the run makes for these attempts: `before` the operator, and to `fit` the values. `applied` is in place."""

    def __init__(self, asked: Request, host: Host, attempts: Sequence[Attempt]) -> None:
        self.before = Before()
        self.fit = Fit()
        self.applied: tuple[Applied, ...] = ()
        self._asked = asked
        self._host = host
        self._attempts = attempts
        self._environment = attempts[0].cell.environment

    @property
    def told(self) -> tuple[str, ...]:
        """What of the user's values and manifests is otherwise in the run, in words."""
        return (*self._asked.told, *self.fit.told, *self.before.told)

    def gather(self, source: Source) -> None:
        """Find out what belongs before the operator. Raises UnavailableError for an add-on that cannot be had."""
        self.before = before.gather(self._asked, self._environment, source, self._host.tools["helm"].path)

    def problem(self, first: ReleaseOnPath, releases: Mapping[str, ReleaseOnPath]) -> Finding | None:
        """Find out what the user's values need of the cluster; the finding says why they do not fit."""
        helm, given = Helm(self._host.tools["helm"].path), self._given(first)
        wrong = before.problem(self.before, self._asked, given, helm, first.chart)
        fit = wrong or values_fit.look(given, helm, releases)
        if isinstance(fit, Finding):
            return fit
        self.fit = fit
        return None

    def mistakes(self, first: ReleaseOnPath) -> Finding | None:
        """The finding about what no cluster takes of the user's values, a user's own included."""
        return values_fit.mistakes(self._given(first), Helm(self._host.tools["helm"].path), first)

    def refused(self, finding: Finding, release: ReleaseOnPath) -> Finding:
        """The finding about an install, or a move, an error where the user's values may be the reason."""
        return values_fit.refused(finding, self._given(release), Helm(self._host.tools["helm"].path), release)

    def moved(self, finding: Finding, release: ReleaseOnPath) -> Finding:
        """The same of a move, whose release may not take values that the one before took."""
        told = self.refused(finding, release)
        if told.verdict is not Verdict.FAILED:
            return told
        unfit = self.mistakes(release) if self._asked.existing else self._unfit(release)
        return unfit or told

    def _unfit(self, release: ReleaseOnPath) -> Finding | None:
        helm = Helm(self._host.tools["helm"].path)
        found = values_fit.look(self._given(release), helm, {release.release.name: release})
        return found if isinstance(found, Finding) else None

    def provide(self, cluster: Cluster, job_namespaces: Sequence[str]) -> None:
        """Make the namespaces, and what is to be there before the operator. Raises as applying does, and ApiError."""
        names = [*job_namespaces, self._asked.home.namespace]
        needed = self.fit.makes or self.before.documents or self.before.labels
        if needed:
            names = [*dict.fromkeys([*names, CHECK_NAMESPACE, *before.namespaces(self._asked)])]
        provision.create_namespaces(cluster, names)
        if not needed:
            return
        with cluster.api_client() as api:
            provision.label_namespaces(api, names, self.before.labels)
            self.applied = tuple(applying.apply(api, self.before.documents, timeout=_APPLY_SECONDS))
            provision.bring(api, self.fit)
            applying.await_workloads(api, self.applied, timeout=_WORKLOAD_SECONDS)
            applying.await_marks(api, names, self.before.marks, timeout=_APPLY_SECONDS)

    def _given(self, first: ReleaseOnPath) -> Given:
        """The first release as it is to be installed on this host."""
        host = self._host.result
        return Given(
            name=self._asked.home.name,
            namespace=self._asked.home.namespace,
            own=(first.values, *self._asked.profile),
            users=self._asked.users,
            job_namespaces=[*plan.job_namespaces(self._attempts), CHECK_NAMESPACE],
            files=[str(it) for it in self._asked.options.values],
            values_key=self._asked.options.values_key or "",
            exact=self._asked.options.exact_values,
            kubernetes=self._environment.kubernetes_from(self._host.choice.kind),
            made=self.before.made(self._asked.home.namespace),
            kinds=self.before.kinds,
            room=Room(cpus=host.cpus, memory_mib=host.memory_mib),
        )
