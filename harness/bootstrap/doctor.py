# SPDX-License-Identifier: Apache-2.0
"""Checks each prerequisite on this host, with a remedy for those that are not met. Read-only."""

from __future__ import annotations

import platform
import re
import shutil
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from harness.bootstrap import reach, tools
from harness.bootstrap.prerequisite import Prerequisite, failure, ok, warning
from harness.errors import EngineError, HarnessError
from harness.foundry import gobuild
from harness.foundry.store import Store
from harness.host import capabilities, disk, engine, packages
from harness.images.references import PUBLIC_HOSTS, is_loopback
from harness.matrix import catalogue
from harness.matrix.model import Environment
from harness.matrix.versions import numbers
from harness.processors import usable
from harness.registries.source_choice import probe_all
from harness.releases import own_catalogue
from harness.settings import Settings

_PYTHON = (3, 11)
_GO_FETCHES_ITSELF = (1, 21)
_COLD_BYTES = 25e9
_MEMORY_NEEDED = 4e9
_MEMORY_WANTED = 8e9
_CPUS_WANTED = 2
_INOTIFY_WANTED = 512
_IN_CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))
_MORE = "a virtual machine can be given more: Docker Desktop, Settings, Resources; colima start --cpu 4 --memory 8"
_UNREACHABLE = (
    "clusters listen on 127.0.0.1 of the engine's machine, where this one does not reach them: run the harness there, "
    "or in a container with its network (docker run --network host)"
)
_FOR_EVERY_CELL = ("helm", tools.KUBECTL)


def examine(settings: Settings, minors: Sequence[str] = ()) -> list[Prerequisite]:
    """Check every prerequisite. `minors` are the Kubernetes minors that kubectl must support.

    Each registry is asked once, all at the same time, for at most five seconds.

    Raises CatalogueError for mistakes in a user's rows.
    """
    own_catalogue.read(settings.catalogue_dirs)
    found, about_engine = _engine(settings)
    return [
        *about_engine,
        _capabilities(found),
        _cgroups(found),
        _disk("disk of the cache", settings.cache_dir, settings),
        _disk_of_engine(found, settings),
        _memory(found),
        _processors(found),
        _inotify(),
        _python(),
        _go(),
        _build_packages(),
        *_tools(settings, minors),
        _ports(),
        _proxy(),
        *_registries(settings),
        _artefacts(settings),
    ]


def registries(settings: Settings) -> list[Prerequisite]:
    """What of the registries works from here: each is asked for an image that runs pull. Takes ten seconds at most."""
    known = catalogue.load(own=own_catalogue.read(settings.catalogue_dirs))
    images = [*(it.image for it in reversed(known.releases)), *(it.node_image for it in known.environments)]
    return reach.examine(settings, filter(None, images))


def _engine(settings: Settings) -> tuple[engine.Engine | None, list[Prerequisite]]:
    name, access, storage = "container engine", "engine permission", "engine storage"
    try:
        found = engine.probe(settings)
    except engine.EngineUnsupported as other:
        return None, [failure(name, other.message, other.next_step)]
    except engine.EngineRefusal as refused:
        return None, [ok(name, "it runs"), failure(access, refused.message, refused.next_step)]
    except EngineError as absent:
        return None, [
            failure(name, absent.message, absent.next_step),
            warning(access, "unknown, since no engine answers", "see above"),
        ]
    by = ", started by the harness" if found.ours else ""
    which = f"{found} on {found.operating_system}{by}"
    unlike, remedy = _unlike(found)
    return found, [
        warning(name, f"{which}{unlike}", remedy) if remedy else ok(name, which),
        ok(access, "this user has access"),
        warning(storage, "vfs, which copies every layer", "put the data root on ext4 or xfs, so that overlay2 works")
        if found.storage_driver == "vfs"
        else ok(storage, f"{found.storage_driver} in {found.data_root}"),
    ]


