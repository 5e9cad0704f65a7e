# SPDX-License-Identifier: Apache-2.0
"""Which packet filter rules are Docker's own, and how they are removed one at a time: everybody else's stay.

The forms of Docker's rules are those of libnetwork/drivers/bridge/setup_ip_tables.go and of its nat, raw and ipset
rules (moby, docker 20.10 to 29).
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

_CHAIN = re.compile(r"DOCKER(-[A-Z0-9-]+)?")
_FOR_USERS = "DOCKER-USER"
"""The chain whose rules are a user's, except the one that returns from it."""

_FORMS = {
    "filter": (
        r"FORWARD -j {chain}",
        r"FORWARD -o {bridge} -j {chain}",
        r"FORWARD -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        r"FORWARD -i {bridge} ! -o {bridge} -j ACCEPT",
        r"FORWARD -i {bridge} -o {bridge} -j (ACCEPT|DROP)",
        r"FORWARD -m set --match-set docker-ext-bridges-v[46] dst .*-j (ACCEPT|{chain})",
    ),
    "nat": (
        r"(PREROUTING|OUTPUT) (! -d \S+ )?-m addrtype --dst-type LOCAL -j {chain}",
        r"POSTROUTING -s \S+ ! -o {bridge} -j MASQUERADE",
        r"POSTROUTING -o {bridge} -m addrtype --src-type LOCAL -j MASQUERADE",
    ),
    "raw": (r"PREROUTING -d \S+ ! -i {bridge} .*-j DROP",),
}


def policy(rules: Iterable[str]) -> str:
    """The policy of FORWARD in the lines of iptables-save; ACCEPT where there is no such chain yet."""
    for table, line in _by_table(rules):
        if table == "filter" and line.startswith(":FORWARD "):
            return line.split()[1]
    return "ACCEPT"


def has_docker(rules: Iterable[str]) -> bool:
    """Whether the lines of iptables-save hold Docker's chains."""
    return any(_CHAIN.fullmatch(line[1:].split()[0]) for _, line in _by_table(rules) if line.startswith(":"))


def removals(now: Sequence[str], before: Sequence[str], bridges: Sequence[str]) -> list[list[str]]:
    """The arguments of iptables that remove what Docker has added, one call each, in an order in which they work.

    `now` and `before` are lines of iptables-save, `bridges` the interfaces of its networks. What was there before
    stays, and so does a chain for users that a user has filled, with the jump to it.
    """
    there = Counter(_by_table(before))
    fresh = [it for it in _by_table(now) if _take(there, it)]
    filled = {(table, line.split()[1]) for table, line in fresh if _is_a_users(line)}
    chains = {
        (table, line[1:].split()[0])
        for table, line in fresh
        if line.startswith(":") and _CHAIN.fullmatch(line[1:].split()[0])
    } - filled
    rules = [
        ["-t", table, "-D", *shlex.split(line[3:])]
        for table, line in fresh
        if _is_dockers(table, line, chains, bridges)
    ]
    emptied = [["-t", table, "-F", chain] for table, chain in sorted(chains)]
    return [*rules, *emptied, *(["-t", table, "-X", chain] for table, chain in sorted(chains))]


def _is_a_users(line: str) -> bool:
    return line.startswith(f"-A {_FOR_USERS} ") and line != f"-A {_FOR_USERS} -j RETURN"


def _is_dockers(table: str, line: str, chains: set[tuple[str, str]], bridges: Sequence[str]) -> bool:
    """Whether a line is a rule of Docker's, outside its own chains."""
    names = "|".join(re.escape(chain) for of, chain in sorted(chains) if of == table) or "(?!)"
    interfaces = "|".join(map(re.escape, bridges)) or "(?!)"
    forms = (form.format(chain=f"({names})", bridge=f"({interfaces})") for form in _FORMS.get(table, ()))
    return line.startswith("-A ") and any(re.fullmatch(form, line[3:]) for form in forms)


def _take(there: Counter[tuple[str, str]], it: tuple[str, str]) -> bool:
    """Whether a line is new; one that was there before is taken off what was."""
    table, line = it
    if line.startswith(":"):
        # A chain was there, whatever its counters and policy are now.
        return not any(of == table and known.split()[0] == line.split()[0] for of, known in there)
    if there[it] > 0:
        there[it] -= 1
        return False
    return True


def _by_table(rules: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each line of iptables-save with its table."""
    table = ""
    for line in rules:
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith((":", "-A ")):
            yield table, line
