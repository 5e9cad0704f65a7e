# SPDX-License-Identifier: Apache-2.0
"""What a path's name says of its ways."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.errors import CatalogueError, UsageError
from harness.matrix import catalogue, edges, expand, known_rows, path_names, versions
from harness.matrix.model import WayName
from harness.toml_source import TomlSource

REAL = catalogue.load()

ROW = """\
[[known]]
kinds = ["install", "upgrade", "rollback"]
{about}
scenario = "operator-health"
check = "x"
says = "."
why = "a conflict"
link = "https://example.com/1"
way_out = "force it"
basis = "code"
"""


@pytest.mark.parametrize(
    ("name", "canonical", "ways"),
    [
        ("install-2.5.2", "install-2.5.2", ()),
        ("install-2.5.2~helm", "install-2.5.2", ()),
        ("install-2.5.2~helm4", "install-2.5.2~helm4", ("helm4",)),
        ("upgrade-2.4.0-2.5.2~helm4", "upgrade-2.4.0-2.5.2~helm4+crds=none", ("helm4", "helm4")),
        (
            "upgrade-2.4.0@docker.io-2.5.2~helm3,helm4+crds=apply+values=reuse",
            "upgrade-2.4.0@docker.io-2.5.2~helm3,helm4+crds=apply+values=reuse",
            ("helm3", "helm4"),
        ),
        ("upgrade-2.4.0-2.5.2~helm3,overlay", "upgrade-2.4.0-2.5.2~helm3,overlay+crds=apply", ("helm3", "overlay")),
        ("upgrade-2.4.0-2.5.2~helm4,helm4", "upgrade-2.4.0-2.5.2~helm4+crds=none", ("helm4", "helm4")),
        (
            "rollback-2.5.2-2.4.0~helm3,helm4,helm3",
            "rollback-2.5.2-2.4.0~helm3,helm4,helm3+crds=none",
            ("helm3", "helm4", "helm3"),
        ),
    ],
)
def test_a_name_says_the_way_of_each_step(name: str, canonical: str, ways: tuple[WayName, ...]) -> None:
    path = expand.find_path(REAL, name)
    assert (path.name, path.ways) == (canonical, ways)
    assert [move.way for move in path.moves] == [path.way(step) for step in range(1, len(path.moves) + 1)]
    assert [move.origin_way for move in path.moves] == [path.way(step) for step in range(len(path.moves))]
    assert expand.find_path(REAL, canonical) == path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("install-2.5.2~helm5", "there is no way named 'helm5'; did you mean helm"),
        ("upgrade-2.4.0-2.5.2~helm3,helm4,helm3", "~helm3,helm4,helm3 names 3 ways for 2 steps"),
        ("rollback-2.5.2-2.4.0~helm3,helm4", "~helm3,helm4 names 2 ways for 3 steps"),
        ("install-2.4.0~kustomize", "2.4.0 has no kustomization that could be deployed"),
        ("rollback-2.5.2-2.4.0~helm3,overlay,overlay", "2.4.0 has no kustomization that could be deployed"),
        ("upgrade-2.5.1-2.5.2~overlay+crds=none", r"Kustomize brings the CRDs along: \+crds=apply, not \+crds=none"),
        ("upgrade-2.5.1-2.5.2~kubectl+crds=hook", "without Helm there is no hook"),
        ("upgrade-2.5.1-2.5.2~overlay+values=reuse", r"\+values=reuse is about Helm"),
    ],
)
def test_a_wrong_way_is_told(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        expand.find_path(REAL, name)


def test_a_row_multiplies_by_its_ways_and_names_the_line_of_a_wrong_one() -> None:
    edge = '[[edge]]\nfrom = ["2.4.0"]\nto = ["2.5.2"]\ncrds = ["apply"]\nways = [{}]\n'
    assert list(read(edge.format('"helm", "helm4", "helm3,helm4"')).paths) == [
        "upgrade-2.4.0-2.5.2+crds=apply",
        "upgrade-2.4.0-2.5.2~helm4+crds=apply",
        "upgrade-2.4.0-2.5.2~helm3,helm4+crds=apply",
    ]
    with pytest.raises(CatalogueError, match="line 5: key ways: ~helm3,helm4,helm4 names 3 ways for 2 steps"):
        read(edge.format('"helm3,helm4,helm4"'))


@pytest.mark.parametrize(
    ("about", "ways", "known"),
    [
        ("", (), ()),
        ('ways = ["helm4"]', ("helm4", "helm4"), ()),
        ('ways = ["helm4"]', ("helm3", "helm3"), None),
        ('ways = ["helm4"]', (), ("helm4",)),
        ('ways = ["helm4"]\nfrom_ways = ["helm3"]', ("helm3", "helm4"), ()),
        ('ways = ["helm4"]\nfrom_ways = ["helm3"]', ("helm4", "helm4"), None),
        ('ways = ["helm4"]\nfrom_ways = ["helm3"]', (), None),
        ('ways = ["helm4"]\nfrom_ways = ["helm4"]', ("helm", "helm4"), ("helm4",)),
        ('from_ways = ["helm3", "helm4"]', (), ()),
        ('from_ways = ["helm3", "helm4"]', ("helm3", "kubectl"), ()),
        ('from_ways = ["helm3", "helm4"]', ("kubectl", "kubectl"), None),
    ],
    ids=str,
)
def test_a_known_break_is_of_its_ways_and_the_usual_one_is_left_to_the_host(
    about: str, ways: tuple[WayName, ...], known: tuple[str, ...] | None
) -> None:
    path = read(ROW.format(about=about)).path("upgrade", ("2.4.0", "2.5.2"), "apply", "default", ways)
    assert [it.ways for it in path.known] == ([] if known is None else [known])


def test_a_known_break_of_an_install_is_of_its_way() -> None:
    found = read(ROW.format(about='ways = ["helm4"]'))
    asked: Any = ("helm", "helm3", "helm4")
    assert [[it.ways for it in found.of_install("2.5.2", way)] for way in asked] == [[("helm4",)], [], [()]]


def test_ways_are_told_once_where_all_are_the_same() -> None:
    assert path_names.ways_in_name(("helm", "helm")) == ""
    assert path_names.ways_in_name(("helm4",)) == "~helm4"
    assert path_names.ways_in_name(("helm", "helm4")) == "~helm,helm4"


def read(text: str) -> edges.Upgrades:
    return edges.read(TomlSource(file=Path("upgrades.toml"), text=text), REAL.release)


@pytest.mark.parametrize(
    ("name", "releases"),
    [
        ("install-dev", ("dev",)),
        ("upgrade-2.5.2-dev", ("2.5.2", "dev")),
        ("rollback-dev-2.5.2+crds=apply", ("2.5.2", "dev")),
        ("upgrade-2.5.2-2.6.0-rc.1-2.6.0-dev~helm4", ("2.5.2", "2.6.0-rc.1", "2.6.0", "dev")),
        (
            "upgrade-2.2.1@my-registry.example.com:5000-2.6.0-alpha",
            ("2.2.1@my-registry.example.com:5000", "2.6.0-alpha"),
        ),
        ("upgrade-2.6.0-dev.1-dev", ("2.6.0-dev.1", "dev")),
        ("install-2.6.0-rc.01", None),
        ("install-2.6.0-1", None),
        ("install-2.6.0-rc-1", None),
        ("install-develop", None),
    ],
)
def test_a_release_can_be_one_before_a_release_or_the_operator_under_test(
    name: str, releases: tuple[str, ...] | None
) -> None:
    parsed = path_names.parse(name)
    assert (parsed.releases if parsed else None) == releases


def test_no_way_and_no_mode_is_a_pre_release() -> None:
    words = [it for kind in (path_names.WAYS, path_names.CRD_MODES, path_names.VALUES_MODES) for it in kind]
    assert {it.partition("-")[0] for it in words} <= set(versions.NO_PRERELEASES)
    assert not any(path_names.is_release(f"2.5.2-{it}") for it in words)
    assert path_names.is_release("2.6.0-helm4.1")


def test_what_is_before_a_release_is_older_than_it_and_is_what_is_known_of_it() -> None:
    names = ["2.5.2", "2.6.0-alpha", "2.6.0-rc.1", "2.6.0-rc.2", "2.6.0-rc.10", "2.6.0", "dev"]
    assert all(versions.order(one) < versions.order(other) for one, other in pairwise(names))
    assert versions.numbers("2.6.0-rc.1") == versions.numbers("2.6.0") == (2, 6, 0)
    assert known_rows.matches((">=2.6.0,<2.7.0",), "2.6.0-rc.1")
    assert known_rows.matches((">=2.5.1",), "dev")
    assert not known_rows.matches((">=2.3.0,<2.5.0",), "dev")
