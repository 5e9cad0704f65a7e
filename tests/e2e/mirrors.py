# SPDX-License-Identifier: Apache-2.0
"""Mirrors for the tests: local registries with the foundry's images, private to whoever has a token."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import settings
from harness.bootstrap import tools
from harness.foundry import images as foundry_images
from harness.foundry import operator
from harness.foundry.store import Store
from harness.images.credentials import docker_config_json, write_secret
from harness.images.references import ImageReference
from harness.matrix.release import Release
from harness.process import call
from harness.registries.front.profile import Visibility, profile
from harness.registries.front.server import Front

SETTINGS = settings.load(environment=os.environ)


@dataclass(frozen=True)
class Mirrors:
    """Registries by the host that they are mirrors of, and the release whose chart they have."""

    release: Release
    fronts: dict[str, Front]
    folder: Path

    def config(self) -> Path:
        """A harness.toml with the map. Nodes ask the mirrors themselves, with no image cache before them."""
        lines = ["isolated = true", "image_cache_gb = 0", f"cache_dir = {json.dumps(str(SETTINGS.cache_dir))}"]
        for host, front in self.fronts.items():
            it = front.mirror("reader")
            lines += [
                f'[mirrors."{host}"]',
                f"url = {json.dumps(it.url)}",
                f"host_url = {json.dumps(it.host_url)}",
                f"ca = {json.dumps(str(it.ca))}",
                f"username = {json.dumps(it.username)}",
                f"password = {json.dumps(it.password.get_secret_value())}",
            ]
        return write_secret(self.folder / "harness.toml", "\n".join(lines) + "\n")

    def login(self, host: str) -> Path:
        """A folder with a Docker configuration that may push."""
        front = self.fronts[host]
        folder = self.folder / f"login-{host}"
        credentials = front.mirror("writer").credentials
        assert credentials is not None
        write_secret(folder / "config.json", docker_config_json({front.address: credentials}).get_secret_value())
        return folder

    def push_from_engine(self, image: str, reference: str) -> None:
        """Push an image of the engine under this reference, and forget that name again."""
        name = self.tag(image, reference)
        host = ImageReference.parse(reference).registry
        call(["docker", "push", name], timeout=300, env={"DOCKER_CONFIG": str(self.login(host))})
        call(["docker", "rmi", name], timeout=60)

    def tag(self, image: str, reference: str) -> str:
        """Give an image of the engine the name that it has in the mirror, as if it had been pulled."""
        host, _, rest = reference.partition("/")
        name = f"{self.fronts[host].address}/{rest}"
        call(["docker", "tag", image, name], timeout=60)
        return name

    def push_chart(self, helm: Path, release: Release | None = None) -> None:
        """Push a chart, that of the mirrors' own release unless another is given, where upstream publishes it."""
        wanted = release or self.release
        host, _, path = str(wanted.chart_oci).removeprefix("oci://").partition("/")
        front = self.fronts[host]
        chart = operator.chart(Store.of(SETTINGS), wanted.version)
        call(
            [helm, "push", chart, f"oci://{front.address}/{path.rpartition('/')[0]}", "--ca-file", front.ca],
            timeout=60,
            env={"HELM_REGISTRY_CONFIG": str(self.login(host) / "config.json")},
        )


@contextmanager
def serving(
    address: str,
    folder: Path,
    release: Release,
    *,
    hosts: Sequence[str],
    without: str = "",
    visibility: Visibility = "private",
) -> Iterator[Mirrors]:
    """Mirrors that run during the block. `without` is an image of Docker Hub that they do not have.

    With the visibility `public` they are as the public registries for everybody.
    """
    registry = tools.ensure(SETTINGS, ["registry"])["registry"].path
    stored = foundry_images.registries(SETTINGS)
    with ExitStack() as stack:
        fronts = {}
        for host in hosts:
            storage = folder / "storages" / host
            if (stored / host).is_dir():
                shutil.copytree(stored / host, storage, copy_function=_link)
            if host == "docker.io" and without:
                spark = storage / "docker/registry/v2/repositories/apache/spark/_manifests/tags"
                shutil.rmtree(spark / without.rpartition(":")[2])
            front = Front(
                profile("docker.io" if host == "docker.io" else "ghcr.io"),
                folder=folder / f"front-{host}",
                binary=registry,
                storage=storage,
                addresses=[address],
                packages={"*": visibility},
            )
            fronts[host] = stack.enter_context(front)
        yield Mirrors(release=release, fronts=fronts, folder=folder)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
