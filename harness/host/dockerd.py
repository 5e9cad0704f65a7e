# SPDX-License-Identifier: Apache-2.0
"""The harness's own dockerd, for hosts where no service manager runs one: started, recognised, stopped.

All of its files are in one folder: `data/` (images, containers, volumes), `dockerd.log`, `dockerd.pid`, `engine.json`
(which process it is), the host's network before and after its first start and, where the host lacks capabilities, the
runtime wrapper.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from harness import causes, process, process_identity
from harness.errors import EngineError, WaitTimeout
from harness.host import capabilities, network, oci_wrapper
from harness.host.disk import mount_points
from harness.host.steps import Progress
from harness.waiting import until

SOCKET = Path("/var/run/docker.sock")

_RUNTIME = "runc-within-host"
_STOP_TIMEOUT = 60.0
_KILL_TIMEOUT = 10.0
_CALL_TIMEOUT = 60.0
_LOG_TAIL = 12
_BEFORE, _AFTER = "network-before.json", "network-after.json"


class _Record(BaseModel):
    """The process of our dockerd. `start_ticks` is field 22 of /proc/<pid>/stat, `boot` the kernel's boot id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    start_ticks: int
    boot: str


def log_file(folder: Path) -> Path:
    """The log of our dockerd."""
    return folder / "dockerd.log"


def running(folder: Path) -> int | None:
    """The process id of the dockerd that was started from this folder, if it is alive."""
    record = _recorded(folder)
    if record is None:
        return None
    recorded = process_identity.Identity(pid=record.pid, boot=record.boot, ticks=record.start_ticks)
    return record.pid if recorded.alive else None


