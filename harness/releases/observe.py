# SPDX-License-Identifier: Apache-2.0
"""Look at an installed operator: everything that the install checks judge, gathered once."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from harness import seeds
from harness.errors import ApiError, HarnessError, WaitTimeout
from harness.kube import reading
from harness.kube.api import listed, raw, read
from harness.kube.cluster import Cluster
from harness.kube.models import Crd, Deployment, Lease, Log, Pod
from harness.late import client
from harness.matrix.facts import Rule
from harness.matrix.release import Release
from harness.providers import runtime
from harness.providers.base import Provider
from harness.releases import admission_samples, crds, footing, lease_times, metrics, rendered, webhook
from harness.releases import soak as soaks
from harness.releases.metrics import Metrics, MetricsPage, NobodyLeads
from harness.releases.namespaces import CHECK_NAMESPACE
from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.releases.rendered import Rendered
from harness.releases.rollout import find_deployments
from harness.releases.ways.protocol import InstalledRelease
from harness.waiting import Cancelled, until

A = TypeVar("A")
T = TypeVar("T")

DEFAULT_SOAK = 15.0
"""Seconds; as long as a lease of the controller lasts."""

_METRICS_SECONDS = 10.0
# How long a webhook may be away, by [defaults] of charts/upgrades.toml; the scenario `admission` judges it.
_OUTAGE_SECONDS = 5.0
# From the lease to the first look at every object.
_TAKE_OVER_SECONDS = 5.0


def observe(
    cluster: Cluster,
    installed: InstalledRelease,
    *,
    provider: Provider | None = None,
    others: Sequence[Release] = (),
    soak: float = DEFAULT_SOAK,
    enough: Callable[[], bool] = soaks.never,
    seed: int = 0,
) -> ObservedOperator:
    """Watch an operator for `soak` seconds, or until that is `enough`, and look at all of it.

    Names of what is created follow from `seed`. `others` are the releases besides the installed one whose pods may
    still run, or run already. `provider` is whom to ask for what the nodes have on record; None where nobody can.
    Raises Cancelled when the run is being ended, ApiError when the canary application cannot be removed.
    """
    version = installed.release.version
    moments = metrics.Moments()
    with (
        cluster.api_client() as api,
        ThreadPoolExecutor(max_workers=3) as pool,
        webhook.canary(
            api,
            CHECK_NAMESPACE,
            installed.release,
            suffix=seeds.token(seed, "canary", version, digits=6),
        ) as canary_trouble,
    ):
        if not canary_trouble:
            moments.created()
        patience = soaks.PATIENCE if canary_trouble else 0.0
        look = _Look(cluster, api, installed, others)
        soaking = pool.submit(soaks.operator, cluster, installed.namespace, soak, enough)
        watching = [
            pool.submit(soaks.reported, cluster, installed, soak, moments, "applications", enough, patience),
            pool.submit(soaks.reported, cluster, installed, soak, moments, "executors", enough),
        ]
        # What does not change with time is looked at while the soak goes on.
        sample_attempts = _seen("the dry runs of SparkApplications", look.sample_attempts)
        rule_attempts = _seen("the dry runs of invalid SparkApplications", look.rule_attempts)
        pace = _seen("the time that dry runs take", look.stopwatch.pace)
        cluster_crds = _seen("the CustomResourceDefinitions", look.crds)
        chart_crds = _seen("the chart's crds/", lambda: crds.chart_crds(installed.chart))
        soaked = soaking.result()
        troubles = [canary_trouble, *(watch.result() for watch in watching)]
        nodes = pool.submit(runtime.look, provider, cluster)
        as_rendered = pool.submit(_seen, "what Helm rendered", look.rendered)
        deployments = _seen("the Deployments", look.deployments)
        pods = _seen("the pods", look.pods)
        leases = _with(deployments, "the leases", look.leases)
        stands_on = _seen("the namespaces and the nodes", lambda: footing.look(api, installed.job_namespaces))
        met = moments.since(took_over(leases, deployments))
        return ObservedOperator(
            release=installed.release,
            name=installed.name,
            namespace=installed.namespace,
            values=installed.values,
            chart_crds=chart_crds,
            crds=cluster_crds,
            deployments=deployments,
            pods=pods,
            soak=Unseen(reason=soaked) if isinstance(soaked, str) else soaked,
            logs=_with(pods, "the logs", look.logs),
            webhook_entries=_with(deployments, "the webhook configurations", look.webhook_entries),
            secret_ca=_with(deployments, "the webhook's Secret", look.secret_ca),
            handshakes=_with(deployments, "the webhook's TLS port", lambda it: look.handshakes(it, pods)),
            sample_attempts=sample_attempts,
            rule_attempts=rule_attempts,
            leases=leases,
            metrics=_with(deployments, "the metrics endpoint", lambda it: look.metrics(it, pods, leases, met)),
            rendered=as_rendered.result(),
            footing=stands_on,
            pace=pace,
            moments=met,
            moments_trouble="; ".join(filter(None, troubles)),
            others=tuple(others),
            nodes=nodes.result(),
        )


class _Look:
    """One look each at the parts of an operator; every method raises what the API client raises."""

    def __init__(
        self, cluster: Cluster, api: client.ApiClient, installed: InstalledRelease, others: Sequence[Release]
    ) -> None:
        self._cluster = cluster
        self._api = api
        self._installed = installed
        self._releases = (installed.release, *others)
        self._namespace = installed.namespace
        self._core = client.CoreV1Api(api)
        self.stopwatch = footing.Stopwatch(api, CHECK_NAMESPACE)

    def deployments(self) -> tuple[Deployment, ...]:
        return tuple(find_deployments(client.AppsV1Api(self._api), self._namespace, self._installed.name))

    def rendered(self) -> Rendered:
        # It asks for some thirty objects one by one, beside other looks: a client is one thread's.
        it = self._installed
        with self._cluster.api_client() as own:
            if it.objects:
                return rendered.look_at(own, it.objects, it.name, self._namespace)
            return rendered.look(own, it.name, self._namespace)

    def pods(self) -> tuple[Pod, ...]:
        items = listed(self._core.list_namespaced_pod, self._namespace)
        return tuple(reading.pod(item) for item in items)

    def crds(self) -> tuple[Crd, ...]:
        found = []
        extensions = client.ApiextensionsV1Api(self._api)
        for name in self._installed.release.crds:
            try:
                found.append(reading.crd(read(extensions.read_custom_resource_definition, name)))
            except ApiError as missing:
                if missing.status != 404:
                    raise
        return tuple(found)

    def logs(self, pods: tuple[Pod, ...]) -> tuple[Log, ...]:
        found = []
        for pod in pods:
            for container in pod.containers:
                # A pod without a node has no state of its containers yet.
                if container.state in ("", "waiting") and not container.restarts:
                    continue
                for previous in (False, True) if container.restarts else (False,):
                    log = raw(
                        self._core.read_namespaced_pod_log,
                        pod.name,
                        self._namespace,
                        container=container.name,
                        previous=previous,
                    )
                    text = log.decode(errors="replace")
                    found.append(Log(pod=pod.name, container=container.name, text=text, previous=previous))
        return tuple(found)

    def webhook_entries(self, deployments: tuple[Deployment, ...]) -> tuple[webhook.WebhookEntry, ...]:
        names = {it.flag(flag) for it in deployments for flag in ("mutating-webhook-name", "validating-webhook-name")}
        return webhook.entries(self._api, frozenset(names - {""}))

    def secret_ca(self, deployments: tuple[Deployment, ...]) -> bytes:
        """The CA certificate in the webhook's Secret, empty without one; the keys beside it are dropped at once."""
        name = next(filter(None, (it.flag("webhook-secret-name") for it in deployments)), "")
        if not name:
            return b""
        try:
            data = read(self._core.read_namespaced_secret, name, self._namespace).get("data") or {}
        except ApiError as missing:
            if missing.status == 404:
                return b""
            raise
        return base64.b64decode(data.get("ca-cert.pem") or data.get("ca.crt") or "")

    def handshakes(
        self, deployments: tuple[Deployment, ...], pods: tuple[Pod, ...] | Unseen
    ) -> tuple[webhook.Handshake, ...]:
        found = []
        for deployment, pod in _pods_of(deployments, pods):
            service = deployment.flag("webhook-svc-name")
            if not service:
                continue
            server_name = f"{service}.{deployment.flag('webhook-svc-namespace') or self._namespace}.svc"
            port = int(deployment.flag("webhook-port") or 9443)
            with self._cluster.api_client() as own:
                found.append(webhook.handshake(own, self._namespace, pod.name, port, server_name))
        return tuple(found)

    def sample_attempts(self) -> dict[str, webhook.Attempt]:
        """One a shape, up to the first that is refused: what refuses one refuses all."""
        attempts: dict[str, webhook.Attempt] = {}
        for shape in admission_samples.SHAPES:
            attempts[shape] = self._dry_run(admission_samples.sample(CHECK_NAMESPACE, shape=shape))
            if not attempts[shape].accepted:
                break
        return attempts

    def rule_attempts(self) -> tuple[tuple[Rule, webhook.Attempt], ...]:
        rules = {rule.name: rule for release in self._releases for rule in release.rules}
        return tuple(
            (rule, self._dry_run(admission_samples.breaking(rule, CHECK_NAMESPACE))) for rule in rules.values()
        )

    def _dry_run(self, app: Mapping[str, Any]) -> webhook.Attempt:
        self.stopwatch.plain()
        attempt = webhook.answered(lambda: webhook.dry_run(self._api, app), seconds=_OUTAGE_SECONDS)
        self.stopwatch.asked(attempt.seconds)
        return attempt

    def leases(self, deployments: tuple[Deployment, ...]) -> tuple[Lease, ...]:
        """The leases; one whose holder is gone gets the time in which nobody else may take it, and is then read again.

        A controller that is made anew, as by `kubectl rollout restart`, waits for the lease of the one before.
        """
        last = self._leases_now(deployments)
        looks = lease_times.two_looks(deployments)
        if self._handed_over(last, looks):
            return self._renewed(deployments, last)
        seconds = max(it.duration for it in last) + looks

        def again() -> tuple[Lease, ...]:
            nonlocal last
            last = self._leases_now(deployments)
            return last

        try:
            over = until(again, lambda it: self._handed_over(it, looks), what="the leases' holders", timeout=seconds)
            return self._renewed(deployments, over)
        except WaitTimeout:
            return last

    def _renewed(self, deployments: tuple[Deployment, ...], seen: tuple[Lease, ...]) -> tuple[Lease, ...]:
        """The same leases; one that seems to be over, and whose holder lives, is watched for as long as it lasts.

        One that is renewed meanwhile is young, whatever clocks say: the cluster's may be behind this machine's.
        """
        late = [it for it in seen if it.age > it.duration]
        living = self._living() if late else set()
        over = {it.name: it.renewed for it in late if it.holder in living}
        last = seen

        def again() -> tuple[Lease, ...]:
            nonlocal last
            now = self._leases_now(deployments)
            last = tuple(replace(it, age=0.0) if it.name in over and it.renewed != over[it.name] else it for it in now)
            return last

        if not over:
            return seen
        seconds = max(it.duration for it in seen if it.name in over)
        try:
            return until(
                again,
                lambda now: all(it.age <= it.duration for it in now if it.name in over),
                what="a renewal",
                timeout=seconds,
            )
        except WaitTimeout:
            return last

    def _living(self) -> set[str]:
        return {pod.name for pod in self.pods() if not pod.leaving}

    def _handed_over(self, leases: tuple[Lease, ...], looks: float) -> bool:
        living = self._living()
        return all(it.holder in living or it.age > it.duration + looks for it in leases)

    def _leases_now(self, deployments: tuple[Deployment, ...]) -> tuple[Lease, ...]:
        locks = {it.flag("leader-election-lock-name"): it.name for it in deployments}
        items = listed(client.CoordinationV1Api(self._api).list_namespaced_lease, self._namespace)
        now = datetime.now(UTC)
        return tuple(
            reading.lease(item, locks[item["metadata"]["name"]], now)
            for item in items
            if item["metadata"]["name"] in locks
        )

    def metrics(
        self,
        deployments: tuple[Deployment, ...],
        pods: tuple[Pod, ...] | Unseen,
        leases: tuple[Lease, ...] | Unseen,
        moments: frozenset[str],
    ) -> Metrics:
        """The pages of all pods; that of who leads is read again for a while when a due name is not there yet."""
        found = [it for it in _pods_of(deployments, pods) if it[0].flag("enable-metrics") == "true"]
        try:
            leaders, why = leading([it for it in found if _is_controller(it[0])], leases)
        except NobodyLeads as nobody:
            return Metrics(leading=None, why=nobody.message)
        due, _ = metrics.due(self._installed.release.metrics, moments, leaders[0][0].flag("metrics-prefix"))

        def scrape() -> MetricsPage:
            return metrics.together([self._page(*it) for it in leaders])

        try:
            page = until(scrape, lambda it: not set(due) - set(it.types), what="metrics", timeout=_METRICS_SECONDS)
        except WaitTimeout:
            page = scrape()
        others = tuple(self._page(*it) for it in found if it not in leaders)
        return Metrics(leading=page, why=why, others=others)

    def _page(self, deployment: Deployment, pod: Pod) -> MetricsPage:
        port = int(deployment.flag("metrics-bind-address").rpartition(":")[2] or 8080)
        path = deployment.flag("metrics-endpoint") or metrics.PATH
        prefix = deployment.flag("metrics-prefix")
        return metrics.scrape_at(self._api, self._namespace, pod.name, port, path, prefix)


