# SPDX-License-Identifier: Apache-2.0
"""How the operator came into a cluster: Helm's own records, and the objects of Argo CD and Flux."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.releases import set_values
from harness.releases.charts import CHART_NAME
from harness.releases.values import at, merge
from harness.sites import hide
from harness.sites.model import HelmRelease, Installer, Object, Operator, Unread
from harness.sites.reader import Reader
from harness.untrusted import from_json

_TYPE = "helm.sh/release.v1"
_MOST = 64 * 2**20
"""Bytes of an unpacked release; Helm's own limit is that of a Secret, packed."""

_ARGO_GROUP = "argoproj.io/"
_ARGO = f"/apis/{_ARGO_GROUP}v1alpha1/applications"
_FLUX = ("/apis/helm.toolkit.fluxcd.io/{}/helmreleases", ("v2", "v2beta2", "v2beta1"))
_KUSTOMIZE = "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations"
_FLUX_NAME = "kustomize.toolkit.fluxcd.io/name"


def helm_releases(reader: Reader, namespaces: Sequence[str]) -> tuple[HelmRelease, ...]:
    """The newest revision of each release of the operator's chart, or of an umbrella chart, by Helm's Secrets."""
    found = []
    for namespace in namespaces:
        path = f"/api/v1/namespaces/{namespace}/secrets"
        what = f"Helm's Secrets of {namespace}, and with them the values of the release"
        # Only labels first: of all revisions, one is read.
        newest: dict[str, tuple[int, Object]] = {}
        for item in reader.items(
            path, what, names_only=True, labelSelector="owner=helm", fieldSelector=f"type={_TYPE}"
        ):
            labels = item["metadata"].get("labels") or {}
            revision = _number(labels.get("version"))
            name = str(labels.get("name") or item["metadata"]["name"])
            if revision >= newest.get(name, (0, item))[0]:
                newest[name] = (revision, item)
        for _, item in newest.values():
            secret = reader.one(f"{path}/{item['metadata']['name']}", f"Helm's Secret {item['metadata']['name']}")
            found += list(_release(reader, secret)) if secret else []
    return tuple(found)


def _release(reader: Reader, secret: Object) -> Iterator[HelmRelease]:
    metadata = secret["metadata"]
    where = f"{metadata.get('namespace')}/{metadata['name']}"
    try:
        release = decoded(str((secret.get("data") or {}).get("release") or ""))
        chart = release["chart"]["metadata"]
        values = release.get("config") or {}
        made = _of(release, chart, values, secret)
    except (ValueError, KeyError, TypeError, AttributeError) as broken:
        name = (metadata.get("labels") or {}).get("name", "NAME")
        reader.unread.append(
            Unread(
                what=f"the Helm release in Secret {where}",
                why=f"it cannot be decoded ({broken or type(broken).__name__}); `helm history {name} --namespace "
                f"{metadata.get('namespace')}` says whether Helm can read it",
            )
        )
        return
    if made.chart == CHART_NAME or _is_part(release, values):
        yield made


def _of(release: Mapping[str, Any], chart: Mapping[str, Any], values: Any, secret: Object) -> HelmRelease:
    kept, masked = hide.hide(values)
    managers = [str(it.get("manager") or "") for it in secret["metadata"].get("managedFields") or ()]
    return HelmRelease(
        name=str(release["name"]),
        namespace=str(release.get("namespace") or secret["metadata"].get("namespace") or ""),
        revision=int(release.get("version") or 0),
        status=str((release.get("info") or {}).get("status") or ""),
        chart=str(chart["name"]),
        chart_version=str(chart.get("version") or ""),
        app_version=str(chart.get("appVersion") or ""),
        manager=managers[0] if managers else "",
        applied=str(release.get("apply_method") or ""),
        values=kept,
        masked=masked,
    )


