# SPDX-License-Identifier: Apache-2.0
"""Which cells a command line selects, and what is said about one that selects nothing."""

from __future__ import annotations

import dataclasses
import re

import pytest

from harness.errors import CatalogueError, UsageError
from harness.matrix import catalogue, expand
from harness.matrix.catalogue import Choice, Defaults
from harness.matrix.model import ClusterNeeds, Scenario
from harness.matrix.rules import Exclusion, Rules, Tier
from harness.matrix.select import Selection, choose, unavailable_reason

SCENARIOS = {
    name: Scenario(name=name, summary=name, tags=tags)
    for name, tags in (("spark-pi", ("jvm",)), ("pyspark-pi", ("python",)), ("scheduled", ("slow",)))
}
_REAL = catalogue.load()
_ALL = {"environments": ("*",), "paths": ("install-2.5.2",)}
_LINK = "https://example.com/why"
CATALOGUE = dataclasses.replace(
    _REAL,
    environments=tuple(map(_REAL.environment, ("kind-1.24", "kind-1.34", "kind-1.36"))),
    defaults=Defaults.model_validate(
        {
            "default": [
                {"environments": ["kind-1.34"], "paths": ["install-2.5.2"], "scenarios": ["*"]},
                {"environments": ["kind-1.36"], "paths": ["install-2.5.2"], "scenarios": ["spark-pi"]},
            ],
            "when-not-given": {"environments": ["kind-1.34"], "paths": ["install-2.5.2"], "scenarios": ["*"]},
        }
    ),
    rules=Rules(
        tiers=(
            Tier(name="smoke", foundry=True, scenarios=("spark-pi",), **_ALL),
            Tier(name="full", foundry=True, scenarios=("*",), **_ALL),
            Tier(name="nightly", includes=("full",)),
            Tier(name="nightly", environments=("kind-1.24",), paths=("install-2.1.1",), scenarios=("spark-pi",)),
        ),
        exclusions=(
            Exclusion(paths=("install-2.0.*",), scenarios=("scheduled",), reason="it has no clock", link=_LINK),
            Exclusion(paths=("install-2.1.0",), reason="it was never published", link=_LINK),
        ),
    ),
)


def ids(**options: tuple[str, ...]) -> list[str]:
    return [cell.id for cell in choose(CATALOGUE, Selection(**options), SCENARIOS).cells]


def test_without_arguments_the_default_selection_runs() -> None:
    assert ids() == [
        "kind-1.34/install-2.5.2/spark-pi",
        "kind-1.34/install-2.5.2/pyspark-pi",
        "kind-1.34/install-2.5.2/scheduled",
        "kind-1.36/install-2.5.2/spark-pi",
    ]


def test_several_options_multiply_and_take_globs() -> None:
    assert ids(environments=("kind-*",), paths=("install-2.5.[12]",), scenarios=("*pi",)) == [
        f"kind-{minor}/install-{version}/{scenario}"
        for minor in ("1.24", "1.34", "1.36")
        for version in ("2.5.1", "2.5.2")
        for scenario in ("spark-pi", "pyspark-pi")
    ]


def test_the_order_does_not_depend_on_how_it_was_asked_and_no_cell_comes_twice() -> None:
    asked = ids(environments=("kind-1.36", "kind-1.34", "kind-1.3*"), paths=("install-2.5.2",))
    assert asked == ids(environments=("kind-1.34", "kind-1.36"), paths=("install-2.5.2",))
    assert len(asked) == 6


def test_an_option_that_is_not_given_falls_back_to_the_data() -> None:
    assert ids(environments=("kind-1.36",)) == [f"kind-1.36/install-2.5.2/{name}" for name in SCENARIOS]
    assert ids(scenarios=("scheduled",)) == ["kind-1.34/install-2.5.2/scheduled"]
    assert ids(paths=("install-2.4.0",), scenarios=("spark-pi",)) == ["kind-1.34/install-2.4.0/spark-pi"]


def test_tags_keep_the_cells_that_carry_one_of_them() -> None:
    assert ids(tags=("smoke", "slow")) == ["kind-1.34/install-2.5.2/spark-pi", "kind-1.34/install-2.5.2/scheduled"]
    assert ids(tags=("jvm", "slow")) == ["kind-1.34/install-2.5.2/spark-pi", "kind-1.34/install-2.5.2/scheduled"]
    assert len(ids(tags=("kind",))) == 3
    assert len(ids(tags=("kind", "!slow"))) == 2
    with pytest.raises(UsageError, match="none of the 3 selected cells has the tag nosuch"):
        ids(tags=("nosuch",))


