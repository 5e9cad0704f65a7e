# SPDX-License-Identifier: Apache-2.0
"""The container engine: found, or on a Debian host installed and started."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import CommandError, CommandTimeout, EngineError
from harness.host import access, capabilities, dockerd, packages
from harness.host.engine_mark import NO_ENGINE, EngineMark, mark_of
from harness.host.steps import Progress
from harness.process import call
from harness.settings import Settings

_INFO_TIMEOUT = 30.0
_START_TIMEOUT = 90.0
_SERVICE_TIMEOUT = 120.0


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A running container engine. `memory` is in bytes; `ours` says whether the harness started it.

    `mark` says which one it is, `product` whose: Podman answers Docker's client, too.
    """

    client: Path
    version: str
    data_root: Path
    storage_driver: str
    cgroup_version: int
    default_runtime: str
    cpus: int
    memory: int
    operating_system: str
    ours: bool = False
    mark: EngineMark = NO_ENGINE
    product: str = "Docker"
    rootless: bool = False

    @property
    def here(self) -> bool:
        """Whether it is this very machine's, and not that of a virtual machine, of a container's host or of a server.

        Of another's, neither the disk nor the memory of this one says anything.
        """
        return self.mark.host in ("", platform.node()) and os.path.exists(self.data_root)  # noqa: PTH110 - one that may not be entered is not seen

    @property
    def of_a_snap(self) -> bool:
        """Whether engine or client come as a snap, which sees neither /tmp nor hidden folders of a home folder."""
        return self.data_root.is_relative_to("/var/snap") or self.client.is_relative_to("/snap")

    def __str__(self) -> str:
        return f"{self.product} {self.version}"


def probe(settings: Settings) -> Engine:
    """The running engine. Starts nothing. Raises EngineError with the remedy."""
    client = shutil.which("docker")
    if client is None:
        raise EngineError("there is no container engine: the program docker is not on PATH", access.how_to_install())
    try:
        answer = call([client, "info", "--format", "{{json .}}"], timeout=_INFO_TIMEOUT, check=False)
    except CommandTimeout as hung:
        raise EngineError(
            f"the container engine does not answer within {_INFO_TIMEOUT:.0f} s",
            "see its log (journalctl -u docker), or restart it",
        ) from hung
    info = parse_info(answer.stdout)
    # Docker's client puts refusals into ServerErrors or on stderr, depending on its version; what stands in for it in
    # WSL, where Docker Desktop is not switched on, explains itself on stdout.
    said = answer.stderr if answer.stdout.lstrip().startswith("{") else f"{answer.stdout} {answer.stderr}"
    problem = " ".join([*map(str, info.get("ServerErrors") or ()), *said.split()]).strip()
    if "store" in info and "host" in info:
        # `docker` is Podman itself, which answers in words of its own (podman-info(1)).
        raise _podman()
    if not info.get("ServerVersion"):
        raise _refusal(problem, settings, mark_of(info).reached)
    data_root = Path(str(info.get("DockerRootDir") or "/var/lib/docker"))
    return Engine(
        client=Path(client),
        version=str(info["ServerVersion"]),
        data_root=data_root,
        storage_driver=str(info.get("Driver", "")),
        cgroup_version=int(info.get("CgroupVersion") or capabilities.cgroup_version()),
        default_runtime=str(info.get("DefaultRuntime", "")),
        cpus=int(info.get("NCPU") or 0),
        memory=int(info.get("MemTotal") or 0),
        operating_system=str(info.get("OperatingSystem", "")),
        # DOCKER_HOST may lead to another one.
        ours=dockerd_runs(settings) and data_root.resolve() == (_folder(settings) / "data").resolve(),
        mark=mark_of(info),
        product=_product(info),
        rootless=any("rootless" in str(it) for it in info.get("SecurityOptions") or ()),
    )


