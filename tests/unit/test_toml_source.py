# SPDX-License-Identifier: Apache-2.0
"""A mistake in any TOML file that the harness reads is told with file, line, key and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from harness import settings
from harness.audit import history
from harness.bench.verdicts import catalogue as planted
from harness.bootstrap import tools
from harness.causes import rows as causes
from harness.ci import workflows
from harness.errors import CatalogueError, HarnessError
from harness.foundry import argocd, gobuild, harness_image, kubernetes, node_systems, operator, recorded, spark
from harness.internet import names
from harness.kube import pull_messages
from harness.matrix import (
    addons,
    behaviour,
    catalogue,
    chart_facts,
    connect_clients,
    costs,
    crd_modes,
    edges,
    environment_results,
    profile_results,
    properties,
    results,
    spark_results,
    way_results,
)
from harness.registries.front import profile
from harness.settings import PROJECT_ROOT
from harness.stories.registries import catalogue as pulls
from harness.toml_source import TomlSource

REAL = catalogue.load()


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file, who reads it, the line at which a row begins, a key that the row must have, and the one that names it."""

    path: str
    read: Callable[[Path], object]
    row: str
    key: str
    name: str = ""
    text: str = ""
    twice: str = "a second row with "

    @property
    def written(self) -> str:
        return self.text or (PROJECT_ROOT / self.path).read_text()


def _build_file(file: Path) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gobuild, "MODULES", file.parent.parent)
        return gobuild.build_file(file.parent.name)


def _read(read: Callable[[TomlSource], object]) -> Callable[[Path], object]:
    return lambda file: read(TomlSource.read(file))


FILES = [
    _File(
        path="clusters/environments.toml",
        read=catalogue.read_environments,
        row="[[environment]]",
        key="provider",
        name="name",
    ),
    _File(
        path="clusters/addons.toml",
        read=lambda file: addons.read_addons(TomlSource.read(file)),
        row="[[addon]]",
        key="about",
        name="name",
    ),
    _File(
        path="charts/history.toml",
        read=lambda file: history.read(TomlSource.read(file)),
        row="[[home]]",
        key="tags",
        name="name",
    ),
    _File(path="charts/clients.toml", read=connect_clients.read, row="[[client]]", key="package"),
    _File(path="clusters/default.toml", read=catalogue.read_defaults, row="[[default]]", key="paths"),
    _File(path="clusters/matrix.toml", read=catalogue.read_rules, row="[[tier]]", key="name"),
    _File(path="clusters/pulls.toml", read=pulls.load, row="[[fault]]", key="outcome", name="name"),
    _File(path="clusters/pull-messages.toml", read=pull_messages.load, row="[[kind]]", key="fault", name="name"),
    _File(path="clusters/verdicts.toml", read=planted.load, row="[[harmless]]", key="what"),
    _File(path="clusters/registries.toml", read=profile.profiles, row='["ghcr.io"]', key="service"),
    _File(path="clusters/tools.toml", read=tools.catalogue, row="[kind]", key="module"),
    _File(path="clusters/nodes/base.toml", read=node_systems.read_bases, row="[node]", key="suite"),
    _File(
        path="clusters/nodes/kubernetes.toml", read=kubernetes.read, row="[[kubernetes]]", key="pause", name="version"
    ),
    _File(path="clusters/nodes/modules/kind/build.toml", read=_build_file, row="", key="licence"),
    _File(path="charts/releases.toml", read=catalogue.read_releases, row="[[release]]", key="date", name="version"),
    _File(
        path="charts/behaviour.toml",
        read=lambda file: behaviour.read(TomlSource.read(file)),
        row="[[feature]]",
        key="source",
        name="since",
        twice="a row above has ",
    ),
    _File(
        path="charts/upgrades.toml",
        read=lambda file: edges.read(TomlSource.read(file), REAL.release),
        row="[[edge]]",
        key="to",
        name="[edge]",
        twice="a row above already has ",
    ),
    _File(
        path="charts/images/operator.toml",
        read=operator.read_catalogue,
        row="[[operator]]",
        key="module",
        name="version",
    ),
    _File(path="charts/images/harness.toml", read=harness_image.read, row="[base]", key="suite"),
    _File(path="charts/values.toml", read=chart_facts.values_rows, row="[[values]]", key="source"),
    _File(path="charts/crds.toml", read=chart_facts.schema_rows, row="[[schema]]", key="source"),
    _File(
        path="charts/results.toml",
        read=lambda file: results.read(TomlSource.read(file)),
        row="[[result]]",
        key="environment",
    ),
    *(
        _File(path=f"charts/{name}-results.toml", read=_read(read), row="[[result]]", key="source")
        for name, read in (
            ("spark", spark_results.read),
            ("environment", environment_results.read),
            ("way", way_results.read),
            ("profile", profile_results.read),
        )
    ),
    _File(
        path="charts/way-results.toml",
        read=_read(way_results.read),
        row="[[result]]",
        key="source",
        # It has no rows yet.
        text='[[result]]\npath = "upgrade-2.4.0-2.5.2~helm4+crds=apply"\nenvironment = "kind-1.34"\n'
        'recorded = "2026-11-30"\nsource = "a run"\npassed = ["operator-health"]\n',
    ),
    _File(path="charts/crd-modes.toml", read=_read(crd_modes.read), row="[[tool]]", key="link"),
    _File(path="clusters/properties.toml", read=_read(properties.read_properties), row="[[property]]", key="about"),
    _File(path="clusters/argocd.toml", read=argocd.read, row="", key="module"),
    _File(path="clusters/internet.toml", read=names.read, row="[site]", key="host"),
    _File(path="clusters/processors.toml", read=costs.costs, row="", key="install"),
    _File(path="clusters/output.toml", read=causes.load, row="[[wrapper]]", key="of"),
    _File(path="clusters/nodes/packages.toml", read=recorded.read, row="[[system]]", key="architecture"),
    _File(path="charts/images/spark.toml", read=spark.read_catalogue, row="[[spark]]", key="scala", name="version"),
    _File(
        path=".github/ci.toml",
        read=lambda file: workflows.read(file.parent.parent),
        row="[[event]]",
        key="tier",
        name="on",
    ),
    _File(
        path="harness.toml",
        read=lambda file: settings.load(file=file, environment={}),
        row='[mirrors."ghcr.io"]',
        key="url",
        text='jobs = 2\n\n[mirrors."ghcr.io"]\nurl = "https://mirror.example.com"\n',
    ),
]
_EACH = pytest.mark.parametrize("it", FILES, ids=lambda it: it.path)


