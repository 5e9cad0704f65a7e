# SPDX-License-Identifier: Apache-2.0
"""Why a run must not do in an existing cluster what it intends: whatever it would meet there that is not its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.errors import ClusterError, HarnessError, UsageError
from harness.existing.model import Crd, Intent, Seen
from harness.kube.cluster import LABEL_INSTALLATION, LABEL_RUN
from harness.sites.operators import watched
from harness.wording import counted

_ALL = ("", "*")


def refuse(seen: Seen, intent: Intent, *, installation: str, context: str) -> None:
    """Raise for the first thing that stands in the way: UsageError for what the user has to allow or to name otherwise,
    ClusterError for what is in the cluster.

    `installation` is the id of this cache.
    """
    for error in _reasons(seen, intent, installation, context):
        raise error


def _reasons(seen: Seen, intent: Intent, installation: str, context: str) -> Iterator[HarnessError]:
    if intent.upgrades and not (intent.allow_upgrade or intent.beside):
        yield UsageError(
            f"{', '.join(intent.upgrades)} upgrades the operator, which in an existing cluster needs your permission",
            "add --allow-upgrade (of the run's own operator alone), or choose --path 'install-*'",
        )
    yield from _remains(seen, intent, installation, context)
    if intent.beside:
        yield from _overlaps(seen, intent)
    else:
        yield from _operators(seen)
    yield from _applications(seen, intent, installation)
    yield from _webhooks(seen, intent)
    yield from _crds(seen, intent, installation)


def _remains(seen: Seen, intent: Intent, installation: str, context: str) -> Iterator[HarnessError]:
    """Namespaces that the run needs, and that are there."""
    there = [it for it in intent.namespaces if it in seen.namespaces]
    ours = sorted({run for it in seen.namespaces if (run := seen.run_of(it, installation))})
    if ours:
        yield ClusterError(
            f"the cluster of context {context} has remains of run {', '.join(ours)}",
            f"`harness clean --context {context}` removes them",
        )
    if there:
        yield ClusterError(
            f"the run needs the namespaces {', '.join(there)} for itself, and they are there: "
            f"{'; '.join(_whose(seen, it) for it in there)}",
            _elsewhere(there, intent),
        )


def _elsewhere(there: Sequence[str], intent: Intent) -> str:
    """What to do about namespaces that are there."""
    if all(it in intent.from_values for it in there):
        return "they are of spark.jobNamespaces: give a further --values for the run alone that has [] there"
    return "choose scenarios with other names, --namespace for the operator's own, or another cluster"


def _applications(seen: Seen, intent: Intent, installation: str) -> Iterator[HarnessError]:
    """Applications of others that an operator of the run would take for its own."""
    theirs = [it for it in foreign(seen, installation) if it.objects]
    if intent.watches_all and theirs and not intent.beside:
        found = ", ".join(f"{counted(it.objects, 'object')} of {it.name}" for it in theirs)
        yield UsageError(
            f"the values have the operator watch namespaces that they do not name, and in this cluster are {found}, "
            "which it might run",
            'give a further --values for the run alone: spark.jobNamespaces: [] and spark.jobNamespaceSelector: ""',
        )


def _whose(seen: Seen, namespace: str) -> str:
    labels = seen.namespaces[namespace]
    if LABEL_INSTALLATION in labels:
        return f"{namespace} is of run {labels.get(LABEL_RUN)} of another cache"
    return f"{namespace} is not the harness's"


def _operators(seen: Seen) -> Iterator[HarnessError]:
    if seen.operators:
        yield ClusterError(
            f"there is a Spark Operator that this run did not install: {'; '.join(described(seen))}",
            "take a cluster without one; or --beside, which leaves it alone, where it watches namespaces by name",
        )


def described(seen: Seen) -> list[str]:
    """The operators that are there: namespace, Deployments, release and installer of each."""
    told = []
    for space in dict.fromkeys(it.namespace for it in seen.operators):
        deployments = ", ".join(it.name for it in seen.operators if it.namespace == space)
        images = ", ".join(dict.fromkeys(it.image for it in seen.operators if it.namespace == space))
        told.append(f"namespace {space}, Deployments {deployments} ({images}), {_release(seen, space)}")
    return told


def _release(seen: Seen, space: str) -> str:
    releases = [it for it in seen.releases if it.namespace == space]
    words = [f"Helm release {it.name} (chart {it.chart}-{it.chart_version}, {it.status})" for it in releases]
    names = {it.name for it in releases}
    mine = [it for it in seen.operators if it.namespace == space]
    marks = names | {str(label) for it in mine for label in it.labels.values()}
    tools = [it for it in seen.installers if it.name in marks or it.namespace == space]
    words += [f"installed by {_TOOLS.get(it.tool, it.tool)}: {it.kind} {it.namespace}/{it.name}" for it in tools]
    if not tools:
        words.append(f"installed by {releases[0].manager or 'Helm'}" if releases else "installed by means unknown")
    return ", ".join(words)


_TOOLS = {"argocd": "Argo CD", "flux": "Flux"}


def _overlaps(seen: Seen, intent: Intent) -> Iterator[HarnessError]:
    """What of two operators beside each other would be in each other's way."""
    if intent.watches_all:
        yield UsageError(
            "with --beside the values must not have the operator watch all namespaces, nor any by their labels",
            "name them in spark.jobNamespaces, without a selector",
        )
    for it in seen.operators:
        if it.role == "webhook":
            continue
        names, split = watched(it), [argument.partition("=") for argument in it.arguments]
        if set(names) & set(_ALL):
            yield ClusterError(
                f"the operator {it.namespace}/{it.name} watches all namespaces, so that it would run this run's "
                "applications, too",
                "--beside needs an operator whose values name its namespaces in spark.jobNamespaces",
            )
        if selector := next((value for key, _, value in split if key == "--namespace-selector" and value), ""):
            yield ClusterError(
                f"the operator {it.namespace}/{it.name} also watches namespaces by the selector {selector}, which may "
                "take in those that this run makes",
                "--beside needs an operator whose values name its namespaces in spark.jobNamespaces alone",
            )
        both = sorted(set(names) & set(intent.job_namespaces))
        if both:
            yield ClusterError(
                f"the operator {it.namespace}/{it.name} watches {', '.join(both)}, which this run needs for itself",
                "choose other scenarios, or another cluster",
            )
    clash = [it for it in seen.releases if it.name == intent.release]
    if clash:
        yield UsageError(
            f"the Helm release {clash[0].namespace}/{clash[0].name} has the name of this run's, and names objects "
            "outside of namespaces by it",
            "give another --release-name",
        )
    if intent.crd_changes:
        yield UsageError(
            f"{', '.join(intent.crd_changes)} changes CRDs, which with --beside are another operator's",
            "choose paths that leave CRDs alone: without +crds=",
        )


