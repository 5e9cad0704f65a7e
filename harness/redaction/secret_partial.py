# SPDX-License-Identifier: Apache-2.0
"""Lines that a container runtime has cut into several, which are read as the one that a program printed.

containerd and CRI-O write `<time> <stream> <tag> <content>`, with the tag `P` where more of the line follows and `F` at
its end (`docs/design` of CRI: kubelet-cri-logging). containerd cuts at 16 KiB, wherever that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

_LINE = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (std(?:out|err)) )([PF]) ")
_CUT = re.compile(rf"^{_LINE.pattern.replace('[PF]', 'P')}", re.MULTILINE)


def goes_on(line: str) -> bool:
    """Whether more of this line follows in another one."""
    return bool(_CUT.match(line))


def redacted(text: str, inner: Callable[[str], str]) -> str:
    """The text as `inner` redacts it with whole lines; those in which it finds nothing stay in their pieces."""
    if " P " not in text or not _CUT.search(text):
        return inner(text)
    pieces: dict[str, str] = {}
    whole = "".join(_joined(text.splitlines(keepends=True), pieces))
    return "".join(pieces.get(line, line) for line in inner(whole).splitlines(keepends=True))


def _joined(lines: Iterable[str], pieces: dict[str, str]) -> Iterator[str]:
    """The lines with those that were cut in one, where the first piece is; `pieces` gets what each of them was."""
    made: list[str] = []
    cut: dict[str, tuple[int, list[re.Match[str]]]] = {}

    def close(stream: str) -> None:
        at, found = cut.pop(stream)
        made[at] = _whole(found)
        pieces[made[at]] = "".join(it.string for it in found)

    for line in lines:
        found = _LINE.match(line)
        stream = found[2] if found else ""
        if found is None or (found[3] == "F" and stream not in cut):
            made.append(line)
            continue
        if stream not in cut:
            cut[stream] = (len(made), [])
            made.append("")
        cut[stream][1].append(found)
        if found[3] == "F":
            close(stream)
    for stream in tuple(cut):
        close(stream)
    yield from made


def _whole(pieces: Sequence[re.Match[str]]) -> str:
    """One line of these: the time of the first, and the tag and the end of the last."""
    contents = [it.string[it.end() :] for it in pieces]
    contents[:-1] = [it.rstrip("\r\n") for it in contents[:-1]]
    return f"{pieces[0][1]}{pieces[-1][3]} {''.join(contents)}"
