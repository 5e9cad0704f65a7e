# SPDX-License-Identifier: Apache-2.0
"""The report's page in a real browser: on a phone, in the dark, without scripts, on paper, as a tree of roles."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
import report_gallery as gallery
from nights import nights

from harness.report import html, trend, trend_page

PROGRAM = chromium.found()

pytestmark = pytest.mark.skipif(
    PROGRAM is None,
    reason="needs Chromium to show the report in, `apt-get install chromium`; nothing else is left out",
)

SIZES = {"phone": chromium.PHONE, "small phone": (320, 568), "desktop": chromium.DESKTOP}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of the pages, which lie on the disk as a run leaves them."""
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "everything": html.render(gallery.everything(), gallery.pulls()),
        "many": html.render(gallery.many()),
        "trend": trend_page.render(trend.of_runs(nights())),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text)
    return {name: (folder / f"{name}.html").as_uri() for name in texts}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Page]:
    assert PROGRAM is not None
    with chromium.browser(PROGRAM, tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["everything", "many", "trend"])
def test_nothing_is_wider_than_the_screen(
    page: chromium.Page, pages: dict[str, str], name: str, size: str, dark: bool
) -> None:
    page.open(pages[name], size=SIZES[size], dark=dark)
    assert page.run("innerWidth") == SIZES[size][0]
    page.run("document.querySelectorAll('details').forEach((it) => (it.open = true))")
    assert page.run("document.documentElement.scrollWidth") <= SIZES[size][0]
    if size != "desktop":
        # What may scroll sideways on a desktop must not need to on a phone.
        assert (
            page.run("[...document.querySelectorAll('.scroll')].filter((it) => it.scrollWidth > it.clientWidth).length")
            == 0
        )


def test_the_latest_night_is_in_sight(page: chromium.Page, pages: dict[str, str]) -> None:
    page.open(pages["trend"])
    last = "document.querySelector('.nights tbody tr td:last-child').getBoundingClientRect()"
    box = "document.querySelector('.nights').parentElement.getBoundingClientRect()"
    assert page.run(f"{last}.right <= {box}.right && {last}.left >= {box}.left")
    page.open(pages["trend"], size=(800, 900))
    assert page.run(f"{last}.right <= {box}.right && {last}.left >= {box}.left")
    name = "document.querySelector('.nights tbody th').getBoundingClientRect()"
    assert page.run(f"{name}.left >= {box}.left")


def test_it_asks_for_nothing_and_nothing_complains(page: chromium.Page, pages: dict[str, str]) -> None:
    page.open(pages["everything"])
    page.run("new Promise((done) => setTimeout(done, 200))")
    assert [it for it in page.requests if not it.startswith("data:")] == []
    assert page.complaints == []


def test_the_dark_is_dark(page: chromium.Page, pages: dict[str, str]) -> None:
    grey = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b) / 3"
    page.open(pages["everything"], dark=True)
    assert page.run(grey) < 40
    page.open(pages["everything"])
    assert page.run(grey) > 240


def test_a_command_is_copied_as_it_is(page: chromium.Page, pages: dict[str, str]) -> None:
    page.open(pages["everything"])
    page.send("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    page.send("Page.bringToFront")
    retry = "[...document.querySelectorAll('.command')].find((it) => it.textContent.includes('install-2.5.2/retry'))"
    assert page.run(f"{retry}.querySelector('button').checkVisibility()")
    page.run(f"{retry}.querySelector('button').click()")
    command = f"nox -s e2e -- --cell kind-1.34/install-2.5.2/retry --lock {gallery.LOCK}"
    said = "new Promise((done) => setTimeout(() => done(document.getElementById('said').textContent), 300))"
    assert page.run(said) == "The command is copied."
    assert page.run("navigator.clipboard.readText()") == command


def test_a_tile_leads_to_its_cell_also_where_that_is_folded_up(page: chromium.Page, pages: dict[str, str]) -> None:
    page.open(pages["everything"])
    tile = "document.querySelector(\"a.tile[title^='kind-1.34/install-2.5.2/spark-pi:']\")"
    target = f"document.getElementById({tile}.hash.slice(1))"
    assert not page.run(f"{target}.checkVisibility()")
    page.run(f"{tile}.click()")
    page.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))")
    assert page.run(f"{target}.closest('details').open")
    assert page.run(f"{target}.checkVisibility()")


def test_without_scripts_everything_can_be_read(page: chromium.Page, pages: dict[str, str]) -> None:
    page.open(pages["everything"], script=False)
    root = page.send("DOM.getDocument")["root"]["nodeId"]

    def every(selector: str) -> list[int]:
        found = page.send("DOM.querySelectorAll", nodeId=root, selector=selector)["nodeIds"]
        assert found
        return list(found)

    page.send("DOM.enable")
    for button in every("button"):
        with pytest.raises(AssertionError, match="box model"):
            page.send("DOM.getBoxModel", nodeId=button)
    summary = every("details.row > summary")[0]
    box = page.send("DOM.getBoxModel", nodeId=summary)["model"]["content"]
    page.send("DOM.scrollIntoViewIfNeeded", nodeId=summary)
    box = page.send("DOM.getBoxModel", nodeId=summary)["model"]["content"]
    for kind in ("mousePressed", "mouseReleased"):
        page.send(
            "Input.dispatchMouseEvent", type=kind, x=box[0] + 150, y=(box[1] + box[5]) / 2, button="left", clickCount=1
        )
    attributes = page.send("DOM.getAttributes", nodeId=every("details.row")[0])["attributes"]
    assert "open" in attributes


def test_the_matrix_is_a_table_for_assistive_programs_also_on_a_phone(
    page: chromium.Page, pages: dict[str, str]
) -> None:
    page.open(pages["everything"], size=chromium.PHONE)
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    named = [(it["role"]["value"], it.get("name", {}).get("value", "")) for it in nodes if "role" in it]
    assert ("table", "install-2.5.2") in named
    assert ("rowheader", "kind-1.34") in named
    assert ("columnheader", "spark-pi") in named
    links = {name for role, name in named if role == "link"}
    assert {"retry failed", "config-map error", "spark-pi passed"} <= links
    assert ("heading", "Problems") in named


def test_it_prints(page: chromium.Page, pages: dict[str, str]) -> None:
    page.open(pages["everything"], dark=True)
    page.send("Emulation.setEmulatedMedia", media="print")
    hidden = "['nav', '.command button'].every((it) => !document.querySelector(it).checkVisibility())"
    assert page.run(hidden)
    paper = base64.b64decode(page.send("Page.printToPDF", printBackground=False)["data"])
    page.send("Emulation.setEmulatedMedia", media="")
    assert paper.startswith(b"%PDF")
    assert 1 < len(re.findall(rb"/Type\s*/Page\b", paper)) <= 25


def test_a_picture_of_it_can_be_taken(page: chromium.Page, pages: dict[str, str], tmp_path: Path) -> None:
    """For whoever wants to look: `pytest --basetemp` keeps the pictures."""
    for size in ("phone", "desktop"):
        for dark in (False, True):
            page.open(pages["everything"], size=SIZES[size], dark=dark)
            taken = page.screenshot(tmp_path / f"{size}-{'dark' if dark else 'light'}.png", whole=True)
            assert taken.read_bytes().startswith(b"\x89PNG")
