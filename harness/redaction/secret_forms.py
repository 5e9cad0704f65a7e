# SPDX-License-Identifier: Apache-2.0
"""Secrets that are known by their own form, whatever they are called, and those that are encoded."""

from __future__ import annotations

import base64
import binascii
import html
import re
import zlib
from collections.abc import Callable
from urllib.parse import unquote

from harness.redaction import secret_xml
from harness.redaction.secret_form_table import FORMS, in_lines, keep_first
from harness.redaction.secret_names import MASK

_ANY_HINT = re.compile("|".join(hint.pattern for form in FORMS for hint in form.hints))
_SHORT = 400

# With four dashes, as ssh.com writes it
_BEGIN_KEY = re.compile(r"----[- ]BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?[- ]----")
_END_KEY = re.compile(r"----[- ]END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?[- ]----")
_MAX_KEY = 40_000
# A line of a key whose end is missing: base64, a header, or nothing; a log may put its time before each.
_KEY_LINE = re.compile(
    r"\n[^\S\n]*(?:\S{0,40}[TZ: ]\S{0,20}\s)?"
    r"(?:[A-Za-z0-9+/]{16,}={0,2}|(?:Proc-Type|DEK-Info|Version|Comment):[^\n]*|)[\s\"',]*?(?=\n|$)"
)
_CUT_INLINE = re.compile(r"(?:\\+[nr]|[A-Za-z0-9+/=\s])*")
_BEHEADED = re.compile(
    r"(?>(?:^[^\n]{0,80}(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40,}+[^\S\n]*+\n)+)(?:^[^\n]{0,160}\n)?"
    r"(?=[^\n]{0,80}-----END [A-Z0-9 ]*PRIVATE KEY)",
    re.MULTILINE,
)

# Base64, if it has a capital letter
_RUN = re.compile(r"[A-Za-z0-9+/_-]{16,}+={0,2}(?![A-Za-z0-9+/_])")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){12,}")
_UPPER = re.compile("[A-Z]")
_WRAPPED = re.compile(r"(?m)(?:^[ \t]*[A-Za-z0-9+/]{48,}\r?\n)+^[ \t]*[A-Za-z0-9+/]+={0,2}[ \t]*$")
_LONG_LINE = re.compile(r"\n[ \t]*[A-Za-z0-9+/]{48}")
_PERCENT = re.compile(r"(?<![\w.~%+*-])(?=[\w.~%+*-]*?%(?:22|3[aAdD]|7[bB]|0[aA]))[\w.~%+*-]+")
_ENTITY = re.compile(r"&(?:amp;)*(?:quot|apos|[gl]t|#0?3[49]|#x2[27]);")
_ENTITIES = re.compile(rf"(?:(?<=[<>\"\n])|^)(?=[^<>\"\n]*?{_ENTITY.pattern})[^<>\"\n]+")
_PRE = re.compile(r"<pre(?:\s[^<>]{0,500})?>")
_ESCAPED = re.compile(r"%(?:22|3[aAdD]|7[bB]|0[aA])[\w.~%+*-]")
_MAX_DECODED = 4_000_000

Redact = Callable[[str], str]


_HCL = re.compile(
    r"""(\b(?:variable|output)\s+"(?P<key>[\w-]+)"\s*\{(?:[^{}]|\{[^{}]*\}){0,2000}?\b(?:default|value)\s*=\s*")"""
    r"""(?P<value>(?:\\.|[^"\\\n])+)(?=")"""
)


_HCL_SECRET = re.compile(
    r"""\bresource\s+"kubernetes_secret(?:_v1)?"\s+"[\w-]+"\s*\{(?:[^{}]|\{[^{}]*\}){0,2000}?\bdata\s*=\s*\{[^{}]*\}"""
)
_HCL_DATA = re.compile(r"""(?:(?<==\s)|(?<=->\s))(\s*")(?:\\.|[^"\\\n])+(?=")""")


