# SPDX-License-Identifier: Apache-2.0
"""Gathers the evidence of one cluster's cells: once for each cell, and before anything is deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.evidence.collect import collect
from harness.evidence.desk import EvidenceRequest
from harness.evidence.markdown import prose
from harness.matrix.model import Cell
from harness.redaction.redactor import Redactor
from harness.registries.image_records import ImageRecord
from harness.releases.argocd.programs import Programs
from harness.releases.home import Home
from harness.run.resources import Resources
from harness.run.run_host import Host
from harness.stories.cluster import BareCluster
from harness.upgrades.parting_logs import PARTING
from harness.verdicts import Finding
from harness.waiting import Cancelled


class Gatherer:
    """Collects evidence of cells on one cluster."""

    def __init__(
        self, cluster_name: str, host: Host, resources: Resources, say: Callable[[str], None], home: Home
    ) -> None:
        self._cluster_name = cluster_name
        self._host = host
        self._resources = resources
        self._say = say
        self._home = home

    def gather(
        self,
        cell: Cell,
        title: str,
        findings: Sequence[Finding],
        folder: Path,
        *,
        made: BareCluster | None,
        images: Sequence[ImageRecord],
        secrets: Sequence[str] = (),
        argocd: Programs | None = None,
    ) -> str:
        """The folder with the evidence, gathered now unless it was before; empty when there is none.

        Where none was `made` it is what the creation left. `secrets` are further ones that must not be in it, `argocd`
        are the programs beside the cluster. Raises Cancelled only.
        """
        if not (folder / "summary.md").exists():
            try:
                if made is None:
                    self._of_creation(folder, findings)
                else:
                    self._of_cluster(cell, title, findings, folder, made, images, secrets, argocd)
            except Cancelled:
                raise
            except Exception as error:  # Whatever went wrong, the verdict must not get lost over it.
                self._say(f"{title}: the evidence is not complete: {type(error).__name__}: {error}")
        return str(folder) if folder.exists() else ""

    def _of_cluster(
        self,
        cell: Cell,
        title: str,
        findings: Sequence[Finding],
        folder: Path,
        made: BareCluster,
        images: Sequence[ImageRecord],
        secrets: Sequence[str],
        argocd: Programs | None,
    ) -> None:
        collect(
            EvidenceRequest(
                cluster=made.cluster,
                namespaces=[cell.scenario.namespace, *cell.scenario.further_namespaces],
                operator_namespace=self._home.namespace,
                release_name=self._home.name,
                kubectl=self._host.tools[f"kubectl-{cell.environment.minor}"].path,
                helm=self._host.tools["helm"].path,
                folder=folder,
                node_logs=lambda target: made.provider.export_logs(made.cluster, target),
                registry_logs=self._resources.registry_logs,
                argocd_logs=argocd.logs if argocd else None,
                parting_logs=self._resources.scratch(self._cluster_name) / PARTING,
                versions={
                    "distribution": cell.environment.distribution_from(self._host.choice.kind),
                    **{name: tool.version for name, tool in self._host.tools.items()},
                    **({"Argo CD": argocd.image.version} if argocd else {}),
                    **{record.reference: record.digest for record in images},
                },
                findings=findings,
                secrets=[*self._resources.source.mirrors.secrets, *secrets],
                title=title,
            )
        )

    def _of_creation(self, folder: Path, findings: Sequence[Finding]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{finding.check}: {finding.verdict}\n\n{prose(finding.message)}\n" for finding in findings]
        redactor = Redactor(tuple(self._resources.source.mirrors.secrets))
        (folder / "summary.md").write_text(redactor.text("# There is no cluster\n\n" + "\n".join(lines)))
        scratch = self._resources.scratch(self._cluster_name)
        # Not all of it: configurations may hold what nodes need to log in to a mirror.
        for source in (scratch / "nodes", *sorted(scratch.glob("*.log"))):
            if source.is_dir():
                redactor.tree(source, folder / source.name)
            elif source.exists():
                redactor.file(source, folder / source.name)
