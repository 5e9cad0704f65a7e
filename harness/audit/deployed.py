# SPDX-License-Identifier: Apache-2.0
"""Finds where objects of GitOps tools deploy a chart, with its values: Argo CD, Flux, k3s, helmfile, Kustomize, and
others by the keys that they have in common."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from harness.audit import ansible
from harness.audit.release_blocks import blocks, helmfile_releases, listed, mapping, names, terraform_releases
from harness.releases import set_values
from harness.releases.charts import CHART_NAME
from harness.releases.values import Loader, at, mappings, merge
from harness.untrusted import check_yaml

REPOSITORIES = ("HelmRepository", "OCIRepository", "GitRepository")
"""Kinds of Flux that say where charts are."""
_K3S_CONFIG = "HelmChartConfig"
_AT_GIT = re.compile(rf"\S+[:/]kubeflow/spark-operator(?:\.git)? charts/{CHART_NAME}-chart")
"""Upstream's repository, and where it has the chart."""

ReadFile = Callable[[str], Mapping[str, Any]]
"""Gives the values of a file that an object names, as the object writes it; none where it is not at hand."""

_ADDRESSES = ("repository", "repoURL", "repositoryURL", "repo", "url")


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A chart with its values. `chart` is its name or address, `address` that of its repository; each may be empty.

    `beside` is what names the chart, where its keys are not those of one tool.
    """

    where: str
    chart: str
    version: str
    address: str
    values: Mapping[str, Any]
    beside: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_operators(self) -> bool:
        """Whether this is the operator's chart, by its name."""
        return self.chart.rstrip("/").rpartition("/")[2] == CHART_NAME


def config_of(objects: Iterable[Any]) -> dict[str, Mapping[str, Any]]:
    """The data of ConfigMaps and Secrets by their names; repositories of Flux and what goes over a chart of k3s by
    their kinds and names.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for it in objects:
        if not isinstance(it, Mapping):
            continue
        if it.get("kind") in ("ConfigMap", "Secret"):
            data = mapping(it.get("data"))
            if it["kind"] == "Secret":
                data = {key: _plain(value) for key, value in data.items()}
            found[str(at(it, "metadata.name"))] = {**data, **mapping(it.get("stringData"))}
        elif it.get("kind") in (*REPOSITORIES, _K3S_CONFIG) and isinstance(it.get("spec"), Mapping):
            found[f"{it['kind']}/{at(it, 'metadata.name')}"] = it["spec"]
    return found


def _plain(value: object) -> object:
    """What a Secret's data says; as it is where it is no text in base64, as before a template is filled in."""
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except ValueError:
        return value


def is_upstreams_git(address: str, path: str) -> bool:
    """Whether this is the folder of the chart in upstream's repository."""
    return _AT_GIT.fullmatch(f"{address.rstrip('/')} {path.strip('./')}") is not None


def _nothing(name: str) -> Mapping[str, Any]:
    return {}


def _of(read: ReadFile, chart: object) -> ReadFile:
    """What reads the files of the operator's chart; those of another are nobody's concern here."""
    return read if str(chart or "").rstrip("/").rpartition("/")[2] == CHART_NAME else _nothing


def charts_in(
    it: Mapping[str, Any], where: str, config: Mapping[str, Mapping[str, Any]], read: ReadFile = _nothing
) -> Iterator[Deployment]:
    """Every chart that an object deploys. `config` has the data of ConfigMaps and Secrets by their names."""
    kind = str(it.get("kind") or "")
    if kind in ("Application", "ApplicationSet") and not isinstance(at(it, "spec.components"), list):
        yield from _argo_cd(_patched(it.get("spec")), where, read)
    elif kind == "HelmRelease":
        yield from _flux(it.get("spec"), where, config)
    elif kind == "App" and isinstance(at(it, "spec.fetch"), list):
        yield from _kapp(it["spec"], where, config)
    elif kind == "HelmChartInflationGenerator":
        yield from _kustomize([it], where, read)
    elif kind in ("HelmChart", _K3S_CONFIG):
        over = config.get(f"{_K3S_CONFIG}/{at(it, 'metadata.name')}", {}) if kind == "HelmChart" else {}
        yield from _k3s(it.get("spec"), over, where)
    elif isinstance(it.get("releases"), list) and not kind:
        yield from _helmfile(it, where, read)
    elif releases := terraform_releases(it):
        yield from _terraform(releases, where)
    elif tasks := list(ansible.releases(it)):
        yield from _ansible(tasks, where, read)
    else:
        whole = {key: below for key, below in it.items() if key != "helmCharts"}
        yield from (replace(one, values=_filled(one, config, read)) for one in _others(whole, where))
    if isinstance(it.get("helmCharts"), list):
        yield from _kustomize(it["helmCharts"], where, read)


