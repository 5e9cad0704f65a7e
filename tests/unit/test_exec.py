# SPDX-License-Identifier: Apache-2.0
"""Telling a driver to end, over a real websocket. The server that answers the exec is made here."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client

from harness.errors import HarnessError
from harness.upgrades import clients

# RFC 6455, section 1.3.
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_STDERR = b"\x02"
_NORMAL = b"\x88\x02\x03\xe8"


class ExecServer:
    """Answers one exec with some words on stderr (or breaks off with the words None), and ends it."""

    def __init__(self, words: str | None) -> None:
        self._words = words
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.asked = ""

    def __enter__(self) -> ExecServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join(10)

    def api_client(self) -> client.ApiClient:
        host, port = self._listener.getsockname()
        return client.ApiClient(client.Configuration(host=f"http://{host}:{port}"))

    def _serve(self) -> None:
        peer, _ = self._listener.accept()
        with peer:
            peer.settimeout(10)
            asked = b""
            while b"\r\n\r\n" not in asked:
                asked += peer.recv(4096)
            self.asked = asked.decode()
            headers = dict(line.split(": ", 1) for line in self.asked.splitlines()[1:] if ": " in line)
            key = base64.b64encode(hashlib.sha1((headers["Sec-WebSocket-Key"] + _GUID).encode()).digest())  # noqa: S324
            peer.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\nSec-WebSocket-Accept: " + key + b"\r\n\r\n"
            )
            if self._words is None:
                return
            if self._words:
                frame = _STDERR + self._words.encode()
                peer.sendall(bytes([0x82, len(frame)]) + frame)
            peer.sendall(_NORMAL)
            # As an API server does: it hears the answer to its own close, and hangs up.
            peer.recv(4096)


def cluster(server: ExecServer) -> Any:
    return SimpleNamespace(api_client=server.api_client, kubeconfig=Path("none"))


def test_a_driver_is_told_and_the_socket_is_closed() -> None:
    # A socket that is left open is a ResourceWarning, which pytest takes for an error here.
    with ExecServer("") as server:
        clients.let_end(cluster(server), "apps", "long-driver")
    assert "/api/v1/namespaces/apps/pods/long-driver/exec?" in server.asked


def test_what_the_driver_says_against_it_is_an_error() -> None:
    with ExecServer("touch: read-only file system") as server, pytest.raises(HarnessError, match="read-only"):
        clients.let_end(cluster(server), "apps", "long-driver")


def test_a_connection_that_breaks_off_is_an_error() -> None:
    with ExecServer(None) as server, pytest.raises(HarnessError, match="could not be told to end"):
        clients.let_end(cluster(server), "apps", "long-driver")
