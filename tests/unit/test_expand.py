# SPDX-License-Identifier: Apache-2.0
"""Paths by name, and cells that share a cluster."""

from __future__ import annotations

import re

import pytest

from harness.errors import UsageError
from harness.matrix import catalogue, expand
from harness.matrix.model import ClusterNeeds, Scenario

CATALOGUE = catalogue.load()
PI = Scenario(name="spark-pi", summary="π", tags=("jvm", "kind"))
OTHER = Scenario(name="scheduled", summary="again and again")


def test_every_release_has_an_install_path_before_the_upgrades() -> None:
    found = expand.paths(CATALOGUE)
    installs = [f"install-{release.version}" for release in CATALOGUE.releases]
    assert [name for name, it in found.items() if not it.profile] == [*installs, *CATALOGUE.upgrades.paths]
    assert expand.find_path(CATALOGUE, "install-2.5.2").releases == ("2.5.2",)


@pytest.mark.parametrize(
    ("name", "canonical", "releases"),
    [
        ("upgrade-2.1.1-2.5.2", "upgrade-2.1.1-2.5.2+crds=none", ("2.1.1", "2.5.2")),
        ("upgrade-2.1.1-2.5.2+crds=hook", "upgrade-2.1.1-2.5.2+crds=hook", ("2.1.1", "2.5.2")),
        ("rollback-2.5.2-2.2.1@docker.io", "rollback-2.5.2-2.2.1@docker.io+crds=none", ("2.2.1@docker.io", "2.5.2")),
        ("upgrade-2.3.0-2.5.1+values=reuse", "upgrade-2.3.0-2.5.1+crds=none+values=reuse", ("2.3.0", "2.5.1")),
        ("upgrade-2.2.1-2.4.0-2.5.1", "upgrade-2.2.1-2.4.0-2.5.1+crds=none", ("2.2.1", "2.4.0", "2.5.1")),
        ("install-2.2.1@docker.io", "install-2.2.1@docker.io", ("2.2.1@docker.io",)),
    ],
)
def test_a_path_is_found_by_its_short_name_and_without_a_row(
    name: str, canonical: str, releases: tuple[str, ...]
) -> None:
    path = expand.find_path(CATALOGUE, name)
    assert (path.name, path.releases) == (canonical, releases)
    assert expand.find_path(CATALOGUE, path.name) == path