def test_a_tier_is_selected_as_a_whole_unless_more_is_said() -> None:
    assert ids(tags=("smoke",)) == ["kind-1.34/install-2.5.2/spark-pi", "kind-1.36/install-2.5.2/spark-pi"]
    assert len(ids(tags=("full",))) == 6
    assert ids(tags=("nightly",)) == ["kind-1.24/install-2.1.1/spark-pi", *ids(tags=("full",))]
    assert ids(tags=("smoke",), environments=("*6",)) == ["kind-1.36/install-2.5.2/spark-pi"]
    (cell,) = choose(CATALOGUE, Selection(cells=("kind-1.36/install-2.5.2/spark-pi",)), SCENARIOS).cells
    assert cell.tags == ("smoke", "full", "nightly", "kind", "jvm")


def test_an_exclamation_mark_takes_away() -> None:
    assert ids(environments=("kind-*", "!kind-1.3*"), scenarios=("scheduled",)) == ["kind-1.24/install-2.5.2/scheduled"]
    assert ids(environments=("!kind-1.24", "!*6"), scenarios=("!*pi",)) == ["kind-1.34/install-2.5.2/scheduled"]
    assert len(ids(paths=("!install-2.[0-4].*",), scenarios=("spark-pi",))) == 3


def test_an_excluded_cell_is_left_out_of_a_glob_with_its_reason() -> None:
    chosen = choose(CATALOGUE, Selection(paths=("install-2.0.2",)), SCENARIOS)
    assert [cell.scenario.name for cell in chosen.cells] == ["spark-pi", "pyspark-pi"]
    (out,) = chosen.left_out
    assert (out.cell.id, out.reason, out.link) == ("kind-1.34/install-2.0.2/scheduled", "it has no clock", _LINK)


