# SPDX-License-Identifier: Apache-2.0
"""Shapes of secrets and of what looks like them, each as it stands."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
import redaction_plain_shapes as plain
import redaction_shapes as corpus

from harness.redaction.redactor import Redactor


@pytest.mark.parametrize("secret", corpus.SECRETS)
def test_no_plain_shape_gets_through(secret: str) -> None:
    encoded = base64.b64encode(f"me:{secret}".encode()).decode()
    quoted = urllib.parse.quote(secret, safe="")
    wrong = []
    for shape in plain.HIDDEN:
        text = shape.replace("{s}", secret).replace("{b}", encoded).replace("{u}", quoted) + "\n"
        redacted = Redactor().text(text)
        if any(it in redacted for it in (secret, encoded, quoted)) or ("kept" in text and "kept" not in redacted):
            wrong.append(f"{text!r} became {redacted!r}")
        elif Redactor().text(redacted) != redacted:
            wrong.append(f"{redacted!r} became another text")
    assert wrong == []


def test_what_only_looks_like_a_secret_stays() -> None:
    texts = [it for text in plain.SHOWN for it in (text + "\n", json.dumps({"message": text}))]
    assert [text for text in texts if Redactor().text(text) != text] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Login failed for me with password hunter2horse\n", "Login failed for me with password ***\n"),
        ("login with the token 'swordfish' was refused\n", "login with the token '***' was refused\n"),
        ("Generated password for me: hunter2horse\n", "Generated password for me: ***\n"),
        ("Incorrect API key provided: hunter2horse. See\n", "Incorrect API key provided: *** See\n"),
    ],
)
def test_what_a_sentence_tells_is_masked(text: str, expected: str) -> None:
    assert Redactor().text(text) == expected
