# SPDX-License-Identifier: Apache-2.0
"""The audit of documents: stale names of the operator's images in any text file, with line and replacement.

Text is read as text, since parsers do not accept most of it: Go, Make, Dockerfiles, templates, YAML in Markdown. Which
name is an image's and which one the project's is decided in `harness/audit/references.py`; names in parts are found in
`harness/audit/splits.py`, and what belongs to a whole name in `harness/audit/beside.py`.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os.path import commonprefix
from pathlib import Path

from harness.audit import chart_pins, walk
from harness.audit.addresses import Addresses
from harness.audit.assembled import Assembled
from harness.audit.beside import Beside
from harness.audit.expressions import Variables, literal_in, named_by
from harness.audit.findings import Finding, Severity
from harness.audit.homes import Homes
from harness.audit.owned import Owned
from harness.audit.owners import Lines
from harness.audit.past import Past
from harness.audit.placed import Placed
from harness.audit.references import HUB_HOSTS, Reference, References, is_put_together, is_stage, stands_for_image
from harness.audit.replications import Replications
from harness.audit.rules_about import Builds, is_rule, is_searched
from harness.audit.splits import Splits
from harness.audit.stale import Edit, Stale, stale_at
from harness.errors import UsageError
from harness.images.references import DOCKER_HUB, HUB_CACHES, ImageReference
from harness.releases.charts import CHART_NAME

# GitHub names an image so, too: `gh attestation verify oci://…`
_VERIFIED = re.compile(r"\battestation\s+(?:verify|download)\s[^|;&]*$")
_NEARBY = 200
_VERSION = re.compile(r"(?:tag|version|semver)[\"']?\s*[:= ]\s*[\"']?(\d+\.\d+\.\d+)")
_LOCKS = (".lock", ".lock.yml", ".lock.yaml", ".spdx", ".spdx.json", ".cdx.json", ".cdx.xml", "bom.json")
"""Files that a tool writes of what it found, or with sums: to edit one by hand makes it wrong."""
_BILL = re.compile(r"\"(?:bomFormat|spdxVersion)\"|cyclonedx\.org/schema|^SPDXVersion:", re.M)
"""How a bill of materials begins."""
_LEFT_AS_THEY_ARE = (*_LOCKS, ".imgpkg/images.yml", ".diff", ".patch")
_MARKS = r"[\"'`*]{0,3}"
_NEXT = rf"[,;]?[ \t]*\r?\n[ \t]*(?:(?:export|readonly|const|let|var)[ \t]+)?{_MARKS}(?i:to|new\w*){_MARKS}[ \t]*[:=]"
_ARROW = r"[\])}]{0,2}[ \t]*[-=.]{1,3}>(?:\|[^|\n]*\|)?[ \t]*(?:\w+[\[({]{1,2})?"
"""That of a diagram: `OLD["…"] -->|2.2.0| NEW["…"]`."""
_RANGE = re.compile(r"\d+(?:\.\d+)?\.[xX]")
_TELLING = 6
"""From so many letters on, what all names begin with is rare enough to be looked for instead of each of them."""

MARKER = "audit-docs:"
"""Exempts historical text: `audit-docs: history` its own line and the next, `off` and `on` what is between them."""


@dataclass(frozen=True, kw_only=True)
class DocumentAudit:
    """All findings below a folder. `excused` counts what a marker excused, `unknown` names of which a template or a
    variable decides; `left_out` are changelogs, which were skipped, and `unread` has the number of files of each kind
    that were not read, with those that the system `refused`, such as files of other users.
    """

    folder: Path
    files: int
    findings: tuple[Stale, ...]
    excused: int
    left_out: tuple[str, ...]
    unknown: int = 0
    unread: tuple[tuple[str, int], ...] = ()
    refused: tuple[str, ...] = ()

    def file(self, name: str) -> Path:
        """Where a file with findings is."""
        return self.folder / name if self.folder.is_dir() else self.folder

    def shown(self, name: str) -> str:
        """Its name as it is in the current folder, where it is below that; otherwise in the audited folder."""
        path = os.path.relpath(self.file(name))
        return name if path.startswith(os.pardir) else path

    @property
    def exit_status(self) -> int:
        """1 if anything is worse than a note; else 3 if there are files that could not be looked at, as with grep."""
        if any(it.finding.severity is not Severity.NOTE for it in self.findings):
            return 1
        return 3 if self.refused else 0


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """What a text came to: findings, and how many a marker excused and how many templates hide."""

    stale: tuple[Stale, ...]
    excused: int = 0
    unknown: int = 0


def audit(folder: Path, homes: Homes, *, histories: bool = False) -> DocumentAudit:
    """Audit all text files below a folder, or one file; with `histories` also changelogs.

    Files that Git ignores are skipped. Raises UsageError for a folder that does not exist.
    """
    if not folder.exists():
        raise UsageError(f"{folder} does not exist", "give a folder with documents")
    if not folder.is_dir() and not folder.is_file():
        raise UsageError(f"{folder} is neither a folder nor a regular file", "give a folder with documents")
    scanner = Scanner(homes)
    walked = walk.Walked()
    found: list[Stale] = []
    excused = unknown = 0
    for name, text in walk.texts(folder, scanner.needles, walked, histories=histories):
        scanned = scanner.scan(text, name, scanner.chart_beside(folder / name if folder.is_dir() else folder))
        found += scanned.stale
        excused += scanned.excused
        unknown += scanned.unknown
    return DocumentAudit(
        folder=folder,
        files=walked.files,
        findings=tuple(found),
        excused=excused,
        left_out=tuple(walked.left_out),
        unknown=unknown,
        unread=tuple(walked.unread.most_common()),
        refused=tuple(walked.refused),
    )


class Scanner:
    """Finds stale names in text. `Homes` alone decides what is stale."""

    def __init__(self, homes: Homes) -> None:
        self._homes = homes
        self._references = References(homes)
        self._addresses = Addresses(homes)
        self._owned = Owned(homes)
        self._registries = {*homes.registries, *HUB_CACHES, *(it.registry for it in homes.history.homes)}
        names = {CHART_NAME, *homes.repositories, *(it.repository for it in homes.history.homes)}
        names |= {it.address.rpartition("/")[2] for it in homes.history.helm}
        shortest = [it for it in names if not any(other != it and other in it for other in names)]
        shared = commonprefix(shortest)  # noqa: RUF071 - letters are what is compared
        # `OLD: NEW`, `OLD -> NEW`, `| OLD | NEW |` and "from OLD to NEW" speak of the move, and so does NEW on the next
        # line where its key says so: `to: NEW`, `NEW_IMAGE=NEW`.
        current = "|".join(re.escape(self._homes.current(role).name) for role in ("operator", "hook"))
        self._moves = re.compile(
            rf"{_MARKS}\]?(?:[ \t]*+(?::|=>?|->|→|\||\b(?:to|becomes|is now)\b|{_ARROW})|{_NEXT})"
            rf"[ \t]*{_MARKS}(?:{current})"
        )
        plain = [shared] if len(shared) >= _TELLING else sorted(shortest)
        words = CHART_NAME.split("-")
        keys = ["_".join(words), "_".join(words).upper(), words[0] + "".join(it.capitalize() for it in words[1:])]
        self.needles = tuple(it.encode() for it in (*plain, *(it[1:] for it in keys)))
        """What a text has in it if it has anything to find."""

    def chart_beside(self, file: Path) -> str:
        """The version of the operator's chart that values get, by the Chart.yaml in their folder; empty without one."""
        beside = file.with_name("Chart.yaml")
        if file.suffix not in (".yaml", ".yml") or beside == file:
            return ""
        try:
            text = beside.read_text(errors="replace") if beside.is_file() else ""
        except OSError:
            # The walk counts it among what is not read.
            return ""
        return chart_pins.version_in(text, self._homes)

    def scan(self, text: str, file: str, chart: str = "") -> Scanned:
        """The findings of a text; `chart` is what `chart_beside` says of its file."""
        if "\r\n" not in text:
            return self._scan(text, file, chart)
        # Most expressions know one kind of line ends; lines and columns are the same in both.
        ends = [it.start() - number for number, it in enumerate(re.finditer("\r\n", text))]
        scanned = self._scan(text.replace("\r\n", "\n"), file, chart)
        moved = (
            replace(it, edits=tuple(_moved(edit, ends) for edit in it.edits)) if it.edits else it
            for it in scanned.stale
        )
        return replace(scanned, stale=tuple(moved))

    def _scan(self, text: str, file: str, chart: str) -> Scanned:
        lines = Lines(text)
        variables = Variables(text)
        placed = Placed(self._homes, lines, variables, chart)
        splits, beside = Splits(self._homes, placed, file), Beside(self._homes, placed, file)
        found = list(splits.found())
        unknown = splits.unknown
        for address in (*self._addresses.among(text), *self._addresses.of_images(text, placed.pins)):
            if is_searched(lines, address.start):
                continue
            fixable = address.fixable and not _is_left_as_it_is(lines, file)
            edits = [Edit(start=address.start, end=address.end, text=address.finding.replacement)] if fixable else ()
            found.append(stale_at(lines, file, address.start, address.end, address.finding, edits))
        assembled = Assembled(self._homes, self._references, lines, variables, file)
        found += assembled.found(self._may_be_stale, splits.has_taken)
        replications = Replications(self._homes, lines, file)
        found += replications.found()
        found += self._owned.found(lines, variables, placed.uses, file)
        unknown += assembled.unknown + replications.unknown
        builds = Builds(text)
        for reference in self._references.among(text, variables):
            if builds.has(lines, reference.start):
                continue
            if splits.has_taken(reference.start, reference.end) or assembled.has(reference.start, reference.end):
                continue
            if reference.last and splits.has_taken_of(reference.last):
                continue
            if not self._may_be_stale(reference):
                continue
            if reference.host is None:
                unknown += bool(reference.tag) and not is_rule(lines, file, reference.start, reference.end)
                continue
            behind = "" if reference.tag else assembled.tag(reference.start, reference.end)
            stale = self._judged(reference, lines, file, beside, splits.registries, behind)
            is_told = self._moves.match(text, reference.end) or is_rule(lines, file, reference.start, reference.end)
            if stale and not is_told:
                found.append(stale)
        excused = _excused(lines.all)
        past = Past(lines, file)
        unique = {(it.line, it.column): it for it in reversed(found) if not past.has(it)}
        kept = [it for _, it in sorted(unique.items()) if it.line not in excused]
        return Scanned(stale=tuple(kept), excused=len(unique) - len(kept), unknown=unknown)

    def _may_be_stale(self, it: Reference) -> bool:
        """Whether a name may be an image's in a registry that was upstream's: most are links to code."""
        return not it.scheme.startswith(("http", "git", "ssh")) and (not it.host or it.host in self._registries)

    def _judged(
        self, it: Reference, lines: Lines, file: str, beside: Beside, registries: Mapping[str, Edit], behind: str
    ) -> Stale | None:
        """What is wrong with a name; `behind` is the tag that the text puts behind it elsewhere, if it is known."""
        if it.scheme == "oci://":
            told = self._addresses.chart(it.name)
            if told is None or _VERIFIED.search(lines.before(it.start)):
                return None
            begin, end = it.start - len(it.scheme), it.start + len(it.text.partition(":")[0])
            version = it.tag or next(iter(_VERSION.findall(lines.text[it.end : it.end + _NEARBY])), "")
            if version and version not in self._homes.oci_charts:
                # This version of the chart is in the Helm repository only.
                return stale_at(lines, file, begin, end, replace(told, replacement=self._homes.charts[0], same=False))
            return stale_at(lines, file, begin, end, told, [Edit(start=begin, end=end, text=told.replacement)])
        tags = beside.listed_tags(it)
        if tags is not None:
            return beside.synced(it, tags)
        above = beside.registry_above(it) if it.host == "" else None
        if above is not None:
            return beside.judged(it, above, it.tag or beside.tag(it)) if above else None
        row = beside.row(it) if it.host == "" and not it.tag else None
        if row is not None:
            return beside.judged(it, *row)
        is_part = False
        if it.host == "":
            if not (is_stage(it, lines, file) or stands_for_image(it, lines, templated=self._is_templated(it, lines))):
                return None
            is_part = is_put_together(it, lines)
            it = replace(it, host=DOCKER_HUB)
        digest = it.digest.removeprefix("@") or beside.digest(it)
        tag = "" if _RANGE.fullmatch(it.tag) else it.tag or ("" if digest else behind or beside.tag(it))
        image = ImageReference(
            registry=it.host or DOCKER_HUB,
            repository=it.path,
            tag=tag or ("" if digest else "latest"),
            digest=digest,
        )
        finding = self._homes.judge(image, tagged=bool(tag))
        if finding is None or beside.tells_of_past(it, tag):
            return None
        edits = (
            ()
            if is_part or it.is_open or beside.needs_more(it, tag) or _is_left_as_it_is(lines, file)
            else self._edits(it, tag, finding, registries, beside)
        )
        return stale_at(lines, file, it.start, it.end, finding, edits)

    @staticmethod
    def _is_templated(it: Reference, lines: Lines) -> bool:
        """Whether a template follows as the tag."""
        return lines.text[it.end : it.end + 1] == ":" and lines.text[it.end + 1 : it.end + 2] in ("$", "{", "%", "<")

    @staticmethod
    def _edits(
        it: Reference, tag: str, finding: Finding, registries: Mapping[str, Edit], beside: Beside
    ) -> Sequence[Edit]:
        if not finding.same or not finding.replacement:
            return ()
        written = finding.replacement
        name, colon, right = written.partition(":")
        if tag and not it.text.endswith(f":{tag}"):
            if right != tag:
                tags = beside.tag_edits(it, right)
                if not tags or not it.plain:
                    return ()
                return tags if name == it.name else [*tags, Edit(start=it.start, end=it.end, text=name)]
            written = name
        elif not tag and colon:
            written = name
        if it.plain:
            return [Edit(start=it.start, end=it.end, text=written)]
        host, _, rest = written.partition("/")
        left = it.text[: it.at - it.start]
        elsewhere = registries.get(named_by(left.rstrip("/")))
        if elsewhere and elsewhere.text == host:
            return [elsewhere, Edit(start=it.at, end=it.end, text=rest)]
        default = literal_in(left, HUB_HOSTS | {it.host or ""}) or _host_in(left)
        if default is None:
            return ()
        first = Edit(start=it.start + default[0], end=it.start + default[1], text=host)
        return [first, Edit(start=it.at, end=it.end, text=rest)]


def _moved(edit: Edit, ends: Sequence[int]) -> Edit:
    """An edit with the letters before it that line ends have more; none goes over the end of a line."""
    return replace(edit, start=edit.start + bisect_left(ends, edit.start), end=edit.end + bisect_left(ends, edit.end))


def _host_in(left: str) -> tuple[int, int] | None:
    """Where a host of Docker Hub is written as it is."""
    host = left.partition("/")[0]
    return (0, len(host)) if host in HUB_HOSTS else None


def _is_left_as_it_is(lines: Lines, file: str) -> bool:
    return file.endswith(_LEFT_AS_THEY_ARE) or bool(_BILL.search(lines.text, 0, _NEARBY))


def _excused(lines: Sequence[str]) -> set[int]:
    """The numbers of lines that a marker exempts."""
    found: set[int] = set()
    off = False
    for number, line in enumerate(lines, 1):
        word = line.partition(MARKER)[2].split()[:1] if MARKER in line else []
        if word == ["off"]:
            off = True
        elif word == ["on"]:
            off = False
        elif word == ["history"]:
            found |= {number, number + 1}
        if off:
            found.add(number)
    return found
