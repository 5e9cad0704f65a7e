# SPDX-License-Identifier: Apache-2.0
"""Paths that Argo CD goes along: their names, their modes, and which scenarios run on them."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.matrix import catalogue, expand, path_names
from harness.matrix.model import ClusterNeeds, CrdMode, WayName

REAL = catalogue.load()

SERVER: WayName = "argocd-server-side"
CLIENT: WayName = "argocd-client"
REPLACE: WayName = "argocd-replace"


@pytest.mark.parametrize(
    ("name", "canonical", "ways", "crds"),
    [
        ("gitops-argocd-2.4.0-2.5.2+sync=server-side", "", (SERVER, SERVER), "apply"),
        ("gitops-argocd-2.2.1@docker.io-2.5.2+sync=replace", "", (REPLACE, REPLACE), "replace"),
        ("gitops-argocd-2.4.0-2.5.2+sync=client", "", (SERVER, CLIENT), "client-apply"),
        ("gitops-argocd-2.4.0-2.5.2", "gitops-argocd-2.4.0-2.5.2+sync=client", (SERVER, CLIENT), "client-apply"),
        ("gitops-argocd-2.2.1-2.4.0-2.5.2+sync=client", "", (SERVER, CLIENT, CLIENT), "client-apply"),
        ("gitops-argocd-2.4.0-2.5.2+sync=server-side+crds=hook", "", (SERVER, SERVER), "hook"),
        (
            "upgrade-2.4.0-2.5.2~argocd+sync=client",
            "gitops-argocd-2.4.0-2.5.2+sync=client",
            (SERVER, CLIENT),
            "client-apply",
        ),
        (
            "upgrade-2.4.0-2.5.2~helm,argocd-server-side",
            "upgrade-2.4.0-2.5.2~helm,argocd-server-side+crds=apply",
            ("helm", SERVER),
            "apply",
        ),
        ("install-2.5.2~argocd+sync=client", "install-2.5.2~argocd-client", (CLIENT,), "none"),
        (
            "rollback-2.5.2-2.4.0~argocd+sync=replace",
            "rollback-2.5.2-2.4.0~argocd-replace+crds=replace",
            (REPLACE, REPLACE, REPLACE),
            "replace",
        ),
    ],
)
def test_how_argo_cd_syncs_says_what_happens_to_crds(
    name: str, canonical: str, ways: tuple[WayName, ...], crds: CrdMode
) -> None:
    path = expand.find_path(REAL, name)

    assert (path.name, path.ways, path.crds) == (canonical or name, ways, crds)
    assert expand.find_path(REAL, path.name) == path
    assert path_names.by_argo_cd(path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gitops-argocd-2.4.0-2.5.2+sync=force", "no way of syncing named 'force'"),
        ("gitops-argocd-2.4.0-2.5.2+sync=client+crds=none", "brings CRDs by itself"),
        ("upgrade-2.4.0-2.5.2+sync=client", "no path named"),
        ("gitops-argocd-2.4.0-2.5.2~helm", "no path named"),
        ("gitops-argocd-2.5.2+sync=client", "needs two releases"),
    ],
)
def test_what_argo_cd_cannot_be_asked_for(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        expand.find_path(REAL, name)


def test_a_scenario_says_in_which_ways_it_runs() -> None:
    helm, argo_cd = (expand.find_path(REAL, it) for it in ("upgrade-2.4.0-2.5.2", "gitops-argocd-2.4.0-2.5.2"))

    assert ClusterNeeds(paths=("upgrade",)).fits(argo_cd)
    assert not ClusterNeeds(paths=("upgrade",), ways=("helm",)).fits(argo_cd)
    assert not ClusterNeeds(paths=("upgrade",), ways=(CLIENT,)).fits(helm)
    assert ClusterNeeds(paths=("upgrade",), ways=(CLIENT,)).fits(argo_cd)
    assert not ClusterNeeds(paths=("install",), ways=(CLIENT,)).fits(argo_cd)


def test_the_way_out_of_a_client_side_sync_is_another_sync() -> None:
    path = expand.find_path(REAL, "gitops-argocd-2.4.0-2.5.2+sync=client")

    assert path.out == "apply"
    assert path_names.way_with(CLIENT, path.out) == SERVER
    assert path_names.way_with("helm4", path.out) == "helm4"
    assert path_names.way_with(CLIENT, "hook") == CLIENT


@pytest.mark.parametrize(("sync", "crds"), [("client", "create"), ("server-side", "apply"), ("replace", "replace")])
def test_a_client_side_sync_leaves_big_crds_as_they_are(sync: str, crds: CrdMode) -> None:
    assert path_names.crds_left(expand.find_path(REAL, f"gitops-argocd-2.2.1-2.5.2+sync={sync}")) == crds
