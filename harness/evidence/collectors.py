# SPDX-License-Identifier: Apache-2.0
"""The collectors of evidence: each writes what it finds, and returns a line that says what that was.

All of them raise CommandError where kubectl or Helm fails.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import CommandError
from harness.evidence import observed
from harness.evidence.desk import Desk
from harness.wording import counted

_LOG_LINES = 20_000
_CUSTOM_RESOURCES = ("sparkapplications", "scheduledsparkapplications", "sparkconnects")
_API_GROUP = "sparkoperator.k8s.io"


def events(desk: Desk, namespace: str) -> str:
    """The events of a namespace."""
    found = observed.events(desk.listing("events", "--namespace", namespace))
    if not found:
        return f"none in namespace {namespace}"
    desk.saw(events=found)
    desk.write(f"events/{namespace}.txt", "\n".join(str(event) for event in found))
    warnings = sum(event.kind == "Warning" for event in found)
    return f"{len(found)}, of which {warnings} are warnings"


def pods(desk: Desk, namespace: str) -> str:
    """The pods of a namespace, as objects, described, and with the logs of all their containers."""
    listing = desk.listing("pods", "--namespace", namespace)
    found = observed.pods(listing)
    if not found:
        return f"no pods in namespace {namespace}"
    desk.saw(pods=found)
    desk.write(f"pods/{namespace}.json", json.dumps(listing, indent=2))
    missing, logs = [], 0
    for pod in found:
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
    return f"{counted(len(found), 'pod')}, {counted(logs, 'log')}" + (
        f"; no log of {'; '.join(missing)}" if missing else ""
    )


def _log(text: str) -> str:
    if not text:
        return "(empty: the container wrote nothing, or has not started)"
    cut = text.count("\n") >= _LOG_LINES
    return f"(only the last {_LOG_LINES} lines)\n{text}" if cut else text


def custom_resources(desk: Desk, namespace: str) -> str:
    """The operator's custom resources in a namespace."""
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


def overview(desk: Desk, namespace: str) -> str:
    """A listing of what else is in a namespace, and its deployments described."""
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
    return f"objects listed; {counted(len(deployments), 'deployment')} described"


def nodes(desk: Desk) -> str:
    """The nodes, listed and described."""
    desk.write("overview/nodes.txt", desk.kubectl("get", "nodes", "--output", "wide"))
    text = desk.kubectl("describe", "nodes")
    desk.write("describe/nodes.txt", text)
    return f"{sum(line.startswith('Name:') for line in text.splitlines())} described"


def definitions(desk: Desk) -> str:
    """The operator's CRDs."""
    names = [f"{plural}.{_API_GROUP}" for plural in _CUSTOM_RESOURCES]
    text = desk.kubectl("get", "customresourcedefinitions", *names, "--ignore-not-found", "--output", "yaml")
    if not text.strip():
        return f"none of the group {_API_GROUP}"
    desk.write("crds.yaml", text)
    found = [name for name in names if f"name: {name}" in text]
    absent = [name for name in names if name not in found]
    return ", ".join(found) + (f"; absent: {', '.join(absent)}" if absent else "")


def leases(desk: Desk) -> str:
    """Who leads: the leases in the operator's namespace."""
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


def webhooks(desk: Desk) -> str:
    """All webhook configurations of the cluster."""
    kinds = "mutatingwebhookconfigurations,validatingwebhookconfigurations"
    listing = desk.listing(kinds)
    if not listing.get("items"):
        return "none in the cluster"
    desk.write("webhooks.json", json.dumps(listing, indent=2))
    return ", ".join(f"{item['kind']} {item['metadata']['name']}" for item in listing["items"])


HELM: Mapping[str, tuple[str, ...]] = {
    "history": ("history",),
    "values": ("get", "values", "--all"),
    "manifest": ("get", "manifest"),
    "hooks": ("get", "hooks"),
}


def helm(desk: Desk, name: str, words: tuple[str, ...]) -> str:
    """What Helm knows of the release; `words` are Helm's, such as `get values`."""
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


def node_logs(desk: Desk) -> str:
    """The logs of the nodes, as far as the provider exports them."""
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
    return counted(len(written), "file") if written else "the export wrote no files"


def registry_logs(desk: Desk) -> str:
    """The access logs of the local registries."""
    if desk.request.registry_logs is None:
        return "no local registry was used"
    logs = desk.request.registry_logs()
    counts = []
    for host, text in sorted(logs.items()):
        desk.write(f"registry/{host}.log", text)
        counts.append(f"{host}: {len(text.splitlines())} requests" if text.strip() else f"{host}: no requests")
    return ", ".join(counts) or "no registry was running"


def parting_logs(desk: Desk) -> str:
    """The logs of pods that are gone, as far as somebody followed them to their ends."""
    folder = desk.request.parting_logs
    found = sorted(folder.glob("*/*.log")) if folder is not None else []
    for file in found:
        text = file.read_text(errors="replace")
        desk.write(f"logs/{file.parent.name}/{file.stem}_gone.log", _log(text))
        if file.parent.name == desk.request.operator_namespace:
            desk.saw(operator_errors=[f"{file.stem}: {line}" for line in observed.error_lines(text)])
    return ", ".join(file.stem for file in found) or "no pod was replaced"


def argocd_logs(desk: Desk) -> str:
    """The logs of Argo CD's programs, which run beside the cluster."""
    logs = desk.request.argocd_logs() if desk.request.argocd_logs else {}
    for name, text in sorted(logs.items()):
        desk.write(f"argocd/{name}.log", _log(text))
    return ", ".join(sorted(logs)) or "none of its programs was running"


def argocd(desk: Desk) -> str:
    """The Applications of Argo CD, with all that it says of them."""
    listing = desk.listing("applications.argoproj.io", "--all-namespaces")
    found = listing.get("items", [])
    desk.write("argocd/applications.json", json.dumps(listing, indent=2))
    return ", ".join(_application(it) for it in found) or "none"


def _application(item: Mapping[str, Any]) -> str:
    status = item.get("status") or {}
    words = [(status.get(key) or {}).get("status", "unknown") for key in ("sync", "health")]
    return f"{item['metadata']['name']} is {' and '.join(words)}"


def versions(desk: Desk) -> str:
    """Versions and digests, as the request has them."""
    if not desk.request.versions:
        return "none were given"
    desk.write("versions.txt", "\n".join(f"{name}: {value}" for name, value in desk.request.versions.items()))
    return counted(len(desk.request.versions), "line")


def findings(desk: Desk) -> str:
    """What the checks found."""
    if not desk.request.findings:
        return "no check had run yet"
    desk.write("findings.json", json.dumps([it.model_dump(mode="json") for it in desk.request.findings], indent=2))
    return counted(len(desk.request.findings), "check")
