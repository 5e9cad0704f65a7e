# SPDX-License-Identifier: Apache-2.0
"""These tests need a bootstrapped host. Where there is none they fail: a proof that could not be made is no proof.

They may run two at a time (`-n 2 --dist loadgroup`). Each looks for what its own runs left, by their names; when all
are done, the whole host is compared with what it was before the first.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import Run, Things, docker, reachable

from harness import settings
from harness.foundry import gobuild
from harness.foundry.store import Store

_BEFORE = pytest.StashKey[Things]()
_DIFFERENCES = pytest.StashKey[list[str]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Note what there is, in the process that starts the workers, or in the only one."""
    if hasattr(session.config, "workerinput") or session.config.option.collectonly:
        return
    try:
        session.config.stash[_BEFORE] = Things.now()
    except (OSError, subprocess.SubprocessError) as error:
        raise pytest.UsageError(f"these tests need a bootstrapped host: {error}") from error


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Compare, when every worker has ended."""
    before = session.config.stash.get(_BEFORE, None)
    if before is None:
        return
    session.config.stash[_DIFFERENCES] = Things.now().differences(before)
    if session.config.stash[_DIFFERENCES]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what the tests left, or took away."""
    for difference in config.stash.get(_DIFFERENCES, []):
        terminalreporter.write_line(f"after all tests: {difference}", red=True)


@pytest.fixture
def address() -> Iterator[str]:
    """An address of this machine that every container reaches, whatever its network."""
    with reachable("registries-of-a-test") as found:
        yield found


@pytest.fixture(scope="session")
def users_container() -> Iterator[str]:
    """A container that a user made by other means, with a name and a label that look like a cluster's."""
    store = Store.of(settings.load(environment=os.environ))
    program = gobuild.build(store, "registry").folder / "bin" / "registry"
    with tempfile.TemporaryFile() as archive:
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(program, "registry")
        archive.seek(0)
        argv = ["docker", "import", "--change", 'ENTRYPOINT ["/registry"]', "-"]
        made = subprocess.run(argv, stdin=archive, capture_output=True, text=True, timeout=120, check=True)
    image = made.stdout.strip()
    # A name of its own, also beside what an interrupted call of these tests left.
    cluster = f"dev-{secrets.token_hex(3)}"
    name = f"{cluster}-control-plane"
    label = f"io.x-k8s.kind.cluster={cluster}"
    docker("run", "--detach", "--name", name, "--label", label, image, "serve")
    yield name
    docker("rm", "--force", "--volumes", name)
    docker("image", "rm", image)


@pytest.fixture(autouse=True)
def _a_run_leaves_nothing(users_container: str) -> Iterator[None]:
    """No run outlives its test, not even a failing one; none leaves anything, or touches what is a user's."""
    yield
    for run in Run.started:
        if run.process.poll() is None:
            run.process.terminate()
            run.process.wait(180)
    left = [it for run in Run.started for it in run.left()]
    Run.started.clear()
    assert left == []
    assert users_container in docker("ps", "--all", "--format", "{{.Names}}")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The cache of this machine without its ledgers: runs of other tests do not clean up after those of this one."""
    real = settings.load(environment=os.environ).cache_dir.resolve()
    made = tmp_path / "cache"
    made.mkdir()
    for part in real.iterdir():
        if part.is_dir() and part.name != "ledger":
            (made / part.name).symlink_to(part)
    return made
