# SPDX-License-Identifier: Apache-2.0
"""What a Python client of Spark Connect gets from a server, judged by the answers that are right."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import causes, process
from harness.errors import CommandError, CommandTimeout
from harness.matrix.connect_clients import ASKS, Asks, ConnectClient
from harness.settings import PROJECT_ROOT
from harness.verdicts import Finding, errored, failed, passed

PROGRAM = PROJECT_ROOT / "charts" / "clients" / "ask.py"

_SHOWN = 300
_TRACE = "\n\nJVM stacktrace:"

Answers = Mapping[str, Mapping[str, Any]]
"""What was asked → `got`, or the `error` in words."""

_RIGHT: Mapping[Asks, Mapping[str, object]] = {
    "queries": {
        "range": 5050,
        "sql": 5050,
        "sql with a parameter": 42,
        "temporary view": 5,
        "toPandas": 45,
    },
    "data": {"createDataFrame": [[1, "a"], [2, "b"]], "createDataFrame of pandas": 3},
}


def ask(client: ConnectClient, folders: Sequence[Path], address: str, server: str, *, timeout: float) -> list[Finding]:
    """Let the client ask the server at `address` (host:port), which is of Spark `server`, within `timeout` seconds.

    `folders` have the client and what it needs. A client that does not get so far as to ask says nothing about the
    server.
    """
    try:
        done = process.call(
            [sys.executable, PROGRAM, f"sc://{address}"],
            timeout=timeout,
            env={
                "PYTHONPATH": os.pathsep.join(map(str, folders)),
                "PYTHONNOUSERSITE": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                # A client of a remote server, also where a full pyspark could run one of its own.
                "SPARK_CONNECT_MODE_ENABLED": "1",
                # The address is this machine's, whatever proxies the environment has.
                "no_grpc_proxy": "127.0.0.1",
            },
        )
        answer = json.loads(done.stdout.splitlines()[-1])
    except CommandTimeout as late:
        return [errored(client.check(asks), f"{client.name} did not end: {late.message}") for asks in ASKS]
    except CommandError as broken:
        why = causes.found(broken.stderr) or broken.message
        return [errored(client.check(asks), f"{client.name} could not ask: {why}") for asks in ASKS]
    return [judged(client, asks, answer[asks], server) for asks in ASKS]


def judged(client: ConnectClient, asks: Asks, answers: Answers, server: str) -> Finding:
    """Whether the answers are those that are right. The version that a server names is its own."""
    right = dict(_RIGHT[asks]) | ({"version": server} if asks == "queries" else {})
    wrong = []
    for name, wanted in right.items():
        answer = answers.get(name, {"error": "it was not asked"})
        if "error" in answer:
            # What follows is the server's stack trace, which the evidence has.
            wrong.append(f"{name}: {causes.shortened(str(answer['error']).partition(_TRACE)[0], _SHOWN)}")
        elif answer["got"] != wanted:
            wrong.append(f"{name}: got {answer['got']!r} instead of {wanted!r}")
    if wrong:
        return failed(client.check(asks), f"{client.name}: {'; '.join(wrong)}", client=client.name, answers=answers)
    return passed(
        client.check(asks),
        f"{client.name} gets the right answers: {', '.join(right)}",
        client=client.name,
        answers=answers,
    )
