# SPDX-License-Identifier: Apache-2.0
"""Runs a path: one upgrade or rollback after the other, with applications beside them, and records what happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from harness.errors import ApiError, HarnessError, WaitTimeout
from harness.kube.cluster import Cluster
from harness.matrix.model import CrdMode, Move, Path
from harness.matrix.path_names import ARGO_CD, by_helm, way_with
from harness.matrix.release import Release
from harness.providers.base import Provider
from harness.releases import change, lease_times, rollout, ways
from harness.releases.change import Change, Wanted
from harness.releases.observe import observe
from harness.releases.on_path import ReleaseOnPath
from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.releases.serving import release_of
from harness.releases.values import merge
from harness.releases.ways.protocol import InstalledRelease, On, Programs
from harness.upgrades import gitops, permissions, stock
from harness.upgrades.observed import MoveTimes, ObservedMove, ObservedPath
from harness.upgrades.operator_watch import OperatorWatcher
from harness.upgrades.parting_logs import PartingLogs
from harness.upgrades.prober import Probe, Prober
from harness.upgrades.reinstall import ReinstallSeen
from harness.upgrades.way_out import WayOutSeen
from harness.upgrades.workload_seen import WorkloadSeen
from harness.waiting import Cancelled, until

T = TypeVar("T")

SOAK = 90.0
"""Seconds for which the operator is watched after the last move, at most. A new leader leads after up to 32 s, and
later where a user's values let leases last longer.
"""

LED = 40.0
"""Seconds for which a new leader has been watched when that is enough, and no application is left that has not ended:
a controller that cannot fill its caches gives up after 30 s (`--cache-sync-timeout`)."""

SHORT_SOAK = 35.0
"""Seconds after a move that is not the last: until there is a new leader."""

HOPELESS_SOAK = 20.0
"""Seconds after a move that did not take place."""

SUBMIT_SECONDS = 30.0
"""Seconds after the last move has rolled out for which small applications still come, at most."""

LEADS = 2.0
"""Seconds for which they still come under a new leader. What comes after the moves has the rest of the soak: the
operator is watched while it has most to do."""


class Applications(Protocol):
    """What runs along the path."""

    def begin(self) -> None:
        """Submit what must be there before, and wait until it is where it should be."""

    def during(self) -> None:
        """Begin to submit small applications."""

    def between(self, now: Release, following: Release) -> None:
        """Submit what only the release of between two moves can be asked for."""

    def settle(self) -> None:
        """End that."""

    def finish(self, times: Sequence[MoveTimes], leads: Release) -> WorkloadSeen:
        """Submit what comes after under the release that leads, wait for every end, and tell."""

    def close(self) -> None:
        """End all threads. The objects stay."""


@dataclass(frozen=True, kw_only=True)
class PathRun:
    """A path on a cluster, on which its first release is installed. `values` are the user's; `seed` the attempt's.

    `provider` is whom to ask for what the nodes have on record; None where nobody can. `reinstall` is what a path with
    a rollback tries at its end, `way_out` what one does whose break has a way out. `parting` keeps the logs of the
    operator's pods that a move replaces.
    """

    cluster: Cluster
    path: Path
    releases: Mapping[str, ReleaseOnPath]
    installed: InstalledRelease
    programs: Programs
    applications: Applications
    prober: Prober
    values: Sequence[Mapping[str, Any]]
    seed: int
    reinstall: Callable[[InstalledRelease], ReinstallSeen | Unseen]
    way_out: Callable[[InstalledRelease, Wanted], WayOutSeen | Unseen]
    provider: Provider | None = None
    parting: PartingLogs | None = None
    soak: float = SOAK
    say: Callable[[str], None] = lambda text: None

    def run(self) -> ObservedPath:
        """Make all moves, and record what the product makes of them. Raises HarnessError for what proves nothing."""
        try:
            return self._run()
        finally:
            self.applications.close()
            if self.parting is not None:
                self.parting.close()

    def _run(self) -> ObservedPath:
        began = time.monotonic()
        self.say("submitting applications")
        try:
            self.applications.begin()
        except WaitTimeout as late:
            raise WaitTimeout(f"the pre-upgrade applications never became ready: {late.message}") from late
        ready = time.monotonic()
        self.prober.start()
        moves: list[ObservedMove] = []
        probes: tuple[Probe, ...] = ()
        workload: WorkloadSeen | Unseen = Unseen(reason="the path did not come to its end")
        seconds = {"begin": ready - began}

        def after(last: MoveTimes, leads: Release) -> None:
            nonlocal probes, workload
            probes = self.prober.stop()
            moved = time.monotonic()
            workload = self._finished([*(it.times for it in moves), last], leads)
            seconds.update({"moves": moved - ready, "finish": time.monotonic() - moved})

        try:
            self.applications.during()
            here, been = self.installed, {self.installed.release.name: self.installed}
            for number, move in enumerate(self.path.moves, 1):
                if number > 1:
                    self.applications.between(here.release, self._release(move.target))
                last = number == len(self.path.moves)
                here, seen = self._move(here, been, move, meanwhile=after if last else None)
                been[here.release.name] = here
                moves.append(seen)
        finally:
            self.prober.stop()
        finished = time.monotonic()
        seconds["soak"] = finished - ready - seconds["moves"] - seconds["finish"]
        reinstalled: ReinstallSeen | Unseen | None = None
        if self.path.kind == "rollback":
            self.say(f"uninstalling {here.release.name} and installing it again")
            reinstalled = self.reinstall(here)
            seconds["reinstall"] = time.monotonic() - finished
        way_out: WayOutSeen | Unseen | None = None
        if self.path.out is not None:
            self.say(f"taking the way out: +crds={self.path.out}")
            way_out = self.way_out(here, self._wanted(self.path.moves[-1], self.path.out))
            seconds["way-out"] = time.monotonic() - finished
        return ObservedPath(
            path=self.path,
            moves=tuple(_with_probes(move, probes) for move in moves),
            workload=workload,
            seconds=seconds,
            reinstalled=reinstalled,
            way_out=way_out,
        )

    def _finished(self, times: Sequence[MoveTimes], leads: Release) -> WorkloadSeen | Unseen:
        self.say("submitting what comes after, and following all applications to their ends")
        self.applications.settle()
        try:
            return self.applications.finish(times, leads)
        except Cancelled:
            raise
        except HarnessError as error:
            return Unseen(reason=f"the applications could not be followed to their ends: {error}")

    def _move(
        self,
        here: InstalledRelease,
        been: Mapping[str, InstalledRelease],
        move: Move,
        *,
        meanwhile: Callable[[MoveTimes, Release], None] | None,
    ) -> tuple[InstalledRelease, ObservedMove]:
        """Make a move and watch what it made. `meanwhile` is done within the soak of the last one."""
        longer = lease_times.longer(merge(*self.values))
        soak = (min(self.soak, SHORT_SOAK) if meanwhile is None else self.soak) + longer
        namespace = here.namespace
        with self.cluster.api_client() as api:
            pods_before = {pod.uid: pod.name for pod in rollout.pods_of(api, namespace)}
        rights_before = permissions.look(self.cluster, namespace)
        objects_before = self._objects(here)
        leaves = self.parting.follow if self.parting is not None else None
        watcher = OperatorWatcher(self.cluster, namespace, leaves=leaves)
        watcher.start()
        try:
            self.say(f"{move}")
            came = self._change(here, been, move)
            wrong = came.helm_error or came.trouble or came.rollout_error
            target = here if came.helm_error else came.installed
            soak = min(soak, HOPELESS_SOAK) if came.helm_error else soak
            self.say(f"{move}: {wrong.splitlines()[0] if wrong else 'rolled out'}; watching it for up to {soak:.0f} s")
            over = threading.Event()
            with ThreadPoolExecutor(1, "soak") as beside:
                others = [it for it in (here.release, self._release(move.target)) if it != target.release]
                looking = beside.submit(
                    self._observed,
                    target,
                    others,
                    soak=soak,
                    enough=lambda: over.is_set() and watcher.led(came.began) >= LED,
                )
                if meanwhile is not None:
                    _small_ones_come(min(soak, SUBMIT_SECONDS + longer), lambda: watcher.led(came.began) >= LEADS)
                    times = _times(came)
                    meanwhile(times, self._leading(came, watcher, here.release, self._release(move.target)))
                    over.set()
                operator = looking.result()
            watcher.stop()
            if meanwhile is None:
                times = _times(came)
            with ThreadPoolExecutor(4) as pool:
                rights = _later(
                    pool, lambda: permissions.change(rights_before, permissions.look(self.cluster, namespace))
                )
                orphans = _later(pool, lambda: self._orphans(here, target, objects_before))
                unfit = _later(pool, lambda: stock.unfit(self.cluster, target.job_namespaces))
                old = _later(pool, lambda: self._still_there(namespace, pods_before))
        finally:
            watcher.stop()
        argo_cd = gitops.look(self.cluster, target, last=meanwhile is not None) if move.way in ARGO_CD else None
        return target, ObservedMove(
            move=move,
            origin=here.release,
            target=self._release(move.target),
            steps=came.steps,
            times=times,
            helm_error=came.helm_error,
            rollout_error=came.rollout_error,
            outside=came.outside,
            trouble=came.trouble,
            values=target.values,
            watch=watcher.seen(came.began),
            operator=operator,
            old_pods=old.result(),
            permissions=rights.result(),
            orphans=orphans.result(),
            unfit=unfit.result(),
            probes=(),
            gitops=argo_cd,
        )

    def _orphans(
        self, here: InstalledRelease, target: InstalledRelease, before: Sequence[Mapping[str, Any]]
    ) -> tuple[str, ...]:
        """What the release of before left, with Helm's own record of it where kubectl has gone over it."""
        found = stock.orphans(self.cluster, before, self._objects(target), here.namespace)
        if not by_helm(here.way) or by_helm(target.way) or target.way in ARGO_CD:
            return found
        return (*found, *stock.records_of_helm(self.cluster, here.name, here.namespace))

    def _change(self, here: InstalledRelease, been: Mapping[str, InstalledRelease], move: Move) -> Change:
        if move.kind == "rollback":
            return change.rollback(self.cluster, here, been[move.target], self.programs, way=move.way)
        return change.upgrade(self.cluster, here, self._wanted(move, self.path.crds), self.programs)

    def _wanted(self, move: Move, crds: CrdMode) -> Wanted:
        target = self.releases[move.target]
        return Wanted(
            release=target.release,
            chart=target.chart,
            crds=crds,
            values_mode=self.path.values,
            values=target.with_users(self.values),
            way=way_with(move.way, crds),
            kustomization=target.kustomization,
        )

    @staticmethod
    def _leading(came: Change, watcher: OperatorWatcher, origin: Release, target: Release) -> Release:
        """The release whose controller does the work after a move: where it did not take place, the lease tells.

        Else it is the new one, also while its pod still waits for the lease of the old one to end.
        """
        if not came.helm_error and not came.rollout_error:
            return target
        return release_of([watcher.leader()], (target, origin)) or origin

    def _objects(self, it: InstalledRelease) -> Sequence[Mapping[str, Any]]:
        return ways.of(it.way).objects(On(cluster=self.cluster, programs=self.programs), it)

    def _release(self, name: str) -> Release:
        return self.releases[name].release

    def _observed(
        self, target: InstalledRelease, others: Sequence[Release], *, soak: float, enough: Callable[[], bool]
    ) -> ObservedOperator | Unseen:
        try:
            return observe(
                self.cluster,
                target,
                provider=self.provider,
                others=others,
                soak=soak,
                enough=enough,
                seed=self.seed,
            )
        except (ApiError, OSError) as away:
            return Unseen(reason=f"the operator could not be observed: {away}")

    def _still_there(self, namespace: str, before: Mapping[str, str]) -> tuple[str, ...]:
        with self.cluster.api_client() as api:
            pods = rollout.pods_of(api, namespace)
        return tuple(f"{pod.name} ({pod.containers[0].image})" for pod in pods if pod.uid in before and not pod.leaving)


def _small_ones_come(seconds: float, led: Callable[[], bool]) -> None:
    """Wait until a new leader has led for a while, or time is up: not every release elects one. Raises Cancelled."""
    with suppress(WaitTimeout):
        until(led, what="a new leader", timeout=seconds, interval=0.2)


def _later(pool: ThreadPoolExecutor, look: Callable[[], T]) -> Future[T | Unseen]:
    def guarded() -> T | Unseen:
        try:
            return look()
        except HarnessError as away:
            if isinstance(away, Cancelled):
                raise
            return Unseen(reason=f"it could not be observed: {away}")

    return pool.submit(guarded)


def _times(came: Change) -> MoveTimes:
    """The times of a move that is over now."""
    return MoveTimes(began=came.began, helm_done=came.helm_done, settled=came.settled, ended=datetime.now(UTC))


def _with_probes(move: ObservedMove, probes: Sequence[Probe]) -> ObservedMove:
    mine = tuple(probe for probe in probes if move.times.began <= probe.at <= move.times.ended)
    return ObservedMove(**{**move.__dict__, "probes": mine})
