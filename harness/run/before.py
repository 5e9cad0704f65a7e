# SPDX-License-Identifier: Apache-2.0
"""What is in a run's cluster before the operator: add-ons of the environment, those that values need, and --before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import BuildError, HarnessError, RegistryError, UnavailableError
from harness.foundry import addons
from harness.foundry import images as foundry_images
from harness.foundry.store import Store
from harness.kube.needs import Need
from harness.kube.well_known import FIRST_NAMESPACES
from harness.matrix.addons import Addon, named
from harness.matrix.model import Cell, Environment
from harness.registries.sources import Source
from harness.releases import crds, manifests, value_places
from harness.releases.charts import Chart
from harness.releases.fitting import Given
from harness.releases.helm import Helm, HelmError
from harness.releases.manifests import NAMESPACE, Document, Documents
from harness.releases.namespaces import of_values
from harness.releases.values import at, merge
from harness.run.lock import LockedAddon
from harness.run.setup import Request
from harness.settings import PROJECT_ROOT
from harness.verdicts import Finding, errored

CHECK = "before-fits"
_OWN = PROJECT_ROOT / "clusters" / "addons"
_PRIORITY_CLASS = "PriorityClass"
_CERT_MANAGER = "cert-manager.io"
_ISSUERS = ("Issuer", "ClusterIssuer")


@dataclass(frozen=True, kw_only=True)
class Before:
    """All of it: `documents` to apply, `labels` for the namespaces of operator and applications.

    `images` are those that its pods need, `addons` is what a lock has of it, and `told` says it in words. `marks` are
    labels that every new pod of these namespaces gets, once all of it is in force.
    """

    documents: Documents = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    addons: tuple[LockedAddon, ...] = ()
    told: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What its CRDs serve, as Helm's `--api-versions` has it."""
        return tuple(manifests.kinds(self.documents))

    def made(self, namespace: str) -> frozenset[Need]:
        """What pods in this namespace may need, and find."""
        return frozenset(
            Need(kind=it.kind, name=it.name)
            for it in self.documents
            if it.kind == _PRIORITY_CLASS or (it.namespace or "default") == namespace
        )


@dataclass(frozen=True, kw_only=True)
class _Means:
    """Where add-ons come from, and for which Kubernetes they are rendered."""

    store: Store
    source: Source
    helm: Path
    kubernetes: str


def gather(asked: Request, environment: Environment, source: Source, helm: Path) -> Before:
    """What this cluster gets. Raises UnavailableError for an add-on that cannot be had."""
    values = {} if asked.options.exact_values else merge(*asked.users)
    found = Before(documents=asked.before)
    means = _Means(
        store=Store.of(asked.settings),
        source=source,
        helm=helm,
        kubernetes=environment.kubernetes_from(source.kind),
    )
    for name, switch in _wanted(asked, environment).items():
        found = _with_addon(found, named(asked.catalogue.addons, name), switch, means)
    issuer = _issuer(values, asked, found.documents)
    if issuer is not None:
        told = f"{issuer} of certManager.issuerRef is a self-signed one, made for the run"
        found = _joined(found, documents=(issuer,), told=(told,))
    if asked.before:
        count = len(asked.before)
        found = _joined(found, told=(f"{count} {'object' if count == 1 else 'objects'} of --before",))
    return found


def problem(before: Before, asked: Request, given: Given, helm: Helm, chart: Chart) -> Finding | None:
    """The finding about manifests of --before that cannot be applied, or that the release itself brings along."""
    if not asked.before:
        return None
    wrong = [*_homeless(before, given), *_clashes(asked.before, given, helm, chart)]
    return errored(CHECK, f"--before does not fit: {'; '.join(wrong)}") if wrong else None


def namespaces(asked: Request) -> list[str]:
    """The namespaces that a user's values name, and that the chart makes accounts and rights in."""
    return [it for it in of_values(merge(*asked.users)) if it]


