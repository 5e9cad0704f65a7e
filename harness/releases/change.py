# SPDX-License-Identifier: Apache-2.0
"""Change the installed release: upgrade to another, or roll back, as a user does it with Helm and kubectl.

What the product makes of it is told, not raised: a half-done upgrade is what there is to look at.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import causes
from harness.errors import ApiError, ClusterError, CommandError, PullError, ReleaseError, UsageError
from harness.kube.cluster import Cluster
from harness.matrix.model import CrdMode, ValuesMode, WayName
from harness.matrix.release import Release
from harness.releases import accounts, asked, crd_changes, rollout, ways
from harness.releases.charts import Chart
from harness.releases.helm import Helm, HelmError
from harness.releases.namespaces import CHECK_NAMESPACE, with_job_namespaces
from harness.releases.values import merge
from harness.releases.ways.protocol import InstalledRelease, On, Options, Programs, Put
from harness.waiting import Deadline

HELM_SECONDS = 120.0
"""What Helm gets for its hooks, in place of its own default of five minutes."""

ROLLOUT_SECONDS = 150.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command of a change, as a user types it. `error` is what it said when it failed. Times are UTC."""

    what: str
    command: str
    started: datetime
    ended: datetime
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An upgrade that a user asks for. `values` are the user's; those that the harness needs are added. Without a `way`
    it is that of the installed release. `flags` are further options of its program, `kustomization` is config/.
    """

    release: Release
    chart: Chart
    crds: CrdMode = "none"
    values_mode: ValuesMode = "default"
    values: Sequence[Mapping[str, Any]] = ()
    way: WayName | None = None
    flags: tuple[str, ...] = ()
    kustomization: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Change:
    """What came of it. `settled` is when all Deployments had rolled out; None when they did not.

    `helm_error` and `rollout_error` are why it did not get to its end, empty when it did; with `outside` that was
    nothing that the release did, but a registry, the network, the node or a login. `trouble` is why the way did not get
    to its end although it has brought the new Deployments. `installed` is the release that its
    way has put there now, or would have.
    """

    steps: tuple[Step, ...]
    began: datetime
    helm_done: datetime
    settled: datetime | None
    helm_error: str = ""
    rollout_error: str = ""
    trouble: str = ""
    outside: bool = False
    installed: InstalledRelease


def upgrade(
    cluster: Cluster,
    installed: InstalledRelease,
    wanted: Wanted,
    programs: Programs,
    *,
    helm_timeout: float = HELM_SECONDS,
    interrupt: threading.Event | None = None,
) -> Change:
    """The upgrade in the wanted way, with what the CRD mode asks for before it, and the wait for the rollout.

    `interrupt` ends its program as Ctrl-C does. Raises ClusterError when the API server is away, HostError when the
    node has no room.
    """
    values = values_of(installed, wanted)
    steps = _Steps()
    helm = Helm(programs.helm, cluster.kubeconfig)
    _bring(cluster, helm, installed, wanted.chart, values)
    by = ways.of(wanted.way or installed.way)
    error = "" if by.brings_crds else _change_crds(cluster, wanted, programs, steps)
    if error:
        now = datetime.now(UTC)
        return Change(
            steps=tuple(steps.done),
            began=steps.began,
            helm_done=now,
            settled=None,
            helm_error=f"helm upgrade was not tried: {error}",
            installed=_installed(installed, wanted, values, installed.revision),
        )
    target = _installed(installed, wanted, values, installed.revision + 1)
    on, options = On(cluster=cluster, programs=programs), _options(installed, target.way, wanted)

    def call(seconds: float, stop: threading.Event) -> Put:
        return by.put(on, target, timeout=seconds, stop=stop, options=options)

    return _change(
        cluster,
        steps,
        call,
        what=f"upgrade to {wanted.release.name}",
        shown=by.told_put(target, options),
        target=target,
        helm_timeout=helm_timeout,
        interrupt=interrupt,
    )


def rollback(
    cluster: Cluster,
    current: InstalledRelease,
    target: InstalledRelease,
    programs: Programs,
    *,
    way: WayName | None = None,
    helm_timeout: float = HELM_SECONDS,
) -> Change:
    """Go back to the revision that `target` was installed as, and wait for the rollout.

    Without a `way` it is that of the `current` release. Helm leaves CRDs as they are. Raises as `upgrade` does.
    """
    target = replace(target, way=way or current.way)
    on, by = On(cluster=cluster, programs=programs), ways.of(target.way)
    options = _options(current, target.way)

    def call(seconds: float, stop: threading.Event) -> Put:
        return by.back(on, target, timeout=seconds, stop=stop, options=options)

    return _change(
        cluster,
        _Steps(),
        call,
        what=f"roll back to {target.release.name}",
        shown=by.told_back(target),
        target=target,
        helm_timeout=helm_timeout,
    )


def _options(installed: InstalledRelease, way: WayName, wanted: Wanted | None = None) -> Options:
    over = installed.way if installed.way != way else None
    return Options(values=wanted.values_mode, flags=wanted.flags, over=over) if wanted else Options(over=over)


def values_of(installed: InstalledRelease, wanted: Wanted) -> dict[str, Any]:
    """The values that an upgrade hands to Helm."""
    own: dict[str, Any] = {}
    if wanted.crds == "hook":
        own["hook"] = {"upgradeCrd": True}
    if wanted.values_mode == "pinned-registry":
        before = installed.release
        own["image"] = {"registry": before.registry, "repository": before.repository}
    return with_job_namespaces(merge(own, *wanted.values), installed.job_namespaces)


@dataclass
class _Steps:
    """The steps so far."""

    done: list[Step] = field(default_factory=list)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    @contextmanager
    def step(self, what: str, command: str) -> Iterator[Callable[[str], None]]:
        """Note one command; what is yielded takes the words of its failure."""
        started = datetime.now(UTC)
        said: list[str] = []
        try:
            yield said.append
        finally:
            self.done.append(
                Step(what=what, command=command, started=started, ended=datetime.now(UTC), error="\n".join(said))
            )


def change_crds(cluster: Cluster, chart: Chart, mode: CrdMode, programs: Programs) -> None:
    """What the CRD mode asks for before Helm. Raises CommandError with kubectl's words, and ApiError."""
    for command in crd_changes.commands(cluster, chart, mode, programs.helm):
        command.run(cluster, programs.kubectl)


