# SPDX-License-Identifier: Apache-2.0
"""Finds secrets in text that has no structure as a whole: logs, messages, command lines, documents that were cut.

`harness/redaction/secret_names.py` says which names are a secret's, `harness/redaction/secret_values.py` where a value
ends, and `harness/redaction/secret_mentions.py` in which lines the rules could hold at all. A value with a form of its
own (a JSON web token, a key of a cloud) is in `harness/redaction/secret_forms.py` and needs no name.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.redaction import secret_code, secret_commands, secret_complaints, secret_entries, secret_sql
from harness.redaction.secret_mentions import lower
from harness.redaction.secret_names import MASK, is_harmless, is_secret
from harness.redaction.secret_prose import PROSE, STATUS, STATUS_WORDS
from harness.redaction.secret_values import QUOTE, WRAPPERS, Value, is_line_of_file, quoted_value, value_at

# Every name of a secret has one of these; its name is what is around it.
_CORE = re.compile(
    r"pass|pw|secret|token|cred|dockerc|signature|key|connection|session|psk|sas|otp|jwt|bearer|cookie|auth"
    r"|verifier|assertion|art-api|[._-]pat(?![a-z])|honeycomb-team|encrypt(?=[\"'=: ])"
)
_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./$-")
_NAME_END = re.compile(r"[\w./$-]*\w(?:\[\w+\]| (?:ID(?=\s*[:=]\s)|\d{1,2}(?=:\s)))?")
_ESCAPED = re.compile(r"(?<=\\)(?:[nrt]|u00[0-9a-fA-F]{2})|(?<=%)[0-9A-Fa-f]{2}")
# `API key: x`, `Secret Access Key: x`
_OF_WORDS = re.compile(
    r"(?i)(?<!existent )\b(?:api|access|account|certificate|client|encryption|private|recovery|secret|shared|signing"
    r"|unseal)"
    r"(?: access)? $"
)
_SEPARATOR = re.compile(
    rf"""(?x){QUOTE}?(?:\]|\)(?=\s*[-=]>)|(?:</?(?:b|code|strong)>|\*\*){{1,2}}(?=:\s))?(?P<sep>\s*
    (?: :\s*\w+(?:[\[<]\w+[\]>])?\s*=(?=\s*["'])
      | [:?]= | :\*\*(?=\s) | => | -> | =(?!=) | :(?!//|:|=) | %3[AaDd]
      | \\+u003[ad] | \((?=\s*["']) | \.{{4,}}(?=["']) )\s*
    (?:(?:(?:\w+\.)*(?!{WRAPPERS}\()[A-Z]\w*\(|ConvertTo-SecureString\s(?:-\w+\s)*)(?=["'])
      | \((?=["']) | \(\*?[\w.]+\)[ (]?(?:\(0x[0-9a-f]+\)\()?(?:\(len=\d+(?:\ cap=\d+)?\)[ ])?(?="))?)"""
)
_GAP = re.compile(rf"(?:{QUOTE}\s*,\s*|{QUOTE}\s+(?={QUOTE})|\s*,\s*|\s+)(?![-,|\])]|{QUOTE}-)(?=\S)")

# `DB_PASSWORD` in a field called name, and its value in one called value, in either order and in most notations.
# `(*string)("x")` and `(string) (len=1) "x"`, as Go prints a pointer and spew a string
_POINTER = r"""(?:\(\*?[\w.]+\)[ ]?(?:\(len=\d+\)[ ])?\(?(?="))?"""
_NAME = rf"\b(?i:name|key)(?:{QUOTE})?\s*[:=]\s*{_POINTER}(?:{QUOTE})?(?P<name>[\w.:-]+)(?:{QUOTE})?"
_VALUE = r"\b(?i:value)"
_BETWEEN = r"(?:[\s,;/]{1,100}[^{}<>]{0,80}?)?[\s,;]{0,20}"
_WORD = r"""(?:"[^"\n]{1,2000}"|'[^'\n]{1,2000}'|\\+"[^"\\\n]{1,2000}\\+"|[^\s"'`,;{}\\]{1,2000}+)"""
_NAME_VALUE = re.compile(
    rf"{_NAME}{_BETWEEN}(?P<quotes>{QUOTE})?(?P<field>{_VALUE})(?P<quote>{QUOTE})?(?P<sep>\s*[:=]\s*){_POINTER}"
)
# How Go prints an environment variable
_IN_STRUCT = re.compile(r"[^{}\n]{1,200}?(?= ValueFrom:)")
_VALUE_NAME = re.compile(rf"{_VALUE}(?P<quote>{QUOTE})?\s*[:=]\s*(?P<value>{_WORD}){_BETWEEN}{QUOTE}?{_NAME}")

_PROPERTY = re.compile(
    r"""(?:^\s*|(?P<quote>["']))(?P<name>[\w-]++\.[\w.-]++)[ \t]++(?!\[?(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR)\b)"""
    r"""(?P<value>(?![-=]>)[^\s=:"'](?(quote)(?>(?:[^\s"']|[^\S\r\n]++(?=\S))*)(?=["']|\s*$)|(?>(?:\S|[^\S\r\n]++(?=\S))*)(?=\s*$)))"""
)
_COMMAND = re.compile(
    r"^(\s*(?:ENV|ARG|setenv|set\s+-\w+|(?i:setx)|SET|spark\.conf\.set)\s+)(\w+)(\s+)"
    r"([^\s=](?>(?:\S|[^\S\n]++(?=\S))*))(\s*)$"
)
_TUPLE = re.compile(r"""(\(\s*(?![a-z]+,\s+[a-z]+\))['"]?([\w./-]+)['"]?\s*,\s*['"]?)([^()\s'"]+)(?=['"]?\s*\))""")
# Scala prints no blank behind the comma, and no quotes around what has blanks.
_SCALA_TUPLE = re.compile(
    r"""(\(([\w.$/-]+),)(?![\s"'])((?:[^()\n"']|(?<=\w)["'](?=\w)|\([^()\n"']{0,200}\)){1,500}?)(?=\)(?:[,)\]}\s]|$)|$)"""
)
# The same with both in quotes, also as the first arguments of a function
_QUOTED_PAIR = re.compile(
    r"""((?P<called>\w)?\(\s*(["'])(?P<name>[\w./-]+)\3\s*,\s*(["']))(?P<value>(?>(?:\\.|(?!\5).)+))(?=\5\s*(?:(?(called)[,)]|\))|$)|$)"""
)
_TABLE = re.compile(
    r"((?:^|(?<=[\"']))\s*[|│](?:[^|│]*[|│]){0,20}?\s*`?([\w.-]+)`?\s*[|│]\s*)"
    r"(?![^|│]*(?:\s[\w,;:.()'`-]+){5})([^|│\s](?>(?:[^|│\s]|\s++(?=[^|│\s]))*))(?=\s*(?:[|│]|$))"
)
# psql's, and no line of `docker compose logs`
_COLUMNS = re.compile(
    r"(^\s*(?!\S+-\d+\s)([\w.-]+)\s+[|│]\s+)(?![^|│]*(?:\s[\w,;:.()'`-]+){5})([^|│\s](?>(?:[^|│\s]|\s++(?=[^|│\s]))*))(?=\s*$)"
)
_TRIPLE = re.compile(r"(\{([A-Z][A-Z0-9_]+) )(\S+)(?= (?:nil|<nil>|&))")
_SET_IN_CI = re.compile(r"(::(?:set-output|set-env|save-state) name=([\w-]+)::)(\S(?>(?:\S|[^\S\n]++(?=\S))*))")
# Erlang prints `{password,"x"}` and `{password,<<"x">>}`.
_ERLANG = re.compile(r"(\{([a-z]\w{1,80}),\s?(?:<<)?\")((?>(?:\\.|[^\"\\\n])+))(?=\")")
# In an address that is part of another
_ENCODED_QUERY = re.compile(
    r"(?i)((?:[?&;]|%26|%3f)(?:sig|x-amz-(?:credential|signature|security-token)|x-goog-signature)%3d)"
    r"((?>(?:[^\s&%\"'<>#;]|%(?!26)[0-9a-f]{2})+))"
)
_TABBED = re.compile(r"(^\s*([\w.-]+)\t+)(\S+)(?=\s*$)")
# `set spark.x.password to y`; words without dots or underscores may be any sentence's
_SET_FROM = re.compile(
    r"((?<![\w.-])((?=[\w-]{1,120}[._])[\w.-]{1,200}+)\s+from\s+['\"\[]?)([^\s'\"\[\]]+)(?=['\"\]]?\s+to\b)"
)
_SET_TO = re.compile(
    r"""((?i:\b(?:set|setting|changed|changing|updated|updating|overrid(?:ing|e[ns]?|den)|replac(?:ed|ing)))\s+"""
    r"""(?:(?i:property|option|key|setting|parameter|variable|value\s+of)\s+)?["'`]?"""
    r"""((?=[\w-]{1,120}[._])[\w.-]{1,200}+)["'`]?\s+(?:\([^()\n]{1,80}\)\s+)?(?:from\s+\S+\s+)?(?:to|with):?\s+(?P<quote>["'`])?)"""
    r"""((?(quote)(?:(?!(?P=quote))[^\n])+|[^\s"'`]+))"""
)
# The last argument of what holds a user and a password
_LOGIN_OBJECT = re.compile(
    r"""(\b(?=[A-Z])\w*(?:Credentials?|BasicAuth|PasswordAuthentication)\(\s*+(?![a-z]\w*,\s[a-z]\w*\))(?:\w+\s*=\s*+)?["']?(?![\w.]+=)[^()"',\n]{1,200}["']?"""
    r"""\s*,\s*(?P<quote>["'])?)(?![\w.]+=)((?(quote)[^\n"']+|[^()"',\s]+))(?=(?(quote)["'])(?:\s*\)|\.to))"""
)
# A line of .netrc
_ALONE = re.compile(rf"(^\s+password[ ]+)(?!(?:{'|'.join(STATUS_WORDS)})\b)(\S+)(?=\s*$)")
# The second value of a change: `~ password = "old" -> "new"`
_CHANGED = re.compile(rf"{QUOTE}?(?:\((?:sensitive(?: value)?|known after apply)\))?\s*->\s*(?={QUOTE})")
_SAID = re.compile(
    r"(?i)(\b(?:pass(?:word|phrase)\s+(?:is|was|set to|now):?\s+|(?:api\s?key|token|secret)\s+"
    r"(?:is:?\s+(?=[\"'])|(?:is|value|provided|given|used):\s+)"
    r"|(?:generated|initial|temporary|random)\s(?:\w+\s){0,2}pass(?:word|phrase)\s(?:is\sgenerated\s)?for\s[^\s:]{1,200}:\s+)[\"']?)"
    r"(?=\S*[\d!@#$%^&*])([^\s,;\"']+)"
)
# `login failed with password x`; a word alone may say what kind of login it was
_TRIED = re.compile(
    r"(?i)(\bwith\s+(?:the\s+|an?\s+)?(?:password|passphrase|api\s?key|secret|token)\s+(?P<quote>[\"'`])?)"
    r"((?(quote)[^\n\"'`]+|(?=[^\s\"'`,;]*\d)[^\s\"'`,;=]{6,}))(?=(?(quote)[\"'`]|(?:[\s,;]|$)))"
)
_HEADER = re.compile(
    rf"""(?ix)
    ((?:(?<![\w/-])|(?<=\\[nrt]))(?:proxy-)?authorization(?:{QUOTE})?\s*(?:[:=,]|%3a|=>|(?=["'](?:basic|bearer|token)\s))\s*(?:\[\]string\s*\{{|\[*)\s*)
    (?P<quote>{QUOTE})?
    (?P<scheme>(?:basic|bearer|digest|negotiate|token|apikey|ntlm|splunk|aws4-hmac-sha256)\b[ ]+)?
    """
)
# Of these schemes, what follows in a log is no part of the header.
_ONE_WORD = re.compile(r"(?i)(?<=basic |earer )[\w.~+/*-]+=*(?=\s+(?:\||[\w.-]+=))")
_PARAMETERS = re.compile(r"""(?i)(?<=digest |sha256 )(?:[\w-]+=(?:"[^"\n]*"|[^\s,"]+)(?:,\s*)?)+""")
_COOKIE = re.compile(
    r"(?i)((?:(?<![\w-])|(?<=\\[nrt]))(?:set-)?cookie[\"']?\s*[:=]\s*\[?[\"']?)([^\s\"'](?:(?!\\[nr])[^\"'\]\r\n])*)"
)
_BEARER = re.compile(
    r"(?i)\b(bearer(?:\s+|%20))(?!realm=|token\b|auth)((?=[a-z._~+/-]*\d|[\w.~+/-]{20})[\w.~+/-]{8,}=*)"
)
_QUERY = re.compile(
    r"""(?i)([?&;](?:amp;)?(?:sig|code(?==(?!\d{1,4}(?![\w%/])))|key|delegation|x-amz-(?:credential|signature|security-token)|x-goog-signature)=)([^\s&"'<>#;]+)"""
)
_MAP = re.compile(r"(?i)((?:string)?data:\s*(?:map\[string\][\[\]\w]*\{|map\[))")
# fabric8's model, and that of Kubernetes' client for Python
_OBJECT_DATA = re.compile(r"(?i)(\b(?:string_?)?data=\{)((?!\})[^{}\n]++)")
_OBJECT = re.compile(r"\b(?:V1)?Secret\(|\bkind='?Secret\b")

# `Password: ServerAddress: …`, as Go prints a field without a value before the next
_EMPTY = re.compile(r"[A-Z]\w*:(?=[\s}])")
_IN_ARN = re.compile(r"arn:[\w-]*:secretsmanager:[\w-]*:\d*:\Z")
_LOGIN_CALL = re.compile(
    r"""(\.(?:auth|login|authenticate)\(\s*["'][^"'\n]{1,200}["']\s*,\s*(?P<quote>["']))((?:(?!(?P=quote))[^\n]){1,400})(?=(?P=quote)\s*[,)])"""
)
_REFERENCE = re.compile(r"""secretKeyRef\.[\w.-]+(?:\s+|\s*[=:]\s*)["']?$""")
_LONGEST_REFERENCE = 400
# Where an option is about a secret, and what follows is its name
_NAME_OF_SECRET = re.compile(
    r"\b(?:pulumi\s+config\s+set|(?:docker|podman|buildah|nerdctl|buildx|compose)\s[^|&;\n]{0,400})\s--secret\Z"
)
_SET_BY = re.compile(r"""(["'])(?:SET|set|export|env)[ ]\Z""")
_LONGEST_SETTER = 8
_INVALID = re.compile(r"""(?i)invalid value:\s*""")


def inline(line: str) -> str:
    """One line without the secrets that names in it give away."""
    lowered = line.lower()
    for words, rule in _RULES:
        for word in words:
            if word in lowered:
                line = rule(line)
                break
    return line


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
        if value is None:
            continue
        if value.text and not is_harmless(value.text, name):
            parts += [line[at : value.start], MASK]
            at = position = value.end
        changed = _CHANGED.match(line, value.end)
        value = value_at(line, changed.end()) if changed else value
        if changed and not is_harmless(value.text, name):
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
    if separator["sep"] == ":" and (
        "/" in line[start:end] or _IN_ARN.search(line, max(start - 80, 0), start) or is_line_of_file(line, end)
    ):
        # A method in an address: `/v1/tokens:generate`; the name of a secret, as AWS writes it; a place in a file.
        return None
    if line.startswith(".auth(", end - len(".auth")) and _LOGIN_CALL.search(line, max(end - 10, 0)):
        # `db.auth("user", "password")`
        return None
    if line[max(start - 2, 0) : start] == "${" and separator["sep"] == ":":
        # What stands for a variable that is not set, and not what a shell says of it
        begin = separator.end() + line.startswith(("-", "=", "+"), separator.end())
        return None if line.startswith("?", begin) else value_at(line, begin)
    if line.startswith("@", max(start - 1, 0)) and "(" in separator["sep"]:
        # An annotation of Java, which names the secret
        return None
    if secret_code.is_elsewhere(line, separator.end(), separator["sep"]):
        return None
    if secret_code.is_prompt(line, start, separator.end()):
        return None
    before = line[max(start - _LONGEST_REFERENCE, 0) : start]
    if "secretKeyRef." in before and _REFERENCE.search(before):
        return None
    # A quote before the name, with no backslash before it, which is closed behind the value
    is_open = line[end : end + 1] not in ("'", '"') and line[max(start - 2, 0) : max(start - 1, 0)] != "\\"
    value = value_at(line, separator.end(), _before(line, start) if is_open else "")
    if value.text[-1:] == ":" and _EMPTY.match(line, value.start):
        return None
    if secret_code.is_name(line, line[start:end], value.start, value.end):
        return None
    if separator["sep"].strip().lower() == "%3d" and not value.quoted:
        # An address within another: what follows is another field.
        size = value.text.find("%26")
        value = Value(value.start, value.start + size, value.text[:size]) if size > 0 else value
    first, value = value, secret_entries.whole(line, start, separator["sep"], value)
    if ":" not in separator["sep"] or value.quoted:
        return value
    if value.end > first.end and secret_entries.is_entry(line, start, value):
        return value
    invalid = _INVALID.match(line, separator.end())
    if invalid:
        return value_at(line, invalid.end())
    return None if separator["sep"][-1:].isspace() and PROSE.match(line, separator.end()) else value


def _before(line: str, start: int) -> str:
    """The character before a name; the quote before the command that sets it: `"SET spark.x.password=two words"`."""
    set_by = _SET_BY.search(line, max(start - _LONGEST_SETTER, 0), start)
    if line.endswith("&amp;", max(start - len("&amp;"), 0), start):
        return "&"  # Of an address in XML
    return set_by[1] if set_by else line[max(start - 1, 0) : start]


def _value_of_flag(line: str, start: int, end: int) -> Value | None:
    gap = _GAP.match(line, end) if line[start] == "-" and line[start + 1] != "." else None
    if gap is None or (start and line[start - 1].isalnum()):
        return None
    if line[start:end] == "--secret" and _NAME_OF_SECRET.search(line, 0, end):
        return None
    value = value_at(line, gap.end())
    return None if not value.quoted and STATUS.match(line, gap.end()) else value


def _names_and_values(line: str) -> str:
    """`name: DB_PASSWORD, value: x`."""

    def after(found: re.Match[str]) -> Value | None:
        if not is_secret(found["name"]):
            return None
        value = value_at(line, found.end())
        whole = _IN_STRUCT.match(line, value.start)
        if whole and not value.quoted:
            return Value(value.start, whole.end(), whole[0])
        return secret_entries.whole(line, found.start("field"), found["sep"], value)

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
        if line.startswith(MASK, start):
            continue
        end = quoted_value(line, found.end("quote"), found["quote"]).end if found["quote"] else _header_end(line, start)
        value = line[start:end]
        prose = not found["scheme"] and not found["quote"] and PROSE.match(line, start)
        if value and not prose and not is_harmless(value.strip(), "authorization"):
            line = line[:start] + MASK + line[end:]
            position = start + len(MASK)
    return line


def _header_end(line: str, start: int) -> int:
    """Where an unquoted header ends: at a quote that was opened before it, behind its one word, or with its line."""
    told = _ONE_WORD.match(line, start) or _PARAMETERS.match(line, start)
    if told:
        return told.end()
    return next((at for at in range(start, len(line)) if line[at] in "'\"]\r\n\\"), len(line))


def _dumps(line: str) -> str:
    """The data of a Secret as Go prints it: `Data:map[string][]uint8{…}`."""
    if "Secret" not in line:
        return line
    if _OBJECT.search(line):
        line = _OBJECT_DATA.sub(rf"\g<1>{MASK}", line)
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
    (secret_complaints.HINTS, secret_complaints.redact),
    (("credential", "basicauth", "authentication("), _by_pattern(_LOGIN_OBJECT, 0, 3)),
    ((".auth(", ".login(", ".authenticate("), _by_pattern(_LOGIN_CALL, 0, 3)),
    (("authorization",), _headers),
    (("data:", "data={"), _dumps),
    (("cookie",), _by_pattern(_COOKIE, 0, 2)),
    (("bearer",), _by_pattern(_BEARER, 0, 2)),
    (("value",), _names_and_values),
    (("",), _pairs),
    ((".",), _properties),
    (("env ", "arg ", "set"), _by_pattern(_COMMAND, 2, 4)),
    (("(",), _by_pattern(_QUOTED_PAIR, 4, 6)),
    (("(",), _by_pattern(_SCALA_TUPLE, 2, 3)),
    (("(",), _by_pattern(_TUPLE, 2, 3)),
    (("|", "│"), _by_pattern(_TABLE, 2, 3)),
    (("|", "│"), _by_pattern(_COLUMNS, 2, 3)),
    (("nil",), _by_pattern(_TRIPLE, 2, 3)),
    (("password ", "set to", "phrase ", "token ", "secret ", "key "), _by_pattern(_SAID, 0, 2)),
    ((" to ", " to: "), _by_pattern(_SET_FROM, 2, 3)),
    ((" to ", " to: ", " with ", " with: "), _by_pattern(_SET_TO, 2, 4)),
    (("with ",), _by_pattern(_TRIED, 0, 3)),
    (("::s",), _by_pattern(_SET_IN_CI, 2, 3)),
    (("password ",), _by_pattern(_ALONE, 0, 2)),
    (("\t",), _by_pattern(_TABBED, 2, 3)),
    (("{",), _by_pattern(_ERLANG, 2, 3)),
    (("%3d",), _by_pattern(_ENCODED_QUERY, 0, 2)),
    (("?", "&", ";"), _by_pattern(_QUERY, 0, 2)),
    *secret_sql.RULES,
    *secret_commands.RULES,
)
