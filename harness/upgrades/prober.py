# SPDX-License-Identifier: Apache-2.0
"""Asks the API server for dry-run creates, again and again, and notes what came of each."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from harness import causes
from harness.errors import ApiError, ApiServerAway
from harness.kube import others
from harness.kube.cluster import Cluster
from harness.late import client
from harness.releases import admission_samples
from harness.releases.webhook import Attempt, dry_run

ANSWER_SECONDS = 3.0
"""How long one probe waits for its answer. A healthy webhook answers within 50 ms; the API server's own patience with
it (`timeoutSeconds`) is ten seconds, which no user of kubectl takes for working."""

_ALIVE_SECONDS = 1.0

_SHAPES = (admission_samples.BARE, admission_samples.CONFIGURED)
"""What is asked for in turn: between them each webhook shows its own defaults, in fields that the CRDs of all releases
have."""


class Outcome(StrEnum):
    """What a dry-run create came to."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WEBHOOK_AWAY = "webhook-away"
    SERVER_AWAY = "server-away"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One dry-run create: when it was asked for, how many seconds it took, and what came of it, in the server's words.

    ACCEPTED: `spec` is what would have been stored for the sample of this `shape`; REJECTED: the webhook or the API
    server refused a valid application; WEBHOOK_AWAY: the API server could not call the webhook; SERVER_AWAY: the API
    server itself did not answer, or with the word of somebody else's admission.
    """

    at: datetime
    seconds: float
    outcome: Outcome
    message: str = ""
    shape: str = admission_samples.BARE
    spec: Mapping[str, Any] = field(default_factory=dict)


class Prober:
    """A thread that asks every `interval` seconds, whether or not the answers before have come.

    As many probes can be under way as come due while one waits for its answer, so that an outage is measured by its
    beginning and end, and not hidden by one request that hangs.
    """

    def __init__(self, cluster: Cluster, namespace: str, *, interval: float = 0.25) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._interval = interval
        self._probes: list[Probe] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, name="prober", daemon=True)
        self._patient = int((ANSWER_SECONDS + _ALIVE_SECONDS) / interval) + 1
        self._own = threading.local()
        self._clients: list[client.ApiClient] = []

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> tuple[Probe, ...]:
        """Ask no more, wait for the answers that are due, and return all probes, oldest first."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        for api in self._clients:
            api.rest_client.pool_manager.clear()
            api.close()  # type: ignore[no-untyped-call]
        return self.probes()

    def probes(self) -> tuple[Probe, ...]:
        """What was answered until now, in the order in which it was asked for."""
        with self._lock:
            return tuple(sorted(self._probes, key=lambda probe: probe.at))

    def _ask_on(self) -> None:
        due = time.monotonic()
        shapes = itertools.cycle(_SHAPES)
        with ThreadPoolExecutor(self._patient, "probe") as pool:
            while not self._over.wait(max(0.0, due - time.monotonic())):
                pool.submit(self._ask, next(shapes))
                # A host that was stopped for a while shall not ask for all of it at once.
                due = max(due + self._interval, time.monotonic())

    def _ask(self, shape: str) -> None:
        at, started = datetime.now(UTC), time.monotonic()
        outcome, message, spec = self._answer(shape)
        seconds = time.monotonic() - started
        probe = Probe(at=at, seconds=seconds, outcome=outcome, message=message, shape=shape, spec=spec)
        with self._lock:
            self._probes.append(probe)

    def _answer(self, shape: str) -> tuple[Outcome, str, Mapping[str, Any]]:
        api = self._client()
        app = admission_samples.sample(self._namespace, "harness-probe", shape=shape)
        try:
            attempt = dry_run(api, app, timeout=ANSWER_SECONDS)
            return *judge(attempt), attempt.result.get("spec") or {}
        except ApiServerAway as late:
            if self._alive(api):
                return Outcome.WEBHOOK_AWAY, f"no answer within {ANSWER_SECONDS:g} s, while the API server answers", {}
            return Outcome.SERVER_AWAY, late.message, {}
        except ApiError as other:
            words = f"{other.brief}: {causes.shortened(other.said)}"
            # 404: the API server works, and knows no SparkApplications.
            return (Outcome.REJECTED if other.status == 404 else Outcome.SERVER_AWAY), words, {}

    def _client(self) -> client.ApiClient:
        """One a thread; without retries, which would ask again behind the prober's back."""
        found: client.ApiClient | None = getattr(self._own, "client", None)
        if found is None:
            found = self._cluster.api_client()
            found.rest_client.pool_manager.connection_pool_kw["retries"] = False
            self._own.client = found
            with self._lock:
                self._clients.append(found)
        return found

    def _alive(self, api: client.ApiClient) -> bool:
        try:
            client.VersionApi(api).get_code(_request_timeout=_ALIVE_SECONDS)
        except ApiError:
            return False
        return True


def judge(attempt: Attempt) -> tuple[Outcome, str]:
    """What an answer says of admission, in the words of whoever refused."""
    if others.word(attempt.message):
        return Outcome.SERVER_AWAY, f"{attempt.status}: {attempt.message}"
    if attempt.webhook_away:
        return Outcome.WEBHOOK_AWAY, attempt.message
    if not attempt.accepted:
        return Outcome.REJECTED, f"{attempt.status}: {attempt.message}"
    return Outcome.ACCEPTED, ""