def ensure_engine(settings: Settings, progress: Progress = lambda line: None) -> Engine:
    """A running engine: an existing one, else one that is installed and started here.

    Installing needs root and apt. Under systemd the service is started; elsewhere, and where root lacks
    CAP_SYS_RESOURCE, a dockerd of our own with its data in the cache folder. Raises EngineError with the remedy.
    """
    try:
        return probe(settings)
    except EngineError as refused:
        if isinstance(refused, EngineRefusal | EngineElsewhere) or not _may_start():
            raise
    log_file = settings.cache_dir / "logs" / "engine-packages.log"
    if shutil.which("dockerd") is None:
        packages.install(["docker.io", "iptables"], log_file=log_file, progress=progress)
    if shutil.which("docker") is None:
        # From Debian 13 on the client is a package of its own that docker.io only recommends.
        packages.install(["docker-cli"], log_file=log_file, progress=progress)
    if packages.systemd_runs() and not capabilities.missing():
        progress("starting the docker service")
        try:
            call(["systemctl", "start", "docker"], timeout=_SERVICE_TIMEOUT)
        except CommandError as failed:
            raise EngineError(
                f"the docker service does not start: {failed.message}", "see journalctl -u docker"
            ) from failed
    else:
        progress("starting dockerd")
        dockerd.start(_folder(settings), timeout=_START_TIMEOUT)
    return probe(settings)


def stop_engine(settings: Settings, *, remove_data: bool = False, progress: Progress = lambda line: None) -> bool:
    """Stop the dockerd that the harness started, if any; no other is touched.

    With `remove_data` its images, containers and volumes are removed too. Returns whether there was anything of ours.
    Raises EngineError when containers are left in it that something else may still need.
    """
    return dockerd.stop(_folder(settings), remove_data=remove_data, progress=progress)


def dockerd_runs(settings: Settings) -> bool:
    """Whether the dockerd that the harness started from this cache is running."""
    return dockerd.running(_folder(settings)) is not None


class EngineRefusal(EngineError):
    """There is an engine, but this user has no access to it."""


class EngineUnsupported(EngineRefusal):
    """What answers is another kind of engine, beside which none is installed."""


class EngineElsewhere(EngineError):
    """The user has named an engine (DOCKER_HOST, a context), which does not answer; one that was started would not be
    asked."""


def _folder(settings: Settings) -> Path:
    return settings.cache_dir / "engine"


def _may_start() -> bool:
    return packages.can_install() or (os.name == "posix" and os.geteuid() == 0 and shutil.which("dockerd") is not None)


def parse_info(text: str) -> dict[str, Any]:
    """An answer of `docker info` as JSON; empty for anything else."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _product(info: Mapping[str, Any]) -> str:
    """Whose engine it is: Podman's is known by its log driver (`docker info` of Podman 4.3)."""
    plugins = info.get("Plugins")
    drivers = plugins.get("Log") if isinstance(plugins, Mapping) else None
    return "Podman" if "k8s-file" in (drivers or ()) else "Docker"


def _podman() -> EngineError:
    return EngineUnsupported(
        "the docker command is Podman here, which the harness does not support", access.how_to_replace_podman()
    )


def _refusal(problem: str, settings: Settings, reached: str) -> EngineError:
    """What a user can do about an engine that says this, where it is `reached` by that variable."""
    lowered = problem.lower()
    if "permission denied" in lowered and not reached.startswith("DOCKER_HOST=ssh:"):
        return EngineRefusal(
            f"the container engine denies access to this user: {problem}", access.how_to_get_access(problem)
        )
    if reached:
        return EngineElsewhere(
            f"no container engine answers at {reached}: {problem}", access.how_to_reach(reached, problem)
        )
    if "podman" in lowered:
        return _podman()
    log_file = dockerd.log_file(_folder(settings))
    seen = f" (log of the one that the harness started: {log_file})" if log_file.is_file() else ""
    remedy = "run `nox -s bootstrap`, which starts it" if _may_start() else access.how_to_start(problem)
    return EngineError(f"the container engine is not running{seen}: {problem}", remedy)
