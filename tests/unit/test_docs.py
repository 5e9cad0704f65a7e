# SPDX-License-Identifier: Apache-2.0
"""The documents say what the code does: commands, options, words, names, licences, links and paths."""

from __future__ import annotations

import argparse
import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from harness import cli, options, settings
from harness.evidence.installation import CACHE_PARTS
from harness.foundry import gobuild
from harness.images.mirrors import Mirror
from harness.matrix import catalogue
from harness.matrix.costs import costs
from harness.report import model
from harness.settings import PROJECT_ROOT
from harness.stories import page
from harness.stories.failures import scenarios as faults
from harness.stories.installs import scenarios
from harness.verdicts import Verdict

_DOCS = PROJECT_ROOT / "docs"
_DOCUMENTS = sorted([*PROJECT_ROOT.glob("*.md"), *_DOCS.rglob("*.md")])
_README = PROJECT_ROOT / "README.md"
_DEPENDENCIES = _DOCS / "dependencies.md"
_GLOSSARY = _DOCS / "glossary.md"
_OPTIONS = _DOCS / "options.md"
_REGISTRY = _DOCS / "my-registry.md"
_RESULTS = _DOCS / "results.md"
_SETTINGS = _DOCS / "settings.md"
_TROUBLE = _DOCS / "troubleshooting.md"

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.M | re.S)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_PATH = re.compile(r"(?:\.ci|charts|clusters|docs|harness|tests)/[\w./*-]*|[\w-]+\.(?:md|py|toml)")

# Pages where no option but the harness's own is expected.
_OWN_OPTIONS_ONLY = [
    _README,
    *(
        _DOCS / f"{page}.md"
        for page in ("getting-started", "my-cluster", "my-red-cell", "my-upgrade", "options", "scenarios", "settings")
    ),
]

# Programs that are not the harness, whose options the documents name.
_PYTEST_OPTIONS = {"--lf"}
_PIP_OPTIONS = {"--require-hashes", "--no-deps", "--no-build-isolation"}
_OTHERS_OPTIONS = {"--privileged", "--kubernetes-version", "--wait", *_PIP_OPTIONS}
# Files that a user writes, that a run does, or that are in many folders.
_NOT_AT_ONE_PLACE = {"build.toml", "harness.toml", "hosts.toml", "summary.md"}


def _ids(path: Path) -> str:
    return path.relative_to(PROJECT_ROOT).as_posix()


def _prose(text: str) -> str:
    """A document without its fenced blocks."""
    return _FENCE.sub("", text)


def _commands(document: Path) -> Iterator[str]:
    """Lines of shell blocks without comments, and code spans."""
    text = document.read_text()
    for language, body in _FENCE.findall(text):
        if language == "sh":
            yield from (line.split("  #")[0].strip() for line in body.splitlines())
    yield from _SPAN.findall(_prose(text))


def _table(document: Path, header: str) -> dict[str, list[str]]:
    """The rows of the table whose first line begins with this: first cell → the others."""
    lines = document.read_text().splitlines()
    (start,) = [number for number, line in enumerate(lines) if line.startswith(f"| {header} |")]
    rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        first, *others = [cell.strip() for cell in line.strip("|").split("|")]
        rows[first.strip("`")] = others
    return rows


def _sessions() -> set[str]:
    tree = ast.parse((PROJECT_ROOT / "noxfile.py").read_text())
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any("session" in ast.unparse(it) for it in node.decorator_list)
    }


def _subcommands() -> dict[str, argparse.ArgumentParser]:
    return _children(cli._parser())


