# SPDX-License-Identifier: Apache-2.0
"""Which tests go to the same worker of pytest-xdist, since they share what is costly to make.

pytest-xdist has the mark xdist_group for this, but 3.8.0 writes the group into an attribute of the items that
pytest 9.2 does not read (`WorkerInteractor.pytest_collection_modifyitems` in xdist/remote.py): the mark does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

GROUPS: Mapping[str, str] = {
    "tests/e2e/test_imported_release.py": "imported release",
    "tests/e2e/test_reproduce.py": "red run",
    "tests/e2e/test_side_by_side.py": "two runs",
    "tests/integration/test_docs_site.py": "site",
    "tests/integration/test_for_users.py": "installation",
    "tests/integration/test_installed.py": "installation",
    "tests/integration/test_node_records.py": "bare node",
    "tests/integration/test_pull_trouble.py": "bare node",
    "tests/integration/test_pull_words.py": "bare node",
    "tests/integration/test_report_in_chromium.py": "browser",
    "tests/unit/test_docs_messages.py": "messages",
}
"""Test module → what its tests share."""


def group(nodeid: str) -> str:
    """What a test shares with others; a test that shares nothing is a group of its own."""
    return GROUPS.get(nodeid.partition("::")[0], nodeid)


_AT_ONCE = 16
"""How many tests a worker is given with one message, as long as there are many. Most take less time than a message."""
_SHARES = 16
"""Of what is left, a worker is given at most this part of its share, so that all of them end together."""


def scheduler(config: pytest.Config, log: Any) -> Any:
    """The scheduler of xdist that gives a worker whole groups, the largest first."""
    from xdist.scheduler import LoadScopeScheduling  # only where xdist is in use

    class Groups(LoadScopeScheduling):  # type: ignore[misc]
        def __init__(self, config: pytest.Config, log: Any) -> None:
            super().__init__(config, log)
            self._numbers: dict[Any, dict[str, int]] = {}

        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

        def _assign_work_unit(self, node: Any) -> None:
            """As xdist's, which sends each test in a message of its own, and looks it up in the list of all."""
            if node not in self._numbers:
                self._numbers[node] = {it: number for number, it in enumerate(self.registered_collections[node])}
            most = min(_AT_ONCE, len(self.workqueue) // (_SHARES * len(self.nodes)))
            given: list[int] = []
            while self.workqueue and len(given) < max(1, most):
                name, tests = self.workqueue.popitem(last=False)
                self.assigned_work[node][name] = tests
                given += [self._numbers[node][it] for it, done in tests.items() if not done]
            node.send_runtest_some(given)

        def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
            """As xdist's, which after each test counts all that the worker has ever done."""
            nodeid = self.registered_collections[node][item_index]
            units, name = self.assigned_work[node], self._split_scope(nodeid)
            units[name][nodeid] = True
            if all(units[name].values()):
                del units[name]
            self._reschedule(node)

    return Groups(config, log)
