# SPDX-License-Identifier: Apache-2.0
"""Takes back an install that came to nothing, so that the next one finds the cluster as it was before."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from harness.errors import ApiError, ClusterError, CommandError, ReleaseError, WaitTimeout
from harness.kube.api import listed
from harness.kube.cluster import Cluster
from harness.late import client
from harness.releases.helm import Helm
from harness.waiting import until

_UNINSTALL_SECONDS = 60.0
_GONE_SECONDS = 60.0
_DEFAULT = "default"
"""The one namespace for an operator that cannot be deleted."""

_GROUP = ".sparkoperator.k8s.io"


def undo(cluster: Cluster, *, helm: Path, name: str, namespace: str) -> None:
    """Remove the Helm release, its namespace with all that is in it, and the operator's CRDs, and wait until they are
    gone. What is not there is no error. Raises ClusterError: nothing can be said of a release on such a cluster.
    """
    try:
        Helm(helm, cluster.kubeconfig).uninstall(name, namespace, timeout=_UNINSTALL_SECONDS)
        with cluster.api_client() as api:
            core, extensions = client.CoreV1Api(api), client.ApiextensionsV1Api(api)
            names = [it["metadata"]["name"] for it in listed(extensions.list_custom_resource_definition)]
            for crd in (it for it in names if it.endswith(_GROUP)):
                _delete(extensions.delete_custom_resource_definition, extensions.read_custom_resource_definition, crd)
            if namespace != _DEFAULT:
                _delete(core.delete_namespace, core.read_namespace, namespace)
    except (ReleaseError, CommandError, ApiError, WaitTimeout) as error:
        raise ClusterError(
            f"what was begun of the release {name} on {cluster.name} could not be removed: {error.message}",
            "see the node's logs in the evidence",
        ) from error


def _delete(delete: Callable[[str], object], read: Callable[[str], object], name: str) -> None:
    try:
        delete(name)
    except ApiError as refused:
        if refused.status == HTTPStatus.NOT_FOUND:
            return
        raise
    until(lambda: _gone(read, name), what=f"{name} to be gone", timeout=_GONE_SECONDS)


def _gone(read: Callable[[str], object], name: str) -> bool:
    try:
        read(name)
    except ApiError as refused:
        if refused.status == HTTPStatus.NOT_FOUND:
            return True
        raise
    return False
