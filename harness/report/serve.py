# SPDX-License-Identifier: Apache-2.0
"""Serves one report, read-only, to browsers on this machine only."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from harness.errors import HarnessError, HostError
from harness.report.writer import HTML

log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
_HOSTS = frozenset({ADDRESS, "localhost"})


class ReportServer(ThreadingHTTPServer):
    """A server of one report, listening once it is constructed. Port 0 picks a free one."""

    daemon_threads = True

    def __init__(self, folder: Path, page: Callable[[], str], port: int = 0) -> None:
        """`page` renders the page on each call.

        Raises HostError for a port in use.
        """
        try:
            super().__init__((ADDRESS, port), partial(_Handler, folder=folder.resolve(), page=page))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            raise HostError(
                f"cannot listen on {ADDRESS}:{port}: {'the port is in use' if taken else error.strerror}",
                "give another --port, or omit it for a free one",
            ) from error

    @property
    def url(self) -> str:
        """The URL of the page."""
        return f"http://{ADDRESS}:{self.server_address[1]}/"


class _Handler(SimpleHTTPRequestHandler):
    """GET and HEAD for files of the report; the page is rendered on request."""

    server_version = "spark-operator-harness"
    sys_version = ""

    def __init__(self, *arguments: Any, folder: Path, page: Callable[[], str]) -> None:
        self._folder, self._page = folder, page
        super().__init__(*arguments, directory=str(folder))

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Send the response's headers, and return its body."""
        # A name of somebody else that leads here would let their page read the report (DNS rebinding).
        if self.headers.get("Host", "").rpartition(":")[0] not in _HOSTS:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, f"use http://{ADDRESS}")
            return None
        path = self.path.partition("?")[0]
        if path in ("/", f"/{HTML}"):
            return self._send_page()
        # Evidence comes from nodes and containers, whose links may point anywhere.
        asked = self.translate_path(path)
        if "\0" in asked or not Path(asked).resolve().is_relative_to(self._folder):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def _send_page(self) -> BytesIO | None:
        try:
            body = self._page().encode()
        except HarnessError as error:
            log.warning("%s", error)
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, "the report cannot be read", str(error))
            return None
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return BytesIO(body)

    def guess_type(self, path: Any) -> str:
        """Plain text, so that no browser executes what came out of a cluster; bundles are downloads."""
        return "application/gzip" if str(path).endswith(".gz") else "text/plain; charset=utf-8"

    def end_headers(self) -> None:
        """Add the headers of every response."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        # What scripts and styles the page may have, it says itself; nothing else here has any.
        self.send_header("Content-Security-Policy", "frame-ancestors 'none'; object-src 'none'")
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log requests for --verbose."""
        log.debug(format, *arguments)
