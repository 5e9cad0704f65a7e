# SPDX-License-Identifier: Apache-2.0
"""Secrets in command lines of well-known tools, where no name says so, and in the answers to what tools ask for."""

from __future__ import annotations

import ast
import functools
import re
import shlex
from collections.abc import Callable

from harness.redaction import secret_positions
from harness.redaction.secret_names import MASK, is_harmless, is_secret
from harness.redaction.secret_positions import ARGUMENT as _ARGUMENT
from harness.redaction.secret_positions import WITHIN as _WITHIN
from harness.redaction.secret_prose import PROSE, STATUS

# What asks for a password on its standard input.
_ASKS = (
    r"(?:-stdin\b|\bkinit\b|\bsudo\s(?:-\w+\s+)*-\w*S\b|\bchpasswd\b"
    r"|(?<![\w/.-])(?<!grep )(?:smb|vnc)?passwd(?=\s+-?-?\w)|\bpassphrase-fd\b|\bpass(?:in|out)?\s+stdin\b"
    r"|--?pass(?:word|phrase)?(?=\s*<<<)"
    r"|\b(?:docker|podman)\s+secret\s+create\s|\bcreate\s+secret\s[^|&;\n]{0,200}=/dev/stdin\b"
    r"|\bsecrets?\s[^|&;\n]{0,200}--data-file=-|\bgh\s+secret\s+set\b"
    r"|(?<!grep )\b(?!tee\b|cat\b|grep\b)\w+\s+(?:auth\s+|registry\s+)?login\b)"
)
_READS_SECRET = re.compile(_ASKS)
_READERS = ("login", "stdin", "kinit", "sudo", "passwd ", "chpasswd", "passphrase-fd")

PRINTS = re.compile(rf"^(?P<lead>\s*\++\s+(?:echo|printf)\s+(?:-\w+\s+|'?%s(?:\\n)?'?\s+)?){_ARGUMENT}['\"]?\s*$")
"""What `set -x` shows of a command that prints one argument."""

