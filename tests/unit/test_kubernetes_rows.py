# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes versions of which the foundry can build a node: every row complete, every environment served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import CatalogueError
from harness.foundry import gobuild, kubernetes, nodes
from harness.foundry.kubernetes import CONTROL_PLANE, KubernetesRow
from harness.images.references import ImageReference
from harness.matrix import catalogue

ROWS = list(kubernetes.rows().values())


@pytest.fixture
def rows_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(kubernetes, "_FILE", tmp_path / "kubernetes.toml")
    kubernetes.rows.cache_clear()
    yield tmp_path / "kubernetes.toml"
    kubernetes.rows.cache_clear()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.version)
def test_a_row_has_its_modules_at_its_versions(row: KubernetesRow) -> None:
    assert gobuild.build_file(row.module).version == row.version
    assert gobuild.build_file(row.etcd_module).version == row.etcd
    assert gobuild.build_file(row.coredns_module).version == row.coredns
    assert set(nodes.node_modules(row)) <= set(gobuild.modules())
    programs = {package.rsplit("/", 1)[-1] for package in gobuild.packages(row.module)}
    assert programs >= {*CONTROL_PLANE, "kubelet", "kubeadm", "kubectl"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.version)
def test_a_row_names_what_kubeadm_asks_for_and_the_network(row: KubernetesRow) -> None:
    images = {name: ImageReference.parse(reference) for name, reference in row.images().items()}

    assert set(images) == {*CONTROL_PLANE, "etcd", "coredns", "pause", "flanneld"}
    assert {it.registry for name, it in images.items() if name != "flanneld"} == {"registry.k8s.io"}
    assert row.etcd_tag.startswith(row.etcd)
    assert row.images()["coredns"] == f"registry.k8s.io/coredns/coredns:v{row.coredns}"


def test_every_kind_environment_that_claims_the_foundry_has_a_row() -> None:
    claimed = [it for it in catalogue.load().environments if it.provider == "kind" and it.foundry]

    assert claimed
    for environment in claimed:
        assert kubernetes.row(environment.kubernetes).version == environment.kubernetes


def test_every_row_is_some_environments() -> None:
    assert {row.version for row in ROWS} <= {it.kubernetes for it in catalogue.load().environments}


def test_a_version_without_a_row_is_told_with_those_that_there_are() -> None:
    with pytest.raises(CatalogueError, match=r"no node for Kubernetes 1\.20\.0") as raised:
        kubernetes.row("1.20.0")

    assert "1.34.4" in raised.value.next_step


@pytest.mark.parametrize(
    "text",
    ["", "[[kubernetes]]\nversion = ", '[[kubernetes]]\nversion = "1.34.4"\n', '[[kubernetes]]\nversionn = "1"\n'],
    ids=["empty", "no-toml", "keys-missing", "wrong-key"],
)
def test_a_wrong_file_is_told_by_its_path(rows_file: Path, text: str) -> None:
    rows_file.write_text(text)

    with pytest.raises(CatalogueError, match=str(rows_file)):
        kubernetes.rows()


def test_a_row_without_its_module_is_told(rows_file: Path) -> None:
    rows_file.write_text(
        '[[kubernetes]]\nversion = "1.99.0"\netcd = "3.6.5"\netcd_tag = "3.6.5-0"\ncoredns = "1.12.1"\npause = "3.10"\n'
    )

    with pytest.raises(CatalogueError, match=r"kubernetes-1\.99\.0"):
        kubernetes.rows()
