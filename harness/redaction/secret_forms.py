# SPDX-License-Identifier: Apache-2.0
"""Secrets that are known by their own form, whatever they are called, and those that are encoded or in XML.

The forms of keys and tokens are those that their makers document, and that scanners such as detect-secrets look for.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable
from urllib.parse import unquote

from harness.redaction.secret_names import MASK, is_harmless, is_secret

# Each with the words that make it worth a try; the first group, if there is one, stays.
_FORMS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    # header.payload.signature, or five parts when it is encrypted; the header is JSON, so that it begins with {"
    (("eyJ",), re.compile(r"\beyJ[\w-]{6,}\.(?:eyJ)?[\w-]{6,}\.[\w-]*(?:\.[\w-]+)*")),
    (
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "_pat_"),
        re.compile(r"\b(gh[pousr]_|github_pat_|dckr_[po]at_)[\w-]{16,}"),
    ),
    (("dckr_oat_", "npm_", "hf_", "dop_v1_", "shp"), re.compile(r"\b(dckr_oat_|npm_|hf_|dop_v1_|shp\w\w_)[\w-]{16,}")),
    (
        (
            "glpat",
            "gldt",
            "glft",
            "glrt",
            "glptt",
            "gloas",
            "glsoat",
            "glcbt",
            "glimt",
            "glagent",
            "glsa",
            "glc_",
            "GR1348941",
        ),
        re.compile(r"\b(gl(?:pat|dt|ft|rt|ptt|oas|soat|cbt|imt|agent|sa)[-_]|glc_|GR1348941)[\w=.-]{16,}"),
    ),
    (("xox", "xapp"), re.compile(r"\b(xox[abeoprs]-|xapp-)[\w-]{10,}")),
    (
        ("sk-", "k_live_", "k_test_", "whsec_"),
        re.compile(r"\b(sk-(?:ant-|proj-)?|[srp]k_(?:live|test)_|whsec_)[\w-]{16,}"),
    ),
    (("pypi-", "lin_api_"), re.compile(r"\b(pypi-|lin_api_)[\w-]{16,}")),
    (("hvs.", "hvb.", "hvr.", "SG.", "GOCSPX", "ya29."), re.compile(r"\b(hv[sbr]\.|SG\.|GOCSPX-|ya29\.)[\w.-]{20,}")),
    (("NRAK", "dapi", "atlas"), re.compile(r"\b(NRAK-|dapi(?=[0-9a-f]{32})|atlasv1\.)[\w.-]{20,}")),
    (("AKC",), re.compile(r"(?<![\w+/])(AKC)[A-Za-z0-9]{10,}")),
    (("sq0",), re.compile(r"\b(sq0[a-z]{3}-)[\w-]{20,}")),
    (("-us",), re.compile(r"\b[0-9a-f]{32}(?=-us\d{1,2}\b)")),
    (("SK", "AC"), re.compile(r"\b(SK|AC)[0-9a-f]{32}\b")),
    (("api.softlayer.com",), re.compile(r"(api\.softlayer\.com/\w+/v[\d.]+/)[0-9a-f]{64}")),
    # A bot of Discord: its number in base64, a time, and a signature
    ((".",), re.compile(r"[MNO](?<![\w.-][MNO])[\w-]{23,27}\.[\w-]{6}\.[\w-]{27,38}(?![\w.-])")),
    (("AKIA", "ASIA", "A3T", "ABIA", "ACCA"), re.compile(r"\b(AKIA|ASIA|A3T[A-Z0-9]|ABIA|ACCA)[A-Z0-9]{16}\b")),
    (("AIza",), re.compile(r"\b(AIza)[\w-]{35}")),
    (("hooks.slack",), re.compile(r"(hooks\.slack\.com/(?:services|workflows)/)[\w/]+")),
    ((":AA",), re.compile(r"\b(\d{8,10}:AA)[\w-]{33}\b")),
    (("AGE-SECRET",), re.compile(r"\b(AGE-SECRET-KEY-1)[0-9A-Z]{20,}")),
    (("K10",), re.compile(r"\b(K10)[0-9a-f]{20,}::\w+:[^\s\"']+")),
    (
        ("$2", "$apr1", "$1$", "$5$", "$6$", "$y$", "$argon2"),
        re.compile(r"(\$(?:2[abxy]?|apr1|1|5|6|y|argon2\w*)\$)[\w./$=,+-]{16,}"),
    ),
    (("SHA}", "SHA256}", "SHA512}"), re.compile(r"(\{S?SHA\d*\})[A-Za-z0-9+/]{16,}=*")),
    (("8Q~", "7Q~"), re.compile(r"\b[\w~.-]{3}[78]Q~[\w~.-]{31,34}")),
    # 64 bytes in base64: an account key of Azure
    (("==",), re.compile(r"(?<![\w+/-])[A-Za-z0-9+/]{86}==")),
    # kubeadm's bootstrap tokens
    (("token", "kubeadm"), re.compile(r"(?<![\w.-])[a-z0-9]{6}\.(?=[a-z]*\d)(?=\d*[a-z])[a-z0-9]{16}(?![\w.-])")),
    (("Private-Lines",), re.compile(r"(Private-Lines: \d+\s+)(?:[A-Za-z0-9+/=]{4,}\s*)+")),
    (("x-oauth-basic@", ":@"), re.compile(r"""(://)[^\s/:@"']{8,}(?=:(?:x-oauth-basic)?@)""")),
    # user:password@ in an address; a port or a digest is none
    (
        ("://",),
        re.compile(
            r"""(://[^\s/:@"'<>\\]*:)(?!\d{1,5}/)(?!//)[^\s"'<>@]{1,512}(?:@[^\s"'<>@/.:]{1,512}){0,3}(?=@[\w\[$-])"""
        ),
    ),
    (("://",), re.compile(r"(://)(?=[^/@:\s]*\d)[\w.~%+-]{16,}(?=@[\w\[])")),
    (("jdbc:oracle",), re.compile(r"(jdbc:oracle:\w+:[^\s/@]+/)[^\s@]+(?=@)")),
    # The master password of Maven's settings-security.xml
    (("<master>",), re.compile(r"(<master>)[^<]+(?=</master>)")),
    # .pgpass: host, port, database and user
    (
        (":",),
        re.compile(
            r"^([ \t]*(?:- )?(?=[a-z*])[\w.*-]+:(?:\d{1,5}|\*):[\w.*-]+:[\w.*@-]+:)[^\s:]+(?=\s*$)", re.MULTILINE
        ),
    ),
    # Users of Kafka's and ZooKeeper's login modules
    (
        ("user_",),
        re.compile(
            r"""^(\s*user_(?!(?:agent|count|id|name|type)\b)\w+\s*=\s*["'])[^"'\n]+(?=["'];?\s*$)""", re.MULTILINE
        ),
    ),
)

