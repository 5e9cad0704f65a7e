# SPDX-License-Identifier: Apache-2.0
"""Values that stand in what deploys the operator: an Application, a HelmRelease, a playbook and others, as they are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from harness import named_files
from harness.advice import ends
from harness.advice.value_files import ValueFiles
from harness.audit import ansible, deployed
from harness.audit.expressions import is_known
from harness.audit.release_blocks import helmfile_releases, mapping, terraform_releases
from harness.errors import UsageError
from harness.matrix.crd_modes import Tool
from harness.releases import helm_output
from harness.releases.charts import CHART_NAME
from harness.releases.values import Loader, at, with_text_keys
from harness.sites import installed
from harness.sites.model import Installer
from harness.untrusted import check_yaml

_FILE = re.compile(r"(?:\{\{[^{}\n]*\}\}|\S)+\.(?:ya?ml|json|gotmpl|tpl|j2)")
PRESERVED = "spec.upgrade.preserveValues"
"""The field of a HelmRelease by which Flux upgrades with the values of the release before, too."""
_REFERENCES = (
    *(("secretRef", "Secret"), ("configMapRef", "ConfigMap")),
    *(("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")),
)
_HOMES = ("targetNamespace", "defaultNamespace", "namespace")
"""Fields of k3s, Fleet and Kustomize with the namespace of a release, the nearest first."""
_VENDORED = ("./", "../", "/", "${path.")
"""How a chart's own folder begins, in Terraform with one of its paths."""
_CHANGES = (
    *("postRenderers", "images", "patches", "patchesStrategicMerge", "patchesJson6902", "replacements", "transformers"),
    *("jsonPatches", "strategicMergePatches"),
)
"""Fields by which Flux, Kustomize and helmfile change what a chart has rendered."""
_RELEASES = ("HelmChart", "HelmChartConfig", "App")
"""Kinds of k3s and kapp-controller whose objects are called like their releases."""
_ZARF = "ZarfPackageConfig"
"""It calls a release like its chart unless told otherwise (docs.zarf.dev, Components)."""
_CHARTS = ("chart", "chartname", "chartName", "remoteChart")
_CROSSPLANE = "crossplane.io"
_EXTERNAL_NAME = f"{_CROSSPLANE}/external-name"
_TEXTS = ("values", "valuesContent", "valuesTemplate")
"""Fields that have values as a text."""
_OWN_FIELDS = (
    *("valueFiles", "valuesFrom", "values", "valuesFiles", "valuesFile", "additionalValuesFiles", "secrets", "set"),
    "fileParameters",
)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The operator's chart as a file deploys it. `name` and `home` are its release and namespace, where they are said.

    `elsewhere` is what else has values of it, and was not read, `changes` what changes the objects that it renders.
    `address` is where the chart comes from, `keeps` the setting by which an upgrade also gets the values of the release
    before, `resource` the address in Terraform; `renders_crds` says that it renders the chart's CRDs. `vendored`
    is the folder of a chart that lies beside it. `version` is the chart's as it is written, `context` a helmfile's, and
    `cluster` that in which a GitOps tool deploys, where it is not its own.
    """

    values: Mapping[str, Any]
    tool: Tool | None = None
    installer: Installer | None = None
    name: str = ""
    home: str = ""
    elsewhere: tuple[str, ...] = field(default=())
    changes: tuple[str, ...] = field(default=())
    file: str = ""
    address: str = ""
    keeps: str = ""
    resource: str = ""
    renders_crds: bool = False
    vendored: str = ""
    version: str = ""
    context: str = ""
    cluster: str = ""


def read(file: Path) -> Manifest | None:
    """What a file deploys; None for a values file, for one that has no operator, and for what is no YAML.

    Raises UsageError where it has several operators, and for a file beside it that it names and that cannot be used.
    """
    if not file.is_file():
        # Whoever reads it as values says what is wrong, and a pipe is empty after the first reader.
        return None
    try:
        text = helm_output.with_warnings_as_comments(named_files.text(file))
        helm_output.refuse(file, text)
        documents = [with_text_keys(it) for it in yaml.load_all(check_yaml(text), Loader=Loader)]
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        # Whoever reads it as values says what is wrong.
        return None
    helm_output.refuse(file, text, documents)
    objects = list(deployed.objects_of(documents))
    _require_own(file, objects)
    data, files = deployed.config_of(objects), ValueFiles(file)
    found = [(it, one) for it in objects for one in deployed.charts_in(it, file.name, data, files) if one.is_operators]
    if len(found) > 1:
        where = ", ".join(dict.fromkeys(_called(it) or one.where for it, one in found))
        raise UsageError(
            f"{file} deploys the operator's chart {len(found)} times ({where})",
            "give the values of one of them as a file",
        )
    known = {*data, *files.read}
    for it, one in found:
        address = one.address or (one.chart if "://" in one.chart else "")
        vendored = one.chart if one.chart.startswith(_VENDORED) else ""
        made = _manifest(it, one, known)
        # A state is no file in which a version is written.
        place = "" if made.tool == "terraform" and "resource" not in it else str(file)
        return replace(made, file=place, address=address, vendored=vendored, version=one.version)
    return None


def _called(it: Mapping[str, Any]) -> str:
    """The kind and the name of an object; empty where it has none."""
    name = at(it, "metadata.name")
    return f"{it.get('kind')} {name}" if name else ""


def _require_own(file: Path, objects: Sequence[Mapping[str, Any]]) -> None:
    """Raise UsageError for a file that has no values of its own, and names where they are."""
    for it in objects:
        parts = it.get("dependencies")
        if file.name in ("Chart.yaml", ends.LOCK) and "kind" not in it and isinstance(parts, list):
            raise UsageError(
                f"{file} says which charts are its dependencies, and has no values",
                f"give its folder as the chart, --chart {shlex.quote(str(file.parent))}, and its values with --values",
            )
        inner = it.get("helmfiles")
        if isinstance(inner, list) and inner and not any(one.get("releases") for one in objects):
            paths = [str(one.get("path") if isinstance(one, Mapping) else one) for one in inner]
            raise UsageError(
                f"{file} has no release of its own, and names other helmfiles: {', '.join(paths)}",
                "give the one with the operator's release",
            )


def _manifest(it: Mapping[str, Any], one_chart: deployed.Deployment, known: Collection[str]) -> Manifest:
    values, beside = one_chart.values, one_chart.beside
    spec, name = it.get("spec"), str(at(it, "metadata.name") or "")
    home, elsewhere = str(at(it, "metadata.namespace") or ""), tuple(dict.fromkeys(_elsewhere(it, known)))
    installer = installed.of_object(it)
    if installer and installer.tool == "argocd":
        of_each = it.get("kind") == "ApplicationSet"
        release = next(
            _found(spec, "releaseName"), str(at(spec, "template.metadata.name") or name) if of_each else name
        )
        home = str(at(spec, "template.spec.destination.namespace" if of_each else "destination.namespace") or "")
        destination = at(spec, "template.spec.destination" if of_each else "destination")
        return Manifest(
            values=values,
            tool="argocd",
            installer=installer,
            name=release,
            home=home,
            elsewhere=elsewhere,
            cluster=_destination(destination),
        )
    if installer:
        space = str(at(spec, "targetNamespace") or "")
        release = str(at(spec, "releaseName") or (f"{space}-{name}" if space else name))
        return Manifest(
            values=values,
            tool="flux",
            installer=installer,
            name=release,
            home=space or home,
            elsewhere=elsewhere,
            changes=tuple(_changing(spec, "spec.")),
            keeps=PRESERVED if installer.keeps_values else "",
            cluster=f"of the kubeconfig in the Secret {at(spec, 'kubeConfig.secretRef.name')}"
            if at(spec, "kubeConfig.secretRef.name")
            else "",
        )
    if isinstance(it.get("releases"), list) and "kind" not in it:
        one = next(one for one in helmfile_releases(it) if str(one.get("chart") or "").rstrip("/").endswith(CHART_NAME))
        release, home = str(one.get("name") or ""), str(one.get("namespace") or "")
        elsewhere = tuple(dict.fromkeys(_elsewhere(one, known)))
        changes = tuple(_changing(one, f"releases[{release}]."))
        above = "" if "reuseValues" in one else "helmDefaults."
        keeps = (
            f"{above}reuseValues" if at({"helmDefaults": it.get("helmDefaults"), **one}, f"{above}reuseValues") else ""
        )
        return Manifest(
            values=values,
            tool="helmfile",
            name=release,
            home=home,
            elsewhere=elsewhere,
            changes=changes,
            keeps=keeps,
            context=str(one.get("kubeContext") or at(it, "helmDefaults.kubeContext") or ""),
        )
    if releases := terraform_releases(it):
        return _of_terraform(releases, values, elsewhere)
    if tasks := [one for one in ansible.releases(it) if str(one["chart"]).rstrip("/").endswith(CHART_NAME)]:
        (task,) = tasks
        return Manifest(
            values=values,
            name=str(task["name"] or ""),
            home=str(task["namespace"] or ""),
            elsewhere=tuple(dict.fromkeys(_elsewhere(task, known))),
            keeps="reuse_values" if task["keeps"] else "",
            context=str(task["kubeContext"] or ""),
        )
    release = _release(it, beside)
    nearest = (str(beside[key]) for key in _HOMES if isinstance(beside.get(key), str))
    home = next(nearest, "") or next((found for key in _HOMES for found in _found(it, key)), "")
    charts = it.get("helmCharts")
    return Manifest(
        values=values,
        name=release,
        home=home,
        elsewhere=elsewhere,
        changes=tuple(_changing(it)),
        renders_crds="targetRevision" in beside
        or any(
            isinstance(one, Mapping) and one.get("name") == CHART_NAME and one.get("includeCRDs") is True
            for one in (charts if isinstance(charts, list) else ())
        ),
    )


def _release(it: Mapping[str, Any], beside: Mapping[str, Any]) -> str:
    """The name of the release, where it is said: beside the chart, or by the object that stands for it."""
    crossplane = next(_releases_of_crossplane(it), None)
    if crossplane is not None:
        return _external(crossplane)
    kind = str(it.get("kind") or "")
    if kind == "Application":
        return _of_kubevela(it, beside)
    named = str(at(it, "metadata.name") or "") if kind in _RELEASES else ""
    # A name beside a chart that is called by another key is that of the release, as with Pulumi and Skaffold.
    own = str(beside.get("name") or "") if any(isinstance(beside.get(key), str) for key in _CHARTS) else ""
    return next(_found(it, "releaseName"), "") or named or own or (CHART_NAME if kind == _ZARF else "")


def _of_kubevela(it: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    """The release of a component: KubeVela makes a HelmRelease of Flux that is called like it (kubevela/catalog,
    addons/fluxcd, helm-release.cue).
    """
    components = at(it, "spec.components")
    every = (one for one in (components if isinstance(components, list) else ()) if isinstance(one, Mapping))
    name = next((str(one.get("name") or "") for one in every if one.get("properties") is properties), "")
    space = str(properties.get("targetNamespace") or "")
    return str(properties.get("releaseName") or (f"{space}-{name}" if space and name else name))


def _releases_of_crossplane(value: Any) -> Iterator[Mapping[str, Any]]:
    """The Releases of provider-helm with the operator's chart, by themselves or in a Composition."""
    if isinstance(value, Mapping):
        group = str(value.get("apiVersion") or _CROSSPLANE).partition("/")[0]
        if value.get("kind") == "Release" and group.endswith(_CROSSPLANE):
            if str(at(value, "spec.forProvider.chart.name") or "") == CHART_NAME:
                yield value
            return
        value = list(value.values())
    for it in value if isinstance(value, list) else ():
        yield from _releases_of_crossplane(it)


