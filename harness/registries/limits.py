# SPDX-License-Identifier: Apache-2.0
"""Asks a registry for this machine's remaining pulls, without using one up."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.errors import RegistryError
from harness.images.credentials import Credentials
from harness.images.mirrors import Mirror
from harness.images.references import ImageReference
from harness.kube.pull_messages import PullsLeft
from harness.registries.client import RegistryClient

# Without its window it is another limit: GitLab's registry tells so of requests a minute
# (https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits).
_HEADER = re.compile(r"(\d{1,9})(?:,.*)?\s*;\s*w=(\d{1,9})")


def pulls_left(
    reference: str, mirror: Mirror | None = None, credentials: Credentials | None = None
) -> PullsLeft | None:
    """The limits in the headers of a HEAD response; None when the registry has none, or does not answer.

    A HEAD is not counted (https://docs.docker.com/docker-hub/usage/pulls), but through a pull-through cache that lacks
    the tag: that makes a GET of it. Raises UsageError for a bad reference.
    """
    image = ImageReference.parse(reference)
    try:
        with RegistryClient(mirror, image.registry, attempts=1, credentials=credentials) as client:
            return pulls_left_of(client, image)
    except RegistryError:
        return None


def pulls_left_of(client: RegistryClient, image: ImageReference) -> PullsLeft | None:
    """The same by a client that is there, for its login. Raises RegistryError."""
    return pulls_left_in(client.ask("HEAD", image.repository, f"manifests/{image.identifier}").headers)


def pulls_left_in(headers: Mapping[str, str]) -> PullsLeft | None:
    """The same in the headers of an answer about a manifest."""
    limit, remaining = _HEADER.match(headers.get("ratelimit-limit", "")), headers.get("ratelimit-remaining", "")
    left = re.match(r"\d{1,9}(?!\d)", remaining)
    if not limit or not left:
        return None
    return PullsLeft(limit=int(limit[1]), remaining=int(left[0]), window=int(limit[2]))
