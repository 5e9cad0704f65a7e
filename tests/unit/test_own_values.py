# SPDX-License-Identifier: Apache-2.0
"""Values that a specification has just so, and that Spark, a program or every node refuses."""

from __future__ import annotations

from typing import Any

import pytest

from harness.apps import own_values

CONF = {"sparkConf": {"spark.sql.shuffle.partitions": "lots", "spark.sql.session.timeZone": "Mars/Phobos"}}


@pytest.mark.parametrize(
    ("said", "key"),
    [
        (
            "java.lang.IllegalArgumentException: spark.sql.shuffle.partitions should be int, but was lots",
            "spark.sql.shuffle.partitions = lots",
        ),
        (
            "[INVALID_CONF_VALUE.TIME_ZONE] 'Mars/Phobos' in the config \"spark.sql.session.timeZone\" is invalid",
            "spark.sql.session.timeZone = Mars/Phobos",
        ),
        ("spark.sql.shuffle.partitions should be int, but was lotsa", ""),
        ("spark.sql.shuffle.partitions should be int, but was 8x", ""),
        ("spark.sql.shuffle.partitions.more should be int, but was lots", ""),
        ("started with spark.sql.shuffle.partitions lots", ""),
        ("spark.sql.shuffle.partitions should be int\nbut was lots", ""),
    ],
)
def test_a_setting_is_the_applications_own_where_it_is_refused_as_it_was_given(said: str, key: str) -> None:
    assert own_values.refused(CONF, said) == (f"has {key} in its specification, which is refused" if key else "")


@pytest.mark.parametrize(
    ("arguments", "said", "told"),
    [
        (["--day", "x"], "main.py: error: the following arguments are required: --date", "has no --date among"),
        (["--date"], "main.py: error: the following arguments are required: --date", ""),
        (["--date=1"], "main.py: error: the following arguments are required: --date, -n/--number", ""),
        (["-x"], "main.py: error: the following arguments are required: input", ""),
        (["--full", "7"], "main.py: error: unrecognized arguments: --full 7", "has the arguments --full 7"),
        (["7", "--full"], "main.py: error: unrecognized arguments: --full 7", ""),
        (
            ["--days", "seven"],
            "main.py: error: argument --days: invalid int value: 'seven'",
            "has seven for --days",
        ),
        (
            ["--mode=all"],
            "main.py: error: argument -m/--mode: invalid choice: 'all' (choose from 'one')",
            "has all for -m/--mode",
        ),
        (["--days", "7"], "main.py: error: argument --days: invalid int value: 'seven'", ""),
    ],
)
def test_arguments_are_the_applications_own_where_they_came_as_they_were_given(
    arguments: list[str], said: str, told: str
) -> None:
    found = own_values.refused({"arguments": arguments}, f"usage: main.py\n{said}")
    assert found.startswith(told)
    assert bool(found) is bool(told)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"executor": {"memory": "60g"}}, "asks for 67584 MiB of memory for its executor, and a node has 24105 MiB"),
        ({"driver": {"memory": "23g"}}, "asks for 25907 MiB of memory for its driver"),
        ({"driver": {"memory": "22g", "memoryOverhead": "1500m"}}, ""),
        ({"driver": {"memory": "20g"}, "memoryOverheadFactor": "0.4"}, "asks for 28672 MiB of memory for its driver"),
        ({"server": {"memory": "32g"}}, "asks for 36045 MiB of memory for its server"),
        ({"executor": {"memory": "60g", "instances": 0}}, ""),
        ({"executor": {"memory": "a lot"}}, ""),
        ({"driver": {}, "executor": {"memory": "4g", "instances": 40}}, ""),
    ],
)
def test_what_no_node_holds_is_reckoned_before(spec: dict[str, Any], told: str) -> None:
    found = own_values.too_large(spec, 24105)
    assert found.startswith(told)
    assert bool(found) is bool(told)
    assert own_values.too_large(spec, 0) == "", "of a node nothing is known"
