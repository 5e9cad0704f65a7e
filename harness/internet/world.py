# SPDX-License-Identifier: Apache-2.0
"""The small internet while it runs: registries, pages and a name server on addresses of this network namespace."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from aiohttp import web

from harness import process
from harness.internet import names, site, trust
from harness.internet.machine import WAN, Machine, started
from harness.internet.pages import Pages
from harness.internet.plan import Plan
from harness.registries import local
from harness.registries.front import access_log, certificates
from harness.registries.front.access_log import AccessLog, Request
from harness.registries.front.profile import profiles
from harness.registries.front.server import Front
from harness.waiting import until

_SECONDS = 30.0
_HTTPS = 443


class World:
    """The internet: `fronts` by registry host, that of a site among them, and the requests to everything in it."""

    def __init__(self, fronts: Mapping[str, Front], pages: Path) -> None:
        self.fronts = fronts
        self._pages = pages

    def requests(self) -> list[Request]:
        """Every request so far, by time."""
        found = [it for front in self.fronts.values() for it in front.requests()]
        return sorted([*found, *access_log.read(self._pages)], key=lambda it: it.time)


def take_addresses() -> None:
    """Give this network namespace, which has nothing yet, the addresses of the internet."""
    where = (names.NAME_SERVER, *names.addresses().values())
    for words in ("link set lo up", *(f"addr add {it}/32 dev lo" for it in where)):
        process.call(["ip", *words.split()], timeout=_SECONDS)


@contextmanager
def running(plan: Plan, authority: certificates.Authority) -> Iterator[World]:
    """The internet of a plan, for as long as the block lasts."""
    where = names.addresses()
    with ExitStack() as stack:
        fronts = {}
        for host, profile in profiles().items():
            front = Front(
                profile,
                folder=plan.folder / "fronts" / host,
                binary=plan.registry,
                storage=plan.storage / host,
                addresses=[where[name] for name in names.names_of(profile)],
                port=_HTTPS,
                packages={"*": "public"},
                loopback=False,
                signed_by=authority,
            )
            fronts[host] = stack.enter_context(front)
        fronts[names.hosts().site.host] = stack.enter_context(site.front(plan))
        if plan.link and plan.link.seconds:
            for each in fronts.values():
                each.fault("latency", seconds=plan.link.seconds, target="any")
        log = plan.folder / "fronts" / "pages.jsonl"
        stack.enter_context(_pages(plan, authority, log, where))
        stack.enter_context(_name_server(plan, where))
        yield World(fronts, log)


@contextmanager
def machine_of(plan: Plan, authority: certificates.Authority) -> Iterator[Machine]:
    """A machine in the internet that trusts its CA."""
    etc = plan.folder / "machine" / "etc"
    shutil.copytree("/etc", etc, symlinks=True)
    resolv = etc / "resolv.conf"
    resolv.unlink(missing_ok=True)
    resolv.write_text(f"nameserver {names.NAME_SERVER}\n")
    # The engine of the machine is nobody's yet.
    shutil.rmtree(etc / "docker", ignore_errors=True)
    trust.in_etc(etc, authority.pem)
    with started(etc.parent, plan.environment, plan.work, plan.shown) as machine:
        if plan.link:
            plan.link.shape(WAN)
        yield machine


def corefile(where: Mapping[str, str]) -> str:
    """CoreDNS's configuration for a name server that knows these names, and says of all others that there are none.

    In blocks of their own: within one, CoreDNS asks `template` before `hosts` (plugin.cfg).
    """
    rows = "".join(f"        {address} {name}\n" for name, address in where.items())
    bind = f"    bind {names.NAME_SERVER}\n"
    known = f"{' '.join(f'{name}:53' for name in where)} {{\n{bind}    hosts {{\n{rows}    }}\n}}\n"
    return f"{known}.:53 {{\n{bind}    template ANY ANY {{\n        rcode NXDOMAIN\n    }}\n}}\n"


@contextmanager
def _name_server(plan: Plan, where: Mapping[str, str]) -> Iterator[None]:
    config = plan.folder / "Corefile"
    config.write_text(corefile(where))
    with process.background([plan.coredns, "-conf", config], log_file=plan.folder / "name-server.log") as child:
        until(
            lambda: child.poll() is not None or "CoreDNS-" in (plan.folder / "name-server.log").read_text(),
            what="the name server to start",
            timeout=_SECONDS,
            interval=0.05,
            next_step=f"see {plan.folder / 'name-server.log'}",
        )
        yield


@contextmanager
def _pages(plan: Plan, authority: certificates.Authority, log: Path, where: Mapping[str, str]) -> Iterator[None]:
    hosts = names.hosts()
    made = certificates.make(plan.folder / "fronts" / "pages-tls", hosts.names, (), signed_by=authority)
    context = certificates.server_context(made, lambda: False)
    storage_folder = plan.storage / hosts.kubernetes.host
    with (
        AccessLog(log) as written,
        local.serve(plan.registry, storage_folder, plan.folder / "pages.log", readonly=True, private=True) as storage,
    ):
        late = plan.link.seconds if plan.link else 0.0
        pages = Pages(hosts.kubernetes, hosts.charts, folder=plan.charts, storage=storage, log=written, late=late)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="pages", daemon=True)
        thread.start()
        runner = web.AppRunner(pages.application(), access_log=None, shutdown_timeout=1.0, handle_signals=False)

        async def listen() -> None:
            await runner.setup()
            for name in hosts.names:
                await web.TCPSite(runner, where[name], _HTTPS, ssl_context=context).start()

        asyncio.run_coroutine_threadsafe(listen(), loop).result(_SECONDS)
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_SECONDS)
            loop.close()
