# SPDX-License-Identifier: Apache-2.0
"""What runs have made in a cluster that is somebody else's: found by its labels, and removed, and nothing else.

A run marks namespaces and whatever it creates outside of them, CRDs above all, with its id and that of its
installation. Everything that Helm makes belongs to a release in such a namespace. Namespaces go last, so that a removal
that is interrupted finds the rest again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from harness.errors import ApiError, HarnessError, WaitTimeout
from harness.kube.api import NAMES_ONLY, get, pages, send
from harness.kube.cluster import LABEL_INSTALLATION, LABEL_RUN
from harness.kube.well_known import CRDS_PATH
from harness.late import client
from harness.waiting import until

Uninstall = Callable[[str, str], None]
"""Uninstalls a Helm release, given its name and its namespace. Raises HarnessError."""

NAMESPACES = "/api/v1/namespaces"

OUTSIDE: Mapping[str, str] = {
    "MutatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "ValidatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses",
}
"""What a release has outside of namespaces, in the order in which it is removed: webhooks first, which could refuse."""

_RELEASE_NAMESPACE = "meta.helm.sh/release-namespace"
_GONE_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Made:
    """An object that a run has made; `path` is its own in the API."""

    kind: str
    name: str
    path: str
    run_id: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found: Helm releases as (name, namespace), and objects in the order in which they are removed."""

    releases: tuple[tuple[str, str], ...] = ()
    objects: tuple[Made, ...] = ()

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that made it."""
        return tuple(sorted({it.run_id for it in self.objects if it.run_id}))

    @property
    def words(self) -> list[str]:
        """All of it, one by one."""
        return [*(f"Helm release {space}/{name}" for name, space in self.releases), *map(str, self.objects)]


def marks(installation: str, run_id: str) -> dict[str, str]:
    """The labels of what a run makes. `installation` is the id of its cache."""
    return {LABEL_INSTALLATION: installation, LABEL_RUN: run_id}


def find(api: client.ApiClient, installation: str, run_id: str = "") -> Found:
    """What runs of this installation, or one of them, have made. Raises ApiError."""
    wanted = {LABEL_INSTALLATION: installation} | ({LABEL_RUN: run_id} if run_id else {})
    spaces = list(_marked(api, "Namespace", NAMESPACES, wanted))
    names = {it.name: it.run_id for it in spaces}
    outside = [made for kind, path in OUTSIDE.items() for made in _outside(api, kind, path, wanted, names)]
    crds = list(_marked(api, "CustomResourceDefinition", CRDS_PATH, wanted))
    releases = [(name, it.name) for it in spaces for name in _releases(api, it.name)]
    # CRDs before namespaces: what these still have of a CRD's kind goes with it.
    return Found(releases=tuple(releases), objects=(*outside, *crds, *spaces))


def remove(api: client.ApiClient, found: Found, *, uninstall: Uninstall, seconds: float = _GONE_SECONDS) -> list[str]:
    """Remove what was found and wait until it is gone; what is left, with the reason. Raises ApiError.

    A CRD stays that somebody else has come to use.
    """
    left: list[str] = []
    troubles: list[str] = []
    own = {it.name for it in found.objects if it.kind == "Namespace"}
    for name, namespace in found.releases:
        try:
            uninstall(name, namespace)
        except HarnessError as refused:
            # Its objects are among those that follow.
            troubles.append(f"Helm release {namespace}/{name}: {refused.message}")
    for it in found.objects:
        users = _users(api, it.name, own) if it.kind == "CustomResourceDefinition" else []
        if users:
            left.append(f"{it}, since it is used: {', '.join(users)}")
            continue
        _delete(api, it.path)
        # One by one, since a CRD that goes while its namespace does leaves that one waiting.
        if it.kind != "Namespace":
            left += _await_gone(api, it, seconds)
    for it in (made for made in found.objects if made.kind == "Namespace"):
        left += _await_gone(api, it, seconds)
    return [*troubles, *left] if left else []


def _users(api: client.ApiClient, crd: str, own: set[str]) -> list[str]:
    """Objects of this kind that are not in our namespaces, by name; at most some."""
    try:
        spec = get(api, f"{CRDS_PATH}/{crd}")["spec"]
    except ApiError as gone:
        if gone.status == HTTPStatus.NOT_FOUND:
            return []
        raise
    version = next(it["name"] for it in spec["versions"] if it.get("served"))
    path = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"
    try:
        items = list(pages(api, path, accept=NAMES_ONLY))
    except ApiError as away:
        if away.status == HTTPStatus.NOT_FOUND:
            return []
        raise
    places = [(str(it["metadata"].get("namespace")), str(it["metadata"]["name"])) for it in items]
    return [f"{space}/{name}" for space, name in places if space not in own][:5]


def _marked(api: client.ApiClient, kind: str, path: str, wanted: Mapping[str, str]) -> Iterator[Made]:
    selector = ",".join(f"{key}={value}" for key, value in wanted.items())
    for it in pages(api, path, accept=NAMES_ONLY, labelSelector=selector):
        labels = it["metadata"].get("labels") or {}
        yield _made(kind, path, it, str(labels.get(LABEL_RUN) or ""))


def _outside(
    api: client.ApiClient, kind: str, path: str, wanted: Mapping[str, str], spaces: Mapping[str, str]
) -> Iterator[Made]:
    """What carries the labels, and what Helm made for a release in one of these namespaces."""
    for it in pages(api, path, accept=NAMES_ONLY):
        metadata = it["metadata"]
        labels = metadata.get("labels") or {}
        home = str((metadata.get("annotations") or {}).get(_RELEASE_NAMESPACE) or "")
        if wanted.items() <= labels.items() or home in spaces:
            yield _made(kind, path, it, str(labels.get(LABEL_RUN) or spaces.get(home) or ""))


def _made(kind: str, path: str, item: Mapping[str, Any], run_id: str) -> Made:
    name = str(item["metadata"]["name"])
    return Made(kind=kind, name=name, path=f"{path}/{name}", run_id=run_id)


def _releases(api: client.ApiClient, namespace: str) -> list[str]:
    secrets = pages(api, f"{NAMESPACES}/{namespace}/secrets", accept=NAMES_ONLY, labelSelector="owner=helm")
    return sorted({str((it["metadata"].get("labels") or {}).get("name")) for it in secrets} - {"None"})


def _delete(api: client.ApiClient, path: str) -> None:
    try:
        send(api, "DELETE", path)
    except ApiError as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise


def _await_gone(api: client.ApiClient, it: Made, seconds: float) -> list[str]:
    def gone() -> bool:
        try:
            get(api, it.path)
        except ApiError as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return True
            # What an API server answers while it is too busy, or does not come to an end.
            if refused.status != HTTPStatus.TOO_MANY_REQUESTS and refused.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
        return False

    try:
        until(gone, what=f"{it} to be gone", timeout=seconds, heed_cancel=False)
    except WaitTimeout:
        why = _why_kept(api, it)
        return [f"{it}, which is still there {seconds:.0f} s after its deletion{f': {why}' if why else ''}"]
    return []


def _why_kept(api: client.ApiClient, it: Made) -> str:
    """What keeps an object that is being deleted, in the API server's words; empty where it says nothing."""
    try:
        there = get(api, it.path)
    except ApiError as unread:
        return unread.brief
    conditions = (there.get("status") or {}).get("conditions") or ()
    said = [str(one["message"]) for one in conditions if one.get("status") == "True" and one.get("message")]
    finalizers = (there.get("metadata") or {}).get("finalizers") or ()
    return "; ".join(said) or (f"it waits for {', '.join(finalizers)}" if finalizers else "")
