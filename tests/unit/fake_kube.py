# SPDX-License-Identifier: Apache-2.0
"""An API server that keeps what it is given, over real HTTP: creates, reads, lists by label, replaces, merges.

The scale of an object is the object itself.

A fake, since a cluster takes minutes to make; the client, its requests and its errors are real.
"""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes import client

from harness.kube.api import client_for

_REVIEWS = "selfsubjectaccessreviews"
_PATH = re.compile(
    r"/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/(?P<space>[^/]+)(?=/))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/scale)?)?"
)


class FakeKube:
    """`stored` is plural → `namespace/name`, or the name alone → object; of `failing` plurals, none can be listed."""

    def __init__(self, address: str, stored: dict[str, dict[str, Any]]) -> None:
        self.stored = stored
        self.address = address
        self.api = client_for(client.Configuration(host=address))

    def kubeconfig(self, *names: str) -> dict[str, Any]:
        """One with these contexts, the first of which is the current."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": names[0],
            "clusters": [{"name": it, "cluster": {"server": self.address}} for it in names],
            "users": [{"name": it, "user": {}} for it in names],
            "contexts": [{"name": it, "context": {"cluster": it, "user": it}} for it in names],
        }

    def forbid(self, *rules: str) -> None:
        """Have reviews of access say no to `namespace verb resource`, with `*` for any."""
        self.stored[_REVIEWS].update(dict.fromkeys(rules))

    def fail(self, plural: str, status: int, *, times: int = 1000) -> None:
        """Have lists of a plural answered with a status, so many times."""
        self.stored["failing"][plural] = [status] * times

    def put(self, plural: str, item: Mapping[str, Any]) -> None:
        """Keep an object as if somebody had made it."""
        meta = item["metadata"]
        self.stored[plural]["/".join(filter(None, (meta.get("namespace"), meta["name"])))] = item


@contextmanager
def fake_kube() -> Iterator[FakeKube]:
    """One that runs during the block."""
    stored: dict[str, dict[str, Any]] = defaultdict(dict)
    handler = type("Handler", (_Handler,), {"stored": stored})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made = FakeKube(f"http://127.0.0.1:{server.server_port}", stored)
        try:
            yield made
        finally:
            made.api.close()  # type: ignore[no-untyped-call]
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    stored: dict[str, dict[str, Any]]

    def do_GET(self) -> None:
        if self.path in self.stored["paths"]:
            self._answer(200, self.stored["paths"][self.path])
            return
        plural, key, query = self._asked()
        if failing := self.stored["failing"].get(plural):
            self._answer(failing.pop(), {"kind": "Status", "message": "conversion webhook for it failed"})
            return
        if self.path_names_one:
            self._answer(200, self.stored[plural][key]) if key in self.stored[plural] else self._answer(404, {})
            return
        wanted = dict(it.split("=") for it in query.get("labelSelector", [""])[0].split(",") if it)
        items = [
            it
            for at, it in self.stored[plural].items()
            if at.startswith(key) and wanted.items() <= (it["metadata"].get("labels") or {}).items()
        ]
        self._answer(200, {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items})

    def do_POST(self) -> None:
        plural, space, _ = self._asked()
        item = self._body()
        if plural == _REVIEWS:
            self._answer(201, {**item, "status": {"allowed": not self._forbidden(item["spec"]["resourceAttributes"])}})
            return
        key = space + item["metadata"]["name"]
        if key in self.stored[plural]:
            self._answer(409, {"message": f"{plural} {key!r} already exists", "reason": "AlreadyExists"})
            return
        self.stored[plural][key] = item
        self._answer(201, item)

    def do_PUT(self) -> None:
        plural, key, _ = self._asked()
        self.stored[plural][key] = self._body()
        self._answer(200, self.stored[plural][key])

    def do_DELETE(self) -> None:
        plural, key, _ = self._asked()
        if "DELETE" in self.stored["failing"]:
            # It is marked, and waits for what keeps it.
            self._answer(200, self.stored[plural][key])
            return
        there = self.stored[plural].pop(key, None)
        self._answer(404 if there is None else 200, there or {"message": f"{plural} {key!r} not found"})
        if plural == "namespaces":
            for items in self.stored.values():
                for inner in [it for it in items if it.startswith(f"{key}/")]:
                    del items[inner]

    def do_PATCH(self) -> None:
        plural, key, _ = self._asked()
        change = self._body()
        apply = _patched if isinstance(change, list) else _merged
        self.stored[plural][key] = apply(self.stored[plural][key], change)
        self._answer(200, self.stored[plural][key])

    def _forbidden(self, asked: Mapping[str, str]) -> bool:
        """Whether the reviews have a rule, `namespace verb resource`, against it; `*` is any."""
        words = (asked["namespace"], asked["verb"], asked["resource"])
        return any(
            all(rule in ("*", word) for rule, word in zip(it.split(" "), words, strict=True))
            for it in self.stored[_REVIEWS]
        )

    def _asked(self) -> tuple[str, str, dict[str, list[str]]]:
        address = urlsplit(self.path)
        found = _PATH.fullmatch(address.path)
        assert found, address.path
        space = f"{found['space']}/" if found["space"] else ""
        self.path_names_one = bool(found["name"])
        return found["plural"], space + (found["name"] or ""), parse_qs(address.query)

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, status: int, item: Any) -> None:
        body = json.dumps(item).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def _patched(there: Any, steps: list[Any]) -> Any:
    """A JSON patch of steps that set something, each below what is there."""
    made = json.loads(json.dumps(there))
    for step in steps:
        *above, last = step["path"].strip("/").split("/")
        inner = made
        for part in above:
            inner = inner[part]
        inner[last] = step["value"]
    return made


def _merged(there: Any, change: Any) -> Any:
    if not isinstance(change, dict) or not isinstance(there, dict):
        return change
    return {**there, **{key: _merged(there.get(key), it) for key, it in change.items()}}
