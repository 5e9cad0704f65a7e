# SPDX-License-Identifier: Apache-2.0
"""Where the project's data is, and where a user's files go."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from harness import home
from harness.errors import CatalogueError, SettingsError, UsageError
from harness.foundry import gobuild
from harness.settings import PROJECT_ROOT, load


def installation(root: Path) -> Path:
    """A package as a wheel installs it, beside folders of the same names that are somebody else's."""
    package = root / "site-packages" / "harness"
    for folder in (package / "_data", package.parent):
        for name in ("clusters/environments.toml", "charts/releases.toml"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
    return package


def test_a_checkout_has_the_data_beside_the_package() -> None:
    assert home.data_root() == home.checkout() == PROJECT_ROOT


def test_an_installation_has_the_data_in_the_package(tmp_path: Path) -> None:
    package = installation(tmp_path)

    assert home.data_root(package) == package / "_data"
    assert home.checkout(package) is None
    with pytest.raises(UsageError, match=r"harness workflow changes files of the project") as caught:
        home.require_checkout("harness workflow", package)
    assert "catalogue_dirs" in caught.value.next_step


def test_a_package_without_its_data_says_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"are neither in .*_data nor in") as caught:
        home.data_root(tmp_path / "harness")

    assert "install" in caught.value.next_step


@pytest.mark.parametrize(("told", "used"), [("/elsewhere", "/elsewhere"), ("relative", "/home/me/.cache"), ("", None)])
def test_a_relative_base_directory_is_ignored(monkeypatch: pytest.MonkeyPatch, told: str, used: str | None) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", told)

    assert home.cache_folder() == Path(used or "/home/me/.cache") / "spark-operator-harness"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    for variable in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)

    with pytest.raises(SettingsError, match="no home folder"):
        load(environment={})
    assert load(environment={"HARNESS_CACHE": str(tmp_path)}).cache_dir == tmp_path


def test_a_catalogue_in_the_configuration_folder_counts_without_a_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load(environment={}).catalogue_dirs == ()

    (tmp_path / "spark-operator-harness" / "catalogue").mkdir(parents=True)

    assert load(environment={}).catalogue_dirs == (tmp_path / "spark-operator-harness" / "catalogue",)


def test_go_works_on_a_copy_that_it_may_write(tmp_path: Path) -> None:
    module = tmp_path / "module"
    (module / "manifests").mkdir(parents=True)
    (module / "go.mod").write_text("module x\n")
    (module / "manifests" / "base.yaml").write_text("a: 1\n")
    for path in (module / "go.mod", module / "manifests", module):
        path.chmod(0o555)

    gobuild._copy(module, tmp_path / "work")

    assert (tmp_path / "work" / "manifests" / "base.yaml").read_text() == "a: 1\n"
    for path in (tmp_path / "work", *(tmp_path / "work").rglob("*")):
        assert path.stat().st_mode & stat.S_IWUSR
