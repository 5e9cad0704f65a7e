# SPDX-License-Identifier: Apache-2.0
"""Finds secrets in text that has no structure as a whole: logs, messages, command lines, documents that were cut.

`harness/redaction/secret_names.py` says which names are a secret's; a value with a form of its own (a JSON web token, a
key of a cloud) is in `harness/redaction/secret_forms.py` and needs no name.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass

from harness.redaction.secret_names import KEYS_OF, MASK, is_harmless, is_secret

# A quote as it is, within JSON strings of any depth, and as HTML, JSON and URLs write it.
QUOTE = r"""(?:\\*["'`]|&quot;|&\#3[49];|&apos;|\\+u002[27]|%2[27])"""

# Every name of a secret has one of these; its name is what is around it.
_CORE = re.compile(
    r"pass|pw|secret|token|cred|dockerc|signature|key|connection|session|psk|sas|otp|jwt|bearer|cookie|auth"
    r"|verifier|assertion|art-api"
)
_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./$-")
_NAME_END = re.compile(r"[\w./$-]*\w(?:\[\w+\])?")
_ESCAPED = re.compile(r"(?<=\\)(?:[nrt]|u00[0-9a-fA-F]{2})|(?<=%)[0-9A-Fa-f]{2}")
# `API key: x`, `Secret Access Key: x`
_OF_WORDS = re.compile(
    r"(?i)(?<!existent )\b(?:api|access|account|certificate|client|encryption|private|secret|shared|signing)"
    r"(?: access)? $"
)
_SEPARATOR = re.compile(
    rf"""(?x){QUOTE}?(?:\]|\)(?=\s*[-=]>))?(?P<sep>\s*
    (?: := | => | -> | =(?!=) | :(?!//|:|=) | %3[AaDd] | \\+u003[ad] | \((?=\s*["']) | \.{{4,}}(?=["']) )\s*
    (?:\(\*?[\w.]+\)\((?="))?)"""
)
_GAP = re.compile(rf"(?:{QUOTE}\s*,\s*|{QUOTE}\s+(?={QUOTE})|\s*,\s*|\s+)(?![-,|\])]|{QUOTE}-)(?=\S)")

_STATUS = (
    *("a", "access", "an", "and", "already", "any", "are", "as", "at", "be", "because", "before", "by", "can"),
    *("cannot", "check", "could", "denied", "did", "does", "duplicate", "empty", "error", "expired", "failed"),
    *("for", "forbidden", "from", "get", "has", "have", "head", "if", "illegal", "in", "incorrect", "invalid"),
    *("is", "it", "dial", "line", "malformed", "may", "mismatch", "missing", "must", "nil", "no", "none", "not"),
    *("of", "ok", "on", "or", "post", "put", "read", "refused", "rejected", "required", "revoked", "secret"),
    *("should", "signature", "since", "the", "this", "to", "too", "unable", "unauthorized", "unavailable"),
    *("undefined", "unexpected", "unknown", "unsupported", "using", "value", "valid", "was", "were", "will"),
    *("with", "wrong", "your", "you"),
)
# `DB_PASSWORD` in a field called name, and its value in one called value, in either order and in most notations.
_NAME = rf"\b(?i:name|key)(?:{QUOTE})?\s*[:=]\s*(?:{QUOTE})?(?P<name>[\w.:-]+)(?:{QUOTE})?"
_VALUE = r"\b(?i:value)"
_BETWEEN = r"(?:[\s,;/]+[^{}<>]{0,80}?)?[\s,;]{0,20}"
_WORD = r"""(?:"[^"\n]{1,2000}"|'[^'\n]{1,2000}'|\\+"[^"\\\n]{1,2000}\\+"|[^\s"'`,;{}\\]{1,2000}+)"""
_NAME_VALUE = re.compile(rf"{_NAME}{_BETWEEN}(?P<quotes>{QUOTE})?{_VALUE}(?P<quote>{QUOTE})?\s*[:=]\s*")
_VALUE_NAME = re.compile(rf"{_VALUE}(?P<quote>{QUOTE})?\s*[:=]\s*(?P<value>{_WORD}){_BETWEEN}{QUOTE}?{_NAME}")

_PROPERTY = re.compile(
    r"""(?:^\s*|["'])(?P<name>[\w-]++\.[\w.-]++)[ \t]++(?P<value>[^\s=:"'][^"'\r\n]*?)(?=["']|\s*$)"""
)
_MACHINE = re.compile(r"(\b(?:machine|login|default)\s+\S+\s+(?:(?:login|account)\s+\S+\s+){0,2}password\s+)(\S+)")
_SQL = re.compile(r"(?i)(\b(?:identified\s+(?:with\s+\w+\s+)?by|password)\s+)(['\"])((?:\\.|(?!\2).)+)(?=\2)")
_COMMAND = re.compile(r"^(\s*(?:ENV|ARG|setenv|set\s+-\w+|SET|spark\.conf\.set)\s+)(\w+)(\s+)([^\s=].*?)(\s*)$")
_TUPLE = re.compile(r"""(\(\s*['"]?([\w./-]+)['"]?\s*,\s*['"]?)([^()\s'"]+)(?=['"]?\s*\))""")
_TABLE = re.compile(r"(^\s*[|│](?:[^|│]*[|│])*?\s*`?([\w.-]+)`?\s*[|│]\s*)([^|│\s][^|│]*?)(?=\s*[|│])")
_TRIPLE = re.compile(r"(\{([A-Z][A-Z0-9_]+) )(\S+)(?= (?:nil|<nil>|&))")
_LOGIN = re.compile(
    r"(\b(?:login|sshpass|mysql\w*|mariadb|mongo\w*|redis-cli|ldap\w+|kinit|beeline|hive|7z)\b[^|&]{0,200}?"
    r"\s-[paw]\s*['\"]?)([^\s'\"-][^\s'\"]*)"
)
_CAPITAL = re.compile(
    r"(\b(?:sqlcmd|bcp|isql|unzip|zip|ssh-keygen|ftp|mosquitto_\w+)\b[^|&]{0,200}?\s-[PN]\s*['\"]?)([^\s'\"-]+)"
)
_ALIAS = re.compile(r"(\bmc\s+(?:alias\s+set|config\s+host\s+add)\s+\S+\s+\S+\s+\S+\s+['\"]?)([^\s'\"-]+)")
_ALIAS_OF_HADOOP = re.compile(r"(\bcredential\s+create\s+\S+\s[^|&]{0,200}?-v(?:alue)?\s+)(\S+)")
_DIRECTIVE = re.compile(r"(\b(?:requirepass|masterauth)\s+['\"]?)([^\s'\"=:]+)")
_MASKED_IN_CI = re.compile(r"(::add-mask::)(\S.*?)(?=\s*$)")
_SET_IN_CI = re.compile(r"(::(?:set-output|set-env|save-state) name=([\w-]+)::)(\S.*?)(?=\s*$)")
_TABBED = re.compile(r"(^\s*([\w.-]+)\t+)(\S+)(?=\s*$)")
# A line of .netrc
_ALONE = re.compile(rf"(^\s+password[ ]+)(?!(?:{'|'.join(_STATUS)})\b)(\S+)(?=\s*$)")
# The second value of a change: `~ password = "old" -> "new"`
_CHANGED = re.compile(rf"{QUOTE}?\s*->\s*(?={QUOTE})")
_USER = re.compile(
    r"(\b(?:curl|wget|http|crane|skopeo)\b.{0,200}?\s(?:-u|--(?:proxy-)?user)[\s=]*['\"]?[^\s:'\"]+:)([^\s'\"]+)"
)
_SAID = re.compile(r"(?i)(\bpass(?:word|phrase)\s+(?:is|was|set to|now):?\s+)(?=\S*[\d!@#$%^&*])([^\s,;]+)")
_PIPED = re.compile(
    r"(\b(?:echo|printf)\s+(?:-n\s+)?['\"]?)([^\s|'\"]+)(?=['\"]?\s*\|.{0,200}(?:password-stdin|\blogin\b))"
)
_BY_POSITION = re.compile(
    r"(\b(?:aws configure set \S*(?:secret|token)\S*|vault login|htpasswd -\w*b\w* \S+ \S+)\s+)([^\s=-][^\s=]*)(?=\s|$)"
)
_OPENSSL = re.compile(r"(-pass(?:in|out)?\s+pass:)(\S+)")
_LITERAL = re.compile(r"(--from-literal[= ]['\"]?[\w.-]+=['\"]?)([^\s'\"]+)")

_HEADER = re.compile(
    rf"""(?ix)
    ((?<![\w/-])(?:proxy-)?authorization(?:{QUOTE})?\s*(?:[:=,]|%3a|=>|(?=["'](?:basic|bearer|token)\s))\s*\[*\s*)
    (?P<quote>{QUOTE})?
    (?P<scheme>(?:basic|bearer|digest|negotiate|token|apikey|ntlm|splunk|aws4-hmac-sha256)\b[ ]+)?
    """
)
_COOKIE = re.compile(r"(?i)((?<![\w-])(?:set-)?cookie[\"']?\s*[:=]\s*\[?[\"']?)([^\s\"'][^\"'\]\r\n]*)")
_BEARER = re.compile(
    r"(?i)\b(bearer(?:\s+|%20))(?!realm=|token\b|auth)((?=[a-z._~+/-]*\d|[\w.~+/-]{20})[\w.~+/-]{8,}=*)"
)
_QUERY = re.compile(
    r"""(?i)([?&;](?:amp;)?(?:sig|code|key|x-amz-(?:credential|signature|security-token)|x-goog-signature)=)([^\s&"'<>#;]+)"""
)
_MAP = re.compile(r"(?i)((?:string)?data:\s*(?:map\[string\][\[\]\w]*\{|map\[))")

STATUS = re.compile(rf"(?i)(?:{'|'.join(_STATUS)})\b(?![\w@$!#%^*=+-])|[a-z][a-z/]*:\s|(?-i:[1-5]\d\d [A-Z][a-z]+)")
_PROSE = re.compile(
    rf"{STATUS.pattern}|(?-i:[A-Z]?[a-z]+,?\s+(?!(?:as|at|for|from|in|on|to|user|with)\b)[a-z]+(?:[\s,.;]|:\s|$))"
)
_INVALID = re.compile(r"""(?i)invalid value:\s*""")

_QUOTED = re.compile(QUOTE)
_BARE = re.compile(
    r"""(?x)(?![(\[{])(?:
        [^\s"'`,;&<>()\[\]{}|\\]
      | ,(?![\s"'\[{]|$|[\w.-]+[=:]) | ;(?=[^\s;=,&]+(?:[\s,;&]|$))(?![\w.-]+=) | &(?![\w.-]+=|amp;|quot;|\#|\s|&)
      | <(?![/\w!]) | >(?=\w) | \|(?=\w) | [("'`\[{](?=\w) | [)\]}](?=[\w!@\#$%^*]) | \\[ ] | \\(?!["'nrtu\\]|\s|$)
    )+"""
)
_QUERY_VALUE = re.compile(r"""[^\s&"'`<>#()\[\]\\]+""")
_JDBC_VALUE = re.compile(r"""[^\s;"'`<>\\]+""")
_JSON_STRING = re.compile(r'"((?:\\.|[^"\\])*)"?', re.DOTALL)
_SINGLE = re.compile(r"'((?:''|\\.|[^'\\])*)'?", re.DOTALL)
_BRACKETED = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]|\[\]\w+\{[^{}]*\}|\{[^{}]*\}")

# No rule about names holds in a line without one of these; a look for fixed words is much cheaper than any rule.
WORDS = (
    *("pass", "pwd", "token", "secret", "cred", "cookie", "auth", "bearer", "signature", "dockerc", "sig="),
    *("jaas", "key", "psk", "jwt", "sas", "otp", "connection", "session", "identified", "pw", "redis-cli"),
    *("kinit", "x-amz-", "code=", "x-goog", "curl", "crane", "skopeo", "from-literal", "data:", "login"),
    *("opaque", "mysql", "mariadb", "mongo", "user.info", "ldap", "8q~", "stringdata", "assertion", "verifier"),
    *("art-api", "beeline", "sqlcmd", "bcp ", "unzip", "zip -", "ssh-keygen", "::add-mask", "mc alias"),
    *("mosquitto", "mc config"),
)
_SHORT = re.compile(
    r"(?i)(?<![a-z])(?:psk|jwt|sas|t?otp|pw|(?:cert|key)s?\.data)(?![a-z])|(?:bind|root|(?-i:[a-z]P))pw\b"
)
_SHORT_WORDS = ("psk", "jwt", "sas", "otp", "pw")
# In lower case, since a search for text in any case is much slower.
_KEY_ENDS = re.compile("keys?(?![a-z]*(?:store|word|board))")
_KEY_SET = re.compile(r"""\bkey["']?\s*[:=]""")
_BEFORE_KEY = (*KEYS_OF, "?", "&", ";")
_LONGEST_BEFORE_KEY = max(map(len, _BEFORE_KEY)) + 1
_PRINTED_MAP = re.compile(r"data:\s*map\[")
_WEAK = frozenset(("key", *_SHORT_WORDS, "data:"))
# In a long text, an expression finds a word in half the time that `str.find` takes.
_SEARCHES = tuple((re.compile(re.escape(word)).search, word in _WEAK) for word in WORDS)
_STRONG = tuple(word for word in WORDS if word not in _WEAK)


def mentions(text: str) -> bool:
    """Whether a rule about names could hold somewhere in the text."""
    lowered = text.lower()
    return any(word in lowered for word in _STRONG) or _weak(text, lowered)


def _weak(text: str, lowered: str) -> bool:
    """Whether one of the words that are part of many others is there as a secret's name."""
    about_keys = "key" in lowered
    is_data = "data:" in lowered
    return (
        (about_keys and _names_a_key(lowered))
        or (is_data and bool(_PRINTED_MAP.search(lowered)))
        or (
            (any(it in lowered for it in _SHORT_WORDS) or ((about_keys or is_data) and ".data" in lowered))
            and bool(_SHORT.search(text))
        )
    )


def _names_a_key(lowered: str) -> bool:
    """Whether a key is set (`key: x`), or is of a kind that is secret (`access_key`)."""
    at = lowered.find("key")
    while at >= 0:
        before = lowered[max(at - _LONGEST_BEFORE_KEY, 0) : at]
        is_kind = before.endswith(_BEFORE_KEY) or (before[-1:] in " ._-" and before[:-1].endswith(_BEFORE_KEY))
        if (is_kind and _KEY_ENDS.match(lowered, at)) or _KEY_SET.match(lowered, at):
            return True
        at = lowered.find("key", at + 3)
    return False


def worth_a_look(lines: list[str]) -> list[int]:
    """The numbers of lines in which a rule about names could hold, in order."""
    distinct = list(dict.fromkeys(lines))
    numbers = _worth_a_look(distinct)
    if len(distinct) == len(lines):
        return sorted(numbers)
    found = {distinct[number] for number in numbers}
    return [number for number, line in enumerate(lines) if line in found] if found else []


def _worth_a_look(lines: list[str]) -> set[int]:
    lowered = lower("".join(lines))
    ends = list(itertools.accumulate(map(len, lines)))
    found: set[int] = set()
    for search, is_weak in _SEARCHES:
        hit = search(lowered)
        while hit:
            number = bisect.bisect_right(ends, hit.start())
            if number not in found and not (is_weak and not _weak(lines[number], lines[number].lower())):
                found.add(number)
            hit = search(lowered, ends[number])
    return found


def lower(text: str) -> str:
    """The text in lower case, with every character in its place."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := it.lower()) == 1 else it for it in text)


def inline(line: str) -> str:
    """One line without the secrets that names in it give away."""
    lowered = line.lower()
    for words, rule in _RULES:
        for word in words:
            if word in lowered:
                line = rule(line)
                break
    return line


@dataclass(frozen=True)
class Value:
    """Where a value is in its line, without its quotes."""

    start: int
    end: int
    text: str
    quoted: bool = False


def value_at(line: str, start: int, before: str = "") -> Value:
    """The value that begins at this place; `before` is the character before its name, which may say where it ends."""
    triple = line[start : start + 3]
    if triple in ('"""', "'''"):
        end = line.find(triple, start + 3)
        return Value(start + 3, end, line[start + 3 : end], quoted=True) if end > 0 else Value(start, start, "")
    quote = _QUOTED.match(line, start)
    if quote:
        return _quoted(line, quote.end(), quote[0])
    bracketed = _BRACKETED.match(line, start) if line[start : start + 1] == "[" else None
    if bracketed:
        return Value(start, bracketed.end(), bracketed[0])
    kind = _QUERY_VALUE if before and before in "?&" else _JDBC_VALUE if before == ";" else _BARE
    bare = kind.match(line, start)
    return Value(start, bare.end(), bare[0]) if bare else Value(start, start, "")


def _quoted(line: str, start: int, quote: str) -> Value:
    if quote in "\"'":
        found = (_JSON_STRING if quote == '"' else _SINGLE).match(line, start - 1)
        if found:
            return Value(start, found.end(1), found[1], quoted=True)
    end = line.find(quote, start)
    while end > 0 and line[end - 1] == "\\":
        end = line.find(quote, end + 1)
    end = end if end >= 0 else len(line.rstrip("\r\n"))
    return Value(start, end, line[start:end], quoted=True)


def _pairs(line: str) -> str:
    """`password=x`, `"token": "x"`, `--secret x` and `"--secret", "x"` anywhere in a line."""
    parts: list[str] = []
    at = position = 0
    lowered = lower(line)
    while found := _CORE.search(lowered, position):
        start, end = _name_around(line, found.start(), found.end())
        position = end
        name = line[start:end]
        value = _value_of(line, start, end) if is_secret(name.lstrip("-")) else None
        if value is not None and value.text and not is_harmless(value.text, name):
            parts += [line[at : value.start], MASK]
            at = position = value.end
            changed = _CHANGED.match(line, at)
            if changed:
                value = value_at(line, changed.end())
                parts += [line[at : value.start], MASK]
                at = position = value.end
    return "".join([*parts, line[at:]]) if parts else line


def _name_around(line: str, start: int, end: int) -> tuple[int, int]:
    """Where the name begins and ends that has this part."""
    while start > 0 and line[start - 1] in _NAME_CHARS:
        start -= 1
    escaped = _ESCAPED.match(line, start)
    if escaped and escaped.end() < end:
        start = escaped.end()
    found = _NAME_END.match(line, start)
    words = _OF_WORDS.search(line, max(start - 24, 0), start)
    return words.start() if words else start, found.end() if found else end


def _value_of(line: str, start: int, end: int) -> Value | None:
    """The value of the name between these places; None when none follows, or a sentence does."""
    if line.startswith("//", start):
        return None
    separator = _SEPARATOR.match(line, end)
    if separator is None:
        return _value_of_flag(line, start, end)
    if separator["sep"] == ":" and "/" in line[start:end]:
        # A method in an address: `/v1/tokens:generate`.
        return None
    value = value_at(line, separator.end(), line[max(start - 1, 0) : start])
    if ":" not in separator["sep"] or value.quoted:
        return value
    invalid = _INVALID.match(line, separator.end())
    if invalid:
        return value_at(line, invalid.end())
    return None if separator["sep"][-1:].isspace() and _PROSE.match(line, separator.end()) else value


def _value_of_flag(line: str, start: int, end: int) -> Value | None:
    gap = _GAP.match(line, end) if line[start] == "-" and line[start + 1] != "." else None
    if gap is None or (start and line[start - 1].isalnum()):
        return None
    value = value_at(line, gap.end())
    return None if not value.quoted and STATUS.match(line, gap.end()) else value


def _names_and_values(line: str) -> str:
    """`name: DB_PASSWORD, value: x`."""

    def after(found: re.Match[str]) -> Value | None:
        return value_at(line, found.end()) if is_secret(found["name"]) else None

    def before(found: re.Match[str]) -> Value | None:
        return value_at(line, found.start("value")) if is_secret(found["name"]) else None

    return _each(_each(line, _NAME_VALUE, after), _VALUE_NAME, before)


def _each(line: str, pattern: re.Pattern[str], value_of: Callable[[re.Match[str]], Value | None]) -> str:
    """The line with the value of each match masked, unless `value_of` has none or it is harmless."""
    parts: list[str] = []
    at = position = 0
    while found := pattern.search(line, position):
        value = value_of(found)
        if value is None or not value.text or is_harmless(value.text, found["name"]):
            position = max(found.end(), position + 1)
            continue
        parts += [line[at : value.start], MASK]
        at = position = max(value.end, at)
    return "".join([*parts, line[at:]]) if parts else line


def _headers(line: str) -> str:
    """`Authorization: Bearer x`, with all that follows until the header's end."""
    position = 0
    while found := _HEADER.search(line, position):
        start, position = found.end(), found.end()
        end = _quoted(line, found.end("quote"), found["quote"]).end if found["quote"] else _header_end(line, start)
        value = line[start:end]
        prose = not found["scheme"] and not found["quote"] and _PROSE.match(line, start)
        if value and not prose and not is_harmless(value.strip(), "authorization"):
            line = line[:start] + MASK + line[end:]
            position = start + len(MASK)
    return line


def _header_end(line: str, start: int) -> int:
    """Where an unquoted header ends: at a quote that was opened before it, or with its line."""
    return next((at for at in range(start, len(line)) if line[at] in "'\"]\r\n\\"), len(line))


def _dumps(line: str) -> str:
    """The data of a Secret as Go prints it: `Data:map[string][]uint8{…}`."""
    if "Secret" not in line:
        return line
    found = _MAP.search(line)
    return f"{line[: found.end()]}{MASK}{line[len(line.rstrip()) :]}" if found else line


def _by_pattern(pattern: re.Pattern[str], name: int, value: int) -> Callable[[str], str]:
    """A rule that masks a group where another one is a secret's name; with 0 as `name`, wherever it matches."""

    def rule(line: str) -> str:
        def masked(found: re.Match[str]) -> str:
            if (name and not is_secret(found[name].strip())) or is_harmless(found[value], found[name] if name else ""):
                return found[0]
            return found[0][: found.start(value) - found.start()] + MASK + found[0][found.end(value) - found.start() :]

        return pattern.sub(masked, line)

    return rule


def _properties(line: str) -> str:
    """`spark.hadoop.fs.s3a.secret.key   x`, as in spark-defaults.conf."""

    def after(found: re.Match[str]) -> Value | None:
        is_value = is_secret(found["name"]) and not STATUS.match(found["value"])
        return Value(found.start("value"), found.end("value"), found["value"]) if is_value else None

    return _each(line, _PROPERTY, after)


# Each with the words without which it does not hold.
_RULES: tuple[tuple[tuple[str, ...], Callable[[str], str]], ...] = (
    (("authorization",), _headers),
    (("data:",), _dumps),
    (("cookie",), _by_pattern(_COOKIE, 0, 2)),
    (("bearer",), _by_pattern(_BEARER, 0, 2)),
    (("value",), _names_and_values),
    (("",), _pairs),
    ((".",), _properties),
    (("env ", "arg ", "set"), _by_pattern(_COMMAND, 2, 4)),
    (("(",), _by_pattern(_TUPLE, 2, 3)),
    (("|", "│"), _by_pattern(_TABLE, 2, 3)),
    (("nil",), _by_pattern(_TRIPLE, 2, 3)),
    (("machine ", "login ", "default "), _by_pattern(_MACHINE, 0, 2)),
    (("identified ", "password '", 'password "'), _by_pattern(_SQL, 0, 3)),
    (
        (
            *("login", "sshpass", "mysql", "mariadb", "mongo", "user.info", "redis-cli", "ldap", "kinit", "beeline"),
            *("hive", "7z"),
        ),
        _by_pattern(_LOGIN, 0, 2),
    ),
    (("curl", "wget", "http ", "crane", "skopeo"), _by_pattern(_USER, 0, 2)),
    (("password is", "password was", "set to", "phrase is"), _by_pattern(_SAID, 0, 2)),
    (("login", "password-stdin"), _by_pattern(_PIPED, 0, 2)),
    (("aws configure", "vault login", "htpasswd"), _by_pattern(_BY_POSITION, 0, 2)),
    (("pass:",), _by_pattern(_OPENSSL, 0, 2)),
    (("sqlcmd", "bcp", "isql", "zip", "ssh-keygen", "ftp", "mosquitto"), _by_pattern(_CAPITAL, 0, 2)),
    (("mc ",), _by_pattern(_ALIAS, 0, 2)),
    (("credential create",), _by_pattern(_ALIAS_OF_HADOOP, 0, 2)),
    (("requirepass", "masterauth"), _by_pattern(_DIRECTIVE, 0, 2)),
    (("::add-mask",), _by_pattern(_MASKED_IN_CI, 0, 2)),
    (("::s",), _by_pattern(_SET_IN_CI, 2, 3)),
    (("password ",), _by_pattern(_ALONE, 0, 2)),
    (("\t",), _by_pattern(_TABBED, 2, 3)),
    (("from-literal",), _by_pattern(_LITERAL, 0, 2)),
    (("?", "&", ";"), _by_pattern(_QUERY, 0, 2)),
)