def build_images(asked: Request, kind: str, say: Callable[[str], None]) -> None:
    """Build the images of this run's add-ons and of what stands in for them, where they are to come from the foundry.

    Must be called before the run's registries are started. Raises BuildError, RegistryError.
    """
    if kind != "foundry":
        return
    for addon in addons_of(asked):
        for build in foundry_images.addon_builds(asked.settings, addon):
            if not build.done():
                say(f"building {build.reference} for the add-on {addon.name}; this takes some minutes, once")
                build.build(say)


def addons_of(asked: Request, cells: Iterable[Cell] | None = None) -> list[Addon]:
    """The add-ons that any cluster of the run gets, or those of `cells`."""
    of = asked.cells if cells is None else cells
    places = {(cell.environment.name, cell.path.profile): cell for cell in of}.values()
    names = {name for it in places for name in _wanted(asked.on(it.path), it.environment)}
    return [it for it in asked.catalogue.addons if it.name in names]


def _wanted(asked: Request, environment: Environment) -> dict[str, str]:
    """The add-ons by name, each with the switch of the values that it is for; empty for the environment's own."""
    values = {} if asked.options.exact_values else merge(*asked.users)
    wanted = dict.fromkeys(environment.addons, "")
    return wanted | {it.name: _switch(it, values) for it in asked.catalogue.addons if _switch(it, values)}


def _with_addon(found: Before, addon: Addon, switch: str, means: _Means) -> Before:
    """An add-on beside what there is already. What `switch` is on for is told; the environment's own goes unsaid."""
    words = [f"{switch} brings along {addon.about}" if switch else f"{addon.about} (environment)"]
    documents: list[Document] = []
    images: tuple[str, ...] = ()
    try:
        if addon.manifests:
            files = addons.manifests(means.store, addon)
            documents += [it for file in files for it in manifests.of_file(file, f"{addon.name}: {file.name}")]
        for name in addon.files:
            documents += manifests.of_file(_OWN / name, name)
        if addon.chart:
            runs, images, how = _running(addon, means)
            documents += runs
            words.append(f"{addon.name} {how}")
    except BuildError as missing:
        raise UnavailableError(
            f"the add-on {addon.name} cannot be had: {missing.message}", missing.next_step
        ) from missing
    hashed = hashlib.sha256("\n".join(str(it.document) for it in documents).encode()).hexdigest()
    locked = LockedAddon(name=addon.name, version=addon.version, sha256=hashed)
    marks = (addon.mark,) if addon.mark else ()
    return _joined(
        found, documents=documents, labels=addon.labels, images=images, addons=(locked,), told=words, marks=marks
    )


def _running(addon: Addon, means: _Means) -> tuple[list[Document], tuple[str, ...], str]:
    """The objects that run an add-on, their images, and in words what it is that runs."""
    missing = _missing_image(addon, means.source)
    if not missing:
        rendered = addons.rendered(means.store, addon, means.helm, means.kubernetes)
        found = list(manifests.of_text(rendered, f"{addon.name}: its chart"))
        space = {"apiVersion": "v1", "kind": NAMESPACE, "metadata": {"name": addon.namespace}}
        built = addon.program is not None and means.source.kind == "foundry"
        how = "runs as built here from its Go module" if built else "runs from its own images"
        return [Document(where=addon.name, document=space), *found], addon.images, how
    made = addon.stand_in
    if made is None or means.source.kind != "foundry":
        raise UnavailableError(f"the add-on {addon.name} cannot be had: {missing}", "choose another --source")
    file = _OWN / f"{made.module}.yaml"
    return list(manifests.of_file(file, file.name)), (made.image,), f"is played by {made.about}"


def _missing_image(addon: Addon, source: Source) -> str:
    """Why the add-on's own images cannot be had; empty where they can."""
    for image in addon.images:
        try:
            source.resolve(image)
        except (RegistryError, HarnessError) as refused:
            return refused.message
    return ""


