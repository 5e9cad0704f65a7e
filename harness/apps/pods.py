# SPDX-License-Identifier: Apache-2.0
"""Driver, executor and Connect server pods: what Spark and the operator put into a pod, on top of what any pod has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from harness.kube import reading
from harness.kube.models import Container, Pod

LABEL_ROLE = "spark-role"
LABEL_LAUNCHED = "sparkoperator.k8s.io/launched-by-spark-operator"
LABEL_SUBMISSION = "sparkoperator.k8s.io/submission-id"
LABEL_MUTATED = "sparkoperator.k8s.io/mutated-by-spark-operator"
LABEL_APPLICATION = "sparkoperator.k8s.io/app-name"
LABEL_SCHEDULE = "sparkoperator.k8s.io/scheduled-app-name"
"""Of a run of a schedule, which counts and deletes whatever has it."""

LABEL_CONNECT = "sparkoperator.k8s.io/connect-name"

MAIN_CONTAINERS = ("spark-kubernetes-driver", "spark-kubernetes-executor")
"""The containers that are Spark's own, whatever else a pod has."""


@dataclass(frozen=True, kw_only=True)
class SparkPod(Pod):
    """A pod that Spark or the operator launched, as the API showed it last. `gone` is when its deletion was seen.

    `warned` is what events say of its surroundings, where they were asked: the pod itself does not tell of a volume
    that cannot be mounted.
    """

    gone: datetime | None = None
    warned: str = ""

    @property
    def main(self) -> Container:
        """Spark's container: the one with Spark's own name, else the first. Raises IndexError without any."""
        containers = [it for it in self.containers if not it.init]
        return next((it for it in containers if it.name in MAIN_CONTAINERS), containers[0])

    @property
    def role(self) -> str:
        """`driver`, `executor`, `connect-server`, or empty."""
        return self.labels.get(LABEL_ROLE, "")

    @property
    def application(self) -> str:
        """The name of its SparkApplication or SparkConnect, as the operator labels it."""
        return self.labels.get(LABEL_APPLICATION) or self.labels.get(LABEL_CONNECT) or ""

    @property
    def submission(self) -> str:
        """The submission that it belongs to."""
        return self.labels.get(LABEL_SUBMISSION, "")

    @property
    def image(self) -> str:
        """What Spark's container asks for."""
        return self.main.image

    @property
    def started_at(self) -> datetime | None:
        """When Spark's container was started, None as long as it was not."""
        return self.main.started_at

    @property
    def ended_at(self) -> datetime | None:
        """When Spark's container ended, None as long as it has not."""
        return self.main.ended_at

    @property
    def exit_status(self) -> int | None:
        """That of Spark's container, None as long as it has not ended."""
        ended = self.main.ended
        return ended.exit_code if ended else None

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return self.phase == "Succeeded" or self.exit_status == 0

    @property
    def is_live(self) -> bool:
        """Neither finished nor on its way out."""
        return self.phase in ("Pending", "Running") and not self.leaving

    @property
    def waiting(self) -> str:
        """Why it does not run: the scheduler's words, or those of its containers."""
        scheduler = f"{self.unscheduled_reason}: {self.unscheduled_message}" if self.unscheduled_reason else ""
        waits = (": ".join(filter(None, (it.reason, it.message))) for it in self.waiting_containers)
        return "; ".join(filter(None, (scheduler, *waits)))

    def __str__(self) -> str:
        return f"{self.name} {self.phase}{f' ({self.waiting})' if self.waiting else ''}"


def observe(item: Mapping[str, Any]) -> SparkPod:
    """A pod from its JSON."""
    return reading.pod_as(SparkPod, item)


def by_role(pods: Iterable[SparkPod], role: str) -> list[SparkPod]:
    """The pods of one role: `driver`, `executor`, `connect-server`."""
    return [pod for pod in pods if pod.role == role]


MEMORY = "1g"
"""What Spark gives a driver and an executor where nothing else is said (spark.driver.memory)."""


def java_memory(quantity: str) -> Decimal:
    """Bytes of a JVM memory string, in which `m` and `g` are binary: `512m` is 512 MiB."""
    suffix = quantity[-1].lower()
    return Decimal(quantity[:-1]) * 1024 ** (" kmgt".index(suffix)) if suffix in "kmgt" else Decimal(quantity)
