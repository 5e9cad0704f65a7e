# SPDX-License-Identifier: Apache-2.0
"""The steps of an upgrade, as commands of the tool that somebody deploys with.

What each tool does with CRDs decides the steps: Helm, Terraform and helmfile never update them, Flux skips them unless
told otherwise, and Argo CD applies them with every sync, client-side unless told otherwise.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from harness.matrix.crd_modes import Tool
from harness.matrix.model import CrdMode
from harness.matrix.release import Release
from harness.releases.charts import CHART_NAME
from harness.report.advice import Origin, Sentence

_VALUES = "spark-operator-values.yaml"
_TOO_LONG = "https://github.com/kubeflow/spark-operator/issues/2151"
_FLUX = "https://fluxcd.io/flux/components/helm/helmreleases/#upgrade-configuration"
_HELM_CRDS = "https://helm.sh/docs/chart_best_practices/custom_resource_definitions/"
_BRING_CRDS = frozenset({"ServerSideApply=true", "Replace=true"})
_HELM_4 = "https://helm.sh/docs/overview/"
UMBRELLA = "UMBRELLA-CHART"
"""Stands for the folder of a chart that has the operator's as a dependency."""

_DEPENDENCY = "https://helm.sh/docs/helm/helm_dependency_update/"
_SET = "ApplicationSet"
FLUX_SOURCES = {
    "OCIRepository": "ocirepositories.source.toolkit.fluxcd.io",
    "HelmChart": "helmcharts.source.toolkit.fluxcd.io",
    "GitRepository": "gitrepositories.source.toolkit.fluxcd.io",
}
"""Kinds that say the version of a HelmRelease's chart, as kubectl takes them."""

_AT_GIT = "charts/spark-operator-chart"
"""Where upstream's repository has the chart."""

_APPLY = "kubectl{context} apply --server-side --force-conflicts -f -"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """How the operator is deployed.

    `name` and `home` are the release and its namespace. `owner` and `owner_home` are the name and the namespace of the
    object that a GitOps tool reads, `owner_kind` its kind where that is no Application or HelmRelease. `at` is the
    place of the chart's version in it, with slashes (`spec/source/targetRevision`), or in `source`, an object of Flux
    that says the version instead (`OCIRepository/NAMESPACE/NAME`). `options` are the sync options. `settings` are what
    it says of CRDs, as charts/crd-modes.toml writes it. `values` are files, as they were given, `apis` the API versions
    that the chart asks for with them; `context` is of a kubeconfig. `umbrella` are the keys, with dots, below which a
    chart around the operator's has its values; none where the operator's chart itself is deployed. `helm` is Helm's
    major version, 0 where nobody said it; `applied` is how the release has been applied (`ssa`, `csa`), where that was
    seen. `file` has the chart's version, where a tool that is none of `Tool` reads it.
    """

    tool: Tool = "helm"
    name: str = CHART_NAME
    home: str = CHART_NAME
    owner: str = CHART_NAME
    owner_home: str = ""
    owner_kind: str = ""
    at: str = ""
    source: str = ""
    options: tuple[str, ...] = ()
    skips_crds: bool = False
    settings: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    apis: tuple[str, ...] = ()
    context: str = ""
    umbrella: tuple[str, ...] = ()
    helm: int = 0
    applied: str = ""
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An upgrade to `target`, whose `chart` is a path or a reference, if one was given."""

    deployment: Deployment
    target: Release
    crds: CrdMode
    chart: str = ""
    before: tuple[str, ...] = field(default=())

    @property
    def kube(self) -> str:
        """kubectl's option for the context, with a blank before it."""
        return f" --context {shlex.quote(self.deployment.context)}" if self.deployment.context else ""

    @property
    def helm(self) -> str:
        """Helm's option for the context, with a blank before it."""
        return f" --kube-context {shlex.quote(self.deployment.context)}" if self.deployment.context else ""

    @property
    def chart_words(self) -> str:
        """The chart as Helm takes it on its command line."""
        if self.chart and not self.deployment.umbrella:
            return shlex.quote(self.chart)
        if self.target.chart_oci:
            return f"{self.target.chart_oci} --version {self.target.version}"
        return f"{CHART_NAME} --repo {self.target.chart_repository} --version {self.target.version}"

    @property
    def deployed_words(self) -> str:
        """The same for the chart that is deployed, which may have the operator's as a dependency."""
        return self.around if self.deployment.umbrella else self.chart_words

    @property
    def around(self) -> str:
        """The chart that has the operator's as a dependency, as a shell takes it."""
        return shlex.quote(self.chart) if self.chart else UMBRELLA

    @property
    def values_words(self) -> str:
        """Helm's options for the values files; the saved values where none were given."""
        return " ".join(f"--values {shlex.quote(it)}" for it in self.deployment.values or (_VALUES,))


