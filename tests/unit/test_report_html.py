# SPDX-License-Identifier: Apache-2.0
"""index.html as a document: whole, alone, with headings, captions and labels, and safe whatever the results say."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import report_gallery as gallery
from report_samples import FINDINGS, LOCK, run
from rich.console import Console

from harness.report import html, junit, summary
from harness.report.attachments import Attachments
from harness.report.model import RunResult
from harness.verdicts import Verdict

_VOID = {"meta", "link", "br", "img", "input", "hr"}
_HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}\x1b[31m\x00 javascript:alert(3)"


class Document(HTMLParser):
    """The elements of a page: (tag, attributes, text within), and what is not closed in its order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[tuple[str, list[str]]] = []
        self.wrong: list[str] = []
        self.feed(page)
        self.close()
        self.wrong += [f"{tag} is not closed" for tag, _ in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text: list[str] = []
        self.elements.append((tag, {name: value or "" for name, value in attrs}, text))
        if tag not in _VOID:
            self._open.append((tag, text))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            self.wrong.append(f"</{tag}> closes nothing, inside {[name for name, _ in self._open]}")
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for _, text in self._open:
            text.append(data)

    def all(self, tag: str) -> Iterator[tuple[dict[str, str], str]]:
        """Attributes and text of each element of this name."""
        return ((attributes, "".join(text)) for name, attributes, text in self.elements if name == tag)

    def of_class(self, name: str) -> list[tuple[dict[str, str], str]]:
        """The same of each element with this class."""
        return [(it, "".join(text)) for _, it, text in self.elements if name in it.get("class", "").split()]


@pytest.fixture(scope="module")
def page() -> str:
    return html.render(gallery.everything(), gallery.pulls())


@pytest.fixture(scope="module")
def document(page: str) -> Document:
    return Document(page)


def test_every_element_is_closed_and_every_id_is_there_once(document: Document) -> None:
    assert document.wrong == []
    ids = [it["id"] for _, it, _ in document.elements if "id" in it]
    assert len(ids) == len(set(ids))
    targets = [it["href"][1:] for _, it, _ in document.elements if it.get("href", "").startswith("#")]
    assert len(targets) > 50
    assert set(targets) <= set(ids)


def test_the_page_asks_for_nothing_from_elsewhere(page: str, document: Document) -> None:
    loading = {"src", "srcset", "data", "poster", "action", "background", "xlink:href"}
    assert not [(tag, it) for tag, it, _ in document.elements if loading & it.keys()]
    assert [it["href"] for it, _ in document.all("link")] == ["data:,"]
    assert "url(" not in page
    assert "@import" not in page
    outside = [it["href"] for it, _ in document.all("a") if not it["href"].startswith(("#", "./"))]
    assert outside, "known breaks have links to where they are known from"
    assert all(href.startswith("https://") for href in outside)


def test_only_the_script_of_the_page_may_run(page: str, document: Document) -> None:
    policy = next(it["content"] for it, _ in document.all("meta") if it.get("http-equiv") == "Content-Security-Policy")
    ((_, script),) = document.all("script")
    assert "default-src 'none'" in policy
    assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert not [it for _, it, _ in document.elements if any(name.startswith("on") for name in it)]


def test_headings_step_down_one_by_one(document: Document) -> None:
    levels = [int(tag[1]) for tag, _, _ in document.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_tables_have_captions_and_their_headers_a_scope(document: Document) -> None:
    assert len(list(document.all("table"))) == len([text for _, text in document.all("caption") if text.strip()])
    assert all(it.get("scope") in ("row", "col") for it, _ in document.all("th"))


def test_no_verdict_is_told_by_colour_alone(document: Document) -> None:
    words = {*Verdict, "no result"}
    tiles = document.of_class("tile")
    assert {word for word in words if any(word in text for _, text in tiles)} == words
    for it, text in (*tiles, *document.of_class("badge")):
        assert any(word in text for word in (*words, "left behind")), (it, text)
    marks = {it["href"] for it, _ in document.all("use")}
    assert {f"#mark-{word.replace(' ', '-')}" for word in words} <= marks


def test_the_matrix_has_a_tile_for_every_cell_that_leads_to_it(document: Document) -> None:
    tiles = document.of_class("tile")
    report = gallery.everything()
    assert len(tiles) == len(report.planned)
    by_title = {it["title"]: it.get("href") for it, _ in tiles}
    assert by_title["kind-1.36/install-2.5.2/pyspark-pi: no result"] is None
    anchor = by_title["kind-1.34/install-2.5.2/retry: failed"]
    assert anchor is not None
    (text,) = ["".join(text) for _, it, text in document.elements if it.get("id") == anchor[1:]]
    assert "kind-1.34/install-2.5.2/retry" in text
    assert by_title["k3d-1.36/install-2.5.2/spark-connect: passed, 3 of 3"]
    captions = [text for _, text in document.all("caption")]
    assert captions[:2] == ["install-2.5.2", "Environments and paths, by scenario"]


def test_what_is_wrong_comes_before_what_held_and_the_worst_first() -> None:
    shown = html.render(run(*FINDINGS))
    wrong, held = shown.index(">Problems</h2>"), shown.index(">Passed</h2>")
    cards = re.findall(r'<article class="card edge-([\w-]+)"', shown)
    assert wrong < held
    assert cards == ["error", "failed", "unavailable"]
    rows = shown[held:]
    assert re.findall(r"<h4>([\w-]+)</h4>", rows) == ["spark-pi", "scheduled"]
    assert "sha256:" + "ab" * 32 in rows


def test_each_cell_has_its_command_its_evidence_and_its_times(document: Document) -> None:
    plain = Document(
        html.render(run("retry"), Attachments(evidence={"kind-1.34/install-2.5.2/retry": ("a/summary.md",)}))
    )
    commands = [text for _, text in plain.all("code")]
    assert f"nox -s e2e -- --cell kind-1.34/install-2.5.2/retry --lock {LOCK}" in commands
    links = [it["href"] for it, _ in plain.all("a")]
    assert {"./kind-1.34/install-2.5.2/retry/", "./a/summary.md"} <= set(links)
    bars = [" ".join(text.split()) for _, text in plain.of_class("bars")]
    assert bars == ["cluster 10.0 s install 5.5 s scenario 18.2 s"]
    moved = [" ".join(text.split()) for _, text in document.of_class("bars")]
    assert f"{gallery.STEPS[0]} 1.9 s {gallery.STEPS[1]} 31.8 s" in moved


def test_buttons_are_only_there_with_scripts(document: Document) -> None:
    buttons = list(document.all("button"))
    assert buttons
    assert all("hidden" in it for it, _ in buttons)


def test_a_green_page_has_nothing_under_what_is_wrong() -> None:
    shown = html.render(run("spark-pi"))
    assert ">Problems<" not in shown
    assert "Everything held" in shown
    assert "1 cell: 1 passed" in shown


def test_a_page_of_a_killed_run_says_so() -> None:
    shown = html.render(run("spark-pi", ended=None, planned=("kind-1.36/x/y",), leaks=("volume abc",)))
    assert "The run has not ended" in shown
    alarms = Document(shown).of_class("alarms")[0][1]
    assert "no result kind-1.36/x/y" in alarms
    assert "left behind volume abc" in alarms


def test_text_of_clusters_is_shown_as_text() -> None:
    shown = html.render(run("retry"))
    assert "state is &lt;COMPLETED&gt;" in shown
    assert "<COMPLETED>" not in shown


def _hostile(value: Any) -> Any:
    """The same with every text, also the names of phases, facts and tools, made one that wants out of the page."""
    if isinstance(value, str):
        return value + _HOSTILE
    if isinstance(value, dict):
        return {name + _HOSTILE: _hostile(it) for name, it in value.items()}
    return [_hostile(it) for it in value] if isinstance(value, list) else value


def _hostile_report() -> RunResult:
    """A report with such a text wherever one may be."""
    written = gallery.everything().model_dump(mode="json")
    kept = {name: written.pop(name) for name in ("schema_version", "started", "ended")}
    source = written.pop("source")
    changed = {name: _hostile_field(name, it) for name, it in written.items()}
    changed["planned"] += [f"kind-1.34/install-2.5.2/{_HOSTILE}"]
    return RunResult.model_validate({**kept, **changed, "source": {**source, "why": _HOSTILE}})


def test_no_text_in_the_results_moves_a_cursor_or_breaks_what_others_read() -> None:
    # Reports are merged that were made on other machines.
    report, printed = _hostile_report(), io.StringIO()
    summary.terminal(report, Console(file=printed, width=200, color_system=None), Path("reports"))
    texts = (printed.getvalue(), junit.render(report), summary.markdown(report))
    for text in texts:
        assert "alert(1)" in text
        assert not re.search(r"[\x00\x1b]", text)
    cases = ET.fromstring(texts[1]).iter("testcase")  # noqa: S314  # our own document
    assert any("alert(1)" in case.attrib["name"] for case in cases)
    outside = re.sub(r"(?ms)^(`{3,})\w*$.*?^\1$|`[^`\n]*`", "", texts[2])
    assert "<script" not in outside


def test_no_text_in_the_results_gets_out_of_its_place() -> None:
    report = _hostile_report()
    rows = tuple(row.model_copy(update={"registry": _HOSTILE, "image": _HOSTILE}) for row in gallery.pulls().pulls)
    shown = html.render(report, replace(gallery.pulls(), pulls=rows, pulls_from=_HOSTILE))
    found = Document(shown)
    assert found.wrong == []
    assert len(list(found.all("script"))) == 1
    assert not list(found.all("img"))
    assert not re.search(r"[\x00\x1b]", shown)
    assert ">49<" not in shown
    assert "{{ 7*7 }}" in shown
    assert all(it["href"].startswith(("#", "./", "https://")) for it, _ in found.all("a"))


def _hostile_part(value: Any) -> Any:
    """As _hostile, but fields of models keep their names and verdicts their words."""
    if isinstance(value, list):
        return [_hostile_part(it) for it in value]
    if isinstance(value, dict) and "verdict" in value:
        fixed = {name: value[name] for name in ("verdict",)}
        return {**{name: _hostile_field(name, it) for name, it in value.items()}, **fixed}
    return (
        {name: _hostile_field(name, it) for name, it in value.items()} if isinstance(value, dict) else _hostile(value)
    )


def _hostile_field(name: str, value: Any) -> Any:
    # Identifiers with such a text in them are refused when a report is read.
    if isinstance(value, str) and name in ("id", "run_id", "evidence", "lock"):
        return value
    return _hostile(value) if name in ("evidence", "phases", "tools") else _hostile_part(value)


def test_a_folder_of_evidence_cannot_lead_to_another_host() -> None:
    for name in ("//evil.example/x", "https://evil.example", "javascript:alert(1)"):
        cell = run("retry").cells[0].model_copy(update={"evidence": name})
        shown = Document(html.render(run("retry").model_copy(update={"cells": (cell,)})))
        links = [it["href"] for it, _ in shown.all("a")]
        assert links
        assert all(link.startswith(("#", "./")) for link in links)


def test_a_link_in_a_message_is_one_and_ends_where_it_does() -> None:
    told = html._linked("see https://github.com/kubeflow/spark-operator/issues/2436, <b> and 2.2.1@docker.io")
    assert told == (
        'see <a href="https://github.com/kubeflow/spark-operator/issues/2436" rel="noopener noreferrer">'
        "kubeflow/spark-operator#2436</a>, &lt;b&gt; and 2.2.1@docker.io"
    )


def _palette(style: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6}|#[0-9a-f]{3});", style))


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * it for it in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_has_enough_contrast_in_the_light_in_the_dark_and_on_paper() -> None:
    """4.5 to 1, as WCAG 2.2 asks of text (success criterion 1.4.3)."""
    style = html.part("style.css")
    blocks = re.findall(r":root \{(.*?)\}", style, re.S)
    assert len(blocks) == 3
    light = _palette(blocks[0])
    for palette in (light, _palette(blocks[1]), {**light, **_palette(blocks[2])}):
        for name in ("fg", "dim", "accent", *Verdict, "no-result"):
            for below in ("bg", "panel"):
                assert _contrast(palette[name], palette[below]) >= 4.5, (name, below)
        for name in (*Verdict, "no-result"):
            assert _contrast(palette[name], palette[f"{name}-tint"]) >= 4.5, name


def test_many_cells_with_long_names_make_a_page_of_reasonable_size() -> None:
    shown = html.render(gallery.many())
    assert len(gallery.many().cells) > 60
    assert len(shown) < 2_000_000
    assert Document(shown).wrong == []
