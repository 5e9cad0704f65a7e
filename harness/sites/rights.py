# SPDX-License-Identifier: Apache-2.0
"""The rights that a snapshot needs, as manifests: nothing but reading, and Secrets only where Helm keeps records."""

from __future__ import annotations

from typing import Any

import yaml

_READ = ["get", "list"]
_NAME = "spark-operator-snapshot"
_RULES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ("namespaces", "nodes", "pods", "resourcequotas", "limitranges", "serviceaccounts")),
    ("apps", ("deployments",)),
    ("networking.k8s.io", ("networkpolicies",)),
    ("scheduling.k8s.io", ("priorityclasses",)),
    ("apiextensions.k8s.io", ("customresourcedefinitions",)),
    ("admissionregistration.k8s.io", ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")),
    ("sparkoperator.k8s.io", ("sparkapplications", "scheduledsparkapplications", "sparkconnects")),
    ("argoproj.io", ("applications",)),
    ("helm.toolkit.fluxcd.io", ("helmreleases",)),
    ("kustomize.toolkit.fluxcd.io", ("kustomizations",)),
)


def manifests(namespace: str) -> str:
    """A ClusterRole, and a Role for Helm's Secrets in the operator's namespace, to be bound to a user or an account."""
    rules = [{"apiGroups": [group], "resources": list(resources), "verbs": _READ} for group, resources in _RULES]
    rules.append({"nonResourceURLs": ["/version", "/apis"], "verbs": ["get"]})
    cluster: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": _NAME},
        "rules": rules,
    }
    secrets: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": _NAME, "namespace": namespace},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": _READ}],
    }
    return (
        "# What `harness snapshot` reads. Bind both to the user who takes it.\n"
        + yaml.safe_dump(cluster, sort_keys=False)
        + "---\n# Helm keeps the values of releases in Secrets. Without this Role the snapshot goes without them.\n"
        + "# The registries of pull secrets need `get` of these in the job namespaces; without it, names are kept.\n"
        + yaml.safe_dump(secrets, sort_keys=False)
    )
