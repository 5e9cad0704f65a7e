# SPDX-License-Identifier: Apache-2.0
"""These tests need a bootstrapped host. Where there is none they fail: a proof that could not be made is no proof."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from runs import Run, Things, docker


@pytest.fixture(autouse=True)
def _no_run_outlives_its_test() -> Iterator[None]:
    """A run of a test that failed would disturb those that follow."""
    yield
    for run in Run.started:
        if run.process.poll() is None:
            run.process.terminate()
            run.process.wait(180)
    Run.started.clear()


@pytest.fixture
def users_container() -> Iterator[str]:
    """A container that a user made by other means, with a name that looks like a cluster's."""
    image = docker("image", "ls", "--quiet", "spark-operator-harness/registry")[0]
    name = "dev-control-plane"
    label = "io.x-k8s.kind.cluster=dev"
    docker("run", "--detach", "--name", name, "--label", label, "--entrypoint", "/registry", image, "serve")
    yield name
    docker("rm", "--force", "--volumes", name)


@pytest.fixture
def before(users_container: str) -> Things:
    """What there was before the test, a user's own container among it."""
    return Things.now()
