# SPDX-License-Identifier: Apache-2.0
"""Argo CD as a way of installing: what it does to its Application, and what it makes of Argo CD's answer.

The API server is a fake that keeps what it is given; nothing answers in Argo CD's place but what a test says.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_kube import FakeKube, fake_kube

from harness.errors import ReleaseError, WaitTimeout
from harness.matrix import catalogue
from harness.releases import ways
from harness.releases.argocd import application, objects
from harness.releases.argocd.application import Said
from harness.releases.helm import Helm
from harness.releases.ways.protocol import InstalledRelease, On, Programs, Put

RELEASE = catalogue.load().release("2.5.2")
KEY = "argocd/op"
GOOD = Said(sync="Synced", health="Healthy", revision="2.5.2", phase="Succeeded", operation="2.5.2")
HALF = Said(sync="OutOfSync", health="Healthy", phase="Failed", operation="2.5.2", brought_deployments=True)
BROKEN = Said(sync="OutOfSync", health="Missing", phase="Failed", operation="2.5.2")


@pytest.fixture
def kube() -> Iterator[FakeKube]:
    with fake_kube() as made:
        url = b64encode(b"http://charts:8080").decode()
        made.put(
            "secrets", {"metadata": {"name": objects.REPOSITORY, "namespace": objects.NAMESPACE}, "data": {"url": url}}
        )
        yield made


@pytest.fixture(autouse=True)
def _rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = {"kind": "Job", "metadata": {"name": "hook", "annotations": {"helm.sh/hook": "pre-upgrade"}}}
    service = {"kind": "Service", "metadata": {"name": "webhook"}}
    monkeypatch.setattr(Helm, "template", lambda *_: [service, hook])


def there(kube: FakeKube, *, phase: str = "Succeeded", version: str = "2.4.0") -> None:
    """An Application as an earlier sync left it."""
    made = objects.application("op", "ns", "http://charts:8080", "spark-operator", "2.4.0", {}, "client")
    state = {"phase": phase, "syncResult": {"revision": version, "resources": []}}
    kube.put("applications", {**made, "status": {"operationState": state}})


def put(kube: FakeKube, answer: Said | WaitTimeout, monkeypatch: pytest.MonkeyPatch, way: str = "server-side") -> Put:
    def await_sync(*_: Any) -> Said:
        if isinstance(answer, WaitTimeout):
            raise answer
        return answer

    monkeypatch.setattr(application, "await_sync", await_sync)
    cluster: Any = SimpleNamespace(api_client=lambda: kube.api)
    chart: Any = SimpleNamespace(name="spark-operator", version="2.5.2")
    it = InstalledRelease(
        release=RELEASE,
        chart=chart,
        name="op",
        namespace="ns",
        job_namespaces=(),
        revision=2,
        values={"a": 1},
        seconds={},
    )
    on = On(cluster=cluster, programs=Programs(helm=Path("helm"), kubectl=Path("kubectl")))
    by = ways.of(f"argocd-{way}")  # type: ignore[arg-type]  # of those that there are
    return by.put(on, it, timeout=1, stop=threading.Event())


def test_a_release_that_is_not_there_gets_its_application(kube: FakeKube, monkeypatch: pytest.MonkeyPatch) -> None:
    done = put(kube, GOOD, monkeypatch)

    made = kube.stored["applications"][KEY]
    assert made["spec"]["source"]["repoURL"] == "http://charts:8080"
    assert made["spec"]["source"]["targetRevision"] == "2.5.2"
    assert made["spec"]["source"]["helm"]["valuesObject"] == {"a": 1}
    assert (done.trouble, [it["kind"] for it in done.objects]) == ("", ["Service"])


def test_an_upgrade_changes_source_and_way_of_syncing(kube: FakeKube, monkeypatch: pytest.MonkeyPatch) -> None:
    there(kube)

    put(kube, GOOD, monkeypatch, way="replace")

    made = kube.stored["applications"][KEY]
    assert made["spec"]["source"]["targetRevision"] == "2.5.2"
    assert made["spec"]["syncPolicy"]["syncOptions"] == ["Replace=true"]
    assert "operation" not in made


def test_what_has_failed_at_that_version_is_synced_by_hand(kube: FakeKube, monkeypatch: pytest.MonkeyPatch) -> None:
    there(kube, phase="Failed", version="2.5.2")

    put(kube, GOOD, monkeypatch)

    sync = kube.stored["applications"][KEY]["operation"]["sync"]
    assert (sync["revision"], sync["syncOptions"]) == ("2.5.2", ["ServerSideApply=true"])


def test_deployments_that_came_all_the_same_are_no_failed_upgrade(
    kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert put(kube, HALF, monkeypatch, way="client").trouble.startswith("it says: OutOfSync, Healthy")


def test_a_sync_that_brought_nothing_is_one(kube: FakeKube, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReleaseError, match="Argo CD says: OutOfSync, Missing"):
        put(kube, BROKEN, monkeypatch)


def test_a_sync_without_an_end_is_ended(kube: FakeKube, monkeypatch: pytest.MonkeyPatch) -> None:
    there(kube, phase="Running", version="2.5.2")

    with pytest.raises(ReleaseError, match="waited"):
        put(kube, WaitTimeout("waited"), monkeypatch)

    assert kube.stored["applications"][KEY]["status"]["operationState"]["phase"] == "Terminating"


def test_the_way_back_is_the_older_version_and_crds_come_with_it() -> None:
    by = ways.of("argocd-replace")

    assert by.brings_crds
    assert "--sync-option Replace=true" in by.told_back(
        InstalledRelease(
            release=RELEASE,
            chart=SimpleNamespace(version="2.4.0"),  # type: ignore[arg-type]
            name="op",
            namespace="ns",
            job_namespaces=(),
            revision=1,
            values={},
            seconds={},
        )
    )
