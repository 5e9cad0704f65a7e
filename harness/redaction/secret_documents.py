# SPDX-License-Identifier: Apache-2.0
"""Finds secrets by the structure of a document: in JSON, which is read and written again, and in values in memory."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from harness.redaction import secret_commands
from harness.redaction.secret_names import MASK, is_harmless, is_secret

Redact = Callable[[str], str]
NAMES = ("name", "key", "Name", "Key", "NAME", "KEY")
"""Keys of what a value is called that is beside it."""

_VALUES = frozenset({"value", "Value", "VALUE", "stringValue", "plain", "plaintext"})
_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_DOTTED = re.compile(r"[\w-]+(?:\.[\w-]+)+")
_FLAG = re.compile(r"--?(?=[A-Za-z])([\w.-]+)")
_PROGRAM = re.compile(
    r"(?:\S*/)?(?:curl|redis-cli|mysql\w*|mariadb|mongo\w*|sshpass|ldap\w+|beeline|cqlsh|kadmin|smbclient|wget|mc|sqlcmd)"
)
_SECRET_TYPES = ("Opaque", "kubernetes.io/", "helm.sh/release", "bootstrap.kubernetes.io/")


class Pairs:
    """A mapping of a document, which may have a key twice."""

    def __init__(self) -> None:
        self._pairs: list[tuple[Any, Any]] = []
        self._first: dict[Any, Any] = {}
        self.get = self._first.get
        """The first value of a key; None when it has none."""

    def add(self, key: Any, value: Any) -> None:
        """Add a pair."""
        self._pairs.append((key, value))
        self._first.setdefault(key, value)

    def items(self) -> Iterable[tuple[Any, Any]]:
        """All pairs."""
        return self._pairs

    def keys(self) -> Iterable[Any]:
        """All keys, each once."""
        return self._first.keys()


Place = tuple["Place", Any] | None
"""Where a value is in its document: the place of what holds it, and its key or number there. None is the whole."""


class Walk:
    """Goes through a value of mappings, sequences and scalars, and masks the secrets in it.

    `inner` redacts a string that no name says anything about.
    """

    def __init__(self, inner: Redact) -> None:
        self.places: list[Place] = []
        self._inner = inner

    @property
    def pointers(self) -> list[str]:
        """The places of what was masked, as JSON pointers (RFC 6901)."""
        return [_pointer(it) for it in self.places]

    def value(self, value: Any, name: str = "", place: Place = None) -> Any:
        """The value without its secrets; `name` is what it is called."""
        if isinstance(value, str):
            if name and is_secret(name) and not is_harmless(value, name):
                return self.masked(value, place)
            redacted = self._inner(value)
            return value if redacted == value else self.changed(value, redacted, place)
        if isinstance(value, Pairs | Mapping):
            return self._mapping(value, place, name)
        if isinstance(value, list | tuple):
            return self._sequence(value, name, place)
        if value is None or isinstance(value, bool):
            return value
        return self.masked(value, place) if name and is_secret(name) and not is_harmless(str(value), name) else value

    def masked(self, value: Any, place: Place) -> Any:
        """What stands in the place of a secret."""
        self.places.append(place)
        return MASK

    def changed(self, value: str, redacted: str, place: Place) -> Any:
        """What stands in the place of a string with a secret in it."""
        self.places.append(place)
        return redacted

    def _mapping(
        self, value: Mapping[Any, Any] | Pairs, place: Place, called: str = "", *, in_list: bool = False
    ) -> dict[Any, Any]:
        named = "" if _VALUES.isdisjoint(value.keys()) else _name_in(value) or called
        of_secret = in_list or _is_secret_object(value)
        listed = value.get("kind") == "SecretList"
        made: dict[Any, Any] = {}
        for key, item in value.items():
            if named and key in made and key in NAMES and isinstance(item, str):
                # `kubectl describe` prints a list as one mapping, with each name before its value.
                named = item
            here = (place, key)
            if key == "stringData" or (of_secret and key == "data" and _is_data(value, item)):
                made[key] = self._all(item, here)
            elif key == "encryptedData":
                # Of a SealedSecret
                made[key] = item
            elif listed and key == "items":
                # Items of a SecretList have no kind of their own.
                made[key] = [self._mapping(it, (here, at), in_list=True) for at, it in enumerate(_mappings(item))]
            elif named and key in _VALUES and is_secret(named):
                made[key] = self.value(item, named, here)
            else:
                # In an ExternalSecret, `secretKey` is the name of a key.
                is_name = key == "secretKey" and value.get("remoteRef") is not None
                made[key] = self.value(item, "" if is_name else str(key), here)
        return made

    def _sequence(self, value: Sequence[Any], name: str, place: Place) -> list[Any]:
        made, flag = [], ""
        if _is_pair(value):
            return [value[0], self.value(value[1], value[0], (place, 1))]
        texts = [it for it in value if isinstance(it, str)]
        if (
            len(texts) == len(value) > 2
            and not (name and is_secret(name))
            and any(_PROGRAM.fullmatch(it) for it in texts)
        ):
            return self._command(texts, place)
        for number, item in enumerate(value):
            is_text = isinstance(item, str)
            assigned = secret_commands.assigned(item, flag) if is_text else None
            if assigned and not (name and is_secret(name)):
                made.append(self.changed(item, assigned, (place, number)))
                flag = ""
                continue
            about = flag if is_text and flag and not item.startswith("-") else name
            made.append(self.value(item, about, (place, number)))
            found = _FLAG.fullmatch(item) if is_text else None
            flag = found[1] if found else ""
        return made

    def _command(self, words: Sequence[str], place: Place) -> list[Any]:
        """The arguments of a program, whose meaning the line of it says."""
        redacted = self._inner(shlex.join(words))
        try:
            made = shlex.split(redacted)
        except ValueError:
            made = []
        if len(made) != len(words):
            made = [MASK if redacted != shlex.join(words) else it for it in words]
        return [
            self.value(old, "", (place, number))
            if new == old
            else self.masked(old, (place, number))
            if new == MASK
            else self.changed(old, new, (place, number))
            for number, (old, new) in enumerate(zip(words, made, strict=True))
        ]

    def _all(self, value: Any, place: Place) -> Any:
        """Everything in the data of a Secret."""
        if isinstance(value, Mapping | Pairs):
            return {key: self._all(it, (place, key)) for key, it in value.items()}
        if isinstance(value, list | tuple):
            return [self._all(it, (place, number)) for number, it in enumerate(value)]
        return value if value in (None, "", "null", "{}", MASK) else self.masked(value, place)


def _is_pair(value: Sequence[Any]) -> bool:
    """Whether this is a header, or a property as Spark's REST API lists them: its name, and its value."""
    if len(value) != 2 or not isinstance(value[0], str):
        return False
    if value[0].lower() in _HEADERS:
        return True
    return isinstance(value[1], str) and bool(_DOTTED.fullmatch(value[0])) and is_secret(value[0])