def values_of(text: object) -> dict[str, Any]:
    """Values that are written as text; none where it is not a mapping, as with a template."""
    if not isinstance(text, str):
        return {}
    try:
        found = yaml.load(check_yaml(text), Loader=Loader)  # noqa: S506 - derived from the safe loader
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def template_patch(spec: Any) -> Mapping[str, Any] | None:
    """What an ApplicationSet puts over the Applications of its template; None where it is no YAML before it is filled
    in, as with the conditions of Go's templates.
    """
    patch = spec.get("templatePatch") if isinstance(spec, Mapping) else None
    return (values_of(patch) or None) if isinstance(patch, str) and patch.strip() else {}


def _patched(spec: Any) -> Any:
    """An ApplicationSet's template with its patch, which replaces lists as a whole (argo-cd, Template Patch)."""
    patch = template_patch(spec)
    return {**spec, "template": merge(mapping(spec.get("template")), patch)} if patch else spec


def _argo_cd(spec: Any, where: str, read: ReadFile) -> Iterator[Deployment]:
    """Sources with a chart: parameters go over valuesObject, that over values, that over files (argo-cd, helm.md)."""
    if isinstance(spec, list):
        for one in spec:
            yield from _argo_cd(one, where, read)
    if not isinstance(spec, Mapping):
        return
    helm = spec.get("helm")
    at_git = is_upstreams_git(str(spec.get("repoURL") or ""), str(spec.get("path") or ""))
    has_chart = spec.get("chart") or _unnamed(str(spec.get("repoURL") or ""), str(spec.get("path") or ""))
    if isinstance(helm, Mapping) or at_git or (has_chart and spec.get("repoURL")):
        helm = helm if isinstance(helm, Mapping) else {}
        values = merge(
            *map(_of(read, CHART_NAME if at_git else has_chart), names(helm.get("valueFiles"))),
            values_of(helm.get("values")),
            mapping(helm.get("valuesObject")),
            set_values.of(helm.get("parameters")),
        )
        version, address = str(spec.get("targetRevision") or ""), str(spec.get("repoURL") or "")
        chart = str(spec.get("chart") or "")
        if not chart and _unnamed(address, str(spec.get("path") or "")):
            # A folder in Git is no repository of charts.
            chart, address = CHART_NAME, address if address.startswith("oci://") else ""
        if at_git and not spec.get("chart"):
            chart, version, address = CHART_NAME, version.removeprefix("v"), ""
        yield Deployment(where=where, chart=chart, version=version, address=address, values=values)
        return
    for below in spec.values():
        yield from _argo_cd(below, where, read)


def _unnamed(address: str, path: str) -> str:
    """The operator's chart where a source of Argo CD has no `chart`: an address of OCI, or a folder called like it."""
    last = address if address.startswith("oci://") else path
    return CHART_NAME if last.rstrip("/").rpartition("/")[2] in (CHART_NAME, f"{CHART_NAME}-chart") else ""


def _flux(spec: Any, where: str, config: Mapping[str, Mapping[str, Any]]) -> Iterator[Deployment]:
    """Values of references in their order, then those of the release (fluxcd.io, HelmRelease, values overrides)."""
    if not isinstance(spec, Mapping):
        return
    chart = mapping(at(spec, "chart.spec"))
    source = mapping(chart.get("sourceRef") or spec.get("chartRef"))
    repository = config.get(f"{source.get('kind')}/{source.get('name')}", {})
    address = str(repository.get("url") or "")
    name = str(chart.get("chart") or "")
    version = str(chart.get("version") or "")
    if source.get("kind") == "GitRepository" and is_upstreams_git(address, name):
        name, address, version = CHART_NAME, "", str(at(repository, "ref.tag") or "").removeprefix("v")
    if not name:
        name = address or str(source.get("name") or "")
        version = str(at(repository, "ref.tag") or at(repository, "ref.semver") or "")
    values: dict[str, Any] = {}
    for reference in mappings(spec.get("valuesFrom")):
        data = config.get(str(reference.get("name")), {})
        text = data.get(str(reference.get("valuesKey") or "values.yaml"))
        path = reference.get("targetPath")
        values = merge(values, set_values.of([{"name": path, "value": text}]) if path and text else values_of(text))
    values = merge(values, mapping(spec.get("values")))
    yield Deployment(where=where, chart=name, version=version, address=address, values=values)


