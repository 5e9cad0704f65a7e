# SPDX-License-Identifier: Apache-2.0
"""Ways to get a cluster: one module a provider, and one dict that lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.providers.base import Provider, ProviderTools
from harness.providers.k3d import K3d
from harness.providers.kind import Kind

PROVIDERS: Mapping[str, Callable[[ProviderTools], Provider]] = {"kind": Kind, "k3d": K3d}
"""Provider name, as in clusters/environments.toml → how it is made."""

HELPERS: Mapping[str, str] = {"k3d": "ghcr.io/k3d-io/k3d-tools"}
"""Provider name → the image that it starts beside its nodes, tagged with the version of the provider's program."""
