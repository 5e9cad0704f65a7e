# SPDX-License-Identifier: Apache-2.0
"""Paths with the values of a profile: their names, their rows, and what a run makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import CatalogueError, UsageError
from harness.matrix import catalogue, edges, expand, path_names
from harness.matrix.model import Path as PathTaken
from harness.matrix.select import Selection
from harness.options import RunOptions
from harness.releases import values
from harness.releases.values import at, merge
from harness.run import before, setup
from harness.run.setup import Request
from harness.toml_source import TomlSource

REAL = catalogue.load()
PROFILES = sorted(it.stem for it in values.PROFILES.glob("*.yaml") if it.stem != "default")
HA = "install-2.5.2+profile=ha"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def asked(*paths: str, **more: object) -> Request:
    chosen = Selection(environments=("kind-1.34",), paths=paths, scenarios=("spark-pi",))
    return setup.request(RunOptions(selection=chosen, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "full"),
    [
        (HA, HA),
        ("upgrade-2.4.0-2.5.2+profile=ha", "upgrade-2.4.0-2.5.2+crds=none+profile=ha"),
        ("upgrade-2.4.0-2.5.2~helm4+crds=ssa-force+values=reuse+profile=ha", *(
            "upgrade-2.4.0-2.5.2~helm4+crds=apply+values=reuse+profile=ha",)),
    ],
)  # fmt: skip
def test_a_path_names_its_profile_last(name: str, full: str) -> None:
    found = expand.find_path(REAL, name)
    plain = expand.find_path(REAL, name.removesuffix("+profile=ha"))
    assert (found.name, found.profile) == (full, "ha")
    assert found.model_copy(update={"name": plain.name, "profile": "", "tags": plain.tags}) == plain
    parsed = path_names.parse(full)
    assert parsed
    assert (parsed.profile, parsed.usual) == ("ha", False)


@pytest.mark.parametrize(
    ("patterns", "count"),
    [
        (("install-2.5.*",), 3),
        (("install-2.5.*", HA), 4),
        (("*+profile=ha",), 2),
        (("install-*+profile=*", "!*+profile=ha"), len(PROFILES) - 1),
    ],
)
def test_a_glob_stands_for_profiles_only_where_it_says_so(patterns: tuple[str, ...], count: int) -> None:
    assert len(expand.matching_paths(REAL, patterns)) == count


def test_a_name_with_a_profile_is_refused_as_without_it() -> None:
    with pytest.raises(UsageError, match="an install has no modes"):
        expand.find_path(REAL, "install-2.5.2+crds=apply+profile=ha")


@pytest.mark.parametrize("base", ["install-2.5.2", "upgrade-2.4.0-2.5.2+crds=apply"])
def test_every_profile_of_the_project_has_a_row_with_an_install_and_an_upgrade(base: str) -> None:
    known = expand.paths(REAL)
    assert {name: known[name].tags for name in known if name.startswith(f"{base}+profile=")} == {
        f"{base}+profile={profile}": ("profiles",) for profile in PROFILES
    }


def test_a_row_with_what_is_no_path_is_named() -> None:
    text = '[[profiled]]\npaths = ["install"]\nprofiles = ["ha"]\n'
    with pytest.raises(CatalogueError, match="install is not the name of a path"):
        edges.read(TomlSource(file=Path("upgrades.toml"), text=text), REAL.release)


def test_a_path_gets_the_values_of_its_profile_before_the_users(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("controller: {replicas: 3}\n")
    request = asked(HA, "install-2.5.2", values=(Path("mine.yaml"),))
    with_profile, plain = (request.on(cell.path) for cell in request.cells)
    if not request.cells[0].path.profile:
        with_profile, plain = plain, with_profile
    assert plain is request
    assert [len(with_profile.values), len(with_profile.users)] == [3, 2]
    both = merge(*with_profile.users)
    assert (at(both, "controller.replicas"), at(both, "webhook.replicas")) == (3, 2)
    assert with_profile.profile == request.profile


def test_a_profile_that_nobody_has_is_named_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="there is no values profile 'hah'; did you mean 'ha'"):
        asked("install-2.5.2+profile=hah")


def test_what_a_profile_needs_comes_along() -> None:
    assert not before.addons_of(asked("install-2.5.2"))
    (addon,) = before.addons_of(asked("install-2.5.2", "install-2.5.2+profile=cert-manager"))
    assert addon.name == "cert-manager"


def test_what_one_cell_needs_is_not_asked_of_another() -> None:
    both = asked("install-2.5.2", "install-2.5.2+profile=cert-manager")
    needed = {cell.path.profile: [it.name for it in before.addons_of(both, [cell])] for cell in both.cells}
    assert needed == {"": [], "cert-manager": ["cert-manager"]}


def test_of_a_lock_the_values_are_the_profiles_too() -> None:
    path = PathTaken(name=HA, releases=("2.5.2",), profile="ha")
    request = asked("install-2.5.2")
    assert request.on(path) is request