def steps(plan: Plan) -> list[Sentence]:
    """Every step in order, first what has to be done to values and images. Each says what it rests on."""
    made = [*_saved(plan), *(_sentence(text, plan) for text in plan.before), *_BY_TOOL[plan.deployment.tool](plan)]
    return [*made, *_after(plan)]


def _saved(plan: Plan) -> Iterator[Sentence]:
    """Keep what there is, for the way back, and for what renders with it; with GitOps it is in Git."""
    it = plan.deployment
    if it.values or it.file:
        return
    if it.tool == "helm" or (it.tool == "kubectl" and it.applied):
        yield _sentence(f"helm{plan.helm} get values {it.name} --namespace {it.home} --output yaml > {_VALUES}", plan)
    elif it.tool == "kubectl":
        text = f"write the values that you render the manifests with into {_VALUES}; leave it empty if there are none"
        yield _sentence(text, plan)


def _dependency(plan: Plan) -> Iterator[Sentence]:
    """The new version in the chart around the operator's; that of a plain chart is said where it is deployed."""
    folders: dict[str, None] = {}
    for *outer, key in (it.split(".") for it in plan.deployment.umbrella):
        folder = "/charts/".join([plan.around, *outer])
        alias = f" (alias {key})" if key != CHART_NAME else ""
        yield _sentence(
            f"in {folder}/Chart.yaml, dependency {CHART_NAME}{alias}: version: {plan.target.version}, repository: "
            f"{plan.target.chart_repository}; raise the chart's own version with it",
            plan,
        )
        folders |= dict.fromkeys("/charts/".join([plan.around, *outer[:depth]]) for depth in range(len(outer), -1, -1))
    if folders:
        inner = sorted(folders, key=lambda it: it.count("/"), reverse=True)
        text = " && ".join(f"helm dependency update {it}" for it in inner)
        yield Sentence(text=text, origin="from the catalogue", where=_DEPENDENCY)


def _crds(plan: Plan) -> Iterator[Sentence]:
    if plan.crds == "apply":
        text = f"helm show crds {plan.chart_words} | {_APPLY.format(context=plan.kube)}"
        yield Sentence(text=text, origin="from the catalogue", where=_HELM_CRDS)


def _with_helm(plan: Plan) -> Iterator[Sentence]:
    it = plan.deployment
    yield from _dependency(plan)
    yield from _crds(plan)
    if it.file:
        text = f"in {it.file}, chart {CHART_NAME}: version: {plan.target.version}; then deploy it as you do"
        yield _sentence(text, plan)
        return
    keys = [f"{above}.hook.upgradeCrd" for above in it.umbrella] or ["hook.upgradeCrd"]
    hook = "".join(f" --set {key}=true" for key in keys) if plan.crds == "hook" else ""
    yield _sentence(
        f"helm{plan.helm} upgrade {it.name} {plan.deployed_words} --namespace {it.home} {plan.values_words}{hook} "
        "--wait --timeout 10m",
        plan,
    )
    yield from _of_helm_4(it)