def _children(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = [it.choices for it in parser._actions if isinstance(it, argparse._SubParsersAction)]
    return dict(found[0]) if found else {}


def _options_of(parser: argparse.ArgumentParser) -> set[str]:
    """The options of a command, and of those below it."""
    parsers = [parser, *_children(parser).values()]
    return {word for each in parsers for action in each._actions for word in action.option_strings}


def _options() -> set[str]:
    return {word for parser in (cli._parser(), *_subcommands().values()) for word in _options_of(parser)}


@pytest.mark.parametrize("document", _DOCUMENTS, ids=_ids)
def test_sessions_exist(document: Path) -> None:
    named = set()
    for command in _commands(document):
        for words in re.findall(r"\bnox -s ((?:[a-z]\w*(?: |$))+)", command):
            named |= set(words.split())
    assert named <= _sessions()


@pytest.mark.parametrize("document", _DOCUMENTS, ids=_ids)
def test_subcommands_exist_with_their_options(document: Path) -> None:
    known = _subcommands()
    for command in _commands(document):
        found = re.match(r"(?:\S*/)?harness(?: --verbose)? ([a-z]+)\b(.*)", command)
        if not found:
            continue
        assert found[1] in known, command
        ours = found[2].split(" -- ")[0]
        assert set(_OPTION.findall(ours)) <= _options_of(known[found[1]]), command


@pytest.mark.parametrize("document", _DOCUMENTS, ids=_ids)
def test_options_of_a_session_are_those_of_its_subcommand(document: Path) -> None:
    subcommand = {"e2e": "run"}
    known = _subcommands()
    for command in _commands(document):
        for session, words in re.findall(r"nox -s ([\w-]+) -- ([^&|]*)", command):
            name = subcommand.get(session, session)
            if name in known:
                assert set(_OPTION.findall(words)) <= _options_of(known[name]) | _PYTEST_OPTIONS, command


@pytest.mark.parametrize("document", _OWN_OPTIONS_ONLY, ids=_ids)
def test_every_option_in_these_is_known(document: Path) -> None:
    named = {option for command in _commands(document) for option in _OPTION.findall(command)}
    assert named - _OTHERS_OPTIONS - _PYTEST_OPTIONS <= _options()


def test_every_option_of_a_run_is_explained() -> None:
    cells = " ".join(_table(_OPTIONS, "option"))
    named = set(_OPTION.findall(cells))
    assert named == {option.flag for option in (*options.SELECTION_OPTIONS, *options.RUN_OPTIONS)}


@pytest.mark.parametrize("document", _DOCUMENTS, ids=_ids)
def test_links_lead_somewhere(document: Path) -> None:
    for target in _LINK.findall(_prose(document.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), target
        if document.is_relative_to(_DOCS):
            assert file.is_relative_to(_DOCS), f"{target} is not part of the site; name it in a code span"
        if anchor:
            assert anchor in _anchors(file), target


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    navigation = re.findall(r"^ +- [^:\n]+: (\S+\.md)$", (PROJECT_ROOT / "mkdocs.yml").read_text(), re.M)
    assert sorted(navigation) == sorted(page.relative_to(_DOCS).as_posix() for page in _DOCS.rglob("*.md"))


def test_building_the_site_does_not_empty_the_folder_of_a_snapshot() -> None:
    snapshot = cli._parser().parse_args(["snapshot"]).output
    (built,) = re.findall(r"^site_dir: (\S+)$", (PROJECT_ROOT / "mkdocs.yml").read_text(), re.M)
    assert f'Path("{built}")' in (PROJECT_ROOT / "noxfile.py").read_text()
    assert Path(built) != snapshot


def _anchors(document: Path) -> set[str]:
    """Anchors as GitHub makes them: lower case, no punctuation, hyphens for blanks."""
    titles = re.findall(r"^#+ (.+)$", _prose(document.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", _DOCUMENTS, ids=_ids)
def test_paths_exist(document: Path) -> None:
    for span in _SPAN.findall(_prose(document.read_text())):
        if not _PATH.fullmatch(span) or span in _NOT_AT_ONE_PLACE:
            continue
        assert any(any(root.glob(span.rstrip("/"))) for root in (PROJECT_ROOT, document.parent)), span


def test_verdicts_are_those_of_the_code_from_best_to_worst() -> None:
    for document in (_README, _GLOSSARY):
        assert list(_table(document, "verdict | meaning")) == [verdict.value for verdict in Verdict]
    assert set(_table(_RESULTS, "verdict | in junit.xml")) >= {verdict.value for verdict in Verdict}


def test_exit_statuses_are_those_of_the_errors() -> None:
    assert list(_table(_OPTIONS, "status")) == ["0", "1", "2", "3"]


def test_scenarios_are_as_their_modules_say() -> None:
    text = page.PAGE.read_text()
    assert text == page.written(text), "python -m harness.stories.page writes the tables"
    assert set(_table(page.PAGE, "scenario | what it does")) == set(scenarios.discover())


def test_failures_that_are_explained_are_some() -> None:
    assert set(_table(_TROUBLE, "scenario | what the user is left with")) <= set(faults.discover())


def test_sources_are_all_there() -> None:
    named = [row for row in _table(_REGISTRY, "source | what it is") if row in options.SOURCES]
    assert named == list(options.SOURCES)


def test_settings_are_all_there() -> None:
    rows = _table(_SETTINGS, "key in harness.toml")
    assert set(rows) == set(settings.Settings.model_fields)
    variables = {key: row[0].strip("`") for key, row in rows.items() if row[0]}
    assert variables == {key: variable for variable, key in settings._ENVIRONMENT.items()}


def test_clean_knows_every_part_of_the_cache() -> None:
    document = PROJECT_ROOT / "docs" / "architecture.md"
    told = {name.partition("/")[0].removesuffix("`") for name in _table(document, "folder or file | what it holds")}
    assert told <= set(CACHE_PARTS)


def test_the_mirror_maps_in_the_documents_are_some() -> None:
    examples = [body for _, body in _FENCE.findall(_REGISTRY.read_text()) if "[mirrors." in body]
    for example in examples:
        settings.Settings(**tomllib.loads(example))
    assert set(re.findall(r"^(?:# )?(\w+) =", examples[0], re.M)) == set(Mirror.model_fields)


@pytest.mark.parametrize(
    ("header", "fields"), [("field", model.RunResult.model_fields.keys() | model.CellResult.model_fields.keys())]
)
def test_results_are_explained_field_by_field(header: str, fields: set[str]) -> None:
    text = _RESULTS.read_text()
    explained = set()
    for block in re.findall(rf"^\| {header} \| meaning \|\n\| --- \| --- \|\n((?:\|.*\n)+)", text, re.M):
        for row in block.splitlines():
            explained |= set(_SPAN.findall(row.split("|")[1]))
    assert explained == set(fields)


@pytest.mark.parametrize("part", [model.SourceResult, model.HostResult, model.ImageResult, model.CheckResult])
def test_results_explain_the_parts_too(part: type[BaseModel]) -> None:
    spans = set(_SPAN.findall(_RESULTS.read_text()))
    assert part.model_fields.keys() <= spans


def test_every_dependency_is_named_with_its_licence() -> None:
    _compare("package", _project()["dependencies"])


@pytest.mark.parametrize(("header", "extra"), [("development package", "dev"), ("documentation package", "docs")])
def test_every_optional_dependency_is_named_with_its_licence(header: str, extra: str) -> None:
    _compare(header, _project()["optional-dependencies"][extra])


def _compare(header: str, requirements: list[str]) -> None:
    """The table with this header names just these packages, with the licences that they declare themselves."""
    rows = {name: row[0] for names, row in _table(_DEPENDENCIES, header).items() for name in names.split(", ")}
    wanted = {_name(it): it for it in requirements}
    # What only another Python needs is not here to tell its licence.
    assert rows == {name: rows.get(name) if _is_for_another(it) else _licence(name) for name, it in wanted.items()}


def test_every_go_module_is_named_with_its_licence() -> None:
    rows = {name: row for names, row in _table(_DEPENDENCIES, "module").items() for name in names.split(", ")}
    modules = {re.sub(r"-[\d.]+$", "", module): gobuild.build_file(module).licence for module in gobuild.modules()}
    assert {name: row[0] for name, row in rows.items()} == modules


@pytest.mark.parametrize("document", _DOCUMENTS, ids=_ids)
def test_nothing_is_left_to_do(document: Path) -> None:
    assert not re.search(r"TODO|FIXME|@@|XXX", document.read_text())


def test_the_readme_is_a_front_door() -> None:
    text = _README.read_text()
    assert len(text.splitlines()) <= 200
    assert {"python3 -m pip install nox && nox -s bootstrap e2e", "nox -s tests"} <= set(_commands(_README))
    linked = {target.partition("#")[0] for target in _LINK.findall(_prose(text))}
    assert {f"docs/{page.name}" for page in _DOCS.glob("*.md")} - linked == {"docs/index.md"}
    assert "docs/images/report.png" in linked
    assert (_DOCS / "images" / "report.png").stat().st_size < 300_000


def test_the_readme_says_which_versions_are_covered() -> None:
    known = catalogue.load()
    minors = sorted(tuple(map(int, it.kubernetes.split(".")[:2])) for it in known.environments)
    releases = sorted((it.version for it in known.releases), key=lambda it: tuple(map(int, it.split("."))))
    oldest, newest = minors[0], minors[-1]
    text = " ".join(_README.read_text().split())
    assert f"Kubernetes {oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]} with" in text
    assert f"releases {releases[0]} to {releases[-1]} of the operator" in text


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    return project


def _name(requirement: str) -> str:
    return re.split(r"[=<>\[ ]", requirement)[0]


def _is_for_another(requirement: str) -> bool:
    marker = re.search(r"; python_full_version < '([\d.]+)'", requirement)
    return marker is not None and sys.version_info[:3] >= tuple(map(int, marker[1].split(".")))


def _licence(package: str) -> str:
    """The licence as SPDX writes it, from whichever of the three places a package has it in."""
    metadata = importlib.metadata.metadata(package)
    fields = [metadata[key] for key in ("License-Expression", "License")]
    told = next((field for field in fields if field not in (None, "", "UNKNOWN")), "")
    classifiers = " ".join(metadata.get_all("Classifier") or [])
    if told.startswith("GPL-3.0"):
        return "GPL-3.0-or-later"
    if told == "BSD 2-Clause License":
        return "BSD-2-Clause"
    families = {"MIT License": "MIT", "BSD License": "BSD-3-Clause", "Apache Software License": "Apache-2.0"}
    return told or next((licence for family, licence in families.items() if family in classifiers), "")


def test_what_each_kind_of_work_takes_of_the_processors_is_as_the_file_says() -> None:
    said = [float(row[0]) for row in _table(_OPTIONS, "work").values()]
    assert said[:4] == list(costs().model_dump().values())
