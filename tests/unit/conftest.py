# SPDX-License-Identifier: Apache-2.0
"""What every unit test gets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import psutil
import pytest

from harness.cleanup import remains

_MARK = "SPARK_OPERATOR_HARNESS_TEST"


@pytest.fixture(autouse=True)
def only_own_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests find, and remove, processes that they started: a real run beside them must not lose its own."""
    mark = uuid4().hex
    monkeypatch.setenv(_MARK, mark)

    def own(attributes: list[str]) -> Iterator[psutil.Process]:
        for process in psutil.process_iter(attributes):
            with suppress(psutil.Error, OSError):
                if process.environ().get(_MARK) == mark:
                    yield process

    monkeypatch.setattr(remains, "_all_processes", own)


@pytest.fixture(autouse=True, scope="session")
def nobodys_logins() -> Iterator[None]:
    """Let tests find no login of whoever runs them; those of docker are in a folder that a test names itself."""
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("DOCKER_AUTH_CONFIG", raising=False)
        patched.setenv("REGISTRY_AUTH_FILE", "/nonexistent/auth.json")
        yield


@pytest.fixture(autouse=True, scope="session")
def idle_host() -> Iterator[None]:
    """Let no test's verdict depend on what else this machine is busy with."""
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(psutil, "getloadavg", lambda: (0.5, 0.5, 0.5))
        yield