def _external(release: Mapping[str, Any]) -> str:
    """What Helm calls a Release: as its annotation says, or else like the object (provider-helm, README)."""
    metadata = mapping(release.get("metadata"))
    return str(mapping(metadata.get("annotations")).get(_EXTERNAL_NAME) or metadata.get("name") or "")


def _destination(destination: Any) -> str:
    """The cluster that Argo CD deploys to; empty for its own, and where that is not said."""
    found = str(at(destination, "name") or at(destination, "server") or "")
    if found in ("", "in-cluster", "https://kubernetes.default.svc"):
        return ""
    return found if is_known(found) else "that each Application names"


def _of_terraform(releases: Mapping[str, Any], values: Mapping[str, Any], elsewhere: tuple[str, ...]) -> Manifest:
    """The `helm_release` of the operator's chart; the provider's own default for the namespace is `default`."""
    key, one = next(
        (key, one) for key, one in releases.items() if str(one.get("chart") or "").rstrip("/").endswith(CHART_NAME)
    )
    return Manifest(
        values=values,
        tool="terraform",
        name=str(one.get("name") or ""),
        home=str(one.get("namespace") or "default"),
        elsewhere=elsewhere,
        keeps="reuse_values" if one.get("reuse_values") is True and one.get("reset_values") is not True else "",
        resource=key,
    )


