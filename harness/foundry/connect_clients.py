# SPDX-License-Identifier: Apache-2.0
"""Python clients of Spark Connect from the package index, each as a folder that a Python can import it from.

What the clients need, most of it compiled, is installed once for all of them and for this Python. Of a client's own
source distribution the Python part is kept; the jars that a full pyspark has are Spark's, and no client uses them.
Where the Spark image of that distribution has been built, it is taken from its layer.
"""

from __future__ import annotations

import functools
import platform
import shutil
import sys
from pathlib import Path

from harness.foundry import pypi, spark
from harness.foundry.store import Artifact, Recipe, Store
from harness.host.steps import Progress, Step
from harness.matrix import connect_clients
from harness.matrix.connect_clients import ConnectClient
from harness.settings import PROJECT_ROOT
from harness.untrusted import tarfile

REQUIREMENTS = PROJECT_ROOT / "charts" / "clients" / "requirements.txt"

_PART = "pyspark"
_ALONE = "pyspark-client"
_SECONDS = 900.0


def recipes() -> list[Recipe]:
    """Of all clients and of what they need."""
    return [_libraries_recipe(), *map(_client_recipe, connect_clients.catalogue().client)]


def ready(store: Store, client: ConnectClient, timeout: float = _SECONDS) -> tuple[Path, ...]:
    """The folders for PYTHONPATH with which a client runs, fetched where they are not there yet.

    Each download may take `timeout` seconds. Raises BuildError that names the log.
    """
    own = store.build(_client_recipe(client), functools.partial(_make_client, store, client, timeout))
    return own.folder, _libraries(store, timeout).folder / "packages"


def step(store: Store) -> Step:
    """All clients of servers of the usual Spark, for machines that are to be without a network later."""

    def run(progress: Progress) -> None:
        for it in _usual():
            progress(f"fetching {it.name}")
            ready(store, it)

    return Step(
        name="Spark Connect clients",
        done=lambda: all(map(store.get, usual_recipes())),
        run=run,
        estimate=60.0,
        room=10**9,
    )


def usual_recipes() -> list[Recipe]:
    """Of the clients that `step` fetches, and of what they need."""
    return [_libraries_recipe(), *map(_client_recipe, _usual())]


def _usual() -> list[ConnectClient]:
    return [it for it in connect_clients.catalogue().client if it.role != "server" or it.package == _ALONE]


def _libraries_recipe() -> Recipe:
    python = f"{sys.implementation.cache_tag} {sys.platform} {platform.machine()}"
    return Recipe(
        kind="python",
        name=f"connect-libraries-{sys.implementation.cache_tag}",
        inputs={"requirements": REQUIREMENTS.read_text(), "python": python},
    )


def _client_recipe(client: ConnectClient) -> Recipe:
    inputs = {"package": client.package, "version": client.version, "sha256": client.sha256}
    return Recipe(kind="python", name=f"{client.package}-{client.version}", inputs=inputs)


def _libraries(store: Store, timeout: float) -> Artifact:
    def make(folder: Path, log_file: Path) -> None:
        pypi.install(REQUIREMENTS, folder / "packages", log_file, timeout=timeout)

    return store.build(_libraries_recipe(), make)


def _make_client(store: Store, client: ConnectClient, timeout: float, folder: Path, log_file: Path) -> None:
    if client.package == _PART and spark.python_part(store, client.version, client.sha256, folder):
        return
    work = folder / "source"
    archive = pypi.source(client.package, client.version, client.sha256, work, log_file, timeout=timeout)
    root = archive.name.removesuffix(".tar.gz")
    with tarfile.open(archive) as source:
        members = [it for it in source if it.name.startswith(f"{root}/{_PART}/")]
        source.extractall(work, members, filter="data")
    (work / root / _PART).rename(folder / _PART)
    shutil.rmtree(work)
