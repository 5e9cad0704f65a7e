# SPDX-License-Identifier: Apache-2.0
"""Whether a user's values fit a chart, and the clusters of a run, found out by rendering, before there is a cluster.

Where they ask for what a run can make, it is told that it does. Where they do not fit, theirs is the mistake, or they
rely on what production has and no run can have: never the release's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from harness.kube.amounts import amount_or_zero
from harness.kube.needs import Need, needs
from harness.releases import (
    chart_files,
    node_labels,
    refused_objects,
    scheduling,
    site_settings,
    value_kinds,
    value_places,
)
from harness.releases.charts import Chart
from harness.releases.for_a_run import KUBERNETES_OWN
from harness.releases.helm import Helm, HelmError
from harness.releases.namespaces import with_job_namespaces
from harness.releases.scheduling import part_of
from harness.releases.values import ANCHORS, Loader, at, merge, strangers
from harness.untrusted import check_yaml
from harness.wording import counted

_EVERY_CLUSTER_HAS = ("system-cluster-critical", "system-node-critical")
"""Priority classes of Kubernetes' own."""

_RESERVED = "system-"
"""How the names of those begin that nobody else may make (kubernetes, pkg/apis/scheduling/validation)."""

_API_LACKS = re.compile(r"does not support the required API version `(?P<version>[^`]+)` for `(?P<kind>[^`]+)`")
"""The chart's words where a kind is missing that its own objects have (templates/prometheus, templates/certmanager)."""

_BESIDE = "and "

_VOLUMES = (
    *("configMap", "downwardAPI", "emptyDir", "ephemeral", "hostPath", "image", "persistentVolumeClaim", "projected"),
    "secret",
)
"""Kinds of volumes that a node of a run has; what these name is looked at beside this."""

_MUST_EXIST = ("Directory", "File", "Socket", "CharDevice", "BlockDevice")
"""Types of a hostPath that the kubelet makes nothing for (core/v1 HostPathVolumeSource)."""

_EVERY_NODE_HAS = ("/", "/dev", "/etc", "/etc/ssl/certs", "/proc", "/run", "/sys", "/usr", "/var", "/var/log")

_OF_KIND = dict.fromkeys(("Certificate", "Issuer"), "certManager.enable")
_MEBIBYTE = 2**20