# shiro.ini of Zeppelin and others: `name = password, role`; a log may put its own before each line.
_INI_USERS = re.compile(r"\[users\][^\S\n]*\n(?:(?!.*\[(?:main|roles|urls)\]|\s*\[).*(?:\n|$)){1,200}")
_INI_USERS_INLINE = re.compile(r"\[users\]((?:\\r)?\\n[^\"\n]*)")
_INI_USER = re.compile(r"^((?:[^=\n]*\s)?[\w.@-]+[^\S\n]*=[^\S\n]*)[^\s,#;][^,\n]*", re.MULTILINE)
_INI_ROLES = re.compile(rf"{_INI_USER.pattern},[ ]*[\w*]|^\s*(?:admin|root|user\d+)\s*=", re.MULTILINE)
# `chpasswd: {list: …}` of cloud-init: `name:password`, each in a line
_CLOUD_USERS = re.compile(r"^([ ]*)(?:- )?chpasswd:[^\S\n]*\n(?:\1[ ]+\S.*(?:\n|$))+", re.MULTILINE)
_CLOUD_USER = re.compile(r"(?<=[\s\[,])([a-z_][\w.-]*:)(?!R(?:ANDOM)?\b)[^\s:,\]]+")


def redact(text: str) -> str:
    """The text without what is known by its form."""
    text = _private_keys(text)
    if 'variable "' in text or 'output "' in text:
        text = _HCL.sub(secret_xml.mask_named, text)
    if '"kubernetes_secret' in text:
        text = _HCL_SECRET.sub(_mask_data, text)
    if "[users]" in text:
        text = _INI_USERS_INLINE.sub(_mask_users_inline, _INI_USERS.sub(_mask_users, text))
    if "chpasswd:" in text:
        text = _CLOUD_USERS.sub(lambda found: _CLOUD_USER.sub(keep_first, found[0]), text)
    if len(text) > _SHORT or _ANY_HINT.search(text):
        once = each_line_once(text)
        for it in FORMS:
            if it.may_be_in(once):
                text = it.masked(text)
    return secret_xml.redact(text)


def each_line_once(text: str) -> str:
    """A text with the same lines, each of them once: documents repeat most of theirs."""
    lines = text.splitlines(keepends=True)
    distinct = dict.fromkeys(lines)
    return text if len(distinct) == len(lines) else "".join(distinct)


def unescaped(text: str, inner: Redact) -> str:
    """The text without the secrets in what HTML has escaped, which stays escaped."""

    def run(found: re.Match[str]) -> str:
        plain = html.unescape(found[0])
        made = inner(plain)
        return found[0] if made == plain else html.escape(made)

    text = _preformatted(text, inner) if "<pre" in text else text
    return in_lines(_ENTITY, text, lambda line: _ENTITIES.sub(run, line)) if "&" in text else text


def _preformatted(text: str, inner: Redact) -> str:
    """The text without the secrets in what HTML shows as it is laid out, which is read as a text of its own."""
    parts: list[str] = []
    at = 0
    while begin := _PRE.search(text, at):
        end = text.find("</pre>", begin.end())
        if end < 0:
            break
        body = text[begin.end() : end]
        plain = body if "<" in body else html.unescape(body)
        made = inner(plain)
        parts += [text[at : begin.end()], body if made == plain else made if plain is body else html.escape(made)]
        at = end
    return "".join([*parts, text[at:]]) if parts else text


