# SPDX-License-Identifier: Apache-2.0
"""The client for API servers, against a small HTTP server: a real one does not break off when it is told to."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from fake_api_server import api_server
from kubernetes import client

from harness.errors import ApiError, ApiServerAway, HarnessError
from harness.kube import api as kube
from harness.kube.api import client_for, get, listed, raw, read, send

FORBIDDEN = json.dumps({"kind": "Status", "message": "pods is forbidden", "reason": "Forbidden", "code": 403})


def test_what_is_asked_for_comes_as_json(tmp_path: Path) -> None:
    pod = {"metadata": {"name": "a"}}
    with api_server(tmp_path, {"pods": [pod]}) as cluster, cluster.api_client() as api:
        core = client.CoreV1Api(api)
        assert listed(core.list_namespaced_pod, "n") == [pod]
        assert read(core.list_namespaced_pod, "n")["items"] == [pod]
        assert get(api, "/api/v1/namespaces/n/pods")["items"] == [pod]
        (model,) = core.list_namespaced_pod("n").items
        assert model.metadata
        assert model.metadata.name == "a"


def test_a_change_is_sent_as_it_is(tmp_path: Path) -> None:
    with api_server(tmp_path, {}) as cluster, cluster.api_client() as api:
        assert send(api, "POST", "/api/v1/namespaces/n/pods", {"metadata": {"name": "a"}}) == {}
        with pytest.raises(ApiError) as refused:
            send(api, "PUT", "/api/v1/namespaces/n/pods/a")
        assert refused.value.status == 501


@pytest.mark.parametrize(
    "ask",
    [
        lambda core: core.list_namespaced_pod("n"),
        lambda core: core.list_namespaced_pod_with_http_info("n"),
        lambda core: listed(core.list_namespaced_pod, "n"),
        lambda core: get(core.api_client, "/api/v1/namespaces/n/pods"),
        lambda core: send(core.api_client, "GET", "/api/v1/namespaces/n/pods"),
    ],
    ids=["model", "with http info", "json", "path", "change"],
)
def test_a_refusal_has_the_servers_words(ask: Any, tmp_path: Path) -> None:
    with (
        api_server(tmp_path, {}, {"pods": (403, FORBIDDEN)}) as cluster,
        cluster.api_client() as api,
        pytest.raises(ApiError, match=r"answered 403 Forbidden to GET .*/pods: pods is forbidden") as refused,
    ):
        ask(client.CoreV1Api(api))
    assert isinstance(refused.value, HarnessError)
    assert not isinstance(refused.value, ApiServerAway)
    assert (refused.value.status, refused.value.said, refused.value.brief) == (
        403,
        "pods is forbidden",
        "403 Forbidden",
    )


@pytest.mark.parametrize("ask", [raw, lambda call, *of: call(*of)], ids=["json", "model"])
def test_an_answer_that_breaks_off_is_none(ask: Any, tmp_path: Path) -> None:
    with (
        api_server(tmp_path, {}, {"pods": (200, '{"items": [', 50)}) as cluster,
        cluster.api_client() as api,
        pytest.raises(ApiServerAway, match="did not answer"),
    ):
        ask(client.CoreV1Api(api).list_namespaced_pod, "n")


def test_a_server_that_is_not_there_is_away() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = client.Configuration(host=f"http://127.0.0.1:{port}")
    configuration.retries = False
    with client_for(configuration) as api, pytest.raises(ApiServerAway, match=r"GET /version/: .*refused") as away:
        client.VersionApi(api).get_code()
    assert away.value.status == 0


def test_a_server_that_keeps_silent_is_away_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "API_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        configuration = client.Configuration(host=f"http://127.0.0.1:{silent.getsockname()[1]}")
        configuration.retries = False
        with client_for(configuration) as api, pytest.raises(ApiServerAway, match="timed out"):
            client.VersionApi(api).get_code()


@pytest.mark.parametrize(
    ("body", "said"), [(FORBIDDEN, "pods is forbidden"), ("no json", "no json"), ("[]", "[]"), ("", "Forbidden")]
)
def test_the_words_of_a_refusal_are_without_what_surrounds_them(body: str, said: str) -> None:
    assert ApiError("m", status=403, reason="Forbidden", body=body).said == said
