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

pytestmark = pytest.mark.nightly

_SECONDS = 1500
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


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for namespaces")
def test_a_cell_from_the_public_registries_on_a_machine_that_had_nothing(tmp_path: Path) -> None:
    before = host()
    argv = [sys.executable, "-m", "harness.cli", "internet", "--output", str(tmp_path)]
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
