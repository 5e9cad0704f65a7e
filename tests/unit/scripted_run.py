# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin for the tests of ours: a run whose verdicts are written in a script, without clusters and engine.

It takes the place of the host's look-up and of the runner, nothing else: options, items, outcomes, report, exit status
and xdist are real. Cells on real clusters are what tests/e2e and `harness run` are for.

SCRIPTED_RUN names a folder: script.json in it maps a cell's name to a verdict (default: passed), or to `interrupt`,
`ended` or `wait`; `message` in it is what is found, and `say` what is printed meanwhile. `events` gets one line for
everything that the runner was asked to do.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.bootstrap.tools import Tool
from harness.errors import HarnessError
from harness.registries.source_choice import Choice
from harness.report.model import CellResult, HostResult, PlannedCluster, cell_result
from harness.report.repro import repro
from harness.run import plan, run_host, session, setup
from harness.run.attempt import Attempt, Kept
from harness.verdicts import Finding, Verdict

FOLDER = "SCRIPTED_RUN"
LOCK = "sha256:" + "cd" * 32
HOST = run_host.Host(
    result=HostResult(os="Debian 12", kernel="6", cpus=2, memory_mib=1, engine="Docker 20", cgroup="v1"),
    choice=Choice(kind="foundry", why="the script says so"),
    tools={"kind": Tool(name="kind", path=Path("/kind"), version="0.33.0", origin="foundry")},
)


def script() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(os.environ[FOLDER]) / "script.json").read_text())
    return found


def note(line: str) -> None:
    with (Path(os.environ[FOLDER]) / "events").open("a") as sink:
        sink.write(f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')} {line}\n")


def host(asked: setup.Request) -> run_host.Host:
    """The host's look-up."""
    note("host")
    return HOST


class ScriptedRunner:
    """Has the methods of harness.run.runner.Runner."""

    def __init__(
        self,
        run_id: str,
        asked: setup.Request,
        host: run_host.Host,
        *,
        evidence_folder: Callable[[Attempt], Path],
        say: Callable[[str], None],
        expect: plan.Expect,
        done: Callable[[CellResult], None],
    ) -> None:
        self.kept: list[Kept] = []
        self.plan: tuple[PlannedCluster, ...] = ()
        self.operator_changes: Mapping[str, tuple[str, ...]] = {}
        self._expect = expect
        self._done = done
        self._say = say
        self._asked = asked
        self._started: set[str] = set()
        self._evidence_folder = evidence_folder

    def open(self) -> None:
        note("open")
        if "open" in script():
            raise HarnessError(script()["open"], "look at the script")

    def start(self, attempts: Iterable[Attempt]) -> list[PlannedCluster]:
        fresh = [attempt for attempt in attempts if attempt.name not in self._started]
        for attempt in fresh:
            note(f"start {attempt.name}")
            self._started.add(attempt.name)
        groups = plan.grouped(fresh)
        names = [f"soh-{number}" for number in range(1, len(groups) + 1)]
        if "last-first" in script():
            groups.reverse()
        planned = plan.planned(groups, names=names, jobs=1, budget=1, expect=self._expect)
        self.plan += tuple(it.model_copy(update={"started": 0.5, "ended": 9.0}) for it in planned)
        return planned

    def result(self, attempt: Attempt) -> CellResult:
        note(f"result {attempt.name}")
        for line in script().get("say", []):
            self._say(line)
        said = script().get(attempt.name, "passed")
        if said == "wait":
            threading.Event().wait(60)
        if said == "interrupt":
            raise KeyboardInterrupt
        if said == "ended":
            raise HarnessError(f"{attempt.name} was not run: the run was ended")
        evidence = ""
        if said in ("failed", "error"):
            evidence = str(self._evidence_folder(attempt))
            Path(evidence).mkdir(parents=True)
        found = cell_result(
            attempt.cell,
            [
                Finding(
                    check="scripted",
                    verdict=Verdict(said),
                    message=script().get("message") or f"the script says {said}",
                )
            ],
            repro=repro(attempt.cell.id, lock=LOCK),
            phases={"scenario": 1.0},
            evidence=evidence,
            attempt=attempt.number,
        )
        self._done(found)
        return found

    def close(self) -> list[str]:
        if "slow-close" in script():
            note("closing")
            threading.Event().wait(1)
        note("close")
        if self._asked.options.keep:
            words = {"shell": "docker exec -it n bash", "remove": "nox -s clean", "look": "harness shell a/b/c"}
            kubectl, kubeconfig = Path("/somewhere/kubectl"), Path("/somewhere/kubeconfig")
            self.kept.append(Kept(cluster="soh-1", kubeconfig=kubeconfig, kubectl=kubectl, **words))
        return list(script().get("leaks", []))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take the places."""
    patches = pytest.MonkeyPatch()
    patches.setattr(session, "Runner", ScriptedRunner)
    if "real-host" not in script():
        patches.setattr(run_host, "host", host)
        for understood in config.pluginmanager.get_plugins():
            if isinstance(understood, setup.Understood):
                # `harness run` has begun to look before this plugin is there.
                object.__setattr__(understood, "host", lambda asked=understood.request: host(asked))
    config.add_cleanup(patches.undo)