def decoded(text: str, inner: Redact) -> str:
    """The text without base64 and percent-encoding that hides a secret, which `inner` finds in what it stands for."""

    def hides(run: str) -> bool:
        decoded_text = _from_base64("".join(run.split()))
        return bool(decoded_text) and inner(decoded_text) != decoded_text

    def percent_run(found: re.Match[str]) -> str:
        decoded_text = unquote(found[0])
        return MASK if inner(decoded_text) != decoded_text else found[0]

    if "\n" in text and _LONG_LINE.search("\n" + text):
        text = _WRAPPED.sub(lambda found: MASK if hides(found[0]) else found[0], text)
    if "%" in text:
        text = in_lines(_ESCAPED, text, lambda line: _PERCENT.sub(percent_run, line))
    found = set(_RUN.findall(each_line_once(text)))
    runs = {run for run in found if not run.islower() and _UPPER.search(run)}
    hidden = {run for run in runs if hides(run)}
    hidden |= {run for run in found if _HEX.fullmatch(run) and (plain := _from_hex(run)) and inner(plain) != plain}
    return _RUN.sub(lambda found: MASK if found[0] in hidden else found[0], text) if hidden else text


def _mask_users(found: re.Match[str]) -> str:
    """The passwords of users, where roles follow one of them."""
    return _INI_USER.sub(keep_first, found[0]) if _INI_ROLES.search(found[0]) else found[0]


def _mask_users_inline(found: re.Match[str]) -> str:
    """The same in a text whose lines are escaped."""
    users, section, rest = found[1].replace("\\n", "\n").partition("\n[")
    if not _INI_ROLES.search(users):
        return found[0]
    return f"[users]{_INI_USER.sub(keep_first, users)}{section}{rest}".replace("\n", "\\n")


def _mask_data(found: re.Match[str]) -> str:
    """The values of a Secret in HCL."""
    start = found[0].rindex("{")
    return found[0][:start] + _HCL_DATA.sub(keep_first, found[0][start:])


def _private_keys(text: str) -> str:
    """PEM, in one line or several, also when its end or its beginning was cut off."""
    if "PRIVATE KEY" not in text:
        return text
    parts: list[str] = []
    at = 0
    while begin := _BEGIN_KEY.search(text, at):
        stop = _key_end(text, begin.end())
        parts += [text[at : begin.end()], _masked_key(text, begin.start(), text[begin.end() : stop])]
        at = stop
    return _BEHEADED.sub(f"{MASK}\n", "".join([*parts, text[at:]]))


def _key_end(text: str, start: int) -> int:
    """Where the body of a key ends that begins here: at its last line, or where something else begins."""
    end = _END_KEY.search(text, start, start + _MAX_KEY)
    following = _BEGIN_KEY.search(text, start, start + _MAX_KEY)
    if end and (following is None or end.start() < following.start()):
        return end.start()
    at = text.find("\n", start)
    if text[start : at if at >= 0 else None].strip(" \r\"',;") or at < 0:
        inline = _CUT_INLINE.match(text, start)
        at = inline.end() if inline else len(text)
    while line := _KEY_LINE.match(text, at):
        at = line.end()
    return at


def _masked_key(text: str, begin: int, body: str) -> str:
    if body.strip() in ("", MASK):
        return body
    if "\n" not in body:
        return MASK
    before = text[text.rfind("\n", 0, begin) + 1 : begin]
    indent = before if not before.strip() else ""
    return f"\n{indent}{MASK}\n{indent}"


def _from_hex(run: str) -> str:
    """The text that these bytes are; empty when they are none, as those of a digest."""
    raw = bytes.fromhex(run)
    return raw.decode() if all(31 < it < 127 or it in (9, 10, 13) for it in raw) else ""


def _from_base64(run: str) -> str:
    """The text that this stands for, in either alphabet, packed or not; empty when it is none."""
    whole = run.rstrip("=").replace("-", "+").replace("_", "/")
    whole = whole[: len(whole) - (len(whole) % 4 == 1)]
    try:
        raw = base64.b64decode(whole + "=" * (-len(whole) % 4))
        if raw[:2] == b"\x1f\x8b":
            raw = zlib.decompressobj(wbits=31).decompress(raw, _MAX_DECODED)
        return raw.decode("utf-16-le" if raw[1:16:2].count(0) > 5 else "utf-8")
    except (binascii.Error, zlib.error, UnicodeDecodeError):
        return ""
