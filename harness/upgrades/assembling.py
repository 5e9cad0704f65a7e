# SPDX-License-Identifier: Apache-2.0
"""Puts what was created and what was seen of it together into the record that claims judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from harness.apps.pods import SparkPod
from harness.upgrades.creations import Created, Creations
from harness.upgrades.recorder import Record, Recorder
from harness.upgrades.workload_seen import (
    ApplicationSeen,
    ConnectSeen,
    Look,
    Part,
    Query,
    ScheduleLook,
    ScheduleSeen,
    When,
)


def applications(
    recorder: Recorder,
    creations: Creations,
    *,
    moved: tuple[datetime, datetime],
    output: Mapping[str, tuple[str, ...]],
) -> tuple[ApplicationSeen, ...]:
    """All applications; a run counts as before, during or after by when it was made, since nobody else asked for it.

    `output` maps a uid to what the driver announced.
    """
    pods = recorder.pods()
    known = {record.uid: record for record in recorder.applications()}
    # The API server accepted it: that no watch ever showed it makes it no less an application.
    for made in creations.created():
        if made.kind == "SparkApplication" and made.uid not in known:
            known[made.uid] = Record(namespace=made.namespace, name=made.name, uid=made.uid, created=made.at)
    return tuple(
        _application(record, creations.of(record.uid), pods, moved, output.get(record.uid, ()))
        for record in sorted(known.values(), key=lambda it: (it.created, it.name))
    )


def schedules(
    recorder: Recorder,
    creations: Creations,
    seen: Sequence[ApplicationSeen],
    *,
    until: datetime,
    suspended: Mapping[str, datetime],
) -> tuple[ScheduleSeen, ...]:
    """The schedules that were created here, with their runs. `suspended` says by name which fire no more, since when.

    A user's schedules are never suspended, and may have any name.
    """
    found = []
    for record in recorder.schedules():
        made = creations.of(record.uid)
        every = every_of(record.raw)
        # A user's schedule may be written in any form, and is not judged by its slots.
        if made is None or (every is None and made.part is not Part.USERS):
            continue
        over = until if made.part is Part.USERS else suspended.get(record.name, until)
        found.append(_schedule(record, made, every or 0.0, seen, over))
    return tuple(found)


def connects(
    recorder: Recorder, creations: Creations, queries: Mapping[str, Sequence[Query]]
) -> tuple[ConnectSeen, ...]:
    """The Connect servers that were created here. `queries` are by the server's name."""
    pods = recorder.pods()
    found = []
    for record in recorder.connects():
        made = creations.of(record.uid)
        if made is None:
            continue
        found.append(
            ConnectSeen(
                namespace=record.namespace,
                name=record.name,
                uid=record.uid,
                part=made.part,
                when=made.when,
                created=made.at,
                looks=tuple(record.looks),
                pods=_pods_of(record, pods),
                queries=tuple(queries.get(record.name, ())),
            )
        )
    return tuple(found)


def every_of(schedule: Mapping[str, Any]) -> float | None:
    """The seconds between two runs of a schedule `@every 30s`; None of one that is written otherwise."""
    text = str((schedule.get("spec") or {}).get("schedule", ""))
    number = text.removeprefix("@every ").removesuffix("s")
    return float(number) if text == f"@every {number}s" and number.isdigit() else None


def _application(
    record: Record[Look],
    made: Created | None,
    pods: Sequence[tuple[str, SparkPod]],
    moved: tuple[datetime, datetime],
    output: tuple[str, ...],
) -> ApplicationSeen:
    if made is not None:
        part, when, created = made.part, made.when, made.at
    else:
        part, created = Part.RUN, record.created
        when = When.BEFORE if created < moved[0] else When.AFTER if created > moved[1] else When.DURING
    return ApplicationSeen(
        namespace=record.namespace,
        name=record.name,
        uid=record.uid,
        part=part,
        when=when,
        created=created,
        looks=tuple(record.looks),
        pods=_pods_of(record, pods),
        schedule=record.schedule,
        gone=record.gone,
        output=output,
    )


def _schedule(
    record: Record[ScheduleLook], made: Created, every: float, seen: Sequence[ApplicationSeen], until: datetime
) -> ScheduleSeen:
    spec = record.raw.get("spec") or {}
    return ScheduleSeen(
        namespace=record.namespace,
        name=record.name,
        uid=record.uid,
        part=made.part,
        when=made.when,
        every=every,
        # Both limits are 1 where a user does not set them (api/v1beta2/scheduledsparkapplication_types.go).
        keeps_successful=spec.get("successfulRunHistoryLimit", 1),
        keeps_failed=spec.get("failedRunHistoryLimit", 1),
        created=made.at,
        watched_until=until,
        looks=tuple(record.looks),
        runs=tuple(it for it in seen if it.schedule == record.name and it.namespace == record.namespace),
    )


def _pods_of(record: Record[Any], pods: Sequence[tuple[str, SparkPod]]) -> tuple[SparkPod, ...]:
    return tuple(pod for namespace, pod in pods if namespace == record.namespace and pod.application == record.name)
