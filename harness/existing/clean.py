# SPDX-License-Identifier: Apache-2.0
"""Removes from a user's cluster what runs of this cache left there, found by its labels alone, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import yaml

from harness.errors import ApiError, ClusterError, HostError
from harness.evidence.installation import installation_of
from harness.evidence.ledger import claimed, ledger_folder, live_runs, stale_ledgers
from harness.images.credentials import write_secret
from harness.kube.api import listed
from harness.kube.cluster import LABEL_INSTALLATION, LABEL_RUN
from harness.kube.login import Access, logged_in
from harness.late import client
from harness.providers import guest
from harness.releases.helm import Helm
from harness.settings import Settings

Say = Callable[[str], None]

_UNINSTALL_SECONDS = 60.0


def clean(settings: Settings, access: Access, *, helm: Path, folder: Path, run_id: str = "", say: Say) -> list[str]:
    """Remove what runs of this cache, or one of them, left in the cluster, look again, and say so; what is left.

    `folder` takes a kubeconfig for Helm. Raises HostError while such a run is in progress, ClusterError when the
    cluster goes away, UsageError for a login that cannot be used.
    """
    installation = installation_of(settings.cache_dir).id
    where = f"in the cluster of context {access.context}"
    try:
        with logged_in(access) as api:
            found = guest.find(api, installation, run_id)
            _refuse_live(settings, found.runs)
            if found.objects:
                say(f"removing {where}: {', '.join(found.words)}")
            kubeconfig = write_secret(folder / "kubeconfig", yaml.safe_dump(dict(access.kubeconfig), sort_keys=False))
            program = Helm(helm, kubeconfig)
            left = guest.remove(
                api, found, uninstall=lambda name, space: program.uninstall(name, space, timeout=_UNINSTALL_SECONDS)
            )
            again = guest.find(api, installation, run_id)
            strangers = _strangers(api, installation)
    except ApiError as away:
        raise ClusterError(
            f"the cluster of context {access.context} went away while it was cleaned: {away.message}",
            "repeat the command: it finds what is left",
        ) from away
    _settle(settings, access.server, run_id, still=again.runs)
    for it in strangers:
        say(f"of another cache, and left alone {where}: {it}")
    if not again.objects:
        say(f"a second look found nothing of {f'run {run_id}' if run_id else 'this cache'} {where}")
    return [*left, *(f"still exists: {it}" for it in again.words)] if again.objects else []


def _refuse_live(settings: Settings, runs: Collection[str]) -> None:
    alive = sorted({it.run_id for it in live_runs(ledger_folder(settings))} & set(runs))
    if alive:
        raise HostError(
            f"nothing was removed, because run {', '.join(alive)} is still in progress there",
            "wait until it has ended, or stop it with Ctrl-C",
        )


def _strangers(api: client.ApiClient, installation: str) -> list[str]:
    """Namespaces with the labels of other installations."""
    found = listed(client.CoreV1Api(api).list_namespace)
    labelled = [(it["metadata"]["name"], it["metadata"].get("labels") or {}) for it in found]
    return [
        f"namespace {name}, of run {labels.get(LABEL_RUN)}"
        for name, labels in labelled
        if labels.get(LABEL_INSTALLATION, installation) != installation
    ]


def _settle(settings: Settings, server: str, run_id: str, *, still: Collection[str]) -> None:
    """Mark in the ledgers of dead runs that nothing of them is in this cluster any more."""
    for stale in stale_ledgers(ledger_folder(settings)):
        stays = [it for it in stale.entries if it.kind == "stay" and it.facts.get("server") == server]
        if not stays or stale.owner.run_id in still or run_id not in ("", stale.owner.run_id):
            continue
        with claimed(stale) as ledger:
            if ledger is not None:
                for it in stays:
                    ledger.gone("stay", it.name)