def _of_helm_4(it: Deployment) -> Iterator[Sentence]:
    """What to know where Helm 4 makes the upgrade, or has made the release."""
    by_server = it.applied == "ssa"
    if it.helm == 4 and it.applied == "csa":
        yield _note("Helm 3 made this release, so that Helm 4 goes on applying it by the client: nothing else to do")
    elif it.helm == 3 and by_server:
        yield _note("Helm 4 made this release; once Helm 3 has upgraded it, Helm 4 applies it by the client, too")
    elif by_server or it.helm == 4:
        made = "" if by_server else "if Helm 4 made the release: "
        yield _note(
            f'{made}where it ends in `conflict with "kubectl…"`, somebody has changed on the cluster what the chart '
            "sets; put that into your values, and repeat the command with --force-conflicts, which overwrites it"
        )
    if it.helm == 4 or (by_server and not it.helm):
        yield _note(
            "an install by Helm 4, also in another namespace, applies its chart's CRDs over those that are there: add "
            "--skip-crds to the install of any other release in this cluster"
        )


def _note(text: str) -> Sentence:
    return Sentence(text=f"note: {text}", origin="from the catalogue", where=_HELM_4)


def _with_argocd(plan: Plan) -> Iterator[Sentence]:
    it = plan.deployment
    if it.skips_crds:
        yield from _crds(plan)
    brings = it.skips_crds or _BRING_CRDS & set(it.options)
    at = it.at or "spec/source/targetRevision"
    patched = f"-n {it.owner_home or 'argocd'} patch {it.owner_kind.lower() or 'application'} {it.owner}"
    if not brings:
        # Before the version: a sync that fails at the CRDs brings the rest, and is not tried again by itself.
        place = f"{at.partition('/source')[0]}/syncPolicy/syncOptions"
        patch = _nested(place, [*it.options, "ServerSideApply=true"])
        text = (
            f"in Git, or on the object, so that the CRDs fit: kubectl{plan.kube} {patched} --type merge "
            f"--patch {_json(patch)}"
        )
        yield Sentence(text=text, origin="from the catalogue", where=_TOO_LONG)
    yield from _version(plan, patched, at)
    if it.owner_kind == _SET:
        yield _sentence(
            f"for each Application of the {_SET} {it.owner}: argocd app sync APPLICATION && argocd app wait "
            "APPLICATION --health --timeout 600",
            plan,
        )
        return
    yield _sentence(f"argocd app sync {it.owner} && argocd app wait {it.owner} --health --timeout 600", plan)


def _with_flux(plan: Plan) -> Iterator[Sentence]:
    it = plan.deployment
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
    yield _sentence(
        f"flux reconcile helmrelease {it.owner} --namespace {it.owner_home or 'flux-system'} --with-source", plan
    )


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
        yield _sentence(f"in Git, at {path or 'the path of the chart'}: the chart of {plan.target.version}", plan)
    elif kind == "HelmChart" or it.umbrella:
        yield from _version(plan, patch, "spec/version" if kind == "HelmChart" else "spec/ref/tag")
    else:
        oci = kind == "OCIRepository"
        tag = plan.target.version if oci else f"v{plan.target.version}"
        others = ("semver", "digest") if oci else ("branch", "semver", "commit", "name")
        address = {"url": plan.target.chart_oci} if oci else {}
        spec = {**address, "ref": {"tag": tag, **dict.fromkeys(others)}}
        text = f"kubectl{plan.kube} {patch} --type merge --patch {_json({'spec': spec})}"
        where = "in Git, or on the object" + (" (another url, where you have a copy of the chart)" if oci else "")
        yield _sentence(f"{where}: {text}", plan)


def _version(plan: Plan, patch: str, at: str) -> Iterator[Sentence]:
    """The new version where a GitOps tool reads it, with the words of kubectl that patch its object."""
    if not plan.deployment.umbrella:
        version = _nested(at, plan.target.version)
        text = f"kubectl{plan.kube} {patch} --type {_kind(version)} --patch {_json(version)}"
        yield _sentence(f"in Git, or on the object: {text}", plan)
        return
    yield from _dependency(plan)
    field = at.replace("/", ".")
    yield _sentence(
        f"push Chart.yaml and Chart.lock; a chart from a registry is published, and {field} set to it", plan
    )


