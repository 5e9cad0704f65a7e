# SPDX-License-Identifier: Apache-2.0
"""Words by which a sentence about a secret goes on, where a value would stand."""

from __future__ import annotations

import re

STATUS_WORDS = (
    *("a", "access", "an", "and", "already", "any", "are", "as", "at", "be", "because", "before", "by", "can"),
    *(
        "cannot",
        "check",
        "converting",
        "could",
        "denied",
        "did",
        "does",
        "duplicate",
        "empty",
        "error",
        "expired",
        "failed",
    ),
    *("for", "forbidden", "from", "get", "has", "have", "head", "if", "illegal", "in", "incorrect", "invalid"),
    *("is", "it", "dial", "line", "malformed", "may", "mismatch", "missing", "must", "nil", "no", "none", "not"),
    *("of", "ok", "on", "or", "post", "put", "read", "refused", "rejected", "required", "revoked", "secret"),
    *("should", "signature", "since", "the", "this", "to", "too", "unable", "unauthorized", "unavailable"),
    *("undefined", "unexpected", "unknown", "unsupported", "using", "value", "valid", "was", "were", "will"),
    *("with", "wrong", "your", "you", "via", "through", "flag", "flags", "option", "options", "argument", "over"),
    *("parameter", "provided", "instead", "when", "which", "that", "but", "into", "needs", "takes", "expects"),
)

STATUS = re.compile(
    rf"(?i)(?:{'|'.join(STATUS_WORDS)})\b(?![\w@$!#%^*=+/-]|[.,:;]\w|'(?!s\b))|[a-z][a-z/]*:\s"
    r"|(?:asn1|http2|oauth2|pkcs\d+|x509):\s|(?:open|stat|read|exec) [\"/.]"
    r"|(?-i:[a-z]+) \\*\"[\w./:-]+\\*\" (?:not|is|already|in|cannot)\b"
    r"|(?-i:(?:\.\*)?[1-5]\d\d [A-Z][a-z]+|[A-Z]+(?:_[A-Z]+)*_TOKEN\b|[A-Z][a-z]+(?:\s\w+)+:\s*$)"
)
PROSE = re.compile(
    rf"{STATUS.pattern}|(?-i:[A-Z]{{2,5}}\s[a-z]+\s[a-z]+\s)|(?-i:(?![a-z]+,\s+[\w.-]+:\s)[A-Z]?[a-z]+,?\s+(?!(?:as|at|for|from|in|on|to|user|with)\b)[a-z]+(?:-[a-z]+)?(?:[\s,.;]|:\s|$))"
)
