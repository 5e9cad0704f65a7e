# SPDX-License-Identifier: Apache-2.0
"""Image references are read as container engines read them."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.images.references import ImageReference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("spark:3", "docker.io/library/spark:3", "spark:3"),
        ("spark", "docker.io/library/spark:latest", "spark:latest"),
        ("apache/spark:4.0.4", "docker.io/apache/spark:4.0.4", "apache/spark:4.0.4"),
        ("index.docker.io/apache/spark:4", "docker.io/apache/spark:4", "apache/spark:4"),
        ("docker.io/spark:3", "docker.io/library/spark:3", "spark:3"),
        ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
        ("localhost:5000/a/b:1", "localhost:5000/a/b:1", "localhost:5000/a/b:1"),
        ("127.0.0.1:5000/a:1", "127.0.0.1:5000/a:1", "127.0.0.1:5000/a:1"),
        ("[::1]:5000/a:1", "[::1]:5000/a:1", "[::1]:5000/a:1"),
        (f"spark@{DIGEST}", f"docker.io/library/spark@{DIGEST}", f"spark@{DIGEST}"),
        (f"ghcr.io/a/b__c:x@{DIGEST}", f"ghcr.io/a/b__c:x@{DIGEST}", f"ghcr.io/a/b__c:x@{DIGEST}"),
        (
            "registry.k8s.io/kube-proxy:v1.34.4",
            "registry.k8s.io/kube-proxy:v1.34.4",
            "registry.k8s.io/kube-proxy:v1.34.4",
        ),
    ],
)
def test_references_are_normalised(text: str, canonical: str, familiar: str) -> None:
    reference = ImageReference.parse(text)

    assert (reference.canonical, reference.familiar) == (canonical, familiar)
    assert ImageReference.parse(canonical) == reference
    assert ImageReference.parse(familiar) == reference


def test_the_parts_are_told_apart() -> None:
    reference = ImageReference.parse(f"harbor.example.com:8443/team/spark-operator/controller:2.5.2@{DIGEST}")

    assert reference.registry == "harbor.example.com:8443"
    assert reference.repository == "team/spark-operator/controller"
    assert reference.tag == "2.5.2"
    assert reference.digest == DIGEST
    assert reference.identifier == DIGEST


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "empty"),
        ("https://ghcr.io/a/b:1", "scheme"),
        ("ghcr.io/Kubeflow/b:1", "capital letters"),
        ("ghcr.io/a//b", "empty"),
        ("ghcr.io/", "empty"),
        ("ghcr.io/a/b:", "tag"),
        ("a:b c", "tag"),
        ("a:" + "x" * 129, "tag"),
        ("a/b..c:1", "'b..c'"),
        ("-a/b", "'-a'"),
        ("exa_mple.com/a", "registry host"),
        ("a@sha256:123", "digest"),
        ("a@sha256:" + "A" * 64, "digest"),
        ("a@SHA256:" + "a" * 64, "digest"),
        ("a@blake3:" + "a" * 64, "digest"),
        ("a@", "digest"),
        ("0123456789abcdef" * 4, "image id"),
        ("a/" + "b" * 254, "longer"),
        (" ghcr.io/a/b:1", "blanks around it"),
        ("ghcr.io/a/b:1\n", "blanks around it"),
        (" ", "empty"),
    ],
)
def test_what_is_no_reference_is_refused_by_the_part_that_is_wrong(text: str, what: str) -> None:
    with pytest.raises(UsageError, match="is not an image reference") as raised:
        ImageReference.parse(text)

    assert what in raised.value.message
    assert raised.value.next_step


def test_the_host_does_not_count_for_the_longest_name() -> None:
    longest = "a/" + "b" * 253
    assert ImageReference.parse(f"registry.example.com:5000/{longest}:1").repository == longest


def test_one_server_of_docker_hub_is_a_host_of_its_own_as_for_nodes() -> None:
    assert ImageReference.parse("registry-1.docker.io/apache/spark:4").registry == "registry-1.docker.io"


def test_a_reference_moves_to_another_registry_and_keeps_the_rest() -> None:
    reference = ImageReference.parse("ghcr.io/kubeflow/spark-operator/controller:2.2.1")

    assert reference.at("docker.io").canonical == "docker.io/kubeflow/spark-operator/controller:2.2.1"
    assert reference.pinned(DIGEST).canonical == f"ghcr.io/kubeflow/spark-operator/controller:2.2.1@{DIGEST}"