def _joined(found: Before, **more: Any) -> Before:
    return Before(
        documents=(*more.get("documents", ()), *found.documents),
        labels={**found.labels, **more.get("labels", {})},
        images=(*found.images, *more.get("images", ())),
        addons=(*found.addons, *more.get("addons", ())),
        told=(*found.told, *more.get("told", ())),
        marks=(*found.marks, *more.get("marks", ())),
    )


def _switch(addon: Addon, values: Mapping[str, Any]) -> str:
    """The first of an add-on's switches that the values have on."""
    return next((it for it in addon.for_values if at(values, it)), "")


def _issuer(values: Mapping[str, Any], asked: Request, documents: Documents) -> Document | None:
    """A self-signed issuer by the name that the values refer to; None where they do not, or where there is one.

    Of another group than cert-manager's own, nothing here could sign.
    """
    reference = at(values, "certManager.issuerRef")
    if not at(values, "certManager.enable") or not isinstance(reference, Mapping) or not reference.get("name"):
        return None
    kind, name = str(reference.get("kind") or _ISSUERS[0]), str(reference["name"])
    if reference.get("group", _CERT_MANAGER) != _CERT_MANAGER or kind not in _ISSUERS:
        files = list(map(str, asked.options.values))
        place = value_places.place(files, "certManager.issuerRef", asked.options.values_key or "")
        raise UnavailableError(
            f"certManager.issuerRef asks for the {kind} {name} of {reference.get('group')}, which no run has"
            f"{f' ({place})' if place else ''}",
            "give a further file for the run alone, with certManager.issuerRef=null",
        )
    if any((it.kind, it.name) == (kind, name) for it in documents):
        return None
    metadata = {"name": name} if kind == "ClusterIssuer" else {"name": name, "namespace": asked.home.namespace}
    made = {"apiVersion": f"{_CERT_MANAGER}/v1", "kind": kind, "metadata": metadata, "spec": {"selfSigned": {}}}
    return Document(where="certManager.issuerRef", document=made)


def _homeless(before: Before, given: Given) -> Iterator[str]:
    """Objects in namespaces that nobody makes."""
    there = {*FIRST_NAMESPACES, given.namespace, *given.job_namespaces, *of_values(merge(*given.users))}
    there |= {it.name for it in before.documents if it.kind == NAMESPACE}
    for it in before.documents:
        if it.namespace and it.namespace not in there:
            yield f"{it.where}: {it} is in a namespace that does not exist: add a Namespace {it.namespace}"


def _clashes(documents: Sequence[Document], given: Given, helm: Helm, chart: Chart) -> Iterator[str]:
    """Objects that the release itself makes, which Helm would refuse to take over, and CRDs of its chart."""
    own = crds.chart_crds(chart)
    for it in manifests.crds(documents):
        if it.name in own:
            yield f"{it.where}: the chart brings the CRD {it.name} along, so that the run would not try its own"
    mine = set(_rendered(given, helm, chart))
    for it in documents:
        if (it.kind, it.namespace or "default", it.name) in mine or (it.kind, "", it.name) in mine:
            yield f"{it.where}: the release itself makes the {it}"


def _rendered(given: Given, helm: Helm, chart: Chart) -> Iterable[tuple[str, str, str]]:
    values = given.values(*given.own, *given.users)
    try:
        objects = helm.template(
            chart, given.name, given.namespace, values, api_versions=given.kinds, kubernetes=given.kubernetes
        )
    except HelmError:
        # Whether it renders is looked at, and told, beside this.
        return
    for it in objects:
        meta = it.get("metadata") or {}
        cluster_wide = str(it.get("kind")).startswith("Cluster") or str(it.get("kind")).endswith("WebhookConfiguration")
        namespace = "" if cluster_wide else str(meta.get("namespace") or given.namespace)
        yield str(it.get("kind")), namespace, str(meta.get("name"))
