# SPDX-License-Identifier: Apache-2.0
"""A watch over several windows, against a small HTTP server that answers as the API server does.

The server is a stand-in because a real one cannot be told when to end a window or to forget a resource version.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes import client
from urllib3.exceptions import MaxRetryError

from harness.errors import WaitTimeout
from harness.kube import watching
from harness.kube.api import client_for
from harness.kube.watching import watch_until

Window = list[dict[str, Any]]


def change(version: int, state: str, kind: str = "ADDED") -> dict[str, Any]:
    """One event of a watch."""
    return {"type": kind, "object": {"metadata": {"name": "a", "resourceVersion": str(version)}, "state": state}}


EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}


class Server:
    """Answers each watch with the next window, then with empty ones; keeps the versions that were asked for."""

    def __init__(self, windows: list[Window]) -> None:
        self.asked: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                outer.asked.append(query.get("resourceVersion", [None])[0])
                window = windows.pop(0) if windows else []
                body = "".join(json.dumps(event) + "\n" for event in window).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Keep the test's output clean."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def serve() -> Iterator[Any]:
    """Starts servers, and stops them after the test."""
    running: list[ThreadingHTTPServer] = []

    def start(*windows: Window) -> tuple[Server, Any]:
        server = Server(list(windows))
        threading.Thread(target=server.http.serve_forever, daemon=True).start()
        running.append(server.http)
        api = client_for(client.Configuration(host=f"http://127.0.0.1:{server.http.server_port}"))
        return server, client.CustomObjectsApi(api).list_namespaced_custom_object

    yield start
    for http in running:
        http.shutdown()
        http.server_close()


WHERE: dict[str, Any] = {"group": "g", "version": "v1", "namespace": "n", "plural": "things"}


def states(call: Any, last: str, **more: Any) -> list[str]:
    """Watch until a state is seen; all states on the way."""
    seen: list[str] = []

    def look(_: str, thing: Any) -> list[str] | None:
        seen.append(thing["state"])
        return seen if thing["state"] == last else None

    return watch_until(call, look, what=f"state {last}", timeout=10, **WHERE, **more)


def test_a_window_goes_on_where_the_last_one_ended(serve: Any) -> None:
    server, call = serve([change(5, "one")], [], [change(6, "two", "MODIFIED")])
    assert states(call, "two") == ["one", "two"]
    assert server.asked == [None, "5", "5"]


def test_a_watch_can_start_where_the_caller_left(serve: Any) -> None:
    server, call = serve([], [change(8, "two")])
    assert states(call, "two", resource_version="7") == ["two"]
    assert server.asked == ["7", "7"]


def test_an_expired_version_starts_the_watch_anew(serve: Any) -> None:
    server, call = serve([EXPIRED], [change(9, "two")])
    assert states(call, "two", resource_version="7") == ["two"]
    assert server.asked == ["7", None]


def test_time_that_is_up_tells_what_was_seen_last(serve: Any) -> None:
    _, call = serve([change(5, "one")])
    with pytest.raises(WaitTimeout, match=r"waited 1 s for the end; last seen: one") as caught:
        watch_until(
            call, lambda *_: None, what="the end", timeout=1, describe=lambda thing: str(thing["state"]), **WHERE
        )
    assert caught.value.last_seen == "one"


def test_a_wait_that_became_hopeless_ends_early_and_says_why(serve: Any) -> None:
    looks = iter(["", "", "the image is not there"])
    _, call = serve([change(1, "new")])

    with pytest.raises(WaitTimeout, match=r"gave up after \d+ s waiting for state late: the image is not there; last"):
        watch_until(call, lambda event, it: None, what="state late", timeout=60, hopeless=lambda: next(looks), **WHERE)


def test_an_api_server_that_stays_away_is_not_waited_for_to_the_end(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "AWAY_SECONDS", 1.0)
    server, call = serve([change(1, "new")])
    assert states(call, "new") == ["new"]
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(WaitTimeout, match=r"gave up after \d s waiting for state late: the API server could not be"):
        watch_until(call, lambda event, it: None, what="state late", timeout=60, **WHERE)


def test_an_api_server_that_comes_back_is_waited_for(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "AWAY_SECONDS", 2.0)
    away = iter([True] * 3)
    server, call = serve([], [change(1, "late")])

    def list_call(*of: Any, **how: Any) -> Any:
        if next(away, False):
            raise MaxRetryError(None, "/", None)  # type: ignore[arg-type]
        return call(*of, **how)

    list_call.__doc__ = call.__doc__
    assert states(list_call, "late") == ["late"]
    assert server.asked == [None, None]