def _unlike(found: engine.Engine) -> tuple[str, str]:
    """What an engine is that cells may not work with, and what to do about it; empty for the usual one."""
    far = found.mark.reached.removeprefix("DOCKER_HOST=")
    if found.product != "Docker":
        return "", "`nox -s clean` works with it; no cell was ever run with it: use Docker for cells"
    if found.of_a_snap:
        # https://snapcraft.io/docs/home-interface; a snap has a /tmp of its own.
        away = "sudo snap remove docker, then: sudo apt-get install docker.io"
        return ", from a snap, which sees neither /tmp nor hidden folders of home such as ~/.cache", away
    if found.rootless:
        needs = "see https://kind.sigs.k8s.io/docs/user/rootless/ for what kind needs then"
        return ", rootless", f"no cell was ever run with it: {needs}, or use an engine of root's"
    if far.startswith(("tcp:", "ssh:")) and not is_loopback(urlsplit(far).hostname or ""):
        return f", on {found.mark.host}", _UNREACHABLE
    if not found.here and any(map(Path.exists, _IN_CONTAINER)) and found.mark.host != platform.node():
        return f", outside of this container, on {found.mark.host}", _UNREACHABLE
    return "", ""


def _capabilities(found: engine.Engine | None) -> Prerequisite:
    name = "capabilities"
    if found and not found.here:
        # Those of this process, in an ordinary container, say nothing of nodes in an engine outside of it.
        return ok(name, f"those of {found.mark.host or 'its machine'} count, where the engine is")
    absent = capabilities.missing()
    if not absent:
        return ok(name, "all")
    listed = f"missing on this host: {', '.join(sorted(absent))}"
    hard = [it for it in capabilities.NEEDED_BY_NODES if it in absent and it != "CAP_SYS_RESOURCE"]
    if hard:
        return failure(name, listed, f"nodes need {' and '.join(hard)}: use a host or a container that has them")
    if found and not found.ours and found.default_runtime == "runc":
        return warning(
            name,
            f"{listed}, and the running engine's runtime does not work around that",
            "if privileged containers fail with 'unable to apply caps', stop that engine and run `nox -s bootstrap`",
        )
    return ok(name, f"{listed}; the harness's engine starts privileged containers without them")


def _cgroups(found: engine.Engine | None) -> Prerequisite:
    name = "cgroups"
    if platform.system() != "Linux" and found is None:
        return ok(name, f"inside the virtual machine of {platform.system()}'s engine")
    version = found.cgroup_version if found and not found.here else capabilities.cgroup_version()
    if version == 2:
        return ok(name, "version 2")
    if version == 1:
        return warning(
            name,
            "version 1, which Kubernetes deprecates: from 1.35 on the harness sets failCgroupV1: false for the kubelet",
            "in %UserProfile%\\.wslconfig, [wsl2]: kernelCommandLine = cgroup_no_v1=all; then: wsl --shutdown"
            if "microsoft" in platform.release().lower()
            else "if possible, boot with systemd.unified_cgroup_hierarchy=1",
        )
    return failure(name, "not mounted", "mount cgroups on /sys/fs/cgroup; container engines need them")


def _disk(name: str, folder: Path, settings: Settings) -> Prerequisite:
    there = disk.free(folder)
    found = f"{there / disk.GIGABYTE:.0f} GB free for {folder}"
    if there < settings.min_disk_gb * disk.GIGABYTE:
        return failure(
            name, found, f"free some space: a run needs {settings.min_disk_gb:.0f} GB (`harness foundry prune`)"
        )
    if there < _COLD_BYTES and not Store.of(settings).artifacts():
        return warning(name, found, f"a first bootstrap with the foundry needs {_COLD_BYTES / disk.GIGABYTE:.0f} GB")
    return ok(name, found)


def _disk_of_engine(found: engine.Engine | None, settings: Settings) -> Prerequisite:
    name = "disk of the engine"
    if found is None or found.here:
        return _disk(name, found.data_root if found else settings.cache_dir / "engine", settings)
    return warning(
        name,
        f"not seen: {found.data_root} is not on this machine's disks",
        f"see that {found.mark.host or 'its machine'} has {settings.min_disk_gb:.0f} GB free for a run, and "
        f"{_COLD_BYTES / disk.GIGABYTE:.0f} GB for a first bootstrap with the foundry",
    )


