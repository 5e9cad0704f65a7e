# SPDX-License-Identifier: Apache-2.0
"""Tests that share what is costly to make go to the same worker."""

from __future__ import annotations

from types import SimpleNamespace

import groups
import pytest

from harness.settings import PROJECT_ROOT


def test_every_module_of_a_group_is_there() -> None:
    assert [name for name in groups.GROUPS if not (PROJECT_ROOT / name).is_file()] == []


@pytest.mark.parametrize(("dist", "together"), [("loadgroup", True), ("load", False)])
def test_modules_that_share_an_installation_go_to_one_worker(
    pytester: pytest.Pytester, pytestconfig: pytest.Config, dist: str, together: bool
) -> None:
    config = pytester.parseconfig("--tx", "2*popen", "--dist", dist)
    made = pytestconfig.hook.pytest_xdist_make_scheduler(config=config, log=None)
    modules = ("tests/integration/test_for_users.py", "tests/integration/test_installed.py")

    first, second = (getattr(made, "_split_scope", str)(f"{module}::test_it[1]") for module in modules)

    assert (first == second) is together


class Worker:
    """Plays a worker: the numbers of the tests that it was given."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.given: list[int] = []
        self.sizes: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.given += numbers
        self.sizes.append(len(numbers))

    def shutdown(self) -> None:
        self.shutting_down = True


@pytest.mark.parametrize("number", [7, 2000])
def test_each_test_is_given_once_and_what_is_done_is_forgotten(
    pytester: pytest.Pytester, pytestconfig: pytest.Config, number: int
) -> None:
    config = pytester.parseconfig("--tx", "2*popen", "--dist", "loadgroup")
    made = pytestconfig.hook.pytest_xdist_make_scheduler(config=config, log=None)
    installation = [f"tests/integration/test_installed.py::test_{number}" for number in range(3)]
    tests = [*(f"tests/unit/test_x.py::test_{number}" for number in range(number)), *installation]
    workers = [Worker("gw0"), Worker("gw1")]
    for worker in workers:
        made.add_node(worker)
    for worker in workers:
        made.add_node_collection(worker, tests)
    made.schedule()

    for step in range(len(tests)):
        for worker in workers:
            if step < len(worker.given):
                made.mark_test_complete(worker, worker.given[step])

    given = [tests[number] for worker in workers for number in worker.given]
    assert sorted(given) == sorted(tests)
    assert any({*installation} <= {tests[number] for number in worker.given} for worker in workers)
    assert made.tests_finished
    assert not made.has_pending
    assert [*made.assigned_work.values()] == [{}, {}]
    for worker in workers:
        # Many at once while there are many, and in the end one by one, so that no worker is left with a few of them.
        assert worker.sizes[-1] == 1
        assert max(worker.sizes[1:]) == (16 if number == 2000 else 1)
