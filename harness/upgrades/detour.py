# SPDX-License-Identifier: Apache-2.0
"""Leads one node's pulls from one registry host elsewhere for a while: what other nodes pull is not touched."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import causes
from harness.errors import HostError
from harness.kube.cluster import Cluster
from harness.providers.base import Provider

NOWHERE = "http://127.0.0.1:1"
"""A port of the node that refuses at once."""

_EXEC_SECONDS = 60.0
_PLACE = "/run/harness-detour"

# containerd reads the folder at each pull. It may be mounted without the right to write, so that another one is laid
# over it.
_BEGIN = f"""set -e
root=$1
mkdir -p "$root" {_PLACE}
cp -a "$root/." {_PLACE}/
mkdir -p "{_PLACE}/$2"
printf '%s' "$3" > "{_PLACE}/$2/hosts.toml"
mount --bind {_PLACE} "$root"
"""
_END = f"""umount "$1" && rm -rf {_PLACE}
"""


class Detour:
    """Pulls of one registry host by the nodes of one cluster, led to another address from `begin` to `end`."""

    def __init__(self, provider: Provider, cluster: Cluster, host: str, url: str) -> None:
        self._provider = provider
        self._cluster = cluster
        self._host = host
        self._url = url
        self._begun: list[str] = []

    def begin(self) -> None:
        """Lead them elsewhere. Raises HostError when a node refuses."""
        for node in self._cluster.nodes:
            words = [self._provider.hosts_folder, self._host, hosts_toml(self._url)]
            run(self._provider, self._cluster, node, ["sh", "-c", _BEGIN, "detour", *words])
            self._begun.append(node)

    def end(self) -> None:
        """Lead them back; to call it twice does no harm. Raises HostError when a node refuses."""
        while self._begun:
            run(
                self._provider,
                self._cluster,
                self._begun.pop(),
                ["sh", "-c", _END, "detour", self._provider.hosts_folder],
            )


@contextmanager
def detour(provider: Provider, cluster: Cluster, host: str, url: str) -> Iterator[Detour]:
    """A detour from here to the end of the block, or until its `end` is called."""
    made = Detour(provider, cluster, host, url)
    try:
        made.begin()
        yield made
    finally:
        made.end()


def hosts_toml(url: str) -> str:
    """The text of a hosts.toml that leads everything to one address."""
    return f'server = {json.dumps(url)}\ncapabilities = ["pull", "resolve"]\n'


def forget_image(provider: Provider, cluster: Cluster, reference: str) -> None:
    """Remove an image from the nodes, and check that it is gone; one that is not there is no error.

    Raises HostError when it stays.
    """
    for node in cluster.nodes:
        provider.node_exec(cluster, node, ["crictl", "rmi", reference], timeout=_EXEC_SECONDS)
        # Not `crictl images REFERENCE`, which lists all images when none is of that name.
        if provider.node_exec(cluster, node, ["crictl", "inspecti", reference], timeout=_EXEC_SECONDS).returncode == 0:
            raise HostError(f"the node {node} still has the image {reference}", "see whether a pod uses it")


def gateway(provider: Provider, cluster: Cluster) -> str:
    """The address by which the first node reaches this host. Raises HostError."""
    said = run(provider, cluster, cluster.nodes[0], ["ip", "-4", "route", "show", "default"]).split()
    if "via" not in said:
        raise HostError(f"the node {cluster.nodes[0]} has no default route: {' '.join(said)!r}", "see its network")
    return said[said.index("via") + 1]


def run(provider: Provider, cluster: Cluster, node: str, argv: Sequence[str]) -> str:
    """What a command in a node says. Raises HostError when it fails."""
    done = provider.node_exec(cluster, node, argv, timeout=_EXEC_SECONDS)
    if done.returncode != 0:
        cause = causes.told(done.stderr or done.stdout)
        raise HostError(f"{argv[0]} in the node {node} ended with status {done.returncode}: {cause}", "see the node")
    return done.stdout


class BusyRegistry:
    """A registry that has had enough: it answers every pull with 429, in the words of Docker Hub.

    It is no registry, and is called busy registry wherever it shows. `answers` counts what it said.
    """

    def __init__(self, address: str) -> None:
        self.answers = 0
        self._lock = threading.Lock()
        try:
            self._server = ThreadingHTTPServer((address, 0), self._handler())
        except OSError as taken:
            raise HostError(f"no port of {address} can be listened on: {taken}", "see the run's network") from taken
        self._thread = threading.Thread(target=self._server.serve_forever, name="busy-registry", daemon=True)

    @property
    def url(self) -> str:
        """Its address for nodes."""
        host, port = self._server.server_address[:2]
        return f"http://{host if isinstance(host, str) else host.decode()}:{port}"

    def __enter__(self) -> BusyRegistry:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        busy = self
        said = json.dumps(
            {
                "errors": [
                    {
                        "code": "TOOMANYREQUESTS",
                        "message": "You have reached your unauthenticated pull rate limit.",
                    }
                ]
            }
        ).encode()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                busy._count()
                self.send_response(429)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(said)

            do_HEAD = do_GET

            def log_message(self, format: str, *arguments: object) -> None:
                """The evidence has the node's own words; a line a request on this terminal helps nobody."""

        return Handler

    def _count(self) -> None:
        with self._lock:
            self.answers += 1
