# SPDX-License-Identifier: Apache-2.0
"""A user's applications on an installed release. API server and watches are stand-ins."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pod_samples import spark_pod
from program_outputs import output
from test_own_pods import after_init, waits_for_image
from user_samples import CONFIG_MAP, CONNECT, PI, SCHEDULE, apps_of

from harness.apps import logs, own_ends, own_lacks, refusals
from harness.apps.applications import Course, parse
from harness.apps.objects import Refused
from harness.apps.pods import SparkPod
from harness.errors import WaitTimeout
from harness.kube import others
from harness.kube.models import Event
from harness.matrix.model import Known
from harness.stories.user_apps import on_install, story
from harness.verdicts import Finding, Verdict


def application(state: str, error: str = "") -> dict[str, Any]:
    status = {"applicationState": {"state": state, "errorMessage": error}}
    return {"kind": "SparkApplication", "metadata": {"name": "etl", "uid": "u"}, "status": status}


class Server:
    """Accepts what is created, or refuses it by name; `states` are what its watches show at last."""

    namespace = "user-apps"

    def __init__(self, refused: str = "", words: str = "the webhook says no", **states: str) -> None:
        self._refused = refused
        self._words = words
        self.states = states
        self.created: list[str] = []
        self.deleted: list[str] = []
        self.said: list[str] = []
        self.known: list[Known] = []
        self.namespaces: list[str] = []
        self.pods: list[SparkPod] = []
        self.warnings: list[Event] = []
        self.error = "exit 1"
        self.driver = ""
        self.core = None

    def create(self, manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for it in manifests:
            if it["metadata"]["name"] == self._refused:
                raise Refused(self._words)
            self.created.append(f"{it['kind']}/{it['metadata']['name']}")
        last = manifests[-1]
        return [{**last, "metadata": {**last["metadata"], "uid": "u", "resourceVersion": "1"}}]

    def at(self, namespace: str) -> Server:
        self.namespaces.append(namespace)
        return self

    def spark_pods(self) -> list[SparkPod]:
        return self.pods

    def events(self) -> list[Event]:
        return self.warnings

    def get(self, resource: object, name: str) -> dict[str, Any]:
        return {"status": {"reason": "failed to parse schedule: end of range (25) above maximum (23): 25"}}

    def delete(self, resource: object, name: str) -> None:
        self.deleted.append(name)

    def watched(self, resource: object) -> tuple[Callable[..., None], dict[str, Any]]:
        return (lambda: None), {}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Finding]]:
    """Runs the applications of these files, with as many driver pods each."""

    def act(server: Server, *texts: str, pods: int = 1, attempts: int = 1, absent: str = "") -> dict[str, Finding]:
        given = apps_of(tmp_path, **{f"f{number}": text for number, text in enumerate(texts)})
        if absent:
            given = tuple(it.where_there_is({absent: "the registry has no such tag"}, 0) for it in given)

        def follow(ctx: Any, objects: Any, name: str, until: Any, *, course: Course, **_: Any) -> Course:
            if server.states[name] == "late":
                raise WaitTimeout("waited 300 s")
            made = application(server.states[name], server.error)
            made["status"] |= {"executionAttempts": attempts, "driverInfo": {"podName": server.driver}}
            course.note("MODIFIED", parse(made), _pods(pods))
            return course

        def watch(call: Any, look: Any, *, what: str, **_: Any) -> str:
            for name, state in server.states.items():
                raw = {"metadata": {"name": name}, "status": {"state": state, "scheduleState": state}}
                found = look("MODIFIED", raw)
                if found is not None:
                    return str(found)
            raise WaitTimeout(f"waited for {what}")

        monkeypatch.setattr(on_install, "follow", follow)
        monkeypatch.setattr(on_install, "watch_until", watch)
        monkeypatch.setattr(on_install, "Objects", lambda api, namespace: server.at(namespace))
        ctx = SimpleNamespace(
            namespace="user-apps", within=lambda seconds: seconds, service_account="spark-jobs", api=nullcontext
        )
        tell = partial(story._Play(cast(Any, SimpleNamespace(say=server.said.append)))._tell, server.known)
        found = on_install._steps(given, tell, cast(Any, ctx), cast(Any, server))
        return {it.check: it for it in found}

    return act


def _pods(number: int) -> tuple[Any, ...]:
    return tuple(spark_pod(uid=f"p-{it}") for it in range(number))


def test_all_that_come_to_their_ends_pass_and_what_they_need_comes_once(run: Callable[..., dict[str, Finding]]) -> None:
    server = Server(etl="COMPLETED", nightly="Scheduled", notebooks="Ready")
    needs = "  sparkConfigMap: settings\n"
    found = run(server, PI.replace("  mode:", f"{needs}  mode:"), SCHEDULE, CONNECT, CONFIG_MAP)
    assert {name: it.verdict for name, it in found.items()} == {
        "user-app etl": Verdict.PASSED,
        "user-app nightly": Verdict.PASSED,
        "user-app notebooks": Verdict.PASSED,
    }
    assert "etl of f0.yaml:1 is COMPLETED" in found["user-app etl"].message
    assert server.created.count("ConfigMap/settings") == 1
    assert sorted(server.deleted) == ["etl", "nightly", "notebooks"], "they make room for others"


def test_each_is_told_as_soon_as_it_is_judged_with_how_many_there_are(run: Callable[..., dict[str, Finding]]) -> None:
    server = Server(etl="FAILED", nightly="Scheduled")
    run(server, PI, SCHEDULE)
    told = [re.sub(r"\d of", "n of", it) for it in sorted(server.said)]
    assert told[0].startswith("user-app etl: failed (n of 2): SparkApplication etl of f0.yaml:1: exit 1; it is FAILED")
    assert told[1] == "user-app nightly: passed (n of 2)"
    assert [re.findall(r"\((\d) of", it)[0] for it in server.said] == ["1", "2"]


def test_a_known_break_is_told_as_one(run: Callable[..., dict[str, Finding]]) -> None:
    server = Server(etl="FAILED")
    row = Known(
        scenario="user-*",
        check="user-app *",
        says="exit 1",
        why="Ivy cannot write",
        link="https://example.com/1",
        way_out="set spark.jars.ivy",
        strikes="sometimes",
    )
    server.known = [row]
    run(server, PI)
    (told,) = server.said
    assert told.startswith("user-app etl: broken-as-known (1 of 1): ")
    assert "known: Ivy cannot write" in told


@pytest.mark.parametrize(
    ("server", "pods", "said"),
    [
        (Server(etl="FAILED"), 1, ": exit 1; it is FAILED, not COMPLETED"),
        (Server(etl="COMPLETED"), 2, "had 2 driver pods"),
        (Server(etl="late"), 1, "waited 300 s"),
        (Server("etl"), 1, "the webhook says no"),
        (Server("etl", 'webhook "x" denied the request: the name is invalid: etl'), 1, "denied the request"),
    ],
)
def test_what_does_not_fails_and_names_its_file(
    run: Callable[..., dict[str, Finding]], server: Server, pods: int, said: str
) -> None:
    found = run(server, PI, pods=pods)["user-app etl"]
    assert found.verdict is Verdict.FAILED
    assert said in found.message
    assert "f0.yaml:1" in found.message


def test_the_cause_of_a_failure_comes_before_everything_else(run: Callable[..., dict[str, Finding]]) -> None:
    server, printed = Server(etl="FAILED"), output("no-account-jdk-25")
    server.error = printed.text
    found = run(server, PI)["user-app etl"]
    assert found.message.startswith(f"SparkApplication etl of f0.yaml:1: {printed.cause}; it is FAILED")
    assert found.evidence["error"] == printed.text


def test_what_a_drivers_log_explains_is_told(
    run: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The status has an exit code and no more. A fake log: there is no API server here that has one.
    printed = output("python-direct-cause")
    monkeypatch.setattr(logs, "pod_log", lambda core, namespace, pod: printed.text)
    server = Server(etl="FAILED")
    server.error, server.driver = "driver container failed with ExitCode: 1, Reason: Error", "etl-driver"
    found = run(server, PI)["user-app etl"]
    assert f"so it says nothing of the operator: {printed.cause}; driver container failed" in found.message


def test_what_an_image_lacks_is_told_by_the_drivers_log_and_says_nothing_of_the_operator(
    run: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = output("python-no-module")
    monkeypatch.setattr(logs, "pod_log", lambda core, namespace, pod: printed.text)
    server = Server(etl="FAILED")
    server.driver = "etl-driver"
    found = run(server, PI)["user-app etl"]
    assert found.verdict is Verdict.UNAVAILABLE
    assert "etl of f0.yaml:1 needs the Python module pandas, which its image does not have" in found.message
    assert found.message.endswith(f": {printed.cause}; exit 1")

    server.driver, server.error = "", printed.text
    assert run(server, PI)["user-app etl"].verdict is Verdict.FAILED, "the submission runs in the operator's image"


def test_what_a_config_map_beside_an_application_names_is_its_own(
    run: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "pod_log", lambda *_: 'Exception in thread "main" java.net.UnknownHostException: db.lake')
    server = Server(etl="FAILED")
    server.driver = "etl-driver"
    using, settings = (
        PI.replace("  mode:", "  sparkConfigMap: settings\n  mode:"),
        CONFIG_MAP.replace('"1"', "jdbc://db.lake/x"),
    )
    found = run(server, using, settings)["user-app etl"]
    assert found.verdict is Verdict.UNAVAILABLE
    assert "names db.lake, which cannot be had" in found.message
    assert "asks for db.lake" in run(server, using, CONFIG_MAP)["user-app etl"].message


@pytest.mark.parametrize(
    "words",
    [
        r'refused with 422: {"message":"SparkApplication.sparkoperator.k8s.io \"etl\" is invalid: spec.driver"}',
        r'refused with 400: {"message":"strict decoding error: unknown field \"spec.driver.coreRequests\""}',
    ],
)
def test_an_application_that_no_api_server_takes_says_nothing_of_the_operator(
    run: Callable[..., dict[str, Finding]], words: str
) -> None:
    found = run(Server("etl", words), PI)["user-app etl"]
    assert found.verdict is Verdict.UNAVAILABLE
    assert "etl of f0.yaml:1 was refused by the CRD's schema" in found.message
    assert words in found.message


@pytest.mark.parametrize(
    ("spec", "error", "named"),
    [
        (
            "sparkConf: {spark.hadoop.fs.s3a.endpoint: 'http://minio.lake.svc:9000'}",
            "Caused by: java.net.UnknownHostException: minio.lake.svc.",
            "minio.lake.svc",
        ),
        (
            "deps: {packages: ['org.apache.hadoop:hadoop-aws:3.4.1']}",
            "unresolved dependency: org.apache.hadoop#hadoop-aws;3.4.1: not found",
            "org.apache.hadoop:hadoop-aws",
        ),
    ],
)
def test_what_an_application_names_and_no_cluster_of_a_run_has_says_nothing_of_the_operator(
    run: Callable[..., dict[str, Finding]], spec: str, error: str, named: str
) -> None:
    server = Server(etl="FAILED")
    server.error = f"failed to run spark-submit: exit status 1\n{error}"
    found = run(server, PI.replace("  mode:", f"  {spec}\n  mode:"))["user-app etl"]
    assert found.verdict is Verdict.UNAVAILABLE
    assert f"etl of f0.yaml:1 names {named}, which cannot be had in this cluster" in found.message
    assert run(server, PI)["user-app etl"].verdict is Verdict.FAILED, "it does not name this one"


def test_a_schedule_that_nobody_can_read_says_nothing_of_the_operator(run: Callable[..., dict[str, Finding]]) -> None:
    found = run(Server(nightly="FailedValidation"), SCHEDULE)["user-app nightly"]
    assert found.verdict is Verdict.UNAVAILABLE
    assert "correct its schedule or its timeZone: failed to parse schedule: end of range" in found.message


def test_a_schedule_that_is_not_taken_up_fails_and_the_others_are_judged(
    run: Callable[..., dict[str, Finding]],
) -> None:
    found = run(Server(etl="COMPLETED", nightly="Validating"), PI, SCHEDULE)
    assert found["user-app nightly"].verdict is Verdict.FAILED
    assert found["user-app etl"].verdict is Verdict.PASSED


def test_an_attempt_that_is_made_again_may_have_a_driver_of_its_own(run: Callable[..., dict[str, Finding]]) -> None:
    assert run(Server(etl="COMPLETED"), PI, pods=2, attempts=2)["user-app etl"].verdict is Verdict.PASSED
    again = run(Server(etl="COMPLETED"), PI, pods=3, attempts=2)["user-app etl"]
    assert again.verdict is Verdict.FAILED
    assert "had 3 driver pods in 2 attempts" in again.message


def test_what_nobody_brought_is_named_and_not_waited_for(run: Callable[..., dict[str, Finding]]) -> None:
    server = Server(etl="late")
    found = run(server, PI.replace("  mode:", "  sparkConfigMap: elsewhere\n  mode:"))["user-app etl"]
    assert found.verdict is Verdict.UNAVAILABLE
    assert "etl of f0.yaml:1 needs the ConfigMap elsewhere, not found in the folder of --apps" in found.message
    assert server.created == []


def running(server: Server, monkeypatch: pytest.MonkeyPatch, *executors: str, state: str = "RUNNING") -> None:
    """Let an application be in a state, with a driver that runs and with executors in these phases."""
    pods = [spark_pod(name="etl-driver"), *(spark_pod("executor", phase=phase) for phase in executors)]
    server.pods = [replace(it, labels={**it.labels, "sparkoperator.k8s.io/app-name": "etl"}) for it in pods]
    monkeypatch.setattr(server, "get", lambda resource, name: application(state))


def test_one_that_runs_with_all_its_pods_has_just_not_ended(
    run: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(etl="late")
    running(server, monkeypatch, "Running")
    found = run(server, PI)["user-app etl"]
    assert found.verdict is Verdict.PASSED
    assert "is RUNNING after 300 s, so that its end was not seen, with 2 pods" in found.message
    assert server.deleted == ["etl"], "it makes room for others"


@pytest.mark.parametrize(
    ("text", "executors", "state", "goes_on"),
    [
        (PI, ["Running"], "RUNNING", True),
        (PI, ["Running", "Pending"], "RUNNING", False),
        (PI, [], "RUNNING", False),
        (PI, ["Running"], "SUBMITTED", False),
        (PI.replace("instances: 1", "instances: 0"), [], "RUNNING", True),
        (PI.replace("  mode:", "  dynamicAllocation: {enabled: true}\n  mode:"), [], "RUNNING", True),
        (SCHEDULE, ["Running"], "RUNNING", False),
    ],
)
def test_whoever_waits_for_executors_or_for_its_driver_does_not_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, executors: list[str], state: str, goes_on: bool
) -> None:
    server = Server()
    running(server, monkeypatch, *executors, state=state)
    (it,) = apps_of(tmp_path, etl=text)
    assert on_install._goes_on(cast(Any, server), it, server.pods) is goes_on


def test_what_lacks_an_image_is_not_submitted_and_the_others_are(run: Callable[..., dict[str, Finding]]) -> None:
    server = Server(etl="COMPLETED", other="COMPLETED")
    other = PI.replace("name: etl", "name: other").replace("spark:4.0.4", "spark:4.0.5")
    found = run(server, PI, other, absent="docker.io/apache/spark:4.0.4")
    assert found["user-app etl"].verdict is Verdict.UNAVAILABLE
    assert "has an image that cannot be had here: the registry has no such tag" in found["user-app etl"].message
    assert found["user-app other"].verdict is Verdict.PASSED
    assert server.created == ["SparkApplication/other"]


def test_one_that_hangs_says_why_and_takes_nothing_from_the_others(run: Callable[..., dict[str, Finding]]) -> None:
    server = Server(etl="late", other="COMPLETED")
    waits = 'MountVolume.SetUp failed for volume "job" : configmap "job-code" not found'
    server.pods = [spark_pod(name="etl-driver", phase="Pending", labels={"sparkoperator.k8s.io/app-name": "etl"})]
    server.warnings = [Event(reason="FailedMount", about="Pod/etl-driver", message=waits, kind="Warning")]
    found = run(server, PI, PI.replace("name: etl", "name: other"))
    late = found["user-app etl"]
    assert late.verdict is Verdict.UNAVAILABLE
    assert "etl of f0.yaml:1: pod etl-driver waits: FailedMount: MountVolume.SetUp failed" in late.message
    assert found["user-app other"].verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("image", "verdict"),
    [("docker.io/apache/spark:4.0.4", Verdict.UNAVAILABLE), ("ghcr.io/kubeflow/other:1", Verdict.FAILED)],
)
def test_an_image_that_only_the_cluster_misses_is_the_users_where_the_user_names_it(
    run: Callable[..., dict[str, Finding]], image: str, verdict: Verdict
) -> None:
    server = Server(etl="late")
    server.pods = [waits_for_image(image)]
    found = run(server, PI)["user-app etl"]
    assert found.verdict is verdict
    named = f"etl of f0.yaml:1 names the image {image}: docker.io has no such image"
    assert (named in found.message) is (verdict is Verdict.UNAVAILABLE)


@pytest.mark.parametrize("state", ["late", "FAILED"])
def test_an_init_container_that_ends_in_vain_says_nothing_of_the_operator(
    run: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    server = Server(etl=state)
    server.error = "driver container status missing"
    server.pods = [after_init(1, "terminated", phase="Failed")]
    monkeypatch.setattr("test_user_trial._pods", lambda number: tuple(server.pods))
    found = run(server, PI)["user-app etl"]
    assert found.verdict is Verdict.UNAVAILABLE
    assert "the init container fetch of pod spark-pi-driver ends in vain, exit 1 (Error)" in found.message


def test_executors_that_a_quota_refuses_are_told_by_the_driver_of_their_application(
    run: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Fake logs: there is no API server here that has one.
    quota = 'pods "etl-exec-1" is forbidden: exceeded quota: team, requested: pods=1, used: pods=8, limited: pods=8'
    said = {"etl-driver": f"starts\nMessage: {quota}.", "other-driver": "starts\nends"}
    monkeypatch.setattr(refusals, "pod_log", lambda core, namespace, pod: said[pod])
    server = Server(etl="late", other="late")
    server.pods = [spark_pod(name=f"{it}-driver", application=it, uid=it) for it in ("etl", "other")]
    found = run(server, PI, PI.replace("name: etl", "name: other"))
    etl, other = others.judged([found["user-app etl"], found["user-app other"]])
    assert etl.verdict is Verdict.ERROR
    assert etl.message.startswith("the ResourceQuota team of this cluster stood in the way")
    assert other.verdict is Verdict.FAILED
    assert "quota" not in other.message


def test_two_of_one_name_get_two_namespaces(run: Callable[..., dict[str, Finding]]) -> None:
    server = Server(etl="COMPLETED")
    found = run(server, PI, PI)
    assert {name: it.verdict for name, it in found.items()} == {
        "user-app etl (f0.yaml:1)": Verdict.PASSED,
        "user-app etl (f1.yaml:1)": Verdict.PASSED,
    }
    assert set(server.namespaces) == {"user-apps", "user-apps-2"}


_SPEC = {
    "mainClass": "org.acme.etl.Main",
    "mainApplicationFile": "local:///opt/app/job.jar",
    "arguments": [
        "s3a://lake/in",
        "/opt/app/in.csv",
        "/etc/conf/settings.ini",
        "jdbc:x://db.acme.io/",
        "/opt/app/jmx.jar",
    ],
    "driver": {"volumeMounts": [{"name": "conf", "mountPath": "/etc/conf/"}]},
}


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("Failed to load class org.acme.etl.Main.", "org.acme.etl.Main"),
        ("java.lang.ClassNotFoundException: org.acme.etl.Main", "org.acme.etl.Main"),
        ("java.lang.ClassNotFoundException: org.acme.etl.Other", ""),
        ('org.apache.hadoop.fs.UnsupportedFileSystemException: No FileSystem for scheme "s3a"', "s3a://"),
        ('org.apache.hadoop.fs.UnsupportedFileSystemException: No FileSystem for scheme "gs"', ""),
        ("java.nio.file.NoSuchFileException: /opt/app/job.jar at x", "/opt/app/job.jar"),
        ("java.io.FileNotFoundException: File file:/opt/app/in.csv does not exist", "/opt/app/in.csv"),
        ("python3: can't open file '/opt/app/job.jar': [Errno 2] No such file or directory", "/opt/app/job.jar"),
        ("java.io.FileNotFoundException: File file:/etc/conf/settings.ini does not exist", ""),
        ("java.io.FileNotFoundException: Bucket lake does not exist", "lake"),
        ("java.io.FileNotFoundException: Bucket pond does not exist", ""),
        ("[PATH_NOT_FOUND] Path does not exist: s3a://lake/in/2024. SQLSTATE: 42K03", "s3a://lake/in/2024"),
        ("[PATH_NOT_FOUND] Path does not exist: s3a://pond/in. SQLSTATE: 42K03", ""),
        ("[PATH_NOT_FOUND] Path does not exist: file:/opt/app/in.csv. SQLSTATE: 42K03", "/opt/app/in.csv"),
        ("PSQLException: Connection to db.acme.io:5432 refused. Check that the hostname", "db.acme.io"),
        ("ConnectException: Call From etl-driver/10.1.1.1 to db.acme.io:8020 failed on connection", "db.acme.io"),
        ("ConfigException: No resolvable bootstrap urls given in bootstrap.servers db.acme.io:9092", "db.acme.io"),
        ("Connection to etl-driver-svc.spark.svc:7078 refused", ""),
        ("Error opening zip file or JAR manifest missing : /opt/app/jmx.jar", "/opt/app/jmx.jar"),
        # The operator may be to bring the login; the specification does not name modules.
        ("java.nio.file.AccessDeniedException: s3a://lake/in: getFileStatus: Forbidden", ""),
        ("ModuleNotFoundError: No module named 'pandas'", ""),
        ("driver container failed with ExitCode: 1, Reason: Error", ""),
    ],
)
def test_what_an_application_names_itself_and_lacks_is_not_the_operators_doing(
    tmp_path: Path, said: str, named: str
) -> None:
    (given,) = apps_of(tmp_path, etl=PI)
    assert own_lacks.named(replace(given, document={**given.document, "spec": _SPEC}), said) == named


_PROGRAM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: code}\ndata: {main.py: import polars}\n"


@pytest.mark.parametrize(
    ("config_map", "lacks"),
    [
        (_PROGRAM, True),
        (_PROGRAM.replace("{main.py: import polars}", "{main.py: import polars, polars.py: ''}"), False),
        (_PROGRAM.replace("data: {main.py: import polars}", "binaryData: {libs.zip: UEsFBg==}"), False),
        (_PROGRAM.replace("name: code", "name: other"), False),
    ],
    ids=["program", "module", "archive", "unknown"],
)
@pytest.mark.parametrize(
    "spec",
    [
        {"volumes": [{"name": "v", "configMap": {"name": "code"}}, {"name": "login", "secret": {"secretName": "s"}}]},
        {"driver": {"configMaps": [{"name": "code", "path": "/mnt/code"}]}},
    ],
    ids=["volumes", "configMaps"],
)
def test_a_module_is_brought_by_a_config_map_only_where_that_has_it(
    tmp_path: Path, spec: dict[str, Any], config_map: str, lacks: bool
) -> None:
    given, brought = apps_of(tmp_path, etl=PI, more=config_map)
    mine = replace(given, document={**given.document, "spec": spec})
    error = "driver container failed with ExitCode: 1, Reason: Error"
    told = own_lacks.told(mine, error, "ModuleNotFoundError: No module named 'polars'", [brought])
    assert told == ("needs the Python module polars, which its image does not have and nothing brings" if lacks else "")


def test_a_program_that_ended_itself_says_nothing_of_the_operator(tmp_path: Path) -> None:
    (given,) = apps_of(tmp_path, etl=PI)
    assert own_lacks.told(given, "", "its program ended itself, and last printed: lock is held") == own_ends.PROGRAM


@pytest.mark.parametrize(
    ("why", "own"),
    [("Connection refused", True), ("Job aborted due to stage failure", False), ("ExecutorLostFailure: …", False)],
)
def test_a_query_without_end_that_its_source_ends_says_nothing_of_the_operator(
    tmp_path: Path, why: str, own: bool
) -> None:
    (given,) = apps_of(tmp_path, etl=PI)
    said = (
        "pyspark.errors.exceptions.captured.StreamingQueryException: [STREAM_FAILED] Query [id = 5f87, runId = 9684]"
        f" terminated with exception: {why} SQLSTATE: XXKST"
    )
    assert own_lacks.told(given, "", said) == (own_ends.PROGRAM if own else "")


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("java.nio.file.AccessDeniedException: s3a://lake/in: getFileStatus: Forbidden", "s3a://lake/in"),
        ("NoAuthWithAWSException: s3a://lake/in: No AWS Credentials provided", "s3a://lake/in"),
        ("java.io.FileNotFoundException: https://repo.acme.io/x.jar", "https://repo.acme.io/x.jar"),
    ],
)
@pytest.mark.parametrize("brought", [{}, {"driver": {"env": []}}])
def test_logins_that_nobody_is_to_bring_are_not_the_operators_doing(
    tmp_path: Path, said: str, named: str, brought: dict[str, Any]
) -> None:
    (given,) = apps_of(tmp_path, etl=PI)
    spec = {"arguments": ["s3a://lake/in"], "deps": {"jars": ["https://repo.acme.io/x.jar"]}, **brought}
    assert own_lacks.named(replace(given, document={**given.document, "spec": spec}), said) == named
