# SPDX-License-Identifier: Apache-2.0
"""The source upstream in a small internet: bootstrap, a cell and the clean-up of a machine that had nothing.

The host's engine, network and files have no part in it, which is looked at as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.waiting import until

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for namespaces"),
]

_SECONDS = 1500
_COMMAND = (sys.executable, "-m", "harness.cli")
_PUBLIC = {"registry-1.docker.io", "ghcr.io", "registry.k8s.io", "kubeflow.github.io"}


def host() -> dict[str, object]:
    """What of this host a rehearsal could spoil."""

    def said(*words: str) -> str:
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    rules = [line for line in said("iptables-save").splitlines() if line.startswith("-A")]
    files = ("/etc/hosts", "/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt")
    return {
        "rules": sorted(rules),
        "links": sorted(line.split()[0] for line in said("ip", "-brief", "link").splitlines() if "veth" not in line),
        **{name: Path(name).read_bytes() for name in files},
    }


def test_a_cell_from_the_public_registries_on_a_machine_that_had_nothing(tmp_path: Path) -> None:
    before = host()
    argv = [*_COMMAND, "internet", "--output", str(tmp_path)]
    argv += [word for name in ("bootstrap", "cell", "operator", "clean") for word in ("--step", name)]

    done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nheld ") == 4
    requests = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    assert {it["host"] for it in requests} >= _PUBLIC
    # What was sent on to another host came without the login of the first.
    assert [it for it in requests if it["user"] == "a login"] == []
    assert [it for it in requests if it["host"].endswith("githubusercontent.com") and it["status"] >= 400] == []
    results = json.loads((tmp_path / "reports" / "latest" / "results.json").read_text())
    assert (results["source"]["kind"], results["source"]["rehearsed"]) == ("upstream", True)
    assert host() == before


def test_a_rehearsal_that_was_killed_is_removed_by_its_run(cache: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "HARNESS_CACHE": str(cache), "HARNESS_REPORTS": str(tmp_path / "reports")}
    log = tmp_path / "log"
    with log.open("wb") as sink:
        child = subprocess.Popen(
            [*_COMMAND, "internet", "--", "sh", "-c", "echo here; sleep 600"],
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until(lambda: "here" in log.read_text() or child.poll() is not None, what="the machine to run", timeout=600)
    assert child.poll() is None, log.read_text()
    (ledger,) = (cache / "ledger").glob("*.jsonl")
    assert processes(ledger.stem)

    child.kill()
    child.wait(60)
    done = subprocess.run(
        [*_COMMAND, "clean", "--run", ledger.stem],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert processes(ledger.stem) == []
    assert not (cache / "internet" / ledger.stem).exists()


def processes(run: str) -> list[str]:
    """The command lines of processes with a run's id in them."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if run in words and "harness.internet" in words:
            found.append(words)
    return found
