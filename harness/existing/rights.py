# SPDX-License-Identifier: Apache-2.0
"""The rights that a run needs in an existing cluster: asked one by one beforehand, the missing ones as manifests.

Each is asked with a SelfSubjectAccessReview, which changes nothing and which everybody may ask (the ClusterRole
system:basic-user).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import yaml

from harness.errors import ApiError, ClusterError
from harness.kube.api import send
from harness.kube.login import Access, logged_in
from harness.late import client
from harness.wording import counted

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_RBAC = "rbac.authorization.k8s.io/v1"
_NAME = "spark-operator-harness"
_NAME_INSIDE = f"{_NAME}-in-namespaces"
_THREADS = 8

_READ = ("get", "list")
_WATCH = ("get", "list", "watch")
_MAKE = ("get", "list", "create", "patch", "delete")
_ALL = ("get", "list", "watch", "create", "update", "patch", "delete")
_EVERY = (*_ALL, "deletecollection")
_GRANT = (*_MAKE, "bind", "escalate")
"""What it takes to create roles with rights that one does not have oneself (RBAC, privilege escalation prevention)."""

_SPARK = "sparkoperator.k8s.io"

Rules = tuple[tuple[str, str, tuple[str, ...]], ...]
"""API group, resource (with its subresource), verbs."""

_CLUSTER: Rules = (
    ("", "namespaces", ("get", "list", "create", "delete")),
    ("", "nodes", _READ),
    ("", "persistentvolumes", ("list",)),
    ("apps", "deployments", ("list",)),
    ("apiextensions.k8s.io", "customresourcedefinitions", _ALL),
    ("rbac.authorization.k8s.io", "clusterroles", _GRANT),
    ("rbac.authorization.k8s.io", "clusterrolebindings", _MAKE),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", (*_MAKE, "watch")),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", _MAKE),
    ("coordination.k8s.io", "leases", ("list",)),
    ("scheduling.k8s.io", "priorityclasses", ("list",)),
    ("storage.k8s.io", "storageclasses", ("list",)),
    ("", "pods", ("list", "watch")),
    ("rbac.authorization.k8s.io", "roles", ("list",)),
    ("rbac.authorization.k8s.io", "rolebindings", ("list",)),
    (_SPARK, "sparkapplications", ("list", "watch")),
    (_SPARK, "scheduledsparkapplications", ("list", "watch")),
    (_SPARK, "sparkconnects", ("list", "watch")),
)
"""Outside of namespaces, or in all of them: what the chart makes, and what is looked at beforehand."""

_HOME: Rules = (
    ("", "secrets", _ALL),
    ("", "serviceaccounts", _MAKE),
    ("", "services", _MAKE),
    ("", "configmaps", _MAKE),
    ("", "pods", _WATCH),
    ("", "pods/log", ("get",)),
    ("", "pods/portforward", ("get", "create")),
    ("", "pods/proxy", ("get",)),
    ("", "events", _WATCH),
    ("apps", "deployments", _ALL),
    ("apps", "replicasets", _READ),
    ("batch", "jobs", _MAKE),
    ("policy", "poddisruptionbudgets", _MAKE),
    ("coordination.k8s.io", "leases", _WATCH),
    ("rbac.authorization.k8s.io", "roles", _GRANT),
    ("rbac.authorization.k8s.io", "rolebindings", _MAKE),
)
"""In the operator's namespace."""

_JOBS: Rules = (
    (_SPARK, "sparkapplications", _ALL),
    (_SPARK, "scheduledsparkapplications", _ALL),
    (_SPARK, "sparkconnects", _ALL),
    ("", "pods", _EVERY),
    ("", "pods/log", ("get",)),
    ("", "pods/exec", ("get", "create")),
    ("", "services", _MAKE),
    ("", "configmaps", _EVERY),
    ("", "secrets", _EVERY),
    ("", "persistentvolumeclaims", _READ),
    ("", "resourcequotas", _READ),
    ("", "limitranges", _READ),
    ("", "events", _WATCH),
    ("", "serviceaccounts", _MAKE),
    ("rbac.authorization.k8s.io", "roles", _GRANT),
    ("rbac.authorization.k8s.io", "rolebindings", _MAKE),
)
"""In a namespace of applications."""


