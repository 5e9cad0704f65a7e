# SPDX-License-Identifier: Apache-2.0
"""The steps of the rehearsal: what a user of the public registries does, and what must be seen of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness import process
from harness.errors import HarnessError, UsageError
from harness.images.credentials import write_secret
from harness.internet import names
from harness.internet.machine import Machine
from harness.internet.requests import Traffic, traffic
from harness.internet.world import World

_SECONDS = 3600.0
_RULE_SECONDS = 30.0


class NotAsExpected(HarnessError):
    """A step ended otherwise than it must."""


@dataclass(kw_only=True)
class Rehearsal:
    """What steps act on. `folder` gets the output of each command, in a log named after its step."""

    world: World
    machine: Machine
    folder: Path
    step: str = ""
    _seen: int = field(default=0)

    def harness(self, *words: str | Path, status: int = 0, env: Mapping[str, str] | None = None) -> str:
        """The output of a `harness` command, as a user calls it. Raises NotAsExpected for another exit status."""
        return self.call("harness", *words, status=status, env=env)

    def call(self, *words: str | Path, status: int = 0, env: Mapping[str, str] | None = None) -> str:
        """The output of a program in the machine. Raises NotAsExpected for another exit status."""
        done: process.Completed = self.machine.call(
            words, timeout=_SECONDS, check=False, log_file=self.folder / f"{self.step}.log", env=env
        )
        if done.returncode != status:
            end = "\n  | ".join(done.stdout.splitlines()[-15:])
            argv = process.shown([str(it) for it in words])
            raise NotAsExpected(
                f"{argv} exited with {done.returncode}, not with {status}\n  | {end}", f"see {self.step}.log"
            )
        return done.stdout

    @contextmanager
    def blocked(self, *hosts: str) -> Iterator[None]:
        """A firewall between the machine and these hosts, which rejects what is sent to them, during the block."""
        where = names.addresses()
        rules = [
            ["INPUT", "-d", where[host], "-j", "REJECT", "--reject-with", "icmp-admin-prohibited"] for host in hosts
        ]
        for rule in rules:
            process.call(["iptables", "-w", "-A", *rule], timeout=_RULE_SECONDS)
        try:
            yield
        finally:
            for rule in rules:
                process.call(["iptables", "-w", "-D", *rule], timeout=_RULE_SECONDS)

    def login(self, host: str, user: str) -> None:
        """Log in with `docker login`, as a user does, with the token that the registry's front gave that user."""
        token = self.machine.work.parent / "home" / f"token-{host}"
        write_secret(token, self.world.fronts[host].accounts.of(user).secret)
        self.call("sh", "-c", f"docker login {host} --username {user} --password-stdin < {token}")

    def second_cache(self) -> str:
        """A cache with nothing in it but the program that Go would build."""
        first = Path(self.machine.environment["HARNESS_CACHE"])
        second = first.with_name("cache-2")
        self.call("mkdir", "-p", second / "artifacts")
        self.call("cp", "-a", first / "artifacts" / "go", second / "artifacts" / "go")
        return str(second)

    def traffic(self, *, show: bool = False) -> Traffic:
        """What was requested since the last call; with `show` it is told as well."""
        requests = self.world.requests()
        new, self._seen = requests[self._seen :], len(requests)
        found = traffic(new)
        for line in found.lines() if show else ():
            say(f"        {line}")
        return found


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step. `act` raises when something is not as it must be, and returns what it has seen, in a line."""

    name: str
    about: str
    act: Callable[[Rehearsal], str]


def require(condition: object, what: str) -> None:
    """Raise NotAsExpected with what is not so."""
    if not condition:
        raise NotAsExpected(what)


def run(steps: Sequence[Step], rehearsal: Rehearsal) -> int:
    """Run steps one after the other and print what each shows and costs; 1 when one failed, else 0.

    After a failure the later ones run, too: each says something of its own.
    """
    failed = 0
    for step in steps:
        rehearsal.step = step.name
        began = time.monotonic()
        say(f"begun   {step.name}: {step.about}")
        try:
            seen, word = step.act(rehearsal), "held"
        except HarnessError as error:
            seen, word, failed = str(error), "FAILED", 1
        except (LookupError, OSError, ValueError) as error:
            # What was printed or written is not what a step reads.
            seen, word, failed = f"{type(error).__name__}: {error}", "FAILED", 1
        say(f"{word:7} {step.name} in {time.monotonic() - began:.0f} s: {seen}")
        rehearsal.traffic(show=True)
    return failed


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True, file=sys.stdout)


def chosen(known: Sequence[Step], names: Sequence[str]) -> list[Step]:
    """The steps of these names in their order, all without names. Raises UsageError with the names that there are."""
    unknown = [name for name in names if name not in {it.name for it in known}]
    if unknown:
        raise UsageError(
            f"the rehearsal has no step {', '.join(unknown)}", f"its steps: {', '.join(it.name for it in known)}"
        )
    return [it for it in known if not names or it.name in names]
