# SPDX-License-Identifier: Apache-2.0
"""What a snapshot says about an upgrade: the installed release, its values, who deploys it, and what is in its way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.advice.ends import Schema
from harness.advice.files import stored
from harness.advice.gitops_steps import FLUX_SOURCES
from harness.advice.objects import Stored
from harness.advice.plan import Deployment
from harness.advice.remarks import Remark
from harness.audit.expressions import is_known
from harness.errors import UsageError
from harness.images.references import DOCKER_HUB, ImageReference
from harness.matrix.catalogue import Catalogue
from harness.matrix.crd_modes import Tool
from harness.matrix.release import Release
from harness.matrix.versions import VERSION
from harness.releases.charts import CHART_NAME
from harness.releases.crds import differences
from harness.releases.values import at, merge
from harness.report.advice import Sentence
from harness.sites import folder
from harness.sites.model import HelmRelease, Installer, Operator, Site

_STUCK = ("pending-install", "pending-upgrade", "pending-rollback", "failed")
_VERSION_LABEL, _INSTANCE_LABEL = "app.kubernetes.io/version", "app.kubernetes.io/instance"
_CERTIFICATES, _MONITORS = "cert-manager.io", "monitoring.coreos.com"
_NEEDED = {"certManager.enable": _CERTIFICATES, "prometheus.podMonitor.create": _MONITORS}
_ARGO_CRDS = "https://github.com/kubeflow/spark-operator/issues/2151"
_AT_GIT = re.compile(
    r"(?:git@|ssh:)\S+ |\S+\.git |https?://(?!\S*/(?:api|raw)/)(?:www\.)?(?:github|gitlab|bitbucket)\.\S+/\S+ "
)
"""A chart of Argo CD that is in Git, and not in the Helm repository that such a server has."""
_VERSIONS = re.compile(r"[v^~<>=*]*\s*(?:\d|\*|[xX]\b)|[*]")
"""How a version of a chart begins, or a range of them."""
_RUNNING = ("SUBMITTED", "RUNNING", "SUCCEEDING", "FAILING", "PENDING_RERUN", "PENDING_SUBMISSION", "INVALIDATING")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A snapshot, and the Helm release and the installer in it that the advice is about."""

    path: Path
    site: Site
    release: HelmRelease | None
    installer: Installer | None

    @property
    def where(self) -> str:
        """Where what is read from it comes from."""
        return f"snapshot of {self.site.context}, {self.site.made}"

    @property
    def values(self) -> Mapping[str, Any]:
        """The values that the operator was deployed with."""
        given = self.release or self.installer
        return given.values if given else {}


def read(path: Path, name: str = "") -> Reading:
    """Read a snapshot. `name` is that of a Helm release, or of the object of a GitOps tool where Helm has no record;
    `NAMESPACE/NAME` where several have it.

    Raises UsageError for a folder that is none, and where several releases could be meant.
    """
    site = folder.read(path)
    releases = [it for it in site.releases if _is_called(it, name)]
    installers = (
        [it for it in _installers(site) if _is_called(it, name)] if name and not releases else _installers(site)
    )
    if name and not releases and not installers:
        known = ", ".join((*map(_whole_name, site.releases), *map(_whole_name, _installers(site)))) or "none"
        raise UsageError(f"{path} has no release {name!r} of the operator", f"its releases are: {known}")
    kinds = [it.kind for it in installers]
    of_one_kind = [it for it in installers if kinds.count(it.kind) > 1]
    names = [*map(_whole_name, releases)] or [*map(_whole_name, of_one_kind)]
    if len(names) > 1:
        raise UsageError(
            f"{path} has several releases of the operator: {', '.join(names)}",
            f"choose one with --release-name: --release-name {names[0]}",
        )
    return Reading(path=path, site=site, release=next(iter(releases), None), installer=next(iter(installers), None))


def _is_called(it: HelmRelease | Installer, name: str) -> bool:
    return name in ("", it.name, _whole_name(it))


def _whole_name(it: HelmRelease | Installer) -> str:
    return f"{it.namespace}/{it.name}"


def _installers(site: Site) -> list[Installer]:
    """The objects that bring the operator: of several, as where applications have one too, those on its labels."""
    marks = {label for it in site.operators for label in it.labels.values()}
    named = [it for it in site.installers if it.name in marks]
    return named or list(site.installers)[:1]


