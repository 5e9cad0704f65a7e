# SPDX-License-Identifier: Apache-2.0
"""Counting executors while they come and go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pod_samples import spark_pod

from harness.apps.pods import SparkPod
from harness.stories.installs.scenarios.dynamic_allocation import Tide

# A Spark whose second executor comes and goes while a job runs.
PYSPARK = """
import time, types

class SparkContext:
    executors = 1
    def parallelize(self, items, slices):
        return self
    def foreach(self, task):
        time.sleep(0.5)
        self.executors = 2
        time.sleep(0.5)
        self.executors = 1
    def getExecutorMemoryStatus(self):
        return types.SimpleNamespace(size=lambda: self.executors + 1)
    def stop(self):
        print("stopped")
    @property
    def _jsc(self):
        return types.SimpleNamespace(sc=lambda: self)

class _Builder:
    def appName(self, name):
        return self
    def getOrCreate(self):
        return types.SimpleNamespace(sparkContext=SparkContext())

SparkSession = types.SimpleNamespace(builder=_Builder())
"""


def executor(number: int, phase: str = "Running", *, leaving: bool = False) -> SparkPod:
    """An executor pod."""
    return spark_pod(name=f"exec-{number}", uid=f"e-{number}", role="executor", phase=phase, leaving=leaving)


def test_executors_that_come_and_go_are_counted() -> None:
    tide = Tide()
    tide.note("ADDED", spark_pod())
    tide.note("ADDED", executor(1))
    tide.note("ADDED", executor(2, "Pending"))
    tide.note("MODIFIED", executor(2))
    tide.note("MODIFIED", executor(1, leaving=True))
    tide.note("DELETED", executor(1))
    assert tide.counts == [0, 1, 2, 1]
    assert (tide.peak, tide.ebb) == (2, 1)


def test_a_pod_that_waits_for_room_has_not_grown_anything() -> None:
    tide = Tide()
    tide.note("ADDED", executor(1))
    tide.note("ADDED", executor(2, "Pending"))
    assert tide.peak == 1


def test_executors_that_go_with_their_driver_have_not_shrunk() -> None:
    tide = Tide()
    tide.note("ADDED", spark_pod())
    tide.note("ADDED", executor(1))
    tide.note("ADDED", executor(2))
    tide.note("MODIFIED", spark_pod(phase="Succeeded"))
    tide.note("DELETED", executor(1))
    assert tide.driver_ended
    assert tide.ebb == 2


def test_an_executor_that_comes_and_goes_within_a_job_is_seen(tmp_path: Path) -> None:
    (tmp_path / "pyspark").mkdir()
    (tmp_path / "pyspark" / "__init__.py").write_text(PYSPARK)
    (tmp_path / "pyspark" / "sql.py").write_text("from pyspark import SparkSession\n")
    program = Path(__file__).parents[2] / "charts" / "spark-samples" / "files" / "grow_and_shrink.py"
    done = subprocess.run(
        [sys.executable, program, "1", "2"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.splitlines() == ["grew: to 2 executors", "shrank: to 1 executors", "stopped"]
