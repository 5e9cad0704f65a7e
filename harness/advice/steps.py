# SPDX-License-Identifier: Apache-2.0
"""The steps of an upgrade, as commands of the tool that somebody deploys with.

What each tool does with CRDs decides the steps: Helm, Terraform and helmfile never update them, Flux skips them unless
told otherwise, and Argo CD applies them with every sync, client-side unless told otherwise.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping

from harness.advice.gitops_steps import with_argocd, with_flux
from harness.advice.plan import VALUES, Deployment, Plan, crds, dependency, sentence, version
from harness.audit.expressions import is_known
from harness.matrix.crd_modes import Tool
from harness.releases.charts import CHART_NAME
from harness.report.advice import Sentence

_HELM_4 = "https://helm.sh/docs/overview/"


def steps(plan: Plan) -> list[Sentence]:
    """Every step in order, first what has to be done to values and images. Each says what it rests on."""
    before = (sentence(_in_context(text, plan), plan) for text in plan.before)
    made = [*_where(plan), *_saved(plan), *before, *_BY_TOOL[plan.deployment.tool](plan)]
    return [*made, *_after(plan)]


def _in_context(text: str, plan: Plan) -> str:
    """A step with its commands for the cluster that the advice is about, which need not be that of the context."""
    text = re.sub(r"\bkubectl (?=(?:get|create|delete|replace) )", lambda _: f"kubectl{plan.kube} ", text)
    return re.sub(r"\bhelm (?=(?:history|get) )", lambda _: f"helm{plan.helm} ", text)


def _where(plan: Plan) -> Iterator[Sentence]:
    """What every command needs that is not in the command itself."""
    it = plan.deployment
    if it.kubeconfig:
        yield sentence(f"export KUBECONFIG={shlex.quote(it.kubeconfig)}", plan)
    if it.cluster:
        whose = "Argo CD" if it.tool == "argocd" else "Flux"
        yield sentence(
            f"note: the operator is in the cluster {it.cluster}, and {it.owner} in that of {whose}: what is about the "
            f"namespace {it.home}, or about CRDs, is for the former, and patches of {it.owner} are for the latter",
            plan,
        )


def _saved(plan: Plan) -> Iterator[Sentence]:
    """Keep what there is, for the way back, and for what renders with it; with GitOps it is in Git."""
    it = plan.deployment
    if it.values or it.file:
        return
    if it.tool == "helm" or (it.tool == "kubectl" and it.applied):
        yield sentence(f"helm{plan.helm} get values {it.name} --namespace {it.home} --output yaml > {VALUES}", plan)
    elif it.tool == "kubectl":
        text = f"write the values that you render the manifests with into {VALUES}; leave it empty if there are none"
        yield sentence(text, plan)


def _with_helm(plan: Plan) -> Iterator[Sentence]:
    it = plan.deployment
    yield from dependency(plan)
    if it.file:
        yield from crds(plan)
        place = (
            f"in {it.file}, version of the chart {CHART_NAME}"
            if is_known(it.version)
            else f"where {it.version} gets its value"
        )
        yield sentence(f"{place}: {plan.target.version}; then {_deployed(it)}", plan)
        return
    hook = "".join(f" --set {key}=true" for key in plan.hook_keys) if plan.crds == "hook" else ""
    if not hook:
        yield from crds(plan)
    # Of values that have become empty Helm takes those of the release before, with the registry that was removed.
    yield sentence(
        f"helm{plan.helm} upgrade {it.name} {plan.deployed_words} --namespace {it.home} {plan.values_words}{hook} "
        "--reset-values --wait --timeout 10m",
        plan,
    )
    yield from _of_helm_4(it)


def _deployed(it: Deployment) -> str:
    """How a file is deployed that nothing here has commands for."""
    if not it.renders_crds:
        return "deploy it as you do"
    return (
        "deploy it as you do, but by the server (kubectl apply --server-side --force-conflicts, with Argo CD "
        "ServerSideApply=true): it renders the CRDs, too, which are too large for anything else"
    )


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


def _with_terraform(plan: Plan) -> Iterator[Sentence]:
    it = plan.deployment
    yield from dependency(plan)
    yield from crds(plan, hooks=True)
    own = "the umbrella chart's version, where it comes from a registry"
    number = own if it.umbrella else f'"{plan.target.version}"'
    where = f"in {it.file}, {it.resource}" if it.file else f"in {it.resource or 'the helm_release'}"
    yield from version(plan, f"{where}: version = {number}")
    yield sentence(
        f"{where}: reset_values = true, without which Helm takes the previous values where none are left", plan
    )
    yield sentence("terraform plan -out spark-operator.tfplan && terraform apply spark-operator.tfplan", plan)


def _with_helmfile(plan: Plan) -> Iterator[Sentence]:
    it = plan.deployment
    yield from dependency(plan)
    yield from crds(plan, hooks=True)
    own = "the umbrella chart's, where it comes from a registry"
    number = own if it.umbrella else plan.target.version
    yield from version(plan, f"in {it.file or 'helmfile.yaml'}, release {it.name}: version: {number}")
    file = f" --file {shlex.quote(it.file)}" if it.file else ""
    context = f" --kube-context {shlex.quote(it.context)}" if it.context else ""
    command = f"helmfile{file}{context} --selector name={it.name}"
    yield sentence(f"{command} diff && {command} apply", plan)


def _with_kubectl(plan: Plan) -> Iterator[Sentence]:
    it = plan.deployment
    apis = "".join(f" --api-versions {api}" for api in it.apis)
    yield from dependency(plan)
    yield sentence(
        f"helm template {it.name} {plan.deployed_words} --namespace {it.home} {plan.values_words}{apis} --no-hooks "
        "> spark-operator.yaml",
        plan,
    )
    yield from crds(plan)
    # The chart names no namespace in its Deployments and its Service; --namespace is refused beside Roles of others.
    context = shlex.quote(it.context) if it.context else "--current"
    yield sentence(f"kubectl config set-context {context} --namespace {it.home}", plan)
    yield sentence(f"kubectl{plan.kube} apply --server-side --force-conflicts -f spark-operator.yaml", plan)


_BY_TOOL: Mapping[Tool, Callable[[Plan], Iterator[Sentence]]] = {
    "helm": _with_helm,
    "argocd": with_argocd,
    "flux": with_flux,
    "terraform": _with_terraform,
    "helmfile": _with_helmfile,
    "kubectl": _with_kubectl,
}


def _after(plan: Plan) -> Iterator[Sentence]:
    it = plan.deployment
    yield sentence(
        f"kubectl{plan.kube} --namespace {it.home} rollout status deployment --selector "
        f"app.kubernetes.io/instance={it.name} --timeout 5m",
        plan,
    )
    if it.tool == "kubectl":
        yield _note(f"what kubectl does without --namespace is in {it.home} now, until the context has another again")
        yield _note(
            "kubectl deletes nothing: delete what only the previous manifests have, which kubectl get with the label "
            f"app.kubernetes.io/instance={it.name} still shows"
        )
    if it.tool == "kubectl" and it.applied:
        yield _note(
            "Helm keeps its record of the release, by which helm uninstall would delete what kubectl has applied; to "
            f"end that, and the way back by Helm: kubectl{plan.kube} --namespace {it.home} delete secrets --selector "
            f"owner=helm,name={it.name}"
        )


def apis_of(switches: Iterable[str]) -> tuple[str, ...]:
    """The API versions that the chart asks for where these of its switches are on."""
    asked = {
        "certManager.enable": ("cert-manager.io/v1/Certificate", "cert-manager.io/v1/Issuer"),
        "prometheus.podMonitor.create": ("monitoring.coreos.com/v1/PodMonitor",),
    }
    return tuple(api for switch in switches for api in asked.get(switch, ()))
