# SPDX-License-Identifier: Apache-2.0
"""Hooks whose pods the API server does not even create, as when Pod Security, a policy or a quota forbids them.

Helm waits for such a Job until its own time is up, and then only says that it waited in vain.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import ApiError
from harness.kube.api import listed
from harness.late import client
from harness.waiting import Deadline

_HOOK = "helm.sh/hook"
"""The annotation of what Helm makes only for a moment of an install or upgrade."""

_REFUSED = re.compile(r"is forbidden: |admission webhook .* denied the request", re.I)
"""What no further try changes by itself; any other FailedCreate may be the API server's or a webhook's own trouble."""

FULL = re.compile(r"exceeded quota", re.I)
"""The words of the admission plugin ResourceQuota."""

_TIMES = 3
"""The Job controller tries again after 1, 2, 4 … seconds (DefaultJobApiBackOff of Kubernetes 1.34,
pkg/controller/job/job_controller.go); a policy or an account that was made just before may be seen a moment later."""

PATIENCE_SECONDS = 10.0
QUOTA_SECONDS = 45.0
"""A quota may get room while others end; that of the operator's namespace seldom does."""

_LOOK_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The Job of a hook that has no pod, what the API server says of the last one that it was to have, and how often
    it has said so."""

    job: str
    uid: str
    said: str
    times: int

    @property
    def told(self) -> str:
        """In words."""
        return f"the Job {self.job} of a hook cannot create its pod: {self.said}"

    @property
    def patience(self) -> float:
        """Seconds after which waiting is in vain; endless where another try may have another end."""
        if self.times < _TIMES or not _REFUSED.search(self.said):
            return float("inf")
        return QUOTA_SECONDS if FULL.search(self.said) else PATIENCE_SECONDS


def refusals(api: client.ApiClient, namespace: str, before: Collection[str] = ()) -> list[Refusal]:
    """The hooks of a namespace that have no pod, since it is refused; none of the Jobs `before`, by UID.

    Raises ApiError.
    """
    waiting = {
        it["metadata"]["uid"]: it["metadata"]["name"]
        for it in _hooks(api, namespace)
        if it["metadata"]["uid"] not in before and not _has_had_pods(it.get("status") or {})
    }
    if not waiting:
        return []
    events = listed(
        client.CoreV1Api(api).list_namespaced_event,
        namespace,
        field_selector="reason=FailedCreate,involvedObject.kind=Job",
    )
    times: Counter[str] = Counter()
    said: dict[str, str] = {}
    for it in events:
        uid = it["involvedObject"].get("uid", "")
        if uid in waiting:
            times[uid] += it.get("count") or 1
            said[uid] = it.get("message", "")
    return [Refusal(job=waiting[it], uid=it, said=said[it], times=times[it]) for it in said]


def _hooks(api: client.ApiClient, namespace: str) -> list[dict[str, Any]]:
    jobs = listed(client.BatchV1Api(api).list_namespaced_job, namespace)
    return [it for it in jobs if _HOOK in (it["metadata"].get("annotations") or {})]


def _has_had_pods(status: Mapping[str, Any]) -> bool:
    return any(status.get(it) for it in ("active", "succeeded", "failed"))


class Watch:
    """Looks at the hooks of a namespace for as long as a way is called; Jobs that were there before are not its own.

    Without an API server that could tell which ones these are, it looks at none.
    """

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._api, self._namespace = api, namespace
        self._since: dict[str, Deadline] = {}
        self._next = Deadline(seconds=0)
        try:
            self._before: frozenset[str] | None = frozenset(it["metadata"]["uid"] for it in _hooks(api, namespace))
        except ApiError:
            self._before = None

    def hopeless(self) -> str:
        """Why it is in vain to wait for a hook; else empty. Looks every few seconds. Raises ApiError."""
        if self._next.left:
            return ""
        self._next = Deadline(seconds=_LOOK_SECONDS)
        seen = self._seen()
        self._since = {it.uid: self._since.get(it.uid) or Deadline(seconds=0) for it in seen}
        return next((it.told for it in seen if self._since[it.uid].elapsed >= it.patience), "")

    def refused(self) -> str:
        """Why a hook has no pod; else empty, also where the API server cannot say it."""
        try:
            return next((it.told for it in self._seen()), "")
        except ApiError:
            return ""

    def _seen(self) -> list[Refusal]:
        return [] if self._before is None else refusals(self._api, self._namespace, self._before)
