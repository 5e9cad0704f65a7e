# SPDX-License-Identifier: Apache-2.0
"""How a registry front handles a request: fault, authorization, rate limit, storage, log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from harness.errors import DiskError
from harness.registries.front import access_log
from harness.registries.front.access import Route, basic, is_name, route, wanted
from harness.registries.front.access_log import AccessLog
from harness.registries.front.auth import NOBODY, Authorizer, Caller, Refusal, error_body
from harness.registries.front.faults import Fault, FaultPlan, Struck
from harness.registries.front.limits import Balance, PullCounter
from harness.registries.front.profile import Case
from harness.registries.front.redirects import SignedBlobs
from harness.registries.front.uploads import Uploads
from harness.registries.local import Server

_HOP = {"connection", "keep-alive", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"}
_KEPT_BACK = {*_HOP, "authorization", "host", "content-length", "expect"}
_PORTION = 64 * 1024
_BODY_SECONDS = 60.0
# What a fault of kind `status` says; 404 depends on what is asked for.
_SAID = {
    401: ("UNAUTHORIZED", "authentication required"),
    403: ("DENIED", "requested access to the resource is denied"),
    429: ("TOOMANYREQUESTS", "Too Many Requests"),
    500: ("UNKNOWN", "unknown error"),
    503: ("UNAVAILABLE", "service unavailable"),
}
_MISSING = {
    "manifests": ("MANIFEST_UNKNOWN", "manifest unknown"),
    "blobs": ("BLOB_UNKNOWN", "blob unknown to registry"),
    "uploads": ("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"),
}


_NO_NAME = Refusal(status=400, body=error_body("NAME_INVALID", "invalid repository name"))


@dataclass(kw_only=True)
class _Note:
    """What will be logged about a request."""

    status: int = 0
    bytes: int = 0
    user: str = ""
    scope: str = ""
    fault: str = ""


class FrontApp:
    """Answers requests in front of a registry server. Lives in one event loop."""

    def __init__(
        self,
        authorizer: Authorizer,
        faults: FaultPlan,
        counter: PullCounter,
        log: AccessLog,
        storage: Server,
        uploads: Uploads,
        pushed: set[str],
    ) -> None:
        self._authorizer = authorizer
        self._faults = faults
        self._counter = counter
        self._log = log
        self._storage = storage.url
        self._socket = storage.socket
        self.uploads = uploads
        """Uploads that have begun and not ended."""
        self._pushed = pushed
        self._session: aiohttp.ClientSession | None = None
        self._signed = SignedBlobs(authorizer.profile.blob_host)
        self.failure: DiskError | None = None
        """Why the log is incomplete; from then on every request is refused."""
        self.served: set[int] = set()
        """The ids of connections that have had a request."""
        self.under_way = 0
        """Requests that are not in the log yet: a client can have the whole response a moment before it is logged."""

    def application(self) -> web.Application:
        """The web application; the connections to the storage live as long as it does."""
        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", self._answer)
        app.cleanup_ctx.append(self._connections)
        return app

    async def storage_answers(self) -> bool:
        """Whether the server behind this one answers."""
        try:
            async with self._to_storage.get(f"{self._storage}/v2/") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def exists(self, repository: str) -> bool:
        """Whether the storage has a repository of this name."""
        if repository in self._pushed:
            return True
        url = f"{self._storage}/v2/{repository}/tags/list?n=1"
        async with self._to_storage.get(URL(url, encoded=True)) as answer:
            there = answer.status == 200
        if there:
            self._pushed.add(repository)
        return there

    @property
    def _to_storage(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the application is not running")
        return self._session

    async def _connections(self, app: web.Application) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        # Without a login, so that nobody but this front may reach it.
        connector = aiohttp.UnixConnector(str(self._socket), limit=0) if self._socket else aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False, timeout=timeout) as session:
            self._session = session
            yield

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        began = time.monotonic()
        note = _Note()
        asked = route(request.rel_url.path)
        self.under_way += 1
        self.served.add(id(request.protocol))
        try:
            if self.failure is not None:
                return self._say(note, Refusal(status=500, body=error_body("UNKNOWN", self.failure.message)))
            return await self._through(request, asked, note)
        except TimeoutError:
            self.uploads.abort(asked.reference if asked else "")
            request.protocol.force_close()
            return self._say(note, Refusal(status=408, body=error_body("UNKNOWN", "the request did not go on")))
        except ConnectionError:
            # The client went away; what it got is in the note.
            self.uploads.abort(asked.reference if asked else "")
            raise
        except aiohttp.ClientError as error:
            self.uploads.abort(asked.reference if asked else "")
            said = f"the storage behind this registry did not answer: {error}"
            return self._say(note, Refusal(status=502, body=error_body("UNAVAILABLE", said)))
        finally:
            self._write(request, asked, note, time.monotonic() - began)
            self.under_way -= 1

    def _write(self, request: web.Request, asked: Route | None, note: _Note, seconds: float) -> None:
        entry = access_log.Request(
            time=access_log.now(),
            method=request.method,
            host=request.host,
            path=request.rel_url.path,
            scope=note.scope,
            repository=asked.repository if asked else "",
            status=note.status,
            bytes=0 if request.method == hdrs.METH_HEAD else note.bytes,
            user=note.user,
            source=request.remote or "",
            agent=request.headers.get(hdrs.USER_AGENT, ""),
            seconds=round(seconds, 4),
            fault=note.fault,
        )
        try:
            self._log.write(entry)
        except DiskError as error:
            self.failure = error

    async def _through(self, request: web.Request, asked: Route | None, note: _Note) -> web.StreamResponse:
        is_token = request.rel_url.path == "/token"
        struck = self._faults.strike(
            request.method, "token" if is_token else asked.target if asked else "any", asked.repository if asked else ""
        )
        note.fault = struck.words
        header = request.headers.get(hdrs.AUTHORIZATION, "")
        known = self._authorizer.caller(header) if not is_token else None
        if isinstance(known, Caller):
            note.user = known.user
        late = struck.of("latency")
        if late:
            await asyncio.sleep(late.seconds)
        failing = struck.of("status")
        if failing:
            return self._say(note, self._failed(failing, asked, request.host))
        if is_token:
            return await self._token(request, note)
        if request.host == self._signed.host:
            return await self._signed_blob(request, note)
        if asked is None:
            return self._say(note, Refusal(status=404, body=b"404 page not found\n"))
        if asked.repository and not is_name(asked.repository):
            return self._say(note, _NO_NAME)
        return await self._registry(request, asked, known or "no-credentials", note)

    async def _token(self, request: web.Request, note: _Note) -> web.StreamResponse:
        scopes: Sequence[str] = request.query.getall("scope", [])
        if request.method == hdrs.METH_POST and self._authorizer.profile.token_post:
            form = await request.post()
            if form.get("grant_type") != "password":
                return self._say(note, self._authorizer.refusal("wrong-credentials"))
            credentials: tuple[str, str] | None = (str(form.get("username", "")), str(form.get("password", "")))
            scopes = [str(it) for it in form.getall("scope", [])]
        elif request.method in (hdrs.METH_GET, hdrs.METH_HEAD):
            header = request.headers.get(hdrs.AUTHORIZATION, "")
            credentials = basic(header)
            if header and credentials is None:
                return self._say(note, self._authorizer.refusal("wrong-credentials"))
        else:
            return self._say(note, Refusal(status=405, body=error_body("UNSUPPORTED", "The operation is unsupported.")))
        note.scope = " ".join(scopes)
        if not all(is_name(it.repository) for it in wanted(scopes)):
            return self._say(note, _NO_NAME)
        caller, answer = await self._authorizer.token_for(credentials, scopes)
        note.user = caller.user
        if isinstance(answer, Refusal):
            return self._say(note, answer)
        return self._say(note, Refusal(status=200, body=answer))

    async def _registry(
        self, request: web.Request, asked: Route, known: Caller | Case, note: _Note
    ) -> web.StreamResponse:
        caller, case = (known, None) if isinstance(known, Caller) else (NOBODY, known)
        right = asked.right(request.method)
        if case is None and asked.repository:
            case = await self._authorizer.refuses(caller, right, asked.repository)
        if case is None and right == "delete" and not self._authorizer.profile.deletes:
            case = "delete-unsupported"
        if case:
            return self._say(note, self._authorizer.refusal(case, host=request.host, route=asked, right=right))
        if await self._goes_elsewhere(request, asked):
            return self._say(note, Refusal(status=307, body=b"", headers={"Location": self._signed.address(asked)}))
        balance = self._balance(request, asked, caller)
        if balance and asked.is_pull(request.method) and not balance.counted:
            headers = {**balance.headers, "Retry-After": str(balance.retry_after)}
            spent: Case = "limit-user" if caller.user else "limit-anonymous"
            return self._say(note, self._authorizer.refusal(spent, headers=headers))
        answer = await self._forward(request, asked, caller, note, balance.headers if balance else {})
        if balance and note.status != 200:
            self._counter.refund(balance)
        if asked.target == "manifests" and request.method == hdrs.METH_PUT and note.status == 201:
            self._pushed.add(asked.repository)
        return answer

    def _balance(self, request: web.Request, asked: Route, caller: Caller) -> Balance | None:
        limits = self._authorizer.profile.limits
        if limits is None or asked.target != "manifests" or request.method not in ("GET", "HEAD"):
            return None
        act = self._counter.pull if request.method == hdrs.METH_GET else self._counter.look
        return act(limits, user=caller.user, address=request.remote or "")

    async def _goes_elsewhere(self, request: web.Request, asked: Route) -> bool:
        """Whether a client is sent to the host of the blobs: one that asks by name, for what is there."""
        named = bool(self._signed.host) and request.host in self._authorizer.profile.names
        if not (named and asked.target == "blobs" and request.method == hdrs.METH_GET):
            return False
        async with self._to_storage.head(URL(self._storage + request.rel_url.raw_path, encoded=True)) as answer:
            return answer.status == 200

    async def _signed_blob(self, request: web.Request, note: _Note) -> web.StreamResponse:
        found = self._signed.blob(request.method, request.rel_url.path, request.query, request.headers)
        if isinstance(found, Refusal):
            return self._say(note, found)
        return await self._forward(request, found, NOBODY, note, {})

    async def _forward(
        self,
        request: web.Request,
        asked: Route,
        caller: Caller,
        note: _Note,
        extra: Mapping[str, str],
    ) -> web.StreamResponse:
        # All values of a header: a pull-through cache sends one Accept for each media type.
        headers = CIMultiDict((key, value) for key, value in request.headers.items() if key.lower() not in _KEPT_BACK)
        # The storage makes addresses of these, for uploads and further pages.
        headers.update({"Host": request.host, "X-Forwarded-Proto": "https"})
        body: AsyncIterator[bytes] | None = None
        if request.can_read_body:
            body = _received(request)
            if request.content_length is not None:
                headers["Content-Length"] = str(request.content_length)
        url = URL(self._storage + await self._path(request, asked, caller), encoded=True)
        async with self._to_storage.request(
            request.method, url, headers=headers, data=body, allow_redirects=False,
            skip_auto_headers=(hdrs.CONTENT_TYPE, hdrs.USER_AGENT, hdrs.ACCEPT_ENCODING),
        ) as got:  # fmt: skip
            if asked.target == "uploads":
                self.uploads.note(asked.repository, request.method, asked.reference, got)
            told = [(key, value) for key, value in got.headers.items() if key.lower() not in _HOP]
            response = web.StreamResponse(status=got.status, headers=[*told, *extra.items()])
            spoilt = got.status in (200, 206) and request.method == hdrs.METH_GET
            struck = self._faults.spoil(request.method, asked.target, asked.repository) if spoilt else Struck([])
            note.fault = "; ".join(filter(None, (note.fault, struck.words)))
            await self._copy(request, got, response, struck, note)
            return response

    async def _path(self, request: web.Request, asked: Route, caller: Caller) -> str:
        """The query for the storage: without a mount from a repository that the caller may not read."""
        if request.host == self._signed.host:
            return f"/v2/{asked.repository}/blobs/{asked.reference}"
        origin = request.query.get("from", "")
        if asked.target == "uploads" and origin and await self._authorizer.refuses(caller, "pull", origin):
            return request.rel_url.without_query_params("mount", "from").raw_path_qs
        return request.raw_path

    async def _copy(
        self,
        request: web.Request,
        got: aiohttp.ClientResponse,
        response: web.StreamResponse,
        struck: Struck,
        note: _Note,
    ) -> None:
        length = got.content_length
        cut, truncated, wrong = struck.of("cut"), struck.of("truncated"), struck.of("wrong-digest")
        last = _end(cut or truncated, length)
        if truncated and last is not None:
            response.content_length = last
        await response.prepare(request)
        note.status = got.status
        if request.method == hdrs.METH_HEAD:
            return
        slow = struck.of("slow-first-byte")
        if slow:
            await asyncio.sleep(slow.seconds)
        async for portion in got.content.iter_chunked(struck.bucket.portion if struck.bucket else _PORTION):
            data = portion if last is None else portion[: last - note.bytes]
            if wrong and note.bytes == 0:
                data = _altered(data)
            if struck.bucket:
                await struck.bucket.take(len(data))
            await response.write(data)
            note.bytes += len(data)
            if last is not None and note.bytes >= last:
                break
        if cut and request.transport is not None:
            # What was written gets out, the promised rest does not come.
            request.transport.close()

    def _failed(self, fault: Fault, asked: Route | None, host: str) -> Refusal:
        if fault.status == 404:
            code, message = _MISSING.get(asked.target if asked else "", ("NAME_UNKNOWN", "repository name not known"))
        else:
            code, message = _SAID[fault.status]
        if fault.status == 429 and "limit-anonymous" in self._authorizer.profile.answers:
            message = self._authorizer.profile.answers["limit-anonymous"].message
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        if fault.status == 401:
            # With its challenge, as a registry that takes no token for good enough.
            headers |= self._authorizer.refusal("token-ended", host=host, route=asked).headers
        return Refusal(status=fault.status, body=error_body(code, message), headers=headers)

    def _say(self, note: _Note, refusal: Refusal) -> web.Response:
        note.status, note.bytes = refusal.status, len(refusal.body)
        headers = {"Docker-Distribution-Api-Version": "registry/2.0", **refusal.headers}
        return web.Response(status=refusal.status, body=refusal.body, headers=headers, content_type="application/json")


async def _received(request: web.Request) -> AsyncIterator[bytes]:
    """The body of a request. Raises TimeoutError when the client sends nothing for a while."""
    while True:
        async with asyncio.timeout(_BODY_SECONDS):
            portion = await request.content.read(_PORTION)
        if not portion:
            return
        yield portion


def _end(fault: Fault | None, length: int | None) -> int | None:
    """How many bytes of a body of this length are sent before the fault cuts it off."""
    if fault is None:
        return None
    half = (length or 0) // 2
    return half if fault.after is None else min(fault.after, length if length is not None else fault.after)


def _altered(data: bytes) -> bytes:
    """The same bytes with one changed: in gzip one of the timestamp's, so that it still unpacks."""
    at = min(4, len(data) - 1)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if data else data
