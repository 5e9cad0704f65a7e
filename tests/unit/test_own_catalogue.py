# SPDX-License-Identifier: Apache-2.0
"""Mistakes in catalogue folders of a user: told when they are read, by every command that reads them, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import cli
from harness.errors import CatalogueError
from harness.releases import own_catalogue

FILES = {
    "environments.toml": (
        '[[environment]]\nname = "x"\nprovider = kind\n',
        "line 3: key provider: it is not valid TOML",
    ),
    "registries.toml": (
        '["a.example"]\nservice = 7\n',
        "line 2: key a.example.service: input should be a valid string",
    ),
    "pull-messages.toml": ('[[message]]\nkind = "nope"\n', "line 1: key words: this key is missing"),
    "values/mine.yaml": ("a:\n\tb: 1\n", "line 2: not valid YAML"),
    "values/other.yaml": ("spark: {jobNamespaces: 7}\n", ": the values set spark.jobNamespaces to 7"),
}


def folder(root: Path, *names: str) -> Path:
    (root / "rows/values").mkdir(parents=True)
    for name in names:
        (root / "rows" / name).write_text(FILES[name][0])
    return root / "rows"


@pytest.mark.parametrize("name", FILES)
def test_a_mistake_is_told_where_nothing_uses_it(name: str, tmp_path: Path) -> None:
    rows = folder(tmp_path, name)
    with pytest.raises(CatalogueError) as caught:
        own_catalogue.read([rows])
    assert str(rows / name) in caught.value.message
    assert FILES[name][1] in caught.value.message
    assert caught.value.next_step


def test_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    rows = folder(tmp_path, *FILES)
    (rows / "releases.toml").write_text("[[relocation]]\n")
    with pytest.raises(CatalogueError) as caught:
        own_catalogue.read([rows])
    for name, (_, said) in FILES.items():
        assert str(rows / name) in caught.value.message
        assert said in caught.value.message
    assert caught.value.message.count("environments.toml") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("matrix",),
        ("doctor",),
        ("doctor", "--registries"),
        ("run", "--collect-only"),
        ("advise", "--from", "2.2.1", "--to", "2.5.2"),
    ],
)
def test_every_command_that_reads_the_rows_tells_it(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = folder(tmp_path, "registries.toml", "values/mine.yaml")
    (tmp_path / "harness.toml").write_text('catalogue_dirs = ["rows"]\n')
    assert cli.main([*words, "--config", str(tmp_path / "harness.toml")]) == 2
    said = capsys.readouterr().err
    assert f"{rows}/registries.toml, line 2: key a.example.service" in said
    assert f"{rows}/values/mine.yaml, line 2" in said


def test_rows_without_mistakes_are_read(tmp_path: Path) -> None:
    rows = folder(tmp_path)
    (rows / "values/mine.yaml").write_text("controller: {replicas: 2}\n")
    assert own_catalogue.read([rows]).values["mine"] == (rows / "values/mine.yaml",)
