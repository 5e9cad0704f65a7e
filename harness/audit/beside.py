# SPDX-License-Identifier: Apache-2.0
"""What a text has beside a whole name: tag or digest as keys of their own, tags as a list, what else decides them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from harness.audit.chart_versions import is_before_2
from harness.audit.findings import Severity
from harness.audit.homes import Homes
from harness.audit.parts import Part
from harness.audit.placed import Placed
from harness.audit.references import HUB_HOSTS, Reference, is_host
from harness.audit.stale import Edit, Stale, stale_at
from harness.images.references import DOCKER_HUB, ImageReference

_TAGS = re.compile(r"[\"']?([A-Za-z0-9_][\w.-]*)[\"']?")
_MORE_TAGS = re.compile(r"(?:,v?\d+\.\d+\.\d+[\w.-]*)+(?=[\"'\s]|$)")
_LISTED = re.compile(r"[\"']?:(?:[ \t]+(?P<inline>\[[^\]\n]*\])?(?P<other>\S.*)?)?$")
_ITEM = re.compile(r"\s*-\s+[\"']?([\w.-]+)[\"']?\s*(?:#.*)?$")
_CELL = r"[\"'`*]*(?:[ \t]*[|,;]|[ ]*\t)[ \t]*+[\"'`*]*"
_CELL_BEFORE = re.compile(rf"(?<![\w/.-])(?P<host>[\w.-]+\.[\w.-]+(?::\d+)?)/?{_CELL}$")
_NEXT = rf"(?:{_CELL}|[\"'`*]*</(?:code></)?td>\s*<td[^>]*>(?:<code>)?|`*\n[ \t]+-[ \t]+`*)"
_CELL_AFTER = re.compile(rf"{_NEXT}(?P<tag>v?\d+\.\d+\.\d+[\w.-]*)")
_TOLD_TAG = re.compile(
    r"(?i:\b\w*tag)\b[\"'`)\]]*[ \t]*+(?:=>|[,:=(])?\s*+(?:[\"']?(?:value|default)[\"']?[ \t]*[:=][ \t]*)?[\"'`]?"
    r"(?P<tag>\d+\.\d+\.\d+[\w.-]*|v1beta\d-[\w.-]+)"
)
"""`tag '2.1.1'`, `.tag("2.1.1")`, `{name: tag, value: 2.1.1}`"""
_TOLD_WITHIN = 3
_COMMENTED = re.compile(r"\S.*\s(?:#+|//+|--)\s")
"""What stands before a comment on its line, and its mark."""
_PAIR = re.compile(r"[({][ \t]*[\"'`]$")
_IN_ROW = re.compile(r"(?<![\w.:/-])v?(\d{1,4}\.\d{1,4}(?:\.\d{1,4})?)(?![\w-]|\.\d)")
_HEAD = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*\|?\s*")
_IS_IMAGE, _IS_TAG, _IS_HOST = (
    re.compile(it, re.I) for it in (r"\bimage", r"\b(?:tag|version)", r"\b(?:registry|host)")
)
_REPOSITORIES = re.compile(r"repo(?:sitorie)?s$", re.I)
_LISTS = re.compile(rf"{_REPOSITORIES.pattern}|(?:image|name|package|artifact)s$", re.I)
_IN_LIST = re.compile(r"(?:^\s*|[\[{,]\s*|(?:^|\s)-\s+)[\"'`]?$")
_LONG_HOST = re.compile(r"[\w-]+(?:\.[\w-]+){2,}")
_NO_HOST = re.compile(r"image|\.(?:ya?ml|json\w*|txt|conf|cfg|ini|env|sh|toml|md|tpl|lst|list|properties)$", re.I)
_SOURCE_REGISTRY = re.compile(r"\bsource[\"']?:\s*(?:\{\s*)?[\"']?registry[\"']?:\s*[\"']?([^\s\"',}]+)")
_WITH_REGISTRY = re.compile(r"\bwithRegistry\s*\(\s*(?:[\"'](?:https?://)?(?P<host>[\w.-]+(?::\d+)?))?")
_OF_SOURCE = re.compile(r"\s--?(?:source|src|from)[_-]?registry\w*[ =:][\"']?(?P<host>[\w-]+(?:\.[\w-]+)+)", re.I)
_OF_AGENT = re.compile(r"\bregistryUrl\s*[(=:]?\s*[\"'](?:https?://)?(?P<host>[\w.-]+(?::\d+)?)")
_FARTHEST = 3000
_COPIED_FROM = re.compile(r"\bfrom[\"']?[ \t]*:[ \t]*[\"']?$")


class Beside:
    """Looks beside whole names."""

    def __init__(self, homes: Homes, placed: Placed, file: str) -> None:
        self._homes = homes
        self._placed = placed
        self._lines = placed.lines
        self._file = file

    def tag(self, it: Reference) -> str:
        """The tag that a text has beside a whole name without one, as a key of its own, or in the next cell."""
        tag = self._tag(it)
        if tag:
            return tag.value or ""
        after = _CELL_AFTER.match(self._lines.text, it.end)
        return after["tag"] if after else self._used_tag(it) or self._told_tag(it)

    def _told_tag(self, it: Reference) -> str:
        """A tag that upstream published and that the same line or the next few have, whatever the language."""
        text, (number, _) = self._lines.text, self._lines.place(it.end)
        within = 0 if _COMMENTED.search(self._lines.before(it.start)) else _TOLD_WITHIN
        last = min(len(self._lines.all), number + within)
        found = _TOLD_TAG.search(text, it.end, self._lines.start(last) + len(self._lines.all[last - 1]))
        if not found or "/" in (between := text[it.end : found.start()]) or "\n\n" in between:
            return ""
        had = any(found["tag"] in one.versions for one in self._homes.all)
        return found["tag"] if had or any(one.had(found["tag"]) for one in self._homes.history.homes) else ""

    def _used_tag(self, it: Reference) -> str | None:
        """The tag that a text puts behind the variable of a name; empty where it cannot be known."""
        owners = self._lines.owners(it.start)[:1]
        return self._placed.used_tag(owners[0]) if owners else None

    def tag_edits(self, it: Reference, right: str) -> list[Edit]:
        """What makes another tag of it, if it is written there as it is."""
        tag = self._tag(it)
        return [Edit(start=tag.start, end=tag.end, text=right)] if tag and tag.value == tag.written else []

    def _tag(self, it: Reference) -> Part | None:
        part = self._placed.part(it.start)
        return part and (
            self._placed.near(part, "tag")
            or self._placed.near(part, "tag", "new")
            or self._placed.near(part, "tag", "final image")
        )

    def digest(self, it: Reference) -> str:
        """The digest that a text has beside a whole name, as a key of its own."""
        part = self._placed.part(it.start)
        found = part and (
            self._placed.near(part, "digest")
            or self._placed.near(part, "digest", "")
            or self._placed.near(part, "digest", "image")
        )
        return found.value if found and found.value and found.value.startswith("sha256:") else ""

    def needs_more(self, it: Reference, tag: str) -> bool:
        """Whether another name alone does not mend a text: where a Kustomization replaces the tag of the images that
        its bases name, or their names alone, where a list of copies has the host apart, where the tag is filled in from
        elsewhere, and where a chart before release 2.0 decides it.
        """
        beside = self._tag(it)
        if not tag and ((beside and beside.value is None) or self._used_tag(it) == ""):
            return True
        if _COPIED_FROM.search(self._lines.before(it.start)):
            return True
        part = self._placed.part(it.start)
        if part is None:
            return False
        new = self._placed.near(part, "tag", "new")
        if (part.key == "name" and new) or (part.key == "newName" and not (tag or new)):
            return True
        pin = self._placed.pin(it.start)
        version = pin.version if pin else self._placed.chart
        return not tag and is_before_2(version.lstrip("v~^="))

    def listed_tags(self, it: Reference) -> list[str] | None:
        """The tags that follow a name as a list, as skopeo sync reads them; none of them for another rule about tags
        below a host. None for names that are no such keys.
        """
        more = _MORE_TAGS.match(self._lines.text, it.end) if it.tag else None
        if more:
            return [it.tag, *more[0].lstrip(",").split(",")]
        end = self._lines.text.find("\n", it.end) % (len(self._lines.text) + 1)
        match = _LISTED.match(self._lines.text[it.end : end].rstrip())
        number, column = self._lines.place(it.start)
        before = self._lines.all[number - 1][: column - 1]
        if not match or it.tag or before.strip(" \"'"):
            return None
        if match["inline"]:
            return _TAGS.findall(match["inline"])
        if match["other"]:
            return [] if any(is_host(owner) for owner in self._lines.owners(it.start)) else None
        found = []
        for line in self._lines.all[number:]:
            item = _ITEM.match(line)
            if not item:
                break
            found.append(item[1])
        return found or None

    def tells_of_past(self, it: Reference, tag: str) -> bool:
        """Whether a row of a table, or a pair, has the new name beside an old one, or whether a row says of which
        versions a name without a tag was, and it was that of them all.
        """
        number, _ = self._lines.place(it.start)
        row, home = self._lines.all[number - 1], next((one for one in self._homes.all if one.name == it.name), None)
        if home is None or self._lines.is_long(number):
            return False
        text, right = self._lines.text, self._homes.current(home.role).name
        is_row = row.lstrip().startswith("|") or self._file.endswith((".csv", ".tsv"))
        if is_row and re.search(rf"(?<![\w./-]){re.escape(right)}(?![\w/-])", row):
            return True
        if tag or it.digest:
            return False
        pair = re.compile(rf"[\"'`][ \t]*,[ \t]*[\"'`]{re.escape(right)}[\"'`][ \t]*[)}}]")
        if _PAIR.search(self._lines.before(it.start)) and pair.match(text, it.end):
            return True
        if not row.lstrip().startswith("|"):
            return False
        told = [tuple(map(int, one.split("."))) for one in _IN_ROW.findall(row)]
        had = [tuple(map(int, one.split("."))) for one in home.versions]
        known = any(one == version[: len(one)] for one in told for version in had)
        return known and all(one <= had[-1] for one in told)

    def row(self, it: Reference) -> tuple[str, str] | None:
        """Host and tag in the cells beside a name, in a table or a line of values with separators."""
        column = self._column(it)
        if column is not None:
            return column
        before = _CELL_BEFORE.search(self._lines.before(it.start))
        after = _CELL_AFTER.match(self._lines.text, it.end)
        return (before["host"], after["tag"]) if before and after and is_host(before["host"]) else None

    def _column(self, it: Reference) -> tuple[str, str] | None:
        """Host and tag of a row by the heads of its columns, where the one of a name is of images."""
        number, column = self._lines.place(it.start)
        every = self._lines.all
        row, first = every[number - 1], number
        if row.lstrip().startswith("|"):
            mark = "|"
            while first > 1 and every[first - 2].lstrip().startswith("|"):
                first -= 1
            if first == number or not _HEAD.fullmatch(every[first]):
                return None
        elif self._file.endswith((".csv", ".tsv")):
            mark, first = ("\t" if self._file.endswith(".tsv") else ","), 1
        else:
            return None
        heads, cells = ([one.strip(" \t\"'`*") for one in line.split(mark)] for line in (every[first - 1], row))
        here = row[: column - 1].count(mark)
        if first == number or here >= len(heads) or not _IS_IMAGE.search(heads[here]):
            return None
        named = list(zip(heads, cells, strict=False))
        host = next((cell for head, cell in named if _IS_HOST.search(head)), "")
        if not host and any(one.name == f"{DOCKER_HUB}/{it.path}" for one in self._homes.all):
            host = DOCKER_HUB
        tag = next((cell for head, cell in named if _IS_TAG.search(head)), "")
        return (host, tag) if is_host(host) and not tag.strip("v0123456789.") else None

    def registry_above(self, it: Reference) -> str | None:
        """The registry of a list that a short name is in, which may be the list's key.

        It is empty where it cannot be known, None where there is none. A list of images may name what is copied to a
        registry of one's own, a list of repositories what is in it.
        """
        owners = self._lines.owners(it.start)[:2]
        used = self._placed.uses.registry(it.start, owners)
        if used is None:
            used = self._copied_from(it) if owners[:1] == ["from"] else self._logged_in_to(it)
        used = self._of_command(it) or self._assigned_beside(it) if used is None else used
        if used is not None:
            return used
        host = owners[0] if owners and _IN_LIST.search(self._lines.before(it.start)) else ""
        if host in HUB_HOSTS | self._homes.registries or (_LONG_HOST.fullmatch(host) and not _NO_HOST.search(host)):
            return host
        registry = self._placed.registry_above(it.start) if any(map(_LISTS.search, owners)) else None
        if registry is None or (registry.value not in HUB_HOSTS and not any(map(_REPOSITORIES.search, owners))):
            return None
        return registry.value or ""

    def _of_command(self, it: Reference) -> str | None:
        """The registry that the same command has as the source's."""
        number, _ = self._lines.place(it.start)
        found = None if self._lines.is_long(number) else _OF_SOURCE.search(self._lines.all[number - 1])
        return found and found["host"]

    def _assigned_beside(self, it: Reference) -> str | None:
        """The registry in a variable of that name beside one of an image: `REGISTRY=…` before `OPERATOR_IMAGE=…`."""
        part = self._placed.part(it.start)
        is_image = part is not None and part.start == it.start and part.stem and part.key.lower().endswith("image")
        registry = self._placed.near(part, "registry", "") if part and is_image else None
        return (registry.value or "") if registry else None

    def _copied_from(self, it: Reference) -> str | None:
        """The registry of a task of dregsy, whose mappings have names alone; empty where it cannot be known."""
        if "mappings" not in self._lines.owners(it.start)[:3]:
            return None
        sources = _SOURCE_REGISTRY.findall(self._lines.text[max(0, it.start - _FARTHEST) : it.start])
        return (sources[-1] if is_host(sources[-1]) else "") if sources else None

    def _logged_in_to(self, it: Reference) -> str | None:
        """The registry of the block of a pipeline of Jenkins that a name is in, or of its agent; empty if not known."""
        text = self._lines.text
        begin, end = text.rfind("{", 0, it.start), text.find("}", it.end)
        agent = _OF_AGENT.search(text, max(begin, it.start - _FARTHEST), min(max(end, it.end), it.end + _FARTHEST))
        if agent:
            return agent["host"]
        for block in _WITH_REGISTRY.finditer(text, max(0, it.start - _FARTHEST), it.start):
            between = text[block.end() : it.start]
            if between.count("{") > between.count("}"):
                return block["host"] or ""
        return None

    def judged(self, it: Reference, host: str, tag: str) -> Stale | None:
        """A name with host and tag of other places, which they keep: there are no edits."""
        host = DOCKER_HUB if host in HUB_HOSTS else host
        image = ImageReference(registry=host, repository=it.path, tag=tag)
        found = self._homes.judge(image, tagged=bool(tag))
        return stale_at(self._lines, self._file, it.start, it.end, found) if found else None

    def synced(self, it: Reference, tags: Sequence[str]) -> Stale | None:
        """A name with its tags as a list, below the host that they are of."""
        owners = [owner for owner in self._lines.owners(it.start) if is_host(owner)]
        host = it.host or (owners[0] if owners else DOCKER_HUB if it.tag else "")
        if not host:
            return None
        image = ImageReference(registry=DOCKER_HUB if host in HUB_HOSTS else host, repository=it.path)
        found = [self._homes.judge(replace(image, tag=tag)) for tag in tags]
        if not tags:
            found = [self._homes.judge(image, tagged=False)]
        worst = sorted((one for one in found if one), key=lambda one: list(Severity).index(one.severity))
        return stale_at(self._lines, self._file, it.start, it.end, worst[0]) if worst else None
