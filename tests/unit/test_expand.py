# SPDX-License-Identifier: Apache-2.0
"""Paths by name, and cells that share a cluster."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.matrix import catalogue, expand
from harness.matrix.model import Scenario

CATALOGUE = catalogue.load()
PI = Scenario(name="spark-pi", summary="π", tags=("jvm", "kind"))
OTHER = Scenario(name="scheduled", summary="again and again")


def test_every_release_has_an_install_path() -> None:
    found = expand.paths(CATALOGUE)
    assert list(found) == [f"install-{release.version}" for release in CATALOGUE.releases]
    assert expand.find_path(CATALOGUE, "install-2.5.2").releases == ("2.5.2",)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("upgrade-2.1.1-2.5.2", "no rows for upgrade paths yet"),
        ("rollback-2.5.2-2.1.1", "no rows for rollback paths yet"),
        ("upgrade-2.1.1-2.5.2+crds=hook", "no rows for upgrade paths yet"),
        ("install-2.5.2+crds=hook", r"no rows for CRD modes yet \(\+crds=hook\)"),
        ("install-2.2.1@docker.io", "relocated to another registry"),
        ("upgrade-2.5.2", "has two releases, upgrade-A-B"),
        ("upgrade-2.5.2-2.5.2", r"compare 2\.5\.2 with itself"),
        ("install-2.5.1-2.5.2", "an install has one release"),
        ("upgrade-2.1.1-2.5.3", r"no release named '2\.5\.3'; did you mean"),
        ("downgrade-2.5.2", "no path named 'downgrade-2.5.2'"),
    ],
)
def test_a_path_without_a_row_says_what_it_is_and_what_can_run(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        expand.find_path(CATALOGUE, name)
    assert "2.5.2" in caught.value.next_step


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
