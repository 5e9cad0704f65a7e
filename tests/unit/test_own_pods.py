# SPDX-License-Identifier: Apache-2.0
"""What of an application's pods is its own doing, and what stays the operator's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from pod_samples import spark_pod
from user_samples import PI, apps_of

from harness.apps import own_pods
from harness.apps.held_up import InVain
from harness.apps.pods import SparkPod
from harness.apps.users import UserManifest
from harness.kube.models import Container, Ended

NOT_FOUND = (
    'Failed to pull image "{0}": rpc error: code = NotFound desc = failed to pull and unpack image "{0}": '
    'failed to resolve reference "{0}": {0}: not found'
)
HEAP = "java.lang.OutOfMemoryError: Java heap space"


@pytest.fixture
def given(tmp_path: Path) -> UserManifest:
    (etl,) = apps_of(tmp_path, etl=PI)
    return etl


def waits_for_image(image: str) -> SparkPod:
    words = {"container_reason": "ErrImagePull", "container_message": NOT_FOUND.format(image)}
    return spark_pod(application="etl", phase="Pending", state="waiting", image=image, **words)


def after_init(exit_code: int, state: str, *, restarts: int = 0, phase: str = "Pending", **more: Any) -> SparkPod:
    """A pod whose init container ended so, and whose Spark container has not started."""
    ended = Ended(exit_code=exit_code, reason="Error" if exit_code else "Completed")
    init = Container(name="fetch", image="docker.io/library/busybox:1.37", init=True, restarts=restarts, state=state)
    init = replace(init, ended=ended) if state == "terminated" else replace(init, last=ended)
    pod = spark_pod(application="etl", phase=phase, state="waiting", container_reason="PodInitializing", **more)
    return replace(pod, containers=(init, *pod.containers))


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("docker.io/apache/spark:4.0.4", "the image docker.io/apache/spark:4.0.4: docker.io has no such image"),
        ("apache/spark:4.0.4", "the image apache/spark:4.0.4: docker.io has no such image"),
        ("ghcr.io/kubeflow/other:1", ""),
    ],
)
def test_an_image_is_its_own_where_its_manifest_names_it(given: UserManifest, image: str, said: str) -> None:
    found = own_pods.lacking_image(given, own_pods.pulls_of([waits_for_image(image)]))
    assert found.startswith(said)
    assert bool(found) is bool(said)


@pytest.mark.parametrize(
    ("pod", "said"),
    [
        (after_init(1, "terminated", phase="Failed"), "the init container fetch of pod spark-pi-driver ends in vain"),
        (after_init(1, "waiting", restarts=1), "exit 1 (Error), 2 times so far"),
        (after_init(1, "running", restarts=2), "exit 1 (Error), 2 times so far"),
        (after_init(0, "terminated"), ""),
        (spark_pod(), ""),
    ],
)
def test_an_init_container_that_ends_with_an_error_is_not_the_operators(
    given: UserManifest, pod: SparkPod, said: str
) -> None:
    found = own_pods.blamed(given, [pod])
    assert said in found
    assert bool(found) is bool(said)


@pytest.mark.parametrize(
    ("image", "message", "is_own"),
    [
        ("docker.io/apache/spark:4.0.4", 'exec: "/opt/entrypoint.sh": stat /opt/entrypoint.sh: no such file', False),
        (
            "docker.io/apache/spark:4.0.4",
            'runc create failed: exec: "/opt/entrypoint.sh": stat /opt/entrypoint.sh: no such file or directory',
            True,
        ),
        ("docker.io/apache/spark:4.0.4", 'exec: "tini": executable file not found in $PATH: unknown', True),
        ("docker.io/apache/spark:9", 'exec: "tini": executable file not found in $PATH: unknown', False),
        ("docker.io/apache/spark:4.0.4", "failed to mount /var/lib/kubelet: not a directory: unknown", False),
    ],
)
def test_an_image_without_the_program_is_its_own(given: UserManifest, image: str, message: str, is_own: bool) -> None:
    ended = Ended(exit_code=128, reason="StartError", message=message)
    pod = spark_pod(phase="Failed", state="terminated", image=image, ended=ended)
    assert bool(own_pods.blamed(given, [pod])) is is_own


WORKER = "org.apache.spark.SparkException: Python worker exited unexpectedly (crashed)"


def ended(role: str, limit: str, *, reason: str = "OOMKilled", exit_code: int = 137) -> SparkPod:
    pod = spark_pod(role=role, phase="Failed", state="terminated", ended=Ended(exit_code=exit_code, reason=reason))
    limits = {"memory": limit} if limit else {}
    return replace(pod, containers=(replace(pod.main, limits=limits),))


@pytest.mark.parametrize(
    ("pod", "log", "said"),
    [
        (ended("driver", "1408Mi"), "", "its driver needs more memory than the 1g of its specification: was exit 137"),
        (ended("executor", "3Gi"), "", "its executor needs more memory than the 2g of its specification: was exit 137"),
        (ended("driver", "1408Mi", reason="Error", exit_code=1), HEAP, f"of its specification: ended with {HEAP}"),
        (ended("executor", "2100Mi"), "", ""),
        (ended("driver", "896Mi"), "", ""),
        (ended("driver", "896Mi", reason="Error", exit_code=1), HEAP, ""),
        (ended("driver", ""), "", ""),
        (ended("driver", "1408Mi", reason="Error"), "", ""),
        (
            ended("executor", "3Gi", reason="Completed", exit_code=0),
            WORKER,
            "a Python worker of its executors was ended",
        ),
        (ended("executor", "2100Mi", reason="Completed", exit_code=0), WORKER, ""),
        (ended("driver", "3Gi", reason="Error", exit_code=1), WORKER, ""),
    ],
)
def test_who_had_the_memory_of_its_specification_and_wants_more_is_not_the_operators(
    tmp_path: Path, pod: SparkPod, log: str, said: str
) -> None:
    more = "executor: {instances: 1, memory: 2g, memoryOverhead: 512m}"
    (etl,) = apps_of(tmp_path, etl=PI.replace("executor: {instances: 1}", more))
    found = own_pods.blamed(etl, [pod], log)
    assert said in found
    assert bool(found) is bool(said)


class Namespace:
    """What a namespace has at each look, one after the other."""

    def __init__(self, *looks: list[SparkPod]) -> None:
        self._looks = list(looks)

    def spark_pods(self) -> list[SparkPod]:
        return self._looks[0]

    def events(self) -> list[Any]:
        if len(self._looks) > 1:
            del self._looks[0]
        return []


def test_nobody_waits_for_an_init_container_that_crashed_twice() -> None:
    once, twice = after_init(1, "waiting"), after_init(1, "waiting", restarts=1)
    waits = InVain(cast(Any, Namespace([once], [twice])), "etl")
    assert waits.hopeless() == ""
    assert waits.hopeless().startswith("the init container fetch of pod spark-pi-driver ends in vain")


def test_executors_that_take_each_others_places_are_counted_together() -> None:
    one, other = (after_init(1, "terminated", phase="Failed", uid=it, name=f"exec-{it}") for it in "12")
    waits = InVain(cast(Any, Namespace([one], [], [other], [])), "etl")
    assert [waits.hopeless() for _ in range(2)] == ["", ""]
    assert "pod exec-2 ends in vain" in waits.hopeless()
    assert {it.pod.name for it in waits.ended} == {"exec-1", "exec-2"}


RIGHTS: dict[str, Any] = {"runAsUser": 1000, "capabilities": {"drop": ["ALL"]}}
DENIED = "java.nio.file.AccessDeniedException: /opt/spark/work-dir/app.jar"


@pytest.mark.parametrize(
    ("had", "mounts", "said", "path"),
    [
        ({**RIGHTS, "privileged": False}, {}, DENIED, "/opt/spark/work-dir/app.jar"),
        (RIGHTS, {}, "PermissionError: [Errno 13] Permission denied: '/opt/app/out'", "/opt/app/out"),
        (RIGHTS, {}, "java.io.FileNotFoundException: /opt/app/x (Read-only file system)", "/opt/app/x"),
        (RIGHTS, {}, "java.nio.file.FileSystemException: artifacts: Read-only file system", "artifacts"),
        (
            RIGHTS,
            {},
            "java.io.IOException: Failed to create a temp directory (under /scratch) after 10 attempts!",
            "/scratch",
        ),
        (RIGHTS, {"v": "/scratch"}, "java.io.IOException: Failed to create a temp directory (under /scratch)", ""),
        ({}, {}, DENIED, ""),
        ({**RIGHTS, "runAsUser": 185}, {}, DENIED, ""),
        (RIGHTS, {"jars": "/opt/spark/work-dir"}, DENIED, ""),
        (RIGHTS, {}, "java.io.FileNotFoundException: /opt/app/x (No such file or directory)", ""),
    ],
)
def test_what_its_own_securitycontext_forbids_is_its_own(
    tmp_path: Path, had: dict[str, Any], mounts: dict[str, str], said: str, path: str
) -> None:
    context = "securityContext: {runAsUser: 1000, capabilities: {drop: [ALL]}}"
    (etl,) = apps_of(tmp_path, etl=PI.replace("  driver: {", f"  driver: {{{context}, "))
    pod = spark_pod(application="etl", phase="Failed", container_security=had, mounts=mounts)
    found = own_pods.blamed(etl, [pod], said)
    assert found == (
        f"its securityContext, which its pod has as it is written, does not let it use {path} of its image"
        if path
        else ""
    )


def test_without_a_securitycontext_of_its_own_a_refusal_is_nobodys(given: UserManifest) -> None:
    assert not own_pods.blamed(given, [spark_pod(application="etl", phase="Failed")], DENIED)