def _with_terraform(plan: Plan) -> Iterator[Sentence]:
    yield from _dependency(plan)
    yield from _crds(plan)
    own = "the umbrella chart's version, where it comes from a registry"
    yield _sentence(f"in the helm_release: version = {own if plan.deployment.umbrella else _quoted(plan)}", plan)
    yield _sentence("terraform plan -out spark-operator.tfplan && terraform apply spark-operator.tfplan", plan)


def _quoted(plan: Plan) -> str:
    return f'"{plan.target.version}"'


def _with_helmfile(plan: Plan) -> Iterator[Sentence]:
    yield from _dependency(plan)
    yield from _crds(plan)
    name = plan.deployment.name
    own = "the umbrella chart's, where it comes from a registry"
    version = own if plan.deployment.umbrella else plan.target.version
    yield _sentence(f"in helmfile.yaml, release {name}: version: {version}", plan)
    yield _sentence(f"helmfile --selector name={name} diff && helmfile --selector name={name} apply", plan)


def _with_kubectl(plan: Plan) -> Iterator[Sentence]:
    it = plan.deployment
    apis = "".join(f" --api-versions {api}" for api in it.apis)
    yield from _dependency(plan)
    yield _sentence(
        f"helm template {it.name} {plan.deployed_words} --namespace {it.home} {plan.values_words}{apis} --no-hooks "
        "> spark-operator.yaml",
        plan,
    )
    yield from _crds(plan)
    # The chart names no namespace in its Deployments and its Service; --namespace is refused beside Roles of others.
    context = shlex.quote(it.context) if it.context else "--current"
    yield _sentence(f"kubectl config set-context {context} --namespace {it.home}", plan)
    yield _sentence(f"kubectl{plan.kube} apply --server-side --force-conflicts -f spark-operator.yaml", plan)


_BY_TOOL: Mapping[Tool, Callable[[Plan], Iterator[Sentence]]] = {
    "helm": _with_helm,
    "argocd": _with_argocd,
    "flux": _with_flux,
    "terraform": _with_terraform,
    "helmfile": _with_helmfile,
    "kubectl": _with_kubectl,
}


def _after(plan: Plan) -> Iterator[Sentence]:
    it = plan.deployment
    yield _sentence(
        f"kubectl{plan.kube} --namespace {it.home} rollout status deployment --selector "
        f"app.kubernetes.io/instance={it.name} --timeout 5m",
        plan,
    )
    if it.tool == "kubectl" and it.applied:
        yield _note(
            "Helm keeps its record of the release, by which helm uninstall would delete what kubectl has applied; to "
            f"end that, and the way back by Helm: kubectl{plan.kube} --namespace {it.home} delete secrets --selector "
            f"owner=helm,name={it.name}"
        )


def _nested(path: str, value: object) -> object:
    """A merge patch that sets a field, or a JSON patch where the path goes through a list."""
    parts = path.split("/")
    if any(part.isdigit() for part in parts):
        return [{"op": "replace", "path": f"/{path}", "value": value}]
    made: object = value
    for part in reversed(parts):
        made = {part: made}
    return made


def _kind(patch: object) -> str:
    return "json" if isinstance(patch, list) else "merge"


def _json(patch: object) -> str:
    return shlex.quote(json.dumps(patch, separators=(",", ":")))


def _sentence(text: str, plan: Plan) -> Sentence:
    origin: Origin = "from the catalogue"
    return Sentence(text=text, origin=origin, where=f"row of {plan.target.name} in charts/releases.toml")


def apis_of(switches: Iterable[str]) -> tuple[str, ...]:
    """The API versions that the chart asks for where these of its switches are on."""
    asked = {
        "certManager.enable": ("cert-manager.io/v1/Certificate", "cert-manager.io/v1/Issuer"),
        "prometheus.podMonitor.create": ("monitoring.coreos.com/v1/PodMonitor",),
    }
    return tuple(api for switch in switches for api in asked.get(switch, ()))
