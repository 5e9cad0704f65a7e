# SPDX-License-Identifier: Apache-2.0
"""The audit of documents: stale names of the operator's images in any text file, with line and replacement.

Text is read line by line, since parsers do not accept most of it: Go, Make, Dockerfiles, templates,
YAML in Markdown. A name counts where it can only be an image: with a registry before it, with a tag behind it, as the
value of a key or the argument of a command that takes images, or split into registry and repository.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.audit.findings import Finding
from harness.audit.homes import Homes
from harness.audit.parts import Split, pairs
from harness.errors import UsageError
from harness.images.references import DOCKER_HUB, HUB_SERVERS, ImageReference, image_host, is_tagged

MARKER = "audit-docs:"
"""Exempts historical text: `audit-docs: history` its own line and the next, `off` and `on` what is between them."""

_SUFFIXES = frozenset(
    (
        *(".md", ".markdown", ".rst", ".adoc", ".txt", ".html", ".yaml", ".yml", ".json", ".toml", ".tf", ".env"),
        *(".go", ".py", ".sh", ".bash", ".mk", ".tpl", ".j2", ".gotmpl"),
    )
)
_NAMES = re.compile(r"(?:.*\.)?(?:Dockerfile|Containerfile|Makefile|Tiltfile|Jenkinsfile)(?:\..*)?")
_SKIPPED_FOLDERS = frozenset({".git", "node_modules", "vendor", "__pycache__", ".venv", ".nox", ".tox"})
_HISTORY = re.compile(r"(?:CHANGELOG|[Cc]hangelog|CHANGES|HISTORY|RELEASE[-_]?NOTES)[\w.-]*\.(?:md|rst|adoc|txt)")
_GIT_SECONDS = 30.0
_LARGEST = 4_000_000
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_REST = rf"(?P<tag>:{_TAG})?(?P<digest>@sha256:[0-9a-f]{{64}})?(?![\w/-]|\.\w)"
_COMMANDS = (
    r"\b(?:docker|podman|nerdctl|crane|skopeo|crictl|ctr)\s+(?:image\s+|images\s+|manifest\s+)?"
    r"(?:pull|push|run|tag|save|inspect|copy|cp|digest|manifest|config|rmi)\b[^|;&\n]*?\s"
)


@dataclass(frozen=True, kw_only=True)
class Stale:
    """A finding in a file: lines and columns count from 1, `end` is the column after the last character.

    `fixable` says that the replacement can be substituted for the text as it is.
    """

    file: str
    line: int
    column: int
    end: int
    text: str
    finding: Finding
    fixable: bool = True

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.finding.rule}: {self.text}: {self.finding}"


@dataclass(frozen=True, kw_only=True)
class DocumentAudit:
    """All findings below a folder. `excused` counts what a marker excused; `left_out` are changelogs, which were
    skipped."""

    folder: Path
    files: int
    findings: tuple[Stale, ...]
    excused: int
    left_out: tuple[str, ...]


def audit(folder: Path, homes: Homes, *, histories: bool = False) -> DocumentAudit:
    """Audit all text files below a folder, or one file; with `histories` also changelogs.

    Files that Git ignores are skipped. Raises UsageError for a folder that does not exist.
    """
    if not folder.exists():
        raise UsageError(f"{folder} does not exist", "give a folder with documents")
    scanner = Scanner(homes)
    found: list[Stale] = []
    left_out: list[str] = []
    excused = files = 0
    for file in _files(folder):
        shown = file.relative_to(folder).as_posix() if folder.is_dir() else file.name
        if not histories and folder.is_dir() and _HISTORY.fullmatch(file.name):
            left_out.append(shown)
            continue
        text = file.read_bytes()
        if len(text) > _LARGEST or b"\0" in text[:8000]:
            continue
        files += 1
        stale, passed = scanner.scan(text.decode(errors="replace"), shown)
        found += stale
        excused += passed
    return DocumentAudit(folder=folder, files=files, findings=tuple(found), excused=excused, left_out=tuple(left_out))


class Scanner:
    """Finds stale names in text. `Homes` alone decides what is stale."""

    def __init__(self, homes: Homes) -> None:
        self._homes = homes
        hosts = "|".join(sorted(map(re.escape, {*homes.registries, *HUB_SERVERS}), key=len, reverse=True))
        names = "|".join(sorted(map(re.escape, homes.repositories), key=len, reverse=True))
        self._whole = re.compile(rf"(?<![\w.-])(?P<host>{hosts})/(?P<name>{names}){_REST}")
        self._short = re.compile(rf"(?<![\w./@-])(?P<name>{names})(?P<tag>:{_TAG}){_REST.partition(')?')[2]}")
        self._bare = re.compile(
            rf"(?:\bimage[\"']?\s*[:=]\s*[\"']?|^\s*FROM\s+(?:--\S+\s+)?|\bCOPY\s+--from=|{_COMMANDS})"
            rf"(?P<name>{names}){_REST}",
            re.I,
        )
        self._pages = re.compile(rf"https?://hub\.docker\.com/r/(?P<name>{names})(?:/tags|/general)?/?(?![\w/-])")

    def scan(self, text: str, file: str) -> tuple[list[Stale], int]:
        """The findings of a text, and how many a marker exempted."""
        lines = text.splitlines()
        excused = _excused(lines)
        found: dict[tuple[int, int], Stale] = {}
        for stale in (*self._names(lines, file), *self._parts(lines, file)):
            found.setdefault((stale.line, stale.column), stale)
        kept = [it for _, it in sorted(found.items()) if it.line not in excused]
        return kept, len(found) - len(kept)

    def _names(self, lines: list[str], file: str) -> Iterator[Stale]:
        for number, line in enumerate(lines, 1):
            if not any(name in line for name in self._homes.repositories):
                continue
            for pattern in (self._whole, self._short, self._bare):
                for match in pattern.finditer(line):
                    start = match.start("host" if "host" in pattern.groupindex else "name")
                    text = line[start : match.end()].rstrip(".")
                    host = match.groupdict().get("host") or DOCKER_HUB
                    image = ImageReference.parse(text if pattern is self._whole else f"{host}/{text}")
                    finding = self._homes.judge(image, tagged=is_tagged(text))
                    if finding:
                        yield _stale(file, number, start, text, finding)
            for match in self._pages.finditer(line):
                image = ImageReference(registry=DOCKER_HUB, repository=match["name"])
                finding = self._homes.judge(image, tagged=False)
                if finding:
                    page = _package_page(finding.replacement)
                    told = Finding(rule=finding.rule, message=finding.message, replacement=page)
                    yield _stale(file, number, match.start(), match[0], told)

    def _parts(self, lines: list[str], file: str) -> Iterator[Stale]:
        """Names that are split into registry and repository."""
        for split in pairs(lines):
            image = self._joined(split)
            finding = self._homes.judge(image, tagged=bool(image.tag)) if image else None
            if finding:
                where = split.given[-1]
                text = " + ".join(f"{it.key} {it.value}" for it in split.given)
                yield Stale(
                    file=file,
                    line=where.line,
                    column=where.column + 1,
                    end=where.end + 1,
                    text=text,
                    finding=_in_parts(finding),
                    fixable=False,
                )

    def _joined(self, split: Split) -> ImageReference | None:
        """The image that the parts form; None when it is not one of the operator's."""
        host = split.registry.value if split.registry else ""
        tag = split.tag.value if split.tag else split.version
        if split.repository is None:
            # A registry alone moves what the chart itself has for a repository there.
            name = (self._homes.of("operator", tag) if split.version else self._homes.current("operator")).repository
        else:
            name = split.repository.value
        whole = f"{host}/{name}" if host else name
        if not host and name in self._homes.repositories:
            whole = next(home.name for home in self._homes.all if home.repository == name)
        first, _, rest = whole.partition("/")
        first = image_host(first)
        if first not in self._homes.registries or rest not in self._homes.repositories:
            return None
        return ImageReference(registry=first, repository=rest, tag=tag)


