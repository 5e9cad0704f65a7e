# SPDX-License-Identifier: Apache-2.0
"""The objects of Argo CD in a cluster: namespace, settings, project, repository, and the Application of a release."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Literal

NAMESPACE = "argocd"
PROJECT = "default"
REPOSITORY = "charts"
"""The Secret that makes the repository of the charts known."""

SyncMode = Literal["client", "server-side", "replace"]
"""How Argo CD syncs: by its default, the client-side apply; or by the sync option ServerSideApply or Replace."""

_HERE = "https://kubernetes.default.svc"
OPTIONS: Mapping[SyncMode, tuple[str, ...]] = {
    "client": (),
    "server-side": ("ServerSideApply=true",),
    "replace": ("Replace=true",),
}
"""What each is as sync options of an Application."""


def repository(url: str) -> dict[str, Any]:
    """The Secret that makes a Helm repository known (docs/operator-manual/declarative-setup.md of argo-cd)."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": REPOSITORY,
            "namespace": NAMESPACE,
            "labels": {"argocd.argoproj.io/secret-type": "repository"},
        },
        "stringData": {"type": "helm", "name": REPOSITORY, "url": url},
    }


def project() -> dict[str, Any]:
    """The project that Argo CD's API server, which does not run here, would make."""
    anything = [{"group": "*", "kind": "*"}]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": PROJECT, "namespace": NAMESPACE},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": anything,
            "namespaceResourceWhitelist": anything,
        },
    }


def settings(document: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest of Argo CD's own in its namespace; its Secret has the key that the API server would make."""
    found = {**document, "metadata": {**document["metadata"], "namespace": NAMESPACE}}
    if document["kind"] == "Secret":
        found["stringData"] = {"server.secretkey": secrets.token_urlsafe(32)}
    return found


def application(
    name: str, namespace: str, url: str, chart: str, version: str, values: Mapping[str, Any], mode: SyncMode
) -> dict[str, Any]:
    """The Application that keeps a release as its chart has it: synced by itself, pruned, and healed."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "project": PROJECT,
            "destination": {"server": _HERE, "namespace": namespace},
            "source": {
                "repoURL": url,
                "chart": chart,
                "targetRevision": version,
                "helm": {"releaseName": name, "valuesObject": dict(values)},
            },
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": list(OPTIONS[mode]),
                # Argo CD tries five times by default, over two and a half minutes, and the answer is the same.
                "retry": {"limit": 1, "backoff": {"duration": "5s"}},
            },
        },
    }
