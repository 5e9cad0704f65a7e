# SPDX-License-Identifier: Apache-2.0
"""Controls a registry front in the background: a small API on a Unix socket that only its owner can open."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from harness.errors import HarnessError, HostError, UsageError
from harness.late import httpx
from harness.registries.front.profile import Limits, Visibility
from harness.registries.front.server import Front, fault_of

_SECONDS = 20.0
_VISIBILITY: TypeAdapter[dict[str, Visibility]] = TypeAdapter(dict[str, Visibility])


@contextmanager
def controlled(front: Front, socket: Path, tokens: Path) -> Iterator[None]:
    """Serve the control API of a running front at a socket; tokens that it issues are written to `tokens`, never
    sent."""
    runner = web.AppRunner(_application(front, tokens), access_log=None, shutdown_timeout=1.0, handle_signals=False)

    async def begin() -> None:
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
        socket.chmod(0o600)

    front.run(begin())
    try:
        yield
    finally:
        front.run(runner.cleanup())


def ask(socket: Path, method: str, path: str, body: object = None) -> Any:
    """Send a request and return the response. Raises UsageError if it is refused, HostError without a response."""
    try:
        # Without TLS there are no certificates to read, which would take longer than the request.
        transport = httpx.HTTPTransport(uds=str(socket), verify=False)
        with httpx.Client(transport=transport, timeout=_SECONDS) as client:
            answer = client.request(method, f"http://front{path}", json=body)
    except httpx.TransportError as error:
        raise HostError(
            f"the local registry does not answer at its control socket {socket}: {error}",
            "see `harness registry status`",
        ) from error
    said = answer.json()
    if answer.status_code != 200:
        raise UsageError(said["message"], said["next"])
    return said


def _application(front: Front, tokens: Path) -> web.Application:
    def state(_: Any) -> object:
        limits = front.profile.limits
        return {
            "faults": [f"{it}, {it.count} more" if it.count else str(it) for it in front.faults()],
            "packages": front.packages(),
            "users": list(front.accounts.users),
            "limits": limits.model_dump() if limits else None,
            "storage": front.storage_answers(),
        }

    def fault(body: Any) -> object:
        return {"fault": str(front.fault(fault_of(body)))}

    def mend(_: Any) -> object:
        front.mend()
        return {}

    def issue(body: Any) -> object:
        user = str(body["user"])
        packages, creates = body.get("packages") or ("*",), bool(body.get("creates", True))
        front.issue(user, body["scopes"], seconds=body.get("seconds"), packages=packages, creates=creates)
        return {"file": str(front.accounts.write(tokens)[user])}

    def revoke(body: Any) -> object:
        front.accounts.revoke(str(body["user"]))
        return {}

    def limit(body: Any) -> object:
        front.limit(Limits(**body) if body else None)
        return {}

    def publish(body: Any) -> object:
        for package, visibility in _VISIBILITY.validate_python(body).items():
            front.publish(package, visibility)
        return {"packages": front.packages()}

    app = web.Application()
    app.router.add_get("/state", _handler(state))
    app.router.add_post("/faults", _handler(fault))
    app.router.add_delete("/faults", _handler(mend))
    app.router.add_post("/tokens", _handler(issue))
    app.router.add_delete("/tokens", _handler(revoke))
    app.router.add_put("/limits", _handler(limit))
    app.router.add_put("/packages", _handler(publish))
    return app


def _handler(act: Callable[[Any], object]) -> Any:
    async def handle(request: web.Request) -> web.Response:
        try:
            body = await request.json() if request.can_read_body else None
            # Not in the loop, for which some orders wait.
            return web.json_response(await asyncio.to_thread(act, body))
        except HarnessError as error:
            return web.json_response({"message": error.message, "next": error.next_step}, status=400)
        except (ValidationError, json.JSONDecodeError, KeyError, TypeError) as wrong:
            told: Mapping[str, str] = {"message": f"invalid control request: {wrong}", "next": "see docs/registries.md"}
            return web.json_response(cast(object, told), status=400)

    return handle
