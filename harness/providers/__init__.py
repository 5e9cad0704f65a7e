# SPDX-License-Identifier: Apache-2.0
"""Cluster providers: one module for each, and one dict that lists them."""

from __future__ import annotations

from harness.errors import CatalogueError
from harness.matrix.catalogue import Catalogue
from harness.providers.base import Provider
from harness.providers.existing import Existing
from harness.providers.k3d import K3d
from harness.providers.kind import Kind

PROVIDERS: dict[str, type[Provider]] = {Kind.name: Kind, K3d.name: K3d, Existing.name: Existing}
"""Provider name, as in clusters/environments.toml → its class. Everything that differs between providers is in these
classes."""


def named(name: str) -> type[Provider]:
    """The provider of that name. Raises CatalogueError for an unknown one."""
    try:
        return PROVIDERS[name]
    except KeyError:
        raise CatalogueError(f"unknown provider {name!r}", _there_are()) from None


def require_known(catalogue: Catalogue) -> None:
    """Raise CatalogueError, with file, line and key, for an environment whose provider is unknown."""
    for number, environment in enumerate(catalogue.environments):
        if environment.provider not in PROVIDERS:
            raise catalogue.written["environments"].error(
                "environment", number, "provider", f"unknown provider {environment.provider!r}", _there_are()
            )


def _there_are() -> str:
    return f"the providers are: {', '.join(sorted(PROVIDERS))}"
