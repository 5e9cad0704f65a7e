# SPDX-License-Identifier: Apache-2.0
"""Keys, tokens and logins that are known by their own form, whatever they are called.

The forms are those that their makers document, and that scanners such as detect-secrets look for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.redaction.secret_names import MASK


@dataclass(frozen=True)
class Form:
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
            return self.form.sub(keep_first, text)
        for hint in self.hints:
            text = in_lines(hint, text, lambda line: self.form.sub(keep_first, line))
        return text


def _form(hints: Sequence[str], form: str, *beside: str, in_line: bool = True) -> Form:
    return Form(tuple(map(re.compile, hints)), re.compile(form, re.MULTILINE), beside, in_line)


def in_lines(hint: re.Pattern[str], text: str, changed: Callable[[str], str]) -> str:
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


FORMS = (
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
    # PagerDuty's; RabbitMQ's is a name
    _form([r"outing_?[kK]ey"], r"""(\b[rR]outing_?[kK]ey\\*["']?\s{0,9}[:=]\s{0,9}\\*["']?)[0-9a-zA-Z]{32}\b"""),
    # The id of a key of AWS and the key
    _form(
        ["A(?:KIA|SIA)[A-Z0-9]"],
        r"""(\b(?:AKIA|ASIA)[A-Z0-9]{16}(?:\\*["'])?\s{0,3}[:,/|]?\s{0,3}(?:\\*["'])?)[A-Za-z0-9/+]{40}(?![\w/+=])""",
    ),
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
    # The same where the line was cut within the password
    _form(
        ["://"],
        r"""(://(?<!docker://)(?<!image://)(?<!oci://)(?<!\bs3://)(?<!\bs3[an]://)(?<!\bgs://)[\w.%+-]{1,80}:)(?!\d{1,5}(?!\w))(?=[^\s\d/@]*\d)(?=[^\s/@]*[A-Za-z])"""
        r"""[^\s"'<>/:;,()\[\]{}|]{6,200}(?=(?:…|\s\[trunc[^\n]{0,20})?$)""",
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
    # Oracle's, with a host, its port and a service
    _form(
        [r"@(?://)?[\w.-]+:\d{4,5}/[\w.]"],
        r"""((?<![\w/.:@%$-])[A-Za-z][\w$#]{0,40}(?:\[\w{1,40}\])?/)(?!/)(?:\\*"[^"\n]{1,200}"|[^\s@/"'<>]{1,200})(?=@(?://)?[\w.-]{1,200}:\d{4,5}/[\w.])""",
    ),
    # The same with a name instead, where a prompt, a variable or a function says whose it is
    _form(
        ["CONN", "SQL> "],
        r"""(^\s{0,40}(?:SQL>\s{0,9}(?i:conn(?:ect)?)|CONN(?:ECT)?)\s{1,9}[A-Za-z][\w$#]{0,40}/)"""
        r"""(?:"[^"\n]{1,200}"|[^\s@/;'"]{1,200})(?=@|;?\s*$|\s(?i:as)\s)""",
    ),
    _form(
        ["racle", "RACLE", "ORA_", "ora_"],
        r"""((?i:\b(?:(?:cx_)?oracle(?:db)?\.\w{1,40}\(|(?:oracle|ora_)\w{0,40}["']?\s{0,9}[:=]\s{0,9}))"""
        r"""["']?[A-Za-z][\w$#]{0,40}/)(?!/)[^\s@/"'<>]{1,200}(?=@(?!v?\d|sha\d)[\w/])""",
    ),
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


def keep_first(found: re.Match[str]) -> str:
    """What was found without all but its first group."""
    return (found[1] if found.re.groups else "") + MASK
