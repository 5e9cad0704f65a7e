# SPDX-License-Identifier: Apache-2.0
"""The options of `harness run`: the same for argparse and pytest, there and back again."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from harness import options
from harness.matrix.select import Selection
from harness.options import RUN_OPTIONS, SELECTION_OPTIONS, RunOptions

ALL = (*SELECTION_OPTIONS, *RUN_OPTIONS)


def parse(words: list[str]) -> RunOptions:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    options.declare(parser.add_argument, ALL)
    return options.read(parser.parse_args(words))


EVERYTHING = [
    *("--cell", "kind-1.34/install-2.5.2/spark-pi", "--cell", "b", "--env", "kind-*", "--path", "install-2.5.2"),
    *("--scenario", "spark-pi", "--scenario", "ttl", "--tag", "smoke", "--values", "my values.yaml", "--values", "b"),
    *("--source", "foundry", "--jobs", "2", "--chart", "oci://example.com/c", "--config", "harness.toml"),
    *("--operator", "../spark-operator", "--spark", "4.1.4"),
    *(
        "--keep",
        "--repeat",
        "3",
        "--seed",
        "7",
        "--lock",
        "sha256:ab",
        "--drift",
        "--fresh",
        "--apps",
        "a",
        "--before",
        "b",
    ),
    *("--values-key", "spark-operator", "--exact-values", "--release-name", "data-spark", "--namespace", "data"),
    "--bootstrap",
    "--share",
    *("--kubeconfig", "k:l", "--context", "prod", "--yes", "--allow-upgrade", "--beside"),
]


def test_nothing_given_is_the_default() -> None:
    assert parse([]) == RunOptions()
    assert parse([]).selection.is_default
    assert options.words(RunOptions()) == []


def test_everything_given_is_read() -> None:
    assert parse(EVERYTHING) == RunOptions(
        selection=Selection(
            cells=("kind-1.34/install-2.5.2/spark-pi", "b"),
            environments=("kind-*",),
            paths=("install-2.5.2",),
            scenarios=("spark-pi", "ttl"),
            tags=("smoke",),
            spark=("4.1.4",),
        ),
        source="foundry",
        keep=True,
        share=True,
        jobs=2,
        repeat=3,
        values=(Path("my values.yaml"), Path("b")),
        values_key="spark-operator",
        exact_values=True,
        kubeconfig="k:l",
        context="prod",
        yes=True,
        allow_upgrade=True,
        beside=True,
        release_name="data-spark",
        namespace="data",
        before=Path("b"),
        apps=Path("a"),
        operator="../spark-operator",
        chart="oci://example.com/c",
        seed=7,
        lock="sha256:ab",
        drift=True,
        fresh=True,
        bootstrap=True,
        config=Path("harness.toml"),
    )


@pytest.mark.parametrize(
    "words",
    [[], EVERYTHING, ["--keep"], ["--repeat", "2"], ["--jobs", "4"], ["--env", "a", "--env", "b"], ["--tag", "x"]],
)
def test_words_say_the_same_again(words: list[str]) -> None:
    asked = parse(words)

    assert parse(options.words(asked)) == asked
    assert sorted(options.words(asked)) == sorted(words)


def test_every_option_is_given_in_the_round_trip() -> None:
    assert {option.flag for option in ALL} == {word for word in EVERYTHING if word.startswith("--")}


@pytest.mark.parametrize("option", ALL, ids=lambda option: option.flag)
def test_every_option_is_explained_and_keeps_clear_of_pytests(option: options.Option) -> None:
    assert option.arguments["help"]
    assert option.dest.startswith("cells_")


def test_a_second_reading_does_not_remember_the_first() -> None:
    assert parse(["--env", "a"]).selection.environments == ("a",)
    assert parse(["--env", "b"]).selection.environments == ("b",)