PodOfDeployment = tuple[Deployment, Pod]


def leading(
    controllers: Sequence[PodOfDeployment], leases: tuple[Lease, ...] | Unseen
) -> tuple[list[PodOfDeployment], str]:
    """The controllers that count applications, and why it is these: only who leads sees any.

    Raises NobodyLeads where that is nobody who runs, HarnessError where it is not known.
    """
    if not controllers:
        raise NobodyLeads("no running controller pod with --enable-metrics=true was found")
    if controllers[0][0].flag("leader-election") == "false":
        return list(controllers), "no controller elects a leader"
    if isinstance(leases, Unseen):
        raise HarnessError(f"who leads is not known: {leases.reason}")
    holders = {lease.holder: lease.name for lease in leases}
    found = [it for it in controllers if it[1].name in holders]
    if not found:
        raise NobodyLeads("none of the controllers that run holds the lease, and only who leads counts applications")
    return found, f"{found[0][1].name} leads"


def took_over(leases: tuple[Lease, ...] | Unseen, deployments: tuple[Deployment, ...] | Unseen) -> float:
    """From when on the controller that leads has met everything, in epoch seconds; without a lease, always."""
    if isinstance(leases, Unseen) or isinstance(deployments, Unseen):
        return float("-inf")
    controllers = {it.name for it in deployments if _is_controller(it)}
    times = [
        it.acquired.timestamp() + _TAKE_OVER_SECONDS for it in leases if it.deployment in controllers and it.acquired
    ]
    return max(times, default=float("-inf"))


def _is_controller(deployment: Deployment) -> bool:
    return "controller" in deployment.arguments[:1]


def _pods_of(deployments: tuple[Deployment, ...], pods: tuple[Pod, ...] | Unseen) -> Iterator[tuple[Deployment, Pod]]:
    """The running pods of each Deployment's newest ReplicaSet; one that is told to end serves nobody any more."""
    for deployment in deployments:
        for pod in () if isinstance(pods, Unseen) else pods:
            newest = pod.owner == f"ReplicaSet/{deployment.newest_replica_set}"
            if newest and pod.phase == "Running" and not pod.leaving:
                yield deployment, pod


def _seen(what: str, act: Callable[[], T]) -> T | Unseen:
    try:
        return act()
    except Cancelled:
        raise
    except (OSError, HarnessError) as failed:
        return Unseen(reason=f"{what} could not be observed: {soaks.reason(failed)}")


def _with(known: A | Unseen, what: str, act: Callable[[A], T]) -> T | Unseen:
    return known if isinstance(known, Unseen) else _seen(what, lambda: act(known))
