# SPDX-License-Identifier: Apache-2.0
"""Where the project's own data is, in a checkout and in an installation, and where a user's files go by default.

In a checkout the folders clusters/ and charts/ are beside the package. A wheel has copies of them in the package, in
`_data` (`force-include` in pyproject.toml), which may be read-only.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import CatalogueError, SettingsError, UsageError
from harness.invocation import SHIPPED

NAME = "spark-operator-harness"

PACKAGE = Path(__file__).resolve().parent
"""The folder of the package."""


def data_root(package: Path = PACKAGE) -> Path:
    """The folder that has clusters/ and charts/. Raises CatalogueError where neither place has them."""
    for root in (package / SHIPPED, package.parent):
        if (root / "clusters" / "environments.toml").is_file() and (root / "charts" / "releases.toml").is_file():
            return root
    raise CatalogueError(
        f"the catalogues clusters/ and charts/ are neither in {package / SHIPPED} nor in {package.parent}",
        "install spark-operator-harness again, with all files of its wheel or checkout",
    )


def checkout(package: Path = PACKAGE) -> Path | None:
    """The checkout that the package is in; None for an installation."""
    return (
        package.parent if (package.parent / "pyproject.toml").is_file() and not (package / SHIPPED).is_dir() else None
    )


def require_checkout(doing: str, package: Path = PACKAGE) -> Path:
    """The checkout. Raises UsageError for an installation, whose files nobody is to change."""
    found = checkout(package)
    if found is None:
        raise UsageError(
            f"{doing} changes files of the project, and this is an installation of it ({package})",
            "run it in a checkout of the project, installed with `pip install -e .`; rows of your own go into a "
            "folder of catalogue_dirs in harness.toml",
        )
    return found


def cache_folder() -> Path:
    """Where what is built and downloaded goes by default: `~/.cache/spark-operator-harness`. Raises SettingsError."""
    return _required("XDG_CACHE_HOME", ".cache")


def reports_folder() -> Path:
    """Where reports go by default: `reports/` of a checkout, else `~/.local/state/spark-operator-harness/reports`.

    Raises SettingsError for a user without a home folder.
    """
    root = checkout()
    return root / "reports" if root else _required("XDG_STATE_HOME", ".local/state") / "reports"


def settings_files() -> list[Path]:
    """The places of harness.toml, first come first: current folder, checkout, `~/.config/spark-operator-harness`."""
    folders = (Path.cwd(), checkout(), _base("XDG_CONFIG_HOME", ".config"))
    return [folder / "harness.toml" for folder in folders if folder]


def catalogue_folders() -> tuple[Path, ...]:
    """Where a user's own rows are by default: `~/.config/spark-operator-harness/catalogue`, if it is there."""
    base = _base("XDG_CONFIG_HOME", ".config")
    return (base / "catalogue",) if base and (base / "catalogue").is_dir() else ()


def user_home() -> Path | None:
    """The home folder of this user; None for one without, as in a container whose user no passwd knows, and where HOME
    is empty or relative: what is put there would be in whatever folder is the current one.
    """
    if not Path(os.environ.get("HOME", "/")).is_absolute():
        return None
    try:
        return Path.home()
    except RuntimeError:
        return None


def expanded(path: Path) -> Path:
    """A path with a home folder in the place of `~`; as it is where there is no such user, or none with a home."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def docker_config() -> Path:
    """The folder of docker's configuration, as docker itself finds it, also for a user without a home folder."""
    return Path(os.environ.get("DOCKER_CONFIG") or (user_home() or Path()) / ".docker")


def _required(variable: str, default: str) -> Path:
    folder = _base(variable, default)
    if folder is None:
        raise SettingsError(
            f"this user has no home folder, and {variable} names no absolute path",
            f"set HOME or {variable}, or HARNESS_CACHE and HARNESS_REPORTS",
        )
    return folder


def _base(variable: str, default: str) -> Path | None:
    """A folder in a base directory; None for a user without a home folder.

    XDG Base Directory Specification 0.8: a relative path in a variable must be ignored.
    """
    told = os.environ.get(variable, "")
    if told and Path(told).is_absolute():
        return Path(told) / NAME
    home = user_home()
    return home / default / NAME if home else None
