# SPDX-License-Identifier: Apache-2.0
"""A forwarded port, with a stand-in for the API server's side of it: real clusters do the rest."""

from __future__ import annotations

import contextlib
import socket
import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import ApiError
from harness.kube.cluster import Cluster
from harness.kube.forwarding import forwarded
from harness.late import streams
from harness.matrix import catalogue

CLUSTER = Cluster(
    name="it", environment=catalogue.load().environment("kind-1.34"), kubeconfig=Path("none"), nodes=("it-0",)
)


def answer(there: socket.socket) -> None:
    """Say everything back in capitals, until the other end is silent."""
    with there, contextlib.suppress(OSError):
        while data := there.recv(65536):
            there.sendall(data.upper())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Which pods and ports were connected to."""
    seen: list[tuple[Any, ...]] = []

    def portforward(call: object, pod: str, namespace: str, *, ports: str) -> SimpleNamespace:
        seen.append((namespace, pod, ports))
        if pod == "gone":
            raise ApiError("no such pod", status=404)
        here, there = socket.socketpair()
        threading.Thread(target=answer, args=(there,), daemon=True).start()
        return SimpleNamespace(socket=lambda port: here)

    monkeypatch.setattr(streams, "portforward", portforward)
    monkeypatch.setattr(Cluster, "api_client", lambda self: nullcontext(None))
    return seen


def connect(address: str) -> socket.socket:
    host, _, port = address.partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def said(end: socket.socket, text: bytes) -> bytes:
    end.sendall(text)
    found = b""
    while len(found) < len(text):
        found += end.recv(65536)
    return found


def test_what_is_said_comes_back_on_each_connection(asked: list[tuple[Any, ...]]) -> None:
    with forwarded(CLUSTER, "jobs", "server", 15002) as address, connect(address) as one, connect(address) as other:
        assert said(one, b"a" * 200_000) == b"A" * 200_000
        assert said(other, b"b") == b"B"
        assert said(one, b"again") == b"AGAIN"
    assert asked == [("jobs", "server", "15002")] * 2


def test_after_the_block_nobody_listens_and_what_was_open_is_closed(asked: list[tuple[Any, ...]]) -> None:
    with forwarded(CLUSTER, "jobs", "server", 15002) as address:
        open_still = connect(address)
        assert said(open_still, b"a") == b"A"
    with open_still:
        assert open_still.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(address)


def test_a_pod_that_is_not_there_closes_the_connection(asked: list[tuple[Any, ...]]) -> None:
    with forwarded(CLUSTER, "jobs", "gone", 15002) as address, connect(address) as end:
        assert end.recv(1) == b""
    assert asked
