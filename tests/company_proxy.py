# SPDX-License-Identifier: Apache-2.0
"""Proxies for tests, as a company has them: by CONNECT or SOCKS5 they lead to some hosts, and refuse all others."""

from __future__ import annotations

import base64
import selectors
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

_SECONDS = 30.0
_PORTION = 1 << 16
_SOCKS_NAME = 3
_LOGIN_WANTED = (
    b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="company"\r\n'
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


@dataclass(frozen=True)
class Asked:
    """One request: from which address, for what."""

    source: str
    target: str


@dataclass
class Proxy:
    """A running proxy and what it was asked for."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def proxying(address: str, names: Mapping[str, str], *, login: str = "") -> Iterator[Proxy]:
    """A proxy on this address during the block; `names` has where each host with its port is to be found.

    With a `login`, a user and a password with a colon between them, it lets nobody else through.
    """
    wanted = f"basic {base64.b64encode(login.encode()).decode()}".lower() if login else ""
    asked: list[Asked] = []

    class Handler(socketserver.StreamRequestHandler):
        timeout = _SECONDS

        def handle(self) -> None:
            method, target, *_ = [*self.rfile.readline().decode("latin-1").split(), "", ""]
            sent = ""
            while line := self.rfile.readline().decode("latin-1").strip():
                name, _, value = line.partition(":")
                sent = value.strip() if name.lower() == "proxy-authorization" else sent
            if sent.lower() != wanted and wanted:
                self.wfile.write(_LOGIN_WANTED)
                return
            asked.append(Asked(source=self.client_address[0], target=target))
            found = names.get(target) if method == "CONNECT" else None
            if found is None:
                self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            host, _, port = found.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=_SECONDS) as beyond:
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _pass_on(self.connection, beyond)

    with _served(address, Handler) as port:
        yield Proxy(url=f"http://{address}:{port}", asked=asked)


@contextmanager
def socks(names: Mapping[str, str]) -> Iterator[Proxy]:
    """A SOCKS5 proxy (RFC 1928) on 127.0.0.1 during the block; `names` has where each host with its port is."""
    asked: list[Asked] = []

    class Handler(socketserver.StreamRequestHandler):
        timeout = _SECONDS

        def handle(self) -> None:
            _, methods = self.rfile.read(2)
            self.rfile.read(methods)
            self.wfile.write(b"\x05\x00")
            kind = self.rfile.read(4)[3]
            if kind == _SOCKS_NAME:
                host = self.rfile.read(self.rfile.read(1)[0]).decode()
            else:
                host = socket.inet_ntoa(self.rfile.read(4))
            target = f"{host}:{int.from_bytes(self.rfile.read(2), 'big')}"
            asked.append(Asked(source=self.client_address[0], target=target))
            found = names.get(target)
            self.wfile.write(b"\x05" + (b"\x00" if found else b"\x02") + b"\x00\x01" + bytes(6))
            if found:
                beyond_host, _, port = found.rpartition(":")
                with socket.create_connection((beyond_host, int(port)), timeout=_SECONDS) as beyond:
                    _pass_on(self.connection, beyond)

    with _served("127.0.0.1", Handler) as port:
        yield Proxy(url=f"socks5://127.0.0.1:{port}", asked=asked)


@contextmanager
def _served(address: str, handler: type[socketserver.StreamRequestHandler]) -> Iterator[int]:
    """A server on a free port of this address, which it gives."""

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: object) -> None:
            """Whoever goes away in the middle does so."""

    with Server((address, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    """Copy in both directions; where one of them has no more to send, the other is told so, and may go on itself."""
    for end in (one, other):
        # However long either takes.
        end.settimeout(None)
    beyond = {one: other, other: one}
    with selectors.DefaultSelector() as both:
        for end in beyond:
            both.register(end, selectors.EVENT_READ)
        while both.get_map():
            for key, _ in both.select():
                end = cast(socket.socket, key.fileobj)
                data = end.recv(_PORTION)
                if data:
                    beyond[end].sendall(data)
                else:
                    both.unregister(end)
                    beyond[end].shutdown(socket.SHUT_WR)
