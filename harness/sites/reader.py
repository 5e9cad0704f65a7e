# SPDX-License-Identifier: Apache-2.0
"""Reads from an API server page by page, and only reads; what may not be read is noted, and the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

from harness.errors import ApiError, ApiServerAway
from harness.kube.api import NAMES_ONLY, get, pages
from harness.late import client
from harness.sites.model import Object, Unread

_PAGE = 100


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
        try:
            yield from pages(
                self.api, path, accept=NAMES_ONLY if names_only else "application/json", limit=_PAGE, **query
            )
        except ApiError as refused:
            self._note(refused, what, path)

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
