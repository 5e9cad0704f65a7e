# SPDX-License-Identifier: Apache-2.0
"""A Connect server that is Ready for a moment and then gives up, as that of Spark 4.3.0 does on a busy node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from harness.apps import samples
from harness.apps.pods import observe
from harness.matrix import catalogue
from harness.stories.installs.scenarios import spark_connect
from harness.verdicts import Finding, Verdict, failed, passed

_LOG = "ERROR SparkContext: java.lang.IllegalStateException: Cannot call methods on a stopped SparkContext."


def _server(restarts: int) -> Mapping[str, Any]:
    ended = {"terminated": {"exitCode": 11, "reason": "Error"}} if restarts else {}
    status = {
        "name": "spark-kubernetes-driver",
        "restartCount": restarts,
        "ready": not restarts,
        "state": {"running": {}},
        "lastState": ended,
    }
    return {
        "metadata": {"name": "connect-server", "namespace": "ns", "labels": {"spark-role": "connect-server"}},
        "spec": {"containers": [{"name": "spark-kubernetes-driver"}]},
        "status": {"phase": "Running", "containerStatuses": [status]},
    }


def _findings(monkeypatch: pytest.MonkeyPatch, answer: Finding, looks: list[int]) -> list[Finding]:
    """The steps up to the clients' questions, with a server that has restarted so often at each look."""
    restarts = iter(looks)
    objects: Any = SimpleNamespace(
        create=lambda *of: [{"metadata": {"name": "connect"}}],
        core=None,
        namespace="ns",
        spark_pods=lambda: [observe(_server(next(restarts, looks[-1])))],
    )
    context: Any = SimpleNamespace(within=lambda seconds: min(seconds, 1.0), namespace="ns", spark_version="4.3.0")
    ready = {"metadata": {"name": "connect"}, "status": {"server": {"podName": "connect-server", "serviceName": "svc"}}}
    for name, said in {
        "_ready": ready,
        "_ended": SimpleNamespace(name="client"),
        "pod_log": "",
        "server_log": _LOG,
        "_answer": answer,
        "_python_clients": [passed("client-server-queries", "asked")],
        "_pods": passed("pods", "there"),
        "_executors": passed("executors-counted", "counted"),
    }.items():
        monkeypatch.setattr(spark_connect, name, lambda *of, told=said: told)
    monkeypatch.setattr(samples, "render", lambda *of: [])
    return list(spark_connect._steps(context, objects, {}))


def test_a_server_that_gives_up_after_it_was_ready_is_told_by_its_own_end(monkeypatch: pytest.MonkeyPatch) -> None:
    unanswered = failed("query-answered", "the client Failed, answer none")
    (found,) = _findings(monkeypatch, unanswered, [0, 0, 1])
    assert (found.check, found.verdict) == ("ready", Verdict.FAILED)
    row = next(it for it in catalogue.load().upgrades.known if it.check == "ready" and it.scenario == "spark-connect")
    assert row.says
    assert re.search(row.says, found.message)


def test_a_server_that_stays_is_asked_by_all_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    unanswered = failed("query-answered", "the client Failed, answer none")
    checks = {it.check: it.verdict for it in _findings(monkeypatch, unanswered, [0])}
    assert checks["ready"] is Verdict.PASSED
    assert checks["query-answered"] is Verdict.FAILED
    assert "client-server-queries" in checks
