# SPDX-License-Identifier: Apache-2.0
"""What the measurement with many applications concludes; the clusters, the operator and kwok are shown by its runs."""

from __future__ import annotations

import importlib
import json
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from fake_kube import FakeKube, fake_kube
from kubernetes import client

from harness.bench.scale import Scale, table, upgrade
from harness.bench.scale.crowd import Crowd
from harness.bench.scale.upgrade import Step
from harness.errors import ApiError

PAGE = """\
# TYPE rest_client_requests_total counter
rest_client_requests_total{code="200",host="10.96.0.1:443",method="GET"} 41
rest_client_requests_total{code="200",host="10.96.0.1:443",method="PUT"} 1
controller_runtime_reconcile_time_seconds_count{controller="sparkapplication"} 50
controller_runtime_reconcile_time_seconds_count{controller="scheduledsparkapplication"} 100
process_resident_memory_bytes 1.048576e+08
"""


def step(applications: int, **changes: Any) -> Step:
    values: dict[str, Any] = {
        "running": applications // 10,
        "gap_s": 2.5,
        "settled_s": 4.0,
        "reconcile_ms": 1.5,
        "requests": 400,
        "controller_mib": 90.0,
        "twice": 0,
        "lost": 0,
        "own_mib": 150.0,
        "own_cpu_s": applications / 100,
    }
    return Step(applications=applications, **{**values, **changes})


@pytest.mark.parametrize(
    ("last", "holds"),
    [
        (step(2000), True),
        (step(2000, twice=1), False),
        (step(2000, lost=1), False),
        (step(2000, own_mib=301.0), False),
        (step(2000, own_cpu_s=24.0), True),
        (step(2000, own_cpu_s=26.0), False),
    ],
)
def test_nothing_may_run_twice_or_be_lost_and_the_harness_grows_no_faster_than_the_crowd(
    last: Step, holds: bool
) -> None:
    assert Scale(steps=(step(50), step(500), last), judged=True).holds is holds


def test_a_quick_one_judges_no_limit_of_the_harness() -> None:
    assert Scale(steps=(step(50, own_mib=900.0),), judged=False).holds
    assert not Scale(steps=(step(50, twice=1),), judged=False).holds


def test_all_of_it_is_written_with_a_chart(tmp_path: Path) -> None:
    scale = Scale(steps=(step(50), step(500, gap_s=None), step(2000)), judged=True)
    scale.write(tmp_path / "scale.json")
    assert [it["applications"] for it in json.loads((tmp_path / "scale.json").read_text())["steps"]] == [50, 500, 2000]
    drawn = ElementTree.parse(tmp_path / "scale.svg")  # noqa: S314  # written just now
    assert len(drawn.findall(".//{http://www.w3.org/2000/svg}polyline")) == 5
    assert table(scale.steps).row_count == 3


def test_the_samples_of_a_page_are_added_up_by_name_and_label() -> None:
    found = {(it["name"], it["labels"] or ""): float(it["value"]) for it in upgrade._SAMPLE.finditer(PAGE)}
    assert upgrade._sum(found, "rest_client_requests_total") == 42
    assert upgrade._sum(found, "controller_runtime_reconcile_time_seconds_count", upgrade._MINE) == 50
    assert upgrade._sum(found, "process_resident_memory_bytes") == 100 * 2**20


def application(name: str, state: str, attempts: int = 1) -> dict[str, Any]:
    status = {"applicationState": {"state": state}, "submissionAttempts": attempts}
    return {"metadata": {"name": name, "namespace": "jobs"}, "status": status}


def driver(name: str, uid: str) -> dict[str, Any]:
    return {"metadata": {"name": f"{name}-driver", "namespace": "jobs", "uid": uid, "labels": {"spark-role": "driver"}}}


@pytest.mark.parametrize(
    ("applications", "drivers", "twice", "lost"),
    [
        ([application("a", "RUNNING"), application("b", "COMPLETED")], [driver("a", "1")], 0, 0),
        ([application("a", "RUNNING", 2), application("b", "COMPLETED")], [driver("a", "1")], 1, 0),
        ([application("a", "RUNNING"), application("b", "COMPLETED")], [driver("a", "2")], 1, 0),
        ([application("a", "RUNNING"), application("b", "COMPLETED")], [driver("a", "1"), driver("b", "3")], 1, 0),
        ([application("a", "FAILED"), application("b", "COMPLETED")], [driver("a", "1")], 0, 1),
        ([application("a", "RUNNING")], [driver("a", "1")], 0, 1),
    ],
    ids=["as before", "submitted again", "another driver", "a driver of what was done", "failed", "gone"],
)
def test_what_ran_twice_or_was_lost_is_counted(
    applications: list[dict[str, Any]], drivers: list[dict[str, Any]], twice: int, lost: int
) -> None:
    there = Crowd(namespace="jobs", applications={"a": True, "b": False}, drivers={"a-driver": "1"})
    with fake_kube() as kube:
        for it in applications:
            kube.put("sparkapplications", it)
        for it in drivers:
            kube.put("pods", it)
        assert upgrade._compared(site_of(kube), there) == (twice, lost)


def site_of(kube: FakeKube) -> Any:
    class Client:
        def __enter__(self) -> Any:
            return kube.api

        def __exit__(self, *_: object) -> None:
            """The server closes it."""

    return SimpleNamespace(api=Client)


@pytest.mark.parametrize(
    ("status", "said", "asked"),
    [
        (403, 'admission webhook denied the request: SparkApplication "stored-00000" not found', 3),
        (403, "pods is forbidden", 1),
        (404, "the namespace was not found", 1),
    ],
)
def test_a_driver_is_made_once_the_webhook_has_heard_of_its_application(
    monkeypatch: pytest.MonkeyPatch, status: int, said: str, asked: int
) -> None:
    module = importlib.import_module("harness.bench.scale.crowd")
    calls = []

    def raw(call: Any, *of: Any) -> bytes:
        if call.__name__ == "create_namespaced_pod":
            calls.append(call)
            if len(calls) < 3:
                raise ApiError("refused", status=status, reason="refused", body=json.dumps({"message": said}))
        return b"{}"

    monkeypatch.setattr(module, "raw", raw)
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.0)
    with suppress(ApiError):
        module._application(client.ApiClient(), "it", "stored-00000", runs=True)
    assert len(calls) == asked
