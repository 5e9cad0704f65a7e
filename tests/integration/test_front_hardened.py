# SPDX-License-Identifier: Apache-2.0
"""A front lets nobody pass it by: its storage, half requests, uploads without an end, names that lead elsewhere."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from harness.registries.front import server, uploads
from harness.registries.front.profile import profile
from harness.registries.front.server import Front
from harness.waiting import until


@pytest.fixture
def front(tmp_path: Path, registry_binary: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    monkeypatch.setattr(server, "_SWEEP_SECONDS", 0.1)
    monkeypatch.setattr(server, "_HEAD_SECONDS", 0.5)
    monkeypatch.setattr(uploads, "ABORTED_SECONDS", 0.2)
    with Front(profile("ghcr.io"), folder=tmp_path / "front", binary=registry_binary) as made:
        yield made


def storage_of(front: Front) -> psutil.Process:
    (found,) = [it for it in psutil.Process().children(recursive=True) if "registry" in it.name()]
    return found


def client(front: Front, user: str = "") -> httpx.Client:
    auth = (user, front.accounts.of(user).secret) if user else None
    trusted = ssl.create_default_context(cafile=str(front.ca))
    return httpx.Client(base_url=f"https://{front.address}", verify=trusted, auth=auth, trust_env=False)


def test_the_storage_listens_where_nobody_else_can_ask_it(front: Front) -> None:
    storage = storage_of(front)
    assert [it for it in storage.net_connections("inet") if it.status == psutil.CONN_LISTEN] == []
    (path,) = {it.laddr for it in storage.net_connections("unix") if it.laddr}
    assert Path(str(path)).parent.stat().st_mode & 0o077 == 0
    with client(front, "writer") as asked:
        assert asked.get("/v2/").status_code == 200


def test_a_storage_that_is_gone_is_told(front: Front) -> None:
    assert front.storage_answers()
    os.kill(storage_of(front).pid, signal.SIGKILL)
    until(lambda: not front.storage_answers(), what="the storage to be gone", timeout=10)
    with client(front, "writer") as asked:
        assert asked.get("/v2/a/b/tags/list").status_code == 502


def connection(front: Front) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(front.ca))
    return context.wrap_socket(socket.create_connection(("127.0.0.1", front.port)), server_hostname="127.0.0.1")


@pytest.mark.parametrize("said", [b"", b"GET /v2/ HTT", b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: "])
def test_half_a_request_does_not_stay(front: Front, said: bytes) -> None:
    with connection(front) as half:
        half.sendall(said)
        half.settimeout(20)
        with suppress(ConnectionResetError, ssl.SSLEOFError):
            assert half.recv(1) == b""


def test_an_upload_that_broke_off_leaves_nothing(front: Front) -> None:
    with client(front, "writer") as asked:
        begun = asked.post("/v2/me/app/blobs/uploads/")
        assert begun.status_code == 202
        where = httpx.URL(begun.headers["location"])
        basic = begun.request.headers["authorization"]
    folder = front.folder / "storage" / "docker" / "registry" / "v2" / "repositories" / "me" / "app" / "_uploads"
    (upload,) = folder.iterdir()
    with connection(front) as broken:
        head = f"PATCH {where.raw_path.decode()} HTTP/1.1\r\nHost: {front.address}\r\nAuthorization: {basic}\r\n"
        broken.sendall(f"{head}Content-Type: application/octet-stream\r\nContent-Length: 9999999\r\n\r\n".encode())
        broken.sendall(b"x" * 500_000)
    until(lambda: not upload.exists(), what="the upload to be removed", timeout=20)


@pytest.mark.parametrize("name", ["public/../private", "a//b", "./a", "a/%2e%2e/b"])
def test_a_token_for_a_name_that_leads_elsewhere_is_refused(front: Front, name: str) -> None:
    with client(front, "reader") as asked:
        refused = asked.get("/token", params={"scope": f"repository:{name}:pull", "service": "ghcr.io"})
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["code"] == "NAME_INVALID"
