# SPDX-License-Identifier: Apache-2.0
"""A real dockerd that the harness starts, and `clean` after it: the host is as before.

That is its packet filter, sysctls, mounts, interfaces and /etc; what a user changed meanwhile stays.

It runs in namespaces of its own, so that this host's engine and network have no part in it; that needs root.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.nightly

_NEEDED = ("unshare", "dockerd", "docker", "ip", "iptables", "iptables-save", "mount")
_UNSHARED = ("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private")

_INSIDE = """
import hashlib, io, json, subprocess, sys
from pathlib import Path
from rich.console import Console
from harness.cleanup.clean import clean
from harness.host import dockerd
from harness.settings import Settings

def does(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout

def rules():
    lines = does("iptables-save").splitlines()
    return [line.split(" [")[0] for line in lines if not line.startswith("#")]

def files(root):
    for path in sorted(Path(root).rglob("*")):
        if path.is_file():
            try:
                yield str(path), hashlib.sha256(path.read_bytes()).hexdigest() + oct(path.stat().st_mode)
            except OSError as unreadable:
                yield str(path), unreadable.strerror

def mounts():
    fields = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return sorted(f"{it[4]} {it[3]} {it[5]}" for it in fields)

def picture():
    return {
        "rules": rules(),
        "sysctls": {name: value for name, value in files("/proc/sys/net") if "nf_conntrack_count" not in name},
        "mounts": mounts(),
        "interfaces": [line.split(":")[1].strip() for line in does("ip", "-o", "link").splitlines()],
        "etc": dict(files("/etc")),
    }

does("mount", "-t", "tmpfs", "tmpfs", "/run")
does("ip", "link", "set", "lo", "up")
Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
for words in (
    "-A INPUT -i lo -j ACCEPT", "-N MINE", "-A MINE -j RETURN", "-A FORWARD -s 10.9.0.0/16 -j MINE",
    "-t nat -A POSTROUTING -s 10.9.0.0/16 -j MASQUERADE",
):
    does("iptables", *words.split())
settings = Settings(cache_dir=Path(sys.argv[1]))
before = picture()
dockerd.start(settings.cache_dir / "engine", timeout=120)
does("docker", "network", "create", "mine")
during = picture()
# What a user does meanwhile is none of ours.
does("iptables", "-A", "INPUT", "-s", "10.8.0.0/16", "-j", "DROP")
does("iptables", "-P", "INPUT", "ACCEPT")
said = io.StringIO()
left = clean(settings, console=Console(file=said, width=300))
print(json.dumps({"before": before, "during": during, "after": picture(), "left": left, "said": said.getvalue()}))
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Pictures of the host before, during and after, and what `clean` said."""
    lacking = [name for name in _NEEDED if shutil.which(name) is None]
    if os.geteuid() != 0 or lacking:
        pytest.skip(f"needs root, and the programs {', '.join(lacking or _NEEDED)}")
    cache = tmp_path_factory.mktemp("engine") / "spark-operator-harness"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
    done = subprocess.run(
        [*_UNSHARED, sys.executable, "-c", _INSIDE, str(cache)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_dockerd_changed_the_host(host: dict[str, Any]) -> None:
    # Else the rest would prove nothing.
    assert any("DOCKER" in line for line in host["during"]["rules"])
    assert "docker0" in host["during"]["interfaces"]
    forwards = "/proc/sys/net/ipv4/ip_forward"
    assert host["during"]["sysctls"][forwards] != host["before"]["sysctls"][forwards]


def test_clean_finds_nothing_left(host: dict[str, Any]) -> None:
    assert host["left"] == [], host["said"]


def test_the_packet_filter_is_as_before_with_what_a_user_added(host: dict[str, Any]) -> None:
    def told(rules: list[str]) -> list[str]:
        """Rules and policies; a table without any is as one that nobody has looked at."""
        return sorted(line for line in rules if line.startswith(("-A", ":")) and not line.endswith(" ACCEPT:"))

    before, after = told(host["before"]["rules"]), told(host["after"]["rules"])
    assert [line for line in after if line not in before and not line.startswith(":")] == [
        "-A INPUT -s 10.8.0.0/16 -j DROP"
    ]
    assert [line for line in before if line not in after] == []
    assert [line for line in after if "DOCKER" in line] == []
    policies = {line for line in after if line.startswith(":") and line not in before}
    assert all(line.endswith(" ACCEPT") for line in policies), policies


@pytest.mark.parametrize("what", ["sysctls", "etc"])
def test_files_are_as_before(host: dict[str, Any], what: str) -> None:
    before, after = host["before"][what], host["after"][what]
    assert {name: after.get(name) for name, value in before.items() if after.get(name) != value} == {}
    assert sorted(after.keys() - before.keys()) == []


@pytest.mark.parametrize("what", ["mounts", "interfaces"])
def test_lists_are_as_before(host: dict[str, Any], what: str) -> None:
    assert host["after"][what] == host["before"][what]
