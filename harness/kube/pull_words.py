# SPDX-License-Identifier: Apache-2.0
"""Names what a registry did, from the words that the kubelet passes on. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class PullsLeft:
    """What a registry says of its pull limit: `remaining` of `limit` in a window of `window` seconds."""

    limit: int
    remaining: int
    window: int

    def __str__(self) -> str:
        whole = self.window % _HOUR == 0
        window = f"{self.window // _HOUR} h" if whole else f"{self.window} s"
        return f"{self.remaining} of {self.limit} pulls left, window {window}"


# From the containerd client's messages (core/remotes/docker) and Go's TLS; the first that fits is the cause.
_CAUSES: Sequence[tuple[str, str]] = (
    (r"certificate has expired", "{host} shows a certificate that has expired"),
    (r"x509: ", "{host} shows a certificate that the node does not trust"),
    (r"429 too many requests|toomanyrequests", "{host} answered 429"),
    (
        r"(?P<status>5\d\d (?:internal server error|bad gateway|service unavailable|gateway time-?out))",
        "{host} answered {status}",
    ),
    (r"unexpected commit digest", "{host} sent content that is not what its digest says"),
    (r"short read: |unexpected eof", "{host} sent less than it promised"),
    (
        r"failed to fetch oauth token: .*(?P<status>40[13] (?:unauthorized|forbidden))",
        "{host} refused the login: {status}",
    ),
    (
        r"failed to fetch anonymous token: .*(?P<status>40[13] (?:unauthorized|forbidden))",
        "{host} gives this to nobody without a login: {status}",
    ),
    (r"(?P<status>403 forbidden)", "{host} took the login, but it may not read this: {status}"),
    (r"(?P<status>401 unauthorized)|authorization failed|insufficient_scope", "{host} wants a login: 401 Unauthorized"),
    (r"not found|manifest unknown|404", "{host} has no such image"),
    (r"connection refused|no such host|i/o timeout|no route", "{host} cannot be reached"),
)


def cause(message: str, left: PullsLeft | None = None) -> str:
    """What the registry of the image in a `Failed to pull image` message did; empty for words that nobody knows.

    `left` is what that registry says of its limit, where somebody asked it.
    """
    image = re.search(r'image "([^"]+)"', message)
    host = image[1].split("/")[0] if image else "the registry"
    # The digests of images hold digits that look like a status.
    plain = re.sub(r"sha256:[0-9a-f]+", "sha256:…", message)
    for pattern, words in _CAUSES:
        found = re.search(pattern, plain, re.I)
        if found:
            status = found.groupdict().get("status") or ""
            told = words.format(host=host, status=_titled(status))
            return f"{told}: {left}" if left and told.endswith("answered 429") else told
    return ""


def _titled(status: str) -> str:
    number, _, words = status.partition(" ")
    return f"{number} {words.title()}"
