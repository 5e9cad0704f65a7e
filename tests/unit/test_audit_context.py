# SPDX-License-Identifier: Apache-2.0
"""The images of a cluster, by a context. A web server plays the API server, since a cluster would take a minute."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from registry_fakes import Answer, Request, answering

from harness.audit import subjects
from harness.errors import ClusterError, UsageError

POD = {
    "metadata": {"name": "p", "namespace": "spark"},
    "spec": {"containers": [{"name": "c", "image": "kubeflow/spark-operator:2.1.1"}]},
    "status": {
        "containerStatuses": [
            {"name": "c", "image": "docker.io/a/running:1", "imageID": "", "ready": True, "restartCount": 0}
        ]
    },
}
CRD = {
    "metadata": {"name": "sparkapplications.sparkoperator.k8s.io"},
    "spec": {
        "group": "sparkoperator.k8s.io",
        "scope": "Namespaced",
        "names": {"kind": "SparkApplication", "plural": "sparkapplications"},
        "versions": [{"name": "v1beta2", "served": True, "storage": True}],
    },
}
APPLICATION = {
    "kind": "SparkApplication",
    "metadata": {"name": "pi", "namespace": "spark"},
    "spec": {"image": "apache/spark:4.0.4"},
}
LISTS = {
    "/api/v1/pods": [POD],
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": [CRD],
    "/apis/sparkoperator.k8s.io/v1beta2/sparkapplications": [APPLICATION],
}

Use = Callable[[str], None]


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Write a kubeconfig with a context `here` and make it the default one."""

    def write(address: str) -> None:
        file = tmp_path / "kubeconfig"
        made: dict[str, Any] = {
            "clusters": [{"name": "c", "cluster": {"server": f"http://{address}"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "here",
        }
        file.write_text(yaml.safe_dump(made))
        # The client reads $KUBECONFIG once, when it is imported.
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))

    return write


def test_pods_and_applications_are_found_with_their_namespaces(use: Use) -> None:
    def answer(request: Request) -> Answer:
        items = LISTS.get(request.path.partition("?")[0])
        if items is None:
            return Answer(404)
        return Answer(200, json.dumps({"items": items}), {"Content-Type": "application/json"})

    with answering(answer) as server:
        use(server.address)
        found = subjects.of_context("here")

    assert found.notes[0].startswith("images are named as pods and applications ask for them. Which registry")
    assert "is unavailable" in found.notes[0]
    asks = "namespace spark: p/c asks for kubeflow/spark-operator:2.1.1"
    assert found.notes[1:] == (f"{asks}; its node reports the same content as docker.io/a/running:1",)
    assert {(it.text, it.where) for it in found.mentions} == {
        ("kubeflow/spark-operator:2.1.1", "namespace spark: Pod/p spec.containers[0].image"),
        ("apache/spark:4.0.4", "namespace spark: SparkApplication/pi spec.image"),
    }


def test_a_cluster_that_refuses_or_is_away_is_told(use: Use) -> None:
    with answering(lambda request: Answer(403, "{}")) as server:
        use(server.address)
        with pytest.raises(ClusterError, match="the pods in the cluster of context here could not be listed"):
            subjects.of_context("here")


def test_an_unknown_context_is_told(use: Use) -> None:
    use("127.0.0.1:9")
    with pytest.raises(UsageError, match="the context there cannot be used") as raised:
        subjects.of_context("there")
    assert "get-contexts" in raised.value.next_step
