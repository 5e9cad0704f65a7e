# SPDX-License-Identifier: Apache-2.0
"""Whether this host can run a request: its engine, its disk, its programs, and the source of images that it can use."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from harness.bootstrap import tools
from harness.errors import ToolError
from harness.host import disk, engine, pressure
from harness.host.engine_mark import NO_ENGINE, EngineMark
from harness.late import psutil
from harness.registries.source_choice import Choice, detect
from harness.releases import ways
from harness.report.model import HostResult
from harness.run.setup import Request
from harness.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Host:
    """A host that can run the request, with the programs and the source of images that it will use."""

    result: HostResult
    choice: Choice
    tools: Mapping[str, tools.Tool]
    engine_data: Path = Path("/")
    engine: EngineMark = NO_ENGINE
    engine_cpus: int = 0

    def processors(self, settings: Settings) -> float:
        """How many processors runs may keep busy here: those of the settings, or what this process and the engine have.

        Where the engine is another machine's, what this process may use says nothing of it.
        """
        if "processors" in settings.model_fields_set or not self.engine_cpus:
            return settings.processors
        return float(self.engine_cpus) if self._elsewhere else min(settings.processors, self.engine_cpus)

    def load(self) -> float:
        """How many processes want each processor of the engine's machine; zero where that is another than this."""
        return 0.0 if self._elsewhere or not self.engine_cpus else pressure.of_last_minute()

    @property
    def _elsewhere(self) -> bool:
        return self.engine.reached.startswith(("DOCKER_HOST=tcp:", "DOCKER_HOST=ssh:"))


def host(asked: Request) -> Host:
    """Look whether this host can do it. Raises EngineError, DiskError, ToolError or UsageError (a source)."""
    if asked.existing is not None:
        return _of_guest(asked)
    found = engine.probe(asked.settings)
    disk.require(asked.settings.cache_dir, asked.settings.min_disk_gb * disk.GIGABYTE, what="a run")
    choice = asked.source or detect(asked.settings, asked.options.source)
    names = [*_programs(asked), *dict.fromkeys(cell.environment.provider for cell in asked.cells)]
    must = choice.kind == "foundry" or asked.under_test is not None
    if must:
        names.append("registry")
    minors = list(dict.fromkeys(cell.environment.minor for cell in asked.cells))
    clusters = tools.clusters_of(cell.environment for cell in asked.cells)
    resolved = tools.resolve(asked.settings, names, minors, clusters=clusters)
    if not must and asked.settings.image_cache_gb:
        resolved |= registry_if_built(asked.settings)
    return Host(
        result=_result(engine=str(found), cgroup=f"v{found.cgroup_version}"),
        choice=choice,
        tools=resolved,
        engine_data=found.data_root,
        engine=found.mark,
        engine_cpus=found.cpus,
    )


def registry_if_built(settings: Settings) -> dict[str, tools.Tool]:
    """The server of the image cache; empty where none is built, which needs Go: then a run does without the cache."""
    try:
        return tools.resolve(settings, ["registry"])
    except ToolError:
        return {}


def _of_guest(asked: Request) -> Host:
    """The host of a run whose cluster is there: no container engine is needed, and no program that makes clusters."""
    disk.require(asked.settings.cache_dir, asked.settings.min_disk_gb * disk.GIGABYTE, what="a run")
    choice = asked.source or detect(asked.settings, asked.options.source)
    minors = list(dict.fromkeys(cell.environment.minor for cell in asked.cells))
    try:
        resolved = tools.resolve(asked.settings, _programs(asked), minors)
    except ToolError as missing:
        raise ToolError(
            missing.message, "put them on PATH, or let `harness tool helm` and `harness tool kubectl` build them"
        ) from missing
    return Host(result=_result(engine="none is needed", cgroup=""), choice=choice, tools=resolved)


def _programs(asked: Request) -> list[str]:
    """What every run calls, and what its paths' ways do."""
    return ["helm", "kubectl", *ways.tools_of(cell.path for cell in asked.cells)]


def _result(*, engine: str, cgroup: str) -> HostResult:
    return HostResult(
        os=_operating_system(),
        kernel=platform.release(),
        cpus=os.cpu_count() or 1,
        memory_mib=psutil.virtual_memory().total >> 20,
        engine=engine,
        cgroup=cgroup,
    )


def ahead(asked: Request) -> Callable[[], Host]:
    """Begin to look, in a thread; what is returned waits for the answer, and raises what `host` raises.

    It takes programs that this process would only wait for, while there is much to import.
    """
    looked: Future[Host] = Future()

    def look() -> None:
        try:
            looked.set_result(host(asked))
        except BaseException as error:
            looked.set_exception(error)

    # A daemon: where pytest finds nothing to run, nobody waits for it.
    threading.Thread(target=look, name="host", daemon=True).start()
    return looked.result


def _operating_system() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.system()
    return release.get("PRETTY_NAME", platform.system())
