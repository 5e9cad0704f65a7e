# SPDX-License-Identifier: Apache-2.0
"""Content that dribbles, in either direction: no transfer goes on for ever.

A server that takes or sends next to nothing, and never stops, is one that this test writes.
"""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from registry_fakes import Answer, Request, answering

from harness.errors import RegistryError
from harness.registries.push import Transfer

SIZE = 1 << 20
DIGEST = f"sha256:{hashlib.sha256(bytes(SIZE)).hexdigest()}"
Talk = Callable[[socket.socket], object]


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.registries.pace.SECONDS", 0.3)
    monkeypatch.setattr("harness.registries.push._LONGEST_PAUSE", 0.0)


@contextmanager
def talking(*, first: Talk, again: Talk) -> Iterator[str]:
    """A server that does `first` on each connection, and then `again` every twentieth of a second."""
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0), backlog=16)
    listening.settimeout(0.05)

    def serve_one(one: socket.socket) -> None:
        with one, suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            first(one)
            while not over.wait(0.05):
                again(one)

    def serve() -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                one = listening.accept()[0]
                threading.Thread(target=serve_one, args=(one,), daemon=True).start()

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        over.set()
        serving.join()
        listening.close()


def headers(one: socket.socket) -> None:
    one.recv(4096)
    one.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n".encode())


USES: list[Callable[[Transfer, Path], object]] = [
    lambda client, folder: client.check("a/b", DIGEST, most=SIZE),
    lambda client, folder: client.download("a/b", DIGEST, SIZE, folder / "arrived"),
]


@pytest.mark.parametrize("use", USES)
def test_a_blob_that_dribbles_is_not_waited_for(use: Callable[[Transfer, Path], object], tmp_path: Path) -> None:
    began = time.monotonic()
    with (
        talking(first=headers, again=lambda one: one.sendall(bytes(10))) as address,
        Transfer(None, address, attempts=2) as client,
        pytest.raises(RegistryError) as raised,
    ):
        use(client, tmp_path)
    assert time.monotonic() - began < 10
    assert raised.value.message == f"{address} did not send 64 KiB within 0 s of a blob"


@pytest.mark.parametrize("gone_on_at", ["itself", "elsewhere"])
def test_an_upload_that_is_hardly_taken_is_given_up(gone_on_at: str, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(bytes(64 * SIZE))
    began = time.monotonic()
    with talking(first=lambda one: one.recv(512), again=lambda one: one.recv(8)) as slow:
        with (
            answering(lambda request: Answer(202, headers={"Location": f"http://{slow}/upload?state=1"})) as server,
            Transfer(None, server.address, push=True, attempts=1) as client,
            pytest.raises(RegistryError, match="did not take 64 KiB within 0 s"),
        ):
            client.upload("a/b", DIGEST, tmp_path / "blob")
        assert time.monotonic() - began < 10


def test_an_upload_that_is_not_answered_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.registries.pace.ANSWER_SECONDS", 0.5)
    (tmp_path / "blob").write_bytes(b"content")
    with (
        talking(first=lambda one: one.recv(65536), again=lambda one: None) as silent,
        answering(lambda request: Answer(202, headers={"Location": f"http://{silent}/upload"})) as server,
        Transfer(None, server.address, push=True, attempts=1) as client,
        pytest.raises(RegistryError, match="it did not answer within"),
    ):
        client.upload("a/b", DIGEST, tmp_path / "blob")


def test_what_breaks_off_after_some_bytes_each_time_is_given_up(tmp_path: Path) -> None:
    def answer(request: Request) -> Answer:
        begins = int(request.headers.get("range", "bytes=0-")[6:-1])
        headers = {"Content-Length": str(SIZE - begins), "Content-Range": f"bytes {begins}-{SIZE - 1}/{SIZE}"}
        return Answer(206, bytes(10), headers)

    with (
        answering(answer) as server,
        Transfer(None, server.address, attempts=3) as client,
        pytest.raises(RegistryError, match="broke off"),
    ):
        client.download("a/b", DIGEST, SIZE, tmp_path / "arrived")
    assert len(server.requests) == 3


def test_an_answer_without_an_end_is_no_blob() -> None:
    with (
        talking(first=headers, again=lambda one: one.sendall(bytes(1 << 16))) as address,
        Transfer(None, address, attempts=1) as client,
        pytest.raises(RegistryError, match=r"sent \d+ bytes with digest"),
    ):
        client.check("a/b", DIGEST, most=100)