def _memory(engine_found: engine.Engine | None) -> Prerequisite:
    name, memory = "memory", psutil.virtual_memory()
    total, available = memory.total, memory.available
    found = f"{total / 1e9:.0f} GB, {available / 1e9:.0f} GB available"
    more = ""
    if engine_found and not engine_found.here and engine_found.memory:
        total = available = engine_found.memory
        found = f"{total / 1e9:.0f} GB on {engine_found.mark.host}, where the engine is"
        more = f" ({_MORE})"
    if total < _MEMORY_NEEDED:
        return failure(name, found, f"a cluster with an operator and an application needs 4 GB{more}")
    if available < _MEMORY_WANTED:
        return warning(name, found, f"two clusters in parallel need 8 GB: stop other programs, or use --jobs 1{more}")
    return ok(name, found)


def _processors(engine_found: engine.Engine | None) -> Prerequisite:
    count, more = usable(), ""
    if engine_found and engine_found.cpus and not engine_found.here:
        count, more = float(engine_found.cpus), f" ({_MORE})"
    if count < _CPUS_WANTED:
        return warning(
            "processors", f"{count:g}", f"waits may time out with one: use --jobs 1, or HARNESS_APP_SLOTS=1{more}"
        )
    return ok("processors", f"{count:g}")


def _inotify() -> Prerequisite:
    # Nodes share the host's limit: https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files
    name, file = "inotify instances", Path("/proc/sys/fs/inotify/max_user_instances")
    if not file.is_file():
        return ok(name, f"inside the virtual machine of {platform.system()}'s engine")
    limit = int(file.read_text())
    if limit < _INOTIFY_WANTED:
        return warning(
            name,
            f"{limit} per user, enough for about two nodes",
            f"sudo sysctl fs.inotify.max_user_instances={_INOTIFY_WANTED}",
        )
    return ok(name, f"{limit} a user")


def _python() -> Prerequisite:
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] < _PYTHON:
        return failure("Python", found, f"install Python {'.'.join(map(str, _PYTHON))} or newer")
    return ok("Python", found)


def _go() -> Prerequisite:
    name = "Go"
    program = shutil.which("go")
    if program is None:
        return warning(name, "not on PATH", f"the foundry needs {gobuild.NEEDED_GO}: https://go.dev/dl/")
    try:
        answer, toolchain, proxy = gobuild.settings_of_go("GOVERSION", "GOTOOLCHAIN", "GOPROXY")
    except HarnessError as error:
        return warning(
            name, f"{program}: {error.message}", f"the foundry needs {gobuild.NEEDED_GO}: https://go.dev/dl/"
        )
    match = re.match(r"go(\d+)\.(\d+)", answer)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version >= numbers(gobuild.OLDEST_GO)[:2]:
        return ok(name, f"{answer} at {program}")
    if version < _GO_FETCHES_ITSELF:
        return warning(name, f"{answer or 'no version'} at {program}", f"the foundry needs {gobuild.NEEDED_GO}")
    # https://go.dev/doc/toolchain: some distributions and images come with `local`.
    if toolchain.endswith("auto") and proxy != "off":
        return ok(name, f"{answer} at {program}, which downloads the toolchain that a module requires")
    why = f"GOTOOLCHAIN={toolchain}" if not toolchain.endswith("auto") else f"GOPROXY={proxy}"
    return warning(
        name,
        f"{answer} at {program}, which may download no newer one ({why})",
        f"the foundry needs {gobuild.NEEDED_GO}: https://go.dev/dl/"
        + ("" if toolchain.endswith("auto") else ", or export GOTOOLCHAIN=auto"),
    )


def _build_packages() -> Prerequisite:
    name = "build packages"
    absent = packages.missing_build_packages()
    if absent:
        return warning(
            name,
            f"missing: {' '.join(absent)}",
            f"for the foundry: `nox -s bootstrap` as root installs them, or: sudo apt-get install {' '.join(absent)}"
            if shutil.which("apt-get")
            else "only the foundry needs them, which builds on Debian and Ubuntu: use --source upstream or mirror here",
        )
    return ok(name, "all installed")


