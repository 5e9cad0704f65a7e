# SPDX-License-Identifier: Apache-2.0
"""Tests that share what is costly to make go to the same worker."""

from __future__ import annotations

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
