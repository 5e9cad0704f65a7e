# SPDX-License-Identifier: Apache-2.0
"""What programs say is no markup in a page of Markdown."""

from __future__ import annotations

import time

import pytest

from harness.evidence.markdown import cell, code, fenced, plain, prose
from harness.matrix import catalogue

REAL = catalogue.load()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("```\nall the rest", "\\`\\`\\`\nall the rest"),
        ("~~~", "\\~\\~\\~"),
        ("![x](https://example.net/x.png)", "!\\[x\\](https:\u200b//example.net/x.png)"),
        ("[x](https://example.net)", "\\[x\\](https:\u200b//example.net)"),
        ("thanks to @someone", "thanks to @\u200bsomeone"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("# heading\n> quote\n- item", "\\# heading\n\\&gt; quote\n\\- item"),
        ("ghcr.io/x@sha256:4f3a, 2.2.1@docker.io", "ghcr.io/x@sha256:4f3a, 2.2.1@docker.io"),
        ("spark_pi is spark-pi", "spark_pi is spark-pi"),
        ("Get https://10.96.0.1/api: EOF", "Get https:\u200b//10.96.0.1/api: EOF"),
        ("HTTP://Example.net, ftp://a.net/x", "HTTP:\u200b//Example.net, ftp:\u200b//a.net/x"),
        ("see www.example.net and mailto:x", "see www\u200b.example.net and mailto:\u200bx"),
        ("ask someone@example.net", "ask someone@\u200bexample.net"),
        ("cc:@someone /@org/team", "cc:@\u200bsomeone /@\u200borg/team"),
        (
            "as in #12, kubeflow/spark-operator#3024, GH-7",
            "as in #\u200b12, kubeflow/spark-operator#\u200b3024, GH-\u200b7",
        ),
        ("$HOME and ${PATH}", "<span>$</span>HOME and <span>$</span>{PATH}"),
        ("${SPARK_IMAGE} is not set", "${SPARK_IMAGE} is not set"),
        ("a|b\n:-|-", "a|b\n\\:-|-"),
        ("user\u202egpj.exe\u2066x", "user\ufffdgpj.exe\ufffdx"),
        ("10 %\r20 %\r\ndone", "10 %\n20 %\ndone"),
        ("_very_ __much__", "\\_very\\_ \\_\\_much\\_\\_"),
        ("\x1b[31mred\x1b[0m \x1b]8;;https://example.net\x07link\x1b]8;;\x07", "red link"),
    ],
)
def test_what_is_said_reads_as_it_is(said: str, shown: str) -> None:
    assert prose(said) == shown


def test_only_the_sources_of_the_catalogues_are_links() -> None:
    link = next(iter(REAL.upgrades.known)).link
    said = f"it breaks (https://example.net/x; known: {link}), says @someone"
    assert prose(said) == f"it breaks (https:\u200b//example.net/x; known: <{link}>), says @\u200bsomeone"
    assert prose(f"{link}/../../evil").startswith("https:\u200b")
    assert cell(f"a | {link}") == f"a \\| <{link}>"


def test_a_long_text_without_blanks_is_escaped_in_a_moment() -> None:
    began = time.process_time()
    for text in ("a" * 300_000, "a@" * 100_000, "https://" * 30_000, "_@#1." * 50_000):
        assert prose(text)
    assert time.process_time() - began < 5


def test_a_cell_of_a_table_is_one_line_with_one_cell() -> None:
    assert cell("a | b\nc") == "a \\| b c"
    assert cell("a\rb\r\nc") == "a b c"


def test_code_ends_where_it_should() -> None:
    assert code("a`b\nc") == "`a'b c`"
    assert list(fenced(["x", "````", "y"], "sh")) == ["`````sh", "x", "````", "y", "`````"]
    assert list(fenced([])) == ["```", "```"]


def test_a_clipboard_is_left_alone() -> None:
    assert plain("a\x1b]52;c;cm0gLXJm\x07b") == "ab"
