# SPDX-License-Identifier: Apache-2.0
"""Signed addresses of blobs at another host, where a registry sends its clients for content."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode

from harness.registries.front.access import Route
from harness.registries.front.auth import Refusal

GOOD_FOR = 300.0
"""Seconds that an address is good for."""

_PATH = "/blobs/"


class SignedBlobs:
    """Addresses at `host`, each good for the GET of one blob; the address is all that it takes to get the blob."""

    def __init__(self, host: str, *, clock: Callable[[], float] = time.time) -> None:
        self.host = host
        self._clock = clock
        self._key = secrets.token_bytes(32)

    def address(self, blob: Route) -> str:
        """The address of a blob, signed from now on."""
        ends = str(int(self._clock() + GOOD_FOR))
        query = {"repository": blob.repository, "expires": ends, "signature": self._sign(blob, ends)}
        return f"https://{self.host}{_PATH}{quote(blob.reference, safe=':')}?{urlencode(query)}"

    def blob(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Route | Refusal:
        """The blob that an address stands for, or why it is refused, as such stores say it."""
        if "Authorization" in headers:
            return _refused(400, "InvalidArgument", "Only one auth mechanism allowed")
        if method != "GET":
            return _refused(403, "SignatureDoesNotMatch", f"The signature is not one for {method}")
        ends = query.get("expires", "")
        asked = Route(target="blobs", repository=query.get("repository", ""), reference=path.removeprefix(_PATH))
        if not hmac.compare_digest(query.get("signature", ""), self._sign(asked, ends)):
            return _refused(403, "SignatureDoesNotMatch", "The signature does not match")
        if float(ends) < self._clock():
            return _refused(403, "AccessDenied", "Request has expired")
        return asked

    def _sign(self, blob: Route, ends: str) -> str:
        words = "\n".join((blob.repository, blob.reference, ends))
        return hmac.new(self._key, words.encode(), hashlib.sha256).hexdigest()


def _refused(status: int, code: str, message: str) -> Refusal:
    return Refusal(status=status, body=f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode())
