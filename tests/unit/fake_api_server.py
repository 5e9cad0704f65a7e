# SPDX-License-Identifier: Apache-2.0
"""An API server that lists what a test gives it, over real HTTP: the client, its watches and timeouts are real."""

from __future__ import annotations

import copy
import functools
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from harness.kube.api import client_for
from harness.kube.cluster import Cluster
from harness.late import client, config
from harness.matrix.model import Environment

Objects = Mapping[str, Sequence[Mapping[str, Any]]]
"""Plural → its objects: `{"pods": […]}`. Of other plurals there are none. May be changed while the server runs."""

Answer = tuple[int, str] | tuple[int, str, int]
"""A status, a body, and how many bytes less than promised are sent before the connection is closed."""


class _Handler(BaseHTTPRequestHandler):
    objects: Objects
    answers: Mapping[str, Answer]
    changed: list[tuple[str, Any]]
    clock_ahead: float

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) + self.clock_ahead)

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        plural = address.path.rsplit("/", 1)[-1]
        if plural in self.answers:
            self._answer(*self.answers[plural])
            return
        items = list(self.objects.get(plural, ()))
        if "limit" in parse_qs(address.query):
            self._page(items, parse_qs(address.query))
            return
        if "watch" in parse_qs(address.query):
            lines = [json.dumps({"type": "ADDED", "object": item}) for item in items]
            self._answer(200, "".join(f"{line}\n" for line in lines))
        else:
            self._answer(
                200,
                json.dumps({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}),
            )

    def _page(self, items: list[Mapping[str, Any]], query: Mapping[str, list[str]]) -> None:
        """A part of a list, and the token that the next part is asked for with: where it begins."""
        start, size = int(query.get("continue", ["0"])[0]), int(query["limit"][0])
        more = {"continue": str(start + size)} if start + size < len(items) else {}
        self._answer(200, json.dumps({"kind": "List", "metadata": more, "items": items[start : start + size]}))

    def do_POST(self) -> None:
        self._answer(*self.answers.get(urlsplit(self.path).path.rsplit("/", 1)[-1], (200, "{}")))

    def do_DELETE(self) -> None:
        self.changed.append((urlsplit(self.path).path, "deleted"))
        self._answer(200, "{}")

    def do_PATCH(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.changed.append((urlsplit(self.path).path, json.loads(body)))
        self._answer(200, "{}")

    def _answer(self, status: int, text: str, missing: int = 0) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) + missing))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class _Fake(Cluster):
    """Reads its kubeconfig once: a test asks for many clients, and to read YAML takes longer than what each asks."""

    def api_client(self) -> client.ApiClient:
        made = client_for(copy.deepcopy(_configuration(self.kubeconfig, self.kubeconfig.stat().st_mtime_ns)))
        made.marks = self.marks  # type: ignore[attr-defined]
        return made


@functools.lru_cache(maxsize=16)
def _configuration(kubeconfig: Path, changed: int) -> client.Configuration:
    made = client.Configuration()
    config.load_kube_config(config_file=str(kubeconfig), client_configuration=made)  # type: ignore[no-untyped-call]
    return made


@contextmanager
def api_server(
    folder: Path,
    objects: Objects,
    answers: Mapping[str, Answer] | None = None,
    changed: list[tuple[str, Any]] | None = None,
    clock_ahead: float = 0.0,
) -> Iterator[Cluster]:
    """A cluster of that server, whose kubeconfig is in `folder`. `answers` are given for other plurals instead; path
    and body of each patch, and each deletion, come into `changed`. Its clock may be so many seconds ahead.
    """
    given = {
        "objects": objects,
        "answers": answers or {},
        "changed": [] if changed is None else changed,
        "clock_ahead": clock_ahead,
    }
    handler = type("Handler", (_Handler,), given)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(_kubeconfig(f"http://127.0.0.1:{server.server_port}")))
        try:
            yield _Fake(
                name="fake",
                environment=Environment(name="kind-1.34", provider="kind", kubernetes="1.34.4"),
                kubeconfig=kubeconfig,
                nodes=("fake",),
            )
        finally:
            server.shutdown()
            thread.join()


def _kubeconfig(address: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": address}}],
        "users": [{"name": "fake", "user": {}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
    }
