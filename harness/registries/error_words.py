# SPDX-License-Identifier: Apache-2.0
"""What a server says of a mistake, in one line: registries, their token servers, and what stands in front of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness import causes
from harness.late import httpx

_LONGEST = 600
"""Characters of what a registry says of one error."""
_SHORT = 200
_KEYS = ("error", "error_description", "details", "detail", "message", "title")


def said(response: httpx.Response) -> str:
    """The errors of a response by the distribution specification, code and message; else the beginning of its text."""
    if response.request.method == "HEAD":
        return ""
    try:
        content = json.loads(response.content)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        lines = [causes.shortened(it, _LONGEST) for it in _errors(content.get("errors"))]
        if told := "; ".join(it for it in lines if it) or error_in(content):
            return told
    return causes.shortened(re.sub(r"<[^>]*>", " ", response.text), _SHORT)


def error_in(answer: Mapping[str, Any]) -> str:
    """What a server says of a mistake in an object without `errors`: a token server (RFC 6749, 5.2), Docker Hub's,
    Quay, Google's (cloud.google.com/apis/design/errors), and by RFC 9457.
    """
    inner = answer.get("error")
    told = {**answer, **inner} if isinstance(inner, dict) else answer
    named = [told.get(it) for it in _KEYS]
    return causes.shortened(" ".join(dict.fromkeys(it for it in named if isinstance(it, str))), _SHORT)


def _errors(listed: object) -> Iterator[str]:
    """Each of `errors`, which is a list of objects by the specification, and not everywhere."""
    for it in listed if isinstance(listed, list) else [listed]:
        if isinstance(it, str):
            yield it
        elif isinstance(it, dict):
            words = (it.get("code"), it.get("message"), _detail(it.get("detail")))
            yield " ".join(dict.fromkeys(str(word) for word in words if word))


def _detail(detail: object) -> str:
    """What says more than the message, or stands in its place (Quay)."""
    if isinstance(detail, dict):
        detail = detail.get("message")
    return detail if isinstance(detail, str) else ""
