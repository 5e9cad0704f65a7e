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

loaded = []
for act in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()):
        exec(act)
    loaded.append(sorted(sys.modules))
print(json.dumps(loaded))
"""
_MATRIX = "from harness.cli import main; main(['matrix', '--json'])"
_BEGINNING = "import harness.plugin"
_COLLECTION = "from harness.cli import main; main(['run', '--tag', 'smoke', '--collect-only', '-q'])"


def loaded_by(*acts: str) -> list[set[str]]:
    """The modules that a process has after each; one of its own, since this one has loaded them long ago."""
    argv = [sys.executable, "-c", _PROGRAM, json.dumps(acts)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    return [set(it) for it in json.loads(done.stdout)]


def packages(modules: Iterable[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_what_is_slow_or_makes_a_scenario_happen_is_left_alone_until_a_run_needs_it() -> None:
    listed, begun, collected = loaded_by(_MATRIX, _BEGINNING, _COLLECTION)

    assert not _SLOW & packages(listed)
    assert "harness.stories.failures.scenarios.hook_fails" in listed
    assert not listed & {
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

    assert "harness.plugin" not in listed
    assert "harness.plugin" in begun
    assert not _SLOW & packages(begun)

    # Plugins of pytest that no run uses.
    assert "xdist" in packages(collected - begun)
    assert not collected & {"anyio", "pykube", "pytest_kind", "requests"}


def test_a_late_module_is_the_module() -> None:
    from kubernetes import client

    assert late.client.CoreV1Api is client.CoreV1Api
    with pytest.raises(AttributeError, match="NoSuchApi"):
        getattr(late.client, "NoSuchApi")  # noqa: B009  # mypy knows that there is none


def test_modules_are_loaded_before_they_are_used() -> None:
    (loaded,) = loaded_by("from harness import late; late.load('kubernetes.config')")
    assert "kubernetes" in loaded
