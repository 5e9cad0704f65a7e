# SPDX-License-Identifier: Apache-2.0
"""The subjects of an image audit: a release, a chart, values, a folder of manifests, or a running cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.apps import samples
from harness.audit import charts as audited_charts
from harness.audit import gather
from harness.audit.gather import Mention, Unreadable
from harness.audit.homes import Homes
from harness.audit.told import some
from harness.errors import ApiError, ClusterError, UnavailableError, UsageError
from harness.foundry import operator
from harness.foundry.store import Store
from harness.images.mirrors import MirrorMap
from harness.images.references import ImageReference
from harness.imports import at_hand
from harness.kube import reading
from harness.kube.api import connect, listed
from harness.late import client, config
from harness.matrix.catalogue import Catalogue
from harness.matrix.release import ChartSource, Release
from harness.releases import charts
from harness.releases.charts import Chart
from harness.releases.values import load_values, merge
from harness.settings import Settings, SourceKind
from harness.wording import counted

_GROUP = "sparkoperator.k8s.io"
_UNAVAILABLE = (
    "images are named as pods and applications ask for them. Which registry a node got them from, and which digest it "
    "runs, is unavailable: a node reports the first of all its names of the same content"
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An audited subject with all of its images."""

    name: str
    mentions: tuple[Mention, ...]
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()


def of_release(
    known: Catalogue, name: str, kind: SourceKind, settings: Settings, helm: Path, values: Sequence[Path], folder: Path
) -> Subject:
    """A release: its chart with every switch, and the sample applications of charts/spark-samples.

    Raises UsageError for an unknown release, UnavailableError if its chart is not available.
    """
    release = known.release(name)
    chart = _chart_of(release, kind, settings, helm, folder)
    moved: dict[str, Any] = {}
    if release.relocated:
        moved = {"image": {"registry": release.registry, "repository": release.repository}}
    found = of_chart(chart, helm, values, moved)
    applications = _samples(helm)
    return Subject(name=f"release {name}", mentions=(*found.mentions, *applications), notes=found.notes)


def of_chart(chart: Chart, helm: Path, values: Sequence[Path], base: Mapping[str, Any] | None = None) -> Subject:
    """A chart with every switch: pods, hooks and CRD defaults; values files come on top of the values `base`."""
    given = merge(base or {}, *(load_values(file) for file in values))
    rendered = audited_charts.render(helm, chart, given)
    mentions = [it for source, made in rendered.objects for it in gather.of_objects([made], source)]
    notes = [
        f"{counted(len(rendered.switches), 'switch', 'switches')} of the chart tried: all on, all off, and each alone"
    ]
    notes += [f"not rendered with {turn}: {why}" for turn, why in rendered.refused.items()]
    return Subject(
        name=f"chart {chart.name} {chart.version}", mentions=tuple(dict.fromkeys(mentions)), notes=tuple(notes)
    )


def of_values(files: Sequence[Path], homes: Homes) -> Subject:
    """Values files alone: images as one string or in parts. Raises UsageError with file and line."""
    mentions = [it for file in files for it in gather.of_values(load_values(file), str(file), homes)]
    return Subject(name=", ".join(map(str, files)), mentions=tuple(mentions))


def of_manifests(folders: Sequence[Path], homes: Homes) -> Subject:
    """Manifests in folders or files. Raises UsageError for a path that does not exist."""
    mentions: list[Mention] = []
    problems: list[Unreadable] = []
    for folder in folders:
        if not folder.exists():
            raise UsageError(f"the folder {folder} does not exist", "check the path after --manifests")
        found, unreadable = gather.of_folder(folder, homes)
        mentions += found
        problems += unreadable
    others = gather.other_kinds(folders)
    kinds = some([f"{count} {kind}" for kind, count in others.most_common()], ", ", "kinds")
    note = f"not read, since they are not manifests: {kinds}; `harness audit docs` reads files of every kind"
    return Subject(
        name=", ".join(map(str, folders)),
        mentions=tuple(dict.fromkeys(mentions)),
        unreadable=tuple(problems),
        notes=(note,) if others else (),
    )


def of_context(context: str) -> Subject:
    """The pods and the operator's applications of a cluster, by a context of the kubeconfig.

    Raises UsageError for an unknown context, ClusterError when the cluster does not answer.
    """
    try:
        api = connect(None, context)
    except config.ConfigException as unknown:
        raise UsageError(f"the context {context} cannot be used: {unknown}", "kubectl config get-contexts") from unknown
    with api:
        try:
            pods = listed(client.CoreV1Api(api).list_pod_for_all_namespaces)
            objects = [{**pod, "kind": "Pod"} for pod in pods] + _custom_resources(api)
        except ApiError as away:
            raise ClusterError(
                f"the pods in the cluster of context {context} could not be listed: {away.message}",
                f"kubectl --context {context} get pods --all-namespaces",
            ) from away
    mentions = [it for made in objects for it in gather.of_objects([made], _namespace(made))]
    return Subject(
        name=f"context {context}", mentions=tuple(dict.fromkeys(mentions)), notes=(_UNAVAILABLE, *_reported(pods))
    )


def _reported(pods: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Each container whose node reports another image than its pod asks for, in words."""
    for pod in pods:
        for it in reading.pod(pod).containers:
            if it.reported and not _same(it.image, it.reported):
                where = f"{_namespace(pod)}: {pod['metadata']['name']}/{it.name}"
                yield f"{where} asks for {it.image}; its node reports the same content as {it.reported}"


def _same(asked: str, reported: str) -> bool:
    try:
        return ImageReference.parse(asked).canonical == ImageReference.parse(reported).canonical
    except UsageError:
        return asked == reported


def _custom_resources(api: client.ApiClient) -> list[dict[str, Any]]:
    """Every object of the operator's API group, in all served versions of its kinds."""
    custom = client.CustomObjectsApi(api)
    found: list[dict[str, Any]] = []
    for crd in listed(client.ApiextensionsV1Api(api).list_custom_resource_definition):
        spec = crd["spec"]
        if spec["group"] == _GROUP:
            version = next(it["name"] for it in spec["versions"] if it["storage"])
            found += listed(custom.list_cluster_custom_object, _GROUP, version, spec["names"]["plural"])
    return found


def _namespace(made: Mapping[str, Any]) -> str:
    return f"namespace {made.get('metadata', {}).get('namespace', '')}"


def _chart_of(release: Release, kind: SourceKind, settings: Settings, helm: Path, folder: Path) -> Chart:
    if kind == "foundry":
        found = at_hand.chart(settings, release)
        if found is not None:
            return found
        if "foundry" not in release.sources:
            raise UnavailableError(
                f"there is no chart of release {release.name}: neither packaged by the foundry nor imported",
                "choose a release of `harness foundry list`, `harness charts import` it, pass --chart, or use "
                "--source upstream",
            )
        path = operator.chart(Store.of(settings), release.version)
        return charts.from_path(path, origin=ChartSource.FOUNDRY)
    mirrors = settings.mirror_map if kind == "mirror" else MirrorMap()
    return charts.for_release(release, helm, folder, mirrors=mirrors)


def _samples(helm: Path) -> list[Mention]:
    """The sample applications, all of them."""
    chart = charts.from_path(samples.CHART)
    every = {"samples": sorted(file.stem for file in (samples.CHART / "templates").glob("*.yaml"))}
    rendered = audited_charts.render(helm, chart, every)
    found = [it for source, made in rendered.objects for it in gather.of_objects([made], f"spark-samples {source}")]
    return list(dict.fromkeys(found))