@dataclass(frozen=True, kw_only=True)
class Lack:
    """Something that a value asks for, and that is not there. `off` is what a run can have instead."""

    value: str
    what: str
    off: str

    @property
    def instead(self) -> str:
        """What to write in the place of the value."""
        return f"{self.value} {self.off}" if self.off.startswith(_BESIDE) else f"{self.value}={self.off}"

    def __str__(self) -> str:
        return f"{self.value} asks for {self.what}"


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """What does not fit, and what to do, in words, which may be Helm's own."""

    words: str
    next_step: str
    by_helm: bool = field(default=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What a run makes so that values fit: `told` says so in words, one line each.

    `nodes` has the labels of each node, None for one that it must not have. `objects` are what the chart rendered to.
    """

    nodes: tuple[Mapping[str, str | None], ...] = ({},)
    priority_classes: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    objects: tuple[Mapping[str, Any], ...] = field(default=(), compare=False, repr=False)

    @property
    def several(self) -> bool:
        """Whether the values need more than one node."""
        return len(self.nodes) > 1

    @property
    def makes(self) -> bool:
        """Whether there is anything to make."""
        return self.several or any(self.nodes) or bool(self.priority_classes)


@dataclass(frozen=True, kw_only=True)
class Room:
    """What one node of this machine has: processors, and memory in MiB. Zero is not known."""

    cpus: int = 0
    memory_mib: int = 0


@dataclass(frozen=True, kw_only=True)
class Given:
    """A release as it is to be installed, and on what: `own` values are ours, `users` come after them.

    `job_namespaces` are the run's, which come after the user's; `files` are those of `users`, to be named, which have
    the values below `values_key`. What `made` has is in the cluster before the release, which then serves `kinds` as
    well, `group/version/Kind`. `exact` values get nothing that they ask for, and no namespaces.
    """

    name: str
    namespace: str
    own: Sequence[Mapping[str, Any]]
    users: Sequence[Mapping[str, Any]]
    job_namespaces: Sequence[str]
    files: Sequence[str] = ()
    values_key: str = ""
    exact: bool = False
    kubernetes: str = ""
    made: frozenset[Need] = frozenset()
    kinds: Sequence[str] = ()
    room: Room = field(default_factory=Room)

    def values(self, *documents: Mapping[str, Any]) -> dict[str, Any]:
        """The values that Helm would get of these documents."""
        merged = merge(*documents)
        return merged if self.exact else with_job_namespaces(merged, self.job_namespaces)

    def at(self, key: str) -> str:
        """Where the user's files set a key, in brackets after a blank; empty where none of them does."""
        found = value_places.place(self.files, key, self.values_key)
        return f" ({found})" if found else ""


def fit(helm: Helm, chart: Chart, given: Given) -> Fit | Misfit:
    """What is to be made so that the chart can be installed with the user's values; why it cannot be where it cannot.

    Nothing where it does not render without them either. Raises CommandTimeout, and ToolError for an unusable Helm.
    """
    wrong = _of_wrong_kinds(given)
    if wrong is not None:
        return wrong
    try:
        objects = rendered(helm, chart, given)
    except HelmError as refused:
        if _without(helm, chart, given) is None:
            return Fit()
        lacks = list(_of_refusal(refused.message))
        if not lacks:
            next_step = "correct them, compare with `helm show values`"
            return Misfit(words=refused.message, next_step=next_step, by_helm=True)
        return _told(lacks, given)
    wrong = _refused(helm, chart, given, objects)
    if wrong is not None:
        return wrong
    lacks, found = _asked_for(objects, given)
    return _told(lacks, given) if lacks else replace(found, objects=tuple(objects))


def mistakes(helm: Helm, chart: Chart, given: Given) -> Misfit | None:
    """What no cluster takes of the user's values; None too where the chart does not render without the cluster."""
    try:
        return _of_wrong_kinds(given) or _refused(helm, chart, given, rendered(helm, chart, given))
    except HelmError:
        return None


def unknown(chart: Chart, values: Mapping[str, Any]) -> list[str]:
    """The keys of values that the chart does not know, with dots. Helm takes them, and they have no effect; those that
    hold anchors of YAML are meant to have none.

    None for a chart whose own values cannot be read.
    """
    own = defaults(chart)
    return [it for it in strangers(values, own) if not it.startswith(ANCHORS)] if own else []


def defaults(chart: Chart) -> Mapping[str, Any]:
    """The chart's own values; empty where they cannot be read."""
    text = chart_files.text(chart.path, "values.yaml")
    try:
        own = yaml.load(check_yaml(text or ""), Loader=Loader)  # noqa: S506 - derived from the safe loader
    except yaml.YAMLError:
        return {}
    return own if isinstance(own, Mapping) else {}


def _asked_for(objects: Sequence[Mapping[str, Any]], given: Given) -> tuple[list[Lack], Fit]:
    """What the rendered objects ask for and no run can have, and what this one makes."""
    lacks = list(_lacking(objects, given))
    nodes, unmet = scheduling.nodes_for(objects, node_labels.of_this_machine())
    lacks += [Lack(value=f"{it.part}.{it.value}", what=it.what, off="null") for it in unmet]
    made = [Lack(value=f"{it}.affinity", what=words, off="null") for it, words in scheduling.foreign_pods(objects)]
    lacks += made
    labels = [node_labels.labels(it.demand, number) for number, it in enumerate(nodes, 1)]
    classes = dict(_priority_classes(objects, given.made))
    reserved = {key: it for key, it in classes.items() if it.startswith(_RESERVED)}
    words = "the PriorityClass {}, as which Kubernetes lets nobody make one"
    lacks += [Lack(value=key, what=words.format(it), off='""') for key, it in reserved.items()]
    found = Fit(nodes=tuple(labels), priority_classes=tuple(dict.fromkeys(classes.values())))
    if not given.exact:
        return lacks, Fit(nodes=found.nodes, priority_classes=found.priority_classes, told=tuple(_of_fit(found)))
    parts = [(part, labels[number]) for number, it in enumerate(nodes) for part in sorted(it.parts) if labels[number]]
    lacks += [Lack(value=f"{it}.nodeSelector", what=f"nodes with {_labels(asked)}", off="null") for it, asked in parts]
    lacks += [Lack(value=key, what=f"the PriorityClass {it}", off='""') for key, it in classes.items()]
    if len(nodes) > 1:
        lacks.append(Lack(value="controller.affinity", what=counted(len(nodes), "node"), off="null"))
    return lacks, found


def _of_fit(found: Fit) -> Iterator[str]:
    for number, asked in enumerate(found.nodes, 1):
        if asked:
            which = f"node {number} of the run" if len(found.nodes) > 1 else "the run's node"
            yield f"{which} has the labels that the values ask for: {_labels(asked)}"
    if len(found.nodes) > 1:
        yield f"the cluster has {len(found.nodes)} nodes, since the values keep pods apart"
    if found.priority_classes:
        yield f"PriorityClass made for the values: {', '.join(found.priority_classes)}"


def _labels(asked: Mapping[str, str | None]) -> str:
    return ", ".join(f"no {key}" if it is None else f"{key}={it}" for key, it in asked.items())


def _lacking(objects: Iterable[Mapping[str, Any]], given: Given) -> Iterator[Lack]:
    """What the rendered objects of a release ask for, and no cluster of a run has or gets."""
    documents = list(objects)
    made = {Need(kind=str(it.get("kind")), name=str(at(it, "metadata.name"))) for it in documents} | given.made
    for it in documents:
        if it.get("kind") == "Deployment":
            yield from _of_deployment(it, made, given.room)
        if it.get("kind") == "ServiceAccount" and it.get("automountServiceAccountToken") is False:
            part = at(it, "metadata.labels")
            yield from _of_account((part or {}).get("app.kubernetes.io/component", "spark"))


def _of_wrong_kinds(given: Given) -> Misfit | None:
    wrong = list(value_kinds.refused(merge(*given.users)))
    words = "; ".join(f"{it.key} {it.words}{given.at(it.key)}" for it in wrong)
    return Misfit(words=words, next_step="; ".join(it.step for it in wrong)) if wrong else None


def rendered(helm: Helm, chart: Chart, given: Given) -> list[dict[str, Any]]:
    """What Helm makes of the chart with the values. Raises as `Helm.template` does."""
    values = given.values(*given.own, *given.users)
    return helm.template(
        chart, given.name, given.namespace, values, api_versions=given.kinds, kubernetes=given.kubernetes
    )


def _refused(helm: Helm, chart: Chart, given: Given, objects: Sequence[Mapping[str, Any]]) -> Misfit | None:
    """What no API server takes of the rendered objects; None where the chart is no better without the user's values."""
    told = list(refused_objects.found(objects, merge(*given.users)))
    known = {it.why for it in refused_objects.found(_without(helm, chart, given) or (), {})} if told else set()
    told = [it for it in told if it.why not in known]
    if not told:
        return None
    words = "; ".join(f"{it.key} {it.why}{given.at(it.key)}" for it in told)
    return Misfit(words=words, next_step="; ".join(dict.fromkeys(it.step for it in told)))


def _without(helm: Helm, chart: Chart, given: Given) -> list[dict[str, Any]] | None:
    """What the chart renders without the user's values; None where it does not."""
    values = given.values(*given.own)
    try:
        return helm.template(chart, given.name, given.namespace, values, kubernetes=given.kubernetes)
    except HelmError:
        return None


def _of_refusal(said: str) -> Iterator[Lack]:
    """What the chart itself misses in a cluster."""
    found = _API_LACKS.search(said)
    if found:
        value = _OF_KIND.get(found["kind"], found["kind"])
        yield Lack(value=value, what=f"the kind {found['kind']} of {found['version']}", off="false")


def _of_deployment(deployment: Mapping[str, Any], made: Iterable[Need], room: Room) -> Iterator[Lack]:
    part = part_of(deployment)
    pod = at(deployment, "spec.template.spec") or {}
    replicas = at(deployment, "spec.replicas")
    if replicas == 0:
        yield Lack(value=f"{part}.replicas", what="no pod at all", off="1")
    yield from _of_resources(part, pod, room)
    for volume in pod.get("volumes") or ():
        without = f"{_BESIDE}volumeMounts without {volume.get('name')}"
        for what in (*_of_volume(volume), *(f"{it}, which nobody makes" for it in _missing(volume, made))):
            yield Lack(value=f"{part}.volumes", what=what, off=without)
    for key, what in site_settings.of_pod(pod):
        yield Lack(value=f"{part}.{key}", what=what, off="null")
    for key, section in _of_containers(pod):
        for need in sorted(needs({key: section}) - set(made), key=str):
            yield Lack(value=f"{part}.{key}", what=f"{need}, which nobody makes", off="null")
    arguments = [str(it) for it in (pod.get("containers") or [{}])[0].get("args") or ()]
    for it in arguments:
        flag, _, scheduler = it.partition("=")
        if flag == "--default-batch-scheduler" and scheduler not in ("", KUBERNETES_OWN):
            what = f"the scheduler {scheduler} for every application"
            yield Lack(value="controller.batchScheduler.default", what=what, off='""')


def _missing(volume: Mapping[str, Any], made: Iterable[Need]) -> list[Need]:
    return sorted(needs({"volumes": [volume]}) - set(made), key=str)


def _of_volume(volume: Mapping[str, Any]) -> Iterator[str]:
    """What a volume takes from the node, or from a driver on it, and no node of a run has."""
    for kind, source in volume.items():
        path, there = at(source, "path"), at(source, "type")
        if kind == "csi":
            yield f"the CSI driver {at(source, 'driver')}"
        elif kind == "hostPath" and there in _MUST_EXIST and path not in _EVERY_NODE_HAS:
            yield f"{path} of the node"
        elif kind != "name" and kind not in _VOLUMES:
            yield f"a volume of the kind {kind}"


def _of_containers(pod: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The environments of all containers, by the keys that the values have for them."""
    for container in (*(pod.get("initContainers") or ()), *(pod.get("containers") or ())):
        yield from ((key, container.get(key)) for key in ("env", "envFrom"))


def _of_resources(part: str, pod: Mapping[str, Any], room: Room) -> Iterator[Lack]:
    """Requests of one pod that are more than the whole machine, so that no scheduler will ever place it."""
    asked = {"cpu": 0.0, "memory": 0.0}
    for container in pod.get("containers") or ():
        # Where there is no request, the limit is one.
        wanted = {**(at(container, "resources.limits") or {}), **(at(container, "resources.requests") or {})}
        for name in asked:
            asked[name] += float(amount_or_zero(wanted.get(name)))
        for name in (it for it in wanted if "/" in it or it.startswith("hugepages-")):
            yield Lack(value=f"{part}.resources", what=f"{name}, which no node of a run has", off="null")
    if room.cpus and asked["cpu"] > room.cpus:
        what = f"{asked['cpu']:g} processors in one pod, and this machine has {room.cpus}"
        yield Lack(value=f"{part}.resources", what=what, off="null")
    if room.memory_mib and asked["memory"] > room.memory_mib * _MEBIBYTE:
        what = f"{asked['memory'] / _MEBIBYTE:.0f} MiB in one pod, and this machine has {room.memory_mib}"
        yield Lack(value=f"{part}.resources", what=what, off="null")


def _priority_classes(objects: Iterable[Mapping[str, Any]], made: Iterable[Need]) -> Iterator[tuple[str, str]]:
    """The values that name PriorityClasses which are to be made, and these."""
    there = {it.name for it in made if it.kind == "PriorityClass"}.union(_EVERY_CLUSTER_HAS)
    for it in objects:
        name = at(it, "spec.template.spec.priorityClassName") if it.get("kind") == "Deployment" else None
        if name and name not in there:
            yield f"{part_of(it)}.priorityClassName", str(name)


def _of_account(part: str) -> Iterator[Lack]:
    value = f"{part}.serviceAccount.automountServiceAccountToken"
    yield Lack(value=value, what="a token that pods get by other means", off="true")


def _told(lacks: Sequence[Lack], given: Given) -> Misfit:
    told = [f"{it}{given.at(it.value)}" for it in lacks]
    instead = ", ".join(dict.fromkeys(it.instead for it in lacks))
    otherwise = ", or leave out --exact-values" if given.exact else ""
    return Misfit(
        words=f"no cluster of a run has what they ask for: {'; '.join(dict.fromkeys(told))}",
        next_step=f"give a further file that has these otherwise, for the run alone: {instead}{otherwise}",
    )