# `-p` is a port of Redis and LDAP.
_LOGIN = re.compile(
    rf"(?:\b(?:login|sshpass|mysql\w*|mariadb|mongo\w*|kinit|beeline|hive|7z|cqlsh|twine)\b{_WITHIN}\s-[paw](?!assWord\b)"
    rf"|\bredis-cli\b{_WITHIN}\s-a|\bldap\w+\b{_WITHIN}\s-w)(?:=|\s*){_ARGUMENT}"
)
_ADDED = re.compile(rf"\b(?:useradd|usermod){_WITHIN}\s(?:-p|--password)(?:=|\s+){_ARGUMENT}")
_CAPITAL = re.compile(
    rf"\b(?:sqlcmd|bcp|isql|unzip|zip|ssh-keygen|ftp|ipmitool|mosquitto_\w+)\b{_WITHIN}\s-[PN]\s*{_ARGUMENT}"
)
_ALIAS = re.compile(rf"\bmc\s+(?:alias\s+set|config\s+host\s+add)\s+\S+\s+\S+\s+\S+\s+{_ARGUMENT}")
_ALIAS_OF_HADOOP = re.compile(rf"\bcredential\s+create\s+\S+\s{_WITHIN}-v(?:alue)?\s+{_ARGUMENT}")
_USER = re.compile(
    r"\b(?:curl|wget|https?|xh|crane|skopeo|ctr|etcdctl)\b(?!://).{0,200}?\s"
    r"(?:-\w*[uU]|-[aE]|--(?:auth|cert|proxy-cert|(?:proxy-)?user))[\s=]*"
    r"(?P<quote>['\"])?(?!\d+:\d+(?:\s|$))[^\s:'\"]+:"
    r"(?P<value>(?(quote)(?>(?:\\.|'\"'\"'|'\\''|(?!(?P=quote)).)+)|(?!//)[^\s'\"]+))"
)
# One argument of a list, and what an argument like it follows
_ASSIGNED = re.compile(r"(?P<lead>(?P<dash>-?-(?=[A-Za-z]))?(?P<name>[\w.-]+)=)(?P<value>.+)", re.DOTALL)
_ASSIGNS = frozenset(("conf", "c", "e", "env", "build-arg"))
_COMMANDS = re.compile(r"([|&;]+\s)")
_KADMIN = re.compile(rf"\bkadmin\b{_WITHIN}\s-w\s*{_ARGUMENT}")
_PATCH = re.compile(r"\bpatch\s(?:-\S+\s)*secrets?[\s/]")
_PATCHED = re.compile(r"""\\*"value\\*"\s*:\s*\\*"(?P<value>[^"\\]+)""")
_SAMBA = re.compile(
    rf"\b(?:smb\w+|rpcclient|net|ntlm_auth|wbinfo)\b{_WITHIN}\s(?:-U|--user)[\s=]*"
    r"(?P<quote>['\"])?[^\s%'\"]+%(?P<value>(?(quote)(?:(?!(?P=quote)).)+|[^\s'\"]+))"
)
_LIST = re.compile(r"\[(?:(?:'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\")(?:,\s*)?){2,}\]")
_PIPED = re.compile(
    rf"\b(?:echo|printf)\s+(?:-\w+\s+|['\"]?[\w:-]*%s(?:\\n)?['\"]?\s+)*{_ARGUMENT}['\"]?\s*\|.{{0,200}}?{_ASKS}"
)
_SUBSHELL = re.compile(rf"[({{](?P<inner>[^(){{}}\n]*\b(?:echo|printf)\s[^(){{}}\n]*)[)}}]\s*\|.{{0,200}}?{_ASKS}")
_PRINTED = re.compile(rf"\b(?:echo|printf)\s+(?:-\w+\s+|['\"]?[\w:-]*%s(?:\\n)?['\"]?\s+)*{_ARGUMENT}")
_HERE_STRING = re.compile(rf"{_ASKS}[^|&;<]{{0,200}}<<<\s*{_ARGUMENT}")
_BY_POSITION = re.compile(
    r"\b(?:aws (?:--?[\w-]+(?:[ =](?!-|configure)\S+)? )*configure set \S*(?:secret|token)\S*|vault login"
    r"|htpasswd (?=-\w*b)(?:-\w*n\w*|-\w+ \S+) \S+)\s+"
    r"(?P<quote>['\"])?(?P<value>(?(quote)(?>(?:\\.|(?!(?P=quote)).)+)|[^\s=-][^\s=]*(?=\s|$)))"
)
_OPENSSL = re.compile(r"-pass(?:in|out)?\s+(?P<quote>['\"])?pass:(?P<value>(?(quote)(?:(?!(?P=quote)).)+|\S+))")
_LITERAL = re.compile(
    r"(?:(?P<whole>['\"])--from-literal=|--from-literal[= ](?P<around>['\"])?)[\w.-]+=(?P<quote>['\"])?"
    r"(?P<value>(?(quote)(?:(?!(?P=quote)).)+|(?(around)(?:(?!(?P=around)).)+|(?(whole)(?:'\"'\"'|(?!(?P=whole)).)+|[^\s'\"]+))))"
)

# `kinit: password for spark@EXAMPLE.ORG: x`, where no sentence goes before it
_PROMPT = re.compile(
    r"""(?ix)
    (?: \b(?P<asked>(?:re-?)?enter|retype|type)\s(?:[\w'-]+\s){0,4}? | (?-i:(?<![a-z,]\ )) )
    \b(?: pass(?:word|phrase|code|\s(?:phrase|word|code))\b (?:\s(?:for|of)\s[^\r\n"]{1,200}?)? | token(?=\s\() )
    (?:\s\([^()]{1,80}\))? \s?(?::\s+|(?<=['"]):)
    (?P<quote>["'])? (?P<value>(?(quote)(?:(?!(?P=quote)).)+
      |[^\s"'](?>(?:[^\s"]|[^\S\r\n]++(?=[^\s"]))*))) (?=(?(quote)(?P=quote))\s*(?:["]|$))
    """
)
_NO_ANSWER = re.compile(r"(?i)(?:eof|timeout|timed out|cancell?ed|interrupted|aborted|ok|done|accepted)\b")


def reads_secret(line: str) -> bool:
    """Whether a command in this line reads a password from its standard input."""
    return any(it in line for it in _READERS) and bool(_READS_SECRET.search(line))


def answered(line: str) -> str:
    """The line without the answer to a prompt that it shows."""

    def masked(found: re.Match[str]) -> str:
        value = found["value"]
        told = (STATUS if found["asked"] else PROSE).match(value) or _NO_ANSWER.match(value) or is_harmless(value)
        return found[0] if told else _without(found)

    return _PROMPT.sub(masked, line)


def assigned(argument: str, flag: str = "") -> str | None:
    """An argument without its secret, which ends where it does: `--password=two words`, or behind `--conf` or the like.

    None when it has none.
    """
    found = _ASSIGNED.fullmatch(argument)
    if not found or not (found["dash"] or flag in _ASSIGNS) or not is_secret(found["name"]):
        return None
    return None if is_harmless(found["value"], found["name"]) else f"{found['lead']}{MASK}"


