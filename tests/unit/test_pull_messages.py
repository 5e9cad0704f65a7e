# SPDX-License-Identifier: Apache-2.0
"""The catalogue of pull messages: what each means, and that an install, a scenario and an upgrade all say the same.

The API server is a stand-in, since no cluster can be made to say all of these; what reads it and judges is real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import path_samples
import pytest
from fake_api_server import api_server
from operator_samples import RELEASE
from test_change import CHART, INSTALLED

from harness.apps import trial as trials
from harness.apps.applications import ImagePulls
from harness.apps.context import ScenarioContext
from harness.apps.objects import Objects
from harness.checks import infrastructure
from harness.errors import CatalogueError, HarnessError, PullError, ReleaseError, WaitTimeout
from harness.kube import pull_messages
from harness.kube.cluster import Cluster
from harness.kube.pull_messages import Fault, MessageRow
from harness.machine import HostSeen
from harness.releases import change, rollout, surroundings
from harness.releases.change import Wanted
from harness.releases.helm import Helm, Revision
from harness.releases.ways.protocol import Programs
from harness.stories.moves.scenarios import operator_health
from harness.verdicts import Finding, Verdict, errored, failed, passed, worst
from harness.waiting import Deadline

HOST = HostSeen(disk_free=50 * 10**9, disk="/var/lib/docker", memory_available=8 * 2**30)
CATALOGUE = pull_messages.load()
EXAMPLES = [(row, text) for row in CATALOGUE.rows for text in row.examples]
NOBODY_KNOWS = [
    'Failed to pull image "docker.io/apache/spark:4.0.4": the snapshotter has lost its temper',
    'Failed to pull image "docker.io/apache/spark:4.0.4": lease "abc": not found',
    'Failed to pull image "docker.io/apache/spark:4.0.4": rpc error: code = Unknown desc = ',
]
BACK_OFF = 'Back-off pulling image "{image}"'


@dataclass(frozen=True, kw_only=True)
class Stuck:
    """A container that waits for its image, and the event about it; a container in back-off may have none."""

    reason: str
    message: str
    image: str
    event: str = ""
    event_reason: str = "Failed"


def stuck(text: str, reason: str = "") -> Stuck:
    """A container that waits with this message, as a kubelet of 1.34 tells it."""
    image = pull_messages.read(text).image
    said = text.split(f'Failed to pull image "{image}": ', 1)[-1]
    return Stuck(reason=reason or "ErrImagePull", message=said, image=image, event=text)


def of_row(row: MessageRow, text: str) -> Stuck:
    return stuck(text, row.reason)


def pod(it: Stuck) -> dict[str, Any]:
    waiting = {"reason": it.reason, "message": it.message}
    container = {"name": "main", "image": it.image}
    status = {"name": "main", "image": it.image, "imageID": "", "ready": False, "restartCount": 0}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "it-driver", "uid": "1", "namespace": "it", "labels": {"spark-role": "driver"}},
        "spec": {"containers": [container]},
        "status": {"phase": "Pending", "containerStatuses": [{**status, "state": {"waiting": waiting}}]},
    }


def event(it: Stuck) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "it-driver.1", "namespace": "it", "creationTimestamp": "2026-01-01T12:00:00Z"},
        "reason": it.event_reason,
        "type": "Warning",
        "message": it.event,
        "involvedObject": {"kind": "Pod", "name": "it-driver"},
    }


REVISION = Revision(
    name="it",
    namespace="it",
    number=2,
    status="deployed",
    updated="",
    chart="it",
    app_version="2.5.2",
    description="Upgrade complete",
)
DEPLOYMENT = {
    "metadata": {"name": "controller", "uid": "d", "generation": 1},
    "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "main", "image": "it"}]}}},
    "status": {},
}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[Cluster, Callable[[Stuck | None], None]]]:
    """A cluster, and how to give it a pod that is stuck, or none."""
    objects: dict[str, Sequence[dict[str, Any]]] = {"deployments": [DEPLOYMENT]}

    def give(it: Stuck | None) -> None:
        objects.update(pods=[pod(it)] if it else [], events=[event(it)] if it and it.event else [])

    with api_server(tmp_path, objects) as made:
        yield made, give


def in_an_install(cluster: Cluster) -> list[Finding]:
    """What harness.run.preparation makes of what the wait for the rollout raises."""
    with cluster.api_client() as api, pytest.raises(HarnessError) as raised:
        rollout.await_rollout(api, RELEASE, "it", "it", frozenset(), Deadline(seconds=0.05))
    assert isinstance(raised.value, ReleaseError | PullError)
    make = failed if isinstance(raised.value, ReleaseError) else errored
    return [make("release-installed", str(raised.value))]


def in_a_scenario(cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """A scenario that waits for an application until that is in vain. The pod, which would not go, is not deleted."""
    monkeypatch.setattr(
        trials, "check_nothing_left", lambda *_, **__: passed("nothing-left", "as far as this is about")
    )
    context = ScenarioContext(
        cluster=cluster,
        release=RELEASE,
        chart=CHART,
        namespace="it",
        operator_namespace="operator",
        helm=folder / "helm",
        folder=folder,
        spark_images={},
        deadline=Deadline(seconds=5),
        before_deletion=lambda _: None,
    )

    def steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
        pulls = ImagePulls(objects)
        why = next(it for it in (pulls.hopeless() for _ in range(20)) if it)
        raise WaitTimeout(f"waited 300 s for COMPLETED: {why}")
        yield

    return [it for it in trials.trial(context, steps) if it.check == "in-time"]


def in_an_upgrade(
    cluster: Cluster, becomes_stuck: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> list[Finding]:
    """Helm is done at once, and then the new pods are stuck."""

    def upgrade(*_: Any, **__: Any) -> Revision:
        becomes_stuck()
        return REVISION

    monkeypatch.setattr(change, "ROLLOUT_SECONDS", 0.05)
    monkeypatch.setattr(Helm, "install_or_upgrade", upgrade)
    programs = Programs(helm=Path("helm"), kubectl=Path("kubectl"))
    came = change.upgrade(cluster, INSTALLED, Wanted(release=RELEASE, chart=CHART), programs)
    (move,) = path_samples.path().moves
    now = datetime.now(UTC)
    seen = replace(
        move,
        helm_error=came.helm_error,
        rollout_error=came.rollout_error,
        outside=came.outside,
        times=replace(move.times, began=now, helm_done=now, settled=came.settled),
    )
    return [operator_health.completed(seen)]


def verdicts(
    it: Stuck,
    cluster: tuple[Cluster, Callable[[Stuck | None], None]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Finding]:
    """Where → what is said there; what the diagnosis of the surroundings adds must not change the verdict."""
    made, give = cluster
    give(it)
    diagnosis = infrastructure.diagnose(HOST, surroundings.look(made, ["it"]))
    around = [diagnosis.finding()] if diagnosis else []
    found = {"install": in_an_install(made), "scenario": in_a_scenario(made, folder, monkeypatch)}
    give(None)
    found["upgrade"] = in_an_upgrade(made, lambda: give(it), monkeypatch)
    for where, findings in found.items():
        assert worst([*around, *findings]) is worst(findings), where
    return {where: findings[0] for where, findings in found.items()}


def test_every_example_is_read_as_its_row_says() -> None:
    for row, text in EXAMPLES:
        read = pull_messages.read(text)
        assert (read.kind, read.fault) == (row.kind, CATALOGUE.kinds[row.kind].fault), text


@pytest.mark.parametrize(
    ("row", "text"),
    [
        # A row's further examples are read alike, and come to the same at night.
        pytest.param(row, text, id=f"{row.kind}-{number}", marks=() if text == row.examples[0] else pytest.mark.nightly)
        for number, (row, text) in enumerate(EXAMPLES)
    ],
)
def test_every_row_has_one_verdict_everywhere(
    row: MessageRow,
    text: str,
    cluster: tuple[Cluster, Callable[[Stuck | None], None]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = pull_messages.read(text)
    wanted = Verdict.FAILED if read.fault is Fault.RELEASE else Verdict.ERROR
    found = verdicts(of_row(row, text), cluster, tmp_path, monkeypatch)
    assert {where: it.verdict for where, it in found.items()} == dict.fromkeys(found, wanted)
    for it in found.values():
        assert read.words in it.message
        assert read.next_step in it.message or read.fault is Fault.RELEASE


@pytest.mark.parametrize("text", NOBODY_KNOWS)
def test_words_that_no_row_knows_are_an_error_and_are_told(
    text: str,
    cluster: tuple[Cluster, Callable[[Stuck | None], None]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert pull_messages.read(text).fault is Fault.NOT_RECOGNISED
    found = verdicts(stuck(text), cluster, tmp_path, monkeypatch)
    assert {it.verdict for it in found.values()} == {Verdict.ERROR}
    for it in found.values():
        assert f"not recognised: {pull_messages.answer(text)}" in it.message


@pytest.mark.parametrize(
    ("row", "text"),
    [(row, row.examples[0]) for row in CATALOGUE.rows if row.examples[0].startswith("Failed to pull")],
    ids=lambda it: it.kind if isinstance(it, MessageRow) else "",
)
def test_a_container_in_back_off_is_read_from_its_events(row: MessageRow, text: str) -> None:
    image = pull_messages.read(text).image
    bare = BACK_OFF.format(image=image)
    alone = pull_messages.of_waiting("ImagePullBackOff", bare, image)
    assert alone is not None
    assert alone.fault is Fault.NOT_RECOGNISED
    other = 'Failed to pull image "docker.io/other/image:1": unexpected EOF'
    with_events = pull_messages.of_waiting("ImagePullBackOff", bare, image, [other, text, "Error: ErrImagePull"])
    assert with_events is not None
    assert with_events.kind == row.kind
    newer = pull_messages.of_waiting("ImagePullBackOff", f"{bare}: ErrImagePull: {pull_messages.answer(text)}", image)
    assert newer is not None
    assert newer.kind == row.kind


@pytest.mark.parametrize(
    "reason", ["CreateContainerError", "RunContainerError", "CreateContainerConfigError", "ContainerCreating", ""]
)
def test_what_comes_after_the_pull_is_not_about_it(reason: str) -> None:
    for _, text in EXAMPLES:
        assert pull_messages.of_waiting(reason, text, "docker.io/apache/spark:4.0.4") is None


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("Failed", "Error: failed to create containerd container: context deadline exceeded"),
        ("Failed", "Error: ErrImagePull"),
        ("Failed", "Error: ImagePullBackOff"),
        ("Pulled", 'Container image "docker.io/apache/spark:4.0.4" already present on machine'),
        ("Pulled", 'Successfully pulled image "docker.io/apache/spark:4.0.4" in 1.2s'),
        ("BackOff", "Back-off restarting failed container main in pod it"),
        ("Unhealthy", 'Readiness probe failed: Get "http://10.0.0.1:8080": connection refused'),
        ("FailedCreatePodSandBox", "failed to setup network for sandbox: i/o timeout"),
    ],
)
def test_events_about_something_else_are_left_alone(reason: str, message: str) -> None:
    assert pull_messages.of_event(reason, message) is None


def test_the_image_of_the_sandbox_is_pulled_as_well() -> None:
    said = (
        'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image "registry.k8s.io/'
        'pause:3.10": failed to pull image "registry.k8s.io/pause:3.10": failed to pull and unpack image '
        '"registry.k8s.io/pause:3.10": failed to resolve image: failed to do request: Head "https://registry.k8s.io/v2/'
        'pause/manifests/3.10": dial tcp 34.96.108.209:443: i/o timeout'
    )
    read = pull_messages.of_event("FailedCreatePodSandBox", said)
    assert read is not None
    assert (read.kind, read.host) == ("timeout", "registry.k8s.io")


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        ("ghcr.io/denied/unauthorized-eof:not-found", "registry-away"),
        ("registry.example.com:5000/429/rate-limit:403", "registry-away"),
        ("localhost/x509/toomanyrequests:manifest-unknown", "registry-away"),
    ],
)
def test_names_may_hold_any_words(image: str, kind: str) -> None:
    host, path = image.split("/", 1)
    said = (
        f'Failed to pull image "{image}": failed to pull and unpack image "{image}": failed to resolve image: failed '
        f'to do request: Head "https://{host}/v2/{path}": dial tcp 10.0.0.1:443: connect: connection refused'
    )
    assert pull_messages.read(said).kind == kind
    assert pull_messages.read(f'Failed to pull image "{image}": {image}: not found').kind == "image-missing"


@pytest.mark.parametrize(
    ("mirror", "registry", "kind"),
    [
        (
            'reading manifest 1: StatusCode: 404, "404 page not found"',
            "dial tcp: lookup quay.io: no such host",
            "registry-away",
        ),
        (
            "reading manifest 1 in mirror.example.org/org/spark: manifest unknown",
            "dial tcp 1.2.3.4:443: i/o timeout",
            "timeout",
        ),
        (
            "dial tcp [fd00::1]:443: connect: connection refused",
            "reading manifest 1: manifest unknown",
            "image-missing",
        ),
    ],
)
def test_what_mirrors_of_cri_o_answered_is_not_the_registrys_answer(mirror: str, registry: str, kind: str) -> None:
    text = (
        'Failed to pull image "quay.io/org/spark:1": rpc error: code = Unknown desc = initializing source '
        f"docker://quay.io/org/spark:1: (Mirrors also failed: [mirror.example.org/org/spark:1: {mirror}]): "
        f'quay.io/org/spark:1: pinging container registry quay.io: Get "https://quay.io/v2/": {registry}'
    )
    read = pull_messages.read(text)
    assert read.kind == kind
    assert mirror in read.answer


@pytest.mark.parametrize("status", [*range(400, 452), *range(500, 512), *range(520, 527), 599])
def test_no_status_but_that_of_a_missing_image_is_the_releases_fault(status: int) -> None:
    said = (
        'Failed to pull image "docker.io/apache/spark:4.0.4": failed to resolve image: unexpected status from HEAD '
        f"request to https://registry-1.docker.io/v2/apache/spark/manifests/4.0.4: {status} whatever"
    )
    read = pull_messages.read(said)
    assert read.is_recognised
    assert read.is_releases_fault == (status in (404, 410))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ('Head "https://x/v2/a/manifests/1": dial tcp 10.0.0.9:443: connect: operation not permitted', "registry-away"),
        ("open /var/lib/containerd/x: operation not permitted", "node-failing"),
        ("dial unix /run/containerd/x.sock: connect: permission denied", "node-failing"),
        ('Head "https://x/v2/a/manifests/1": proxyconnect tcp: tls: first record does not look like a TLS', "proxy"),
        ("unexpected media type text/plain for sha256:9f01f2a1f7e3d5bb0f95b0c18d4a3e5a: not found", "not-a-registry"),
        ("unexpected media type for sha256:9f01f2a1f7e3d5bb0f95b0c18d4a3e5a: not found", "not-a-registry"),
        ("unexpected media type application/vnd.acme.image for sha256:9f01f2a1f7e3d5bb: not found", "image-format"),
        ('error parsing HTTP 429 response body: invalid character: "Too Many Requests (HAP429)"', "registry-busy"),
        ("error parsing HTTP 503 response body: invalid character '<': \"<html>\"", "registry-failing"),
        ("failed to unmount target /tmp/containerd-mount1: device or resource busy: unknown", "node-failing"),
        ("reading blob sha256:9f01f2a1f7: fetching blob: invalid status code from registry 404", "registry-content"),
        ("rpc error: code = Unavailable desc = transport is closing", "node-failing"),
        ("rpc error: code = Unknown desc = server is not initialized yet", "node-failing"),
        ('failed to authorize: invalid token auth challenge realm: parse "://": missing scheme', "registry-answer"),
    ],
)
def test_who_is_at_fault_is_told_apart_by_what_stands_around_the_same_words(answer: str, kind: str) -> None:
    image = "docker.io/apache/spark:4.0.4"
    said = f'Failed to pull image "{image}": failed to pull and unpack image "{image}": {answer}'
    assert pull_messages.read(said).kind == kind


@pytest.mark.parametrize(
    ("address", "status", "kind"),
    [
        ("https://europe-docker.pkg.dev/artifacts-downloads/namespaces/a/downloads/AbC", 404, "registry-content"),
        ("https://d1.cloudfront.net/9f-a/sha256:9f01f2a1f7e3d5bb0f95b0c18d4a3e5a?Expires=1", 403, "registry-answer"),
        ("https://mirror.example.com/v2/hub/apache/spark/manifests/4.0.4?ns=docker.io", 404, "image-missing"),
        ("https://sso.example.com/login?to=/v2/", 404, "registry-content"),
    ],
)
def test_what_another_server_lacks_is_not_the_image(address: str, status: int, kind: str) -> None:
    said = f"failed to copy: httpReadSeeker: failed open: unexpected status from GET request to {address}: {status} x"
    read = pull_messages.read(f'Failed to pull image "docker.io/apache/spark:4.0.4": {said}')
    assert read.kind == kind


@pytest.mark.parametrize("name", ["docker.io/apache/spark", "[fd00::1]:5000/spark", "localhost:5000/spark"])
def test_a_name_with_tag_and_digest_is_missing_by_its_digest(name: str) -> None:
    pinned = f"{name}@sha256:{'9f' * 32}"
    whole = pinned.replace("@", ":4.0.4@")
    said = f'Failed to pull image "{whole}": failed to pull and unpack image "{pinned}": {pinned}: not found'
    assert pull_messages.read(said).kind == "image-missing"


def test_what_a_registry_says_of_its_own_disk_is_not_the_nodes() -> None:
    said = 'Failed to pull image "docker.io/a/b:1": 500 Internal Server Error: unknown: no space left on device'
    assert pull_messages.read(said).kind == "registry-failing"


KIND = '[[kind]]\nname = "a"\nfault = "{fault}"\nwaiting = true\nnext = "x"\n'
MESSAGE = (
    '[[message]]\nkind = "{kind}"\npattern = "{pattern}"\nwords = "w"\nsource = "s"\nversion = "1"\nexamples = ["x"]\n'
)


@pytest.mark.parametrize(
    ("fault", "kind", "pattern", "says"),
    [
        ("moon", "a", "x", r"line 4: key fault"),
        ("host", "b", "x", r"line 8: key kind: 'b' is not one of a"),
        ("host", "a", "(", r"line 9: key pattern: '\(' is not a regular expression"),
        ("host", "a", "", r"line 7: key \[message\]: a message needs a pattern or a status"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_line_and_key(
    fault: str, kind: str, pattern: str, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "pull-messages.toml"
    file.write_text(f'reasons = ["A"]\n{KIND.format(fault=fault)}{MESSAGE.format(kind=kind, pattern=pattern)}')
    with pytest.raises(CatalogueError, match=says):
        pull_messages.load(file)