@pytest.mark.parametrize(
    ("name", "message", "next_step"),
    [
        ("install-2.5.2+crds=hook", "an install has no modes", "write install-2.5.2"),
        ("install-2.5.1-2.5.2", "an install has one release", "write install-2.5.2"),
        ("upgrade-2.5.2", "needs two releases or more: upgrade-A-B", "nox -s matrix"),
        ("rollback-2.5.2-2.4.0-2.3.0", "needs two releases: rollback-A-B", "nox -s matrix"),
        ("upgrade-2.5.2-2.5.2", r"both ends are 2\.5\.2", "nox -s matrix"),
        ("upgrade-2.5.2-2.4.0", r"2\.4\.0 is older than 2\.5\.2.*: rollback-2\.5\.2-2\.4\.0", "nox -s matrix"),
        ("rollback-2.4.0-2.5.2", "to an older release: rollback-2.5.2-2.4.0", "nox -s matrix"),
        ("upgrade-2.1.1-2.2.1+crds=hook", "the chart of 2.2.1 has no CRD hook", "nox -s matrix"),
        ("upgrade-2.1.1-2.5.3", r"no release named '2\.5\.3'; did you mean", "2.5.2"),
        ("upgrade-2.4.0-2.5.2+crds=aply", "no CRD mode named 'aply'; did you mean apply", "none, apply, hook"),
        ("upgrade-2.4.0-2.5.2+values=reus", "no values mode named 'reus'; did you mean reuse", "reset-then-reuse"),
        ("downgrade-2.5.2", "no path named 'downgrade-2.5.2'", "install-2.5.2"),
        ("upgrade-2.4.0-2.5.2+crds=none+crds=hook", "no path named", "install-2.5.2"),
        ("upgrade-2.4.0-2.5.2+values=prod/values.yaml", "is not a values mode", "--values prod/values.yaml"),
        ("upgrade-2.4.0-2.5.2~flux", "no way named 'flux'", "+crds=replace is what it does with upgrade.crds"),
        ("gitops-flux-2.4.0-2.5.2", "no path named 'gitops-flux-2.4.0-2.5.2'", "+crds=replace is what it does"),
        ("upgrade-2.4.0-2.5.2~helmfile", "no way named 'helmfile'", "write ~helm3 or ~helm4"),
        (
            "gitops-argocd-2.4.0-2.5.2+sync=server",
            "no way of syncing named 'server'; did you mean server-side",
            "replace",
        ),
        ("upgrade-2.4.0-2.5.2~argocd+sync=server", "no way of syncing named 'server'; did you mean", "server-side"),
    ],
)
def test_what_is_no_path_says_what_was_meant(name: str, message: str, next_step: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        expand.find_path(CATALOGUE, name)
    assert next_step in caught.value.next_step


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("upgrade-2.4.0-2.5.2+values=reuse+crds=hook", "upgrade-2.4.0-2.5.2+crds=hook+values=reuse"),
        ("upgrade-2.4.0-2.5.2+crds=hook~helm4", "upgrade-2.4.0-2.5.2~helm4+crds=hook"),
        ("upgrade-v2.4.0-v2.5.2", "upgrade-2.4.0-2.5.2"),
        ("install-v2.5.2", "install-2.5.2"),
        ("Upgrade-2.4.0-2.5.2", "upgrade-2.4.0-2.5.2"),
        ("upgrade-2.4.0..2.5.2", "upgrade-2.4.0-2.5.2"),
        ("upgrade-2.4.0→2.5.2", "upgrade-2.4.0-2.5.2"),
        (" upgrade-2.4.0-2.5.2/", "upgrade-2.4.0-2.5.2"),
        ("'upgrade-2.4.0-2.5.2'", "upgrade-2.4.0-2.5.2"),
        ("upgrade 2.4.0 2.5.2", "upgrade-2.4.0-2.5.2"),
        ("upgrade–2.4.0–2.5.2", "upgrade-2.4.0-2.5.2"),
        ("upgrade_2.4.0_2.5.2", "upgrade-2.4.0-2.5.2"),
        ("upgrade-2.4.0-to-2.5.2", "upgrade-2.4.0-2.5.2"),
        ("upgrade-from-2.4.0-to-2.5.2", "upgrade-2.4.0-2.5.2"),
        ("update-2.4.0-2.5.2", "upgrade-2.4.0-2.5.2"),
        ("2.4.0-2.5.2", "upgrade-2.4.0-2.5.2"),
        ("upgrade-2.4-2.5", "upgrade-2.4.0-2.5.2"),
        ("upgrade-2.4.0-latest", "upgrade-2.4.0-2.5.2"),
        ("upgrade-2.5.2-main+crds=apply", "upgrade-2.5.2-dev+crds=apply"),
        ("install=2.5.2", "install-2.5.2"),
        ("upgrade-2.5.2-HEAD", "upgrade-2.5.2-dev"),
        ("gitops-argocd-2.4.0-2.5.2~ssa", "gitops-argocd-2.4.0-2.5.2+sync=server-side"),
        ("install-2.6.0-rc-1", "install-2.6.0-rc.1"),
        ("downgrade-2.5.2-2.4.0", "rollback-2.5.2-2.4.0"),
        ("roll-back from 2.4.0 to 2.5.2", "rollback-2.5.2-2.4.0"),
        ("gitops-argo-2.4.0-2.5.2", "gitops-argocd-2.4.0-2.5.2"),
        ("argocd-2.5.2", "install-2.5.2~argocd-server-side"),
        ("upgrade-2.4.0-2.5.2+sync=client", "gitops-argocd-2.4.0-2.5.2+sync=client"),
        ("gitops-argocd-2.4.0-2.5.2+sync=ServerSideApply=true", "gitops-argocd-2.4.0-2.5.2+sync=server-side"),
        ("gitops-argocd-2.4.0-2.5.2+sync=ssa", "gitops-argocd-2.4.0-2.5.2+sync=server-side"),
        ("upgrade-2.4.0-2.5.2+crd=apply", "upgrade-2.4.0-2.5.2+crds=apply"),
        ("upgrade-2.4.0-2.5.2;crds=apply", "upgrade-2.4.0-2.5.2+crds=apply"),
        ("upgrade-2.4.0-2.5.2-apply", "upgrade-2.4.0-2.5.2+crds=apply"),
        ("upgrade-2.4.0-2.5.2+crds=CreateReplace", "upgrade-2.4.0-2.5.2+crds=replace"),
        ("upgrade-2.4.0-2.5.2+crds=apply,values=reuse", "upgrade-2.4.0-2.5.2+crds=apply+values=reuse"),
        ("upgrade-2.4.0-2.5.2+values=reuse-values", "upgrade-2.4.0-2.5.2+values=reuse"),
        ("upgrade-2.4.0-2.5.2+helm4", "upgrade-2.4.0-2.5.2~helm4"),
        ("upgrade-2.4.0-2.5.2-helm4", "upgrade-2.4.0-2.5.2~helm4"),
        ("upgrade-2.4.0-2.5.2~helm4.1", "upgrade-2.4.0-2.5.2~helm4"),
        ("upgrade-2.4.0-2.5.2~Helm 4", "upgrade-2.4.0-2.5.2~helm4"),
        ("upgrade-2.4.0-2.5.2+way=helm4", "upgrade-2.4.0-2.5.2~helm4"),
        ("upgrade-2.4.0-2.5.2~helm3->helm4", "upgrade-2.4.0-2.5.2~helm3,helm4"),
        ("upgrade-2.4.0-2.5.2~helm3-helm4", "upgrade-2.4.0-2.5.2~helm3,helm4"),
        ("upgrade-2.4.0-2.5.2~helm,argo-cd", "upgrade-2.4.0-2.5.2~helm,argocd-server-side"),
    ],
)
def test_a_path_that_is_written_another_way_is_recognized(name: str, meant: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"did you mean {meant}?")) as caught:
        expand.find_path(CATALOGUE, name)
    assert caught.value.next_step == f"write {meant}"