def _changing(it: Any, above: str = "") -> Iterator[str]:
    """The fields that change what the chart renders."""
    yield from (f"{above}{key}" for key in _CHANGES if isinstance(it, Mapping) and it.get(key))


def _found(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get(key), str):
            yield value[key]
        value = list(value.values())
    for it in value if isinstance(value, list) else ():
        yield from _found(it, key)


def _references(it: Any) -> Iterator[tuple[str, str]]:
    """The kind and the name of an object with values, as Flux, kapp-controller, Fleet and Crossplane write it."""
    if not isinstance(it, Mapping):
        return
    if it.get("name"):
        yield str(it.get("kind")), str(it["name"])
    for key, kind in _REFERENCES:
        if isinstance(at(it, f"{key}.name"), str):
            yield kind, at(it, f"{key}.name")


def _elsewhere(value: Any, known: Collection[str]) -> Iterator[str]:
    """Files and objects that are named as having values, and are not among those that are known."""
    if isinstance(value, Mapping):
        if deployed.template_patch(value) is None:
            yield "templatePatch, which Argo CD fills in,"
        for key in _TEXTS:
            text = value.get(key)
            if isinstance(text, str) and not is_known(text) and not deployed.values_of(text):
                yield f"the text of {key}, which is filled in elsewhere,"
        for key in _OWN_FIELDS:
            named = value.get(key)
            for it in named if isinstance(named, list) else [named]:
                if isinstance(it, str) and _FILE.fullmatch(it):
                    yield from () if it in known else [it]
                elif isinstance(it, Mapping):
                    named_so = _references(it) if key == "valuesFrom" else _references(at(it, "valueFrom"))
                    yield from (f"{kind} {name}" for kind, name in named_so if name not in known)
                    if key in ("fileParameters", "set"):
                        yield from (it[at_key] for at_key in ("path", "file") if isinstance(it.get(at_key), str))
        value = list(value.values())
    for it in value if isinstance(value, list) else ():
        yield from _elsewhere(it, known)
