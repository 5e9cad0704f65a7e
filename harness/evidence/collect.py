# SPDX-License-Identifier: Apache-2.0
"""Gathers the evidence for a cell that did not pass, before anything is deleted.

Each collector is a small function with its own timeout; they run in parallel, and a failure is recorded without
stopping the others. Everything is redacted before it is written. Secrets are not collected at all.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness import causes
from harness.errors import CommandError, HarnessError
from harness.evidence import observed
from harness.evidence.summary import Collected, Seen, write_summary
from harness.kube.cluster import Cluster
from harness.kube.models import Deployment, Event, Pod
from harness.process import call
from harness.redaction.redactor import Redactor
from harness.verdicts import Finding

_CALL_SECONDS = 30.0
_PROBE_SECONDS = 10.0
_HELM_SECONDS = 30.0
_WORKERS = 4
_LOG_LINES = 20_000

_CUSTOM_RESOURCES = ("sparkapplications", "scheduledsparkapplications", "sparkconnects")
_API_GROUP = "sparkoperator.k8s.io"
_AWAY = (
    *("connection refused", "was refused", "i/o timeout", "Unable to connect", "no route to host", "EOF"),
    *("Client.Timeout", "TLS handshake timeout", "cluster unreachable"),
)


@dataclass(frozen=True, kw_only=True)
class EvidenceRequest:
    """Whose evidence to collect, and how to get it.

    `namespaces` are the cell's; `node_logs` writes the nodes' logs into a folder, `registry_logs` returns the access
    logs by registry host; `versions` are versions and digests by name; `secrets` are values that must not appear.
    `folder` is the cell's own, `title` the heading of its summary.
    """

    cluster: Cluster
    namespaces: Sequence[str]
    operator_namespace: str
    release_name: str
    kubectl: Path
    helm: Path
    folder: Path
    title: str
    node_logs: Callable[[Path], None] | None = None
    registry_logs: Callable[[], Mapping[str, str]] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    secrets: Sequence[str] = ()

    @property
    def all_namespaces(self) -> tuple[str, ...]:
        """The cell's and the operator's, without duplicates."""
        return tuple(dict.fromkeys((*self.namespaces, self.operator_namespace)))


def collect(request: EvidenceRequest) -> list[Collected]:
    """Collect everything and write `summary.md`, problems first; returns the result of each collector."""
    desk = _Desk(request)
    api: list[_Collector] = [
        *(_Collector(f"events {ns}", partial(_events, desk, ns)) for ns in request.all_namespaces),
        *(_Collector(f"pods and logs {ns}", partial(_pods, desk, ns)) for ns in request.all_namespaces),
        *(_Collector(f"custom resources {ns}", partial(_custom_resources, desk, ns)) for ns in request.all_namespaces),
        *(_Collector(f"overview {ns}", partial(_overview, desk, ns)) for ns in request.all_namespaces),
        _Collector("nodes", partial(_nodes, desk)),
        _Collector("custom resource definitions", partial(_definitions, desk)),
        _Collector("leases", partial(_leases, desk)),
        _Collector("webhook configurations", partial(_webhooks, desk)),
        *(_Collector(f"helm {name}", partial(_helm, desk, name, words)) for name, words in _HELM.items()),
    ]
    beside = [
        _Collector("node logs", partial(_node_logs, desk)),
        _Collector("registry access logs", partial(_registry_logs, desk)),
        _Collector("versions and digests", partial(_versions, desk)),
        _Collector("findings", partial(_findings, desk)),
    ]
    request.folder.mkdir(parents=True, exist_ok=True)
    away = desk.api_is_away()
    with ThreadPoolExecutor(_WORKERS) as pool:
        results = list(pool.map(_run, [*beside, *(() if away else api)]))
    if away:
        told = f"does not answer, so nothing was collected from it: {away}"
        results.insert(0, Collected(name="API server", message=told, ok=False))
    else:
        results = _told_once(desk, results)
    write_summary(
        request.folder / "summary.md",
        title=request.title,
        findings=request.findings,
        seen=desk.seen(),
        collected=results,
        versions=request.versions,
        redactor=desk.redactor,
    )
    return results


@dataclass(frozen=True)
class _Collector:
    name: str
    run: Callable[[], str]


def _run(collector: _Collector) -> Collected:
    started = time.monotonic()
    try:
        message, ok = collector.run(), True
    except HarnessError as error:
        message, ok = error.message, False
    except Exception as error:  # A caller's callable may raise anything, and the other collectors must go on.
        message, ok = f"{type(error).__name__}: {error}", False
    return Collected(name=collector.name, message=message, ok=ok, seconds=time.monotonic() - started)


def _told_once(desk: _Desk, results: list[Collected]) -> list[Collected]:
    """If the API server became unreachable meanwhile, report that once instead of for each collector."""
    cut = [result for result in results if not result.ok and any(word in result.message for word in _AWAY)]
    away = desk.api_is_away() if cut else ""
    if not away:
        return results
    names = ", ".join(result.name for result in cut)
    told = Collected(name="API server", message=f"became unreachable while {names} were collected: {away}", ok=False)
    return [told, *(result for result in results if result not in cut)]


class _Desk:
    """Gives collectors access to the cluster and the folder; keeps what the summary needs."""

    def __init__(self, request: EvidenceRequest) -> None:
        self.request = request
        self.redactor = Redactor(tuple(request.secrets))
        self._lock = threading.Lock()
        self._pods: list[Pod] = []
        self._events: list[Event] = []
        self._applications: list[observed.Application] = []
        self._deployments: list[Deployment] = []
        self._operator_errors: list[str] = []

    def api_is_away(self) -> str:
        """Why the API server does not answer; empty when it does."""
        try:
            self.kubectl("get", "--raw", "/version", timeout=_PROBE_SECONDS)
        except HarnessError as error:
            return _cause(error)
        return ""

    def kubectl(self, *words: str, timeout: float = _CALL_SECONDS) -> str:
        """The output of kubectl. Raises CommandError with the end of its error output."""
        return self._call(
            self.request.kubectl,
            "--kubeconfig", str(self.request.cluster.kubeconfig), f"--request-timeout={timeout * 0.8:.0f}s", *words,
            timeout=timeout,
        )  # fmt: skip

    def helm(self, *words: str) -> str:
        """Helm's output about the release."""
        request = self.request
        return self._call(
            request.helm,
            *words, request.release_name, "--namespace", request.operator_namespace,
            "--kubeconfig", str(request.cluster.kubeconfig),
            timeout=_HELM_SECONDS,
        )  # fmt: skip

    def listing(self, *words: str) -> dict[str, Any]:
        """A list of objects."""
        answer = json.loads(self.kubectl("get", *words, "--output", "json"))
        return answer if isinstance(answer, dict) else {}

    def write(self, name: str, text: str) -> None:
        """Write a redacted file into the cell's folder."""
        path = self.request.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.redactor.text(text if text.endswith("\n") else text + "\n"), errors="surrogateescape")

    def saw(
        self,
        *,
        pods: Sequence[Pod] = (),
        events: Sequence[Event] = (),
        applications: Sequence[observed.Application] = (),
        deployments: Sequence[Deployment] = (),
        operator_errors: Sequence[str] = (),
    ) -> None:
        """Keep something for the summary."""
        with self._lock:
            self._pods += pods
            self._events += events
            self._applications += applications
            self._deployments += deployments
            self._operator_errors += operator_errors

    def seen(self) -> Seen:
        """Everything that was kept."""
        with self._lock:
            return Seen(
                pods=tuple(sorted(self._pods, key=lambda pod: (observed.severity(pod), pod.namespace, pod.name))),
                events=tuple(sorted(self._events, key=lambda event: event.at)),
                applications=tuple(self._applications),
                deployments=tuple(self._deployments),
                operator_errors=tuple(self._operator_errors),
            )

    @staticmethod
    def _call(program: Path, *words: str, timeout: float) -> str:
        try:
            return call([program, *words], timeout=timeout).stdout
        except CommandError as error:
            raise CommandError(_cause(error), returncode=error.returncode, stderr=error.stderr) from error


