# SPDX-License-Identifier: Apache-2.0
"""What is said of a user's own applications on a path with moves."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from advice_samples import CATALOGUE
from path_samples import S, application, at, driver, look, path
from user_samples import CONNECT, PI, SCHEDULE, apps_of

from harness.apps.pods import SparkPod
from harness.apps.states import State
from harness.checks import expectation
from harness.matrix import expand
from harness.releases.operator_seen import Unseen
from harness.stories.user_apps import on_path
from harness.upgrades.workload_seen import (
    ApplicationSeen,
    ConnectLook,
    ConnectSeen,
    Part,
    RefusedCreate,
    ScheduleLook,
    ScheduleSeen,
    UsersSeen,
    When,
)
from harness.verdicts import Finding, Verdict


def before(*looks: Any, **more: Any) -> ApplicationSeen:
    return application(Part.USERS, *(looks or (look(-40, S.RUNNING), look(50, S.COMPLETED))), name="etl", **more)


def after(*looks: Any, **more: Any) -> ApplicationSeen:
    given = {"created": 101, "when": When.AFTER, "pods": (driver("2", created=102),), **more}
    return application(
        Part.USERS, *(looks or (look(105, S.RUNNING), look(110, S.COMPLETED))), name="etl-after", **given
    )


def judged(folder: Path, *seen: ApplicationSeen, text: str = PI, **more: Any) -> Finding:
    given = apps_of(folder, etl=text)
    mine = tuple(replace(it, namespace="user-apps") for it in seen)
    found = UsersSeen(given=given, applications=mine, **more)
    (finding,) = on_path.judge(path(users=found))
    return finding


def test_what_goes_on_and_what_comes_after_passes_and_names_its_file(tmp_path: Path) -> None:
    found = judged(tmp_path, before(), after())
    assert (found.check, found.verdict) == ("user-app etl", Verdict.PASSED)
    assert "etl.yaml:1" in found.message
    assert found.evidence["images"] == ["docker.io/apache/spark:4.0.4"]


def test_one_that_is_to_fail_may_fail_and_may_not_complete(tmp_path: Path) -> None:
    text = PI.replace("  annotations:\n", "  annotations:\n    spark-operator-harness/ends: FAILED\n")
    ended = (look(-40, S.RUNNING), look(-20, S.FAILED))
    found = judged(tmp_path, before(*ended), after(look(105, S.RUNNING), look(110, S.FAILED)), text=text)
    assert found.verdict is Verdict.PASSED, found.message
    assert "FAILED, as it is to end" in found.message
    found = judged(tmp_path, before(*ended), after(), text=text)
    assert found.verdict is Verdict.FAILED
    assert "it was to end as FAILED, and is COMPLETED" in found.message


def test_one_that_still_runs_passes_and_says_that_its_end_was_not_seen(tmp_path: Path) -> None:
    found = judged(tmp_path, before(look(-40, S.RUNNING)), after())
    assert found.verdict is Verdict.PASSED
    assert "its end was not seen" in found.message


@pytest.mark.parametrize(
    ("mine", "said"),
    [
        (before(pods=(driver(), driver("2", created=20))), "had not ended when 2 came"),
        (before(pods=(driver(ended_at=at(5)), driver("2", created=20))), "had succeeded, and it ran again"),
        (before(look(-40, S.RUNNING), look(5, S.INVALIDATING), look(50, S.COMPLETED)), "INVALIDATING"),
        (before(look(-40, S.RUNNING), look(5, S.FAILED, error="driver pod already exist")), "driver pod already exist"),
        (before(pods=()), "never got a driver pod"),
        (before(look(-40, S.SUBMITTED), pods=()), "it was SUBMITTED when the watching ended"),
        (before(look(-40, S.SUBMITTED), pods=()), "its driver had not started"),
    ],
)
def test_what_suffers_fails(tmp_path: Path, mine: ApplicationSeen, said: str) -> None:
    found = judged(tmp_path, mine, after())
    assert found.verdict is Verdict.FAILED
    assert re.search(said, found.message)


def test_a_run_of_a_schedule_that_the_known_race_struck_is_broken_as_known(tmp_path: Path) -> None:
    """A move is not blamed for what may strike whenever the operator is replaced in the middle of a submission."""
    run = before(look(5, S.FAILED, error="driver pod already exist"))
    found = judged(
        tmp_path,
        schedules=(schedule("Scheduled", When.BEFORE, run), schedule("Scheduled", When.AFTER)),
        text=SCHEDULE,
    )
    assert found.verdict is Verdict.FAILED
    known = expand.find_path(CATALOGUE, "upgrade-2.2.1-2.5.2+crds=apply").known
    (finding,) = expectation.judge([found], known, "user-apps")
    assert (finding.verdict, finding.evidence["strikes"]) == (Verdict.BROKEN_AS_KNOWN, "sometimes")


def test_what_had_failed_before_the_move_says_nothing_of_it(tmp_path: Path) -> None:
    found = judged(tmp_path, before(look(-40, S.FAILED, error="no such file")), after(look(110, S.FAILED)))
    assert found.verdict is Verdict.UNAVAILABLE
    assert re.search("before the operator was touched.*no such file", found.message)


def test_what_gave_up_only_after_the_move_began_says_nothing_of_it_where_it_lacks_what_it_names(tmp_path: Path) -> None:
    text = PI.replace("  mode: cluster\n", "  arguments: ['http://minio.lake.svc:9000']\n")
    said = "java.net.UnknownHostException: minio.lake.svc"
    mine = before(look(-40, S.RUNNING), look(20, S.FAILED), driver_said=said)
    copy = after(look(105, S.RUNNING), look(130, S.FAILED), driver_said=said)
    found = judged(tmp_path, mine, copy, text=text)
    assert found.verdict is Verdict.UNAVAILABLE
    assert "names minio.lake.svc, which cannot be had in this cluster, so it says nothing of the move" in found.message

    assert judged(tmp_path, before(), copy, text=text).verdict is Verdict.FAILED, "it was there before the move"
    other = replace(copy, driver_said="java.lang.IllegalStateException: no lease")
    assert judged(tmp_path, mine, other, text=text).verdict is Verdict.FAILED, "one of the two lacks nothing"
    anew = replace(mine, looks=(look(-40, S.RUNNING), look(5, S.INVALIDATING), *mine.looks[1:]))
    assert judged(tmp_path, anew, copy, text=text).verdict is Verdict.FAILED, "it was run anew, too"


def test_what_its_own_program_ends_twice_in_the_same_way_says_nothing_of_the_move(tmp_path: Path) -> None:
    said = "ValueError: no rows for 2026-11-30"
    mine = before(look(-40, S.RUNNING), look(20, S.FAILED), driver_said=said)
    copy = after(look(105, S.RUNNING), look(130, S.FAILED), driver_said=said)
    found = judged(tmp_path, mine, copy)
    assert found.verdict is Verdict.UNAVAILABLE
    assert "was ended by its own program, so it says nothing of the move" in found.message
    assert judged(tmp_path, before(), copy).verdict is Verdict.FAILED, "it ended well before the move"
    other = replace(copy, driver_said="KeyError: 'DAY'")
    assert judged(tmp_path, mine, other).verdict is Verdict.FAILED, "nor did it end so before"


def test_what_its_own_securitycontext_forbids_says_nothing_of_the_move(tmp_path: Path) -> None:
    text = PI.replace("  driver: {", "  driver: {securityContext: {runAsUser: 1000}, ")
    said = "java.nio.file.AccessDeniedException: /opt/spark/work-dir/app.jar"
    pods = (driver(exit_status=1, container_security={"runAsUser": 1000}),)
    mine = before(look(-40, S.RUNNING), look(20, S.FAILED), driver_said=said, pods=pods)
    copy = after(look(105, S.RUNNING), look(130, S.FAILED), driver_said=said, pods=pods)
    found = judged(tmp_path, mine, copy, text=text)
    assert found.verdict is Verdict.UNAVAILABLE
    assert "does not let it use /opt/spark/work-dir/app.jar of its image, so it says nothing of" in found.message
    another = replace(copy, pods=(driver(exit_status=1, container_security={"runAsUser": 185}),))
    assert judged(tmp_path, mine, another, text=text).verdict is Verdict.FAILED, "who it is, is the operator's doing"


def test_what_waited_for_a_gpu_before_the_move_says_nothing_of_it(tmp_path: Path) -> None:
    def waits(said: str) -> ApplicationSeen:
        pod = driver(exit_status=None, phase="Pending", unscheduled_reason="Unschedulable", unscheduled_message=said)
        return before(look(-40, S.SUBMITTED), pods=(pod,))

    found = judged(tmp_path, waits("0/1 nodes are available: 1 Insufficient nvidia.com/gpu."), after())
    assert found.verdict is Verdict.UNAVAILABLE
    assert re.search("it was waiting before the operator was touched.*nvidia.com/gpu", found.message)
    assert judged(tmp_path, waits("0/1 nodes are available: 1 Insufficient cpu."), after()).verdict is Verdict.FAILED


def test_an_image_of_its_own_that_is_lacking_says_nothing_of_the_move(tmp_path: Path) -> None:
    image: dict[str, Any] = {"phase": "Pending", "state": "waiting", "image": "docker.io/apache/spark:4.0.4"}
    words = "docker.io/apache/spark:4.0.4: not found"
    pod = driver(exit_status=None, container_reason="ErrImagePull", container_message=words, **image)
    found = judged(tmp_path, before(look(-40, S.SUBMITTED), pods=(pod,)), after())
    assert found.verdict is Verdict.UNAVAILABLE
    assert re.search("it was waiting before the operator was touched.*docker.io has no such image", found.message)

    late = replace(pod, created=at(102))
    found = judged(tmp_path, before(), after(look(110, S.SUBMITTED), pods=(late,)))
    assert found.verdict is Verdict.UNAVAILABLE
    assert "names the image docker.io/apache/spark:4.0.4: docker.io has no such image" in found.message


def test_what_waited_for_a_config_map_before_the_move_says_nothing_of_it(tmp_path: Path) -> None:
    said = 'pod etl-driver waits: FailedMount: MountVolume.SetUp failed for volume "job" : configmap "job" not found'
    pod = driver(exit_status=None, phase="Pending", warned=said)
    found = judged(tmp_path, before(look(-40, S.SUBMITTED), pods=(pod,)), after(look(110, S.SUBMITTED), pods=(pod,)))
    assert found.verdict is Verdict.UNAVAILABLE
    assert re.search('it was waiting before the operator was touched.*configmap "job" not found', found.message)

    late = replace(pod, created=at(102))
    found = judged(tmp_path, before(), after(look(110, S.SUBMITTED), pods=(late,)))
    assert found.verdict is Verdict.FAILED
    assert f"its driver had not started: {said}" in found.message


def test_a_server_that_waited_for_a_secret_before_the_move_says_nothing_of_it(tmp_path: Path) -> None:
    pod = driver(exit_status=None, phase="Pending", role="connect-server", warned='FailedMount: secret "tls" not found')
    both = server(When.BEFORE, "NotReady", (pod,)), server(When.AFTER, "NotReady", (pod,))
    found = judged(tmp_path, text=CONNECT, connects=both)
    assert found.verdict is Verdict.UNAVAILABLE
    assert 'secret "tls" not found' in found.message


def test_a_copy_that_does_not_run_fails(tmp_path: Path) -> None:
    assert judged(tmp_path, before(), after(look(110, S.NEW), pods=())).verdict is Verdict.FAILED
    assert "never seen" in judged(tmp_path, before()).message


def test_a_refusal_is_told_in_the_servers_words(tmp_path: Path) -> None:
    refused = RefusedCreate(
        at=at(101),
        namespace="user-apps",
        kind="SparkApplication",
        name="etl-after",
        part=Part.USERS,
        when=When.AFTER,
        words='sparkConf key "spark.master" is not allowed',
    )
    found = judged(tmp_path, before(), refused=(refused,))
    assert found.verdict is Verdict.FAILED
    assert "after the move: SparkApplication etl-after was refused" in found.message
    assert "spark.master" in found.message


def refusal(when: When, words: str) -> RefusedCreate:
    name = "etl" if when is When.BEFORE else "etl-after"
    here = {"namespace": "user-apps", "kind": "SparkApplication", "name": name, "part": Part.USERS}
    return RefusedCreate(at=at(-50), when=when, words=words, **here)  # type: ignore[arg-type]


def test_what_was_refused_before_the_move_says_nothing_of_it(tmp_path: Path) -> None:
    both = tuple(refusal(when, "spec.driver: Required value") for when in (When.BEFORE, When.AFTER))
    found = judged(tmp_path, refused=both)
    assert found.verdict is Verdict.UNAVAILABLE
    assert re.search("refused before the operator was touched.*spec.driver: Required value", found.message)

    away = refusal(When.BEFORE, 'failed calling webhook "mutate": connection refused')
    assert judged(tmp_path, after(), refused=(away,)).verdict is Verdict.FAILED


def test_a_schedule_that_was_invalid_before_the_move_says_nothing_of_it(tmp_path: Path) -> None:
    both = tuple(
        replace(it, looks=tuple(replace(look, at=at(-40)) for look in it.looks))
        for it in (schedule("FailedValidation", When.BEFORE), schedule("FailedValidation", When.AFTER))
    )
    found = judged(tmp_path, text=SCHEDULE, schedules=both)
    assert found.verdict is Verdict.UNAVAILABLE
    assert re.search("FailedValidation before the operator was touched.*bad cron", found.message)


def test_a_server_that_failed_before_the_move_says_nothing_of_it(tmp_path: Path) -> None:
    both = server(When.BEFORE, "Failed"), server(When.AFTER, "Failed")
    assert judged(tmp_path, text=CONNECT, connects=both).verdict is Verdict.UNAVAILABLE
    both = server(When.BEFORE), server(When.AFTER, "Failed")
    assert judged(tmp_path, text=CONNECT, connects=both).verdict is Verdict.FAILED


def test_one_that_begins_again_by_itself_may_have_several_drivers(tmp_path: Path) -> None:
    always = PI.replace("  mode: cluster\n", "  restartPolicy: {type: Always}\n")
    mine = before(look(-40, S.RUNNING), pods=(driver(ended_at=at(5)), driver("2", created=20, exit_status=None)))
    assert judged(tmp_path, mine, after(look(105, S.RUNNING)), text=always).verdict is Verdict.PASSED


def schedule(state: str, when: When, *runs: ApplicationSeen) -> ScheduleSeen:
    return ScheduleSeen(
        namespace="user-apps",
        name="nightly" if when is When.BEFORE else "nightly-after",
        uid=when,
        part=Part.USERS,
        when=when,
        every=0,
        keeps_successful=1,
        keeps_failed=1,
        created=at(0),
        watched_until=at(140),
        looks=(ScheduleLook(at=at(0), state=state, reason="bad cron" if state != "Scheduled" else ""),),
        runs=runs,
    )


@pytest.mark.parametrize(
    ("state", "run", "verdict"),
    [
        ("Scheduled", S.COMPLETED, Verdict.PASSED),
        ("Scheduled", S.FAILED, Verdict.FAILED),
        ("FailedValidation", S.COMPLETED, Verdict.FAILED),
    ],
)
def test_a_schedule_goes_on_and_its_runs_complete(tmp_path: Path, state: str, run: State, verdict: Verdict) -> None:
    both = (
        schedule("Scheduled", When.BEFORE, application(Part.RUN, look(20, run), schedule="nightly")),
        schedule(state, When.AFTER),
    )
    assert judged(tmp_path, text=SCHEDULE, schedules=both).verdict is verdict


def test_a_run_that_had_failed_before_the_move_says_nothing_of_it(tmp_path: Path) -> None:
    run = application(Part.RUN, look(-40, S.FAILED, error="no such bucket"), schedule="nightly")
    both = schedule("Scheduled", When.BEFORE, run), schedule("Scheduled", When.AFTER)
    found = judged(tmp_path, text=SCHEDULE, schedules=both)
    assert found.verdict is Verdict.UNAVAILABLE
    assert re.search("before the operator was touched.*no such bucket", found.message)


@pytest.mark.parametrize(("exit_status", "verdict"), [(1, Verdict.PASSED), (0, Verdict.FAILED)])
def test_a_run_may_be_tried_again_after_it_failed_and_not_after_it_succeeded(
    tmp_path: Path, exit_status: int, verdict: Verdict
) -> None:
    drivers = driver(exit_status=exit_status, ended_at=at(5)), driver("2", created=20)
    run = application(Part.RUN, look(-40, S.RUNNING), look(50, S.COMPLETED), schedule="nightly", pods=drivers)
    both = schedule("Scheduled", When.BEFORE, run), schedule("Scheduled", When.AFTER)
    found = judged(tmp_path, text=SCHEDULE, schedules=both)
    assert found.verdict is verdict, found.message


def server(when: When, state: str = "Ready", pods: tuple[SparkPod, ...] = ()) -> ConnectSeen:
    return ConnectSeen(
        namespace="user-apps",
        name="notebooks" if when is When.BEFORE else "notebooks-after",
        uid=when,
        part=Part.USERS,
        when=when,
        created=at(-60),
        looks=(ConnectLook(at=at(-40), state=state),),
        pods=pods,
    )


def test_a_connect_server_is_ready_and_keeps_its_pod(tmp_path: Path) -> None:
    mine, copy = server(When.BEFORE), server(When.AFTER)
    assert judged(tmp_path, text=CONNECT, connects=(mine, copy)).verdict is Verdict.PASSED
    assert judged(tmp_path, text=CONNECT, connects=(mine, server(When.AFTER, "NotReady"))).verdict is Verdict.FAILED
    pods = tuple(driver(uid, role="connect-server") for uid in "12")
    assert "sessions" in judged(tmp_path, text=CONNECT, connects=(server(When.BEFORE, pods=pods), copy)).message


def test_without_a_record_nothing_is_proved() -> None:
    (unseen,) = on_path.judge(replace(path(), workload=Unseen(reason="away")))
    (none,) = on_path.judge(path())
    assert (unseen.verdict, none.verdict) == (Verdict.ERROR, Verdict.ERROR)
