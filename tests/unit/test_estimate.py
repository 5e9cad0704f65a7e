# SPDX-License-Identifier: Apache-2.0
"""How long cells, clusters and runs are expected to take."""

from __future__ import annotations

import pytest

from harness.matrix.costs import costs
from harness.matrix.estimate import (
    CLUSTER_SECONDS,
    MOVE_SECONDS,
    Estimator,
    Expected,
    Learnt,
    Work,
    beginnings,
    makespan,
    pass_name,
    watched_by,
)
from harness.matrix.model import Cell, ClusterNeeds, Environment, Path, Scenario

NEEDS = ClusterNeeds()


def cell(scenario: str, environment: str = "a-1.34", *, timeout: float = 600.0, needs: ClusterNeeds = NEEDS) -> Cell:
    return Cell(
        environment=Environment(name=environment, provider="existing", kubernetes="1.34.4"),
        path=Path(name="install-2.5.2", releases=("2.5.2",)),
        scenario=Scenario(name=scenario, summary="", timeout=timeout, needs=needs),
    )


LEARNT = Learnt(
    own={"a-1.34/install-2.5.2/pi": 20.0, "a-1.36/install-2.5.2/pi": 40.0, "a-1.34/install-2.5.2/ttl": 60.0},
    shared={"a-1.34/install-2.5.2": 30.0, "a-1.34/install-2.5.1": 50.0, "a-1.36/install-2.5.2": 36.0},
)


def test_what_was_learnt_is_expected() -> None:
    estimator = Estimator(LEARNT, slots=4)
    assert estimator.cell(cell("pi")) == Expected(seconds=20.0)
    assert estimator.shared([cell("pi")]) == Expected(seconds=30.0)
    assert estimator.group([cell("pi"), cell("ttl")]) == Expected(seconds=90.0)
    assert estimator.group([cell("pi"), cell("ttl")], slots=1) == Expected(seconds=110.0)


def test_what_never_ran_is_guessed_from_what_is_like_it() -> None:
    estimator = Estimator(LEARNT, slots=4)
    assert estimator.cell(cell("pi", "b-1.34")) == Expected(seconds=30.0, guess=True)
    assert estimator.cell(cell("retry", timeout=400.0)) == Expected(seconds=40.0, guess=True)
    assert estimator.shared([cell("pi", "b-1.34")]) == Expected(seconds=36.0, guess=True)
    other = cell("pi").model_copy(update={"path": Path(name="install-2.4.0", releases=("2.4.0",))})
    assert estimator.shared([other]) == Expected(seconds=40.0, guess=True)
    assert estimator.group([cell("pi"), cell("retry")]).guess
    assert Estimator(Learnt(), slots=1).group([cell("pi")]) == Expected(seconds=CLUSTER_SECONDS + 60.0, guess=True)


def test_clusters_beside_each_other_share_the_slots() -> None:
    cells = [cell("pi"), cell("ttl"), cell("pi", "a-1.36")]
    assert Estimator(LEARNT, slots=4).run(cells, jobs=1).seconds == 90.0 + 76.0
    assert Estimator(LEARNT, slots=4).run(cells, jobs=2).seconds == 90.0
    assert Estimator(LEARNT, slots=2).run(cells, jobs=2).seconds == 110.0
    assert Estimator(LEARNT, slots=2).run([], jobs=2) == Expected(seconds=0.0)


def test_a_cell_that_needs_its_cluster_alone_has_its_own() -> None:
    cells = [cell("pi"), cell("ttl", needs=ClusterNeeds(cluster="ttl"))]
    assert Estimator(LEARNT, slots=4).run(cells, jobs=1).seconds == 50.0 + 90.0


def watched(scenario: str, path: str, releases: tuple[str, ...]) -> Cell:
    """A cell of an upgrade that watches all kinds of applications, as all cells of one do between them."""
    made = cell(scenario)
    everything = made.scenario.model_copy(
        update={"needs": ClusterNeeds(applications=("standing", "schedules", "submissions"))}
    )
    return made.model_copy(update={"path": Path(name=path, kind="upgrade", releases=releases), "scenario": everything})


def unwatched(scenario: str, path: str, releases: tuple[str, ...]) -> Cell:
    return cell(scenario).model_copy(update={"path": Path(name=path, kind="upgrade", releases=releases)})


def test_the_cells_of_an_upgrade_are_one_pass() -> None:
    path, pair = "upgrade-2.4.0-2.5.2+crds=none", ("2.4.0", "2.5.2")
    five = [watched(name, path, pair) for name in "abcde"]
    learnt = Learnt(
        own={f"a-1.34/{path}/{name}": 1.0 for name in "abcde"},
        shared={pass_name(f"a-1.34/{path}", watched_by(five)): 200.0, "a-1.34/install-2.5.2": 30.0},
    )
    assert Estimator(learnt, slots=1).group(five) == Expected(seconds=205.0)
    assert Estimator(Learnt(), slots=4).group(five).seconds < CLUSTER_SECONDS + MOVE_SECONDS * 1.5


