# SPDX-License-Identifier: Apache-2.0
"""The processors that all runs of a cache share: never more than there are, nobody starves, nobody waits for ever."""

from __future__ import annotations

import random
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from holder import holder

from harness import waiting
from harness.errors import HostError
from harness.run.budget import Budget, Claim
from harness.run.share import Share
from harness.run.slots import Slots
from harness.waiting import Cancelled


@pytest.fixture(autouse=True)
def _not_cancelled() -> Iterator[None]:
    yield
    waiting.reset_cancellation()


@pytest.fixture
def other_run(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds 1.34 processors."""
    with holder(f"Budget(Path({str(tmp_path)!r}), 2).some(1.34, 'another')") as process:
        yield process


def asks(budget: Budget, *needs: float) -> list[bool]:
    """Who of these, which ask one after the other and stay, is granted at once."""
    return [budget.claim(need, f"number {number}").granted() for number, need in enumerate(needs)]


@pytest.mark.parametrize(
    ("processors", "needs", "granted"),
    [
        (2, (1.34, 0.66, 0.1), [True, True, False]),
        (2, (1.34, 1.34, 0.66), [True, False, True]),
        (2, (0.66, 0.66, 0.66, 0.66), [True, True, True, False]),
        (4, (1.34, 1.34, 1.34, 0.66), [True, True, False, True]),
        (1, (1.34, 0.1), [True, False]),
        (0.5, (0.66, 0.66), [True, False]),
    ],
)
def test_no_more_is_held_than_there_is(
    tmp_path: Path, processors: float, needs: tuple[float, ...], granted: list[bool]
) -> None:
    assert asks(Budget(tmp_path, processors), *needs) == granted


def test_small_ones_do_not_keep_a_large_one_waiting(tmp_path: Path) -> None:
    budget = Budget(tmp_path, 2)
    first, large, small, next_small, last = (budget.claim(need, "it") for need in (0.66, 1.5, 0.5, 0.5, 0.5))

    assert [first.granted(), large.granted(), small.granted()] == [True, False, True]
    # A second one beside the first small one would be in the way when the very first is done.
    assert not next_small.granted()
    first.give_back()
    assert not last.granted()
    assert large.granted()
    large.give_back()
    assert next_small.granted()


def test_whoever_fits_now_is_not_overtaken_before_it_looks_again(tmp_path: Path) -> None:
    budget = Budget(tmp_path, 2)
    first, second, third = budget.claim(2, "first"), budget.claim(1.34, "second"), budget.claim(0.7, "third")
    assert [first.granted(), second.granted()] == [True, False]
    first.give_back()

    assert not third.granted()
    assert second.granted()


def test_another_run_counts_and_what_it_has_is_said(tmp_path: Path, other_run: subprocess.Popen[str]) -> None:
    budget = Budget(tmp_path, 2)
    with budget.some(0.5, "a scenario"):
        claim = budget.claim(0.66, "an install")
        assert not claim.granted()
        assert budget.why(claim) == "waits for 0.66 of 2 processors: taken are 0.5 by a scenario, 1.34 by other runs"
    assert claim.granted()
    assert other_run.poll() is None


def test_a_killed_run_gives_up_what_it_had(tmp_path: Path, other_run: subprocess.Popen[str]) -> None:
    budget = Budget(tmp_path, 2)
    claim = budget.claim(2, "an upgrade")
    assert not claim.granted()

    other_run.kill()
    other_run.wait(10)

    assert claim.granted()
    assert len(list(tmp_path.glob("*.held"))) == 1


def test_a_run_that_counts_more_processors_does_not_stop_the_others_for_ever(tmp_path: Path) -> None:
    large, small = Budget(tmp_path, 8), Budget(tmp_path, 2)
    held, waits = large.claim(8, "the large one"), small.claim(2, "the small one")

    assert [held.granted(), waits.granted()] == [True, False]
    held.give_back()
    assert waits.granted()
    assert not large.claim(7, "again").granted()


def test_whoever_waits_hears_that_the_run_ends(tmp_path: Path, other_run: subprocess.Popen[str]) -> None:
    waiting.cancel_all()

    with pytest.raises(Cancelled, match=r"it waits for 2 of 2 processors"), Budget(tmp_path, 2).some(2, "it"):
        raise AssertionError("another has them")

    assert list(tmp_path.glob("*.waiting")) == []


def test_a_folder_that_cannot_be_used_is_the_hosts_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(HostError, match="cannot be shared out"):
        Budget(tmp_path / "file" / "slots", 2).claim(1, "it").granted()


def test_files_that_are_none_of_ours_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "1-2.held", "x-1-a.held", "1-2-3-4.waiting"):
        (tmp_path / name).write_text("")

    assert Budget(tmp_path, 2).claim(2, "it").granted()
    assert (tmp_path / "notes.txt").exists()


@pytest.mark.parametrize("seed", range(2))
def test_many_that_come_and_go_all_get_their_turn_and_never_have_too_much(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a draw that can be repeated, not a secret
    needs = [chance.choice((0.66, 0.66, 1.0, 1.34, 2.0)) for _ in range(24)]
    budgets = [Budget(tmp_path, 2), Budget(tmp_path, 2)]
    lock, held, most = threading.Lock(), [0.0], [0.0]

    def work(number: int) -> None:
        with budgets[number % 2].some(needs[number], str(number)):
            with lock:
                held[0] += needs[number]
                most[0] = max(most[0], held[0])
            threading.Event().wait(0.01)
            with lock:
                held[0] -= needs[number]

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, number) for number in range(len(needs))]:
            done.result(60)

    assert most[0] == pytest.approx(2.0, abs=0.01)
    assert list(tmp_path.glob("*.held")) == list(tmp_path.glob("*.waiting")) == []


@pytest.fixture
def share_of(tmp_path: Path) -> Callable[..., tuple[Share, list[str]]]:
    """A cluster's share, and what it says."""

    def made(budget: Budget, slots: int = 8) -> tuple[Share, list[str]]:
        said: list[str] = []
        places = Slots(tmp_path / "slots", "scenario", slots)
        return Share(budget, places, further=0.66, name="install", say=said.append), said

    return made


def most_beside(share: Share, number: int) -> int:
    """How many of so many scenarios ran at the same time."""
    lock, now, most = threading.Lock(), [0], [0]

    def work() -> float:
        with share.place() as waited:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            threading.Event().wait(0.05)
            with lock:
                now[0] -= 1
        return waited

    with ThreadPoolExecutor(number) as pool:
        for done in [pool.submit(work) for _ in range(number)]:
            assert done.result(30) >= 0
    return most[0]


def test_a_cluster_alone_runs_as_many_scenarios_as_there_are_processors_for(
    tmp_path: Path, share_of: Callable[..., tuple[Share, list[str]]]
) -> None:
    budget = Budget(tmp_path, 2)
    share, _ = share_of(budget)
    with budget.some(0.66, "install"):
        assert most_beside(share, 6) == 3


def test_beside_a_path_a_cluster_still_runs_one_scenario_after_the_other_and_says_why(
    tmp_path: Path, share_of: Callable[..., tuple[Share, list[str]]]
) -> None:
    budget = Budget(tmp_path, 2)
    share, said = share_of(budget)
    with budget.some(0.66, "install"), budget.some(1.34, "upgrade"):
        assert most_beside(share, 4) == 1
    assert said == ["a scenario waits for 0.66 of 2 processors: taken are 0.66 by install, 1.34 by upgrade"]


def test_scenarios_beside_each_other_do_not_keep_a_path_waiting(
    tmp_path: Path, share_of: Callable[..., tuple[Share, list[str]]]
) -> None:
    budget = Budget(tmp_path, 2)
    share, _ = share_of(budget)
    began, goes_on = threading.Event(), threading.Event()
    path: list[Claim] = []

    def scenario() -> None:
        with share.place():
            began.set()
            goes_on.wait(10)

    with budget.some(0.66, "install"), ThreadPoolExecutor(8) as pool:
        running = [pool.submit(scenario) for _ in range(8)]
        assert began.wait(10)
        path.append(budget.claim(1.34, "upgrade"))
        path[0].granted()
        goes_on.set()
        waiting.until(path[0].granted, what="the path to begin", timeout=10)
        path[0].give_back()
        for done in running:
            done.result(10)


def test_whoever_ends_gives_back_what_it_had(tmp_path: Path, share_of: Callable[..., tuple[Share, list[str]]]) -> None:
    budget = Budget(tmp_path, 2)
    share, _ = share_of(budget, slots=1)
    with pytest.raises(ValueError, match="it broke"), share.place():
        raise ValueError("it broke")
    with share.place():
        waiting.cancel_all()
        with pytest.raises(Cancelled), share.place():
            raise AssertionError("the host has one place")
    assert list(tmp_path.glob("*.held")) == list(tmp_path.glob("*.waiting")) == []


class Machine:
    """How many processes want each processor."""

    def __init__(self, load: float) -> None:
        self.load = load

    def __call__(self) -> float:
        return self.load


def test_nothing_begins_beside_what_runs_while_the_machine_is_crowded(tmp_path: Path) -> None:
    machine = Machine(5.0)
    budget = Budget(tmp_path, 2, machine)
    with budget.some(0.45, "install"):
        upgrade = budget.claim(1.1, "upgrade")
        assert not upgrade.granted()
        assert budget.why(upgrade) == "waits until the machine is less busy: 5 processes want each processor"
        machine.load = 4.9
        assert upgrade.granted()


def test_what_is_crowded_by_others_still_has_one_that_begins(tmp_path: Path) -> None:
    budget = Budget(tmp_path, 2, Machine(99.0))

    assert asks(budget, 0.45, 0.45) == [True, False]


def test_the_first_reason_is_told_of_two(tmp_path: Path) -> None:
    budget = Budget(tmp_path, 2, Machine(99.0))
    with budget.some(1.5, "upgrade"):
        other = budget.claim(1, "other")
        assert not other.granted()
        assert budget.why(other) == "waits for 1 of 2 processors: taken are 1.5 by upgrade"


def test_of_those_that_run_on_a_crowded_machine_all_but_one_give_way(tmp_path: Path) -> None:
    machine = Machine(1.0)
    budget, other_run = Budget(tmp_path, 2, machine), Budget(tmp_path, 2, machine)
    claims = [budget.claim(0.4, "first"), other_run.claim(0.4, "second"), budget.claim(1.1, "upgrade")]
    assert all(it.granted() for it in claims)
    assert not any(budget.gives_way(it) for it in claims)

    machine.load = 8.0
    ways = [bool(owner.gives_way(it)) for owner, it in zip((budget, other_run, budget), claims, strict=True)]
    assert ways == [True, True, False]
    claims[2].give_back()
    assert (bool(budget.gives_way(claims[0])), bool(other_run.gives_way(claims[1]))) == (False, True)


def test_what_is_exchanged_is_never_held_twice(tmp_path: Path) -> None:
    budget = Budget(tmp_path, 2)
    said: list[str] = []
    claim = budget.claim(0.45, "retry")
    assert claim.granted()
    with ThreadPoolExecutor(1) as pool, budget.some(1, "upgrade"):
        exchanged = pool.submit(budget.exchange, claim, 2, said.append)
        waiting.until(lambda: list(said), bool, what="it to wait", timeout=10)
        assert [it.name.split("-")[1] for it in tmp_path.glob("*.held")] == ["1000"]
    exchanged.result(10)

    assert said == ["waits for 2 of 2 processors: taken are 1 by upgrade"]
    assert [it.name.split("-")[1] for it in tmp_path.glob("*.held")] == ["2000"]
    claim.give_back()


def test_a_scenario_waits_on_a_crowded_machine_until_its_clusters_turn_has_come(
    tmp_path: Path, share_of: Callable[..., tuple[Share, list[str]]]
) -> None:
    machine = Machine(1.0)
    budget = Budget(tmp_path, 2, machine)
    share, said = share_of(budget)
    upgrade = budget.claim(1.1, "upgrade")
    with budget.some(0.66, "install") as held:
        share.held = held
        assert upgrade.granted()
        machine.load = 8.0
        with ThreadPoolExecutor(1) as pool:
            ran = pool.submit(most_beside, share, 3)
            waiting.until(lambda: list(said), bool, what="it to wait", timeout=10)
            assert not ran.done()
            upgrade.give_back()
            assert ran.result(10) == 1

    assert said == ["a scenario waits until the machine is less busy: 8 processes want each processor"]
