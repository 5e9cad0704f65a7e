# SPDX-License-Identifier: Apache-2.0
"""Which address a text gives to the name of a repository of charts: `helm repo add`, helmfile, Flux, Tanka."""

from __future__ import annotations

import re

_Q = r"[\"']?"
_URL = rf"{_Q}url{_Q}[ \t]*[:=][ \t]*{_Q}(?P<url>(?:(?:https?|oci)://|(?:[\w-]+\.)+[\w-]+(?::\d+)?/)[^\s\"',}}]+){_Q}"
"""helmfile has those of registries without their scheme."""
_NAME = rf"(?<![\w.-]){_Q}name{_Q}[ \t]*[:=][ \t]*{_Q}(?P<name>[\w.-]+){_Q}"
_PATTERNS = (
    re.compile(
        r"\b(?:helm3?\s+repo\s+add|tk\s+tool\s+charts\s+add-repo)\s+(?:--?\S+\s+)*(?P<name>[\w.-]+)\s+[\"']?(?P<url>(?:https?|oci)://[^\s\"'\\,]+)"
    ),
    re.compile(rf"{_NAME}[\s,]+{_URL}"),
    re.compile(rf"(?<![\w.-]){_URL}[\s,]+{_NAME}"),
)
_OF_FLUX = re.compile(r"^kind:[ \t]*HelmRepository\b", re.M)
_OF_GIT = re.compile(r"^kind:[ \t]*GitRepository\b", re.M)
_METADATA = re.compile(rf"^metadata:.{{0,300}}?{_NAME}", re.M | re.S)
_SOURCE_REF = re.compile(rf"\bsourceRef:.{{0,200}}?{_NAME}", re.S)


class ChartSources:
    """What a text says of them; a name with two addresses is not known."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known: dict[str, set[str]] | None = None

    def of(self, name: str) -> str:
        """The address of a repository; empty where the text does not say it."""
        urls = self._all().get(name, set())
        return next(iter(urls)) if len(urls) == 1 else ""

    def of_release(self, start: int, end: int) -> str:
        """The address of the repository that a HelmRelease between two offsets refers to."""
        reference = _SOURCE_REF.search(self._text, start, end)
        return self.of(reference["name"]) if reference else ""

    def git(self, start: int, end: int) -> tuple[int, int] | None:
        """Where the GitRepository is that a HelmRelease between two offsets refers to; None where it is elsewhere."""
        reference = _SOURCE_REF.search(self._text, start, end)
        begin = 0
        for document in re.split(r"^---", self._text, flags=re.M) if reference else ():
            name = _METADATA.search(document)
            if reference and name and name["name"] == reference["name"] and _OF_GIT.search(document):
                return begin, begin + len(document)
            begin += len(document) + len("---")
        return None

    def _all(self) -> dict[str, set[str]]:
        if self._known is None:
            self._known = {}
            for it in (it for pattern in _PATTERNS for it in pattern.finditer(self._text)):
                self._known.setdefault(it["name"], set()).add(_whole(it["url"]))
            for document in re.split(r"^---", self._text, flags=re.M) if _OF_FLUX.search(self._text) else ():
                name, url = re.search(_NAME, document), re.search(_URL, document)
                if _OF_FLUX.search(document) and name and url:
                    self._known.setdefault(name["name"], set()).add(_whole(url["url"]))
        return self._known


def _whole(url: str) -> str:
    return url.rstrip("/") if "://" in url else f"oci://{url.rstrip('/')}"
