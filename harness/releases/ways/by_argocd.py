# SPDX-License-Identifier: Apache-2.0
"""Argo CD: a release as one Application, whose chart version and values change as by a commit to its repository.

Argo CD's programs must be running beside the cluster (`harness.releases.argocd.programs`), and offer the charts.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import ReleaseError, WaitTimeout
from harness.matrix.model import WayName
from harness.releases.argocd import application, objects
from harness.releases.argocd.objects import SyncMode
from harness.releases.helm import Helm
from harness.releases.ways.protocol import USUALLY, InstalledRelease, On, Options, Put
from harness.waiting import Deadline

_HOOK = "helm.sh/hook"
_LOOK = "kubectl -n argocd get application {} -o yaml"


class ByArgoCd:
    """Argo CD with one way of syncing. It renders charts with their CRDs, and syncs these like everything else."""

    tools: Sequence[str] = ()
    brings_crds = True

    def __init__(self, name: WayName, mode: SyncMode) -> None:
        self.name = name
        self.mode = mode

    def put(
        self, on: On, it: InstalledRelease, *, timeout: float, stop: threading.Event, options: Options = USUALLY
    ) -> Put:
        """Create the Application, or change it, and wait for the end of the sync that Argo CD begins by itself."""
        deadline = Deadline(seconds=timeout)
        with on.cluster.api_client() as api:
            wanted = self._wanted(it, application.repository(api))
            if application.exists(api, it.name):
                before = application.said(application.read(api, it.name))
                since = application.change(api, wanted)
                if before.has_failed_at(it.chart.version):
                    # Whatever else has been changed, what has failed is tried again only where somebody asks for it.
                    application.sync(api, wanted)
            else:
                since = application.create(api, wanted)
            try:
                said = application.await_sync(api, it.name, it.chart.version, since, deadline, stop)
            except WaitTimeout as late:
                application.terminate(api, it.name)
                raise ReleaseError(late.message, _LOOK.format(it.name)) from late
        done = said.phase == "Succeeded"
        # It goes on with what comes after an object that it could not sync.
        if not done and not said.brought_deployments:
            raise ReleaseError(f"Argo CD says: {said}", _LOOK.format(it.name))
        rendered = Helm(on.programs.helm).template(it.chart, it.name, it.namespace, it.values)
        kept = (each for each in rendered if _HOOK not in (each["metadata"].get("annotations") or {}))
        return Put(
            revision=max(it.revision, 1),
            said=str(said),
            objects=tuple(kept),
            trouble="" if done else f"it says: {said}",
        )

    def back(
        self, on: On, it: InstalledRelease, *, timeout: float, stop: threading.Event, options: Options = USUALLY
    ) -> Put:
        """Have the Application name the chart of before, as the revert of a commit does."""
        return self.put(on, it, timeout=timeout, stop=stop, options=options)

    def remove(self, on: On, it: InstalledRelease, *, timeout: float) -> None:
        """Delete the Application with all that it manages. CRDs stay, which Argo CD does not mark as its own."""
        with on.cluster.api_client() as api:
            if application.exists(api, it.name):
                application.delete(api, it.name, Deadline(seconds=timeout))

    def objects(self, on: On, it: InstalledRelease) -> Sequence[Mapping[str, Any]]:
        """What the chart renders to, which Argo CD is to keep."""
        return it.objects

    def told_put(self, it: InstalledRelease, options: Options = USUALLY) -> str:
        """The change of the Application, as Argo CD's command line writes it."""
        sync = "".join(f" --sync-option {each}" for each in objects.OPTIONS[self.mode])
        return f"argocd app set {it.name} --revision {it.chart.version} --values values.yaml{sync}"

    def told_back(self, it: InstalledRelease) -> str:
        """The same, to an older revision."""
        return self.told_put(it)

    def _wanted(self, it: InstalledRelease, url: str) -> dict[str, Any]:
        return objects.application(it.name, it.namespace, url, it.chart.name, it.chart.version, it.values, self.mode)