def _tools(settings: Settings, minors: Sequence[str]) -> list[Prerequisite]:
    result = []
    chosen = _default_environments()
    # A provider's program has its name.
    needed = {*_FOR_EVERY_CELL, *(it.provider for it in chosen)}
    for name in tools.catalogue():
        judge = failure if name in needed else warning
        for minor in (minors or ("",)) if name == tools.KUBECTL else ("",):
            title = f"{name} for {minor}" if minor else name
            result.append(_tool(settings, title, name, minor, judge=judge, clusters=tools.clusters_of(chosen)))
    return [*result, *_for_other_clusters(settings, chosen)]


def _tool(
    settings: Settings,
    title: str,
    name: str,
    minor: str = "",
    *,
    judge: Callable[[str, str, str], Prerequisite],
    clusters: tools.Clusters,
) -> Prerequisite:
    try:
        tool = next(iter(tools.resolve(settings, [name], [minor] if minor else [], clusters=clusters).values()))
    except HarnessError as error:
        return judge(title, error.message, error.next_step)
    found = f"{tool.version} at {tool.path} ({tool.origin})"
    if tool.passed_over:
        return warning(
            title, f"{found}; {tool.passed_over}", f"for the one of PATH, put a supported {name} first on it"
        )
    return ok(title, found)


def _for_other_clusters(settings: Settings, chosen: Sequence[Environment]) -> Iterator[Prerequisite]:
    """What no default cell needs: the providers' programs for environments that ask for a newer version."""
    for name, row in tools.catalogue().items():
        for environment in catalogue.of(settings).environments:
            narrower = row.narrower([environment.minor]) if environment.provider == name else None
            if narrower and environment not in chosen:
                clusters = {name: [environment.minor]}
                yield _tool(settings, f"{name} for {environment.name}", name, judge=warning, clusters=clusters)


def _default_environments() -> list[Environment]:
    known = catalogue.load()
    names = dict.fromkeys(it for row in known.defaults.default for it in known.environment_names(row.environments))
    return [known.environment(it) for it in names]


def _ports() -> Prerequisite:
    name = "loopback ports"
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    except OSError as error:
        return failure(name, f"cannot bind a port on 127.0.0.1: {error}", "allow this user to listen on 127.0.0.1")
    return ok(name, f"available on 127.0.0.1 (for example {port})")


def _proxy() -> Prerequisite:
    name = "proxy"
    proxies = {kind: url for kind, url in urllib.request.getproxies().items() if kind in ("http", "https", "all")}
    if not proxies:
        return ok(name, "none is set")
    if urllib.request.proxy_bypass("127.0.0.1"):
        return ok(name, f"set for {', '.join(sorted(proxies))}, not used for 127.0.0.1")
    return warning(
        name,
        f"set for {', '.join(sorted(proxies))}, also for 127.0.0.1, where clusters and registries listen",
        "export NO_PROXY=127.0.0.1,localhost,.svc,10.0.0.0/8,172.16.0.0/12",
    )


def _registries(settings: Settings) -> list[Prerequisite]:
    remedy = "use --source mirror with a mirror map, or --source foundry"
    public = probe_all([host for host in PUBLIC_HOSTS if host not in settings.mirrors])
    mirrored = probe_all(settings.mirrors, mirrors=settings.mirror_map) if settings.mirrors else {}
    return [
        *(_answer(f"registry {host}", problem, remedy) for host, problem in public.items()),
        *(
            _answer(f"mirror of {host}", problem, f'correct [mirrors."{host}"] in harness.toml')
            for host, problem in mirrored.items()
        ),
    ]


def _answer(name: str, problem: str, remedy: str) -> Prerequisite:
    return warning(name, problem, remedy) if problem else ok(name, "answers")


def _artefacts(settings: Settings) -> Prerequisite:
    name, stored = "foundry artefacts", Store.of(settings).artifacts()
    if not stored:
        return warning(name, "none", "only the foundry needs them: nox -s bootstrap")
    size = sum(artifact.size for artifact in stored) / 1e9
    return ok(name, f"{len(stored)}, {size:.1f} GB, in {Store.of(settings).root}")