def _k3s(spec: Any, over: Mapping[str, Any], where: str) -> Iterator[Deployment]:
    """A HelmChart with its HelmChartConfig over it (docs.k3s.io, Customizing packaged components)."""
    if isinstance(spec, Mapping):
        texts = (values_of(each.get("valuesContent")) for each in (spec, over))
        values = merge(*texts, *(set_values.of(each.get("set")) for each in (spec, over)))
        chart, version = str(spec.get("chart") or ""), str(spec.get("version") or "")
        yield Deployment(where=where, chart=chart, version=version, address=str(spec.get("repo") or ""), values=values)


def _kapp(spec: Mapping[str, Any], where: str, config: Mapping[str, Mapping[str, Any]]) -> Iterator[Deployment]:
    """A chart of kapp-controller with every key of its Secrets and ConfigMaps (carvel.dev, App CR spec)."""
    steps = (mapping(it.get("helmTemplate")) for it in mappings(spec.get("template")))
    references = (ref for it in steps for one in mappings(it.get("valuesFrom")) for ref in one.values())
    called = [str(it.get("name")) for it in references if isinstance(it, Mapping)]
    values = merge(*(values_of(text) for name in called for text in config.get(name, {}).values()))
    for it in _others(spec["fetch"], where):
        yield replace(it, values=merge(it.values, values))


def _helmfile(it: Mapping[str, Any], where: str, read: ReadFile) -> Iterator[Deployment]:
    urls = {str(one.get("name")): str(one.get("url") or "") for one in mappings(it.get("repositories"))}
    for release in helmfile_releases(it):
        inline = release.get("values")
        each = inline if isinstance(inline, list) else [inline]
        values = merge(
            *(_of(read, release.get("chart"))(one) if isinstance(one, str) else mapping(one) for one in each),
            set_values.of(_with_lists(release.get("set"))),
            set_values.of([{**one, "forceString": True} for one in mappings(release.get("setString"))]),
        )
        chart, version = str(release.get("chart") or ""), str(release.get("version") or "")
        shown = f"{where} releases[{release.get('name', '')}]"
        address = urls.get(chart.partition("/")[0], "")
        yield Deployment(where=shown, chart=chart, version=version, address=address, values=values)


def _with_lists(given: Any) -> Any:
    """Settings of a helmfile, some of which have several `values` for one name."""
    return [{"value": it.get("values"), **it} for it in given if isinstance(it, Mapping)] if listed(given) else given


def _terraform(releases: Mapping[str, Mapping[str, Any]], where: str) -> Iterator[Deployment]:
    for at_address, release in releases.items():
        chart, version = str(release.get("chart") or ""), str(release.get("version") or "")
        address, shown = str(release.get("repository") or ""), f"{where} {at_address}"
        texts = release.get("values")
        values = merge(
            *map(values_of, texts if isinstance(texts, list) else []),
            set_values.of([one for key in ("set", "set_list", "set_sensitive") for one in blocks(release.get(key))]),
        )
        yield Deployment(where=shown, chart=chart, version=version, address=address, values=values)


def _ansible(tasks: Iterable[Mapping[str, Any]], where: str, read: ReadFile) -> Iterator[Deployment]:
    """What is written in a task goes over the files that it names (kubernetes.core, plugins/modules/helm.py)."""
    for it in tasks:
        files = map(_of(read, it["chart"]), names(it["valuesFiles"]))
        yield Deployment(
            where=f"{where} {it['name'] or ''}".rstrip(),
            chart=str(it["chart"]),
            version=str(it["version"] or ""),
            address=str(it["repository"] or ""),
            values=merge(*files, mapping(it["values"]), set_values.of(it["set"])),
        )


