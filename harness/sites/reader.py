# SPDX-License-Identifier: Apache-2.0
"""Reads from an API server page by page, and only reads; what may not be read is noted, and the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from harness.errors import ApiError, ApiServerAway
from harness.kube.api import get
from harness.late import client
from harness.sites.model import Object, Unread

_PAGE = 100
_NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@dataclass
class Reader:
    """A reader of one cluster. `unread` collects what could not be read."""

    api: client.ApiClient
    unread: list[Unread] = field(default_factory=list)

    def one(self, path: str, what: str) -> Object | None:
        """An object; None if it is not there or may not be read. Raises ApiError as `pages` does."""
        try:
            return get(self.api, path)
        except ApiError as refused:
            self._note(refused, what, path)
            return None

    def items(self, path: str, what: str, *, names_only: bool = False, **query: str) -> Iterator[Object]:
        """The items of a list, a page at a time; none if the kind is not there, or may not be read.

        Raises ApiError for any other answer, and ApiServerAway when the server went away.
        """
        accept = _NAMES_ONLY if names_only else "application/json"
        token = ""
        while True:
            asked = urlencode({**query, "limit": _PAGE, **({"continue": token} if token else {})})
            try:
                page: Mapping[str, Any] = get(self.api, f"{path}?{asked}", accept=accept)
            except ApiError as refused:
                if refused.status == HTTPStatus.GONE and token:
                    # The list is from too long ago to go on with; the rest is from now (API concepts, "Retrieving large
                    # results sets in chunks").
                    token = _fresh(refused)
                    if token:
                        continue
                self._note(refused, what, path)
                return
            yield from page.get("items") or ()
            token = str((page.get("metadata") or {}).get("continue") or "")
            if not token:
                return

    def _note(self, refused: ApiError, what: str, path: str) -> None:
        if isinstance(refused, ApiServerAway) or refused.status not in (
            HTTPStatus.FORBIDDEN,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.METHOD_NOT_ALLOWED,
        ):
            raise refused
        if refused.status == HTTPStatus.FORBIDDEN:
            resource = path.rstrip("/").split("/")
            self.unread.append(Unread(what=what, why=f"{refused.brief}", right=f"get, list {resource[-1]}"))


def _fresh(refused: ApiError) -> str:
    """The token of a 410 with which a list can go on, at the price of being from two moments."""
    from harness.untrusted import from_json

    try:
        found = from_json(refused.body or "{}")
        return str(found["metadata"]["continue"])
    except (ValueError, KeyError, TypeError):
        return ""