def origin(reading: Reading, known: Catalogue) -> str:
    """The name of the installed release: its version, and the registry if it is a copy in one.

    Raises UsageError where nothing in the snapshot says the version.
    """
    image = next((it.image for it in _operators(reading) if it.role == "controller"), "")
    version = next((it for it in _versions(reading, image) if VERSION.fullmatch(it)), "")
    if not version:
        raise UsageError(f"{reading.path} does not say which release is installed", "give --from")
    row = next((it for it in known.releases if it.version == version), None)
    host = _host(image)
    if row and host and host != row.registry and any(it.host == host for it in known.relocations):
        return f"{version}@{host}"
    return version


def _operators(reading: Reading) -> list[Operator]:
    """The Deployments of the release that is meant, where the site has several; else all."""
    every, release = list(reading.site.operators), reading.release
    mine = [it for it in every if release and it.namespace == release.namespace]
    named = [it for it in mine if release and it.labels.get(_INSTANCE_LABEL) == release.name]
    installer = None if release else reading.installer
    brought = [it for it in every if installer and it.labels.get(_INSTANCE_LABEL) == installer.name]
    return named or mine or brought or every


def image_values(reading: Reading) -> Mapping[str, Any]:
    """The name of the operator's image as values, where its Deployment alone has it."""
    image = next((it.image for it in _operators(reading) if it.role == "controller"), "")
    try:
        name = ImageReference.parse(image)
    except UsageError:
        return {}
    return {"image": {"registry": name.registry, "repository": name.repository}}


def with_image(reading: Reading, values: Mapping[str, Any], known: Catalogue, name: str) -> Mapping[str, Any]:
    """The values, with the name of the operator's image where values that the snapshot lacks have set it.

    `name` is that of the installed release, whose chart has another one.
    """
    row = next((it for it in known.releases if it.version == name.partition("@")[0]), None)
    image = image_values(reading).get("image")
    if not values_elsewhere(reading) or row is None or not image or at(values, "image.registry"):
        return values
    return (
        values if image == {"registry": row.registry, "repository": row.repository} else merge({"image": image}, values)
    )


def _versions(reading: Reading, image: str) -> Iterator[str]:
    if reading.release and reading.release.chart == CHART_NAME:
        yield reading.release.app_version or reading.release.chart_version
    yield from (it.labels.get(_VERSION_LABEL, "") for it in _operators(reading))
    yield image.partition("@")[0].rpartition(":")[2].removeprefix("v")
    if reading.installer:
        yield reading.installer.version


def _host(image: str) -> str:
    try:
        return ImageReference.parse(image).registry if image else ""
    except UsageError:
        return ""


def deployment(reading: Reading, tool: Tool | None) -> Deployment:
    """How the site deploys the operator; `tool` is taken in place of the one that it shows."""
    release, installer = reading.release, reading.installer
    instance = next((it.labels.get(_INSTANCE_LABEL) for it in _operators(reading)), None)
    home = next((it.namespace for it in _operators(reading)), CHART_NAME)
    made = Deployment(
        tool=tool or _tool(reading),
        name=release.name if release else instance or CHART_NAME,
        home=release.namespace if release else home,
        context=reading.site.context,
        applied=(release.applied or "csa") if release else "",
    )
    return brought_by(made, installer) if installer and installer.tool == made.tool else made


def brought_by(made: Deployment, installer: Installer) -> Deployment:
    """The same with what the object of a GitOps tool says."""
    of_flux = installer.tool == "flux" and installer.source.startswith(tuple(FLUX_SOURCES)) and not installer.at
    of_source = of_flux or installer.kind == "Kustomization" or (installer.tool == "argocd" and is_in_git(installer))
    # What is filled in elsewhere would be something else in a shell.
    return replace(
        made,
        owner=installer.name if is_known(installer.name) else "NAME",
        owner_home=installer.namespace if is_known(installer.namespace) else "NAMESPACE",
        owner_kind=installer.kind,
        source=installer.source if of_source else "",
        at=installer.at,
        options=installer.options,
        skips_crds=installer.crds == "skipped",
        settings=_settings(installer),
        version=installer.version,
        suspended=installer.suspended,
    )