def _cause(error: HarnessError) -> str:
    said = error.stderr.strip() if isinstance(error, CommandError) else ""
    return causes.told(said or error.message)


def _events(desk: _Desk, namespace: str) -> str:
    events = observed.events(desk.listing("events", "--namespace", namespace))
    if not events:
        return f"none in namespace {namespace}"
    desk.saw(events=events)
    desk.write(f"events/{namespace}.txt", "\n".join(str(event) for event in events))
    warnings = sum(event.kind == "Warning" for event in events)
    return f"{len(events)}, of which {warnings} are warnings"


def _pods(desk: _Desk, namespace: str) -> str:
    listing = desk.listing("pods", "--namespace", namespace)
    pods = observed.pods(listing)
    if not pods:
        return f"no pods in namespace {namespace}"
    desk.saw(pods=pods)
    desk.write(f"pods/{namespace}.json", json.dumps(listing, indent=2))
    missing, logs = [], 0
    for pod in pods:
        for container in pod.containers:
            for previous in (False, True) if container.last or container.restarts else (False,):
                name = f"{namespace}/{pod.name}_{container.name}{'_previous' if previous else ''}"
                words = ["logs", pod.name, "--namespace", namespace, "--container", container.name, "--timestamps"]
                words += [f"--tail={_LOG_LINES}", *(["--previous"] if previous else [])]
                try:
                    text = desk.kubectl(*words)
                except CommandError as error:
                    missing.append(f"{name}: {error.message}")
                    continue
                logs += 1
                desk.write(f"logs/{name}.log", _log(text))
                if namespace == desk.request.operator_namespace:
                    desk.saw(operator_errors=[f"{pod.name}: {line}" for line in observed.error_lines(text)])
    desk.write(f"describe/{namespace}-pods.txt", desk.kubectl("describe", "pods", "--namespace", namespace))
    return f"{len(pods)} pods, {logs} logs" + (f"; no log of {'; '.join(missing)}" if missing else "")


