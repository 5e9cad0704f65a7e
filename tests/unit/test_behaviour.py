# SPDX-License-Identifier: Apache-2.0
"""charts/behaviour.toml: what releases do, and mistakes in the file."""

from __future__ import annotations

from pathlib import Path

import pytest
import scripted_webhook

from harness.errors import CatalogueError
from harness.matrix import behaviour, catalogue
from harness.matrix.facts import SUSPEND
from harness.matrix.release import Release
from harness.matrix.versions import numbers, within
from harness.releases import admission_samples
from harness.stories.installs.scenarios import discover
from harness.toml_source import TomlSource

REAL = catalogue.load()
FILLED = {"mode", "restartPolicy.type"}
SIZES = {"driver.cores", "driver.memory", "executor.cores", "executor.memory"}


@pytest.mark.parametrize("row", REAL.releases, ids=lambda row: row.version)
@pytest.mark.parametrize("shape", admission_samples.SHAPES)
def test_what_each_release_fills_in_is_what_its_source_does(row: Release, shape: str) -> None:
    asked = admission_samples.sample("ns", shape=shape)["spec"]
    stored = scripted_webhook.mutated(row.version, asked)
    assert admission_samples.unlike(admission_samples.expected(row, shape), stored) == {}


@pytest.mark.parametrize(
    ("version", "bare", "configured", "dynamic"),
    [
        ("2.0.2", FILLED | SIZES, FILLED | SIZES | {"executor.instances"}, FILLED | SIZES),
        ("2.1.1", FILLED, FILLED | {"executor.instances"}, FILLED),
        ("2.2.0", *[FILLED | {"executor.instances"}] * 2, FILLED | {"dynamicAllocation.shuffleTrackingEnabled"}),
        ("2.3.0", *[FILLED | {"executor.instances"}] * 2, FILLED | {"dynamicAllocation.shuffleTrackingEnabled"}),
        (
            "2.5.2",
            *[FILLED | SIZES | {"executor.instances"}] * 2,
            FILLED | SIZES | {"dynamicAllocation.shuffleTrackingEnabled"},
        ),
    ],
)
def test_a_default_is_filled_in_where_its_condition_holds(
    version: str, bare: set[str], configured: set[str], dynamic: set[str]
) -> None:
    release = REAL.release(version)
    found = [
        {field for field, value in admission_samples.expected(release, shape).items() if value is not None}
        for shape in admission_samples.SHAPES
    ]
    assert found == [bare, configured, dynamic]


def test_a_sample_shows_each_default_filled_in_and_left_alone() -> None:
    every = {it.field for row in REAL.releases for it in row.defaults}
    for row in REAL.releases:
        assert {it.field for it in row.defaults} | set(row.left_alone) == every
        shown = {
            (field, value is not None)
            for shape in admission_samples.SHAPES
            for field, value in admission_samples.expected(row, shape).items()
        }
        assert {field for field, filled in shown if filled} == {it.field for it in row.defaults}
        assert set(row.left_alone) <= {field for field, filled in shown if not filled}


def test_what_the_crd_does_not_know_is_not_expected() -> None:
    field = "dynamicAllocation.shuffleTrackingEnabled"
    wanted = admission_samples.expected(REAL.release("2.5.2"), "with dynamic allocation", lambda it: it != field)
    assert wanted[field] is None
    assert wanted["mode"] == "cluster"


@pytest.mark.parametrize("row", REAL.releases, ids=lambda row: row.version)
def test_each_rule_is_broken_by_its_application_alone(row: Release) -> None:
    for shape in admission_samples.SHAPES:
        assert scripted_webhook.refusal(row.version, admission_samples.sample("ns", shape=shape)) == ""
    for rule in REAL.release("2.5.2").rules:
        said = scripted_webhook.refusal(row.version, admission_samples.breaking(rule, "ns"))
        assert (rule.says in said) == (rule in row.rules), rule.name


def test_rules_and_features_belong_to_releases() -> None:
    assert [rule.name for rule in REAL.release("2.1.1").rules] == ["one node selector"]
    assert "DNS-1035 name" in [rule.name for rule in REAL.release("2.4.0").rules]
    assert [row.version for row in REAL.releases if row.has(SUSPEND)] == ["2.4.0", "2.5.0", "2.5.1", "2.5.2"]
    assert REAL.release("2.1.0").has("pod-template")
    assert not REAL.release("2.0.2").has("pod-template")
    assert not REAL.release("2.5.2").has("no such feature")


INSTANCES = (
    "applications without a sparkConf that do not set executor.instances get 1 from the webhook with {new}, but "
    "Spark's own default of 2 with {old}: set it if that matters"
)


@pytest.mark.parametrize("old", ["2.0.0", "2.0.2", "2.1.0", "2.1.1"])
@pytest.mark.parametrize("new", ["2.2.0", "2.2.1", "2.3.0", "2.5.2"])
def test_one_executor_in_place_of_two_is_what_changes_for_applications(old: str, new: str) -> None:
    assert behaviour.changes(REAL.release(old), REAL.release(new)) == [INSTANCES.format(old=old, new=new)]


@pytest.mark.parametrize(("old", "new"), [("2.2.0", "2.5.2"), ("2.0.2", "2.1.1"), ("2.3.0", "2.4.0")])
def test_a_default_that_is_sparks_own_changes_nothing(old: str, new: str) -> None:
    assert behaviour.changes(REAL.release(old), REAL.release(new)) == []


