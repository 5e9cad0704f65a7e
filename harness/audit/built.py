# SPDX-License-Identifier: Apache-2.0
"""Texts that a program builds of parts: formats (`Sprintf`, `format!`, `%`), joins, and what is added with `+`.

What is read is the expression around the operator's name in any language; what is not written in it is a variable.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.releases.charts import CHART_NAME

UNKNOWN = "${_}"
"""Stands for a part that nobody can know."""

_FARTHEST = 400
_MOST = 300
_LONGEST = 24
"""So many parts are put together at most."""
_DEEPEST = 6
_BUILDS = re.compile(r"\+|\.\.|<>|%|join|format|printf|concat", re.I)
_START = re.compile(r"(?:(?<=[=(,:\[{>+\s&])|^)(?=[\"'`A-Za-z_&\[]|\$\.)", re.M)
_LITERAL = re.compile(r"[rfbu]{0,2}(?P<quote>[\"'`])(?P<text>(?:\\.|(?!(?P=quote))[^\n\\])*)(?P=quote)")
# Jsonnet's `$._config.version` is a variable of the same text.
_NAME = re.compile(r"(?:&|(?P<root>\$\.))?(?P<name>[A-Za-z_][\w.:]*!?)")
_KEYWORD = re.compile(r"(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*(?![=>])")
_PLUS = re.compile(r"\s*(?:\+|\.\.|<>|~)\s*")
_AFTER = re.compile(r"\s*\.(?P<name>format|formatted|join|joinToString|mkString|concat)\(\s*")
_ENDING = re.compile(r"\.(?:to_string|to_owned|into|as_str|trim|strip|toString|dup|clone)\(\)")
_PERCENT = re.compile(r"\s*%\s*")
_PERCENTS = re.compile(r"%(?:\(\w+\))?s")
_ARRAY = re.compile(r"(?:\[\]string|vec!|&|List\.of|Arrays\.asList|listOf|arrayOf)?\s*[\[{(]\s*")
_OPENED = {"[": "]", "{": "}", "(": ")"}
_FORMATS = ("sprintf", "format", "format!", "printf", "fsprintf", "interpolate")
_OF_PATHS = ("path", "posixpath", "filepath", "os.path", "paths")
_PLACE = re.compile(r"%(?:(?P<at>\d+)\$|\[(?P<go>\d+)\])?[svdq]|%\((?P<key>\w+)\)s|\{(?P<name>\w*)(?::[^{}]*)?\}")
_ASSIGNED = re.compile(
    r"\b(?P<name>[A-Za-z_]\w*)(?:[ \t]+string|[ \t]*+:[ \t]*+&?[\w' .]++)?[ \t]*+:?=[ \t]*"
    rf"[\"'](?P<value>[\w./-]*{CHART_NAME}[\w/-]*)[\"']"
)
_MOST_NAMES = 20
_PRINTF = re.compile(r"\bprintf[ \t]+(?=[\"'])")
_WORD = re.compile(
    r"[ \t]+(?:(?P<plain>\w[\w./:@-]*(?=[\s;|)}\"']|$))|(?=[\"'])|\((?P<inner>[^()\n]*)\)|(?P<other>[$.({][^\s\"']*))"
)


@dataclass(frozen=True, kw_only=True)
class Built:
    """What an expression from `start` to `end` becomes, with `${name}` for variables. `literals` are its texts, each
    with its offset.
    """

    text: str
    start: int
    end: int
    literals: tuple[tuple[int, str], ...] = ()
    parts: int = 1
    items: tuple[Built, ...] | None = None

    def place(self, words: Iterable[str]) -> tuple[int, int] | None:
        """Where one of some names is written, if that is in one place of its literals."""
        name = re.compile(rf"(?<![\w./-])(?:{'|'.join(map(re.escape, words))})(?![\w.-])")
        found = [(at + it.start(), at + it.end()) for at, literal in self.literals for it in name.finditer(literal)]
        return found[0] if len(found) == 1 else None


def around(text: str) -> Iterator[tuple[int, Built]]:
    """Each expression that is put together of several parts, and where the chart's name is written: in it, or in what
    is assigned to a variable of it.
    """
    end = 0
    seen: dict[int, Built | None] = {}
    for match in itertools.islice(re.finditer(re.escape(CHART_NAME), text), _MOST):
        found = _around(text, match.start(), CHART_NAME, seen) if match.start() >= end else None
        if found:
            end = found.end
            yield match.start(), found
    for match in list(_ASSIGNED.finditer(text))[:_MOST_NAMES]:
        for use in list(re.finditer(rf"\b{match['name']}\b", text))[:_MOST_NAMES]:
            within = match.start() <= use.start() < match.end()
            found = None if within else _around(text, use.start(), f"${{{match['name']}}}", seen)
            if found:
                yield match.start("value"), found
                break


def _around(text: str, offset: int, wanted: str, seen: dict[int, Built | None]) -> Built | None:
    """The expression around an offset; `seen` has those that were read before, by their starts."""
    first = max(0, offset - _FARTHEST)
    if not _BUILDS.search(text, first, offset + _FARTHEST):
        return None
    starts = list(_START.finditer(text, first, offset + 1))[-_MOST:]
    for start in starts:
        at = start.start()
        if at not in seen:
            seen[at] = _printed(text, at) or _expression(text, at, 0)
        found = seen[at]
        if found and found.end > offset and found.parts > 1 and found.items is None and wanted in found.text:
            return found
    return None


def _expression(text: str, at: int, depth: int) -> Built | None:
    """Operands with `+` between them."""
    made = _operand(text, at, depth)
    while made and made.items is None and made.parts < _LONGEST and (plus := _PLUS.match(text, made.end)):
        more = _operand(text, plus.end(), depth)
        if more is None:
            break
        made = _joined("", [made, more], made.start, more.end)
    return made


def _operand(text: str, at: int, depth: int) -> Built | None:
    if depth > _DEEPEST:
        return None
    literal = _LITERAL.match(text, at)
    if literal:
        words = literal["text"]
        made = Built(text=words, start=at, end=literal.end(), literals=((literal.start("text"), words),))
        return _continued(text, made, depth)
    array = _ARRAY.match(text, at)
    if array and array[0].strip() not in ("(", "{"):
        items = _arguments(text, array.end(), _OPENED[array[0].rstrip()[-1]], depth)
        return _continued(text, items, depth) if items else None
    name = _NAME.match(text, at)
    return _named(text, name, depth) if name else None


def _named(text: str, name: re.Match[str], depth: int) -> Built | None:
    """A variable, or a call."""
    written = name["name"].replace("::", ".").rstrip(".:")
    if text[name.end() : name.end() + 1] != "(":
        last = written.rpartition(".")[2]
        known = bool(name["root"]) or written in (last, f"self.{last}", f"this.{last}")
        return Built(text=f"${{{last}}}" if known else UNKNOWN, start=name.start(), end=name.end())
    given = _arguments(text, name.end() + 1, ")", depth)
    if given is None or given.items is None:
        return None
    owner, _, last = written.rpartition(".")
    last, items = last.lower(), given.items
    if last in _FORMATS and items and items[0].items is None:
        made = _formatted(items[0], items[1:], name.start(), given.end)
    elif last == "join" and items:
        made = _of_join(owner.lower(), items, name.start(), given.end)
    else:
        made = Built(text=UNKNOWN, start=name.start(), end=given.end)
    return _continued(text, made, depth)


def _of_join(owner: str, items: Sequence[Built], start: int, end: int) -> Built:
    """`String.join("/", …)`, `strings.Join([]string{…}, "/")`, `path.join(…)`."""
    if owner in _OF_PATHS:
        return _joined("/", items, start, end)
    lists = [it for it in items if it.items is not None]
    words = [it for it in items if it.items is None]
    if len(lists) == 1 and len(words) == 1:
        return _joined(words[0].text, lists[0].items or (), start, end)
    return _joined(items[0].text, items[1:], start, end)


def _continued(text: str, made: Built, depth: int) -> Built:
    """What a method or an operator makes of an operand."""
    while ending := _ENDING.match(text, made.end):
        made = replace(made, end=ending.end())
    after = _AFTER.match(text, made.end)
    if after:
        given = _arguments(text, after.end(), ")", depth)
        if given is None or given.items is None:
            return made
        if after["name"] in ("join", "joinToString", "mkString"):
            inner = given.items[0] if len(given.items) == 1 else given
            if made.items is not None:
                return _joined(inner.text, made.items, made.start, given.end)
            return _joined(made.text, inner.items or (inner,), made.start, given.end)
        if after["name"] == "concat":
            return _joined("", [made, *given.items], made.start, given.end)
        return _formatted(made, given.items, made.start, given.end)
    percent = _PERCENT.match(text, made.end) if _PERCENTS.search(made.text) and made.items is None else None
    if percent:
        opening = text[percent.end() : percent.end() + 1]
        given = (
            _arguments(text, percent.end() + 1, _OPENED[opening], depth)
            if opening in ("(", "[")
            else _operand(text, percent.end(), depth + 1)
        )
        if given:
            return _formatted(made, given.items if given.items is not None else (given,), made.start, given.end)
    return made


def _arguments(text: str, at: int, closing: str, depth: int) -> Built | None:
    """What stands between commas up to a closing bracket; `items` has each."""
    items: list[Built] = []
    start = at
    while len(items) <= _LONGEST:
        at = _blanks(text, at)
        if text.startswith(closing, at):
            return Built(text=UNKNOWN, start=start, end=at + 1, items=tuple(items), parts=len(items))
        keyword = _KEYWORD.match(text, at)
        item = _expression(text, keyword.end() if keyword else at, depth + 1) or _other(text, at)
        if item is None:
            return None
        items.append(replace(item, text=f"{keyword['name']}={item.text}") if keyword else item)
        at = _blanks(text, item.end)
        if text.startswith(",", at):
            at += 1
        elif not text.startswith(closing, at):
            other = _other(text, items[-1].start)
            if other is None:
                return None
            items[-1], at = other, other.end
            at += text.startswith(",", at)
    return None


def _other(text: str, at: int) -> Built | None:
    """Anything up to the next comma or bracket."""
    found = re.compile(r"[^,()\[\]{}\"'`\n]+").match(text, at)
    return Built(text=UNKNOWN, start=at, end=found.end()) if found else None


def _blanks(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _joined(separator: str, items: Sequence[Built], start: int, end: int) -> Built:
    return Built(
        text=separator.join(it.text for it in items),
        start=start,
        end=end,
        literals=tuple(one for it in items for one in it.literals),
        parts=sum(it.parts for it in items) + (len(items) == 1),
    )


def _formatted(form: Built, items: Sequence[Built], start: int, end: int) -> Built:
    """A format with its arguments in their places; a place with a name may be a variable's."""
    named = {name: value for it in items for name, equals, value in [it.text.partition("=")] if equals}
    plain = [it.text for it in items]
    taken = iter(plain)

    def one(match: re.Match[str]) -> str:
        name = match["name"]
        number = match["at"] or match["go"]
        if number or (name and name.isdigit()):
            at = int(number) - 1 if number else int(name)
            return plain[at] if 0 <= at < len(plain) else UNKNOWN
        if name or match["key"]:
            name = name or match["key"]
            return named.get(name, f"${{{name}}}")
        return next(taken, UNKNOWN)

    literals = (*form.literals, *(one for it in items for one in it.literals))
    return Built(text=_PLACE.sub(one, form.text), start=start, end=end, literals=literals, parts=1 + len(items))


