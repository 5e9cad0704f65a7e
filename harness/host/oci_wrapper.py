# SPDX-License-Identifier: Apache-2.0
"""An OCI runtime that limits requests to runc to what this host can grant.

Where root lacks capabilities (CAP_SYS_RESOURCE in many sandboxes), runc refuses every privileged container with "unable
to apply caps", since the engine asks for all capabilities. This program stands between engine and runc: it takes out of
the bundle's config.json (create, run, restore) and of the process file (exec) what lies outside the host's bounding
set, a negative OOM score that the kernel would refuse, and resource limits above the host's own. It never adds a right.

It runs once for every container start and exec, as `python -S -E oci_wrapper.py RUNC ARGUMENT...`, so it imports
only what it needs and nothing of this project. The options are those of runc's own command line (`runc --help`).
"""

# ruff: noqa: PTH109, PTH118, PTH123
# (importing pathlib would double the start-up time)
from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from typing import Any

# Names by bit number, from linux/capability.h.
CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)

_GLOBAL_OPTIONS_WITH_VALUE = ("--log", "--log-format", "--root", "--criu", "--rootless")
_INFINITY = 2**64 - 1


def missing_capabilities(bounding: int) -> frozenset[str]:
    """The names of the capabilities that a bounding set (CapBnd of /proc/<pid>/status, as a number) lacks."""
    return frozenset(name for bit, name in enumerate(CAPABILITIES) if not bounding >> bit & 1)


def bounding_set(status: str) -> int:
    """CapBnd as a number, from the text of /proc/<pid>/status."""
    for line in status.splitlines():
        if line.startswith("CapBnd:"):
            return int(line.split()[1], 16)
    return (1 << len(CAPABILITIES)) - 1


def subcommand(arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """runc's subcommand and what follows it; empty when there is none."""
    index = 0
    while index < len(arguments):
        word = arguments[index]
        if not word.startswith("-"):
            return word, arguments[index + 1 :]
        index += 2 if word in _GLOBAL_OPTIONS_WITH_VALUE else 1
    return "", ()


def option(arguments: Sequence[str], *names: str) -> str | None:
    """The value of an option, written as `--name value` or `--name=value`."""
    for index, word in enumerate(arguments):
        if word in names:
            return arguments[index + 1] if index + 1 < len(arguments) else None
        name, equals, value = word.partition("=")
        if equals and name in names:
            return value
    return None


def file_to_trim(arguments: Sequence[str]) -> tuple[str, bool] | None:
    """The JSON file that these runc arguments make it read, and whether it is a whole bundle configuration."""
    command, rest = subcommand(arguments)
    if command in ("create", "run", "restore"):
        return os.path.join(option(rest, "--bundle", "-b") or os.getcwd(), "config.json"), True
    if command == "exec":
        process = option(rest, "--process", "-p")
        return (process, False) if process else None
    return None


def trim_process(
    process: dict[str, Any], missing: frozenset[str], own_oom_score: int, limits: Mapping[str, int]
) -> None:
    """Reduce an OCI process object, in place, to what the host can give.

    `own_oom_score` is this process's oom_score_adj: without CAP_SYS_RESOURCE no child may go below it, nor below 0.
    `limits` maps RLIMIT_* names to the host's hard limits; names that are not in it stay as they are.
    """
    capabilities = process.get("capabilities")
    if isinstance(capabilities, dict):
        for kind, names in capabilities.items():
            capabilities[kind] = [name for name in names or () if name not in missing]
    if "CAP_SYS_RESOURCE" not in missing:
        return
    score = process.get("oomScoreAdj")
    if isinstance(score, int) and score < 0:
        process["oomScoreAdj"] = max(score, min(own_oom_score, 0))
    for limit in process.get("rlimits") or ():
        most = limits.get(limit.get("type"), _INFINITY)
        limit["hard"] = min(limit.get("hard", _INFINITY), most)
        limit["soft"] = min(limit.get("soft", _INFINITY), limit["hard"])


def host_limits() -> dict[str, int]:
    """This process's hard resource limits, by RLIMIT_* name, as the unsigned numbers that OCI uses."""
    found = {}
    for name in dir(resource):
        if name.startswith("RLIMIT_"):
            hard = resource.getrlimit(getattr(resource, name))[1]
            found[name] = _INFINITY if hard == resource.RLIM_INFINITY else hard
    return found


def trim_file(path: str, whole: bool, missing: frozenset[str]) -> None:
    """Reduce a bundle's config.json (`whole`) or a process file to what the host can give."""
    with open(path, encoding="utf-8") as source:
        content = json.load(source)
    process = content.get("process") if whole else content
    if not isinstance(process, dict):
        return
    with open("/proc/self/oom_score_adj", encoding="ascii") as score:
        own_oom_score = int(score.read())
    trim_process(process, missing, own_oom_score, host_limits())
    # In place, so that owner and mode stay.
    with open(path, "w", encoding="utf-8") as target:
        json.dump(content, target)


def main(arguments: Sequence[str]) -> None:
    """Trim what runc is about to read, then become runc. `arguments` start with runc's path."""
    runtime, *rest = arguments
    found = file_to_trim(rest)
    if found:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            missing = missing_capabilities(bounding_set(status.read()))
        if missing:
            try:
                trim_file(*found, missing)
            except (OSError, ValueError) as error:
                # runc reads the file itself and reports in the form that the engine expects.
                sys.stderr.write(f"cannot trim {found[0]}: {error}\n")
    os.execv(runtime, [runtime, *rest])  # noqa: S606 - this process becomes runc


if __name__ == "__main__":
    main(sys.argv[1:])