@dataclass(frozen=True, kw_only=True, order=True)
class Right:
    """A verb on a resource (`pods`, `pods/log`) of an API group; `namespace` is empty for all, and outside of them."""

    namespace: str = ""
    group: str = ""
    resource: str
    verb: str

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        group = f".{self.group}" if self.group else ""
        return f"{self.verb} {self.resource}{group}{where}"


def needed(namespace: str, job_namespaces: Sequence[str]) -> list[Right]:
    """The rights for an operator in this namespace, and applications in those."""
    found = [*_spread("", _CLUSTER), *_spread(namespace, _HOME)]
    for it in job_namespaces:
        found += _spread(it, _JOBS)
    return list(dict.fromkeys(found))


def _spread(namespace: str, rules: Rules) -> Iterator[Right]:
    for group, resource, verbs in rules:
        for verb in verbs:
            yield Right(namespace=namespace, group=group, resource=resource, verb=verb)


def lacking(access: Access, wanted: Iterable[Right]) -> list[Right]:
    """Those that the login does not have, asked of the API server. Raises ClusterError when it goes away.

    What is allowed in all namespaces need not be asked for one.
    """
    rights = list(wanted)
    with logged_in(access) as api, ThreadPoolExecutor(_THREADS) as pool:
        try:
            everywhere = {replaced for it in rights if (replaced := _everywhere(it))}
            general = dict(zip(everywhere, pool.map(lambda it: _allowed(api, it), everywhere), strict=True))
            open_ones = [it for it in rights if not general.get(_everywhere(it))]
            answers = list(pool.map(lambda it: bool(it.namespace) and _allowed(api, it), open_ones))
        except ApiError as away:
            raise ClusterError(
                f"the cluster of context {access.context} could not be asked what its user may do: {away.message}",
                f"kubectl --context {access.context} auth can-i --list",
            ) from away
    return [it for it, answer in zip(open_ones, answers, strict=True) if not answer]


def _everywhere(it: Right) -> Right:
    return Right(group=it.group, resource=it.resource, verb=it.verb)


def _allowed(api: client.ApiClient, it: Right) -> bool:
    resource, _, subresource = it.resource.partition("/")
    attributes = {"namespace": it.namespace, "verb": it.verb, "group": it.group, "resource": resource}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes | ({"subresource": subresource} if subresource else {})},
    }
    return bool((send(api, "POST", _REVIEWS, review).get("status") or {}).get("allowed"))


def manifests(missing: Iterable[Right]) -> str:
    """The missing rights as ClusterRoles, to be bound to the user: one outside of namespaces, one in them.

    Both are ClusterRoles, since the namespaces are the run's, and a Role cannot be made before its namespace.
    """
    places: dict[str, dict[tuple[str, str], list[str]]] = {}
    for it in missing:
        name = _NAME_INSIDE if it.namespace else _NAME
        verbs = places.setdefault(name, {}).setdefault((it.group, it.resource), [])
        if it.verb not in verbs:
            verbs.append(it.verb)
    return yaml.safe_dump_all([_role(name, rules) for name, rules in places.items()], sort_keys=False)


def _role(name: str, rules: Mapping[tuple[str, str], Sequence[str]]) -> dict[str, Any]:
    """One manifest, resources with the same verbs together."""
    joined: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, resource), verbs in rules.items():
        joined.setdefault((group, tuple(verbs)), []).append(resource)
    return {
        "apiVersion": _RBAC,
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [
            {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}
            for (group, verbs), resources in joined.items()
        ],
    }


def require(access: Access, namespace: str, job_namespaces: Sequence[str]) -> None:
    """Raise ClusterError with the missing rights as manifests, unless there are none."""
    missing = lacking(access, needed(namespace, job_namespaces))
    if missing:
        first = ", ".join(map(str, missing[:3]))
        raise ClusterError(
            f"the user of context {access.context} lacks {counted(len(missing), 'right')}: {first}"
            + (" …" if len(missing) > 3 else ""),
            "nothing was changed; have somebody bind these to the user, or take another context:\n"
            + manifests(missing).rstrip(),
        )
