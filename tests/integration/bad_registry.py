# SPDX-License-Identifier: Apache-2.0
"""A registry that answers each part of a pull as a test says: with any status, any content, or by hanging up.

The fronts of harness/registries/front play what a scenario may ask for; this one plays what they must never do.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import ssl
import struct
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, Literal

from pushing import layer_of

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An HTTP answer. `promised` is the length that it says it has, `hangs_up` resets the connection in its place."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    promised: int | None = None
    hangs_up: Literal["", "reset", "close"] = ""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of one layer that no other test has."""

    config: bytes
    layer: bytes
    manifest: bytes
    media_type: str = MANIFEST

    @classmethod
    def new(cls, edit: Callable[[Document], Document] = lambda it: it, *, layer: bytes | None = None) -> Image:
        """One whose manifest is edited before it is written."""
        unpacked = layer_of(uuid.uuid4().hex)
        packed = gzip.compress(unpacked) if layer is None else layer
        config = json.dumps(
            {
                "os": "linux",
                "architecture": "amd64",
                "config": {"Labels": {"it": uuid.uuid4().hex}},
                "rootfs": {"type": "layers", "diff_ids": [digest(unpacked)]},
            }
        ).encode()
        document = edit(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": _CONFIG, "digest": digest(config), "size": len(config)},
                "layers": [{"mediaType": _LAYER, "digest": digest(packed), "size": len(packed)}],
            }
        )
        return cls(
            config=config,
            layer=packed,
            manifest=json.dumps(document).encode(),
            media_type=document.get("mediaType", MANIFEST),
        )


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class BadRegistry:
    """One that serves an image at any name, and the `replies` in the place of its parts.

    These are manifest, config, layer and token. A token is asked for as soon as `replies` has one for it; `realm` is
    where, if not here.
    """

    url: str
    image: Image
    replies: Mapping[str, Reply]
    realm: str = ""

    def reply(self, path: str, *, logged_in: bool) -> Reply:
        """What is answered to a GET."""
        if path.startswith("/token"):
            return self.replies.get("token", Reply(body=b'{"token": "it"}'))
        if ("token" in self.replies or self.realm) and not logged_in:
            realm = self.realm or f"{self.url}/token"
            return Reply(status=401, headers={"WWW-Authenticate": f'Bearer realm="{realm}",service="it"'})
        part, usual = self._usual(path)
        return self.replies.get(part, usual)

    def _usual(self, path: str) -> tuple[str, Reply]:
        if "/manifests/" in path:
            headers = {"Content-Type": self.image.media_type, "Docker-Content-Digest": digest(self.image.manifest)}
            return "manifest", Reply(headers=headers, body=self.image.manifest)
        if path.endswith(digest(self.image.config)):
            return "config", Reply(body=self.image.config)
        there = Reply(body=self.image.layer) if path.endswith(digest(self.image.layer)) else Reply(status=404)
        return "layer", there


@contextmanager
def bad_registry(
    address: str,
    replies: Mapping[str, Reply] = MappingProxyType({}),
    *,
    image: Image | None = None,
    tls: ssl.SSLContext | None = None,
    realm: str = "",
) -> Iterator[BadRegistry]:
    """One on this address of the machine, at a free port, for as long as the block lasts."""
    made = BadRegistry(url="", image=image or Image.new(), replies=replies, realm=realm)
    with ThreadingHTTPServer((address, 0), _handler(made)) as server:
        # What clients do at the handshake is not this server's trouble.
        server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        made.url = f"{'https' if tls else 'http'}://{address}:{server.server_port}"
        with _serving(server):
            yield made


@contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def _handler(registry: BadRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            reply = registry.reply(self.path.partition("?")[0], logged_in="Authorization" in self.headers)
            if reply.hangs_up:
                self._hang_up(reply.hangs_up)
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            length = len(reply.body) if reply.promised is None else reply.promised
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)
            if length != len(reply.body):
                self.close_connection = True

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.do_GET()

        def _hang_up(self, how: str) -> None:
            self.close_connection = True
            if how == "reset":
                # Without lingering, closing is a reset (socket(7), SO_LINGER).
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    return Handler


@contextmanager
def silence(address: str) -> Iterator[str]:
    """A port that takes connections and never says a word; yields host and port."""
    with socket.socket() as listening:
        listening.bind((address, 0))
        listening.listen()
        yield f"{address}:{listening.getsockname()[1]}"


@contextmanager
def nobody(address: str) -> Iterator[str]:
    """A port that refuses connections: bound, so that nobody else gets it, and not listened at."""
    with socket.socket() as bound:
        bound.bind((address, 0))
        yield f"{address}:{bound.getsockname()[1]}"