@pytest.mark.parametrize(
    ("name", "next_step"),
    [
        ("upgrade to 2.5.2 from 2.4.0", "the paths are"),
        ("upgrade-2.4.0-2.5.2+crds=apply+crds=hook", "the paths are"),
        ("upgrade-2.4.0-2.5.2~tofu", "write ~helm3 or ~helm4"),
        ("upgrade-2.4.0-2.5.2~fluxcd", "Flux does not run here"),
        ("upgrade-2.4.0-2.5.2,upgrade-2.5.1-2.5.2", "give the option once for each of them"),
        ("kind-1.34/upgrade-2.4.0-2.5.2/user-apps", "--cell kind-1.34/upgrade-2.4.0-2.5.2/user-apps"),
        ("upgrade-2.4.0-2.5.2/user-apps", "--path upgrade-2.4.0-2.5.2 --scenario user-apps"),
        ("kind-1.34/install-2.5.2", "--env kind-1.34 --path install-2.5.2"),
        ("upgrade-v1beta2-1.3.8-3.1.1-2.5.2", "give the version of the chart"),
        ("upgrade-1.4.6-2.5.2", "`harness advise --from 1.4.6 --to 2.5.2`"),
        ("install-2.6.0", "a newer one needs a row first: docs/foundry.md"),
        ("install-2.4.0-2.5.2", "write install-2.5.2, or upgrade-2.4.0-2.5.2"),
        ("install-2.5.2~helm4+crds=none", "write install-2.5.2~helm4"),
        ("gitops-argocd-2.4.0-2.5.2+sync=force", "the ways of syncing are: client"),
        ("upgrade-2.5.2-dev+crds=*", "give it with --operator"),
        ("upgrade-2.5.2-dev+crds=[ah]*", "give it with --operator"),
        ("upgrade-2.4.0-2.5.1~helm4+crds=*", "name what you want of it: upgrade-2.4.0-2.5.1~helm4+crds=apply"),
        ("install-2.5.2~*", "name what you want of it: install-2.5.2~helm4"),
        ("upgrade-1.2.3-*", "`harness advise --from 1.2.3"),
    ],
)
def test_what_cannot_be_guessed_says_what_to_do(name: str, next_step: str) -> None:
    with pytest.raises(UsageError) as caught:
        expand.matching_paths(CATALOGUE, [name])
    assert "did you mean upgrade-2.5.2-2.4.0" not in caught.value.message
    assert next_step in caught.value.next_step


def test_cells_that_share_a_cluster_form_a_group() -> None:
    cells = expand.cells(
        map(CATALOGUE.environment, ("kind-1.34", "kind-1.36")),
        [expand.find_path(CATALOGUE, "install-2.5.2")],
        {PI.name: PI, OTHER.name: OTHER},
    )
    grouped = expand.groups(cells)
    assert list(grouped) == ["kind-1.34/install-2.5.2", "kind-1.36/install-2.5.2"]
    assert [cell.id for cell in grouped["kind-1.34/install-2.5.2"]] == [
        "kind-1.34/install-2.5.2/spark-pi",
        "kind-1.34/install-2.5.2/scheduled",
    ]
    assert cells[0].tags == ("kind", "jvm")


def test_scenarios_are_asked_on_the_paths_of_their_kind_only() -> None:
    watched = Scenario(name="operator-health", summary="", needs=ClusterNeeds(paths=("upgrade", "rollback")))
    path_list = [expand.find_path(CATALOGUE, name) for name in ("install-2.5.2", "upgrade-2.4.0-2.5.2")]
    cells = expand.cells([CATALOGUE.environment("kind-1.34")], path_list, {PI.name: PI, watched.name: watched})
    assert [cell.id for cell in cells] == [
        "kind-1.34/install-2.5.2/spark-pi",
        "kind-1.34/upgrade-2.4.0-2.5.2+crds=none/operator-health",
    ]
    assert cells[1].tags == ("kind", "ghcr")