def _name_in(value: Mapping[Any, Any] | Pairs) -> str:
    """What a mapping of a name and a value calls the value; empty when it says nothing."""
    path = value.get("path") if value.get("op") else None
    if isinstance(path, str):
        # JSON patch (RFC 6902)
        return "stringData.secret" if path.startswith("/stringData/") else path.rpartition("/")[2]
    return next((str(it) for it in map(value.get, NAMES) if isinstance(it, str)), "")


class WholeWalk(Walk):
    """Masks the whole of a string that has a secret in it."""

    def changed(self, value: str, redacted: str, place: Place) -> Any:
        """What stands in the place of a string with a secret in it."""
        return self.masked(value, place)


def in_json(text: str, inner: Redact) -> str | None:
    """A text that is JSON as a whole, without its secrets; None when it is none."""
    bare = text.strip()
    if bare[:1] not in ("{", "["):
        return None
    try:
        document = json.loads(bare)
        walk = Walk(inner)
        made = walk.value(document)
    except (ValueError, RecursionError):
        return None
    if not walk.places:
        return text
    start = text.index(bare[0])
    redacted = _dumped(made, bare)
    if "\\u003c" in bare or "\\u0026" in bare:
        # Go writes JSON so that it can be part of HTML.
        redacted = redacted.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text[:start] + redacted + text[start + len(bare) :]


