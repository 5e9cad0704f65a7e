# SPDX-License-Identifier: Apache-2.0
"""What is slow to import is not imported before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable

import pytest

from harness import late

_SLOW = {"aiohttp", "cryptography", "httpx", "kubernetes", "pyhelm3", "requests", "urllib3"}
_PROGRAM = """
import contextlib, io, json, sys
{act}
print(json.dumps(sorted(sys.modules)))
"""
_MATRIX = "from harness.cli import main\nwith contextlib.redirect_stdout(io.StringIO()): main(['matrix', '--json'])"


def loaded_by(act: str) -> set[str]:
    """The modules that a process has after this; one of its own, since this one has loaded them long ago."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(act=act)], capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def packages(modules: Iterable[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_slow_libraries_are_left_alone_at_the_beginning_of_a_run() -> None:
    assert not _SLOW & packages(loaded_by("import harness.plugin"))


def test_slow_libraries_and_what_makes_a_scenario_happen_are_left_alone_by_a_list_of_them() -> None:
    loaded = loaded_by(_MATRIX)

    assert not _SLOW & packages(loaded)
    assert "harness.stories.failures.scenarios.hook_fails" in loaded
    assert not loaded & {
        "harness.checks.operator",
        "harness.install_checks",
        "harness.registries.local",
        "harness.releases.install",
        "harness.releases.observe",
        "harness.releases.operator_seen",
        "harness.stories.failures.fault",
        "harness.stories.path_context",
        "harness.stories.registries.context",
        "harness.upgrades.detour",
        "harness.upgrades.recorder",
    }


def test_plugins_of_pytest_that_no_run_uses_are_left_alone() -> None:
    loaded = loaded_by("from harness.cli import main\nmain(['run', '--tag', 'smoke', '--collect-only', '-q'])")

    assert "harness.plugin" in loaded
    assert not loaded & {"anyio", "pykube", "pytest_kind", "requests"}


def test_a_late_module_is_the_module() -> None:
    from kubernetes import client

    assert late.client.CoreV1Api is client.CoreV1Api
    with pytest.raises(AttributeError, match="NoSuchApi"):
        getattr(late.client, "NoSuchApi")  # noqa: B009  # mypy knows that there is none


def test_modules_are_loaded_before_they_are_used() -> None:
    assert "kubernetes" in loaded_by("from harness import late\nlate.load('kubernetes.config')")
