# SPDX-License-Identifier: Apache-2.0
"""The life of one cluster: made, given a release, used by its cells, looked at, removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from harness import children, stories, waiting
from harness.errors import HarnessError, UnavailableError
from harness.foundry import images as foundry_images
from harness.foundry.store import Store
from harness.invocation import here
from harness.kube.cluster import Cluster
from harness.kube.interruptions import finding_of
from harness.matrix.costs import costs
from harness.matrix.model import Environment
from harness.providers.base import Provider
from harness.releases.namespaces import CHECK_NAMESPACE
from harness.run import argo, handover, plan
from harness.run.attempt import Attempt, ClusterRecord, Kept
from harness.run.budget import Budget, Claim
from harness.run.cell_reports import CellReports, Done
from harness.run.handover import Spare
from harness.run.kept import kept_facts
from harness.run.locking import Locker
from harness.run.preparation import Preparation
from harness.run.resources import Resources
from harness.run.run_host import Host
from harness.run.setup import Request
from harness.run.share import Share, fitting
from harness.run.slots import Slots
from harness.stories.cluster import BareCluster, PreparedCluster
from harness.stories.protocol import Play, RunContext
from harness.verdicts import Finding, unavailable
from harness.waiting import Cancelled


class Group:
    """The attempts that share one cluster. `run` reports each of them exactly once through `done`."""

    def __init__(
        self,
        name: str,
        attempts: Sequence[Attempt],
        *,
        cluster_name: str,
        asked: Request,
        host: Host,
        resources: Resources,
        evidence_folder: Callable[[Attempt], Path],
        done: Done,
        say: Callable[[str], None],
        budget: Budget | None = None,
        plan_name: str = "",
        spare: Spare | None = None,
        followed: bool = False,
    ) -> None:
        """`cluster_name` is unique on this host. `budget` is the run's, else the cache's.

        `spare` is the cluster that another group has left clean, and `followed` says that a third one would take it.
        `plan_name` is what the plan calls its cluster, if that is another name.
        """
        self.plan_name = plan_name or cluster_name
        self.spare: Spare | None = None
        self._takes = spare
        self._followed = followed
        self.name = name
        self.attempts = attempts
        self.kept: Kept | None = None
        self.cluster_name = cluster_name
        self._asked = asked
        self._host = host
        self._resources = resources
        self._say = say
        self._record = ClusterRecord()
        self._keeps = False
        slots = asked.settings.cache_dir / "slots"
        self._budget = budget or Budget.of(asked.settings)
        self._share = Share(
            self._budget,
            Slots(slots, "scenario", asked.settings.app_slots),
            further=costs().scenario,
            name=name,
            say=self._say_here,
        )
        locker = Locker(asked, host, resources, say)
        self._preparation = Preparation(
            name,
            attempts,
            self._record,
            cluster_name=cluster_name,
            asked=asked,
            host=host,
            resources=resources,
            locker=locker,
            say=say,
            followed=followed,
        )
        self._reports = CellReports(
            attempts,
            self._record,
            cluster_name=cluster_name,
            asked=asked,
            host=host,
            resources=resources,
            locker=locker,
            host_now=self._preparation.host_now,
            evidence_folder=evidence_folder,
            done=done,
            say=say,
        )

    @property
    def again(self) -> list[Attempt]:
        """Attempts without a result, which need another cluster. To be read when `run` has returned."""
        return self._reports.again

    @property
    def environment(self) -> Environment:
        """The environment of all the cells."""
        return self.attempts[0].cell.environment

    def run(self, claim: Claim | None = None) -> None:
        """Make the cluster, run the cells, remove the cluster. Does not raise; Cancelled cells are not reported.

        `claim` is what the group has of the processors already; without one it takes what it needs.
        """
        with ExitStack() as held:
            try:
                if claim is None:
                    needed = plan.processors(self.attempts)
                    claim = held.enter_context(self._budget.some(needed, self.name, self._say_here))
                # Those who come after this group on the same claim have not waited for it.
                self._record.waited, claim.waited = claim.waited, 0.0
                self._share.held = claim
                self._run(held)
            except Cancelled:
                self._say(f"{self.name}: ended early")
            except UnavailableError as missing:
                self._report_rest(unavailable("inputs-available", str(missing)))
            except Exception as error:
                self._report_rest(finding_of("cluster", error, {}))

    def _run(self, held: ExitStack) -> None:
        """Run the cells. What must outlive the cluster is held from before it is made, and so is the cluster."""
        provider = self._preparation.provider()
        if self._takes:
            held.callback(self._leave, provider)
        plays = self._open(held)
        if not self._takes:
            held.callback(self._leave, provider)
        prepared = self._preparation.prepare(provider, self._takes)
        if isinstance(prepared, Finding):
            self._reports.report_all(prepared)
        else:
            self._run_cells(plays, prepared)
        # What is handed back is kept on its next cluster.
        self._keeps = self._asked.options.keep and bool(self._reports.reported)

    def _open(self, held: ExitStack) -> list[tuple[Play[Any], list[Attempt]]]:
        """What runs the attempts, each with those that it runs."""
        by_story: dict[str, list[Attempt]] = {}
        for attempt in self.attempts:
            by_story.setdefault(attempt.cell.scenario.story, []).append(attempt)
        context = self._context()
        plays = []
        for attempts in by_story.values():
            cells = [attempt.cell for attempt in attempts]
            play = held.enter_context(stories.of(cells[0].scenario).open(context, cells, self.cluster_name))
            self._record.registries = self._record.registries or play.registries
            plays.append((play, attempts))
        return plays

    def _run_cells(self, plays: Sequence[tuple[Play[Any], Sequence[Attempt]]], on: BareCluster) -> None:
        with ThreadPoolExecutor(len(plays), "stories") as pool:
            running = [pool.submit(play.run, on, [self._reports.of(it) for it in attempts]) for play, attempts in plays]
            for future in running:
                future.result()

    def _context(self) -> RunContext:
        return RunContext(
            catalogue=self._asked.catalogue,
            values=self._asked.values,
            given=self._asked.given.where_there_is(self._resources.preflight.absent(), self._memory_mib()),
            resources=self._resources,
            tools={name: tool.path for name, tool in self._host.tools.items()},
            storage=foundry_images.registries(self._asked.settings),
            store=Store.of(self._asked.settings),
            app_slots=fitting(self._asked.settings.app_slots, self._memory_mib()),
            place=self._share.place,
            host_now=self._preparation.host_now,
            say=self._say_here,
            home=self._asked.home,
            blamed=self._preparation.blamed,
        )

    def _memory_mib(self) -> int:
        """What the cluster has for pods; zero where that is not known."""
        existing = self._asked.existing
        return self.environment.memory_mib or (existing.memory_mib if existing else self._host.result.memory_mib)

    def _say_here(self, text: str) -> None:
        self._say(f"{self.name}: {text}")

    def _report_rest(self, finding: Finding) -> None:
        """Give the cells without a result this finding, unless the run is being ended."""
        try:
            self._reports.report_all(finding)
        except Cancelled:
            self._say(f"{self.name}: ended early")

    def _leave(self, provider: Provider) -> None:
        made = self._record.made
        if self._keeps and made is not None:
            self._keep(made.cluster, provider)
        elif not self._hands_over():
            self._remove(provider)

    def _hands_over(self) -> bool:
        """Whether the cluster is clean and another group will take it: of one that was in trouble none does."""
        made, picture = self._record.made, self._preparation.picture
        if not self._followed or self.again or picture is None or not isinstance(made, PreparedCluster):
            return False
        if waiting.cancelled() or self._reports.troubled:
            return False
        left = handover.clean(
            made.cluster,
            helm=self._host.tools["helm"].path,
            home=self._asked.home,
            namespaces=(*made.job_namespaces, CHECK_NAMESPACE),
            picture=picture,
        )
        if isinstance(left, str):
            self._say_here(f"cluster {self.cluster_name} is not clean, and no other path gets it: {left}")
            return False
        self.spare = left
        return True

    def _remove(self, provider: Provider) -> None:
        ledger = self._resources.ledger
        if self._record.argocd is not None:
            try:
                with children.sheltered():
                    argo.end(self._record.argocd, ledger)
            except HarnessError as error:
                self._say(f"{self.name}: {error}")
        planned = ledger is not None and any(entry.name == self.cluster_name for entry in ledger.open_entries())
        if not planned or ledger is None:
            return
        try:
            with children.sheltered():
                provider.delete(self.cluster_name)
            ledger.gone("stay" if provider.guest else "cluster", self.cluster_name)
        except (HarnessError, OSError) as error:
            self._say(f"{self.name}: cluster {self.cluster_name} could not be removed: {error}")

    def _keep(self, cluster: Cluster, provider: Provider) -> None:
        kubectl = self._host.tools[f"kubectl-{self.environment.minor}"].path
        if self._resources.ledger is not None:
            namespaces = {
                it.cell.id: it.cell.scenario.namespace for it in self.attempts if it.name in self._reports.reported
            }
            facts = kept_facts(
                cluster,
                namespaces,
                release=self._asked.home.name,
                release_namespace=self._asked.home.namespace,
                tools={**{name: tool.path for name, tool in self._host.tools.items()}, "kubectl": kubectl},
            )
            self._resources.ledger.planned("cluster", self.cluster_name, **facts)
        self.kept = Kept(
            cluster=cluster.name,
            kubeconfig=cluster.kubeconfig,
            shell=provider.shell_hint(cluster),
            remove=here(f"nox -s clean -- --run {self._resources.run_id}"),
            kubectl=kubectl,
            look=f"harness shell {self.attempts[0].cell.id}",
        )
