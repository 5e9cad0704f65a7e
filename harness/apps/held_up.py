# SPDX-License-Identifier: Apache-2.0
"""What holds up an application's pods, in the cluster's words: what nobody brought, or what no node has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.apps import own_pods
from harness.apps.applications import ImagePulls, of
from harness.apps.objects import Objects
from harness.apps.pods import SparkPod
from harness.errors import ApiError
from harness.kube.models import EPOCH, Event
from harness.releases.trouble import no_such_node

_LACKS = re.compile(r"\b(configmap|secret|serviceaccount|persistentvolumeclaim|priorityclass)s?\b[^;]*?not found", re.I)
"""The words of kubelet, scheduler and API server for an object that a pod names (`configmap "x" not found`)."""

_NOBODY_HAS = re.compile(
    r"Insufficient (?:[\w.-]+/[\w./-]+|hugepages-\w+)"
    r"|didn't match pod (?:anti-)?affinity rules|didn't have free ports|unbound immediate PersistentVolumeClaims"
    r"|hostPath type check failed|not found in the list of registered CSI drivers|no volume plugin matched"
    r"|mount failed: exit status|storageclass\S* \S+ not found"
)
"""The words of scheduler and kubelet for devices, neighbours, disks and servers that a pod names and the cluster lacks
(kube-scheduler, plugins noderesources, interpodaffinity and volumebinding; kubelet, pkg/volume)."""

_SPARKS_OWN = re.compile(r"\bspark-(drv|exec)-[\w-]+-conf-map\b")
"""The ConfigMaps that Spark makes itself: that of a driver after its pod, so that the first mount may be too early
(KubernetesClientApplication and KubernetesClientUtils in org.apache.spark.deploy.k8s)."""

_WENT_ON = ("Scheduled", "SuccessfulAttachVolume", "Pulling", "Pulled", "Created", "Started")
"""Reasons of scheduler and kubelet for a step that comes after whatever held a pod up before."""

_LOOKS = 6
"""Looks, about five seconds apart: the kubelet tries a mount again after a while, and what is made late is found."""


@dataclass(frozen=True, kw_only=True)
class HeldUp:
    """Why pods do not run, in words. `outside` is whether their surroundings are the reason, and not the product."""

    words: str
    outside: bool


class InVain:
    """Notices that an application waits in vain: for its image, or for what its surroundings have not."""

    def __init__(self, objects: Objects, owner: str) -> None:
        self._objects = objects
        self._owner = owner
        self._pulls = ImagePulls(objects, owner)
        self._looks = 0
        self._ended: dict[tuple[str, str], own_pods.InVain] = {}

    def hopeless(self) -> str:
        """Why waiting is in vain, in words; empty as long as it is not. To be asked every few seconds."""
        if words := self._pulls.hopeless():
            return words
        try:
            pods = of(self._owner, self._objects.spark_pods())
            cause = judge(pods, self._objects.events())
        except ApiError:
            return ""
        # Spark makes another executor in the place of one that has failed.
        self._ended |= {(it.pod.uid, it.container.name): it for it in own_pods.in_vain(pods)}
        if sum(it.times for it in self.ended) >= own_pods.CRASHES:
            return str(self.ended[-1])
        self._looks = self._looks + 1 if cause and cause.outside else 0
        return cause.words if cause and self._looks >= _LOOKS else ""

    @property
    def ended(self) -> list[own_pods.InVain]:
        """The init containers that ended in vain, each as it was last seen, also of pods that are gone."""
        return list(self._ended.values())


def held_up(objects: Objects, owner: str) -> HeldUp | None:
    """What holds up the pods of an application; None where nothing is known to. Raises ApiError."""
    pods = of(owner, objects.spark_pods())
    return judge(pods, objects.events())


def judge(pods: Sequence[SparkPod], events: Sequence[Event]) -> HeldUp | None:
    """The same, of pods and of the events of their namespace."""
    waiting = [it for it in pods if it.phase == "Pending" and not it.leaving]
    messages = [(pod, it) for pod in waiting for it in (pod.waiting, *_of(pod, events)) if it]
    for pod, words in messages:
        if is_outside(words):
            return HeldUp(words=f"pod {pod.name} waits: {words}", outside=True)
    return HeldUp(words=f"pod {messages[0][0].name} waits: {messages[0][1]}", outside=False) if messages else None


def outside(pod: SparkPod) -> str:
    """What a pod that has not started names and its surroundings do not have, in the cluster's words; else empty."""
    words = "" if pod.started_at else "; ".join(filter(None, (pod.waiting, pod.warned)))
    return words if is_outside(words) else ""


def is_outside(words: str) -> bool:
    """Whether words of scheduler or kubelet are about what a pod names and its surroundings do not have."""
    return bool(_LACKS.search(words) or _NOBODY_HAS.search(words)) or no_such_node(words)


def _of(pod: SparkPod, events: Sequence[Event]) -> list[str]:
    """What a pod is warned of, the latest first; not what it has got over since, by what went on."""
    about = [it for it in events if it.about == f"Pod/{pod.name}"]
    went_on = max((it.at for it in about if it.kind == "Normal" and it.reason in _WENT_ON), default=EPOCH)
    mine = [it for it in about if it.kind == "Warning" and it.at >= went_on and not _SPARKS_OWN.search(it.message)]
    return [f"{it.reason}: {it.message}" for it in sorted(mine, key=lambda it: it.at, reverse=True)]
