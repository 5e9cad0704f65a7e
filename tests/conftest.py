# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

from __future__ import annotations

import gc
import signal
from pathlib import Path
from typing import Any

import groups
import pytest

pytest_plugins = ["pytester"]

# A shell that starts something in the background lets it, and all that it starts, ignore Ctrl-C. Tests send that signal
# to their children, which must then hear it wherever the tests were started.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Nothing of what is imported and collected is garbage, and each worker looked for some ever again.
gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the garbage collector leave alone what lives until the end: thousands of tests, and all modules.

    pytest collects several times at the end of each session, and many tests here run a session of their own.
    """
    gc.freeze()
    gc.enable()


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a command see no cache, no reports and no cluster of whoever runs the tests."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HARNESS_REPORTS", str(tmp_path / "reports"))
    monkeypatch.delenv("KUBECONFIG", raising=False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep tests together that share what is costly to make; None leaves the choice to xdist."""
    return groups.scheduler(config, log) if config.getoption("dist") == "loadgroup" else None
