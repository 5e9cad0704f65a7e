# SPDX-License-Identifier: Apache-2.0
"""`Front`: a registry that behaves like a public one, on addresses of this machine, for the duration of a `with`
block."""

from __future__ import annotations

import asyncio
import errno
import threading
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import web
from pydantic import SecretStr, ValidationError

from harness.errors import HarnessError, HostError, UsageError, WaitTimeout
from harness.images.mirrors import Mirror
from harness.registries.front import access_log, certificates
from harness.registries.front.access_log import AccessLog, Request
from harness.registries.front.app import FrontApp
from harness.registries.front.auth import Authorizer
from harness.registries.front.faults import Fault, FaultKind, FaultPlan
from harness.registries.front.limits import PullCounter
from harness.registries.front.profile import Limits, Profile, Visibility
from harness.registries.front.uploads import Uploads
from harness.registries.local import serve
from harness.registries.tokens import SCOPES, Accounts, PersonalToken
from harness.waiting import until

T = TypeVar("T")

_LOOPBACK = "127.0.0.1"
_HEAD_SECONDS = 20.0
_IDLE_SECONDS = 90.0
_SWEEP_SECONDS = 5.0
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_LOG_SECONDS = 1.0
_PORT_TRIES = 5

USERS: Mapping[str, tuple[str, ...]] = {
    "reader": SCOPES[:1],
    "writer": SCOPES[:2],
    "owner": SCOPES,
}
"""The default users and the scopes of their tokens."""


