# SPDX-License-Identifier: Apache-2.0
"""The steps of an upgrade that Argo CD or Flux makes, as patches of its objects."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from harness.advice.plan import Plan, crds, dependency, sentence
from harness.audit.deployed import is_upstreams_git
from harness.audit.expressions import is_known
from harness.report.advice import Sentence

_TOO_LONG = "https://github.com/kubeflow/spark-operator/issues/2151"
_FLUX = "https://fluxcd.io/flux/components/helm/helmreleases/#upgrade-configuration"
_BRING_CRDS = frozenset({"ServerSideApply=true", "Replace=true"})
_SET = "ApplicationSet"
_APPLIED = "Kustomization"
"""What Flux applies without Helm."""
_ARGO_CD = "argocd"
"""The namespace that Argo CD is usually in."""
FLUX_SOURCES = {
    "OCIRepository": "ocirepositories.source.toolkit.fluxcd.io",
    "HelmChart": "helmcharts.source.toolkit.fluxcd.io",
    "GitRepository": "gitrepositories.source.toolkit.fluxcd.io",
}
"""Kinds that say the version of a HelmRelease's chart, as kubectl takes them."""

_AT_GIT = "charts/spark-operator-chart"
"""Where upstream's repository has the chart."""


def with_argocd(plan: Plan) -> Iterator[Sentence]:
    it = plan.deployment
    if it.skips_crds:
        yield from crds(plan)
    brings = it.skips_crds or _BRING_CRDS & set(it.options)
    at = it.at or "spec/source/targetRevision"
    patched = f"-n {it.owner_home or _ARGO_CD} patch {it.owner_kind.lower() or 'application'} {it.owner}"
    if not brings:
        # Before the version: a sync that fails at the CRDs brings the rest, and is not tried again by itself.
        place = f"{at.partition('/source')[0]}/syncPolicy/syncOptions"
        others = [option for option in it.options if not option.startswith("ServerSideApply=")]
        patch = _nested(place, [*others, "ServerSideApply=true"])
        text = (
            f"in Git, or on the object, so that the CRDs fit: kubectl{plan.kube} {patched} --type merge "
            f"--patch {_json(patch)}"
        )
        yield Sentence(text=text, origin="from the catalogue", where=_TOO_LONG)
    yield from _of_git(plan, patched, at) if it.source and not it.umbrella else _version(plan, patched, at)
    if it.owner_kind == _SET:
        yield sentence(
            f"for each Application of the {_SET} {it.owner}: argocd app sync APPLICATION && argocd app wait "
            "APPLICATION --health --timeout 600",
            plan,
        )
        return
    # One outside the namespace of Argo CD itself is called with its own (argo-cd, Applications in any namespace).
    name = f"{it.owner_home}/{it.owner}" if it.owner_home not in ("", _ARGO_CD) else it.owner
    yield sentence(f"argocd app sync {name} && argocd app wait {name} --health --timeout 600", plan)


def _of_git(plan: Plan, patch: str, at: str) -> Iterator[Sentence]:
    """The new version of a chart that Argo CD takes from Git, whose revisions are those of the repository."""
    address, _, path = plan.deployment.source.partition(" ")
    if is_upstreams_git(address, path):
        yield from _version(plan, patch, at, f"v{plan.target.version}")
    else:
        yield sentence(f"in Git, at {path or 'the path of the chart'}: the chart of {plan.target.version}", plan)


def with_flux(plan: Plan) -> Iterator[Sentence]:
    it = plan.deployment
    if it.owner_kind == _APPLIED:
        yield from _of_manifests(plan)
        return
    where = f"-n {it.owner_home or 'flux-system'}"
    patch = {"spec": {"upgrade": {"crds": "CreateReplace"}}}
    if "upgrade.crds: CreateReplace" not in it.settings:
        yield Sentence(
            text=f"in Git, or on the object, since Flux skips CRDs otherwise: kubectl{plan.kube} {where} patch "
            f"helmrelease {it.owner} --type merge --patch {_json(patch)}",
            origin="from the catalogue",
            where=_FLUX,
        )
    if it.source:
        yield from _of_source(plan)
    else:
        yield from _version(plan, f"{where} patch helmrelease {it.owner}", it.at or "spec/chart/spec/version")
    space = it.owner_home or "flux-system"
    if it.suspended:
        text = f"in Git, without spec.suspend, or: flux{plan.kube} resume helmrelease {it.owner} --namespace {space}"
        yield sentence(text, plan)
    yield sentence(f"flux{plan.kube} reconcile helmrelease {it.owner} --namespace {space} --with-source", plan)


