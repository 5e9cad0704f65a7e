# SPDX-License-Identifier: Apache-2.0
"""A local registry as containers on a run's network see it: by this machine's address there."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fronts import Crane

from harness.cleanup import engine
from harness.errors import EngineError
from harness.evidence.ledger import NAME_PREFIX, new_run_id, short_run_id
from harness.kube.cluster import LABEL_RUN
from harness.process import call
from harness.providers import network
from harness.registries.front.profile import profile
from harness.registries.front.server import Front


@pytest.fixture
def run_id() -> str:
    return new_run_id()


@pytest.fixture
def gateway(run_id: str) -> Iterator[str]:
    """The gateway of a network that is there for this test."""
    try:
        engine.check_engine()
    except EngineError as error:
        pytest.skip(f"needs a container engine: {error.message}")
    name = f"{NAME_PREFIX}{short_run_id(run_id)}-test"
    network.create(name, run_id)
    try:
        yield network.gateway(name)
    finally:
        network.remove(name)


@pytest.fixture
def image(crane_binary: Path, gateway: str, run_id: str, tmp_path: Path) -> Iterator[str]:
    """An image with crane in it and nothing else."""
    archive, name = tmp_path / "image.tar", f"soh-test-crane:{short_run_id(run_id)}"
    with tarfile.open(archive, "w") as tar:
        tar.add(crane_binary, "crane")
    call(["docker", "import", "--change", 'ENTRYPOINT ["/crane"]', archive, name], timeout=60)
    try:
        yield name
    finally:
        call(["docker", "rmi", name], timeout=60)


def test_a_container_pulls_by_the_gateway_of_its_network(
    registry_binary: Path, crane_binary: Path, gateway: str, image: str, run_id: str, tmp_path: Path
) -> None:
    folder = tmp_path / "front"
    chosen = profile("ghcr.io")
    with Front(
        chosen, folder=folder, binary=registry_binary, addresses=[gateway], packages={"open/*": "public"}
    ) as front:
        crane = Crane(program=crane_binary, front=front, home=tmp_path)
        crane.login("writer")
        digest = crane("digest", crane.push("open/app:1"))
        done = call(
            [
                *("docker", "run", "--rm", "--network", f"{NAME_PREFIX}{short_run_id(run_id)}-test"),
                *("--label", f"{LABEL_RUN}={run_id}"),
                *("--volume", f"{front.ca}:/ca.pem:ro", "--env", "SSL_CERT_FILE=/ca.pem", image),
                *("digest", f"{gateway}:{front.port}/open/app:1"),
            ],
            timeout=60,
        )
        sources = {it.source for it in front.requests()}

    assert front.mirror().url == f"https://{gateway}:{front.port}"
    assert done.stdout.strip() == digest
    assert len(sources) == 2
    assert "127.0.0.1" in sources
