# SPDX-License-Identifier: Apache-2.0
"""What a release needs that is not where upstream publishes it: its values, and a pull secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.errors import ApiError
from harness.images.credentials import Credentials, docker_config_json
from harness.kube.cluster import Cluster
from harness.late import client
from harness.matrix.release import Release

PULL_SECRET = "relocated-registry"  # noqa: S105 - the name of a Secret
"""Name of the pull secret in the operator's namespace."""


def values_for(release: Release) -> dict[str, Any]:
    """The values with which a site installs its copy of a release, or the harness the operator under test.

    There are none for a release that is where upstream published it.

    All charts from 2.0.0 on read image.registry, image.repository and image.pullSecrets, a list of names of Secrets in
    the release's namespace, for both Deployments and for the hook's Job; the Job's image has names of its own below
    hook.image (templates/controller, templates/webhook, templates/hook of the chart).
    """
    if release.under_test:
        own = {"registry": release.registry, "repository": release.repository, "tag": release.tag}
        hook = {"registry": release.hook_registry, "repository": release.hook_repository, "tag": release.tag}
        return {"image": own, **({"hook": {"image": hook}} if release.hook_image else {})}
    if not release.relocated:
        return {}
    values: dict[str, Any] = {
        "image": {
            "registry": release.registry,
            "repository": release.repository,
            "pullSecrets": [{"name": PULL_SECRET}],
        }
    }
    if release.hook_image:
        values["hook"] = {"image": {"registry": release.hook_registry, "repository": release.hook_repository}}
    return values


def prepare(cluster: Cluster, release: Release, namespace: str, *, login: Credentials | None = None) -> None:
    """Make what these values refer to: the pull secret in the operator's namespace, and the namespace when it is new.

    `login` is what the registry is told; without one the Secret is valid and has no entry, so that the node pulls as
    anybody; so it does with an identity token, which kubelet knows nothing of (pkg/credentialprovider/config.go of
    Kubernetes). Nothing is made for a release that was not relocated. Raises ApiError.
    """
    if not release.relocated:
        return
    secret = client.V1Secret(
        metadata=client.V1ObjectMeta(name=PULL_SECRET),
        type="kubernetes.io/dockerconfigjson",
        string_data={
            ".dockerconfigjson": docker_config_json(
                {release.registry: login} if login and login.has_password else {}
            ).get_secret_value()
        },
    )
    with cluster.api_client() as api:
        core = client.CoreV1Api(api)
        _unless_there(lambda: core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=namespace))))
        if not _unless_there(lambda: core.create_namespaced_secret(namespace, secret)):
            core.replace_namespaced_secret(PULL_SECRET, namespace, secret)


def _unless_there(create: Callable[[], object]) -> bool:
    """Call it, and return whether it made something; what is there already is no error."""
    try:
        create()
    except ApiError as refused:
        if refused.status != 409:
            raise
        return False
    return True
