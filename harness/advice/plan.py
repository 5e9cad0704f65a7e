# SPDX-License-Identifier: Apache-2.0
"""What the steps of an upgrade are made from: how the operator is deployed, and the parts that tools have in common."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.audit.expressions import is_known
from harness.matrix.crd_modes import Tool
from harness.matrix.model import CrdMode
from harness.matrix.release import Release
from harness.releases.charts import CHART_NAME
from harness.report.advice import Origin, Sentence

VALUES = "spark-operator-values.yaml"
"""The file with the values of the release, where none was given."""

UMBRELLA = "UMBRELLA-CHART"
"""Stands for the folder of a chart that has the operator's as a dependency."""

_HELM_CRDS = "https://helm.sh/docs/chart_best_practices/custom_resource_definitions/"
_DEPENDENCY = "https://helm.sh/docs/helm/helm_dependency_update/"
_FILE = "spark-operator-crds.yaml"
_THERE = "kubectl says of those that are there already that they exist"
_OF_MODE: Mapping[CrdMode, str] = {
    "apply": "{shown} | kubectl{context} apply --server-side --force-conflicts -f -",
    "ssa": "{shown} | kubectl{context} apply --server-side -f -",
    "client-apply": "{shown} | kubectl{context} apply -f -",
    "create": f"create the CRDs that are new ({_THERE}): {{shown}} | kubectl{{context}} create -f -",
    "replace": f"create the CRDs that are new ({_THERE}), then replace all: {{shown}} > {_FILE}; "
    f"kubectl{{context}} create -f {_FILE}; kubectl{{context}} replace -f {_FILE}",
}
"""The command for the CRDs, from what shows those of the chart."""


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
    seen. `file` has the chart's version, where a tool reads it from a file; `resource` is its address there, of
    Terraform, and `renders_crds` says that the CRDs come with what it renders. `version` is the chart's as it is
    written now, which may be a placeholder; `repository` is where it comes from, if that is not upstream's. `suspended`
    says that Flux leaves the object alone. `vendored` is the folder of a chart that lies beside the file. `cluster` is
    the one that a GitOps tool deploys to, where that is not its own; `kubeconfig` has the context.
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
    resource: str = ""
    renders_crds: bool = False
    vendored: str = ""
    version: str = ""
    repository: str = ""
    suspended: bool = False
    cluster: str = ""
    kubeconfig: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An upgrade to `target`, whose `chart` is a path or a reference, if one was given."""

    deployment: Deployment
    target: Release
    crds: CrdMode
    chart: str = ""
    before: tuple[str, ...] = field(default=())

    @property
    def is_own(self) -> bool:
        """Whether anything of it is a user's own, so that the commands of a run are not those to type."""
        return bool(self.chart) or self.deployment != Deployment(helm=self.deployment.helm)

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
        if self.deployment.repository:
            return _in_repository(self.deployment.repository, self.target.version)
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
    def hook_keys(self) -> list[str]:
        """The keys of the values that switch on the hook of the chart."""
        return [f"{above}.hook.upgradeCrd" for above in self.deployment.umbrella] or ["hook.upgradeCrd"]

    @property
    def values_words(self) -> str:
        """Helm's options for the values files; the saved values where none were given."""
        return " ".join(f"--values {shlex.quote(it)}" for it in self.deployment.values or (VALUES,))


def _in_repository(address: str, version: str) -> str:
    """The chart in a repository as Helm takes it."""
    if not address.startswith("oci://"):
        return f"{CHART_NAME} --repo {shlex.quote(address)} --version {version}"
    chart = address.rstrip("/")
    return f"{shlex.quote(chart if chart.endswith(f'/{CHART_NAME}') else f'{chart}/{CHART_NAME}')} --version {version}"


def dependency(plan: Plan) -> Iterator[Sentence]:
    """The new version in the chart around the operator's; that of a plain chart is said where it is deployed."""
    folders: dict[str, None] = {}
    for *outer, key in (it.split(".") for it in plan.deployment.umbrella):
        folder = "/charts/".join([plan.around, *outer])
        alias = f" (alias {key})" if key != CHART_NAME else ""
        repository = plan.deployment.repository or plan.target.chart_repository
        yield sentence(
            f"in {folder}/Chart.yaml, dependency {CHART_NAME}{alias}: version: {plan.target.version}, repository: "
            f"{repository}; raise the chart's own version with it",
            plan,
        )
        folders |= dict.fromkeys("/charts/".join([plan.around, *outer[:depth]]) for depth in range(len(outer), -1, -1))
    if folders:
        inner = sorted(folders, key=lambda it: it.count("/"), reverse=True)
        text = " && ".join(f"helm dependency update {it}" for it in inner)
        yield Sentence(text=text, origin="from the catalogue", where=_DEPENDENCY)


def version(plan: Plan, written: str) -> Iterator[Sentence]:
    """The new version where a file has it; of a chart that lies beside the file, the chart itself."""
    folder, variable = plan.deployment.vendored, plan.deployment.version
    if folder and not plan.deployment.umbrella:
        yield sentence(f"put the new chart in the place of {folder}: helm pull {plan.chart_words} --untar", plan)
    elif not plan.deployment.umbrella and not is_known(variable):
        yield sentence(f"where {variable} gets its value: {plan.target.version}", plan)
    else:
        yield sentence(written, plan)


def crds(plan: Plan, *, hooks: bool = False) -> Iterator[Sentence]:
    """Bring the new chart's CRDs, where the tool does not; `hooks` says that it runs the chart's own hook."""
    if plan.crds == "hook" and hooks:
        yield sentence(f"set {' and '.join(plan.hook_keys)} to true in the values", plan)
        return
    command = _OF_MODE.get("apply" if plan.crds == "hook" else plan.crds)
    if command:
        text = command.format(shown=f"helm show crds {plan.chart_words}", context=plan.kube)
        yield Sentence(text=text, origin="from the catalogue", where=_HELM_CRDS)


def sentence(text: str, plan: Plan) -> Sentence:
    """A step that rests on the target's row."""
    origin: Origin = "from the catalogue"
    return Sentence(text=text, origin=origin, where=f"row of {plan.target.name} in charts/releases.toml")