def _log(text: str) -> str:
    if not text:
        return "(empty: the container wrote nothing, or has not started)"
    cut = text.count("\n") >= _LOG_LINES
    return f"(only the last {_LOG_LINES} lines)\n{text}" if cut else text


def _custom_resources(desk: _Desk, namespace: str) -> str:
    counts = []
    for plural in _CUSTOM_RESOURCES:
        resource = f"{plural}.{_API_GROUP}"
        try:
            listing = desk.listing(resource, "--namespace", namespace)
        except CommandError as error:
            if "the server doesn't have a resource type" not in error.message:
                raise
            counts.append(f"the server has no {plural}")
            continue
        found = observed.applications(listing)
        counts.append(f"{len(found)} {plural}" if found else f"no {plural}")
        if found:
            desk.saw(applications=found)
            desk.write(f"custom-resources/{namespace}-{plural}.json", json.dumps(listing, indent=2))
    return ", ".join(counts) + f" in namespace {namespace}"


def _overview(desk: _Desk, namespace: str) -> str:
    kinds = "all,configmaps,serviceaccounts,roles,rolebindings,ingresses,persistentvolumeclaims"
    text = desk.kubectl("get", kinds, "--namespace", namespace, "--output", "wide")
    if not text.strip():
        return f"nothing in namespace {namespace}"
    desk.write(f"overview/{namespace}.txt", text)
    deployments = observed.deployments(desk.listing("deployments.apps", "--namespace", namespace))
    if not deployments:
        return f"objects listed; no deployments in namespace {namespace}"
    desk.saw(deployments=deployments)
    desk.write(
        f"describe/{namespace}-deployments.txt", desk.kubectl("describe", "deployments", "--namespace", namespace)
    )
    return f"objects listed; {len(deployments)} deployments described"


