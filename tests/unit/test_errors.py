# SPDX-License-Identifier: Apache-2.0
"""The tree of errors: each says what to do next, and its exit status is the one that the docstring draws."""

from __future__ import annotations

import inspect
import re

import pytest

from harness import errors
from harness.errors import CommandError, HarnessError, RegistryError, UsageError, WaitTimeout

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, HarnessError)]


def test_an_error_reads_as_what_happened_and_what_to_do_next() -> None:
    assert str(HarnessError("no room", "free some")) == "no room\n  next: free some"
    assert str(HarnessError("no room")) == "no room"


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_wrong_input_ends_with_2_and_everything_else_with_3(kind: type[HarnessError]) -> None:
    assert kind("it", "do").exit_status == (2 if issubclass(kind, UsageError) else 3)
    assert str(kind("it", "do")) == "it\n  next: do"


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    drawn: dict[str, tuple[str, int]] = {}
    above: list[tuple[int, str, int]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([│├└─ ]*)([A-Z]\w+)(?: \((\d)\))?", line)
        if not found or not found[2].endswith(("Error", "Timeout", "Away")):
            continue
        depth = len(found[1])
        above = [it for it in above if it[0] < depth]
        status = int(found[3]) if found[3] else above[-1][2]
        drawn[found[2]] = (above[-1][1] if above else "Exception", status)
        above.append((depth, found[2], status))

    assert drawn == {kind.__name__: (kind.__mro__[1].__name__, kind.exit_status) for kind in TREE}


def test_errors_carry_what_a_caller_decides_by() -> None:
    assert CommandError("m", returncode=7, stdout="o", stderr="e").returncode == 7
    assert RegistryError("m", status=404).status == 404
    assert WaitTimeout("m", last_seen="Pending").last_seen == "Pending"
