# SPDX-License-Identifier: Apache-2.0
"""Redacts evidence: names of secrets stay, values become ***, public certificates stay.

What is recognised: PEM private keys (also base64-encoded), JSON web tokens, Authorization headers, values of keys that
are called password, token, secret and the like, passwords in addresses, Docker credentials, the data of Kubernetes
Secrets in YAML and JSON, and secrets that the caller names.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

MASK = "***"

# Values of these keys are secret; a key may have any prefix (`DB_PASSWORD`, `spark.hadoop.fs.s3a.secret.key`).
_NAMES = (
    r"[\w./-]*?(?:password|passwd|passphrase|token|secret|credentials?|signature|dockerconfigjson|dockercfg"
    r"|client-key-data|private[._-]?key|secret[._-]?key|access[._-]?key(?:[._-]?id)?|api[._-]?key)"
    r"|_?auth"
)
_BEGIN_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")
_END_KEY = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # Authorization: Basic abc, "Authorization":["Bearer abc"]
    (
        re.compile(
            r"""(?i)(\b(?:proxy-)?authorization\b\\?["']?\s*[:=]\s*\[?\s*\\?["']?)"""
            r"""(?:(basic|bearer|digest|negotiate|token)\s+)?[^\s"'\\,\]]+"""
        ),
        rf"\1\2 {MASK}",
    ),
    (re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/-]{16,}=*"), rf"\1{MASK}"),
    # header.payload.signature; the header is a JSON object, so it begins with {" in base64
    (re.compile(r"\beyJ[\w-]{6,}\.eyJ[\w-]{6,}\.[\w-]*"), MASK),
    (re.compile(r"\b(gh[pousr]_|github_pat_|glpat-|dckr_pat_)\w{16,}"), rf"\1{MASK}"),
    (re.compile(r"(://[^\s/:@\"']*:)[^\s/@\"']+@"), rf"\1{MASK}@"),
    # "password": "x", and the same within a JSON string
    (re.compile(rf"""(?i)(["'](?:{_NAMES})["']\s*:\s*)(["'])(?!\2)(?:\\.|(?!\2).)*(\2|$)"""), rf"\1\2{MASK}\3"),
    (re.compile(rf"""(?i)(\\"(?:{_NAMES})\\"\s*:\s*\\")(?!\\")(?:(?!\\").)*"""), rf"\1{MASK}"),
    # {"name": "DB_PASSWORD", "value": "x"}, and the same within a JSON string
    (
        re.compile(rf"""(?i)("name"\s*:\s*"(?:{_NAMES})"\s*,\s*"value"\s*:\s*")(?!")(?:\\.|[^"\\])*"""),
        rf"\1{MASK}",
    ),
    (
        re.compile(rf"""(?i)(\\"name\\"\s*:\s*\\"(?:{_NAMES})\\"\s*,\s*\\"value\\"\s*:\s*\\")(?:(?!\\").)*"""),
        rf"\1{MASK}",
    ),
    # --password=x, SPARK_TOKEN=x, spark.authenticate.secret=x, ?signature=x
    (re.compile(rf"(?i)((?:^|[\s?&\"'(,\[])(?:--?)?(?:{_NAMES})=)[^\s&\"',)\]]+"), rf"\1{MASK}"),
    (re.compile(rf"(?i)((?:^|\s)--?(?:{_NAMES})\s+)(?!-)\S+"), rf"\1{MASK}"),
)

# No rule can hold in a line without one of these; most lines of a log have none, and a look is cheap.
_HINTS = (
    *("passw", "passphrase", "token", "secret", "credential", "signature", "docker", "key", "auth", "bearer"),
    *("eyj", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "_pat_", "glpat-", "@"),
)

# password: x, at the beginning of a line: elsewhere a colon belongs to a sentence ("invalid token: end of file").
# Quoted names are JSON's, and have their rule.
_YAML_SECRET = re.compile(rf"(?i)^(\s*(?:- )*(?:{_NAMES})\s*:\s+)(\S.*)$")
_HARMLESS_VALUE = re.compile(r"""(?i)^(?:true|false|null|~|""|''|\{\}|\[\]|<none>|<set to the key .*)\s*$""")
_BLOCK_SCALAR = re.compile(r"^[|>][+-]?\d?\s*$")
_ENV_NAME = re.compile(rf"""(?i)^\s*(?:- )*["']?name["']?:\s*["']?(?:{_NAMES})["']?,?\s*$""")
_ENV_VALUE = re.compile(r"""^(\s*["']?value["']?:\s+)(["']?)\S.*?(\2,?)\s*$""")

_BASE64_PEM = re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/]+=*")