@pytest.mark.parametrize(
    "options",
    [
        {"cells": ("kind-1.34/install-2.0.2/scheduled",)},
        {"paths": ("install-2.0.2",), "scenarios": ("scheduled",)},
        {"paths": ("install-2.0.*",), "scenarios": ("sched*",)},
    ],
)
def test_an_excluded_cell_that_is_named_is_an_error_with_reason_and_link(options: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(UsageError, match=r"scheduled is excluded: it has no clock") as caught:
        ids(**options)
    assert caught.value.next_step == f"see {_LINK}"


def test_a_path_that_is_excluded_as_a_whole_is_an_error() -> None:
    with pytest.raises(UsageError, match="it was never published"):
        ids(paths=("install-2.1.0",))


def test_a_scenario_without_its_crds_is_no_cell() -> None:
    connect = Scenario(name="spark-connect", summary="", needs_crds=("sparkconnects.sparkoperator.k8s.io",))
    scenarios = {**SCENARIOS, connect.name: connect}
    chosen = choose(CATALOGUE, Selection(paths=("install-2.2.1", "install-2.3.0"), scenarios=("*connect",)), scenarios)
    assert [cell.id for cell in chosen.cells] == ["kind-1.34/install-2.3.0/spark-connect"]
    assert "release 2.2.1 has no CRD sparkconnects" in chosen.left_out[0].reason
    assert "/v2.2.1/" in chosen.left_out[0].link


def test_a_cell_is_exact() -> None:
    wanted = "kind-1.36/install-2.3.0/scheduled"
    assert ids(cells=(wanted, wanted)) == [wanted]
    assert ids(cells=(wanted,), environments=("kind-*",), scenarios=("scheduled",)) == [wanted]


@pytest.mark.parametrize(
    ("options", "message", "next_step"),
    [
        ({"environments": ("kind-1.35",)}, r"no environment named 'kind-1\.35'; did you mean kind-1\.3", "kind-1.36"),
        ({"environments": ("!kind-1.35",)}, r"no environment named 'kind-1\.35'; did you mean kind-1\.3", "kind-1.36"),
        ({"environments": ("kind-*", "!*")}, r"kind-\* !\* leaves no environment", "exclude less"),
        ({"scenarios": ("sparkpi",)}, "no scenario named 'sparkpi'; did you mean spark-pi", "scheduled"),
        (
            {"scenarios": ("spark-pi, scheduled",)},
            "no scenario named 'spark-pi, scheduled': these are 2 scenarios",
            "give the option once for each",
        ),
        ({"paths": ("instal-2.5.2",)}, r"no path named .*did you mean install-2\.5\.2", "install-2.0.2"),
        ({"paths": ("install-2.5.9",)}, r"no release named '2\.5\.9'; did you mean 2\.5\.", "2.5.2"),
        ({"environments": ("k3d-*",)}, r"no environment matches 'k3d-\*'", "kind-1.34"),
        ({"paths": ("upgrade-9*",)}, r"no path matches 'upgrade-9\*'", "install-2.5.2"),
        ({"paths": ("upgrade-*",)}, "no cell is left of .*none of these scenarios", "nox -s matrix"),
        (
            {"scenarios": ("spark-pi",), "paths": ("upgrade-2.4.0-2.5.2",)},
            r"spark-pi runs on paths of kind install, but upgrade-2\.4\.0-2\.5\.2\+crds=none is an upgrade",
            "--path 'install-*'",
        ),
        (
            {"cells": ("kind-1.34/upgrade-2.4.0-2.5.2/spark-pi",)},
            "spark-pi runs on paths of kind install",
            "install",
        ),
        ({"cells": ("kind-1.34/install-2.5.2/spark-p",)}, "no scenario named 'spark-p'", "spark-pi"),
        ({"cells": ("kind-1.34/spark-pi",)}, r"no cell named .*did you mean .*kind-1\.34/install-", "nox -s matrix"),
        (
            {"cells": ("install-2.5.2/kind-1.34/spark-pi",)},
            r"did you mean kind-1\.34/install-2\.5\.2/spark-pi\?",
            "write kind-1.34/install-2.5.2/spark-pi",
        ),
        ({"environments": ("spark-pi",)}, "--env spark-pi: this is a scenario", "write --scenario spark-pi"),
        ({"paths": ("kind-1.34",)}, "--path kind-1.34: this is an environment", "write --env kind-1.34"),
        ({"scenarios": ("install-2.5.2",)}, "this is a path", "write --path install-2.5.2"),
        ({"scenarios": ("sched",)}, "did you mean scheduled", "spark-pi"),
        ({"scenarios": ("Spark_Pi",)}, "did you mean spark-pi", "scheduled"),
        ({"tags": ("smok",)}, r"has the tag smok; did you mean smoke\?", "their tags are"),
        ({"cells": ("kind-1.34/install-2.5.2/*",)}, "exact and does not accept globs", "--scenario"),
        (
            {"cells": ("kind-1.34/install-2.5.2/spark-pi",), "environments": ("kind-1.36",)},
            r"contradicts --env kind-1\.36",
            "omit --cell",
        ),
        (
            {"cells": ("kind-1.34/install-2.5.2/spark-pi",), "tags": ("slow",)},
            "contradicts --tag slow",
            "smoke, full, nightly, kind, jvm",
        ),
    ],
)
def test_bad_selections_say_what_was_meant(options: dict[str, tuple[str, ...]], message: str, next_step: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        ids(**options)
    assert caught.value.exit_status == 2
    assert next_step in caught.value.next_step


def test_a_default_selection_that_names_nothing_is_the_catalogues_fault() -> None:
    broken = Choice(environments=("kind-1.34",), paths=("install-2.5.2",), scenarios=("gone",))
    wrong = dataclasses.replace(
        CATALOGUE, defaults=Defaults.model_validate({"default": [broken], "when-not-given": broken})
    )
    with pytest.raises(
        CatalogueError, match=r"default\.toml, line \d+: key scenarios: there is no scenario named 'gone'"
    ):
        choose(wrong, Selection(), SCENARIOS)


def test_a_cell_says_why_a_source_cannot_offer_it() -> None:
    (old,) = choose(CATALOGUE, Selection(cells=("kind-1.34/install-2.1.1/spark-pi",)), SCENARIOS).cells
    (new,) = choose(CATALOGUE, Selection(cells=("kind-1.34/install-2.5.2/spark-pi",)), SCENARIOS).cells
    assert re.match(
        r"the foundry does not build release 2\.1\.1: .*module", unavailable_reason(CATALOGUE, old, "foundry")
    )
    assert not unavailable_reason(CATALOGUE, old, "upstream")
    assert not unavailable_reason(CATALOGUE, old, "mirror")
    assert not unavailable_reason(CATALOGUE, new, "foundry")
    bare = new.model_copy(update={"environment": new.environment.model_copy(update={"node_image": ""})})
    assert unavailable_reason(CATALOGUE, bare, "upstream") == "upstream has no node image for kind-1.34"


def test_every_cell_has_its_own_id() -> None:
    cells = expand.cells(CATALOGUE.environments, expand.paths(CATALOGUE).values(), SCENARIOS)
    everything = [cell.id for cell in cells]
    assert len(set(everything)) == len(everything) == 3 * (12 + 9) * 3


WATCHED = {
    **SCENARIOS,
    **{
        name: Scenario(name=name, summary=name, needs=ClusterNeeds(paths=("upgrade", "rollback"), cluster=cluster))
        for name, cluster in (("operator-health", ""), ("schedules", ""), ("fault-no-image", "fault-no-image"))
    },
}
USUAL = Choice(environments=("kind-1.34",), paths=("install-2.5.2",), scenarios=("*", "!fault-*"))
WITH_FAULTS = dataclasses.replace(
    CATALOGUE, defaults=Defaults.model_validate({"default": CATALOGUE.defaults.default, "when-not-given": USUAL})
)


def watched(**options: tuple[str, ...]) -> list[str]:
    return [cell.id for cell in choose(WITH_FAULTS, Selection(**options), WATCHED).cells]


def test_the_watched_scenarios_of_an_upgrade_are_chosen_and_failures_only_when_asked_for() -> None:
    path = "upgrade-2.2.1@docker.io-2.5.2+crds=apply"
    assert watched(paths=(path,)) == [f"kind-1.34/{path}/{name}" for name in ("operator-health", "schedules")]
    assert watched(paths=(path,), scenarios=("fault-*",)) == [f"kind-1.34/{path}/fault-no-image"]


def test_a_glob_stands_for_the_rows_and_a_name_for_any_path() -> None:
    health = ("operator-health",)
    assert watched(paths=("upgrade-2.2.1@docker.io-2.5.2+crds=*",), scenarios=health) == [
        f"kind-1.34/upgrade-2.2.1@docker.io-2.5.2+crds={crds}/operator-health"
        for crds in ("none", "apply", "hook", "client-apply", "ssa", "replace", "create")
    ]
    odd = "upgrade-2.2.1@docker.io-2.5.1"
    assert watched(paths=(odd, "upgrade-2.4.0-2.5.2+crds=hook"), scenarios=health) == [
        "kind-1.34/upgrade-2.4.0-2.5.2+crds=hook/operator-health",
        f"kind-1.34/{odd}+crds=none/operator-health",
    ]
    (cell,) = watched(cells=(f"kind-1.34/{odd}/schedules",), paths=(odd,))
    assert cell == f"kind-1.34/{odd}+crds=none/schedules"


def test_an_exclusion_takes_the_short_name_of_a_path_too() -> None:
    found = watched(paths=("upgrade-2.4.0-2.5.2+crds=[na]*", "!upgrade-2.4.0-2.5.2"), scenarios=("schedules",))
    assert found
    assert all("+crds=apply" in name for name in found)


def test_a_scenario_that_is_asked_of_no_chosen_path_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"schedules runs on paths of kind upgrade or rollback, but install-2\.5\.2"):
        watched(scenarios=("schedules", "spark-pi"))
    with pytest.raises(UsageError, match="spark-pi runs on paths of kind install"):
        watched(paths=("install-2.5.2", "upgrade-2.4.0-2.5.2"), scenarios=("spark-pi",))


def test_rows_must_call_paths_by_their_whole_names() -> None:
    tier = Tier(name="up", environments=("kind-1.34",), paths=("upgrade-2.4.0-2.5.2",), scenarios=("schedules",))
    spoilt = dataclasses.replace(WITH_FAULTS, rules=Rules(tiers=(tier,)))
    with pytest.raises(CatalogueError, match=r"the full name of path .* is upgrade-2\.4\.0-2\.5\.2\+crds=none"):
        choose(spoilt, Selection(), WATCHED)


def test_what_an_upgrade_cannot_get_is_said_of_each_of_its_releases() -> None:
    wanted = Selection(cells=("kind-1.34/upgrade-2.1.1-2.5.2+crds=apply/schedules",))
    (cell,) = choose(WITH_FAULTS, wanted, WATCHED).cells
    assert "does not build release 2.1.1" in unavailable_reason(WITH_FAULTS, cell, "foundry")
    assert not unavailable_reason(WITH_FAULTS, cell, "upstream")
    (copied,) = choose(
        WITH_FAULTS, Selection(cells=("kind-1.34/upgrade-2.2.1@docker.io-2.5.2+crds=apply/schedules",)), WATCHED
    ).cells
    assert not unavailable_reason(WITH_FAULTS, copied, "foundry")


def test_an_upgrade_needs_the_crds_of_a_scenario_in_each_of_its_releases() -> None:
    connect = Scenario(
        name="connect",
        summary="",
        needs=ClusterNeeds(paths=("upgrade",)),
        needs_crds=("sparkconnects.sparkoperator.k8s.io",),
    )
    chosen = choose(
        WITH_FAULTS,
        Selection(paths=("upgrade-2.[23].[01]-2.5.2+crds=apply",), scenarios=("connect",)),
        {**WATCHED, "connect": connect},
    )
    assert [cell.path.releases for cell in chosen.cells] == [("2.3.0", "2.5.2")]
    assert "release 2.2.1 has no CRD sparkconnects" in chosen.left_out[0].reason
