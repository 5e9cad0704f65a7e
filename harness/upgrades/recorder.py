# SPDX-License-Identifier: Apache-2.0
"""Watches the applications of some namespaces in threads, and keeps every change with its time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from harness.apps.applications import parse
from harness.apps.objects import APPLICATION, CONNECT, GROUP, SCHEDULED, Resource
from harness.apps.pods import LABEL_LAUNCHED, LABEL_SCHEDULE, SparkPod, observe
from harness.errors import ApiError, WaitTimeout
from harness.kube.cluster import Cluster
from harness.kube.watching import watch_until
from harness.late import client
from harness.upgrades.workload_seen import ConnectLook, Look, ScheduleLook
from harness.waiting import Cancelled, pause

_WHOLE_DAY = 86400.0
_AGAIN_SECONDS = 0.5


L = TypeVar("L", Look, ScheduleLook, ConnectLook)

# Takes an API client; the name is for type checkers alone, since it would load the client's library here.
_Listing = Callable[["client.ApiClient"], tuple[Callable[..., Any], dict[str, Any]]]


@dataclass
class Record(Generic[L]):
    """One custom resource: its looks, and when its deletion was seen. `raw` is the object as it was seen last."""

    namespace: str
    name: str
    uid: str
    created: datetime
    looks: list[L] = field(default_factory=list)
    schedule: str = ""
    gone: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


class Recorder:
    """Everything that was seen in these namespaces, by uid. One thread a kind.

    The records grow while they are read: `snapshot` methods give copies.
    """

    def __init__(self, cluster: Cluster, namespaces: Collection[str]) -> None:
        self._cluster = cluster
        self._namespaces = frozenset(namespaces)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._applications: dict[str, Record[Look]] = {}
        self._schedules: dict[str, Record[ScheduleLook]] = {}
        self._connects: dict[str, Record[ConnectLook]] = {}
        self._pods: dict[str, SparkPod] = {}
        self._trouble: list[str] = []

    def start(self, *, connect: bool) -> None:
        """Begin to watch; Connect servers only where the cluster knows them."""
        self._watch("SparkApplication", lambda api: _custom(api, APPLICATION), self._application)
        self._watch("ScheduledSparkApplication", lambda api: _custom(api, SCHEDULED), self._schedule)
        self._watch("Pod", _launched, self._pod)
        if connect:
            self.watch_connects()

    def watch_connects(self) -> None:
        """Begin to watch Connect servers, if that is not done yet."""
        if all(thread.name != "watch-SparkConnect" for thread in self._threads):
            self._watch("SparkConnect", lambda api: _custom(api, CONNECT), self._connect)

    def end(self) -> None:
        """Watch no more, without waiting for the watches, which hear it within a window of a few seconds."""
        self._over.set()

    def stop(self) -> None:
        """The same, and wait for them."""
        self.end()
        for thread in self._threads:
            thread.join()

    def applications(self) -> list[Record[Look]]:
        """The SparkApplications, in the order of their creation."""
        with self._lock:
            return sorted((replace(it, looks=list(it.looks)) for it in self._applications.values()), key=_by_creation)

    def schedules(self) -> list[Record[ScheduleLook]]:
        """The ScheduledSparkApplications."""
        with self._lock:
            return sorted((replace(it, looks=list(it.looks)) for it in self._schedules.values()), key=_by_creation)

    def connects(self) -> list[Record[ConnectLook]]:
        """The SparkConnect servers."""
        with self._lock:
            return sorted((replace(it, looks=list(it.looks)) for it in self._connects.values()), key=_by_creation)

    def pods(self) -> list[tuple[str, SparkPod]]:
        """Namespace and pod, in the order of their creation."""
        with self._lock:
            found = [(key.split("/", 1)[0], pod) for key, pod in self._pods.items()]
        return sorted(found, key=lambda it: (it[1].created, it[1].name))

    def trouble(self) -> tuple[str, ...]:
        """Why something could not be watched for a while."""
        with self._lock:
            return tuple(dict.fromkeys(self._trouble))

    def _watch(self, kind: str, listing: _Listing, note: Callable[[str, Any], None]) -> None:
        thread = threading.Thread(target=self._keep_on, args=(kind, listing, note), name=f"watch-{kind}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _keep_on(self, kind: str, listing: _Listing, note: Callable[[str, Any], None]) -> None:
        there: dict[str, Mapping[str, Any]] = {}

        def look(event: str, raw: Any) -> None:
            if event == "DELETED":
                there.pop(raw["metadata"]["uid"], None)
            else:
                there[raw["metadata"]["uid"]] = raw
            note(event, raw)

        with self._cluster.api_client() as api:
            call, arguments = listing(api)
            while not self._over.is_set():
                try:
                    watch_until(
                        call,
                        look,
                        what=f"changes of {kind}",
                        timeout=_WHOLE_DAY,
                        describe=lambda raw: kind,
                        hopeless=lambda: "told to stop" if self._over.is_set() else "",
                        known=there.values(),
                        **arguments,
                    )
                except WaitTimeout as ended:
                    if self._over.is_set():
                        return
                    self._note_trouble(ended.message)
                except Cancelled:
                    return
                except ApiError as error:
                    # A CRD that is being replaced is not served for a moment.
                    self._note_trouble(f"{kind} could not be watched: {error.brief}")
                    try:
                        pause(_AGAIN_SECONDS, what=f"watching {kind}")
                    except Cancelled:
                        return

    def _note_trouble(self, words: str) -> None:
        with self._lock:
            self._trouble.append(words)

    def _application(self, event: str, raw: Any) -> None:
        seen = parse(raw)
        look = Look(
            at=datetime.now(UTC),
            state=seen.state,
            submission=seen.submission,
            execution_attempts=seen.execution_attempts,
            submission_attempts=seen.submission_attempts,
            error=seen.error,
        )
        self._note(self._applications, event, raw, look)

    def _schedule(self, event: str, raw: Any) -> None:
        status = raw.get("status") or {}
        look = ScheduleLook(
            at=datetime.now(UTC),
            state=status.get("scheduleState", ""),
            last_run=_maybe(status.get("lastRun")),
            last_run_name=status.get("lastRunName", ""),
            next_run=_maybe(status.get("nextRun")),
            past_successful=tuple(status.get("pastSuccessfulRunNames") or ()),
            past_failed=tuple(status.get("pastFailedRunNames") or ()),
            reason=status.get("reason", ""),
        )
        self._note(self._schedules, event, raw, look)

    def _connect(self, event: str, raw: Any) -> None:
        status = raw.get("status") or {}
        look = ConnectLook(
            at=datetime.now(UTC),
            state=status.get("state", ""),
            server_pod=(status.get("server") or {}).get("podName", ""),
        )
        self._note(self._connects, event, raw, look)

    def _note(self, records: dict[str, Record[L]], event: str, raw: Any, look: L) -> None:
        metadata = raw["metadata"]
        if metadata["namespace"] not in self._namespaces:
            return
        with self._lock:
            record = records.setdefault(
                metadata["uid"],
                Record(
                    namespace=metadata["namespace"],
                    name=metadata["name"],
                    uid=metadata["uid"],
                    created=_time(metadata["creationTimestamp"]),
                ),
            )
            record.schedule = (metadata.get("labels") or {}).get(LABEL_SCHEDULE, "")
            record.raw = raw
            if event == "DELETED":
                record.gone = look.at
            # Most changes are of something else, and a watch that starts anew tells what is known already.
            elif not record.looks or replace(record.looks[-1], at=look.at) != look:
                record.looks.append(look)

    def _pod(self, event: str, raw: Any) -> None:
        seen = observe(raw)
        if seen.namespace not in self._namespaces:
            return
        key = f"{seen.namespace}/{seen.uid}"
        with self._lock:
            before = self._pods.get(key)
            if event == "DELETED":
                seen = replace(seen, gone=datetime.now(UTC))
            if before is not None and before.exit_status is not None and seen.exit_status is None:
                seen = replace(seen, containers=before.containers, phase=before.phase)
            self._pods[key] = seen


def _custom(api: client.ApiClient, resource: Resource) -> tuple[Callable[..., Any], dict[str, Any]]:
    call = client.CustomObjectsApi(api).list_cluster_custom_object
    return call, {"group": GROUP, "version": resource.version, "plural": resource.plural}


def _launched(api: client.ApiClient) -> tuple[Callable[..., Any], dict[str, Any]]:
    return client.CoreV1Api(api).list_pod_for_all_namespaces, {"label_selector": f"{LABEL_LAUNCHED}=true"}


def _by_creation(record: Record[Any]) -> tuple[datetime, str]:
    return record.created, record.name


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _maybe(text: str | None) -> datetime | None:
    return _time(text) if text else None
