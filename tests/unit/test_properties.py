# SPDX-License-Identifier: Apache-2.0
"""Environments by a name that ends in properties: found, refused, matched by globs, and put into tiers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import CatalogueError, UsageError
from harness.matrix import catalogue, properties
from harness.matrix.catalogue import Catalogue
from harness.matrix.model import Environment
from harness.matrix.properties import Properties, Property
from harness.matrix.rules import Exclusion, Tier
from harness.toml_source import TomlSource

ROWS = Properties(
    rows=(
        Property(name="3n", about="three nodes", nodes=3),
        Property(name="one-cpu", about="one CPU", cpus=1, providers=("kind",)),
        Property(name="line-2.3", about="containerd 2.3", containerd="2.3.7"),
        Property(name="line-2.4", about="containerd 2.4", containerd="2.4.2"),
        Property(name="uids", about="users", addons=("users",)),
        Property(name="labels", about="labels", addons=("labels",)),
        Property(name="young", about="young", since="1.35", cluster_domain="y"),
        Property(name="moon", about="on the moon", impossible="no machine is there"),
    )
)
ENVIRONMENTS = (
    Environment(
        name="kind-1.34",
        provider="kind",
        kubernetes="1.34.4",
        node_image="docker.io/kindest/node:v1.34.11@sha256:" + "0" * 64,
        upstream_kubernetes="1.34.11",
        foundry=True,
        tags=("kind",),
    ),
    Environment(name="k3d-1.34", provider="k3d", kubernetes="1.34.4", foundry=True),
)


def found(name: str) -> Environment:
    return properties.find(name, ENVIRONMENTS, ROWS)


def test_a_name_ends_in_what_a_cluster_has() -> None:
    three = found("kind-1.34-3n")
    assert (three.nodes, three.properties, three.base) == (3, ("3n",), "kind-1.34")
    assert three.node_image == ENVIRONMENTS[0].node_image
    assert three.tags == ("kind", "3n")
    assert found("kind-1.34") == ENVIRONMENTS[0]


def test_properties_add_up_and_their_order_is_that_of_the_rows() -> None:
    both = found("kind-1.34-labels-uids-3n")
    assert both.name == "kind-1.34-3n-uids-labels"
    assert both.addons == ("users", "labels")
    assert both.base == "kind-1.34"


def test_what_only_the_foundrys_node_has_leaves_no_public_one() -> None:
    assert found("kind-1.34-line-2.3").node_image == ""
    assert found("kind-1.34-line-2.3").containerd == "2.3.7"
    assert found("kind-1.34-line-2.3").kubernetes_from("upstream") == "1.34.4"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("kind-1.33-3n", "there is no environment named 'kind-1.33-3n'"),
        ("kind-1.34-3m", "there is no environment named 'kind-1.34-3m'; did you mean kind-1.34"),
        ("k3d-1.34-one-cpu", "one-cpu is for kind, not for k3d"),
        ("kind-1.34-3nodes", "did you mean kind-1.34-3n?"),
        ("kind-1.34+uids", "did you mean kind-1.34-uids?"),
        ("kind-1.34-line-2.3-line-2.4", "two of its properties set containerd"),
        ("kind-1.34-young", "young needs Kubernetes 1.35"),
        ("kind-1.34-3n-3n", "there is no environment"),
    ],
)
def test_a_name_that_means_nothing_is_refused(name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        found(name)


def test_what_no_machine_can_have_is_unavailable_and_says_why() -> None:
    assert found("kind-1.34-moon").impossible == "moon: no machine is there"


def _names(*patterns: str) -> list[str]:
    return replace(_small(), environments=ENVIRONMENTS, properties=ROWS).environment_names(patterns)


def _small() -> Catalogue:
    whole = catalogue.load()
    return Catalogue(environments=(), releases=(), defaults=whole.defaults)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (("*",), ["kind-1.34", "k3d-1.34"]),
        (("*-3n",), ["kind-1.34-3n", "k3d-1.34-3n"]),
        (("*-one-cpu",), ["kind-1.34-one-cpu"]),
        (("kind-1.34-uids-3n",), ["kind-1.34-3n-uids"]),
        (("*", "kind-1.34-3n"), ["kind-1.34", "k3d-1.34", "kind-1.34-3n"]),
        (("*-3n", "!k3d-*"), ["kind-1.34-3n"]),
        (("*-3n", "!*-3n-uids"), ["kind-1.34-3n", "k3d-1.34-3n"]),
        (("*-3n", "*-3n-uids", "!k3d-1.34-3n-uids"), ["kind-1.34-3n", "k3d-1.34-3n", "kind-1.34-3n-uids"]),
    ],
)
def test_a_glob_means_environments_without_properties_unless_it_ends_in_them(
    patterns: tuple[str, ...], names: list[str]
) -> None:
    assert _names(*patterns) == names


def test_a_tier_has_what_it_names_and_an_exclusion_what_it_is_about() -> None:
    three = found("kind-1.34-3n")
    for patterns, has in ((("*",), False), (("*-3n",), True)):
        assert Tier(name="t", environments=patterns, paths=("*",), scenarios=("*",)).offers(three) is has
    assert three.concerned_by(Exclusion(environments=("kind-1.34",), reason="r", link="https://e.x/y").environments)
    assert three.concerned_by(["*-3n"])
    assert not three.concerned_by(["k3d-*"])
    assert found("kind-1.34-3n-uids-labels").concerned_by(["*-uids"])
    assert not found("kind-1.34-3n-labels").concerned_by(["*-uids"])


def test_every_shipped_property_is_one_that_some_environment_can_have() -> None:
    real = catalogue.load()
    for row in real.properties.rows:
        assert real.environment_names((f"*-{row.name}",)), row.name
        assert row.changes or row.impossible, row.name


def test_a_property_whose_parts_are_missing_is_an_error_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "properties.toml"
    file.write_text('[[property]]\nname = "x"\nabout = "x"\nip_family = "ipv5"\n')
    with pytest.raises(CatalogueError, match=r"line 4: key ip_family"):
        properties.read_properties(TomlSource.read(file))