def masked(pattern: re.Pattern[str], line: str) -> str:
    """The line without the `value` of each place where the pattern holds."""
    return pattern.sub(lambda found: found[0] if is_harmless(found["value"]) else _without(found), line)


def _patched(line: str) -> str:
    """The line without what a JSON patch (RFC 6902) writes into a Secret."""
    return masked(_PATCHED, line) if _PATCH.search(line) else line


def _configured(line: str) -> str:
    """The line without the values of settings whose names say that they are secret."""
    return secret_positions.SETTINGS.sub(
        lambda it: it[0] if not is_secret(it["name"]) or is_harmless(it["value"], it["name"]) else _without(it), line
    )


def _stored(line: str) -> str:
    """The line without what a command writes into a store of secrets."""
    return "".join(
        masked(secret_positions.STORED, it) if secret_positions.STORES.search(it) else it
        for it in _COMMANDS.split(line)
    )


def _all_set(line: str) -> str:
    """The line without the values that a store of secrets is given."""

    def without(found: re.Match[str]) -> str:
        return found[0][: -len(found["rest"])] + masked(secret_positions.ONE_ASSIGNED, " " + found["rest"])[1:]

    return secret_positions.ASSIGNED.sub(without, line)


def _of_subshell(line: str) -> str:
    """The line without what a subshell prints for a command that asks for a password."""

    def without(found: re.Match[str]) -> str:
        inner = masked(_PRINTED, found["inner"])
        return found[0][0] + inner + found[0][1 + len(found["inner"]) :]

    return _SUBSHELL.sub(without, line)


def _without(found: re.Match[str]) -> str:
    start, end = found.start("value") - found.start(), found.end("value") - found.start()
    return found[0][:start] + MASK + found[0][end:]


def listed(line: str) -> str:
    """The line without secrets in a list of arguments, as Python prints it."""

    def without(found: re.Match[str]) -> str:
        try:
            words = ast.literal_eval(found[0])
            text = shlex.join(words)
            for _, rule in RULES:
                text = rule(text)
            made = shlex.split(text)
            if len(made) == len(words):
                before = ["", *(it.lstrip("-") for it in words)]
                made = [assigned(word, flag) or new for word, new, flag in zip(words, made, before[:-1], strict=True)]
        except (ValueError, SyntaxError):
            return found[0]
        return found[0] if made == words else repr(made)

    return _LIST.sub(without, line)


def _rule(pattern: re.Pattern[str]) -> Callable[[str], str]:
    return functools.partial(masked, pattern)


RULES: tuple[tuple[tuple[str, ...], Callable[[str], str]], ...] = (
    (
        (
            *("login", "sshpass", "mysql", "mariadb", "mongo", "redis-cli", "ldap", "kinit", "beeline", "hive", "7z"),
            "cqlsh",
            "twine",
        ),
        _rule(_LOGIN),
    ),
    (("curl", "wget", "http ", "https ", "xh ", "crane", "skopeo", "ctr ", "etcdctl "), _rule(_USER)),
    (("smb", "rpcclient", "net ", "ntlm_auth", "wbinfo"), _rule(_SAMBA)),
    (("kadmin",), _rule(_KADMIN)),
    (("patch ",), _patched),
    (("echo ", "printf "), _of_subshell),
    (("echo ", "printf "), _rule(_PIPED)),
    (("useradd", "usermod"), _rule(_ADDED)),
    (("<<<",), _rule(_HERE_STRING)),
    (("configure set", "vault login", "htpasswd"), _rule(_BY_POSITION)),
    (("pass:",), _rule(_OPENSSL)),
    (("sqlcmd", "bcp", "isql", "zip", "ssh-keygen", "ftp", "ipmitool", "mosquitto"), _rule(_CAPITAL)),
    (("mc ",), _rule(_ALIAS)),
    (("credential create",), _rule(_ALIAS_OF_HADOOP)),
    (("from-literal",), _rule(_LITERAL)),
    (
        (
            *("password for", "phrase for", "passcode for", "password of", "phrase of", "pass phrase", "pass code"),
            *("password (", "phrase (", "token (", "pass word"),
        ),
        answered,
    ),
    (("config",), _configured),
    ((" set ",), _all_set),
    ((" --value", " --body"), _stored),
    *((words, _rule(re.compile(pattern))) for words, pattern in secret_positions.PLACES),
    (("['",), listed),
)
"""Each with the words without which it does not hold."""
