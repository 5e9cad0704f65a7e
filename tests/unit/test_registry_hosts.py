# SPDX-License-Identifier: Apache-2.0
"""A run starts registries for the hosts that its cells may pull from, and for no other that the storage has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_fakes import attempt, host, request
from user_samples import PI, written

from harness.apps import user_folder
from harness.errors import EngineError, UnavailableError
from harness.foundry import images as foundry_images
from harness.images.mirrors import Mirror, MirrorMap
from harness.matrix import catalogue, expand
from harness.options import RunOptions
from harness.providers import network
from harness.registries.local import NodeRegistries
from harness.releases.manifests import Document
from harness.run import before, registry_hosts, resources
from harness.run.setup import Request
from harness.stories.protocol import Given

CATALOGUE = catalogue.load()
STORED = ("docker.io", "ghcr.io", "harness.invalid", "mirror.example:5000", "quay.io")
USUAL = ("docker.io", "ghcr.io")
WITH_CERTIFICATES = {"webhook": {"enable": True}, "certManager": {"enable": True}}
POD = {"kind": "Pod", "spec": {"containers": [{"image": "mirror.example:5000/tools/probe:1"}]}}


def asked(folder: Path, path: str = "install-2.5.2", values: dict[str, Any] | None = None, **more: Any) -> Request:
    cell = attempt("spark-pi").cell.model_copy(update={"path": expand.find_path(CATALOGUE, path)})
    mine = (values,) if values else ()
    return replace(request(folder), cells=(cell,), values=mine, users=mine, **more)


def apps(folder: Path, image: str) -> Given:
    text = PI.replace("docker.io/apache/spark", image)
    return Given(apps=user_folder.read(written(folder, **{"etl.yaml": text})).manifests)


@pytest.mark.parametrize(
    ("path", "values", "more"),
    [
        ("install-2.5.2", {}, ()),
        ("upgrade-2.2.1@docker.io-2.5.2+crds=apply", {}, ()),
        ("install-2.5.2", {"image": {"registry": "quay.io"}}, ("quay.io",)),
        ("install-2.5.2", {"controller": {"sidecars": [{"image": "quay.io/a/b:1"}]}}, ("quay.io",)),
        ("install-2.5.2", WITH_CERTIFICATES, ("harness.invalid", "quay.io")),
    ],
)
def test_the_hosts_are_those_of_the_cells_and_of_the_values(
    tmp_path: Path, path: str, values: dict[str, Any], more: tuple[str, ...]
) -> None:
    assert registry_hosts.needed(asked(tmp_path, path, values), STORED) == tuple(sorted((*USUAL, *more)))


def test_a_users_applications_manifests_and_chart_count(tmp_path: Path) -> None:
    wanted = asked(tmp_path, given=apps(tmp_path / "apps", "quay.io/acme/spark"))
    assert "quay.io" in registry_hosts.needed(wanted, STORED)

    wanted = asked(tmp_path, before=(Document(where="pod.yaml:1", document=POD),))
    assert registry_hosts.needed(wanted, STORED) == (*USUAL, "mirror.example:5000")

    wanted = asked(tmp_path, options=RunOptions(chart="oci://quay.io/acme/spark-operator:2.5.2"))
    assert registry_hosts.needed(wanted, STORED) == (*USUAL, "quay.io")


def test_a_host_without_a_storage_gets_none(tmp_path: Path) -> None:
    assert registry_hosts.needed(asked(tmp_path), ("ghcr.io", "quay.io")) == ("ghcr.io",)


def test_a_run_starts_only_these(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is left out: what it would be told is what matters here."""
    started: list[str] = []

    def start(self: NodeRegistries, run_id: str, network: str, *, hosts: tuple[str, ...]) -> MirrorMap:
        started.extend(hosts)
        return MirrorMap(mirrors={it: Mirror(url="http://127.0.0.1:1") for it in hosts})

    wanted = asked(tmp_path)
    storage = foundry_images.registries(wanted.settings)
    for it in STORED:
        (storage / it / "docker").mkdir(parents=True)
    monkeypatch.setattr(NodeRegistries, "prepare", lambda self: None)
    monkeypatch.setattr(NodeRegistries, "start", start)
    monkeypatch.setattr(NodeRegistries, "stop", lambda self: None)
    monkeypatch.setattr(resources, "clean_stale", lambda settings, say: None)
    monkeypatch.setattr(network, "create", lambda name, run_id, **_: None)
    monkeypatch.setattr(network, "remove", lambda name: None)
    monkeypatch.setattr(before, "build_images", lambda *_: None)
    here = resources.Resources("20260101-000000-0000", wanted, host(), print)
    try:
        here.open()
    finally:
        here.close()

    assert started == list(USUAL)


def test_nothing_that_is_needed_is_told(tmp_path: Path) -> None:
    (tmp_path / "registry" / "quay.io" / "docker").mkdir(parents=True)
    binary = tmp_path / "registry-server"
    binary.touch()
    with pytest.raises(UnavailableError, match="no images of any registry that is needed are stored below"):
        NodeRegistries(binary=binary, storage=tmp_path / "registry").start("20260101-000000-0000", "bridge", hosts=())


def test_a_registry_may_read_its_storage_where_selinux_is_in_force(tmp_path: Path) -> None:
    (tmp_path / "registry" / "quay.io" / "docker").mkdir(parents=True)
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\n/bin/echo "$*" >> {tmp_path}/words\n')
    docker.chmod(0o755)
    registries = NodeRegistries(binary=docker, storage=tmp_path / "registry", docker=docker)
    with pytest.raises(EngineError, match="exited immediately"):
        registries.start("20260101-000000-0000", "net")
    (created,) = (it for it in (tmp_path / "words").read_text().splitlines() if it.startswith("create "))
    assert " --network net --security-opt label=disable " in created
