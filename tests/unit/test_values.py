# SPDX-License-Identifier: Apache-2.0
"""Values: merging as Helm does, and what a wrong file is told."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from harness.advice import manifests
from harness.errors import UsageError
from harness.releases import umbrella
from harness.releases.values import PROFILES, load_values, merge, profile


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([], {}),
        ([{"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}], {"a": {"b": 1, "c": 3}}),
        ([{"a": [1, 2]}, {"a": [3]}], {"a": [3]}),
        ([{"a": {"b": 1}}, {"a": None}], {"a": None}),
        ([{"a": None}, {"a": {"b": 1}}], {"a": {"b": 1}}),
        ([{"a": {"b": 1}}, {"a": 5}], {"a": 5}),
        ([{"a": {"b": {"c": None}}}], {"a": {"b": {"c": None}}}),
    ],
)
def test_merges_as_helm_does(documents: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert merge(*documents) == expected


def test_merging_leaves_its_documents_alone() -> None:
    first: dict[str, Any] = {"a": {"b": [1]}}
    merged = merge(first, {"a": {"c": 2}})
    merged["a"]["b"].append(2)
    assert first == {"a": {"b": [1]}}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: [", 2, "not valid YAML"),
        ("a: 1\n b: 2\n", 2, "not valid YAML"),
        ("# values\n- a\n- b\n", 2, "not a list"),
        ("\njust text\n", 2, "not a plain value"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
    ],
)
def test_a_wrong_file_is_told_by_file_and_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(text)
    with pytest.raises(UsageError) as told:
        load_values(file)
    assert f"{file}, line {line}:" in told.value.message
    assert words in told.value.message
    assert told.value.next_step


def test_a_missing_file_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load_values(tmp_path / "none.yaml")
    binary = tmp_path / "chart.tgz"
    binary.write_bytes(b"\x1f\x8b\x08\x00\xff")
    with pytest.raises(UsageError, match="cannot be read"):
        load_values(binary)


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("# nothing\n")
    assert load_values(file) == {}


def test_dates_stay_text_as_in_helm(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("image:\n  tag: 2024-01-01\n")
    assert load_values(file) == {"image": {"tag": "2024-01-01"}}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("22:30:00", "22:30:00"),
        ("190:20:30", "190:20:30"),
        ("7e85421", "7e85421"),
        ("12e4", 120000.0),
        ("1e3", 1000.0),
        ("0815", 815.0),
        ("010", 8),
        ("0o17", 15),
        ("0x10", 16),
        ("1_000", 1000),
        ("-.5", -0.5),
        ("1.2.3", "1.2.3"),
    ],
)
def test_numbers_are_those_of_helm(tmp_path: Path, written: str, read: object) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(f"value: {written}\n")
    found = load_values(file)["value"]
    assert (found, type(found)) == (read, type(read))


def test_a_pipe_is_refused_since_its_second_reader_gets_nothing(tmp_path: Path) -> None:
    pipe = tmp_path / "63"
    os.mkfifo(pipe)
    assert manifests.read(pipe) is None
    with pytest.raises(UsageError, match="is a pipe, which can be read only once") as told:
        load_values(pipe)
    assert told.value.next_step.endswith("> values.yaml")


def test_a_folder_and_standard_input_are_told_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        load_values(tmp_path)
    with pytest.raises(UsageError) as told:
        load_values(Path("-"))
    assert "write it to a file" in told.value.next_step


def test_every_profile_can_be_read() -> None:
    names = [file.stem for file in PROFILES.glob("*.yaml")]
    assert "default" in names
    for name in names:
        assert isinstance(profile(name), dict)


def test_an_unknown_profile_names_the_nearest_and_where_ones_own_are() -> None:
    with pytest.raises(UsageError, match="did you mean 'default'"):
        profile("defualt")
    with pytest.raises(UsageError, match="did you mean 'prod'") as unknown:
        profile("pord", {"prod": ()})
    assert unknown.value.next_step.startswith("the profiles are: ")
    assert "restricted, selector; yours are in values/" in unknown.value.next_step


def test_a_key_that_is_proposed_can_be_typed_in_a_shell(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  values.yaml: 'image: {tag: a}'\n")
    with pytest.raises(UsageError) as told:
        umbrella.load([file])
    assert told.value.next_step == r"give the values in it: --values-key 'data.values\.yaml'"
    (*_, key) = shlex.split(told.value.next_step)
    assert umbrella.load([file], key) == ({"image": {"tag": "a"}},)
