# SPDX-License-Identifier: Apache-2.0
"""Where a list goes on, by the ways in which registries write it."""

from __future__ import annotations

import time

import httpx
import pytest

from harness.registries.link_headers import following


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('</v2/a/tags/list?last=b>; rel="next"', "/v2/a/tags/list?last=b"),
        ("<?last=b&n=2>; rel=next", "?last=b&n=2"),
        ('<https://r.example.com/v2/a/tags/list?last=b,c>;rel="next"', "https://r.example.com/v2/a/tags/list?last=b,c"),
        ('</b>; REL="Next"', "/b"),
        ('</b>; rel="last next"', "/b"),
        ('</b>; title="a; b, c"; rel = "next"', "/b"),
        ('</a>; rel="first", </b>; rel="next", </c>; rel="last"', "/b"),
        ('</a>; rel="prev"; rel="next"', ""),
        ('</a>; title="rel=next"', ""),
        ("/b; rel=next", ""),
        ("", ""),
    ],
)
def test_the_next_page_is_found_however_it_is_written(header: str, target: str) -> None:
    assert following(httpx.Response(200, headers={"Link": header})) == target


def test_links_may_have_headers_of_their_own() -> None:
    headers = [("Link", '</a>; rel="first"'), ("Link", '</b>; rel="next"')]
    assert following(httpx.Response(200, headers=headers)) == "/b"


@pytest.mark.parametrize("header", ["<" * 90_000, "<a>" + ";" * 90_000, "<a>" + "; a" * 30_000, '<a>;a="' * 12_000])
def test_a_header_without_end_is_read_at_once(header: str) -> None:
    began = time.process_time()
    assert following(httpx.Response(200, headers={"Link": header})) == ""
    assert time.process_time() - began < 2