def _in_parts(finding: Finding) -> Finding:
    """The replacement as registry and repository, the form that the text uses."""
    name, _, tag = finding.replacement.partition(":")
    host, _, repository = name.partition("/")
    written = f"registry {host}, repository {repository}" + (f", tag {tag}" if tag else "")
    return Finding(rule=finding.rule, message=finding.message, replacement=written)


def _package_page(reference: str) -> str:
    """The web page of a package on GHCR (docs.github.com, packages of an organisation's repository)."""
    host, _, path = reference.partition(":")[0].partition("/")
    owner, _, rest = path.partition("/")
    repository = rest.partition("/")[0]
    if host != "ghcr.io" or not rest:
        return reference
    return f"https://github.com/{owner}/{repository}/pkgs/container/{rest.replace('/', '%2F')}"


def _stale(file: str, line: int, start: int, text: str, finding: Finding) -> Stale:
    return Stale(file=file, line=line, column=start + 1, end=start + 1 + len(text), text=text, finding=finding)


def _excused(lines: list[str]) -> set[int]:
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


def _files(folder: Path) -> Iterable[Path]:
    if not folder.is_dir():
        return [folder]
    found = _known_to_git(folder)
    if not found:
        for base, folders, names in os.walk(folder):
            folders[:] = sorted(it for it in folders if it not in _SKIPPED_FOLDERS)
            found += [Path(base) / name for name in sorted(names)]
    return [file for file in found if _is_text(file.name) and file.is_file()]


def _known_to_git(folder: Path) -> list[Path]:
    """The files of a checkout that Git does not ignore; none without Git, or outside a checkout."""
    if shutil.which("git") is None:
        return []
    listed = process.call(
        ["git", "-C", folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        timeout=_GIT_SECONDS,
        check=False,
    )
    names = sorted(it for it in listed.stdout.split("\0") if it) if listed.returncode == 0 else []
    return [folder / name for name in names if not _SKIPPED_FOLDERS.intersection(Path(name).parts)]


def _is_text(name: str) -> bool:
    return Path(name).suffix.lower() in _SUFFIXES or bool(_NAMES.fullmatch(name)) or name in (".env", "VERSION")