def is_in_git(installer: Installer) -> bool:
    """Whether what Argo CD deploys is a folder in Git: by its address, a path, or a revision that is no version."""
    address, _, place = installer.source.partition(" ")
    if _AT_GIT.match(installer.source):
        return True
    is_named = bool(installer.version) and is_known(installer.version) and not _VERSIONS.match(installer.version)
    return address.startswith("http") and ("/" in place or is_named)


def _settings(installer: Installer) -> tuple[str, ...]:
    """What the object says of CRDs, as charts/crd-modes.toml writes it."""
    if installer.tool == "argocd":
        return (*installer.options, *(("helm.skipCrds: true",) if installer.crds == "skipped" else ()))
    return (f"upgrade.crds: {installer.crds}",) if installer.crds else ()


def _tool(reading: Reading) -> Tool:
    if reading.installer:
        return "argocd" if reading.installer.tool == "argocd" else "flux"
    if reading.release:
        return "terraform" if reading.release.manager.startswith("terraform") else "helm"
    secrets_unread = any("Helm's Secrets" in it.what for it in reading.site.unread)
    managed = any(it.labels.get("app.kubernetes.io/managed-by") == "Helm" for it in reading.site.operators)
    return "helm" if secrets_unread and managed else "kubectl"


def applications(reading: Reading) -> Iterator[Stored]:
    """The applications of the snapshot, one at a time."""
    for kind in reading.site.kinds:
        for it in folder.stored(reading.path, kind):
            yield stored(it, f"{at(it, 'metadata.namespace')}/{at(it, 'metadata.name')}")


def unknown(reading: Reading) -> list[str]:
    """What the snapshot does not have, so that nothing was said about it."""
    found = [f"not read: {it.what}: {it.why}" for it in reading.site.unread]
    for it in reading.site.applications:
        if it.written < it.count:
            found.append(f"{it.written} of {it.count} {it.kind}s are in the snapshot; the others were not looked at")
    found += values_elsewhere(reading)
    if reading.release is None and reading.installer is None:
        found.append("the values that the operator was deployed with: neither Helm nor a GitOps object has them")
    return found


def values_elsewhere(reading: Reading) -> list[str]:
    """What has values that the snapshot lacks: Helm's own record is complete, a GitOps object need not be."""
    given = reading.installer if reading.release is None else None
    return [f"{it} has values, too, and was not read" for it in given.elsewhere] if given else []


def steps_done(reading: Reading, remarks: Sequence[Remark]) -> list[Remark]:
    """Remarks on values without steps that the snapshot shows to be done: kinds that are there."""
    done = [key for key, group in _NEEDED.items() if group in reading.site.groups]

    def left(remark: Remark) -> Remark:
        is_done = any(remark.sentence.text.startswith(f"{key}:") for key in done)
        return Remark(sentence=remark.sentence) if is_done else remark

    return [left(it) for it in remarks]


def remarks(reading: Reading, target: Release, schema: Schema | None) -> list[Remark]:
    """What in the cluster matters for the upgrade."""
    return [
        *_release(reading),
        *_kubernetes(reading, target),
        *_namespaces(reading),
        *_crds(reading, target, schema),
        *_gitops(reading),
        *_pull_secrets(reading, target),
        *_busy(reading),
    ]


def _seen(reading: Reading, text: str, step: str = "", *, stops: bool = False) -> Remark:
    return Remark(sentence=Sentence(text=text, origin="seen", where=reading.where), step=step, stops=stops)


def _release(reading: Reading) -> Iterator[Remark]:
    release = reading.release
    if release and release.status in _STUCK:
        command = f"helm history {release.name} --namespace {release.namespace}"
        text = f"the Helm release {release.name} is {release.status}: an upgrade may be refused"
        step = (
            f"bring the release to an end first, with helm rollback to the last revision that was deployed: {command}"
        )
        yield _seen(reading, text, step, stops=release.status != "failed")
    for it in reading.site.operators:
        if it.ready < it.replicas:
            text = f"{it.namespace}/{it.name} has {it.ready} of {it.replicas} replicas ready before the upgrade"
            yield _seen(reading, text, f"find out why {it.name} is not ready, before anything is changed")