def _of_manifests(plan: Plan) -> Iterator[Sentence]:
    """The new version of manifests that Flux applies as they are in Git, by the server (fluxcd.io, Kustomization)."""
    it = plan.deployment
    at = it.source or "the path of the Kustomization"
    yield sentence(f"in Git, at {at}: the manifests of {plan.target.version}, its CRDs among them", plan)
    space = it.owner_home or "flux-system"
    yield sentence(f"flux{plan.kube} reconcile kustomization {it.owner} --namespace {space} --with-source", plan)


def _of_source(plan: Plan) -> Iterator[Sentence]:
    """The new version in the object that a HelmRelease takes its chart from, by `chartRef` or from Git.

    Of a reference's digest, semver and tag, an OCIRepository takes the first, and a GitRepository a commit, a name and
    a semver before a tag (fluxcd.io, OCI Repositories and Git Repositories, reference).
    """
    it = plan.deployment
    source, _, path = it.source.partition(" ")
    kind, *home, name = source.split("/")
    patch = f"-n {home[0] if home else it.owner_home or 'flux-system'} patch {FLUX_SOURCES[kind]} {name}"
    if kind == "GitRepository" and not it.umbrella and not path.rstrip("/").endswith(_AT_GIT):
        yield sentence(f"in Git, at {path or 'the path of the chart'}: the chart of {plan.target.version}", plan)
    elif kind == "HelmChart" or it.umbrella:
        yield from _version(plan, patch, "spec/version" if kind == "HelmChart" else "spec/ref/tag")
    else:
        oci = kind == "OCIRepository"
        tag = plan.target.version if oci else f"v{plan.target.version}"
        others = ("semver", "digest") if oci else ("branch", "semver", "commit", "name")
        address = {"url": plan.target.chart_oci} if oci and not it.repository else {}
        spec = {**address, "ref": {"tag": tag, **dict.fromkeys(others)}}
        text = f"kubectl{plan.kube} {patch} --type merge --patch {_json({'spec': spec})}"
        where = "in Git, or on the object" + (" (another url, where you have a copy of the chart)" if address else "")
        yield sentence(f"{where}: {text}", plan)


def _version(plan: Plan, patch: str, at: str, tag: str = "") -> Iterator[Sentence]:
    """The new version where a GitOps tool reads it, with the words of kubectl that patch its object."""
    it = plan.deployment
    if not it.umbrella and not is_known(it.version):
        of = f"{it.owner_kind or 'Application'} {it.owner}" if it.tool == "argocd" else f"HelmRelease {it.owner}"
        yield sentence(f"in Git, where {it.version} of the {of} gets its value: {tag or plan.target.version}", plan)
        return
    if not it.umbrella:
        version = _nested(at, tag or plan.target.version)
        text = f"kubectl{plan.kube} {patch} --type {_kind(version)} --patch {_json(version)}"
        yield sentence(f"in Git, or on the object: {text}", plan)
        return
    yield from dependency(plan)
    field = at.replace("/", ".")
    yield sentence(f"push Chart.yaml and Chart.lock; a chart from a registry is published, and {field} set to it", plan)


def _nested(path: str, value: object) -> object:
    """A merge patch that sets a field, or a JSON patch where the path goes through a list.

    `add` also replaces what is there (RFC 6902, 4.1), and `replace` fails where an object leaves its version out.
    """
    parts = path.split("/")
    if any(part.isdigit() for part in parts):
        return [{"op": "add", "path": f"/{path}", "value": value}]
    made: object = value
    for part in reversed(parts):
        made = {part: made}
    return made


def _kind(patch: object) -> str:
    return "json" if isinstance(patch, list) else "merge"


def _json(patch: object) -> str:
    return shlex.quote(json.dumps(patch, separators=(",", ":")))