_YAML_KEY = re.compile(r"""^(?P<lead>\s*(?:- )*)(?P<key>["']?[\w./-]+["']?):(?:\s+(?P<value>.*))?$""")
_YAML_SHAPE = re.compile(r"""^(?:\s*(?:- )*["']?[\w./-]+["']?:(?:\s|$)|\s+\S|\s*-\s|\s*#|\s*$|---)""")
_JSON_SECRET = re.compile(r"""\\?["']kind\\?["']\s*:\s*\\?["']Secret\\?["']""")
_JSON_DATA = re.compile(r"""\\?"(?:data|stringData)\\?"\s*:\s*\{""")
_JSON_MEMBERS = re.compile(
    r"""(?:\s*(?:"(?:\\.|[^"\\])*"\s*:\s*"(?:\\.|[^"\\])*"|\\"[^"\\]*\\"\s*:\s*\\"[^"\\]*\\")\s*,?)*\s*\}"""
)
_JSON_MEMBER = re.compile(r"""("(?:\\.|[^"\\])*"\s*:\s*)"(?:\\.|[^"\\])*"|(\\"[^"\\]*\\"\s*:\s*)\\"[^"\\]*\\\"""")

# A YAML document is looked at as a whole, since `kind` comes after `data`. Longer ones are cut, and then every `data`
# is taken for a Secret's.
_MAX_BLOCK_LINES = 20_000


