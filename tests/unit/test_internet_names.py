# SPDX-License-Identifier: Apache-2.0
"""The names of the small internet, their addresses, and what its name server is told."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from harness.internet import names
from harness.internet.world import corefile


def test_every_name_has_an_address_of_its_own_that_nobody_has() -> None:
    found = names.addresses()

    assert len(set(found.values())) == len(found)
    # RFC 5737: documentation; no packet for these is ever meant for somebody else.
    assert all(IPv4Address(it) in IPv4Network("203.0.113.0/24") for it in (*found.values(), names.NAME_SERVER))
    assert names.NAME_SERVER not in found.values()


def test_what_a_run_from_the_public_registries_asks_has_a_name() -> None:
    assert {
        *("docker.io", "registry-1.docker.io", "auth.docker.io", "ghcr.io", "registry.k8s.io"),
        *("kubeflow.github.io", "github.com"),
    } <= set(names.addresses())


def test_what_is_stored_elsewhere_has_another_name_than_its_registry() -> None:
    found = names.addresses()

    for blobs, registry in (
        ("production.cloudflare.docker.com", "registry-1.docker.io"),
        ("pkg-containers.githubusercontent.com", "ghcr.io"),
        (names.hosts().kubernetes.blobs, "registry.k8s.io"),
    ):
        assert found[blobs] != found[registry]


def test_the_name_server_knows_these_names_and_denies_all_others() -> None:
    known, others = corefile({"ghcr.io": "203.0.113.10", "docker.io": "203.0.113.11"}).split(".:53")

    assert known.startswith("ghcr.io:53 docker.io:53 {")
    assert "203.0.113.10 ghcr.io\n" in known
    assert "template" not in known
    assert "rcode NXDOMAIN" in others
