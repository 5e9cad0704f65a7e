# SPDX-License-Identifier: Apache-2.0
"""The documentation site: it builds, has every page, loads nothing from other hosts, and dead links break the build."""

from __future__ import annotations

import re
import runpy
import shutil
import sys
from pathlib import Path

import pytest
from mkdocs.exceptions import PluginError

from harness import process
from harness.settings import PROJECT_ROOT

_LOADED = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?\s(?:src|href)=["']?([^"'\s>]+)""")


def _build(root: Path, site: Path) -> process.Completed:
    """Build the site as `nox -s docs` does, from the checkout at `root`."""
    return process.call(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", root / "mkdocs.yml", "--site-dir", site],
        timeout=120,
        check=False,
        env={"NO_MKDOCS_2_WARNING": "1"},
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = _build(PROJECT_ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_reached_by_the_navigation(site: Path) -> None:
    home = (site / "index.html").read_text()
    navigation = set(re.findall(r'<a href="?([\w-]+\.html)"? class="?md-nav__link', home))
    pages = {page.name for page in site.glob("*.html")}
    assert pages - navigation == {"404.html"}


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    loaded = {target for page in site.rglob("*.html") for target in _LOADED.findall(page.read_text())}
    assert any(target.endswith(".css") for target in loaded)
    assert not {target for target in loaded if re.match(r"(?:[a-z]+:)?//", target)}


def test_diagrams_are_pictures(site: Path) -> None:
    diagrams = re.findall(r'<div class="diagram"><svg.*?</svg>', (site / "architecture.html").read_text(), re.S)
    assert len(diagrams) == (PROJECT_ROOT / "docs" / "architecture.md").read_text().count("```mermaid")
    assert all(">run</" in re.sub(r"\s", "", diagram) for diagram in diagrams)


def test_a_diagram_that_cannot_be_drawn_breaks_the_build() -> None:
    hook = runpy.run_path(str(PROJECT_ROOT / ".ci" / "diagrams.py"))
    with pytest.raises(PluginError, match="cannot be drawn"):
        hook["drawn"]("flowchart TD\n  a --> [", "mermaid", "diagram")


# tests/unit/test_docs.py finds dead links and anchors in the pages; the site is built strictly above.
@pytest.mark.nightly
def test_what_leads_nowhere_breaks_the_build(tmp_path: Path) -> None:
    shutil.copytree(PROJECT_ROOT / "docs", tmp_path / "docs")
    shutil.copytree(PROJECT_ROOT / ".ci", tmp_path / ".ci")
    shutil.copy(PROJECT_ROOT / "mkdocs.yml", tmp_path)
    links = ("no-page.md", "options.md#no-anchor", "#no-anchor-here", "../README.md")
    with (tmp_path / "docs" / "settings.md").open("a") as page:
        page.write("".join(f"\n[x]({link})\n" for link in links))
    (tmp_path / "docs" / "not-in-the-navigation.md").write_text("# A page\n")
    done = _build(tmp_path, tmp_path / "site")
    assert done.returncode == 1
    for leading_nowhere in (*links, "not-in-the-navigation.md"):
        assert f"'{leading_nowhere}'" in done.stderr or f"- {leading_nowhere}\n" in done.stderr, done.stderr
    assert done.stderr.count("WARNING") == len(links) + 1
