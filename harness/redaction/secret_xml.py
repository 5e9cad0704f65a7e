# SPDX-License-Identifier: Apache-2.0
"""Secrets in XML and HTML, also as JSON and HTML escape them: Hadoop's properties, elements, attributes, cells."""

from __future__ import annotations

import re

from harness.redaction.secret_names import MASK, is_harmless, is_secret
from harness.redaction.secret_prose import STATUS
from harness.redaction.secret_tables import is_secret_cell

_LT, _GT = r"(?:<|&lt;|\\u003[cC])", r"(?:>|&gt;|\\u003[eE])"
_ELEMENT = re.compile(
    rf"({_LT}(?P<key>[\w.:-]+)(?:\s[^<>]{{0,200}}?)?{_GT}\s*+(?:<!\[CDATA\[)?)"
    rf"(?P<value>[^<&\\]++|(?:(?!{_LT}/).){{1,400}}?)(?=(?:\]\]>)?\s*{_LT}/(?P=key){_GT})"
)
_NAMED = re.compile(r"""(<\w[\w.:-]*\s[^<>]*?\b(?:key|name)=["'](?P<key>[\w.-]+)["'][^<>]*>)(?P<value>[^<]+)(?=</)""")
_PROPERTY = re.compile(rf"{_LT}property{_GT}(?>(?:[^<&\\]++|(?!{_LT}/?property{_GT}).)*){_LT}/property{_GT}", re.DOTALL)
# Elements around what a cell says
_TAGS = r"(?:</?\w+(?:\s[^<>]{0,200})?>\s*){0,4}"
_CELLS = re.compile(
    rf"(<(?P<cell>t[dh]|dt)\b[^<>]{{0,200}}>\s*{_TAGS}(?P<key>[\w.-]+)\s*:?\s*{_TAGS}</(?P=cell)>\s*<[td]d\b[^<>]{{0,200}}>\s*{_TAGS})"
    r"(?P<value>[^<]+)"
)
_LABELLED = re.compile(
    rf"(<(?P<cell>b|strong|label|em|span)\b[^<>]{{0,200}}>\s*(?P<key>[\w.-]+)\s*:\s*</(?P=cell)>\s*{_TAGS})(?P<value>[^<]+)"
)
# A name and its value in elements of the same kind, one after the other
_BESIDE = re.compile(
    r"(<(?P<cell>div|p|span|li|dd|code|strong)\b[^<>]{0,200}>\s*(?P<key>\w[\w.-]*(?: \w+){0,2})\s*:?\s*</(?P=cell)>"
    r"\s*<(?P=cell)\b[^<>]{0,200}>\s*)(?P<value>[^\s<]+)(?=\s*</(?P=cell)>)"
)
_XML_NAME = re.compile(rf"{_LT}name{_GT}\s*(?P<key>[\w.-]+)\s*{_LT}/name{_GT}")
_XML_VALUE = re.compile(
    rf"({_LT}value{_GT}\s*(?:<!\[CDATA\[)?)(?P<value>.*?)(?=(?:\]\]>)?\s*{_LT}/value{_GT})", re.DOTALL
)

_XML_PAIR = re.compile(
    rf"({_LT}name{_GT}\s*(?P<key>[\w.-]+)\s*{_LT}/name{_GT}(?:(?!{_LT}name{_GT}).){{0,300}}?{_LT}value{_GT}\s*)"
    rf"(?P<value>(?:(?!{_LT}/).)+)",
    re.DOTALL,
)
# A line that was cut within an element; `<password>@host` is what a usage says
_CUT = re.compile(r"(<(?P<key>[\w.:-]+)>)(?P<value>[^\s<>@:/|()\[\]{},.;-][^\s<>]{3,})$", re.MULTILINE)


def redact(text: str) -> str:
    """The text without the secrets in its elements."""
    if not any(mark in text for mark in ("</", "&lt;/", "u003c/", "u003C/")):
        return text
    text = _PROPERTY.sub(_mask_property, text)
    for pattern in (_XML_PAIR, _ELEMENT, _NAMED, _CELLS, _CUT):
        text = pattern.sub(mask_named, text)
    text = _BESIDE.sub(lambda it: mask_named(it) if is_secret_cell(it["value"], it["key"]) else it[0], text)
    return _LABELLED.sub(lambda it: it[0] if STATUS.match(it["value"].strip()) else mask_named(it), text)


def _mask_property(found: re.Match[str]) -> str:
    """Hadoop's <property>, whichever of its elements comes first."""
    name = _XML_NAME.search(found[0])
    if not name or not is_secret(name["key"]):
        return found[0]
    return _XML_VALUE.sub(lambda it: it[0] if is_harmless(it["value"].strip(), name["key"]) else it[1] + MASK, found[0])


def mask_named(found: re.Match[str]) -> str:
    """What was found, without its `value` where its `key` is a secret's."""
    value = found["value"].strip()
    # What follows the value stays, such as the end of its line.
    after = found["value"][len(found["value"].rstrip()) :]
    return (
        found[1] + MASK + after
        if value and is_secret(found["key"]) and not is_harmless(value, found["key"])
        else found[0]
    )
