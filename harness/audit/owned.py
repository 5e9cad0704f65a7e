# SPDX-License-Identifier: Apache-2.0
"""Finds the operator's name among several that a loop or a matrix puts behind their owner: `docker.io/kubeflow/$name`.

One of a loop has no replacement, since the owner is that of the others, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.audit.expressions import EXPRESSION, Variables, is_known, named_by
from harness.audit.homes import Homes
from harness.audit.owners import Lines
from harness.audit.references import HUB_HOSTS
from harness.audit.rules_about import is_rule
from harness.audit.stale import Stale, stale_at
from harness.audit.uses import Uses
from harness.images.references import DOCKER_HUB, ImageReference, names_host
from harness.releases.charts import CHART_NAME

_ALONE = re.compile(rf"{re.escape(CHART_NAME)}(?<![\w./:@#-]{re.escape(CHART_NAME)})(?![\w./:@-])")
_PIECE = rf"(?:{EXPRESSION}|[\w.:-]){{1,80}}"
_TAG = rf"(?::(?P<tag>(?:{EXPRESSION}|[A-Za-z0-9_.-])+))?"
_BEHIND = re.compile(rf"/\$?(?P<variable>{EXPRESSION}){_TAG}")
_MOST, _FARTHEST = 100, 200


class Owned:
    """Finds them by the rows of releases and of their history."""

    def __init__(self, homes: Homes) -> None:
        self._homes = homes
        paths = {*homes.repositories, *(it.repository for it in homes.history.homes)}
        owners = sorted(it.removesuffix(f"/{CHART_NAME}") for it in paths if it.endswith(f"/{CHART_NAME}"))
        self._left = re.compile(
            rf"(?:^|(?<=[^\w.$/}}-])|(?<=//))(?P<left>(?:{_PIECE}/){{0,3}}"
            rf"(?:{'|'.join(map(re.escape, owners))}|{EXPRESSION}))$",
            re.M,
        )

    def found(self, lines: Lines, variables: Variables, uses: Uses, file: str) -> Iterator[Stale]:
        """Every stale name of a text."""
        words = [*_ALONE.finditer(lines.text)][:_MOST] if _BEHIND.search(lines.text) else []
        behind = [*_BEHIND.finditer(lines.text)][:_MOST] if words else []
        for word in words if behind else ():
            names = uses.names(word.start(), lines.owners(word.start()))
            for use in (it for it in behind if named_by(it["variable"]) in names):
                image = self._image(use, variables, lines)
                finding = self._homes.judge(image, tagged=bool(image.tag)) if image else None
                if image and finding and not any(is_rule(lines, file, *it.span()) for it in (word, use)):
                    shown = image.canonical if image.tag else image.name
                    yield stale_at(lines, file, *word.span(), finding, text=shown)
                    break

    def _image(self, use: re.Match[str], variables: Variables, lines: Lines) -> ImageReference | None:
        """The operator's image where a use has its name; None where that is known to be another, or may be no image."""
        before = self._left.search(lines.text[max(0, use.start() - _FARTHEST) : use.start()])
        if before is None:
            return None
        left, tag = variables.filled(before["left"]), variables.filled(use["tag"] or "")
        has_host = names_host(f"{left}/{CHART_NAME}")
        if not is_known(left) or is_known(variables.filled(use["variable"])) or not (has_host or use["tag"]):
            return None
        host, _, owner = left.partition("/") if has_host else (DOCKER_HUB, "", left)
        return ImageReference(
            registry=DOCKER_HUB if host in HUB_HOSTS else host,
            repository=f"{owner}/{CHART_NAME}",
            tag=tag if is_known(tag) else "",
        )
