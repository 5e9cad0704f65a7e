# SPDX-License-Identifier: Apache-2.0
"""Where a value begins and ends in a line, in the notations of shells, JSON, YAML, addresses and Go."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A quote as it is, within JSON strings of any depth, and as HTML, JSON and URLs write it.
QUOTE = r"""(?:\\*["'`]|&quot;|&\#3[49];|&apos;|\\+u002[27]|%2[27])"""
_QUOTED = re.compile(QUOTE)
WRAPPERS = (
    r"(?:Some|Optional|Option|Just|Left|Right|Success|(?:Array|Hash|Linked|Tree|Immutable)?(?:List|Set)|Seq|Vector"
    r"|Array|(?:Array|List)Buffer|(?:Wrapped|Mutable)Array|ArraySeq|Stream|Iterable|Chunk)"
)
"""What Java and Scala print before a value that may be missing, or before several."""
_WRAPPED = re.compile(
    rf"{WRAPPERS}(?:\((?P<round>(?>(?:[^()\n]|\([^()\n]{{0,80}}\)){{1,1000}}))\)|\[(?P<square>(?>(?:[^\[\]\n]|\[[^\[\]\n]{{0,80}}\]){{1,1000}}))\])"
)
_BARE = re.compile(
    r"""(?x)(?![(\[{](?!(?=[^\s"'`,;:=]*\d)(?=[^\s"'`,;:=]*[a-zA-Z])[^\s"'`,;:=(\[{]{5}))(?:
        [^\s"'`,;&<>()\[\]{}|\\]
      | ,(?![\s"'\[{]|$|[)\]}](?:\W|$)|[\w.-]+[=:])
      | ;(?=[^\s;=,&]+(?:[\s,;&]|$))(?![\w.-]+=) | &(?![\w.-]+=|amp;|quot;|\#|\s|&)
      | <(?![/\w!]|$) | <(?=[^<>\s]{1,30}>[\w!@\#$%^*]) | (?<=\w)<(?!/?[A-Za-z!][\w:-]{0,30}(?:[\s/>]|$))
      | >(?=\w) | \|(?=\w) | [("'`\[{](?=\w) | [)\]}](?=[\w!@\#$%^*]) | \\[ ] | \\(?!["'nrt\\]|u[0-9a-fA-F]{4}|\s|$)
    )+"""
)
# What no address or connection string has as it is, but drivers take, is of the value where the next parameter follows.
_ODD = r"""\\(?!["'nrt\\]|u[0-9a-fA-F]{4})(?=\S)|["'](?=\w)|[`<>]"""
_QUERY_VALUE = re.compile(
    rf"""(?:[^\s&"'`<>#()\[\]\\]|(?:{_ODD}|[#()\[\]])(?=(?:[^\s&"']|["'](?=\w)){{0,100}}&[\w.-]{{1,100}}=))+"""
)
_JDBC_VALUE = re.compile(
    r"""(?:(?<=\{)(?:[^}\n]|\}\})+(?=\}(?!\}))"""
    rf"""|(?<!\{{)(?:[^\s;"'`<>\\]|(?:{_ODD})(?=(?:[^\s;"']|["'](?=\w)){{0,100}};[\w.]{{1,100}}(?:[ ]\w+)?=))+"""
    r"""(?:(?:[ ][^\s;"'`<>\\=]+){1,6}(?=;))?)"""
)
# The rest of a word in quotes, in which no other argument, variable or command begins
_REST_OF_QUOTED = {
    it: re.compile(
        rf"""(?![\[{{]["'\\])(?>(?:\\.|'"'"'|'\\''|(?!{it}|\s-{{1,2}}\w|[\s,;&?][\w.-]+=|\s?[;&|]|\s\.?/|[,:]\s).){{1,500}})(?={it}(?:[\s,;)\]}}&<]|$)|,[\w.-]+=|$)"""
    )
    for it in "\"'"
}
# Bytes, as Hadoop prints the password of a token
_BYTES = re.compile(r"[0-9a-f]{2}(?: [0-9a-f]{2}){2,}(?![\w.:-])")
_JSON_STRING = re.compile(r'"((?:\\.|[^"\\])*)"?', re.DOTALL)
# In YAML and SQL a quote within is written twice, in shells as '"'"' or '\\''.
_SINGLE = re.compile(r"""'((?:''|'"'"'|'\\''|\\.|[^'\\])*)'?""", re.DOTALL)
_BRACKETED = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]|\[\]\w+\{[^{}]*\}|\{[^{}]*\}")


@dataclass(frozen=True)
class Value:
    """Where a value is in its line, without its quotes."""

    start: int
    end: int
    text: str
    quoted: bool = False


_LINE_OF_FILE = re.compile(
    r"(?<=\.)(?:cfg|conf|csv|env|hcl|html|ini|j2|js|json|log|md|properties|ps1|rb|sql|tf|tfvars|toml|tpl|ts|txt|xml|ya?ml)"
    r"(?P<end>:)\d{1,6}(?:[:-]\d{1,6})?(?![\w.+/=@%-])"
)


def is_line_of_file(line: str, end: int) -> bool:
    """Whether the name that ends here is a file's, with the number of a line behind it, as in `secret.yaml:12`."""
    return any(found.start("end") == end for found in _LINE_OF_FILE.finditer(line, max(end - 12, 0), end + 16))


def value_at(line: str, start: int, before: str = "") -> Value:
    """The value that begins at this place; `before` is the character before its name, which may say where it ends."""
    triple = line[start : start + 3]
    if triple in ('"""', "'''"):
        end = line.find(triple, start + 3)
        return Value(start + 3, end, line[start + 3 : end], quoted=True) if end > 0 else Value(start, start, "")
    quote = _QUOTED.match(line, start)
    if quote:
        return quoted_value(line, quote.end(), quote[0])
    bracketed = _BRACKETED.match(line, start) if line[start : start + 1] == "[" else None
    if bracketed:
        return Value(start, bracketed.end(), bracketed[0])
    wrapped = _WRAPPED.match(line, start)
    if wrapped:
        group = wrapped.lastgroup or ""
        return Value(wrapped.start(group), wrapped.end(group), wrapped[group])
    kind = _QUERY_VALUE if before and before in "?&" else _JDBC_VALUE if before == ";" else _BARE
    if kind is _JDBC_VALUE and line[start : start + 1] == "{":
        start += 1
    if before and before in "\"'" and (rest := _REST_OF_QUOTED[before].match(line, start)):
        # `-e "DB_PASSWORD=two words"`
        return Value(start, rest.end(), rest[0])
    bare = _BYTES.match(line, start) or kind.match(line, start)
    return Value(start, bare.end(), bare[0]) if bare else Value(start, start, "")


def quoted_value(line: str, start: int, quote: str) -> Value:
    """The value that begins here, behind its opening quote; where none closes it, it ends with its line."""
    if quote in "\"'":
        found = (_JSON_STRING if quote == '"' else _SINGLE).match(line, start - 1)
        if found:
            return Value(start, found.end(1), found[1], quoted=True)
    end = line.find(quote, start)
    while end > 0 and line[end - 1] == "\\":
        end = line.find(quote, end + 1)
    end = end if end >= 0 else len(line.rstrip("\r\n"))
    return Value(start, end, line[start:end], quoted=True)
