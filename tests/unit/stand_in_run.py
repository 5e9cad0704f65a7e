# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin for the tests of ours: a run whose clusters are stand-ins.

It takes the places of run_fakes.py, of the host's look-up and of the last look for what was left; selection, plan,
runner, groups, stories and report are real. STAND_IN_RUN names a folder for what the stand-ins write; `events` in it
gets what they were asked to do.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import psutil
import pytest
import run_fakes

from harness.cleanup.remains import Survey
from harness.run import run_host, runner
from harness.stories.installs import scenarios

FOLDER = "STAND_IN_RUN"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take the places."""
    folder = Path(os.environ[FOLDER])
    stage, patches = run_fakes.Stage(folder=folder), pytest.MonkeyPatch()
    stage.plays = dict.fromkeys(scenarios.discover(), run_fakes.holds)
    run_fakes.take_places(stage, patches)
    patches.setattr(runner, "Resources", lambda run_id, *_: run_fakes.FakeResources(stage, run_id))
    patches.setattr(runner, "look", lambda run_id, entries, **_: Survey(remains=()))
    # No verdict may depend on what else this machine is busy with.
    patches.setattr(psutil, "getloadavg", lambda: (0.5, 0.5, 0.5))
    patches.setattr(run_host, "host", lambda asked: run_fakes.host())

    def tell() -> None:
        mirrors = {spec.name: sorted(spec.mirrors.mirrors) for spec in stage.specs}
        nodes = {spec.name: spec.nodes for spec in stage.specs}
        secrets = sorted({secret for asked in stage.evidence for secret in asked.secrets})
        told = {"events": stage.events, "mirrors": mirrors, "nodes": nodes, "secrets": secrets}
        (folder / "told.json").write_text(json.dumps(told))

    config.add_cleanup(patches.undo)
    config.add_cleanup(tell)
