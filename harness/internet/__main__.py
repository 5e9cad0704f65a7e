# SPDX-License-Identifier: Apache-2.0
"""The process of the small internet: `python -m harness.internet PLAN`, in namespaces of its own."""

from __future__ import annotations

import json
import logging
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from harness.errors import HarnessError
from harness.internet import content, site, steps, trust, world
from harness.internet.every_step import every_step
from harness.internet.plan import Plan
from harness.internet.requests import traffic
from harness.internet.steps import Rehearsal
from harness.internet.world import World
from harness.matrix import catalogue
from harness.registries.front import certificates

_SETTINGS = 'rehearsed = true\ncatalogue_dirs = ["catalogue"]\n'


def main(file: Path) -> int:
    """Serve the plan's content, and run its command or its steps in a machine; the exit status."""
    plan = Plan.model_validate_json(file.read_bytes())
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, signal.default_int_handler)
    # A client that went away is in the requests.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    try:
        return _run(plan)
    except HarnessError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 3


def _run(plan: Plan) -> int:
    world.take_addresses()
    authority = certificates.authority()
    nodes = content.public_nodes([catalogue.load().environment(name) for name in plan.environments])
    digests = trust.in_nodes(plan.registry, plan.storage, [it.reference for it in nodes], authority.pem)
    site.fill(plan.storage)
    rows = plan.work / "catalogue"
    rows.mkdir()
    (rows / "environments.toml").write_text(content.pins(nodes, digests))
    (plan.work / "harness.toml").write_text(_SETTINGS)
    with world.running(plan, authority) as internet:
        try:
            with world.machine_of(plan, authority) as machine:
                if plan.argv:
                    return machine.run(plan.argv)
                logs = plan.folder / "machine"
                asked = steps.chosen(every_step(), plan.steps)
                return steps.run(asked, Rehearsal(world=internet, machine=machine, folder=logs))
        finally:
            _tell(plan, internet)


def _tell(plan: Plan, internet: World) -> None:
    requests = internet.requests()
    plan.log.write_text("".join(json.dumps(asdict(it)) + "\n" for it in requests))
    print("requests in all:", flush=True)
    for line in traffic(requests).lines():
        print(f"        {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