def _lines(it: _File) -> tuple[list[str], int, int]:
    """The lines of a file, the number of the line at which the row begins, and of the one that has its key."""
    lines = it.written.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(it.row) and not line.startswith("#"))
    key = next(number for number in range(start, len(lines)) if re.match(rf"{it.key}\s*=", lines[number]))
    return lines, start, key


def _refused(it: _File, lines: list[str], tmp_path: Path) -> tuple[Path, HarnessError]:
    file = tmp_path / it.path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(HarnessError) as caught:
        it.read(file)
    assert "pydantic" not in str(caught.value)
    assert "validation error" not in str(caught.value)
    return file, caught.value


@_EACH
def test_the_file_of_the_project_is_read(it: _File, tmp_path: Path) -> None:
    file = tmp_path / it.path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(it.written)
    assert it.read(file)


@_EACH
def test_a_key_that_there_is_not(it: _File, tmp_path: Path) -> None:
    lines, _, key = _lines(it)
    lines.insert(key, f"{it.key}s_ = 1")
    file, error = _refused(it, lines, tmp_path)
    assert re.search(
        rf"{re.escape(str(file))}, line {key + 1}: key \S*{it.key}s_: there is no such key; did you mean {it.key}\?",
        error.message,
    )
    assert re.search(rf"the keys are: .*\b{it.key}\b", error.next_step)


@_EACH
def test_a_value_of_another_type(it: _File, tmp_path: Path) -> None:
    lines, _, key = _lines(it)
    lines[key] = f"{it.key} = [[]]"
    file, error = _refused(it, lines, tmp_path)
    assert re.search(rf"{re.escape(str(file))}, line {key + 1}: key \S*{it.key}: input should be ", error.message)
    assert error.next_step == "correct that value"


@_EACH
def test_a_key_that_is_missing(it: _File, tmp_path: Path) -> None:
    lines, start, key = _lines(it)
    del lines[key]
    file, error = _refused(it, lines, tmp_path)
    row = start + 1 if it.row else 1
    assert re.search(rf"{re.escape(str(file))}, line {row}: key \S*{it.key}: this key is missing", error.message)
    assert re.search(rf"the keys are: .*\b{it.key}\b", error.next_step)


@pytest.mark.parametrize("it", [it for it in FILES if it.name], ids=lambda it: it.path)
def test_a_row_that_is_there_twice(it: _File, tmp_path: Path) -> None:
    lines, start, _ = _lines(it)
    end = next((number for number in range(start + 1, len(lines)) if lines[number].startswith("[")), len(lines))
    row = lines[start:end]
    named = next((number for number, line in enumerate(row) if re.match(rf"{it.name}\s*=", line)), 0)
    file, error = _refused(it, [*lines, *row], tmp_path)
    line = len(lines) + named + 1
    assert f"{file}, line {line}: key {it.name}: {it.twice}" in error.message
    assert error.next_step


