# SPDX-License-Identifier: Apache-2.0
"""Takes a snapshot of a site: finds the operator, reads what belongs to it, and writes the folder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import __version__
from harness.errors import ClusterError, UnavailableError
from harness.late import client
from harness.sites import applications, folder, installed, operators, surroundings
from harness.sites.model import ClusterFacts, Crd, Operator, Site
from harness.sites.reader import Reader


def take(api: client.ApiClient, context: str, target: Path, *, sample: int | None = None, namespace: str = "") -> Site:
    """Take a snapshot into a folder, which is there whole or not at all. `sample` is how many applications of a kind.

    `namespace` is where Helm keeps the release, for one that is not where its Deployments are. Raises UnavailableError
    for a cluster that has nothing of the operator, ApiError when the server goes away.
    """
    reader = Reader(api)
    with folder.made(target) as draft:
        cluster = surroundings.cluster(reader)
        found = operators.deployments(reader)
        crds = {crd.name: (crd, spec) for crd, spec in operators.crds(reader)}
        if not found and not crds:
            _nothing(reader, context)
        site = _site(reader, draft, cluster, found, crds, sample, namespace)
        site = site.model_copy(update={"context": context})
        folder.write(draft, site, {name: spec for name, (_, spec) in crds.items()})
    return site


def _nothing(reader: Reader, context: str) -> None:
    if reader.unread:
        missing = "; ".join(f"{it.what}: {it.why}" for it in reader.unread)
        raise ClusterError(
            f"nothing of the operator can be read in the cluster of context {context}: {missing}",
            "`harness snapshot --rights` prints the rights that it needs",
        )
    raise UnavailableError(
        f"the cluster of context {context} has no Spark Operator: no Deployment of it, and none of its CRDs",
        "check the context: kubectl config get-contexts",
    )


def _site(
    reader: Reader,
    draft: Path,
    cluster: ClusterFacts,
    found: tuple[Operator, ...],
    crds: Mapping[str, tuple[Crd, Any]],
    sample: int | None,
    namespace: str,
) -> Site:
    homes = list(dict.fromkeys((*([namespace] if namespace else []), *(it.namespace for it in found))))
    releases = installed.helm_releases(reader, list(dict.fromkeys((*homes, *operators.helm_homes(found)))))
    groups = surroundings.groups(reader)
    installers = installed.installers(reader, found, groups)
    (draft / folder.APPLICATIONS).mkdir()
    written = []
    for _, spec in crds.values():
        version = next(it["name"] for it in spec["versions"] if it.get("storage"))
        kind, plural = spec["names"]["kind"], spec["names"]["plural"]
        file = draft / folder.APPLICATIONS / f"{kind}.yaml"
        written.append(applications.write(reader, kind, plural, version, file, sample))
    secrets: dict[str, list[str]] = {}
    for it in written:
        for name, named in it.secrets.items():
            secrets.setdefault(name, []).extend(named)
    jobs = surroundings.job_namespaces(found, releases, installers, sorted(secrets))
    names = list(dict.fromkeys((*jobs, *homes)))
    for home, named in operators.pull_secrets(releases, homes).items():
        secrets.setdefault(home, []).extend(named)
    images = operators.images(reader, found)
    webhooks = operators.webhooks(reader)
    namespaces = tuple(surroundings.namespace(reader, name, secrets.get(name, ())) for name in names)
    return Site(
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        harness=__version__,
        context="",
        cluster=cluster,
        operators=found,
        releases=releases,
        installers=installers,
        images=images,
        crds=tuple(crd for crd, _ in crds.values()),
        webhooks=webhooks,
        namespaces=namespaces,
        priority_classes=surroundings.priority_classes(reader),
        applications=tuple(it.applications for it in written),
        groups=groups,
        kinds=tuple(spec["names"]["kind"] for _, spec in crds.values()),
        unread=tuple(dict.fromkeys(reader.unread)),
    )
