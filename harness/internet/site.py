# SPDX-License-Identifier: Apache-2.0
"""A site's own registry in the small internet: copies of images below a project for each registry, private, own CA."""

from __future__ import annotations

from pathlib import Path

from harness.internet import content, names
from harness.internet.plan import Plan
from harness.registries.front.profile import Profile, profile
from harness.registries.front.server import Front

_HTTPS = 443


def site_profile() -> Profile:
    """How it behaves: as GHCR, but with tokens and blobs of its own."""
    host = names.hosts().site.host
    # By the machine's own address, it is reached through a port of the machine.
    told = {
        "host": host,
        "names": (host, names.MACHINE),
        "service": "harbor-registry",
        "token_host": "",
        "blob_host": "",
    }
    return profile("ghcr.io").model_copy(update={**told, "token_host": "", "blob_host": ""})


def fill(storage: Path) -> None:
    """Copy what the registries have into its projects, but for what it is to lack."""
    site = names.hosts().site
    for host, project in site.projects.items():
        for repository, tag in content.tags(storage / host):
            if f"{host}/{repository}:{tag}" not in site.without:
                name = f"{site.host}/{project}/{repository}:{tag}"
                content.copy_image(storage, f"{host}/{repository}:{tag}", storage, name)


def front(plan: Plan) -> Front:
    """The registry, ready to be entered."""
    host = names.hosts().site.host
    return Front(
        site_profile(),
        folder=plan.folder / "fronts" / host,
        binary=plan.registry,
        storage=plan.storage / host,
        addresses=[names.addresses()[host]],
        port=_HTTPS,
        packages={"*": "private"},
        loopback=False,
    )
