# SPDX-License-Identifier: Apache-2.0
"""Where a rehearsal happens and between which releases: the site's own where they can be had, else the nearest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.errors import UnavailableError
from harness.matrix import path_names
from harness.matrix.catalogue import Catalogue
from harness.matrix.imported import NOTHING, Imported, why_not_offered
from harness.matrix.model import Environment
from harness.matrix.versions import numbers
from harness.sites.model import ClusterFacts

_K3S = ("k3s", "RKE2")


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """An environment, and in words how it differs from the site; empty where it has the site's minor version."""

    environment: Environment
    told: tuple[str, ...] = ()


def nearest(catalogue: Catalogue, cluster: ClusterFacts, source: str) -> Nearest:
    """The environment that is most like the site's cluster, of those whose nodes this source has.

    Raises UnavailableError where it has none.
    """
    wanted = _minor(cluster.version)
    provider = "k3d" if cluster.distribution in _K3S else "kind"
    offered = [it for it in catalogue.environments if not it.addons and _offered(it, source)]
    if not offered:
        raise UnavailableError(f"no node image can be had from the source {source}", "choose another --source")

    def far(it: Environment) -> tuple[int, bool, int]:
        minor = _minor(it.kubernetes)
        distance = abs(minor - wanted) if wanted else 0
        # Of two that are equally near, and where the site does not say, the newer one.
        return distance, it.provider != provider, -minor

    found = min(offered, key=far)
    told = []
    if _minor(found.kubernetes) != wanted:
        version = found.kubernetes_from(source)
        told.append(f"Kubernetes {version} in the place of {cluster.version}: the nearest that this machine can run")
    ran = found.distribution_from(source)
    if cluster.distribution not in (ran, found.provider):
        told.append(f"{ran} in {found.provider} in the place of {cluster.distribution}")
    return Nearest(environment=found, told=tuple(told))


def _offered(environment: Environment, source: str) -> bool:
    return environment.foundry if source == "foundry" else bool(environment.node_image)


def _minor(version: str) -> int:
    """34 of `v1.34.4+k3s1`; 0 for what is no version."""
    parts = version.removeprefix("v").split(".")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0


def require_release(catalogue: Catalogue, option: str, name: str, source: str, imported: Imported = NOTHING) -> None:
    """Raise UnavailableError for the release of an option that cannot be installed here, with the nearest that can.

    A site may have a release that the catalogue does not know. Raises UsageError for one of those to move to, and for
    what is not the name of a release.
    """
    known = [it.version for it in catalogue.releases]
    path_names.require_release(name, known)
    if option == "--to":
        catalogue.release(name)
    version, _, host = name.partition("@")
    why = (
        why_not_offered(catalogue.release(name), source, imported)
        if version in known
        else f"charts/releases.toml has no row for {version}"
    )
    if why:
        near = _near(name, _installable(catalogue, source, imported, host))
        raise UnavailableError(
            f"{name} cannot be rehearsed: {why}",
            f"the nearest that can is {near}: give {option} {near}" if near else "choose another --source",
        )


def _installable(catalogue: Catalogue, source: str, imported: Imported, host: str) -> list[str]:
    """The names of releases that can be installed, copies first; for a copy those of its registry, if there are any."""
    every = [*catalogue.copies(), *catalogue.releases]
    offered = [it for it in every if not why_not_offered(it, source, imported)]
    return [it.name for it in [it for it in offered if it.registry == host] or offered]


def _near(name: str, known: Iterable[str]) -> str:
    """The release whose version is nearest; of copies that are equally near, the first."""

    def far(other: str) -> tuple[int, ...]:
        return tuple(abs(a - b) for a, b in zip(numbers(name), numbers(other), strict=True))

    return min(known, key=far, default="")