_BEGIN_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
_END_KEY = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
_MAX_KEY = 40_000
# A line of a key whose end is missing: base64, a header, or nothing; a log may put its time before each.
_KEY_LINE = re.compile(
    r"\n[^\S\n]*(?:\S{0,40}[TZ: ]\S{0,20}\s)?"
    r"(?:[A-Za-z0-9+/]{16,}={0,2}|(?:Proc-Type|DEK-Info|Version|Comment):[^\n]*|)[\s\"',]*?(?=\n|$)"
)
_CUT_INLINE = re.compile(r"(?:\\+[nr]|[A-Za-z0-9+/=\s])*")
_BEHEADED = re.compile(
    r"(?:^[^\n]{0,80}(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40,}+[^\S\n]*+\n)++(?:^[^\n]{0,160}\n)?"
    r"(?=[^\n]{0,80}-----END [A-Z0-9 ]*PRIVATE KEY)",
    re.MULTILINE,
)

_LT, _GT = r"(?:<|&lt;|\\u003[cC])", r"(?:>|&gt;|\\u003[eE])"
_ELEMENT = re.compile(
    rf"({_LT}(?P<key>[\w.:-]+)(?:\s[^<>]{{0,200}}?)?{_GT}\s*(?:<!\[CDATA\[)?)"
    rf"(?P<value>[^<&\\]+|(?:(?!{_LT}/).){{1,400}}?)(?=(?:\]\]>)?\s*{_LT}/(?P=key){_GT})"
)
_NAMED = re.compile(r"""(<\w[\w.:-]*\s[^<>]*?\b(?:key|name)=["'](?P<key>[\w.-]+)["'][^<>]*>)(?P<value>[^<]+)(?=</)""")
_PROPERTY = re.compile(rf"{_LT}property{_GT}.*?{_LT}/property{_GT}", re.DOTALL)
_XML_NAME = re.compile(rf"{_LT}name{_GT}\s*(?P<key>[\w.-]+)\s*{_LT}/name{_GT}")
_XML_VALUE = re.compile(
    rf"({_LT}value{_GT}\s*(?:<!\[CDATA\[)?)(?P<value>.*?)(?=(?:\]\]>)?\s*{_LT}/value{_GT})", re.DOTALL
)