def _webhooks(seen: Seen, intent: Intent) -> Iterator[HarnessError]:
    if seen.webhooks and not seen.operators and not intent.beside:
        names = ", ".join(dict.fromkeys(f"{it.configuration} of Service {it.service}" for it in seen.webhooks))
        yield ClusterError(
            f"there are webhooks for SparkApplications that this run did not install: {names}",
            "remove them if their operator is gone",
        )


def _crds(seen: Seen, intent: Intent, installation: str) -> Iterator[HarnessError]:
    theirs = [it.name for it in foreign(seen, installation)]
    if theirs and intent.crd_changes:
        yield ClusterError(
            f"{', '.join(intent.crd_changes)} changes CRDs, and those in the cluster are not this run's: "
            f"{', '.join(theirs)}",
            "choose paths that leave CRDs alone: without +crds=",
        )


def foreign_crds(seen: Seen, installation: str) -> Sequence[str]:
    """The CRDs of the operator's group that are there and not this installation's, with the number of their objects."""
    return [f"{it.name} ({it.objects} objects)" for it in foreign(seen, installation)]


def foreign(seen: Seen, installation: str) -> list[Crd]:
    """The same, as they were found."""
    return [it for it in seen.crds if it.labels.get(LABEL_INSTALLATION) != installation]
