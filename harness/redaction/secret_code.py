# SPDX-License-Identifier: Apache-2.0
"""What source code says of a secret without having it: where it is read from, what asks for it, what it is called."""

from __future__ import annotations

import re

_STRUCT = re.compile(r"&?(?:[a-z]\w*\.)*[A-Z]\w*(?:\{\w+:|\ \{\ \w+:)")
_SUBSTITUTED = re.compile(r"\"?(?:\$\((?!echo|printf)[\w./-]+ [^()]*\)|`(?!echo|printf)[\w./-]+ [^`]*`|\$\{\{)")
# `os.getenv("DB_PASSWORD")`, `conf.get(…)`, `sys.env("DB_PASSWORD")`; what is beside the name is looked at by itself
_READ = re.compile(r"(?:await )?(?:\w{1,60}(?:\(\))?\.){0,5}(?i:get(?:_?[a-z]\w{0,40})?|(?<=sys\.)env)\(\s*[\"')\w]")
_SECRET_OBJECT = re.compile(r"\bSecret\(\s{0,3}[\"']\Z")
_LONGEST_CALL = 12
_LONGEST_PROMPT = 60
_CALLED = re.compile(
    r"[a-z0-9]+(?:-[a-z0-9]+)*-(?:secrets?|credentials?|creds|certs?|tls|tokens?|auth|passwords?|keys?)"
)
# T-SQL, Databricks and Snowflake: an object with the secret, by its name
_CREDENTIAL = re.compile(r"\[?[A-Za-z_][A-Za-z_-]*\]?")


def is_elsewhere(line: str, at: int, separator: str) -> bool:
    """Whether what stands where a value would is none: fields with names of their own, or where a value is from."""
    if _STRUCT.match(line, at) or _READ.match(line, at):
        # What Go prints of a pointer has fields with names of their own.
        return True
    # Blanks around `=` are not a shell's: JavaScript has a text in backquotes there.
    return not separator[-1:].isspace() and bool(_SUBSTITUTED.match(line, at))


def is_read(value: str) -> bool:
    """Whether this reads a value from somewhere: `os.getenv("DB_PASSWORD")`, or is an object of this name."""
    return bool(_READ.match(value)) or value.startswith(("Secret('", 'Secret("'))


def is_prompt(line: str, start: int, at: int) -> bool:
    """Whether the name that begins at `start` ends a text in quotes, which asks for it: `getpass("Password: ")`."""
    quote = line[at : at + 1]
    if quote not in ("'", '"') or line[at + 1 : at + 2].isalnum():
        return False
    before = line[max(start - _LONGEST_PROMPT, 0) : start]
    opens = before.rfind(quote)
    return opens >= 0 and before[max(opens - 1, 0)] in "( ,=" + quote


def is_name(line: str, name: str, start: int, end: int) -> bool:
    """Whether what is between these places, where the value of this name would be, is the name of what has it."""
    value = line[start:end]
    if _SECRET_OBJECT.search(line, max(start - _LONGEST_CALL, 0), start):
        return bool(_CALLED.fullmatch(value))
    if name.upper() != "CREDENTIAL":
        return False
    # A variable of this name has no blanks beside it.
    is_sql = "EXTERNAL" in line.upper() or (name.isupper() and line[max(start - 3, 0) : start] == " = ")
    return is_sql and bool(_CREDENTIAL.fullmatch(value))