def objects_of(documents: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """The objects of documents, those of a List each by itself; a list of Ansible's plays or tasks is one."""
    for it in documents:
        if isinstance(it, list) and any(ansible.releases(it)):
            yield {ansible.TASKS: it}
        if isinstance(it, Mapping):
            is_list = str(it.get("kind") or "").endswith("List") and isinstance(it.get("items"), list)
            yield from objects_of(listed(it.get("items"))) if is_list else [it]


def _others(it: Any, where: str) -> Iterator[Deployment]:
    """The operator's chart beside its values: Crossplane, Fleet, Skaffold, Cluster API's and Sveltos' objects."""
    if isinstance(it, list):
        for below in it:
            yield from _others(below, where)
    if not isinstance(it, Mapping):
        return
    for key, below in it.items():
        # A chart that is a mapping gets the values beside it.
        if not (key == "chart" and isinstance(below, Mapping)):
            yield from _others(below, where)
    for one in mappings(it.get("targetCustomizations")):
        own, base = mapping(one.get("helm")), mapping(it.get("helm"))
        # What Fleet takes for some clusters goes over the chart of all.
        yield from _others(
            {**base, **own, "values": merge(mapping(base.get("values")), mapping(own.get("values")))}, where
        )
    address = next((it[key] for key in _ADDRESSES if it.get(key)), "")
    if isinstance(address, Mapping):
        address = address.get("url", "")
    chart = next((it[key] for key in ("chart", "chartName", "chartname", "remoteChart") if it.get(key)), "")
    if not chart and it.get("name") == CHART_NAME and it.get("version") and "://" in str(address):
        # A dependency, or a chart that a tool fetches.
        yield Deployment(where=where, chart=CHART_NAME, version=str(it["version"]), address=str(address), values={})
        return
    named = {**it, **(chart if isinstance(chart, Mapping) else {"name": chart})}
    values = [it.get(key) for key in ("values", "valuesTemplate", "valuesContent", "valuesInline")]
    found = Deployment(
        where=where,
        chart=str(named.get("name") or ""),
        version=str(next((named[key] for key in ("version", "chartVersion", "targetRevision") if named.get(key)), "")),
        address=str(next((named[key] for key in _ADDRESSES if key in named), "")),
        values=merge(
            *(values_of(one) or mapping(one) for one in values),
            set_values.of(it.get("set") or it.get("setValues") or it.get("setValueTemplates")),
        ),
        beside=it,
    )
    if chart and found.is_operators:
        yield found


def _filled(made: Deployment, config: Mapping[str, Mapping[str, Any]], read: ReadFile = _nothing) -> Mapping[str, Any]:
    """Its values with those of the files and objects that are named beside it.

    Fleet puts its files over what it has inline, and `valuesFrom` over both (fleet.rancher.io, fleet.yaml); Crossplane
    has what is inline over `valuesFrom` (provider-helm, Release).
    """
    it = made.beside
    files = map(_of(read, made.chart), names(it.get("valuesFiles")))
    referred: list[Mapping[str, Any]] = []
    for one in mappings(it.get("valuesFrom")):
        for key in ("configMapKeyRef", "secretKeyRef"):
            named = mapping(one.get(key))
            data = config.get(str(named.get("name")), {})
            referred.append(values_of(data.get(str(named.get("key") or "values.yaml"))))
    if isinstance(it.get("chart"), Mapping):
        return merge(*referred, made.values)
    return merge(made.values, *files, *referred)


def _kustomize(charts: Iterable[Any], where: str, read: ReadFile) -> Iterator[Deployment]:
    for chart in mappings(charts):
        yield from _of_kustomize(chart, where, _of(read, chart.get("name")))


def _of_kustomize(chart: Mapping[str, Any], where: str, read: ReadFile) -> Iterator[Deployment]:
    """Inline values go over those of the file unless `valuesMerge` says otherwise, and further files over both
    (kustomize, HelmChartInflationGenerator).
    """
    inline = mapping(chart.get("valuesInline"))
    given = [*map(read, names([chart.get("valuesFile")])), inline]
    if chart.get("valuesMerge") == "merge":
        given.reverse()
    values = merge(
        *([inline] if chart.get("valuesMerge") == "replace" else given),
        *map(read, names(chart.get("additionalValuesFiles"))),
    )
    yield Deployment(
        where=f"{where} helmCharts[{chart.get('name', '')}]",
        chart=str(chart.get("name") or ""),
        version=str(chart.get("version") or ""),
        address=str(chart.get("repo") or ""),
        values=values,
    )
