# SPDX-License-Identifier: Apache-2.0
"""Lines that a container runtime has cut into several, which are read as the one that a program printed.

containerd and CRI-O write `<time> <stream> <tag> <content>`, with the tag `P` where more of the line follows and `F` at
its end (`docs/design` of CRI: kubelet-cri-logging). Docker's json-file writes `{"log":"<content>","stream":…}`, with
`\\n` at the end of the content where the line ends. Both cut at 16 KiB, wherever that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

_CRI = re.compile(
    r"(?P<before>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (?P<stream>std(?:out|err)) )"
    r"(?P<tag>[PF]) (?P<content>.*\n?)",
    re.DOTALL,
)
_DOCKER = re.compile(
    r"""(?P<before>\{"log":")(?P<content>(?>(?:[^"\\]|\\.)*))(?P<after>","stream":"(?P<stream>std(?:out|err))"[,}].*\n?)""",
    re.DOTALL,
)
_CUT = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) std(?:out|err) P ", re.MULTILINE)
_CUT_BY_DOCKER = re.compile(r"""^\{"log":"(?![^\n]*\\n","stream":"std)(?=[^\n]*","stream":"std)""", re.MULTILINE)


@dataclass(frozen=True)
class _Piece:
    """A line of a runtime's file: what the program printed, and what the runtime wrote around it."""

    line: str
    before: str
    content: str
    after: str
    stream: str
    is_last: bool


def goes_on(line: str) -> bool:
    """Whether more of this line follows in another one."""
    return bool(_CUT.match(line) or _CUT_BY_DOCKER.match(line))


def redacted(text: str, inner: Callable[[str], str]) -> str:
    """The text as `inner` redacts it with whole lines; those in which it finds nothing stay in their pieces."""
    is_cut = (" P " in text and _CUT.search(text)) or ('{"log":"' in text and _CUT_BY_DOCKER.search(text))
    if not is_cut:
        return inner(text)
    pieces: dict[str, str] = {}
    whole = "".join(_joined(text.splitlines(keepends=True), pieces))
    return "".join(pieces.get(line, line) for line in inner(whole).splitlines(keepends=True))


def _joined(lines: Iterable[str], pieces: dict[str, str]) -> Iterator[str]:
    """The lines with those that were cut in one, where the first piece is; `pieces` gets what each of them was."""
    made: list[str] = []
    cut: dict[str, tuple[int, list[_Piece]]] = {}

    def close(stream: str) -> None:
        at, found = cut.pop(stream)
        made[at] = _whole(found)
        pieces[made[at]] = "".join(it.line for it in found)

    for line in lines:
        found = _piece(line)
        if found is None or (found.is_last and found.stream not in cut):
            made.append(line)
            continue
        if found.stream not in cut:
            cut[found.stream] = (len(made), [])
            made.append("")
        cut[found.stream][1].append(found)
        if found.is_last:
            close(found.stream)
    for stream in tuple(cut):
        close(stream)
    yield from made


def _piece(line: str) -> _Piece | None:
    """What a line of a runtime says; nothing where it is another line."""
    if found := _CRI.match(line):
        is_last = found["tag"] == "F"
        return _Piece(line, f"{found['before']}{found['tag']} ", found["content"], "", found["stream"], is_last)
    if found := _DOCKER.match(line):
        content = found["content"]
        return _Piece(line, found["before"], content, found["after"], found["stream"], content.endswith("\\n"))
    return None


def _whole(pieces: Sequence[_Piece]) -> str:
    """One line of these, which begins as the first of them, and ends as the last."""
    first, last = pieces[0], pieces[-1]
    if not last.after:
        contents = [*(it.content.rstrip("\r\n") for it in pieces[:-1]), last.content]
        return f"{first.before[: -len('P ')]}{last.before[-len('F ') :]}{''.join(contents)}"
    return f"{first.before}{''.join(it.content for it in pieces)}{last.after}"