class Front:
    """A registry that behaves like a public one, in front of a real distribution server.

    `folder` gets certificates and the log, and the storage unless `storage` names another. It listens on 127.0.0.1 and
    on `addresses`, say the gateway of a run's network, by which nodes reach it; never on all of them. Without
    `loopback` it listens on `addresses` alone, say those that a name server has for its names. `port` 0: any free one.
    `packages` maps names or globs of repositories to their visibility; what is not in it is as the profile says of new
    packages. `users` maps a user to the scopes of a token. `signed_by` is the CA of its certificate, else it has one of
    its own. Entering raises HostError when it cannot listen.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        folder: Path,
        binary: Path,
        storage: Path | None = None,
        readonly: bool = False,
        addresses: Sequence[str] = (),
        port: int = 0,
        packages: Mapping[str, Visibility] | None = None,
        users: Mapping[str, Sequence[str]] = USERS,
        loopback: bool = True,
        signed_by: certificates.Authority | None = None,
    ) -> None:
        self.folder = folder
        self.accounts = Accounts(profile.personal_prefix)
        self._binary = binary
        self._storage = storage or folder / "storage"
        self._readonly = readonly
        self._addresses = tuple(dict.fromkeys((*((_LOOPBACK,) if loopback else ()), *addresses)))
        self._signed_by = signed_by
        self._port = port
        self._faults = FaultPlan()
        self._counter = PullCounter()
        self._app: FrontApp | None = None
        self._authorizer = Authorizer(profile, self.accounts, dict(packages or {}), self._exists)
        self._stack = ExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeper: asyncio.Future[None] | None = None
        for user, scopes in users.items():
            self.accounts.issue(user, scopes)

    @property
    def host(self) -> str:
        """The registry host that it stands for: `ghcr.io`."""
        return self._authorizer.profile.host

    @property
    def profile(self) -> Profile:
        """The profile of the public registry that it imitates."""
        return self._authorizer.profile

    @property
    def port(self) -> int:
        """The port, the same on each of its addresses."""
        return self._port

    @property
    def address(self) -> str:
        """Host and port for programs on this machine, for image references."""
        return f"{self._addresses[0]}:{self._port}"

    @property
    def ca(self) -> Path:
        """The PEM file of the CA that signed its certificate."""
        return self.folder / "tls" / "ca.pem"

    @property
    def log_file(self) -> Path:
        """The log of requests, one JSON object a line."""
        return self.folder / "requests.jsonl"

    def mirror(self, user: str = "") -> Mirror:
        """This registry as a mirror map entry: for nodes by the first of `addresses`, for this machine by 127.0.0.1.

        With a user, nodes send that user's token. Raises UsageError when the user has none.
        """
        token = self.accounts.of(user) if user else None
        return Mirror(
            url=f"https://{self._addresses[-1] if len(self._addresses) > 1 else _LOOPBACK}:{self._port}",
            host_url=f"https://{self.address}",
            ca=self.ca,
            username=token.user if token else "",
            password=SecretStr(token.secret if token else ""),
        )

    def fault(self, kind: FaultKind | Fault, **details: Any) -> Fault:
        """Set a fault; see `Fault` for the details. Raises UsageError for invalid details."""
        fault = kind if isinstance(kind, Fault) else fault_of({"kind": kind, **details})
        self._faults.add(fault)
        if fault.kind == "expired-certificate":
            self.run(self._drop_connections())
        return fault

    def mend(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def faults(self) -> list[Fault]:
        """The active faults."""
        return self._faults.active()

    def limit(self, limits: Limits | None) -> None:
        """Set the pull limits and reset the counts. Raises UsageError for a registry that has none."""
        self._authorizer.profile = self._authorizer.profile.with_limits(limits)
        self._counter.reset()

    def spend(self, addresses: Iterable[str]) -> None:
        """Use up the anonymous pull quota of these addresses for this window."""
        limits = self.profile.limits
        for address in addresses if limits else ():
            while limits and self._counter.pull(limits, user="", address=address).counted:
                pass

    def publish(self, package: str, visibility: Visibility) -> None:
        """Make a package, or those that match a glob, private or public."""
        self._authorizer.packages[package] = visibility

    def packages(self) -> dict[str, Visibility]:
        """The visibility set for packages."""
        return dict(self._authorizer.packages)

    def issue(self, user: str, scopes: Sequence[str], **details: Any) -> PersonalToken:
        """Give a user a new token; see `Accounts.issue`."""
        return self.accounts.issue(user, scopes, **details)

    def storage_answers(self) -> bool:
        """Whether the server behind this front still answers; without it every request is a 502."""
        return self._app is not None and self.run(self._app.storage_answers())

    def requests(self) -> list[Request]:
        """Every request so far, oldest first. Raises DiskError when the log could not be written.

        Requests in progress get a moment to finish; one that takes longer is not included.
        """
        app = self._app
        if app:
            with suppress(WaitTimeout):
                until(
                    lambda: app.under_way == 0,
                    what="requests in progress to be logged",
                    timeout=_LOG_SECONDS,
                    interval=0.01,
                    heed_cancel=False,
                )
            if app.failure:
                raise app.failure
        return access_log.read(self.log_file)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            names = [*self.profile.names, *filter(None, (self.profile.token_host, self.profile.blob_host))]
            made = certificates.make(self.folder / "tls", names, self._addresses, signed_by=self._signed_by)
            log = stack.enter_context(AccessLog(self.log_file))
            storage = stack.enter_context(
                serve(self._binary, self._storage, self.folder / "storage.log", readonly=self._readonly, private=True)
            )
            uploads = Uploads(self._storage)
            if not self._readonly:
                uploads.adopt()
            self._app = FrontApp(self._authorizer, self._faults, self._counter, log, storage, uploads, set())
            self._loop = asyncio.new_event_loop()
            thread = threading.Thread(target=self._loop.run_forever, name=f"front-{self.host}", daemon=True)
            thread.start()
            stack.callback(self._end_loop, thread)
            context = certificates.server_context(made, self._faults.certificate_expired)
            self._runner = web.AppRunner(
                self._app.application(), access_log=None, shutdown_timeout=1.0, handle_signals=False
            )
            stack.callback(lambda: self.run(self._close()))
            self.run(self._listen(context))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    async def _listen(self, context: Any) -> None:
        await self._runner.setup()
        free = self._port == 0
        for attempt in range(_PORT_TRIES):
            started: list[web.TCPSite] = []
            port = self._port
            try:
                for address in self._addresses:
                    site = web.TCPSite(self._runner, address, port, ssl_context=context)
                    await site.start()
                    started.append(site)
                    # A free port of one address may be taken on another; then all begin again.
                    port = self._runner.addresses[-1][1]
            except OSError as error:
                for site in started:
                    await site.stop()
                taken = error.errno == errno.EADDRINUSE
                if not (free and taken and started) or attempt == _PORT_TRIES - 1:
                    raise _cannot_listen(self._addresses[len(started)], port, error) from error
                continue
            self._port = port
            self._sweeper = asyncio.ensure_future(self._sweep())
            return

    async def _sweep(self) -> None:
        """Close connections on which no request arrives, and remove uploads that nobody goes on with."""
        waiting: dict[int, float] = {}
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            server, now = self._runner.server, time.monotonic()
            idle = [it for it in (server.connections if server else ()) if it._current_request is None]
            waiting = {id(it): waiting.get(id(it), now) for it in idle}
            for connection in idle:
                # A client may be about to use an idle connection again: those are left to aiohttp for longer.
                allowed = _IDLE_SECONDS if self._app and id(connection) in self._app.served else _HEAD_SECONDS
                if now - waiting[id(connection)] > allowed and connection.transport is not None:
                    connection.transport.abort()
            if self._app:
                self._app.served &= waiting.keys() | {id(it) for it in (server.connections if server else ())}
                await asyncio.to_thread(self._app.uploads.sweep)

    async def _drop_connections(self) -> None:
        """Close idle keep-alive connections: their handshake used the valid certificate."""
        server = self._runner.server
        for connection in list(server.connections if server else ()):
            connection.force_close()
            if connection.transport is not None and connection._current_request is None:
                connection.transport.close()

    async def _close(self) -> None:
        """Stop serving. Clients may keep connections open, and need not answer the TLS close_notify."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        server = self._runner.server
        transports = [it.transport for it in (server.connections if server else ()) if it.transport is not None]
        await self._runner.cleanup()
        for transport in transports:
            # In Python 3.11.2, one of TLS that was closed twice has lost what it would abort, and ends with the loop.
            with suppress(AttributeError):
                transport.abort()

    async def _exists(self, repository: str) -> bool:
        return await self._app.exists(repository) if self._app else False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a function in the serving thread, and return its result."""
        if self._loop is None:
            work.close()
            raise UsageError("the registry front is not running", "use it within its `with` block")
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(_START_SECONDS)

    def _end_loop(self, thread: threading.Thread) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_STOP_SECONDS)
            loop.close()


def fault_of(details: Mapping[str, Any]) -> Fault:
    """A fault from strings, as on a command line or in a control request. Raises UsageError."""
    try:
        return Fault(**details)
    except ValidationError as wrong:
        raise UsageError(f"invalid fault: {_said(wrong)}", "docs/registries.md lists the faults") from wrong


def _said(wrong: ValidationError) -> str:
    return "; ".join(_problem(it["loc"], it["msg"]) for it in wrong.errors())


def _problem(where: Iterable[object], message: str) -> str:
    place = ".".join(map(str, where))
    return (f"{place}: " if place else "") + message.removeprefix("Value error, ")


def _cannot_listen(address: str, port: int, error: OSError) -> HarnessError:
    if error.errno == errno.EADDRINUSE:
        return HostError(
            f"the local registry could not listen on {address}:{port}: the port is in use",
            f"find out which program uses it: ss -ltnp 'sport = :{port}', or omit --port",
        )
    if error.errno == errno.EACCES:
        return HostError(f"this user may not listen on {address}:{port}", "use port 1024 or higher")
    return HostError(f"the local registry could not listen on {address}:{port}: {error.strerror}", "see ip address")
