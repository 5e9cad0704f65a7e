# SPDX-License-Identifier: Apache-2.0
"""Pull secrets of pods: each for one user of the registry, each for one package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from harness.errors import ApiError
from harness.images.credentials import Credentials, docker_config_json
from harness.late import client
from harness.stories.registries.own_registries import GHCR, READ

if TYPE_CHECKING:
    from harness.stories.registries.context import PullContext


@dataclass(frozen=True, kw_only=True)
class PullSecret:
    """A Secret of one namespace that holds a user's token for one repository.

    Its entry is named by the repository, not by the host: of several secrets of a pod the kubelet takes the one that
    fits the image best (https://kubernetes.io/docs/concepts/containers/images/#config-json).
    """

    name: str
    namespace: str
    user: str
    repository: str

    @property
    def key(self) -> str:
        """How its entry is named."""
        return f"{GHCR}/{self.repository}"


def grant(ctx: PullContext, secret: PullSecret) -> None:
    """Give its user a new token that may read its repository, and put that into the Secret. Raises ApiError."""
    token = ctx.registries.ghcr.issue(secret.user, READ, packages=[secret.repository])
    ctx.registries.note_secret(token.secret)
    write(ctx, secret, token.secret)


def write(ctx: PullContext, secret: PullSecret, password: str) -> None:
    """Put a password into the Secret, which is made when it is new; an empty one: no entry. Raises ApiError."""
    ctx.registries.note_secret(password)
    login = Credentials(username=secret.user, password=SecretStr(password))
    text = docker_config_json({secret.key: login} if password else {}).get_secret_value()
    for word in login.secrets:
        ctx.registries.note_secret(word)
    body = client.V1Secret(
        metadata=client.V1ObjectMeta(name=secret.name, labels={"app.kubernetes.io/part-of": "registry-scenarios"}),
        type="kubernetes.io/dockerconfigjson",
        string_data={".dockerconfigjson": text},
    )
    with ctx.api() as api:
        core: Any = client.CoreV1Api(api)
        try:
            core.create_namespaced_secret(secret.namespace, body)
        except ApiError as there:
            if there.status != 409:
                raise
            core.replace_namespaced_secret(secret.name, secret.namespace, body)


def remove(ctx: PullContext, secret: PullSecret) -> None:
    """Delete the Secret. Raises ApiError."""
    with ctx.api() as api:
        core: Any = client.CoreV1Api(api)
        core.delete_namespaced_secret(secret.name, secret.namespace)