def _kubernetes(reading: Reading, target: Release) -> Iterator[Remark]:
    cluster = reading.site.cluster
    minor = tuple(int(it) for it in cluster.version.removeprefix("v").split(".")[:2] if it.isdigit())
    if not target.kubernetes or len(minor) < 2:
        return
    ends = [tuple(map(int, it.split("."))) for it in target.kubernetes.split("-")]
    tried = f"upstream's CI has run {target.name} on Kubernetes {target.kubernetes}"
    within = ends[0] <= minor <= ends[-1]
    name = f"Kubernetes {cluster.version} ({cluster.distribution})"
    yield Remark(
        sentence=Sentence(
            text=f"{name}: {tried}" + ("" if within else f", and not on {minor[0]}.{minor[1]}"),
            origin="from the catalogue",
            where=f"row of {target.name} in charts/releases.toml",
        )
    )


def _namespaces(reading: Reading) -> Iterator[Remark]:
    for it in reading.site.namespaces:
        if not it.exists:
            text = f"the namespace {it.name} does not exist, and the chart makes a role in each job namespace"
            yield _seen(reading, text, f"kubectl create namespace {it.name}", stops=True)
        level = it.pod_security.get("pod-security.kubernetes.io/enforce")
        if level == "restricted":
            yield _seen(reading, f"the namespace {it.name} enforces the restricted Pod Security Standard")


def _crds(reading: Reading, target: Release, schema: Schema | None) -> Iterator[Remark]:
    there = {it.name: it for it in reading.site.crds}
    missing = [name for name in target.crds if name not in there]
    if missing:
        text = f"{target.name} needs CRDs that the cluster does not have: {', '.join(missing)}"
        yield _seen(reading, f"{text}. The steps bring them")
    for name, crd in there.items():
        spec, wanted = folder.crd(reading.path, name), (schema.crds or {}).get(name) if schema else None
        if spec and wanted:
            found = differences(wanted, spec)
            what = f"differs from that of {target.name}, first in {found[0]}" if found else f"is that of {target.name}"
            where = schema.where if schema else ""
            text = f"the CRD {name} {what}; applied by {crd.applied}"
            yield Remark(sentence=Sentence(text=text, origin="from the schema", where=where))
        else:
            yield _seen(reading, f"the CRD {name} was applied by {crd.applied}")


def _gitops(reading: Reading) -> Iterator[Remark]:
    it = reading.installer
    if it is None:
        return
    name = f"{it.kind} {it.namespace}/{it.name}"
    if it.tool == "argocd" and it.crds != "skipped" and not {"ServerSideApply=true", "Replace=true"} & set(it.options):
        text = f"{name} applies the CRDs client-side, for which they are too large"
        yield Remark(sentence=Sentence(text=text, origin="from the catalogue", where=_ARGO_CRDS))
    if it.tool == "flux" and it.kind == "HelmRelease" and it.crds in ("", "Skip"):
        yield _seen(reading, f"{name} leaves the CRDs as they are at an upgrade (spec.upgrade.crds is Skip)")


def _pull_secrets(reading: Reading, target: Release) -> Iterator[Remark]:
    """Whether the operator's pull secrets are for the registry that the target comes from."""
    given = at(reading.values, "image.pullSecrets")
    names = [str(it.get("name")) for it in given if isinstance(it, Mapping)] if isinstance(given, list) else []
    pinned = str(at(reading.values, "image.registry") or "")
    # Values that still name Docker Hub are corrected by a step.
    host = target.registry if pinned in ("", DOCKER_HUB) else pinned
    home = reading.release.namespace if reading.release else ""
    spaces = [it for it in reading.site.namespaces if it.name == home]
    known = {it.name: it.registries for space in spaces for it in space.pull_secrets}
    for name in names:
        registries = known.get(name)
        if registries is not None and not any(host in it for it in registries):
            text = f"the pull secret {name} is for {', '.join(registries) or 'no registry'}, not for {host}"
            yield _seen(reading, f"{text}: an image there must be public, or get a pull secret of its own")


def _busy(reading: Reading) -> Iterator[Remark]:
    """How much is going on: what is submitted while the operator is replaced can be struck by a race."""
    found = reading.site.of_kind("SparkApplication")
    running = {state: n for state, n in (found.states if found else {}).items() if state in _RUNNING}
    if running:
        said = ", ".join(f"{number} {state}" for state, number in running.items())
        yield _seen(reading, f"of {found.count if found else 0} SparkApplications, {said} when the snapshot was taken")