def _bring(cluster: Cluster, helm: Helm, installed: InstalledRelease, chart: Chart, values: Mapping[str, Any]) -> None:
    """Make what the values leave to others, as the new chart would have it; a chart that does not render tells later.

    Raises ClusterError.
    """
    try:
        missing = accounts.to_bring(helm, chart, installed.name, installed.namespace, values)
    except HelmError:
        return
    if not missing:
        return
    try:
        with cluster.api_client() as api:
            accounts.bring(api, missing)
    except ApiError as away:
        raise ClusterError(
            f"accounts and rights could not be made on {cluster.name}: {away.brief}",
            "see the node's logs in the evidence",
        ) from away


def _change_crds(cluster: Cluster, wanted: Wanted, programs: Programs, steps: _Steps) -> str:
    """The same, each command a step; what failed first, or an empty text."""
    try:
        for command in crd_changes.commands(cluster, wanted.chart, wanted.crds, programs.helm):
            with steps.step(command.what, command.shown) as failed:
                try:
                    command.run(cluster, programs.kubectl)
                except CommandError as error:
                    said = error.stderr.strip() or error.message
                    failed(said)
                    return causes.told(said)
    except ApiError as away:
        raise ClusterError(
            f"the CRDs of {cluster.name} could not be listed: {away.brief}", "see the node's logs in the evidence"
        ) from away
    return ""


def _change(
    cluster: Cluster,
    steps: _Steps,
    call: rollout.WayCall,
    *,
    what: str,
    shown: str,
    target: InstalledRelease,
    helm_timeout: float,
    interrupt: threading.Event | None = None,
) -> Change:
    helm_error = rollout_error = ""
    outside = False
    settled: datetime | None = None
    put = Put(revision=target.revision)
    deadline = Deadline(seconds=ROLLOUT_SECONDS)
    try:
        with cluster.api_client() as api:
            before = frozenset(pod.uid for pod in rollout.pods_of(api, target.namespace))
            with steps.step(what, shown) as failed:
                try:
                    put = rollout.run_way(
                        api, target.namespace, before, Deadline(seconds=helm_timeout), call, interrupt=interrupt
                    )
                    if put.trouble:
                        failed(put.trouble)
                except (ReleaseError, PullError, UsageError) as error:
                    helm_error, outside = str(error), isinstance(error, PullError)
                    failed(error.message)
            helm_done = datetime.now(UTC)
            if not helm_error:
                try:
                    rollout.await_rollout(api, target.release, target.namespace, target.name, before, deadline)
                    settled = datetime.now(UTC)
                    lets_pass = asked.lets_pass(target.values)
                    rollout.await_admission(api, target.release, CHECK_NAMESPACE, deadline, lets_pass=lets_pass)
                except (ReleaseError, PullError) as error:
                    rollout_error, outside = str(error), isinstance(error, PullError)
    except ApiError as away:
        raise ClusterError(
            f"the API server of {cluster.name} failed at the {what}: {away.brief}",
            "see the node's logs in the evidence",
        ) from away
    return Change(
        steps=tuple(steps.done),
        began=steps.began,
        helm_done=helm_done,
        settled=settled,
        helm_error=helm_error,
        rollout_error=rollout_error,
        trouble=put.trouble,
        outside=outside,
        installed=target.after(put),
    )


def _installed(
    installed: InstalledRelease, wanted: Wanted, values: Mapping[str, Any], revision: int
) -> InstalledRelease:
    return InstalledRelease(
        release=wanted.release,
        chart=wanted.chart,
        name=installed.name,
        namespace=installed.namespace,
        job_namespaces=installed.job_namespaces,
        revision=revision,
        values=values,
        seconds={},
        account=installed.account,
        way=wanted.way or installed.way,
        kustomization=wanted.kustomization,
    )
