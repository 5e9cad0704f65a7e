# SPDX-License-Identifier: Apache-2.0
"""A web server whose answers a test writes down: what registries say when they refuse, which a real one says rarely."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    method: str
    path: str
    authorization: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Answer:
    """What is sent; with the status 0 nothing is, and the connection is closed."""

    status: int
    body: str | bytes = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeServer:
    address: str
    requests: list[Request]


@contextmanager
def answering(answer: Callable[[Request], Answer]) -> Iterator[FakeServer]:
    """Serve on a free port of 127.0.0.1 and remember the requests."""
    seen: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Request(
                method=self.command,
                path=self.path,
                authorization=self.headers.get("Authorization", ""),
                body=self.rfile.read(length).decode(),
                headers={name.lower(): value for name, value in self.headers.items()},
            )
            seen.append(request)
            given = answer(request)
            if not given.status:
                return
            self.send_response(given.status)
            for name, value in given.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(given.body if isinstance(given.body, bytes) else given.body.encode())

        do_GET = do_HEAD = do_POST = do_PUT = handle_any

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield FakeServer(address=f"127.0.0.1:{server.server_port}", requests=seen)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
