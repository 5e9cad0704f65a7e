# SPDX-License-Identifier: Apache-2.0
"""Values of an umbrella chart are taken from below their key, and never ignored in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.releases import umbrella


def _files(folder: Path, *texts: str) -> list[Path]:
    files = []
    for number, text in enumerate(texts):
        files.append(folder / f"{number}.yaml")
        files[-1].write_text(text)
    return files


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("spark-operator", "spark-operator: {image: {tag: a}}\nairflow: {image: {tag: b}}\n"),
        ("platform.spark", "platform: {spark: {image: {tag: a}}}\n"),
        (r"my\.org.op", "my.org: {op: {image: {tag: a}}}\n"),
        ("spec.source.helm.valuesObject", "spec: {source: {helm: {valuesObject: {image: {tag: a}}}}}\n"),
        ("spec.source.helm.values", "spec: {source: {helm: {values: 'image: {tag: a}'}}}\n"),
    ],
)
def test_what_is_below_the_key_is_taken(key: str, text: str, tmp_path: Path) -> None:
    assert umbrella.load(_files(tmp_path, text), key) == ({"image": {"tag": "a"}},)


def test_each_of_several_files_gives_what_it_has_and_keeps_helms_order(tmp_path: Path) -> None:
    files = _files(tmp_path, "op: {image: {tag: a}}\n", "other: {x: 1}\n", "op: {image: {tag: b}}\n", "op:\n")
    assert umbrella.load(files, "op") == ({"image": {"tag": "a"}}, {}, {"image": {"tag": "b"}}, {})


def test_global_values_reach_the_chart_as_helm_hands_them_down(tmp_path: Path) -> None:
    text = "global: {registry: a, team: t}\nplatform: {global: {registry: b}, op: {global: {own: 1}, spark: {}}}\n"
    (values,) = umbrella.load(_files(tmp_path, text), "platform.op")
    assert values == {"global": {"registry": "a", "team": "t", "own": 1}, "spark": {}}


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("spark-opertor", "spark-operator: {image: {tag: a}}\n", "did you mean --values-key spark-operator?"),
        ("op", "airflow: {x: 1}\n", "the top keys are: airflow"),
        ("image.tag", "image: {tag: [1]}\n", "give the key"),
        ("text", "text: '{'\n", "correct it"),
    ],
)
def test_a_key_with_nothing_below_it_is_a_clear_error(key: str, text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as told:
        umbrella.load(_files(tmp_path, text), key)
    assert says in told.value.next_step


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("spark-operator:\n  image: {tag: a}\n", "spark-operator"),
        ("global: {}\nplatform:\n  operator:\n    certManager: {enable: true}\n", "platform.operator"),
    ],
)
def test_an_umbrellas_file_without_the_key_names_the_key(text: str, key: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as told:
        umbrella.load(_files(tmp_path, text))
    assert told.value.next_step == f"give --values-key {key}"


@pytest.mark.parametrize(
    "text", ["", "unknown: {x: 1}\n", "spark: {jobNamespaces: [a]}\nspark-operator: {image: {}}\n"]
)
def test_other_files_are_taken_as_they_are(text: str, tmp_path: Path) -> None:
    assert len(umbrella.load(_files(tmp_path, text))) == 1


def test_the_accounts_of_charts_before_2_are_no_key_of_an_umbrella_chart(tmp_path: Path) -> None:
    old = tmp_path / "values.yaml"
    old.write_text("sparkJobNamespace: jobs\nserviceAccounts: {spark: {name: spark}}\n")
    assert umbrella.load([old])[0]["serviceAccounts"] == {"spark": {"name": "spark"}}
