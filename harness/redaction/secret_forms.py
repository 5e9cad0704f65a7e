# SPDX-License-Identifier: Apache-2.0
"""Secrets that are known by their own form, whatever they are called, and those that are encoded.

The forms of keys and tokens are those that their makers document, and that scanners such as detect-secrets look for.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from harness.redaction import secret_xml
from harness.redaction.secret_names import MASK


@dataclass(frozen=True)
class _Form:
    """Something known by its form, of which the first group stays.

    It is looked for only where one of the `hints` is. A hint begins with characters that are rare, since a search for
    them takes a tenth of what a search for the form takes. One of `beside` has to be somewhere in the text as well.
    """

    hints: tuple[re.Pattern[str], ...]
    form: re.Pattern[str]
    beside: tuple[str, ...] = ()
    in_line: bool = True
    """Whether only lines with a hint are looked at: not if it may go on in the next line, or if most lines have one."""

    def may_be_in(self, text: str) -> bool:
        """Whether it is worth a look."""
        return any(hint.search(text) for hint in self.hints) and (
            not self.beside or any(word in text for word in self.beside)
        )

    def masked(self, text: str) -> str:
        """The text without it."""
        if not self.in_line:
            return self.form.sub(_keep_first, text)
        for hint in self.hints:
            text = _in_lines(hint, text, lambda line: self.form.sub(_keep_first, line))
        return text


def _form(hints: Sequence[str], form: str, *beside: str, in_line: bool = True) -> _Form:
    return _Form(tuple(map(re.compile, hints)), re.compile(form, re.MULTILINE), beside, in_line)


def _in_lines(hint: re.Pattern[str], text: str, changed: Callable[[str], str]) -> str:
    """The text with its lines changed that have a hint, which are few; nothing else of it is looked at twice."""
    parts: list[str] = []
    at = 0
    while found := hint.search(text, at):
        start = text.rfind("\n", at, found.start()) + 1 or at
        end = text.find("\n", found.end())
        end = end if end >= 0 else len(text)
        parts += [text[at:start], changed(text[start:end])]
        at = end
    return "".join([*parts, text[at:]]) if parts else text


_FORMS = (
    # header.payload.signature, or five parts when it is encrypted; the header is JSON, so that it begins with {"
    _form(["eyJ"], r"\beyJ[\w-]{6,}\.(?:eyJ)?[\w-]{6,}\.[\w-]*(?:\.[\w-]+)*"),
    _form(["gh[pousr]_", "_[po]at_"], r"\b(gh[pousr]_|github_pat_|dckr_[po]at_)[\w-]{16,}"),
    _form(["dckr_oat_", "npm_", "hf_", "dop_v1_", r"shp\w\w_"], r"\b(dckr_oat_|npm_|hf_|dop_v1_|shp\w\w_)[\w-]{16,}"),
    _form(
        ["gl(?:pat|dt|ft|rt|ptt|oas|soat|cbt|imt|agent|sa)[-_]", "glc_", "GR1348941"],
        r"\b(gl(?:pat|dt|ft|rt|ptt|oas|soat|cbt|imt|agent|sa)[-_]|glc_|GR1348941)[\w=.-]{16,}",
    ),
    _form(["xox[abeoprs]-", "xapp-"], r"\b(xox[abeoprs]-|xapp-)[\w-]{10,}"),
    _form(["sk-", "k_live_", "k_test_", "whsec_"], r"\b(sk-(?:ant-|proj-)?|[srp]k_(?:live|test)_|whsec_)[\w-]{16,}"),
    _form(["pypi-", "lin_api_"], r"\b(pypi-|lin_api_)[\w-]{16,}"),
    # Vault's tokens before its version 1.10
    _form([r"[sbr]\.[A-Za-z0-9]{24}(?!\w)"], r"(?<![\w.-])([sbr]\.)(?=[A-Za-z]*\d)[A-Za-z0-9]{24}\b", "ault", "VAULT"),
    _form([r"hv[sbr]\.", r"SG\.", "GOCSPX-", r"ya29\."], r"\b(hv[sbr]\.|SG\.|GOCSPX-|ya29\.)[\w.-]{20,}"),
    _form(["NRAK-", "dapi[0-9a-f]", r"atlasv1\."], r"\b(NRAK-|dapi(?=[0-9a-f]{32})|atlasv1\.)[\w.-]{20,}"),
    _form(
        ["ATATT3", "nvapi-", "GOOG1E", "PMAK-", r"dt0c01\.", "tskey-", "sntry[su]_", "glsa_"],
        r"\b(ATATT3|nvapi-|GOOG1E|PMAK-|dt0c01\.|tskey-(?:\w+-)?|sntry[su]_|glsa_)[\w.=-]{20,}",
    ),
    # A login of ECR: {"payload":"…
    _form(["eyJwYXlsb2FkIjoi"], r"\b(eyJwYXlsb2Fk)[\w+/=-]{20,}"),
    # A reference token of Artifactory: reftkn:, in base64
    _form(["cmVmdGtuOj"], r"\b(cmVmdGtuOj)[A-Za-z0-9+/=]{20,}"),
    _form(["LTAI"], r"\b(LTAI)[A-Za-z0-9]{12,20}\b"),
    # A session of AWS
    _form(["IQoJb3JpZ2lu", "FwoGZXIvYXdz"], r"(?<![\w+/])(IQoJb3JpZ2lu|FwoGZXIvYXdz)[\w+/-]{20,}={0,2}"),
    # What `aws sts … --output text` prints: the id of a key, when it ends, the key and its session
    _form(["CREDENTIALS\t"], r"(^CREDENTIALS\t[^\t\n]+\t[\dT:+Z.-]+\t)[^\t\n]+\t\S+"),
    # OpenShift, Docker Swarm, EKS and 1Password
    _form(
        ["sha256~", "SWMTKN-1-", r"k8s-aws-v1\.", "ops_eyJ"],
        r"(?<![\w-])(sha256~|SWMTKN-1-|k8s-aws-v1\.|ops_eyJ)[\w-]{24,}",
    ),
    _form(["AT(?:BB|CTT3)[A-Za-z0-9]", "pul-[0-9a-f]{40}"], r"\b(ATBB|ATCTT3|pul-(?=[0-9a-f]{40}))[\w=-]{20,}"),
    _form(["dose[0-9a-f]{30}", "dkea[0-9a-f]{30}"], r"\b(dose|dkea)[0-9a-f]{30,}(?:-\d)?\b"),
    _form(
        ["do[or]_v1_", "AVNS_", "npg_", "pscale_", "dbt[cu]_", "bkua_", "rubygems_", "HRKU-"],
        r"\b(do[or]_v1_|AVNS_|npg_|pscale_(?:tkn|pw|oauth)_|dbt[cu]_|bkua_|rubygems_|HRKU-)"
        r"(?=[A-Za-z_-]*\d)[\w.-]{12,}",
    ),
    # The key of a keytab, as `klist -K` prints it
    _form([r"\)\s+\(0x"], r"(\([a-z][a-z0-9-]+\)\s{1,9}\(0x)[0-9a-f]{16,}(?=\))", in_line=False),
    # A refresh token of Google
    _form(["1//0"], r"(?<![\w/])(1//0)[\w-]{30,}"),
    _form(["AKC"], r"(?<![\w+/])(AKC)[A-Za-z0-9]{10,}"),
    _form(["sq0[a-z]{3}-"], r"\b(sq0[a-z]{3}-)[\w-]{20,}"),
    _form([r"-us\d"], r"\b[0-9a-f]{32}(?=-us\d{1,2}\b)"),
    _form(["SK[0-9a-f]{32}", "AC[0-9a-f]{32}"], r"\b(SK|AC)[0-9a-f]{32}\b"),
    _form([r"api\.softlayer\.com"], r"(api\.softlayer\.com/\w+/v[\d.]+/)[0-9a-f]{64}"),
    # A bot of Discord: its number in base64, a time, and a signature
    _form([r"\.[\w-]{6}\.[\w-]{27}"], r"[MNO](?<![\w.-][MNO])[\w-]{23,27}\.[\w-]{6}\.[\w-]{27,38}(?![\w.-])"),
    _form(["A(?:KIA|SIA|3T[A-Z0-9]|BIA|CCA)[A-Z0-9]"], r"\b(AKIA|ASIA|A3T[A-Z0-9]|ABIA|ACCA)[A-Z0-9]{16}\b"),
    _form(["AIza"], r"\b(AIza)[\w-]{35}"),
    _form([r"hooks\.slack"], r"(hooks\.slack\.com/(?:services|workflows)/)[\w/]+"),
    _form([r"webhook(?:s/\d|b2/)"], r"(discord(?:app)?\.com/api/webhooks/\d+/|\.office\.com/webhookb2/)[\w@/-]+"),
    _form([":AA"], r"\b(\d{8,10}:AA)[\w-]{33}\b"),
    _form(["AGE-SECRET"], r"\b(AGE-SECRET-KEY-1)[0-9A-Z]{20,}"),
    _form(["K10[0-9a-f]{20}"], r"\b(K10)[0-9a-f]{20,}::\w+:[^\s\"']+"),
    _form(
        [r"\$(?:2[abxy]?|apr1|1|5|6|y|argon2\w*)\$"],
        r"(\$(?:2[abxy]?|apr1|1|5|6|y|argon2\w*)\$)[\w./$=,+-]{16,}",
    ),
    _form([r"\{S?SHA\d*\}"], r"(\{S?SHA\d*\})[A-Za-z0-9+/]{16,}=*"),
    _form(["8Q~", "7Q~"], r"\b[\w~.-]{3}[78]Q~[\w~.-]{31,34}"),
    # 64 bytes in base64: an account key of Azure
    _form(["=="], r"(?<![\w+/-])[A-Za-z0-9+/]{86}=="),
    # A keytab, and a keystore of Java, in base64
    _form(["BQIAAA", r"/u3\+7QAAAA"], r"(?<![\w+/-])(?:BQIAAA|/u3\+7QAAAA)[A-Za-z0-9+/]{24,}={0,2}"),
    # kubeadm's bootstrap tokens
    _form(
        [r"\.[a-z0-9]{16}(?![\w.-])"],
        r"(?<![\w.-])[a-z0-9]{6}\.(?=[a-z]*\d)(?=\d*[a-z])[a-z0-9]{16}(?![\w.-])",
        *("token", "kubeadm"),
    ),
    _form(["Private-Lines"], r"(Private-Lines: \d+\s+)(?:[A-Za-z0-9+/=]{4,}\s*)+", in_line=False),
    _form(["x-oauth-basic@", ":@"], r"""(://)[^\s/:@"']{8,}(?=:(?:x-oauth-basic)?@)"""),
    # user:password@ in an address; a port or a digest is none
    _form(
        ["://"],
        r"""(://[^\s/:@"'<>\\]*:)(?!\d{1,5}(?:/|[;?][\w.-]+=|,[\w.-]+:\d))(?!//)[^\s"'<>@]{1,512}(?:@[^\s"'<>@/.:]{1,512}){0,3}(?=@[\w\[$/-])""",
        in_line=False,
    ),
    # The same after pathlib has taken it for a path
    _form(
        [r"(?:https?|oci):/[^/]"],
        r"""(\b(?:https?|oci):/[^\s/:@"'<>\\]*:)(?!\d{1,5}/)[^\s"'<>@/]{1,512}(?=@[\w\[])""",
    ),
    _form(["://"], r"(://)(?=[^/@:\s]*\d)[\w.~%+-]{16,}(?=@[\w\[])", in_line=False),
    _form(
        [r"""(?:roxy|uri|dsn)["'=: ]+[\w.-]+:[^\s/@]+@"""],
        r"""((?i:proxy|uri|dsn)["']?(?:\s*[=:]\s*|\s+)["']?[\w.-]+:)(?!//)[^\s/@"']+(?=@)""",
        in_line=False,
    ),
    # A host that was not found, since a login went before it
    _form([r"lookup [\w.-]+:[^\s@]+@"], r"""(\blookup [\w.-]+:)[^\s@"'/]+(?=@(?!sha256))"""),
    _form([r"@(?:tcp|unix)\("], r"((?<![\w.-])[\w.-]+:)[^\s@/\"']+(?=@(?:tcp|unix)\()"),
    _form(["jdbc:oracle"], r"(jdbc:oracle:\w+:[^\s/@]+/)(?:\\*\"[^\"\n]+\"|[^\s@]+)(?=@)"),
    # sbt: realm, host, user and password
    _form([r'Credentials\("'], r"""(Credentials\((?:\s*"[^"\n]*"\s*,){3}\s*")[^"\n]+(?=")""", in_line=False),
    # The master password of Maven's settings-security.xml
    _form(["<master>"], r"(<master>)[^<]+(?=</master>)", in_line=False),
    # .pgpass: host, port, database and user
    _form(
        [r":(?:\d{1,5}|\*):[\w.*-]+:[\w.*@-]+:[^\s:]"],
        r"^([ \t]*(?:- )?(?=[a-z*])[\w.*-]+:(?:\d{1,5}|\*):[\w.*-]+:[\w.*@-]+:)(?:\\.|[^\s:\\])+(?=\s*$)",
    ),
    # The same as a log or a command has it, or with a host that is a socket or an address
    _form(
        [r":(?:\d{4,5}|\*):[A-Za-z_*][\w*-]*:[A-Za-z_*][\w.*@-]*:[^\s:]"],
        r"""((?<![^\s"'])(?:localhost|\*|/[\w./-]+|\[[0-9a-f:]+\]|[\w-]+(?:\.[\w-]+)+)"""
        r""":(?:\d{4,5}|\*):[A-Za-z_*][\w*-]*:[A-Za-z_*][\w.*@-]*:)(?:\\.|[^\s:\\"'])+(?=["']|\s*(?:$|>))""",
    ),
    # Users of Kafka's and ZooKeeper's login modules
    _form(
        ["user_"],
        r"""^(\s*user_(?!(?:agent|count|id|name|type)\b)\w+\s*=\s*["'])[^"'\n]+(?=["'];?\s*$)""",
        in_line=False,
    ),
    _form(
        ["user_"],
        r"""((?<=["'] )user_(?!(?:agent|count|id|name|type)\b)\w{1,80}\s?=\s?["'])[^"'\n]+(?=["'];?(?:\s|$))""",
        "LoginModule",
        in_line=False,
    ),
)
_ANY_HINT = re.compile("|".join(hint.pattern for form in _FORMS for hint in form.hints))
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
    r"(?:^[^\n]{0,80}(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40,}+[^\S\n]*+\n)++(?:^[^\n]{0,160}\n)?"
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
_HCL_DATA = re.compile(r"""(?<==\s)(\s*")(?:\\.|[^"\\\n])+(?=")""")


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
        text = _CLOUD_USERS.sub(lambda found: _CLOUD_USER.sub(_keep_first, found[0]), text)
    if len(text) > _SHORT or _ANY_HINT.search(text):
        once = each_line_once(text)
        for it in _FORMS:
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

    return _in_lines(_ENTITY, text, lambda line: _ENTITIES.sub(run, line)) if "&" in text else text


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
        text = _in_lines(_ESCAPED, text, lambda line: _PERCENT.sub(percent_run, line))
    found = set(_RUN.findall(each_line_once(text)))
    runs = {run for run in found if not run.islower() and _UPPER.search(run)}
    hidden = {run for run in runs if hides(run)}
    hidden |= {run for run in found if _HEX.fullmatch(run) and (plain := _from_hex(run)) and inner(plain) != plain}
    return _RUN.sub(lambda found: MASK if found[0] in hidden else found[0], text) if hidden else text


def _mask_users(found: re.Match[str]) -> str:
    """The passwords of users, where roles follow one of them."""
    return _INI_USER.sub(_keep_first, found[0]) if _INI_ROLES.search(found[0]) else found[0]


def _mask_users_inline(found: re.Match[str]) -> str:
    """The same in a text whose lines are escaped."""
    users, section, rest = found[1].replace("\\n", "\n").partition("\n[")
    if not _INI_ROLES.search(users):
        return found[0]
    return f"[users]{_INI_USER.sub(_keep_first, users)}{section}{rest}".replace("\n", "\\n")


def _mask_data(found: re.Match[str]) -> str:
    """The values of a Secret in HCL."""
    start = found[0].rindex("{")
    return found[0][:start] + _HCL_DATA.sub(_keep_first, found[0][start:])


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