_XML_PAIR = re.compile(
    rf"({_LT}name{_GT}\s*(?P<key>[\w.-]+)\s*{_LT}/name{_GT}(?:(?!{_LT}name{_GT}).){{0,300}}?{_LT}value{_GT}\s*)"
    rf"(?P<value>(?:(?!{_LT}).)+)",
    re.DOTALL,
)

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])(?=[a-z0-9+/_-]*[A-Z])[A-Za-z0-9+/_-]{16,}={0,2}(?![A-Za-z0-9+/_])")
_WRAPPED = re.compile(r"(?m)(?:^[ \t]*[A-Za-z0-9+/]{48,}\r?\n)+^[ \t]*[A-Za-z0-9+/]+={0,2}[ \t]*$")
_PERCENT = re.compile(r"[\w.~+*-]*%(?:22|3[aAdD]|7[bB]|0[aA])[\w.~%+*-]+")
_MAX_DECODED = 4_000_000

Redact = Callable[[str], str]


_HCL = re.compile(
    r"""(\b(?:variable|output)\s+"(?P<key>[\w-]+)"\s*\{(?:[^{}]|\{[^{}]*\}){0,2000}?\b(?:default|value)\s*=\s*")"""
    r"""(?P<value>(?:\\.|[^"\\\n])+)(?=")"""
)


def redact(text: str) -> str:
    """The text without what is known by its form."""
    text = _private_keys(text)
    if 'variable "' in text or 'output "' in text:
        text = _HCL.sub(_mask_named, text)
    for words, form in _FORMS:
        for word in words:
            if word in text:
                text = form.sub(_keep_first, text)
                break
    return _xml(text)


def decoded(text: str, inner: Redact) -> str:
    """The text without base64 and percent-encoding that hides a secret, which `inner` finds in what it stands for."""

    def base64_run(found: re.Match[str]) -> str:
        decoded_text = _from_base64("".join(found[0].split()))
        return MASK if decoded_text and inner(decoded_text) != decoded_text else found[0]

    def percent_run(found: re.Match[str]) -> str:
        decoded_text = unquote(found[0])
        return MASK if inner(decoded_text) != decoded_text else found[0]

    if "\n" in text:
        text = _WRAPPED.sub(base64_run, text)
    if "%" in text:
        text = _PERCENT.sub(percent_run, text)
    return _BASE64.sub(base64_run, text)


def _keep_first(found: re.Match[str]) -> str:
    return (found[1] if found.re.groups else "") + MASK


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


def _xml(text: str) -> str:
    if not any(mark in text for mark in ("</", "&lt;/", "u003c/", "u003C/")):
        return text
    text = _PROPERTY.sub(_mask_property, text)
    for pattern in (_XML_PAIR, _ELEMENT, _NAMED):
        text = pattern.sub(_mask_named, text)
    return text


def _mask_property(found: re.Match[str]) -> str:
    """Hadoop's <property>, whichever of its elements comes first."""
    name = _XML_NAME.search(found[0])
    if not name or not is_secret(name["key"]):
        return found[0]
    return _XML_VALUE.sub(lambda it: it[0] if is_harmless(it["value"].strip(), name["key"]) else it[1] + MASK, found[0])


def _mask_named(found: re.Match[str]) -> str:
    value = found["value"].strip()
    # What follows the value stays, such as the end of its line.
    after = found["value"][len(found["value"].rstrip()) :]
    return (
        found[1] + MASK + after
        if value and is_secret(found["key"]) and not is_harmless(value, found["key"])
        else found[0]
    )


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