def test_going_back_changes_it_back() -> None:
    (told,) = behaviour.changes(REAL.release("2.5.2"), REAL.release("2.1.1"))
    assert "get Spark's own default of 2 with 2.1.1, but 1 from the webhook with 2.5.2" in told


def test_a_change_is_told_once_for_all_applications_that_it_meets(tmp_path: Path) -> None:
    file = tmp_path / "behaviour.toml"
    file.write_text(GOOD + 'until = "2.3.0"\n' + GOOD.replace("2.0.0", "2.4.0").replace("cluster", "client"))
    known = behaviour.read(TomlSource.read(file))
    (told,) = behaviour.changes(known.of(REAL.release("2.3.0")), known.of(REAL.release("2.5.2")))
    assert told.startswith("applications that do not set mode get client from the webhook with 2.5.2, but")
    (gone,) = behaviour.changes(
        known.of(REAL.release("2.3.0")), REAL.release("2.5.2").model_copy(update={"defaults": ()})
    )
    assert "get nothing from the webhook with 2.5.2" in gone


@pytest.mark.parametrize(
    ("old", "new", "losing"), [("2.2.1", "2.5.2", True), ("2.5.0", "2.5.1", True), ("2.5.1", "2.5.2", False)]
)
def test_rights_that_go_are_told_for_each_account(old: str, new: str, losing: bool) -> None:
    said = [it for it in behaviour.changes(REAL.release(old), REAL.release(new)) if "rights" in it]
    assert len(said) == 2 * losing
    if losing:
        assert "from the account of the controller" in said[0]
        assert "get, list, watch, create, update, patch, delete persistentvolumeclaims" in said[0]
        assert "get, watch resourcequotas" in said[1]


def test_metrics_belong_to_releases() -> None:
    late = {"spark_application_submit_latency_seconds", "spark_application_submit_latency_seconds_histogram"}
    for row in REAL.releases:
        assert late.isdisjoint(row.metrics) == (numbers(row.version) < (2, 5, 1)), row.version


def test_what_scenarios_need_has_a_row() -> None:
    known = {it.name for it in REAL.releases[0].features}
    assert {name for it in discover().values() for name in it.SCENARIO.needs_features} <= known


GOOD = """[[default]]
field = "mode"
value = "cluster"
since = "2.0.0"
source = "https://example.org/a"
"""
RULE = """[[rule]]
name = "it"
since = "2.0.0"
says = "no"
breaks = { spec = { mode = "x" } }
source = "https://example.org/a"
"""
CHECK = """[[stored-check]]
check = "name"
kinds = ["SparkConnect"]
since = "2.0.0"
source = "https://example.org/a"
"""
NOISE = """[[log-noise]]
says = "no"
why = "it is so"
since = "2.0.0"
source = "https://example.org/a"
"""


@pytest.mark.parametrize(
    ("text", "line", "key", "why"),
    [
        (GOOD.replace("2.0.0", "2.0"), 4, "since", "'2.0' is not a full version"),
        (GOOD.replace("2.0.0", ""), 4, "since", "'' is not a full version"),
        (GOOD + 'until = "1.9.0"\n', 6, "until", "1.9.0 is older than 2.0.0"),
        (GOOD + 'unless = ["cores"]\n', 6, "unless", "'cores' is neither"),
        (GOOD + 'only_with = "driver"\n', 6, "only_with", "input should be"),
        (GOOD + GOOD.replace("2.0.0", "2.4.0"), 9, "since", "a row above has 'mode'"),
        (GOOD.replace("https://example.org/a", "the code"), 5, "source", "string should match"),
        (GOOD.replace('"mode"', '"spec/mode"'), 2, "field", "string should match"),
        (GOOD + "[[fact]]\n", 6, "fact", r"only \[\[default\]\], \[\[rule\]\], .* rows"),
        (RULE + RULE, 9, "since", "a row above has 'it'"),
        (NOISE.replace('"no"', '"("'), 2, "says", "not a valid regular expression"),
        (NOISE + NOISE, 9, "since", "a row above has"),
        (RULE.replace("says", "words"), 4, "words", "no such key"),
        (CHECK.replace('"name"', '"nodes"'), 2, "check", "input should be"),
        (CHECK + CHECK, 9, "since", "a row above has 'name of SparkConnect'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_file_line_and_key(tmp_path: Path, text: str, line: int, key: str, why: str) -> None:
    file = tmp_path / "behaviour.toml"
    file.write_text(text)
    with pytest.raises(CatalogueError, match=rf"behaviour\.toml, line {line}: key {key}: .*{why}"):
        behaviour.read(TomlSource.read(file))


def test_two_rows_about_one_field_may_follow_each_other(tmp_path: Path) -> None:
    file = tmp_path / "behaviour.toml"
    file.write_text(GOOD + 'until = "2.3.0"\n' + GOOD.replace("2.0.0", "2.4.0").replace("cluster", "client"))
    found = behaviour.read(TomlSource.read(file))
    values = [found.of(row).defaults[0].value for row in REAL.releases]
    assert (values[0], values[-1]) == ("cluster", "client")


def test_versions_are_ordered_by_their_numbers() -> None:
    assert numbers("2.10.0") > numbers("2.9.1") == numbers("v2.9.1-rc.1") == numbers("2.9.1@docker.io")
    assert numbers("1.34") == (1, 34, 0)
    assert within("2.1.1", "2.0.0", "2.1.1")
    assert not within("2.2.0", "2.0.0", "2.1.1")
    with pytest.raises(ValueError, match="not valid"):
        numbers("latest")
