# SPDX-License-Identifier: Apache-2.0
"""Secrets that tools take as an argument in a certain place, or in a notation of their own: no name says so."""

from __future__ import annotations

import re

# What a shell takes for one argument, and the arguments between two of the same command
ARGUMENT = r"""(?P<quote>['"])?(?P<value>(?(quote)(?>(?:\\.|'"'"'|'\\''|(?!(?P=quote)).)+)|(?![\s'"-])[^\s'"|;<>]+))"""
WITHIN = r"""(?:'[^'\n]*'|"[^"\n]*"|[^|&;'"\n]){0,200}?"""

_ONE = r"""(?:'[^'\n]{1,200}'|"[^"\n]{1,200}"|[^\s'"|;<>-][^\s'"|;<>]{0,200})"""
_OPTIONS = r"(?:--?[\w-]+(?:=\S+)?\s+){0,5}"

PLACES: tuple[tuple[tuple[str, ...], str], ...] = (
    # A user, and then the password
    (
        ("rabbitmqctl", "http-basic.", "auth-pass", "!connect"),
        (
            rf"(?:\brabbitmqctl\s{_OPTIONS}(?:add_user|change_password)\s+{_ONE}"
            rf"|\bpoetry\s+config\s+{_OPTIONS}http-basic\.[\w-]+\s+{_ONE}"
            rf"|\bauth-pass\s+[\w.-]+|!connect\s+['\"]?jdbc:\S+\s+{_ONE})\s+{ARGUMENT}"
        ),
    ),
    # .netrc
    (
        ("machine ", "login ", "default "),
        (
            r"\b(?:machine|login|default)\s+\S+\s+(?:(?:login|account)\s+\S+\s+){0,2}"
            r"password\s+(?P<value>[^\s|]\S*)"
        ),
    ),
    # A password alone
    (
        ("cargo login", "unseal ", "--hmac"),
        rf"(?:\bcargo\s+login\s+(?:--registry(?:=|\s+)\S+\s+)?|\boperator\s+unseal\s+{_OPTIONS}|--hmac(?:=|\s+)){ARGUMENT}",
    ),
    (("openssl",), rf"\bopenssl\s+(?:enc|aes[\w-]*|des[\w-]*)\s{WITHIN}\s?-[kK]\s+{ARGUMENT}"),
    (
        ("openssl passwd",),
        rf"\bopenssl\s+passwd\s+(?:-(?:\d|apr1|crypt|aixmd5|noverify|salt\s+\S+)\s+){{0,5}}{ARGUMENT}",
    ),
    (("mc admin", "net user"), rf"\b(?:mc\s+admin\s+user\s+add\s+{_ONE}|net\s+user)\s+{_ONE}\s+(?!/){ARGUMENT}"),
    (
        ("nmcli", "rclone"),
        (
            rf"\b(?:nmcli|rclone\s+config\s+(?:create|update))\s{WITHIN}"
            rf"(?<=\s)(?:password|psk|pass|token|secret_access_key|account_key|(?:wifi-sec|802-1x)\S*\.\S+)\s+{ARGUMENT}"
        ),
    ),
    (("vault kv",), rf"\bvault\s+kv\s+(?:put|patch)\s{WITHIN}\svalue={ARGUMENT}"),
    *((("snmp",), rf"\bsnmp\w+{WITHIN}\s-{it}\s*{ARGUMENT}") for it in "AXc"),
    (("freerdp",), rf"freerdp\d?\b{WITHIN}\s/p:{ARGUMENT}"),
    (
        ("'auth ", '"auth '),
        r"(?:<<<\s*|\b(?:echo|printf)\s+(?:-\w+\s+)?)(?P<quote>['\"])AUTH\s+(?P<value>[^\n'\"]+)(?=['\"])",
    ),
    (
        ("getconnection(",),
        (
            r"""\bgetConnection\(\s*(?:"[^"\n]{1,500}"|[\w.]{1,80})\s*,\s*(?:"[^"\n]{1,200}"|[\w.]{1,80})\s*,"""
            r"""\s*"(?P<value>[^"\n]{1,400})(?="\s*\))"""
        ),
    ),
    # A user and a password together
    (
        ("sqlplus", "impdp", "expdp", "sqlldr", "sqlcl", "rman "),
        (
            rf"\b(?:sqlplus|impdp|expdp|sqlldr|sqlcl|rman){WITHIN}\s['\"]?(?:userid=)?[\w$#.-]+/(?!/)"
            r"(?P<quote>\\?\")?(?P<value>(?(quote)[^\"\n]+|[^\s@/'\"]+))(?=\\?\"?@)"
        ),
    ),
    (
        ("sqlplus", "sqlcl"),
        r"\b(?:sqlplus|sqlcl)\s(?:-\w+\s+){0,5}[A-Za-z][\w$#]*/(?!/)(?P<value>[^\s@/'\"]+)(?=\s*(?:$|[|&;<]|as\s|@))",
    ),
    (("securestring",), rf"\bConvertTo-SecureString\s+(?:-(?:String|AsPlainText|Force)\s+){{0,3}}{ARGUMENT}"),
    (
        ("addauth digest", "stats auth", "user add "),
        (
            r"(?:\b(?:addauth\s+digest|stats\s+auth|etcdctl\s(?:[^|&;\n]{0,200}?\s)?user\s+add)\s+)"
            r"(?P<quote>['\"])?[\w.@-]+:(?P<value>(?(quote)(?:(?!(?P=quote)).)+|[^\s'\"]+))"
        ),
    ),
    (
        ("curl ",),
        (
            r"(?<=\s)(?:-b|--cookie)[\s=]+(?P<quote>['\"])?(?=[\w.-]+=)"
            r"(?P<value>(?(quote)(?:(?!(?P=quote)).)+|[^\s'\"]+))"
        ),
    ),
    (
        ("insecure-password", "userlist", " password "),
        rf"^\s*user\s+{_ONE}\s+(?:insecure-)?password\s+{ARGUMENT}",
    ),
    (("::add-mask",), r"::add-mask::(?P<value>\S(?>(?:\S|[^\S\n]++(?=\S))*))"),
    (("requirepass", "masterauth"), r"\b(?:requirepass|masterauth)\s+['\"]?(?P<value>[^\s'\"=:]+)"),
    # Redis: `AUTH x` and `AUTH user x`, also as its protocol has it
    (
        ("auth ",),
        r"(?:\bredis-cli\s(?:[^|&;\n]{0,200}?\s)?|[:\w]>\s*|^>\s+)(?i:AUTH)\s+(?:[\w.-]+[^\S\n]+)?(?P<value>[^\s|&;<>]+)(?=\s*(?:$|[|&;]))",
    ),
    (
        ("auth\\r",),
        r"(?i:AUTH)\\r\\n(?:\$\d+\\r\\n[^\\\n]{1,200}\\r\\n(?=\$))?\$\d+\\r\\n(?P<value>[^\\\n]{1,400})",
    ),
    (
        ('"auth"', "setuser"),
        r"(?i:\"AUTH\"\s(?:\"[^\"\n]{1,200}\"\s)?\"(?P<value>(?:\\.|[^\"\\\n]){1,400})(?=\"))",
    ),
    (("setuser",), r"(?i:\bACL\s+SETUSER\s)[^\n]{0,200}?\s[>#](?P<value>[^\s\"']+)"),
    # A login by SMTP, IMAP and others: what no name or password is, but both in base64
    (
        ("auth plain ", "auth login ", "auth xoauth2 "),
        r"\bAUTH\s(?:PLAIN|LOGIN|XOAUTH2)\s(?P<value>[A-Za-z0-9+/]{8,}={0,2})(?=\s*$|\")",
    ),
)
"""Each pattern, whose `value` is secret, after the words in lower case without which it does not hold."""

SETTINGS = re.compile(
    rf"\b(?:npm|pnpm|yarn|pulumi|git|poetry|pip|conda|gh|bundle)\s+config\s+(?:set\s+)?{_OPTIONS}"
    rf"['\"]?(?:\S{{0,200}}/:)?(?!-)(?P<name>[\w.-]{{1,200}})['\"]?\s+{ARGUMENT}"
)
"""`npm config set //host/:_authToken x`, `pulumi config set --secret dbPassword x`, `git config x.token y`"""

ASSIGNED = re.compile(r"\bsecrets?\s+set\s(?P<rest>[^|&;\n]{1,2000})")
"""`flyctl secrets set A=x B=y`: each of them is a secret."""

ONE_ASSIGNED = re.compile(
    r"(?<=\s)(?!-)[A-Za-z_]\w{0,120}=(?P<quote>['\"])?(?P<value>(?(quote)(?:(?!(?P=quote)).)+|[^\s'\"]+))"
)

STORED = re.compile(rf"(?<=\s)--(?:value|body)(?:=|\s+){ARGUMENT}")
"""What a store of secrets is given, in a command that `STORES` holds for"""

STORES = re.compile(r"\b(?:secrets?|credential|SecureString)\b")
