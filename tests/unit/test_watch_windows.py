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

from harness.errors import ApiServerAway, WaitTimeout
from harness.kube import watching
from harness.kube.api import client_for
from harness.kube.watching import watch_until

Window = list[dict[str, Any]]


def change(version: int, state: str, kind: str = "ADDED") -> dict[str, Any]:
    """One event of a watch."""
    return {"type": kind, "object": {"metadata": {"name": "a", "resourceVersion": str(version)}, "state": state}}


EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}


LISTED = "40"
"""The version of a list: later than the last change of every object in it."""


class Server:
    """Answers a list with what is `there`, and each watch with the next window, then with empty ones.

    Keeps the versions that were asked for, of a list `list`.
    """

    def __init__(self, there: list[dict[str, Any]], windows: list[Window]) -> None:
        self.asked: list[str | None] = []
        self.listed = {
            "kind": "ThingList",
            "apiVersion": "g/v1",
            "metadata": {"resourceVersion": LISTED},
            "items": [{key: it for key, it in thing.items() if key != "kind"} for thing in there],
        }
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                watching = "watch" in query
                outer.asked.append(query.get("resourceVersion", [None])[0] if watching else "list")
                window = (windows.pop(0) if windows else []) if watching else [outer.listed]
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

    def start(*windows: Window, there: list[dict[str, Any]] | None = None) -> tuple[Server, Any]:
        server = Server(there or [], list(windows))
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
    server, call = serve([change(45, "two")], [], [change(46, "three", "MODIFIED")])
    assert states(call, "three") == ["two", "three"]
    assert server.asked == ["list", LISTED, "45", "45"]


def test_what_exists_comes_first_and_nothing_is_told_that_was_over_before(serve: Any) -> None:
    # The object's own version is older: from there on, a watch would tell what was deleted since.
    server, call = serve([], [change(41, "two", "MODIFIED")], there=[change(5, "one")["object"]])
    assert states(call, "two") == ["one", "two"]
    assert server.asked == ["list", LISTED, LISTED]


def test_objects_of_the_list_say_what_they_are(serve: Any) -> None:
    _, call = serve(there=[change(5, "one")["object"]])
    kinds = watch_until(call, lambda event, it: (event, it["apiVersion"], it["kind"]), what="it", timeout=10, **WHERE)
    assert kinds == ("ADDED", "g/v1", "Thing")


def test_a_watch_can_start_where_the_caller_left(serve: Any) -> None:
    server, call = serve([], [change(8, "two")])
    assert states(call, "two", resource_version="7") == ["two"]
    assert server.asked == ["7", "7"]


def test_an_expired_version_starts_the_watch_anew(serve: Any) -> None:
    server, call = serve([EXPIRED], there=[change(9, "two")["object"]])
    assert states(call, "two", resource_version="7") == ["two"]
    assert server.asked == ["7", "list"]


def of(uid: str, version: int, state: str) -> dict[str, Any]:
    """The object `a`, of which there may be one after the other."""
    made: dict[str, Any] = change(version, state)["object"]
    return {**made, "metadata": {**made["metadata"], "uid": uid}}


def test_what_was_deleted_while_the_version_had_expired_is_told_by_the_next_list(serve: Any) -> None:
    _, call = serve([{"type": "ADDED", "object": of("1", 45, "old")}, EXPIRED], there=[])
    gone = watch_until(
        call,
        lambda event, it: it["state"] if event == "DELETED" else None,
        what="its deletion",
        timeout=10,
        resource_version="7",
        **WHERE,
    )
    assert gone == "old"


def test_one_made_anew_under_the_same_name_is_another(serve: Any) -> None:
    _, call = serve([EXPIRED], there=[of("2", 45, "new")])
    seen: list[tuple[str, str]] = []

    def look(event: str, it: Any) -> bool | None:
        seen.append((event, it["state"]))
        return True if it["state"] == "new" else None

    known = [of("1", 7, "old")]
    watch_until(call, look, what="both", timeout=10, resource_version="7", known=known, **WHERE)
    assert seen == [("DELETED", "old"), ("ADDED", "new")]


def test_bookmarks_keep_the_version_young_and_are_no_changes(serve: Any) -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "60"}}}
    server, call = serve([bookmark], [change(61, "two")])
    assert states(call, "two") == ["two"]
    assert server.asked == ["list", LISTED, "60"]


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_server_that_does_not_get_to_an_answer_is_asked_again(serve: Any, status: int) -> None:
    late = {"type": "ERROR", "object": {"kind": "Status", "code": status, "reason": "Timeout", "message": "too slow"}}
    server, call = serve([late], there=[change(9, "two")["object"]])
    assert states(call, "two", resource_version="7") == ["two"]
    assert server.asked == ["7", "list"]


def test_time_that_is_up_tells_what_was_seen_last(serve: Any) -> None:
    _, call = serve([change(5, "one")])
    with pytest.raises(WaitTimeout, match=r"waited 1 s for the end; last seen: one") as caught:
        watch_until(
            call, lambda *_: None, what="the end", timeout=1, describe=lambda thing: str(thing["state"]), **WHERE
        )
    assert caught.value.last_seen == "one"


def test_objects_of_other_names_are_passed_over(serve: Any) -> None:
    other = change(6, "two")
    other["object"]["metadata"]["name"] = "other"
    _, call = serve([change(5, "one"), other])
    name = change(5, "one")["object"]["metadata"]["name"]
    with pytest.raises(WaitTimeout, match="last seen: one"):
        watch_until(
            call,
            lambda _, thing: thing["state"] == "two" or None,
            what="the end",
            timeout=1,
            named=name,
            describe=lambda thing: str(thing["state"]),
            **WHERE,
        )


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
    # Not a condition that was not met in time: of that the product would be guilty as soon as the server is back.
    with pytest.raises(
        ApiServerAway, match=r"the API server could not be reached for \d s, waiting for state late; last"
    ):
        watch_until(call, lambda event, it: None, what="state late", timeout=60, **WHERE)


def test_time_that_is_up_while_the_api_server_is_away_proves_nothing(serve: Any) -> None:
    server, call = serve()
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(ApiServerAway, match=r"the API server could not be reached for \d s, waiting for state late"):
        watch_until(call, lambda event, it: None, what="state late", timeout=1, **WHERE)


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
    assert server.asked == ["list", LISTED, LISTED]
