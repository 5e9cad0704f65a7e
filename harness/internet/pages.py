# SPDX-License-Identifier: Apache-2.0
"""Hosts of the small internet that are no registries with tokens: registry.k8s.io with those that it sends its clients
to, the Helm repository, and the releases that have its charts."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from pathlib import Path

import aiohttp
from aiohttp import hdrs, web
from yarl import URL

from harness.internet.names import ChartHosts, KubernetesHosts
from harness.registries.front import access_log
from harness.registries.front.access_log import AccessLog
from harness.registries.local import Server

_BLOB = re.compile(r"/v2/(?P<repository>.+)/blobs/(?P<digest>[^/]+:[0-9a-f]+)")
_KEPT = ("content-type", "content-length", "docker-content-digest", "docker-distribution-api-version", "etag")
_PORTION = 64 * 1024


class Pages:
    """Answers by the host that is asked at, each `late` by so many seconds. `charts` has index.yaml and a folder for
    each release's tag.
    """

    def __init__(
        self,
        kubernetes: KubernetesHosts,
        charts: ChartHosts,
        *,
        folder: Path,
        storage: Server,
        log: AccessLog,
        late: float = 0.0,
    ) -> None:
        self._kubernetes = kubernetes
        self._charts = charts
        self._folder = folder
        self._storage = storage
        self._log = log
        self._late = late

    def application(self) -> web.Application:
        """The web application."""
        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", self._logged)
        return app

    async def _logged(self, request: web.Request) -> web.StreamResponse:
        began = time.monotonic()
        await asyncio.sleep(self._late)
        answer = await self._answer(request)
        self._log.write(
            access_log.Request(
                time=access_log.now(),
                method=request.method,
                host=request.host,
                path=request.rel_url.path,
                status=answer.status,
                bytes=0 if request.method == hdrs.METH_HEAD else answer.content_length or 0,
                # No login is of use here: a client that brings one along has sent it to another host.
                user="a login" if self._carries_login(request) else "",
                source=request.remote or "",
                agent=request.headers.get(hdrs.USER_AGENT, ""),
                seconds=round(time.monotonic() - began, 4),
            )
        )
        return answer

    def _carries_login(self, request: web.Request) -> bool:
        return hdrs.AUTHORIZATION in request.headers and request.host != self._kubernetes.host

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        kubernetes, charts = self._kubernetes, self._charts
        if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
            return web.Response(status=405, text="Only GET and HEAD are allowed.\n")
        if request.host == kubernetes.host:
            return self._sent_on(request)
        if request.host == kubernetes.regional:
            return await self._stored(request, request.rel_url.path.replace(f"/v2/{kubernetes.path}/", "/v2/", 1))
        if request.host == kubernetes.blobs:
            digest = request.rel_url.path.rpartition("/")[2]
            return await self._stored(request, f"/v2/{request.query.get('repository', '')}/blobs/{digest}")
        if request.host == charts.pages and request.rel_url.path == charts.index:
            return web.FileResponse(self._folder / "index.yaml")
        if request.host == charts.releases and request.rel_url.path.startswith(f"{charts.files}/"):
            asset = request.rel_url.path.removeprefix(charts.files)
            return _to(302, f"https://{charts.assets}{asset}?sig={secrets.token_urlsafe(16)}")
        if request.host == charts.assets and request.query.get("sig"):
            return self._file(request.rel_url.path)
        return web.Response(status=404, text="404: Not Found\n")

    def _sent_on(self, request: web.Request) -> web.StreamResponse:
        """What registry.k8s.io answers."""
        path = request.rel_url.path
        if path == "/token":
            return web.json_response({"token": secrets.token_hex(16), "expires_in": 3600})
        if path in ("/v2", "/v2/"):
            if request.headers.get(hdrs.AUTHORIZATION, "").startswith("Bearer "):
                return web.Response(headers={"Docker-Distribution-Api-Version": "registry/2.0"})
            asked = f'Bearer realm="https://{request.host}/token",service="{request.host}"'
            return web.Response(status=401, text="authentication required\n", headers={"WWW-Authenticate": asked})
        blob = _BLOB.fullmatch(path)
        if blob:
            where = URL.build(scheme="https", host=self._kubernetes.blobs, path=f"/containers/images/{blob['digest']}")
            return _to(307, str(where.with_query(repository=blob["repository"])))
        rest = path.removeprefix("/v2/")
        return _to(307, f"https://{self._kubernetes.regional}/v2/{self._kubernetes.path}/{rest}")

    async def _stored(self, request: web.Request, path: str) -> web.StreamResponse:
        """What the storage of registry.k8s.io has."""
        headers = {key: value for key, value in request.headers.items() if key.lower() in ("accept", "range")}
        connector = aiohttp.UnixConnector(str(self._storage.socket))
        async with (
            aiohttp.ClientSession(connector=connector, auto_decompress=False) as session,
            session.request(request.method, URL(self._storage.url + path, encoded=True), headers=headers) as got,
        ):
            kept = {key: value for key, value in got.headers.items() if key.lower() in _KEPT}
            answer = web.StreamResponse(status=got.status, headers=kept)
            await answer.prepare(request)
            async for portion in got.content.iter_chunked(_PORTION):
                await answer.write(portion)
            await answer.write_eof()
            return answer

    def _file(self, path: str) -> web.StreamResponse:
        file = (self._folder / path.lstrip("/")).resolve()
        inside = file.is_relative_to(self._folder.resolve()) and file.suffix == ".tgz"
        if not inside or not file.is_file():
            return web.Response(status=404, text="404: Not Found\n")
        return web.FileResponse(file)


def _to(status: int, where: str) -> web.StreamResponse:
    return web.Response(status=status, headers={hdrs.LOCATION: where})
