# SPDX-License-Identifier: Apache-2.0
"""The host's part of the small internet: its content, its folder, and the process in namespaces that serves it."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from harness import process
from harness.bootstrap import tools
from harness.errors import HostError
from harness.evidence.ledger import Ledger, ledger_folder, new_run_id
from harness.foundry import connect_clients, gobuild
from harness.foundry.assemble import share
from harness.foundry.kubernetes import row_of
from harness.foundry.store import Recipe, Store
from harness.home import PACKAGE
from harness.host import disk
from harness.internet import content
from harness.internet.content import Content
from harness.internet.link import Link
from harness.internet.machine import UNSHARED
from harness.internet.plan import Plan
from harness.matrix.model import Environment
from harness.settings import PROJECT_ROOT, Settings

Say = Callable[[str], None]

_NEEDED = ("unshare", "nsenter", "mount", "ip", "iptables", "dockerd", "docker", "update-ca-certificates")
_ROOM_BYTES = 12e9
_PROGRAMS = ("helm", "kubectl", "crane")
_CGROUPS = Path("/sys/fs/cgroup")
_SECONDS = 60.0
# What programs in the machine are not to know of this process; everything else of its environment is not passed on.
_PASSED_ON = ("PYTHONPATH", "PYTHONPYCACHEPREFIX", "TERM", "GOPROXY")


def require() -> None:
    """Raise HostError where namespaces cannot be made, or a program for it is missing."""
    if os.geteuid() != 0:
        raise HostError("the small internet needs root, for namespaces and a container engine in them", "use sudo")
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        raise HostError(
            f"the small internet needs {', '.join(missing)}",
            "on Debian or Ubuntu: apt-get install util-linux iproute2 iptables ca-certificates docker.io",
        )
    tried = process.call(["unshare", *UNSHARED, "true"], timeout=_SECONDS, check=False)
    if tried.returncode != 0:
        raise HostError(
            f"no namespaces can be made here: {tried.stderr.strip() or f'unshare ended with {tried.returncode}'}",
            "run it on a machine, or in a container that may (--privileged)",
        )


def run(
    settings: Settings,
    wanted: Content,
    *,
    say: Say,
    output: Path,
    argv: Sequence[str] = (),
    steps: Sequence[str] = (),
    link: Link | None = None,
) -> int:
    """Run a command, or steps of the rehearsal, in a machine in a small internet; the exit status.

    `output` gets the logs. Everything else is removed again. Raises HostError, DiskError and what building raises.
    """
    require()
    disk.require(settings.cache_dir, _ROOM_BYTES, what="the small internet")
    say("preparing what the public registries have")
    made = wanted.build()
    with Ledger.open(new_run_id(), ledger_folder(settings)) as ledger, _folder(settings, ledger) as folder:
        plan = _plan(settings, wanted.environments, made.folder, folder, say).model_copy(
            update={"argv": tuple(argv), "steps": tuple(steps), "link": link}
        )
        try:
            return _serve(ledger, plan)
        finally:
            _keep(plan, output)


def _plan(settings: Settings, environments: Sequence[Environment], made: Path, folder: Path, say: Say) -> Plan:
    content.share_tree(made / "storage", folder / "storage")
    store = Store.of(settings)
    plan = Plan(
        folder=folder,
        storage=folder / "storage",
        charts=made / "charts",
        registry=tools.ensure(settings, ["registry"])["registry"].path,
        coredns=gobuild.build(store, row_of(environments[0]).coredns_module).folder / "bin" / "coredns",
        environments=tuple(it.name for it in environments),
        environment=_environment(settings, environments, folder, say),
        shown=tuple(_shown(folder)),
    )
    plan.work.mkdir(parents=True)
    return plan


def _environment(settings: Settings, environments: Sequence[Environment], folder: Path, say: Say) -> dict[str, str]:
    """The environment of programs in the machine, whose user has nothing yet but programs on PATH."""
    machine = folder / "machine"
    programs, home = machine / "bin", machine / "home"
    for it in (programs, home):
        it.mkdir(parents=True)
    clusters = tools.clusters_of(environments)
    minors = list(dict.fromkeys(it.minor for it in environments))
    found = tools.ensure(settings, [*clusters, *_PROGRAMS], minors, clusters=clusters)
    for name in (*clusters, *_PROGRAMS):
        (programs / name).symlink_to(found[name].path)
    harness = programs / "harness"
    harness.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m harness.cli "$@"\n')
    harness.chmod(0o755)
    _bring_packages(settings, machine / "cache", say)
    return {
        **{name: value for name in _PASSED_ON if (value := os.environ.get(name))},
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(PACKAGE.parent), os.environ.get("PYTHONPATH")))),
        "HARNESS_CACHE": str(machine / "cache"),
        "HARNESS_REPORTS": str(machine / "reports"),
    }


def brought() -> list[Recipe]:
    """What a machine of the small internet has in its cache from the start, since it could not be had there."""
    return [gobuild.recipe("registry"), *connect_clients.usual_recipes()]


def _bring_packages(settings: Settings, cache: Path, say: Say) -> None:
    """Put into the machine's cache what comes from Go's proxy and the Python package index, which are not rehearsed:
    the registry server, and clients of Spark Connect.
    """
    store, own = Store.of(settings), Store.of(settings.model_copy(update={"cache_dir": cache}))
    clients = connect_clients.step(store)
    if not clients.done():
        say("preparing the clients of Spark Connect")
        clients.run(say)
    for recipe in brought():
        shutil.copytree(store.folder(recipe), own.folder(recipe), copy_function=_share)


def _share(origin: str, copy: str) -> None:
    share(Path(origin), Path(copy))


def _shown(folder: Path) -> Iterator[Path]:
    """What the machine has to see of /tmp."""
    bytecode = os.environ.get("PYTHONPYCACHEPREFIX", "")
    wanted = (PROJECT_ROOT, PACKAGE.parent, Path(sys.prefix), folder, Path(bytecode or "/"))
    for it in dict.fromkeys(wanted):
        if it.is_relative_to("/tmp") and it.is_dir():  # noqa: S108 - what is mounted over
            yield it


@contextmanager
def _folder(settings: Settings, ledger: Ledger) -> Iterator[Path]:
    folder = settings.cache_dir / "internet" / ledger.run_id
    ledger.planned("folder", str(folder))
    folder.mkdir(parents=True, mode=0o755)
    try:
        yield folder
    finally:
        _remove_cgroups(folder)
        shutil.rmtree(folder)
        ledger.gone("folder", str(folder))


def _serve(ledger: Ledger, plan: Plan) -> int:
    """Run the internet's process until it is done; an interrupt lets it end what it runs."""
    file = plan.folder / "plan.json"
    file.write_text(plan.model_dump_json())
    temporary = ledger.temporary_folder()
    ledger.planned("process", "internet")
    child = subprocess.Popen(
        ["unshare", *UNSHARED, sys.executable, "-m", "harness.internet", str(file)],
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    ledger.running("internet", child.pid)
    try:
        with _sigterm_interrupts():
            return child.wait()
    finally:
        if child.poll() is None:
            _end(child)
        ledger.gone("process", "internet")
        shutil.rmtree(temporary)
        ledger.gone("folder", str(temporary))


def _end(child: subprocess.Popen[bytes]) -> None:
    """Let the process in the namespaces end what it runs; with --kill-child, all of it ends with `unshare` itself."""
    for first in Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split():
        with suppress(ProcessLookupError):
            os.kill(int(first), signal.SIGINT)
    try:
        child.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(_SECONDS)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """SIGTERM is as Ctrl-C during the block."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _keep(plan: Plan, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    for file in (plan.log, *sorted((plan.folder / "machine").glob("*.log"))):
        if file.is_file():
            shutil.copyfile(file, output / file.name)
    if (plan.folder / "machine" / "reports").is_dir():
        shutil.copytree(plan.folder / "machine" / "reports", output / "reports", symlinks=True, dirs_exist_ok=True)


def _remove_cgroups(folder: Path) -> None:
    """Remove the control groups of containers whose engine was killed; they are empty, and nobody else's."""
    containers = [path.name for path in folder.glob("machine/*/engine/data/containers/*")]
    for name in containers:
        for group in sorted(_CGROUPS.rglob(f"*{name}*"), key=lambda it: len(it.parts), reverse=True):
            process.call(
                ["find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"], timeout=_SECONDS, check=False
            )
