# SPDX-License-Identifier: Apache-2.0
"""What programs say is no markup in a page of Markdown."""

from __future__ import annotations

import pytest

from harness.evidence.markdown import cell, code, fenced, plain, prose


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("```\nall the rest", "\\`\\`\\`\nall the rest"),
        ("~~~", "\\~\\~\\~"),
        ("![x](https://example.net/x.png)", "!\\[x\\](https://example.net/x.png)"),
        ("[x](https://example.net)", "\\[x\\](https://example.net)"),
        ("thanks to @someone", "thanks to @\u200bsomeone"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("# heading\n> quote\n- item", "\\# heading\n\\&gt; quote\n\\- item"),
        ("ghcr.io/x@sha256:4f3a, 2.2.1@docker.io", "ghcr.io/x@sha256:4f3a, 2.2.1@docker.io"),
        ("spark_pi is spark-pi", "spark_pi is spark-pi"),
        ("\x1b[31mred\x1b[0m \x1b]8;;https://example.net\x07link\x1b]8;;\x07", "red link"),
    ],
)
def test_what_is_said_reads_as_it_is(said: str, shown: str) -> None:
    assert prose(said) == shown


def test_a_cell_of_a_table_is_one_line_with_one_cell() -> None:
    assert cell("a | b\nc") == "a \\| b c"


def test_code_ends_where_it_should() -> None:
    assert code("a`b\nc") == "`a'b c`"
    assert list(fenced(["x", "````", "y"], "sh")) == ["`````sh", "x", "````", "y", "`````"]
    assert list(fenced([])) == ["```", "```"]


def test_a_clipboard_is_left_alone() -> None:
    assert plain("a\x1b]52;c;cm0gLXJm\x07b") == "ab"