@pytest.mark.parametrize("it", [it for it in FILES if it.row and not it.row.startswith("[[")], ids=lambda it: it.path)
def test_a_table_that_is_there_twice(it: _File, tmp_path: Path) -> None:
    lines, start, key = _lines(it)
    file, error = _refused(it, [*lines, lines[start], lines[key]], tmp_path)
    place = rf"{re.escape(str(file))}, line {len(lines) + 1}: key \S+: "
    assert re.search(rf"{place}it is not valid TOML: cannot declare", error.message)
    assert "each key once" in error.next_step


@_EACH
def test_a_file_that_is_not_toml(it: _File, tmp_path: Path) -> None:
    lines, _, key = _lines(it)
    lines[key] = f"{it.key} ="
    file, error = _refused(it, lines, tmp_path)
    place = rf"{re.escape(str(file))}, line {key + 1}: key \S*{it.key}: "
    assert re.search(rf"{place}it is not valid TOML: invalid value", error.message)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[a]]\nb = "x"\nc = kind\n', "line 3: key c: it is not valid TOML: invalid value"),
        ('a = [1,\n 2\nb = "x"\n', "line 3: key a: it is not valid TOML: unclosed array, in what begins at line 1"),
        ("a = [1, 2", "line 1: key a: it is not valid TOML: unclosed array"),
        ('[t]\na = """x\n\n', "line 2: key t.a: it is not valid TOML: unterminated string"),
        ("[t]\nb = 1\nb = 2\n", "line 3: key t.b: it is not valid TOML: cannot overwrite a value"),
        ("\n\n= 3", "line 3: it is not valid TOML: invalid statement"),
    ],
)
def test_what_is_not_toml_is_told_with_the_key_that_it_belongs_to(text: str, said: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        _ = TomlSource(text=text).data
    assert caught.value.message == f"catalogue.toml, {said}"


@pytest.mark.parametrize(("value", "kind"), [('"x"', "text"), ("[1]", "a list"), ("5", "a plain value")])
def test_a_value_in_the_place_of_a_table_is_told(value: str, kind: str) -> None:
    with pytest.raises(CatalogueError, match=f"key row: this has keys of its own, so it is a table, not {kind}"):
        TomlSource(text=f"row = [{value}]").rows("row", _Inner)


def test_every_toml_file_of_the_project_is_one_of_these() -> None:
    found = {
        file.relative_to(PROJECT_ROOT).as_posix()
        for folder in ("clusters", "charts", ".github", "harness")
        for file in (PROJECT_ROOT / folder).rglob("*.toml")
        # What containerd reads in a node, and one file for each module.
        if "rootfs" not in file.parts and (file.name != "build.toml" or file.parent.name == "kind")
    }
    assert found == {it.path for it in FILES} - {"harness.toml"}


class _Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: int


class _Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: dict[str, _Inner] = {}
    row: tuple[_Inner, ...] = ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('inner."a.b".number = "x"', "line 1: key inner.a.b.number: input should be a valid integer, not 'x'"),
        ('text = """\n[inner.a]\nnumber = 1\n"""\n', "line 1: key text: there is no such key"),
        (
            "# [inner.a]\n\n[inner.a]\nnumber = 1\nother = 2 # [[row]]",
            "line 5: key inner.a.other: there is no such key",
        ),
        ('[[row]]\nnumber = 1\n[[row]]\nnumber = "#"', "line 4: key number: input should be a valid integer, not '#'"),
        ('[[row]]\nnumber = [\n  "]",\n]\n[[row]]\nnumber = 1', "line 2: key number: input should be a valid integer"),
        ('row = [{number = 1}, {number = "one"}]', "line 1: key number: input should be a valid integer, not 'one'"),
        ("row = [\n  {number = 1},\n  {},\n]\nmore = 1", "line 5: key more: there is no such key"),
    ],
)
def test_the_line_is_that_of_the_key_however_it_is_written(text: str, said: str) -> None:
    with pytest.raises(HarnessError) as caught:
        TomlSource(text=text).validated(_Outer)
    assert f"catalogue.toml, {said}" in caught.value.message


def test_a_secret_is_not_told(tmp_path: Path) -> None:
    file = tmp_path / "harness.toml"
    file.write_text('[mirrors."ghcr.io"]\nurl = "https://mirror.example.com"\npassword = 12345\n')
    with pytest.raises(HarnessError) as caught:
        settings.load(file=file, environment={})
    assert "line 3: key mirrors.ghcr.io.password: input should be a valid string" in caught.value.message
    assert "12345" not in str(caught.value)
