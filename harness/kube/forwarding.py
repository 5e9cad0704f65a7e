# SPDX-License-Identifier: Apache-2.0
"""A pod's port on this machine for as long as a block lasts, through the API server as by `kubectl port-forward`."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.errors import ApiError
from harness.kube.cluster import Cluster
from harness.late import client, streams

log = logging.getLogger(__name__)

_CHUNK = 65536


@contextmanager
def forwarded(cluster: Cluster, namespace: str, pod: str, port: int) -> Iterator[str]:
    """The address, `127.0.0.1:port`, at which the pod's port answers within the block.

    Each connection to it is one through the API server. Where that refuses, the connection is closed, and nothing more
    is said here: whoever connects sees it.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        relay = _Relay(cluster, namespace, pod, port)
        threading.Thread(target=relay.accept, args=(server,), name="port-forward", daemon=True).start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            # Ends the wait of accept(), which close() alone does not.
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            relay.close()


class _Relay:
    def __init__(self, cluster: Cluster, namespace: str, pod: str, port: int) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._pod = pod
        self._port = port
        self._open: set[Any] = set()
        self._lock = threading.Lock()

    def accept(self, server: socket.socket) -> None:
        while True:
            try:
                here, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(here,), name="port-forward", daemon=True).start()

    def close(self) -> None:
        with self._lock:
            ends, self._open = list(self._open), set()
        for it in ends:
            _shut(it)

    def _connect(self, here: socket.socket) -> None:
        """Relay one connection until one of its ends is closed."""
        with here, self._cluster.api_client() as api:
            # A client of its own: for the time of a call, the port-forward replaces how it sends requests.
            try:
                forward = streams.portforward(
                    client.CoreV1Api(api).connect_get_namespaced_pod_portforward,
                    self._pod,
                    self._namespace,
                    ports=str(self._port),
                )
            except (ApiError, client.ApiException, OSError) as refused:
                log.debug("port %s of %s/%s: %s", self._port, self._namespace, self._pod, refused)
                return
            there = forward.socket(self._port)
            # Its socket waits for a second at most unless it is told otherwise.
            there.setblocking(True)
            with self._lock:
                self._open |= {here, there}
            back = threading.Thread(target=_pump, args=(there, here), name="port-forward", daemon=True)
            back.start()
            _pump(here, there)
            back.join()
            with self._lock:
                self._open -= {here, there}
            there.close()


def _pump(source: Any, target: Any) -> None:
    """Pass on what one end says until it has no more to say, and tell the other."""
    try:
        while data := source.recv(_CHUNK):
            target.sendall(data)
    except OSError as broken:
        log.debug("a forwarded connection broke: %s", broken)
    finally:
        _shut(target)
        _shut(source)


def _shut(end: Any) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