def test_an_upgrade_that_never_ran_is_guessed_from_paths_with_as_many_moves() -> None:
    pair, chain = ("2.4.0", "2.5.2"), ("2.3.0", "2.4.0", "2.5.2")
    one = watched("a", "upgrade-2.4.0-2.5.2+crds=none", pair)
    two = watched("a", "upgrade-2.3.0-2.4.0-2.5.2+crds=none", chain)
    learnt = Learnt(shared={"a-1.34/upgrade-2.2.1-2.5.2+crds=apply": 180.0, "a-1.34/install-2.5.2": 30.0})
    estimator = Estimator(learnt, slots=4)
    assert estimator.shared([one]) == Expected(seconds=180.0, guess=True)
    assert estimator.shared([two]) == Expected(seconds=30.0 + 2 * MOVE_SECONDS, guess=True)
    install = cell("pi").model_copy(update={"path": Path(name="install-2.4.0", releases=("2.4.0",))})
    assert estimator.shared([install]) == Expected(seconds=30.0, guess=True)


def test_a_pass_without_applications_is_learnt_apart() -> None:
    path, pair = "upgrade-2.4.0-2.5.2+crds=none", ("2.4.0", "2.5.2")
    health, submissions = unwatched("health", path, pair), watched("submissions", path, pair)
    name = pass_name(health.group, ())
    assert name == "a-1.34/upgrade-2.4.0-2.5.2+crds=none watching the operator"
    everything = pass_name(health.group, submissions.scenario.needs.applications)
    assert everything.endswith("+crds=none watching schedules+standing+submissions")
    assert pass_name(health.group, ("schedules",)).endswith("+crds=none watching schedules")
    assert pass_name("a-1.34/install-2.5.2", ()) == "a-1.34/install-2.5.2"
    learnt = Learnt(shared={name: 180.0, everything: 240.0})
    estimator = Estimator(learnt, slots=4)
    assert estimator.shared([health]) == Expected(seconds=180.0)
    assert estimator.shared([health, submissions]) == Expected(seconds=240.0)
    assert Estimator(Learnt(shared={name: 180.0}), slots=4).shared([submissions]) == Expected(seconds=180.0, guess=True)


def test_a_path_without_applications_takes_fewer_processors() -> None:
    path, pair = "upgrade-2.4.0-2.5.2+crds=none", ("2.4.0", "2.5.2")
    health, submissions = unwatched("health", path, pair), watched("submissions", path, pair)
    midway = cell("fault", needs=ClusterNeeds(places=2)).model_copy(update={"path": health.path})
    of = costs().of
    assert of([cell("pi")], ()) < of([health], ()) < of([health, submissions], {"standing"}) < of([midway], ()) == 2
    assert of([health], {"standing"}) == of([health, submissions], watched_by([health, submissions]))


def test_an_install_beside_a_path_with_applications_is_what_two_processors_are_for() -> None:
    known = costs()
    assert known.install + known.path_with_applications <= 2 < 2 * known.path_with_applications
    assert [known.beside(processors, 8) for processors in (0.5, 1, 2, 4, 64)] == [1, 2, 4, 8, 8]


def test_paths_with_applications_do_not_overlap_where_the_host_has_two_processors() -> None:
    path, pair = "upgrade-2.4.0-2.5.2+crds={}", ("2.4.0", "2.5.2")
    cells = [watched("a", path.format(mode), pair) for mode in ("none", "apply", "hook")]
    learnt = Learnt(
        own={it.id: 1.0 for it in cells} | {"a-1.34/install-2.5.2/pi": 40.0},
        shared={it.group: 200.0 for it in cells} | {"a-1.34/install-2.5.2": 50.0},
    )
    assert Estimator(learnt, slots=4, processors=2).run(cells, jobs=3).seconds == 603.0
    assert Estimator(learnt, slots=4, processors=6).run(cells, jobs=3).seconds == 201.0
    assert Estimator(learnt, slots=4, processors=2).run([*cells, cell("pi")], jobs=2).seconds == 603.0


@pytest.mark.parametrize(
    ("jobs", "processors", "begun"),
    [
        (1, 2, [0, 9, 18, 23, 27]),
        (2, 2, [0, 9, 18, 0, 4]),
        (2, 4, [0, 0, 9, 9, 13]),
        (3, 3, [0, 9, 0, 0, 4]),
        (3, 1, [0, 9, 18, 0, 0]),
    ],
)
def test_one_that_waits_for_processors_lets_others_go_first(jobs: int, processors: int, begun: list[float]) -> None:
    large, small = (Work(seconds=9, processors=2) for _ in "ab"), (Work(seconds=4) for _ in "cd")
    works = [*large, Work(seconds=5, processors=1), *small]
    assert beginnings(works, jobs=jobs, processors=processors) == begun


def test_parts_of_processors_add_up_exactly() -> None:
    works = [Work(seconds=1, processors=each) for each in (0.66, 1.34, 0.1)]
    assert beginnings(works, jobs=3, processors=2) == [0, 0, 1]


@pytest.mark.parametrize(
    ("seconds", "places", "together"),
    [([], 2, 0.0), ([3, 2, 1], 1, 6.0), ([3, 2, 1], 2, 3.0), ([1, 1, 1, 3], 2, 3.0), ([5], 0, 5.0)],
)
def test_the_longest_begins_first(seconds: list[float], places: int, together: float) -> None:
    assert makespan(seconds, places) == together


def test_a_guess_is_marked() -> None:
    assert Expected(seconds=90.0).minutes == "1.5"
    assert Expected(seconds=90.0, guess=True).minutes == "~1.5"
