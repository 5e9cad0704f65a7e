# SPDX-License-Identifier: Apache-2.0
"""What an exception says of the check that it interrupted: whose fault it is, and the words for a user."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping

from harness.errors import HarnessError, WaitTimeout
from harness.verdicts import Finding, errored, failed
from harness.waiting import Cancelled

Make = Callable[[str, str], Finding]

LATE_IS_FAILED: Mapping[type[HarnessError], Make] = {WaitTimeout: failed}
"""A condition that does not come true in time is the product's fault, every other error is not."""


def findings_of(
    check: str, act: Callable[[], Iterable[Finding]], verdicts: Mapping[type[HarnessError], Make] = LATE_IS_FAILED
) -> list[Finding]:
    """The findings of `act`, or the one that `finding_of` makes of its exception. Raises Cancelled only."""
    try:
        return list(act())
    except Cancelled:
        raise
    except Exception as error:
        return [finding_of(check, error, verdicts)]


def finding_of(check: str, error: Exception, verdicts: Mapping[type[HarnessError], Make] = LATE_IS_FAILED) -> Finding:
    """The finding for an exception. Must be called where that is handled.

    `verdicts` has the errors that say something of the product, and what; any other is an `error`: of the API server,
    or a bug of the harness, which comes with its traceback and must not look like one of the product.
    """
    if isinstance(error, HarnessError):
        make = next((make for kind, make in verdicts.items() if isinstance(error, kind)), errored)
        return make(check, str(error))
    return errored(check, f"the harness failed: {type(error).__name__}: {error}", traceback=traceback.format_exc())
