# SPDX-License-Identifier: Apache-2.0
"""Brings Argo CD to a cluster: what it needs in it, then its programs beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.kube.cluster import Cluster
from harness.releases import applying, manifests
from harness.releases.argocd import objects
from harness.releases.argocd.programs import Programs
from harness.releases.charts import Chart
from harness.releases.manifests import CRD, Document

_APPLY_SECONDS = 60.0
_WHERE = "Argo CD"


def begin(cluster: Cluster, programs: Programs, charts: Sequence[Chart]) -> None:
    """Make its objects and start its programs, which offer these charts.

    Raises ApiError, WaitTimeout, and EngineError, after which no program is left.
    """
    with cluster.api_client() as api:
        first = [_document({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": objects.NAMESPACE}})]
        own = [it for file in programs.image.manifests for it in manifests.of_file(file, file.name)]
        first += [it if it.kind == CRD else _document(objects.settings(it.document)) for it in own]
        first.append(_document(objects.repository(programs.repository)))
        applying.apply(api, first, timeout=_APPLY_SECONDS)
        # A kind can be asked for once its definition is there.
        applying.apply(api, [_document(objects.project())], timeout=_APPLY_SECONDS)
    programs.start(charts)


def _document(document: dict[str, Any]) -> Document:
    return Document(where=_WHERE, document=document)
