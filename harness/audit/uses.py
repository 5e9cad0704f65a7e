# SPDX-License-Identifier: Apache-2.0
"""Which registry a text puts before short names that a variable, a list, a loop or a matrix has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from harness.audit.expressions import EXPRESSION, Variables, is_known, named_by
from harness.audit.homes import Homes
from harness.audit.owners import Lines
from harness.audit.references import HUB_HOSTS

_HOST = r"[\w-]+(?:\.[\w-]+)+(?::\d+)?"
# `ghcr.io/$image`, `${SOURCE}/{{ item.name }}`, `"ghcr.io/" + image`
_JOINED = re.compile(
    rf"(?:(?<![\w./}}-])|(?<=//))(?P<host>{_HOST}|{EXPRESSION})/(?:[\w.-]+/)*"
    rf"(?:\$?(?P<variable>{EXPRESSION})|[\"'][ \t]*\+[ \t]*(?P<name>[A-Za-z_]\w*))"
)
_MAY_BE_JOINED = re.compile(r"/[$%#<_{\"']")
# `… | xargs -I{} crane pull ghcr.io/{}`
_PIPED = re.compile(rf"\b(?:xargs|parallel)\b[^|\n]{{0,300}}?(?P<host>(?<![\w./-]){_HOST})/(?:[\w.-]+/)*(?:\{{\}}|%)")
_HERE = re.compile(r"<<-?[ \t]*[\"']?(?P<end>\w+)")
_LOOP = re.compile(
    r"\bfor(?:each)?\s*\(?\s*\$?(?:(?:const|let|var|val|auto|String|string)\s+)?(?:_\s*,\s*)?(?P<name>[A-Za-z_]\w*)\s*"
    r"(?::?=\s*range|in|of|:)\s+(?P<over>(?:[^\n\\]|\\.|\\\n){1,2000})"
)
# `while read -r source target; do …; done <<EOF`
_READ = re.compile(
    r"\bwhile\s[^\n;]*?\bread\s+(?:-\w+\s+)*(?P<names>[A-Za-z_]\w*(?:[ \t]+[A-Za-z_]\w*){0,5})[ \t]*[;\n]"
    r"(?:(?!\bdone\b).){0,1000}?\bdone\s*<<-?[ \t]*[\"']?(?P<end>\w+)[\"']?[^\n]*\n"
    r"(?P<over>.{0,20000}?)^[ \t]*(?P=end)[ \t]*$",
    re.M | re.S,
)
# `IMAGES.forEach((image) => …)`, `IMAGES.each do |image|`
_CALL = re.compile(
    r"(?P<over>[A-Za-z_]\w*)\.(?:for_?[eE]ach|map|flatMap|each)\s*(?:\(|\{|\bdo\b)\s*[(|]?\s*(?:async\s*\(?\s*)?(?P<name>[A-Za-z_]\w*)"
)
# What Ansible and Terraform call each of several.
_EACH = re.compile(r"\b(?P<what>loop|with_items|with_list|for_each)\s*[:=](?P<over>[^\n]*)")
_CALLED = {"for_each": ("value", "key")}
_ITEM = ("item",)
_TOLD = re.compile(r"\b(?:echo|printf|print|log|info|name|display_?name)\b", re.I)


class Uses:
    """Looks for what stands before a variable where it is used."""

    def __init__(self, homes: Homes, lines: Lines, variables: Variables) -> None:
        self._lines = lines
        self._variables = variables
        self._upstream = HUB_HOSTS | homes.registries

    def registry(self, offset: int, owners: Sequence[str]) -> str | None:
        """The registry before the short name at an offset; upstream's if there are several. It is empty where it cannot
        be known, None where the name is used as it is, or where no use of it is found.
        """
        piped = next((host for first, last, host in self._piped if first <= offset < last), None)
        if piped:
            return piped
        names = self.names(offset, owners)
        hosts = [self._variables.filled(host) for host, name in self._joined if name in names]
        upstream = next((it for it in hosts if it in self._upstream), "")
        if upstream or not hosts:
            return upstream or None
        if any(self._is_used_alone(it) for it in names):
            return None
        return next((it for it in hosts if is_known(it)), "")

    def names(self, offset: int, owners: Sequence[str]) -> set[str]:
        """What a text calls the value at an offset, whose keys are given: as a variable, in a loop, or of a line."""
        names = {*owners[:1]}
        for loop in self._loops:
            if loop.start("over") <= offset < loop.end("over") or any(_has_word(loop["over"], it) for it in names):
                names.add(loop["name"])
        for each in self._each:
            if each["what"] in names or any(_has_word(each["over"], it) for it in names):
                names.update(_CALLED.get(each["what"], _ITEM))
        for read in self._read:
            if read.start("over") <= offset < read.end("over"):
                before = self._lines.before(offset).split()
                names.update(read["names"].split()[len(before) :][:1])
        return names

    @cached_property
    def _joined(self) -> list[tuple[str, str]]:
        found = _JOINED.finditer(self._lines.text) if _MAY_BE_JOINED.search(self._lines.text) else ()
        return [(it["host"], it["name"] or named_by(it["variable"])) for it in found]

    @cached_property
    def _loops(self) -> list[re.Match[str]]:
        return [*_LOOP.finditer(self._lines.text), *_CALL.finditer(self._lines.text)]

    @cached_property
    def _piped(self) -> list[tuple[int, int, str]]:
        """Where words stand that a command gets one by one, and the registry that it puts before them."""
        found, text = [], self._lines.text
        for it in _PIPED.finditer(text) if "xargs" in text or "parallel" in text else ():
            begin, end = text.rfind("\n", 0, it.start()) + 1, it.start()
            here = _HERE.search(text, begin, text.find("\n", it.end()) % (len(text) + 1))
            if here:
                end = text.find(f"\n{here['end']}", it.end()) % (len(text) + 1)
            found.append((begin, end, it["host"]))
        return found

    @cached_property
    def _read(self) -> list[re.Match[str]]:
        return list(_READ.finditer(self._lines.text)) if "done" in self._lines.text else []

    @cached_property
    def _each(self) -> list[re.Match[str]]:
        return list(_EACH.finditer(self._lines.text))

    def _is_used_alone(self, name: str) -> bool:
        """Whether a variable is used without a registry before it, other than to tell its value or to go through it."""
        return any(
            not _TOLD.search(before) and not re.search(r"\bfor\b.*\b(?:in|of|range)\s[^;]*$", before)
            for before in self._before_uses(name)
        )

    def _before_uses(self, name: str) -> Iterator[str]:
        for it in re.finditer(EXPRESSION, self._lines.text):
            # Make has two signs before a variable of the shell.
            before = self._lines.before(it.start()).rstrip("$")
            if named_by(it[0]) == name and (not before.endswith("/") or before.endswith("://")):
                yield before


def _has_word(text: str, word: str) -> bool:
    return bool(re.search(rf"(?<![\w-]){re.escape(word)}(?!\w)", text))