def decoded(text: str) -> Mapping[str, Any]:
    """A release as Helm packs it: JSON, gzip, base64, and once more base64 of Secrets. Raises ValueError.

    (helm/pkg/storage/driver/util.go: JSON without gzip is read, too.)
    """
    try:
        packed = base64.b64decode(base64.b64decode(text, validate=True), validate=True)
    except binascii.Error as broken:
        raise ValueError(f"not base64: {broken}") from broken
    if packed[:3] == b"\x1f\x8b\x08":
        unpack = zlib.decompressobj(wbits=31)
        try:
            packed = unpack.decompress(packed, _MOST)
        except zlib.error as broken:
            raise ValueError(f"not gzip: {broken}") from broken
        if unpack.unconsumed_tail or not unpack.eof:
            raise ValueError("the gzip data is cut off, or too large")
    found = from_json(packed)
    if not isinstance(found, dict):
        raise ValueError("it is not a release")
    return found


def _is_part(release: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether the operator's chart is one of an umbrella chart's dependencies."""
    parts = (release["chart"].get("metadata") or {}).get("dependencies") or ()
    return any(it.get("name") == CHART_NAME or it.get("alias") == CHART_NAME for it in parts) or CHART_NAME in values


def installers(reader: Reader, operators: Sequence[Operator], groups: Sequence[str]) -> tuple[Installer, ...]:
    """The objects of Argo CD and Flux that bring the operator: by its chart, or by the marks of its Deployments.

    `groups` are the API groups of the cluster, none where these are not known. Of others nobody is asked: an API server
    looks at rights first, so that whoever has few is refused what is not there.
    """

    def items(path: str, what: str) -> Iterator[Object]:
        return reader.items(path, what) if not groups or path.split("/")[2] in groups else iter(())

    marks = {str(it) for operator in operators for it in operator.labels.values()}
    found = [_argo(it) for it in items(_ARGO, "Applications of Argo CD") if _brings(it, operators, marks)]
    path, versions = _FLUX
    for version in versions:
        flux = [
            _flux(it) for it in items(path.format(version), "HelmReleases of Flux") if _brings(it, operators, marks)
        ]
        if flux:
            found += flux
            break
    named = {it.labels[_FLUX_NAME] for it in operators if _FLUX_NAME in it.labels}
    for item in items(_KUSTOMIZE, "Kustomizations of Flux") if named else ():
        if item["metadata"]["name"] in named:
            spec = item.get("spec") or {}
            found.append(_installer("flux", "Kustomization", item, source=str(spec.get("path") or "")))
    return tuple(found)


def _brings(item: Object, operators: Sequence[Operator], marks: set[str]) -> bool:
    spec = item.get("spec") or {}
    sources = [
        *(spec.get("sources") or ()),
        spec.get("source") or {},
        at(spec, "chart.spec") or {},
        spec.get("chartRef") or {},
    ]
    words = " ".join(str(it.get(key) or "") for it in sources for key in ("chart", "repoURL", "path", "name"))
    if CHART_NAME in words:
        return True
    name = item["metadata"]["name"]
    return name in marks and any(it.labels.get("argocd.argoproj.io/instance") == name for it in operators)


def _argo(item: Object) -> Installer:
    """An Application, or the template of an ApplicationSet."""
    kind = str(item.get("kind") or "Application")
    root = "spec/template/spec" if kind == "ApplicationSet" else "spec"
    spec = _mapping(at(item, root.replace("/", ".")))
    several = spec.get("sources")
    place, source = f"{root}/source", _mapping(spec.get("source"))
    named = [
        (number, it)
        for number, it in enumerate(several if isinstance(several, list) else ())
        if isinstance(it, Mapping) and CHART_NAME in f"{it.get('chart')} {it.get('repoURL')} {it.get('path')}"
    ]
    if named:
        # A repository of values, which others refer to by `ref`, is often called like what they are for.
        number, source = min(named, key=lambda it: (not it[1].get("chart"), bool(it[1].get("ref")), it[0]))
        place = f"{root}/sources/{number}"
    helm = _mapping(source.get("helm"))
    options = _mapping(spec.get("syncPolicy")).get("syncOptions")
    return _installer(
        "argocd",
        kind,
        item,
        source=f"{source.get('repoURL') or ''} {source.get('chart') or source.get('path') or ''}".strip(),
        version=str(source.get("targetRevision") or ""),
        at=f"{place}/targetRevision",
        options=tuple(map(str, options)) if isinstance(options, list) else (),
        crds="skipped" if helm.get("skipCrds") else "",
        elsewhere=_names(helm.get("valueFiles")),
        values=merge(
            _mapping(_values(helm.get("values"))),
            _mapping(helm.get("valuesObject")),
            set_values.of(helm.get("parameters")),
        ),
    )


def _flux(item: Object) -> Installer:
    spec = _mapping(item.get("spec"))
    chart = _mapping(at(spec, "chart.spec"))
    source = _mapping(chart.get("sourceRef") or spec.get("chartRef"))
    named = (str(source.get(key) or "") for key in ("kind", "namespace", "name"))
    return _installer(
        "flux",
        "HelmRelease",
        item,
        source=f"{'/'.join(filter(None, named))} {chart.get('chart') or ''}".strip(),
        version=str(chart.get("version") or ""),
        at="spec/chart/spec/version" if chart and source.get("kind") != "GitRepository" else "",
        crds=str(at(spec, "upgrade.crds") or ""),
        suspended=spec.get("suspend") is True,
        keeps_values=at(spec, "upgrade.preserveValues") is True,
        elsewhere=(*_names(chart.get("valuesFiles")), *_names(spec.get("valuesFrom"))),
        values=spec.get("values") or {},
    )


def _installer(tool: str, kind: str, item: Object, *, values: Any = None, **more: Any) -> Installer:
    kept, masked = hide.hide(values if isinstance(values, Mapping) else {})
    metadata = item["metadata"]
    return Installer(
        tool=tool,
        kind=kind,
        name=metadata["name"],
        namespace=str(metadata.get("namespace") or ""),
        values=kept,
        masked=masked,
        **more,
    )


def of_object(item: Object) -> Installer | None:
    """What an object says of how it brings the operator; None for an object of another kind."""
    made = {"Application": _argo, "ApplicationSet": _argo, "HelmRelease": _flux}.get(str(item.get("kind")))
    if made is _argo and not str(item.get("apiVersion") or _ARGO_GROUP).startswith(_ARGO_GROUP):
        # KubeVela has Applications, too.
        return None
    return made(item) if made and isinstance(at(item, "metadata.name"), str) else None


def _names(listed: object) -> tuple[str, ...]:
    """Files by name, and objects by kind and name."""
    found = listed if isinstance(listed, list) else ()
    return tuple(f"{it.get('kind')} {it.get('name')}" if isinstance(it, Mapping) else str(it) for it in found)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _values(text: object) -> Any:
    """Values that an Application has as text."""
    import yaml

    from harness import libyaml
    from harness.untrusted import check_yaml

    try:
        return yaml.load(check_yaml(str(text or "")), Loader=libyaml.Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError:
        return {}


def _number(text: object) -> int:
    return int(str(text)) if str(text).isdigit() else 0


def registries_of(secret: Object) -> tuple[str, ...]:
    """The hosts that a pull secret is for; their logins are not looked at."""
    data = secret.get("data") or {}
    config, older = data.get(".dockerconfigjson"), data.get(".dockercfg")
    try:
        found = from_json(base64.b64decode(str(config or older or "")))
    except ValueError:
        return ()
    # The older type is what the newer one has in `auths`.
    auths = found.get("auths") if config and isinstance(found, dict) else found
    return tuple(sorted(map(str, auths))) if isinstance(auths, dict) else ()
