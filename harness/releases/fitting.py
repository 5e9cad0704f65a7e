# SPDX-License-Identifier: Apache-2.0
"""Whether a user's values fit a chart, and the clusters of a run, found out by rendering, before there is a cluster.

Where they do not, theirs is the mistake, or they rely on what production has and a run has not: never the release's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.kube.needs import needs
from harness.releases import foreign
from harness.releases.charts import Chart
from harness.releases.helm import Helm, HelmError
from harness.releases.namespaces import with_job_namespaces
from harness.releases.values import at, merge

_EVERY_NODE_HAS = {"kubernetes.io/os": "linux"}
_EVERY_CLUSTER_HAS = ("system-cluster-critical", "system-node-critical")
"""Priority classes of Kubernetes' own."""

_API_LACKS = re.compile(r"does not support the required API version `(?P<version>[^`]+)` for `(?P<kind>[^`]+)`")
"""The chart's words where a kind is missing that its own objects have (templates/prometheus, templates/certmanager)."""

_OF_KIND = dict.fromkeys(("Certificate", "Issuer"), "certManager.enable")
_HOSTNAME = "kubernetes.io/hostname"


@dataclass(frozen=True, kw_only=True)
class Lack:
    """Something that a value asks for, and that is not there. `off` is what a run can have instead."""

    value: str
    what: str
    off: str

    def __str__(self) -> str:
        return f"{self.value} asks for {self.what}"


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """What does not fit, and what to do, in words."""

    words: str
    next_step: str


def misfit(
    helm: Helm,
    chart: Chart,
    name: str,
    namespace: str,
    own: Sequence[Mapping[str, Any]],
    users: Sequence[Mapping[str, Any]],
    job_namespaces: Sequence[str],
    files: Sequence[str] = (),
) -> Misfit | None:
    """Why the chart cannot be installed with the user's values on top of our own; None when it can.

    `job_namespaces` are the run's, which come after the user's; `files` are those of `users`, to be named.
    None too where it does not render without them either. Raises CommandTimeout, and ToolError for an unusable Helm.
    """
    given, without = (with_job_namespaces(merge(*it), job_namespaces) for it in ((*own, *users), own))
    try:
        objects = helm.template(chart, name, namespace, given, api_versions=foreign.api_versions(given))
    except HelmError as refused:
        if not _renders(helm, chart, name, namespace, without):
            return None
        lacks = list(_of_refusal(refused.message))
        if not lacks:
            return Misfit(words=refused.message, next_step="correct them, compare with `helm show values`")
    else:
        lacks = list(lacking(objects))
    return _told(lacks, users, files) if lacks else None


def lacking(objects: Iterable[Mapping[str, Any]]) -> Iterator[Lack]:
    """What the rendered objects of a release ask for, and no cluster of a run has."""
    documents = list(objects)
    made = {(str(it.get("kind")), str(at(it, "metadata.name"))) for it in documents}
    for it in documents:
        if it.get("kind") == "Deployment":
            yield from _of_deployment(it, made)
        if it.get("kind") == "ServiceAccount" and it.get("automountServiceAccountToken") is False:
            part = at(it, "metadata.labels")
            yield from _of_account((part or {}).get("app.kubernetes.io/component", "spark"))


def _renders(helm: Helm, chart: Chart, name: str, namespace: str, values: Mapping[str, Any]) -> bool:
    try:
        helm.template(chart, name, namespace, values)
    except HelmError:
        return False
    return True


def _of_refusal(said: str) -> Iterator[Lack]:
    """What the chart itself misses in a cluster."""
    found = _API_LACKS.search(said)
    if found:
        value = _OF_KIND.get(found["kind"], found["kind"])
        yield Lack(value=value, what=f"the kind {found['kind']} of {found['version']}", off="false")


def _of_deployment(deployment: Mapping[str, Any], made: set[tuple[str, str]]) -> Iterator[Lack]:
    part = str((at(deployment, "metadata.labels") or {}).get("app.kubernetes.io/component", "controller"))
    pod = at(deployment, "spec.template.spec") or {}
    replicas = at(deployment, "spec.replicas")
    if replicas == 0:
        yield Lack(value=f"{part}.replicas", what="no pod at all", off="1")
    yield from _of_places(part, pod, replicas or 1)
    for key, section in (("volumes", pod.get("volumes")), *_of_containers(pod)):
        for need in sorted(needs({key: section}), key=str):
            if (need.kind, need.name) not in made:
                yield Lack(value=f"{part}.{key}", what=f"{need}, which nobody makes", off="null")
    arguments = [str(it) for it in (pod.get("containers") or [{}])[0].get("args") or ()]
    for it in arguments:
        flag, _, scheduler = it.partition("=")
        if flag == "--default-batch-scheduler" and scheduler:
            what = f"the scheduler {scheduler} for every application"
            yield Lack(value="controller.batchScheduler.default", what=what, off='""')


def _of_containers(pod: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The environments of all containers, by the keys that the values have for them."""
    for container in (*(pod.get("initContainers") or ()), *(pod.get("containers") or ())):
        yield from ((key, container.get(key)) for key in ("env", "envFrom"))


def _of_places(part: str, pod: Mapping[str, Any], replicas: int) -> Iterator[Lack]:
    """Where pods may go, and with which priority."""
    selector = pod.get("nodeSelector") or {}
    labels = [f"{label}={value}" for label, value in selector.items() if _EVERY_NODE_HAS.get(label) != value]
    if labels:
        yield Lack(value=f"{part}.nodeSelector", what=f"nodes with {', '.join(labels)}", off="null")
    if at(pod, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"):
        yield Lack(value=f"{part}.affinity", what="nodes with certain labels (nodeAffinity)", off="null")
    apart = at(pod, "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution") or ()
    if replicas > 1 and any(it.get("topologyKey") == _HOSTNAME for it in apart):
        yield Lack(value=f"{part}.affinity", what=f"{replicas} nodes, one for each replica", off="null")
    for it in pod.get("topologySpreadConstraints") or ():
        key = it.get("topologyKey")
        if it.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule" and key != _HOSTNAME:
            yield Lack(value=f"{part}.topologySpreadConstraints", what=f"nodes with the label {key}", off="null")
    priority = pod.get("priorityClassName")
    if priority and priority not in _EVERY_CLUSTER_HAS:
        yield Lack(value=f"{part}.priorityClassName", what=f"the PriorityClass {priority}", off='""')


def _of_account(part: str) -> Iterator[Lack]:
    value = f"{part}.serviceAccount.automountServiceAccountToken"
    yield Lack(value=value, what="a token that pods get by other means", off="true")


def _told(lacks: Sequence[Lack], users: Sequence[Mapping[str, Any]], files: Sequence[str]) -> Misfit:
    by_file = {it: _file_of(it, users, files) for it in lacks}
    told = [f"{it}{f' ({file})' if file else ''}" for it, file in by_file.items()]
    instead = ", ".join(dict.fromkeys(f"{it.value}={it.off}" for it in lacks))
    return Misfit(
        words=f"no cluster of a run has what they ask for: {'; '.join(dict.fromkeys(told))}",
        next_step=f"give a further file that has these otherwise, for the run alone: {instead}",
    )


def _file_of(lack: Lack, users: Sequence[Mapping[str, Any]], files: Sequence[str]) -> str:
    """The last of the files that sets a value, as Helm takes it."""
    named = [file for file, values in zip(files, users, strict=False) if at(values, lack.value) is not None]
    return named[-1] if named else ""
