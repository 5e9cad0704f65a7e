# SPDX-License-Identifier: Apache-2.0
"""A queue of Kueue for one namespace, the applications in it, and what Kueue says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness.apps.objects import APPLICATION, Objects
from harness.apps.samples import Manifest
from harness.kube.api import get
from harness.releases import applying
from harness.releases.manifests import Document
from harness.upgrades import assembling
from harness.upgrades.creations import Creations
from harness.upgrades.last_words import heard
from harness.upgrades.recorder import Recorder
from harness.upgrades.workload_seen import ApplicationSeen, Part, When
from harness.waiting import until

if TYPE_CHECKING:
    from harness.stories.path_context import PathContext

QUEUE = "room-for-two"
LOW, HIGH = "can-wait", "urgent"
ROOM = 80
"""Thousandths of a processor that the queue has."""

_VERSION = "kueue.x-k8s.io/v1beta2"
_APPLY_SECONDS = 60.0
_DRIVER = "spark-kubernetes-driver"


def queue(namespace: str) -> list[Manifest]:
    """A queue with room for ROOM thousandths of a processor, and priorities of which the higher one preempts."""
    quota = [{"name": "cpu", "nominalQuota": f"{ROOM}m"}, {"name": "memory", "nominalQuota": "64Gi"}]
    flavour = {"name": "any-node", "resources": quota}
    spec = {
        "namespaceSelector": {},
        "preemption": {"withinClusterQueue": "LowerPriority"},
        "resourceGroups": [{"coveredResources": [it["name"] for it in quota], "flavors": [flavour]}],
    }
    return [
        {"apiVersion": _VERSION, "kind": "ResourceFlavor", "metadata": {"name": "any-node"}},
        *(
            {"apiVersion": _VERSION, "kind": "WorkloadPriorityClass", "metadata": {"name": name}, "value": value}
            for name, value in ((LOW, 10), (HIGH, 100))
        ),
        {"apiVersion": _VERSION, "kind": "ClusterQueue", "metadata": {"name": QUEUE}, "spec": spec},
        {
            "apiVersion": _VERSION,
            "kind": "LocalQueue",
            "metadata": {"name": QUEUE, "namespace": namespace},
            "spec": {"clusterQueue": QUEUE},
        },
    ]


def queued(manifests: Sequence[Manifest], name: str, *, priority: str = LOW, driver: int = 20) -> list[Manifest]:
    """A sample as an application of that name in the queue; `driver` is in thousandths of a processor."""
    found = deepcopy(list(manifests))
    for it in found:
        if it["kind"] == APPLICATION.kind:
            it["metadata"]["name"] = name
            labels = {"kueue.x-k8s.io/queue-name": QUEUE, "kueue.x-k8s.io/priority-class": priority}
            it["metadata"]["labels"] |= labels
            it["spec"]["driver"]["coreRequest"] = f"{driver}m"
    return found


def templated(manifests: Sequence[Manifest]) -> list[Manifest]:
    """A sample whose driver has its volumes by a pod template, in the place of the operator's webhook."""
    found = deepcopy(list(manifests))
    for it in found:
        if it["kind"] == APPLICATION.kind:
            driver = it["spec"]["driver"]
            container = {"name": _DRIVER, "volumeMounts": driver.pop("volumeMounts")}
            driver["template"] = {"spec": {"volumes": it["spec"].pop("volumes"), "containers": [container]}}
    return found


@dataclass(frozen=True, kw_only=True)
class Held:
    """What Kueue's Workload of an application says: its conditions by type, each true or not, with their reasons."""

    name: str = ""
    true: frozenset[str] = frozenset()
    reasons: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join(f"{it} ({self.reasons.get(it, '')})" for it in sorted(self.true)) or "no condition is true"


class Queued:
    """The applications of the queue. Entering makes it and begins to watch; leaving ends that, and the objects stay."""

    def __init__(self, ctx: PathContext) -> None:
        self._ctx = ctx
        self._creations = Creations()
        self._recorder = Recorder(ctx.cluster, {ctx.namespace})
        self._began = datetime.now(UTC)

    def __enter__(self) -> Self:
        self._api = self._ctx.cluster.api_client()
        self.objects = Objects(self._api, self._ctx.namespace)
        documents = [Document(where="the scenario kueue", document=it) for it in queue(self._ctx.namespace)]
        applying.apply(self._api, documents, timeout=_APPLY_SECONDS)
        self._recorder.start(connect=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._recorder.stop()
        self._api.close()  # type: ignore[no-untyped-call]

    def submit(self, manifests: Sequence[Manifest], when: When = When.BEFORE) -> str:
        """Create an application; why it was refused, or nothing."""
        made = self._creations.create(self.objects, manifests, Part.SMALL, when)
        return "" if made else self._creations.refused()[-1].words

    def seen(self, name: str) -> ApplicationSeen | None:
        """An application as it was seen so far; None when it never was."""
        found = assembling.applications(
            self._recorder, self._creations, moved=(self._began, datetime.now(UTC)), output={}
        )
        return next(iter(heard((it for it in found if it.name == name), self.objects.core)), None)

    def suspended(self, name: str) -> bool:
        """Whether its `spec.suspend` is true now."""
        return bool(((self.objects.get(APPLICATION, name) or {}).get("spec") or {}).get("suspend"))

    def held(self, name: str) -> Held:
        """What Kueue says of it; nothing as long as it has no Workload."""
        path = f"/apis/{_VERSION}/namespaces/{self._ctx.namespace}/workloads"
        for it in get(self._api, path)["items"]:
            if any(owner["name"] == name for owner in it["metadata"].get("ownerReferences", ())):
                conditions = (it.get("status") or {}).get("conditions") or ()
                return Held(
                    name=it["metadata"]["name"],
                    true=frozenset(each["type"] for each in conditions if each["status"] == "True"),
                    reasons={each["type"]: each.get("reason", "") for each in conditions},
                )
        return Held()

    def await_state(self, name: str, wanted: Callable[[ApplicationSeen], bool], *, what: str, timeout: float) -> None:
        """Wait for something about an application. Raises WaitTimeout that says what Kueue and the operator say."""

        def look() -> tuple[bool, str]:
            found = self.seen(name)
            told = f"{name} {found.outcome if found else 'was not seen'}; Kueue: {self.held(name)}"
            return found is not None and wanted(found), told

        until(look, lambda it: it[0], what=what, timeout=timeout, interval=0.3)
