# SPDX-License-Identifier: Apache-2.0
"""The host's network after our dockerd is as it was before, and everybody else's rules stay.

The kernel's own packet filter, in a network namespace of the test's own, where this user may have one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.host import firewall

BRIDGE = "br-0123456789ab"
DOCKERS = [
    "*filter",
    ":INPUT ACCEPT [0:0]",
    ":FORWARD DROP [5:300]",
    ":OUTPUT ACCEPT [0:0]",
    ":DOCKER - [0:0]",
    ":DOCKER-ISOLATION-STAGE-1 - [0:0]",
    ":DOCKER-USER - [0:0]",
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -j DOCKER-ISOLATION-STAGE-1",
    "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A FORWARD -o docker0 -j DOCKER",
    "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
    "-A FORWARD -i docker0 -o docker0 -j ACCEPT",
    f"-A FORWARD -i {BRIDGE} ! -o {BRIDGE} -j ACCEPT",
    "-A DOCKER-ISOLATION-STAGE-1 -j RETURN",
    "-A DOCKER-USER -j RETURN",
    "COMMIT",
    "*nat",
    ":PREROUTING ACCEPT [0:0]",
    ":INPUT ACCEPT [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    ":POSTROUTING ACCEPT [0:0]",
    ":DOCKER - [0:0]",
    "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
    "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
    "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
    "-A DOCKER -i docker0 -j RETURN",
    "COMMIT",
]
OTHERS = [
    ("filter", "-A INPUT -i docker0 -p tcp -m tcp --dport 53 -j ACCEPT"),
    ("filter", '-A INPUT -m comment --comment "DOCKER hosts" -j ACCEPT'),
    ("filter", "-A FORWARD -i docker0 -o eth1 -j DROP"),
    ("filter", "-A FORWARD -i docker1 ! -o docker1 -j ACCEPT"),
    ("nat", "-A POSTROUTING -s 10.1.0.0/16 ! -o virbr0 -j MASQUERADE"),
]


def with_rules(lines: list[str], added: list[tuple[str, str]]) -> list[str]:
    """The lines with further rules in their tables."""
    made = []
    table = ""
    for line in lines:
        table = line[1:] if line.startswith("*") else table
        made += [rule for of, rule in added if of == table] if line == "COMMIT" else []
        made.append(line)
    return made


def deleted(removals: list[list[str]]) -> set[str]:
    return {" ".join(it[3:]) for it in removals if it[2] == "-D"}


def test_no_rule_of_others_is_touched() -> None:
    before = ["*filter", ":FORWARD ACCEPT [0:0]", "COMMIT"]
    removals = firewall.removals(with_rules(DOCKERS, OTHERS), before, ["docker0", BRIDGE])
    assert deleted(removals) == {
        line[3:] for line in DOCKERS if line.startswith("-A ") and not line.startswith("-A DOCKER")
    }
    assert [it[1:] for it in removals if it[2] == "-X"] == [
        ["filter", "-X", "DOCKER"],
        ["filter", "-X", "DOCKER-ISOLATION-STAGE-1"],
        ["filter", "-X", "DOCKER-USER"],
        ["nat", "-X", "DOCKER"],
    ]


def test_what_another_engine_had_left_before_stays() -> None:
    assert firewall.removals(DOCKERS, DOCKERS, [BRIDGE]) == []
    own = f"-A FORWARD -i {BRIDGE} -o {BRIDGE} -j ACCEPT"
    removals = firewall.removals(with_rules(DOCKERS, [("filter", own)]), DOCKERS, [BRIDGE])
    assert removals == [["-t", "filter", "-D", *own[3:].split()]]


def test_a_chain_that_a_user_has_filled_stays_with_the_jump_to_it() -> None:
    users = "-A DOCKER-USER -s 192.0.2.7/32 -j DROP"
    removals = firewall.removals(with_rules(DOCKERS, [("filter", users)]), [], ["docker0", BRIDGE])
    assert not any("DOCKER-USER" in it for it in removals)
    assert "FORWARD -j DOCKER-ISOLATION-STAGE-1" in deleted(removals)


_IN_NAMESPACE = """
import json, subprocess, sys
from pathlib import Path
from harness.host import network
folder, path = Path(sys.argv[1]), sys.argv[2]
dockers, others, policy = json.loads(sys.argv[3])
forward = Path("/proc/sys/net/ipv4/ip_forward")

def put(lines):
    subprocess.run(["iptables-restore", "--noflush"], input="\\n".join(lines) + "\\n", text=True, check=True)

def seen():
    now = network.look(path)
    lines = [line for lines in now.rules.values() for line in lines]
    return [it for it in lines if it.startswith("-A ")], now.settings, [it for it in lines if "DOCKER" in it]

forward.write_text("0")
put(["*filter", "-A INPUT -p icmp -j ACCEPT", "COMMIT"])
first = seen()
network.remember(folder / "before", path)
forward.write_text("1")
put(dockers)
network.remember(folder / "after", path)
for table, rule in others:
    put([f"*{table}", rule, "COMMIT"])
if policy:
    subprocess.run(["iptables", "-P", "FORWARD", "ACCEPT"], check=True)
    subprocess.run(["iptables", "-P", "FORWARD", policy], check=True)
network.restore(folder / "before", folder / "after", ["br-0123456789ab"], path)
last = seen()
rules = network.look(path).rules["iptables-save"]
print(json.dumps([first, last, [it.split()[1] for it in rules if it.startswith(":FORWARD")]]))
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs a network namespace of its own")
@pytest.mark.parametrize(
    ("others", "policy", "policy_then"),
    [([], "", "ACCEPT"), (OTHERS, "", "ACCEPT"), (OTHERS, "ACCEPT", "ACCEPT")],
    ids=["alone", "rules of others", "a policy that somebody changed"],
)
def test_the_kernel_has_what_it_had_before(
    tmp_path: Path, others: list[tuple[str, str]], policy: str, policy_then: str
) -> None:
    if not shutil.which("iptables-restore"):
        pytest.skip("this host has no iptables")
    argv = [sys.executable, "-c", _IN_NAMESPACE, str(tmp_path), os.environ["PATH"] + ":/usr/sbin:/sbin"]
    done = subprocess.run(
        ["unshare", "--net", *argv, json.dumps([DOCKERS, others, policy])],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    assert done.returncode == 0, done.stderr
    first, last, policies = json.loads(done.stdout.splitlines()[-1])
    assert sorted(last[0]) == sorted([*first[0], *(rule for _, rule in others)])
    assert last[1] == first[1]
    assert last[1]["net/ipv4/ip_forward"] == "0"
    assert [it for it in last[2] if "DOCKER hosts" not in it] == []
    assert policies == [policy_then]