@dataclass(frozen=True)
class Redactor:
    """Redacts text line by line, so that files of any size need little memory.

    `literals` are values that are secret wherever they appear, also base64- or URL-encoded.
    """

    literals: tuple[str, ...] = ()

    def text(self, text: str) -> str:
        """A whole text without its secrets."""
        return "".join(self.lines(io.StringIO(text)))

    def lines(self, lines: Iterable[str]) -> Iterator[str]:
        """Lines, with or without their ends, without their secrets; their number may shrink."""
        forms = _encodings(self.literals)
        for line in _without_keys(_without_secret_data(lines)):
            yield _replace(line, forms)

    def file(self, source: Path, target: Path) -> None:
        """Copy a file without its secrets. Bytes that are not UTF-8 are kept unless they are in a secret."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            source.open(encoding="utf-8", errors="surrogateescape", newline="") as reader,
            target.open("w", encoding="utf-8", errors="surrogateescape", newline="") as writer,
        ):
            writer.writelines(self.lines(reader))

    def tree(self, source: Path, target: Path) -> list[Path]:
        """Copy a folder without its secrets and return the new files. Links and special files are skipped."""
        written = []
        for folder, _, names in os.walk(source):
            for name in sorted(names):
                path = Path(folder) / name
                if path.is_file() and not path.is_symlink():
                    copy = target / path.relative_to(source)
                    self.file(path, copy)
                    written.append(copy)
        return written


def _encodings(literals: Sequence[str]) -> tuple[str, ...]:
    forms: set[str] = set()
    for literal in literals:
        if literal:
            forms |= {literal, quote(literal, safe=""), base64.b64encode(literal.encode()).decode()}
    return tuple(sorted(forms, key=len, reverse=True))


def _replace(line: str, literals: Sequence[str]) -> str:
    for literal in literals:
        line = line.replace(literal, MASK)
    lowered = line.lower()
    if any(hint in lowered for hint in _HINTS):
        for pattern, replacement in _RULES:
            line = pattern.sub(replacement, line)
    if "LS0tLS1CRUdJTi" in line:
        line = _BASE64_PEM.sub(_mask_base64_key, line)
    return _mask_json_data(line) if _JSON_SECRET.search(line) else line


def _mask_json_data(line: str) -> str:
    """The data of a Secret that is written in one line of JSON, also when that JSON is a string in JSON."""
    done = ""
    while found := _JSON_DATA.search(line):
        done += line[: found.end()]
        members = _JSON_MEMBERS.match(line, found.end())
        if members is None:
            # Better to lose the rest of the line than a secret.
            return done + MASK + _line_end(line)
        done += _JSON_MEMBER.sub(_mask_json_member, members[0])
        line = line[members.end() :]
    return done + line


def _mask_json_member(found: re.Match[str]) -> str:
    return f'{found[1]}"{MASK}"' if found[1] else f'{found[2]}\\"{MASK}\\"'


def _mask_base64_key(found: re.Match[str]) -> str:
    text = found[0]
    try:
        head = base64.b64decode(text[: min(len(text), 64) // 4 * 4])
    except binascii.Error:
        return MASK
    return MASK if b"PRIVATE KEY" in head else text


def _without_keys(lines: Iterable[str]) -> Iterator[str]:
    """Private keys in PEM, values of secret keys at the beginning of a line, and their continuation lines."""
    in_key = False
    deeper_than: int | None = None
    value_is_secret = False
    for line in lines:
        if in_key:
            end = _END_KEY.search(line)
            if end:
                in_key = False
                yield line[end.start() :]
            continue
        indent = len(line) - len(line.lstrip(" "))
        if deeper_than is not None:
            if not line.strip() or indent > deeper_than:
                continue
            deeper_than = None
        begin = _BEGIN_KEY.search(line)
        if begin:
            end = _END_KEY.search(line, begin.end())
            if end is None:
                in_key = True
                yield line[: begin.end()] + f"\n{' ' * indent}{MASK}\n{' ' * indent}"
                continue
            line = line[: begin.end()] + MASK + line[end.start() :]
        secret = _YAML_SECRET.match(line)
        if secret and not _HARMLESS_VALUE.match(secret[2]):
            if _BLOCK_SCALAR.match(secret[2]):
                deeper_than = indent
            line = f'{secret[1]}"{MASK}"{_line_end(line)}'
        elif value_is_secret:
            line = _ENV_VALUE.sub(_mask_env_value, line.rstrip("\r\n")) + _line_end(line)
        value_is_secret = bool(_ENV_NAME.match(line))
        yield line


def _mask_env_value(found: re.Match[str]) -> str:
    return f'{found[1]}"{MASK}"{"," if found[3].endswith(",") else ""}'


def _without_secret_data(lines: Iterable[str]) -> Iterator[str]:
    """The data of Secrets in YAML (and in JSON over several lines), whatever the order of their fields."""
    block: list[str] = []
    for line in lines:
        shaped = bool(_YAML_SHAPE.match(line)) or line[:1] in "{}[]"
        if block and (not shaped or line.startswith("---")):
            yield from _mask_secrets(block)
            block = []
        if not shaped:
            yield line
            continue
        block.append(line)
        if len(block) >= _MAX_BLOCK_LINES:
            yield from _mask_secrets(block, take_all=True)
            block = []
    yield from _mask_secrets(block)


def _mask_secrets(block: Sequence[str], *, take_all: bool = False) -> Iterator[str]:
    if not take_all and not any("Secret" in line for line in block):
        yield from block
        return
    keys = [_key(line) for line in block]
    masked: set[int] = set()
    for number, key in enumerate(keys):
        if key.name in ("data", "stringData") and (take_all or _belongs_to_secret(keys, number)):
            masked |= _members(keys, number)
    value_of: int | None = None
    for number, line in enumerate(block):
        key = keys[number]
        if number not in masked:
            value_of = None
            yield line
        elif key.name and (value_of is None or key.column <= value_of):
            # What is deeper than this name is its value, and is dropped.
            value_of = key.column
            yield _mask_member(line, key.value)
        elif line.strip() in ("}", "},"):
            yield line
        elif key.column != _NOWHERE and (value_of is None or key.column <= value_of):
            yield f'{" " * key.column}"{MASK}"{_line_end(line)}'


_NOWHERE = 1_000_000


@dataclass(frozen=True)
class _Key:
    """A `name: value` line of YAML or indented JSON; without a name when the line is something else.

    `column` is where the name, or else the text, begins; comments and empty lines are beyond every column.
    """

    column: int
    name: str = ""
    value: str = ""
    begins_item: bool = False


def _key(line: str) -> _Key:
    text = line.strip()
    if not text or text.startswith("#"):
        return _Key(_NOWHERE)
    found = _YAML_KEY.match(line.rstrip("\r\n"))
    if not found:
        return _Key(len(line) - len(line.lstrip(" ")))
    lead = found["lead"]
    return _Key(len(lead), found["key"].strip("\"'"), (found["value"] or "").strip(), begins_item="-" in lead)


def _belongs_to_secret(keys: Sequence[_Key], number: int) -> bool:
    """Whether a sibling of this key says `kind: Secret`."""
    column = keys[number].column

    def siblings() -> Iterator[_Key]:
        for key in reversed(keys[:number] if not keys[number].begins_item else ()):
            if key.column < column:
                break
            if key.column == column:
                yield key
                if key.begins_item:
                    break
        for key in keys[number + 1 :]:
            if key.column < column or (key.column == column and key.begins_item):
                break
            if key.column == column:
                yield key

    return any(key.name == "kind" and key.value.rstrip(",").strip("\"'") == "Secret" for key in siblings())


def _members(keys: Sequence[_Key], number: int) -> set[int]:
    """The lines of a mapping: everything further right than its key, or its own line when it is written in one."""
    if keys[number].value not in ("", "{"):
        return {number}
    lines = set()
    for at in range(number + 1, len(keys)):
        if keys[at].column <= keys[number].column:
            break
        lines.add(at)
    return lines


def _mask_member(line: str, value: str) -> str:
    if not value:
        return line
    head = line[: line.index(value, line.index(":") + 1)]
    if value.rstrip(",") in ("{}", "null"):
        return line
    return f'{head}"{MASK}"{"," if value.endswith(",") else ""}{_line_end(line)}'


def _line_end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]