def start(folder: Path, *, timeout: float) -> int:
    """Start dockerd with its data in `folder` and wait until its socket answers; returns its process id.

    One that runs already stays. `timeout` is in seconds. Raises EngineError with the end of its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(str(folder / "start.lock")):
        alive = running(folder)
        if alive is None:
            (folder / "dockerd.pid").unlink(missing_ok=True)
            network.remember(folder / _BEFORE, _path())
            child = process.daemon(_command(folder), log_file=log_file(folder), env={"PATH": _path()})
            alive = child.pid
            found = process_identity.identity(alive)
            record = _Record(pid=alive, start_ticks=found.ticks if found else 0, boot=process_identity.boot_id())
            (folder / "engine.json").write_text(record.model_dump_json())
            has_ended = child.poll
        else:
            has_ended = _never
        try:
            until(
                lambda: has_ended() is not None or _answers(),
                what="dockerd to answer on its socket",
                timeout=timeout,
            )
        except WaitTimeout as late:
            raise EngineError(
                f"dockerd does not answer after {timeout:.0f} s{_tail(folder)}", f"see {log_file(folder)}"
            ) from late
        if has_ended() is not None:
            raise EngineError(f"dockerd exited immediately{_tail(folder)}", f"see {log_file(folder)}")
        network.remember(folder / _AFTER, _path())
        return alive


def stop(folder: Path, *, remove_data: bool, progress: Progress) -> bool:
    """Stop our dockerd and, with `remove_data`, remove all of its data. Returns whether there was anything.

    Raises EngineError when it still has containers (with `remove_data`), or when it does not exit.
    """
    if not folder.exists():
        return False
    pid = running(folder)
    if pid is None and remove_data and _orphans(folder):
        # Containers survive a killed dockerd; a new one finds and ends them.
        progress("starting dockerd again, to stop the containers that it left")
        pid = start(folder, timeout=_STOP_TIMEOUT)
    bridges: list[str] = []
    if pid is not None:
        if remove_data:
            _refuse_if_used()
            bridges = _bridges()
        progress(f"stopping dockerd (process {pid})")
        _end(folder, pid)
    if remove_data:
        network.restore(folder / _BEFORE, folder / _AFTER, bridges, _path())
        progress(f"removing {folder}")
        _unmount(folder)
        shutil.rmtree(folder)
    return pid is not None or remove_data


def _command(folder: Path) -> list[str]:
    program = shutil.which("dockerd", path=_path())
    if program is None:
        raise EngineError("dockerd is not installed", "apt-get install docker.io")
    words = [
        program,
        f"--data-root={folder / 'data'}",
        f"--pidfile={folder / 'dockerd.pid'}",
        f"--host=unix://{SOCKET}",
    ]
    if "CAP_SYS_RESOURCE" in capabilities.missing():
        # Without that capability dockerd may not lower its own OOM score either.
        words.append("--oom-score-adjust=0")
    if capabilities.missing():
        words += [f"--add-runtime={_RUNTIME}={_write_wrapper(folder)}", f"--default-runtime={_RUNTIME}"]
    return words


def _write_wrapper(folder: Path) -> Path:
    """A launcher of the runtime wrapper that needs neither the checkout nor its virtual environment later."""
    runtime = shutil.which("runc", path=_path())
    if runtime is None:
        raise EngineError("runc is not installed", "apt-get install runc")
    script = folder / "oci_wrapper.py"
    script.write_bytes(Path(oci_wrapper.__file__).read_bytes())
    interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    launcher = folder / _RUNTIME
    words = shlex.join([str(interpreter), "-S", "-E", str(script), runtime])
    launcher.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    launcher.chmod(0o755)
    return launcher


def _path() -> str:
    # dockerd needs iptables and runc, which a user's PATH may lack.
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def _answers() -> bool:
    if not SOCKET.exists():
        return False
    client = shutil.which("docker")
    if client is None:
        raise EngineError("docker is not installed", "apt-get install docker.io docker-cli")
    answer = process.call(
        [client, "--host", f"unix://{SOCKET}", "version", "--format", "{{.Server.Version}}"],
        timeout=_CALL_TIMEOUT,
        check=False,
    )
    return answer.returncode == 0


def _never() -> None:
    return None


def _ask(*words: str) -> list[str]:
    return process.call(["docker", f"--host=unix://{SOCKET}", *words], timeout=_CALL_TIMEOUT).stdout.split()


def _bridges() -> list[str]:
    """The interfaces of the engine's own networks, which Docker names after the network's id."""
    ids = _ask("network", "ls", "--quiet", "--filter=driver=bridge", "--filter=type=custom")
    return [f"br-{identifier}" for identifier in ids]


def _refuse_if_used() -> None:
    names = _ask("ps", "--all", "--format={{.Names}}")
    if names:
        raise EngineError(
            f"the engine that the harness started still has containers: {', '.join(names)}",
            "remove them first (docker rm -f …), then run `nox -s clean` again",
        )


def _end(folder: Path, pid: int) -> None:
    for sign, timeout in ((signal.SIGTERM, _STOP_TIMEOUT), (signal.SIGKILL, _KILL_TIMEOUT)):
        if running(folder) is None:
            break
        os.kill(pid, sign)
        try:
            until(
                lambda: running(folder) is None,
                what=f"dockerd (process {pid}) to exit",
                timeout=timeout,
                heed_cancel=False,
            )
        except WaitTimeout as late:
            if sign == signal.SIGKILL:
                raise EngineError(str(late), f"see {log_file(folder)}") from late
    (folder / "engine.json").unlink(missing_ok=True)


def _orphans(folder: Path) -> list[int]:
    """Shims of containers whose data lies in this folder."""
    containers = {path.name for path in (folder / "data" / "containers").glob("*") if path.is_dir()}
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if Path(words[0]).name.startswith("containerd-shim") and containers.intersection(words):
                found.append(int(entry.name))
    return found


def _unmount(folder: Path) -> None:
    """Unmount everything below the folder, the deepest first."""
    inside = [point for point in mount_points() if folder.resolve() in point.parents]
    for point in sorted(inside, key=lambda it: len(str(it)), reverse=True):
        process.call(["umount", point], timeout=_CALL_TIMEOUT)


def _recorded(folder: Path) -> _Record | None:
    try:
        return _Record.model_validate_json((folder / "engine.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _tail(folder: Path) -> str:
    """What its log says went wrong, and below it the log's end."""
    path = log_file(folder)
    log = path.read_text(errors="replace") if path.is_file() else ""
    end = "".join(f"\n  | {line}" for line in log.splitlines()[-_LOG_TAIL:])
    return f": {causes.told(log, 'its log is empty')}{end}"
