# SPDX-License-Identifier: Apache-2.0
"""Answers of a registry that are read as a whole: within bounds, and as JSON."""

from __future__ import annotations

import json
from typing import Any

from harness import causes
from harness.errors import RegistryError
from harness.kube import pull_messages
from harness.late import httpx
from harness.registries.problems import is_page, of_page
from harness.waiting import Deadline

_MOST_BYTES = 32 << 20
"""Registries need not take manifests of more than 4 MiB (distribution specification, "Pushing Manifests")."""
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""How content begins that is compressed by gzip or zstd."""
_OF_THE_STREAM = ("content-encoding", "transfer-encoding")


def whole(response: httpx.Response, who: str, host: str, *, seconds: float) -> httpx.Response:
    """An answer with its content, which is read here. `host` is the registry host that a user would do something about.

    Raises RegistryError for content that is too long, or still coming after so many seconds, and httpx.HTTPError where
    the connection breaks.
    """
    content = bytearray()
    deadline = Deadline(seconds=seconds)
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > _MOST_BYTES:
            raise RegistryError(
                f"{who} answered with more than {_MOST_BYTES >> 20} MiB, which no manifest and no list has",
                pull_messages.next_step(pull_messages.REGISTRY_ANSWER, host),
            )
        if not deadline.left:
            raise RegistryError(
                f"{who} began an answer, and did not end it within {seconds:.0f} s",
                pull_messages.next_step(pull_messages.TIMEOUT, host),
            )
    return httpx.Response(
        response.status_code,
        headers=[(key, it) for key, it in response.headers.multi_items() if key.lower() not in _OF_THE_STREAM],
        content=bytes(content),
        request=response.request,
        history=response.history,
        extensions=response.extensions,
    )


def json_of(response: httpx.Response, who: str, host: str) -> dict[str, Any]:
    """The JSON object that `who` answered with. Raises RegistryError, which names a web page as one."""
    try:
        content = json.loads(response.content)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        return content
    if is_page(response):
        raise of_page(response, who, host)
    if response.content.startswith(_COMPRESSED):
        raise RegistryError(
            f"{who} answered with compressed content for {response.url.path}, and does not say so (Content-Encoding)",
            pull_messages.next_step(pull_messages.REGISTRY_ANSWER, host),
        )
    raise RegistryError(
        f"{who} did not answer with JSON for {response.url.path}: {causes.shortened(response.text, 80)!r}",
        "look for a captive portal or a proxy between this machine and the registry, and check its address",
    )