def _nodes(desk: _Desk) -> str:
    desk.write("overview/nodes.txt", desk.kubectl("get", "nodes", "--output", "wide"))
    text = desk.kubectl("describe", "nodes")
    desk.write("describe/nodes.txt", text)
    return f"{sum(line.startswith('Name:') for line in text.splitlines())} described"


def _definitions(desk: _Desk) -> str:
    names = [f"{plural}.{_API_GROUP}" for plural in _CUSTOM_RESOURCES]
    text = desk.kubectl("get", "customresourcedefinitions", *names, "--ignore-not-found", "--output", "yaml")
    if not text.strip():
        return f"none of the group {_API_GROUP}"
    desk.write("crds.yaml", text)
    found = [name for name in names if f"name: {name}" in text]
    absent = [name for name in names if name not in found]
    return ", ".join(found) + (f"; absent: {', '.join(absent)}" if absent else "")


def _leases(desk: _Desk) -> str:
    namespace = desk.request.operator_namespace
    listing = desk.listing("leases.coordination.k8s.io", "--namespace", namespace)
    holders = [
        f"{item['metadata']['name']} held by {(item.get('spec') or {}).get('holderIdentity') or 'no one'}"
        for item in listing.get("items", [])
    ]
    if not holders:
        return f"none in namespace {namespace}"
    desk.write("leases.json", json.dumps(listing, indent=2))
    return ", ".join(holders)


def _webhooks(desk: _Desk) -> str:
    kinds = "mutatingwebhookconfigurations,validatingwebhookconfigurations"
    listing = desk.listing(kinds)
    if not listing.get("items"):
        return "none in the cluster"
    desk.write("webhooks.json", json.dumps(listing, indent=2))
    return ", ".join(f"{item['kind']} {item['metadata']['name']}" for item in listing["items"])


_HELM: Mapping[str, tuple[str, ...]] = {
    "history": ("history",),
    "values": ("get", "values", "--all"),
    "manifest": ("get", "manifest"),
    "hooks": ("get", "hooks"),
}


def _helm(desk: _Desk, name: str, words: tuple[str, ...]) -> str:
    release = f"{desk.request.release_name} in namespace {desk.request.operator_namespace}"
    try:
        text = desk.helm(*words)
    except CommandError as error:
        if "not found" in error.message:
            return f"no release {release}"
        raise
    if not text.strip():
        return f"none of release {release}"
    desk.write(f"helm/{name}.{'txt' if name == 'history' else 'yaml'}", text)
    return f"of release {release}"


def _node_logs(desk: _Desk) -> str:
    export = desk.request.node_logs
    if export is None:
        return "this provider has none"
    # Unredacted, so not in the folder that is handed on, not even for a moment.
    raw = Path(tempfile.mkdtemp(prefix="node-logs-"))
    try:
        try:
            export(raw)
        finally:
            # What was exported before a failure is worth having too.
            written = desk.redactor.tree(raw, desk.request.folder / "node-logs")
    finally:
        shutil.rmtree(raw)
    return f"{len(written)} files" if written else "the export wrote no files"


def _registry_logs(desk: _Desk) -> str:
    if desk.request.registry_logs is None:
        return "no local registry was used"
    logs = desk.request.registry_logs()
    told = []
    for host, text in sorted(logs.items()):
        desk.write(f"registry/{host}.log", text)
        told.append(f"{host}: {len(text.splitlines())} requests" if text.strip() else f"{host}: no requests")
    return ", ".join(told) or "no registry was running"


def _versions(desk: _Desk) -> str:
    if not desk.request.versions:
        return "none were given"
    desk.write("versions.txt", "\n".join(f"{name}: {value}" for name, value in desk.request.versions.items()))
    return f"{len(desk.request.versions)} lines"


def _findings(desk: _Desk) -> str:
    if not desk.request.findings:
        return "no check had run yet"
    desk.write("findings.json", json.dumps([it.model_dump(mode="json") for it in desk.request.findings], indent=2))
    return f"{len(desk.request.findings)} checks"