def in_lines(text: str, inner: Redact, worth_a_look: Callable[[Sequence[str]], Sequence[int]]) -> str:
    """The text without the secrets in JSON that is part of its lines, such as the fields of a log's message."""
    if '"' not in text:
        return text
    lines = text.splitlines(keepends=True)
    for number in worth_a_look(lines):
        if '"' in lines[number]:
            lines[number] = _in_line(lines[number], inner)
    return "".join(lines)


def _in_line(line: str, inner: Redact) -> str:
    parts, at = [], 0
    for found in re.finditer(r'\{\s*"|\[\s*[{"]', line):
        if found.start() < at:
            continue
        try:
            _, end = _DECODER.raw_decode(line, found.start())
        except RecursionError:
            # Each bracket of the many would be tried in vain.
            break
        except ValueError:
            continue
        parts += [line[at : found.start()], in_json(line[found.start() : end], inner) or line[found.start() : end]]
        at = end
    return _cut(_STRING.sub(lambda found: _in_string(found[0], inner), "".join([*parts, line[at:]])), inner)


def _cut(line: str, inner: Redact) -> str:
    """A line that was cut within a string of JSON, without the secrets in what is left of that."""
    found = _OPEN.fullmatch(line)
    if not found:
        return line
    begun, rest, end = found.groups()
    try:
        decoded = json.loads(f'"{rest}"', strict=False)
    except ValueError:
        return line
    made = inner(decoded)
    return line if made == decoded else begun + json.dumps(made, ensure_ascii="\\ud" in rest.lower())[1:-1] + end


def _in_string(quoted: str, inner: Redact) -> str:
    """A string of JSON with several lines or with quotes in it, such as a field of a log."""
    try:
        decoded = json.loads(quoted, strict=False)
    except ValueError:
        return quoted
    made = inner(decoded)
    return quoted if made == decoded else json.dumps(made, ensure_ascii="\\ud" in quoted.lower())


_STRING = re.compile(r'(?<!\\)"(?=[^"]*\\)(?>(?:\\.|[^"\\])*)"')
# With a string that has no end; what has been cut within an escape loses that
_OPEN = re.compile(
    r"""((?>(?:[^"\\\n]++|\\.|"(?>(?:\\.|[^"\\])*)")*)(?<=[:=\[,(\s])")"""
    r"""((?=[^\n]*\\)(?>(?:\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}|[^"\\\r\n])*))((?:\\(?:u[0-9a-fA-F]{0,3})?(?:(?:\.{3}|…)[^"\\\r\n]*)?)?\r?\n?)"""
)
_DECODER = json.JSONDecoder()


def _dumped(value: Any, like: str) -> str:
    """JSON laid out as it was."""
    # Half a character, which JSON can name, cannot be written in UTF-8.
    ascii_only = "\\ud" in like.lower()
    indent = re.match(r"[{\[]\r?\n([ \t]+)", like)
    if indent:
        return json.dumps(value, indent=indent[1], ensure_ascii=ascii_only)
    spaced = bool(re.search(r'"\s*:\s|",\s', like))
    return json.dumps(value, separators=(", ", ": ") if spaced else (",", ":"), ensure_ascii=ascii_only)


def _is_secret_object(value: Mapping[Any, Any] | Pairs) -> bool:
    if value.get("kind") is not None:
        return bool(value.get("kind") == "Secret")
    kind = value.get("type")
    return isinstance(kind, str) and kind.startswith(_SECRET_TYPES)


def _is_data(value: Mapping[Any, Any] | Pairs, data: Any) -> bool:
    """Whether this is the data of a Secret, and not what a SecretProviderClass makes one of."""
    return not (isinstance(data, list) and value.get("secretName") is not None)


def _mappings(value: Any) -> list[Any]:
    return [it for it in value if isinstance(it, Mapping | Pairs)] if isinstance(value, list) else []


def _pointer(place: Place) -> str:
    parts: list[str] = []
    while place is not None:
        place, key = place
        parts.append(str(key).replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{it}" for it in reversed(parts))