def _printed(text: str, at: int) -> Built | None:
    """`printf "%s/%s" a b` of shells and of Go's templates, with blanks between the arguments."""
    command = _PRINTF.match(text, at)
    form = _operand(text, command.end(), 0) if command else None
    if form is None or form.items is not None:
        return None
    items: list[Built] = []
    end = form.end
    while word := _WORD.match(text, end):
        if word["plain"]:
            item = Built(
                text=word["plain"],
                start=word.start("plain"),
                end=word.end(),
                literals=((word.start("plain"), word["plain"]),),
            )
        elif word["inner"] is not None:
            item = Built(text=f"{{{{ {word['inner']} }}}}", start=word.start(), end=word.end())
        elif word["other"]:
            variable = re.fullmatch(r"\$\{?(\w+)\}?", word["other"])
            item = Built(text=f"${{{variable[1]}}}" if variable else UNKNOWN, start=word.start("other"), end=word.end())
        else:
            literal = _LITERAL.match(text, word.end())
            if literal is None:
                break
            shell = re.fullmatch(r"\$\{?(\w+)\}?", literal["text"])
            words = f"${{{shell[1]}}}" if shell else literal["text"]
            item = Built(
                text=words,
                start=literal.start(),
                end=literal.end(),
                literals=((literal.start("text"), literal["text"]),),
            )
        items.append(item)
        end = item.end
    return _formatted(form, items, at, end) if items else None
