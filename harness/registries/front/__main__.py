# SPDX-License-Identifier: Apache-2.0
"""A registry front as a separate process: `python -m harness.registries.front PLAN`, until SIGTERM.

PLAN is a JSON file without secrets. Once the front answers, its record is written next to it; if it fails, the reason
is.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from harness import process_identity
from harness.errors import HarnessError
from harness.matrix import own_rows
from harness.registries.front.control import controlled
from harness.registries.front.profile import profile
from harness.registries.front.records import Failure, Plan, Record, write
from harness.registries.front.server import Front


def main(file: Path) -> int:
    """Serve according to the plan; the exit status is that of the error that stopped it, else 0."""
    plan = Plan.model_validate_json(file.read_bytes())
    stop = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop.set())
    try:
        _serve(plan, file.parent, stop)
    except HarnessError as error:
        kind = type(error).__name__
        write(file.parent, Failure(kind=kind, message=error.message, next_step=error.next_step))
        return error.exit_status
    return 0


def _serve(plan: Plan, folder: Path, stop: threading.Event) -> None:
    own = process_identity.identity(os.getpid())
    if own is None:
        raise HarnessError("this process cannot be told from others, since /proc does not show it")
    chosen = profile(plan.profile, own_rows.read(plan.catalogue_dirs))
    front = Front(
        chosen.with_limits(plan.limits) if plan.limits else chosen,
        folder=folder,
        binary=plan.binary,
        addresses=plan.addresses,
        port=plan.port,
        packages=plan.packages,
        users=plan.users,
    )
    with front, controlled(front, plan.control, folder / "tokens"):
        record = Record(
            name=plan.name,
            profile=plan.profile,
            run_id=plan.run_id,
            pid=own.pid,
            boot=own.boot,
            ticks=own.ticks,
            address=front.address,
            ca=front.ca,
            control=plan.control,
            log=front.log_file,
            tokens=front.accounts.write(folder / "tokens"),
        )
        write(folder, record)
        stop.wait()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
