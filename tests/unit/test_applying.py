# SPDX-License-Identifier: Apache-2.0
"""Manifests are applied by the server in an order that works, and what it refuses is told with the file.

The API server is a stand-in that knows a few kinds; cells with --before show the real one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from kubernetes import client

from harness.errors import ApiError, UsageError
from harness.kube.api import client_for
from harness.releases import applying
from harness.releases.manifests import Document

RESOURCES = {
    "/api/v1": [("Namespace", "namespaces", False), ("ResourceQuota", "resourcequotas", True)],
    "/apis/apiextensions.k8s.io/v1": [("CustomResourceDefinition", "customresourcedefinitions", False)],
    "/apis/admissionregistration.k8s.io/v1": [("ValidatingAdmissionPolicy", "validatingadmissionpolicies", False)],
}


@dataclass
class Server:
    """`sent` are path and headers of what was applied, `refused` paths are answered with 422.

    What `forbids` says is the answer to the first pod.
    """

    api: Any = None
    sent: list[tuple[str, str, Any]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    forbids: str = ""
    there: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def server() -> Iterator[Server]:
    known = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path in RESOURCES:
                rows = [{"kind": kind, "name": name, "namespaced": within} for kind, name, within in RESOURCES[path]]
                self._answer(200, {"resources": rows})
            else:
                self._answer(200 if path in known.there else 404, known.there.get(path, {}))

        def do_PATCH(self) -> None:
            address = urlsplit(self.path)
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if address.path in known.refused:
                self._answer(422, {"message": "spec.hard: Required value", "reason": "Invalid"})
                return
            known.sent.append((address.path, f"{self.headers['Content-Type']} {address.query}", body))
            status = {"phase": "Active", "conditions": [{"type": "Established", "status": "True"}]}
            known.there[address.path] = {**body, "metadata": {**body["metadata"], "uid": "u"}, "status": status}
            self._answer(200, known.there[address.path])

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known.sent.append((urlsplit(self.path).path, urlsplit(self.path).query, body))
            if known.forbids and len(known.sent) == 1:
                self._answer(403, {"message": known.forbids, "reason": "Forbidden"})
                return
            labels = {"mark": "true"} if len(known.sent) > 1 else {}
            self._answer(201, {**body, "metadata": {**body["metadata"], "labels": labels}})

        def _answer(self, status: int, body: Any) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests do not need the access log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        known.api = client_for(client.Configuration(host=f"http://127.0.0.1:{listening.server_port}"))
        yield known
        known.api.close()
        listening.shutdown()
        thread.join()


def document(kind: str, name: str, version: str = "v1", **metadata: str) -> Document:
    return Document(
        where="a.yaml:1", document={"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}}
    )


QUOTA = document("ResourceQuota", "limits", namespace="team-a")
POLICY = document("ValidatingAdmissionPolicy", "no-latest", "admissionregistration.k8s.io/v1")
SPACE = document("Namespace", "team-a")
CRD = document("CustomResourceDefinition", "as.example.com", "apiextensions.k8s.io/v1")


def test_what_others_need_comes_first_and_what_judges_them_last(server: Server) -> None:
    applied = applying.apply(server.api, [POLICY, QUOTA, SPACE, CRD], timeout=5)
    paths = [path for path, _, _ in server.sent]
    assert paths == [
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/as.example.com",
        "/api/v1/namespaces/team-a",
        "/api/v1/namespaces/team-a/resourcequotas/limits",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/no-latest",
    ]
    assert {how for _, how, _ in server.sent} == {
        "application/apply-patch+yaml fieldManager=spark-operator-harness&force=true"
    }
    assert [(it.name, it.uid) for it in applied][2] == ("ResourceQuota team-a/limits", "u")


def test_a_namespaced_object_without_a_namespace_is_in_default(server: Server) -> None:
    applying.apply(server.api, [document("ResourceQuota", "limits")], timeout=5)
    assert server.sent[0][0] == "/api/v1/namespaces/default/resourcequotas/limits"


@pytest.mark.parametrize(
    "unknown", [document("Widget", "a"), document("Widget", "a", "example.com/v1"), document("Namespace", "a", "v2")]
)
def test_a_kind_that_the_server_does_not_know_is_told_with_its_file(server: Server, unknown: Document) -> None:
    with pytest.raises(UsageError, match=r"a\.yaml:1: the API server does not know the kind"):
        applying.apply(server.api, [unknown], timeout=5)


def test_what_the_server_refuses_is_told_in_its_words(server: Server) -> None:
    server.refused.add("/api/v1/namespaces/team-a/resourcequotas/limits")
    with pytest.raises(UsageError, match=r"a\.yaml:1: .*refused the ResourceQuota team-a/limits: .*Required value"):
        applying.apply(server.api, [QUOTA], timeout=5)


def test_a_policy_is_waited_for_until_a_pod_that_is_only_tried_out_gets_its_mark(server: Server) -> None:
    applying.await_marks(server.api, ["team-a"], ["mark"], timeout=60)
    assert [(path, query) for path, query, _ in server.sent] == [("/api/v1/namespaces/team-a/pods", "dryRun=All")] * 2


def test_a_new_namespace_without_an_account_for_pods_is_waited_for(server: Server) -> None:
    server.forbids = 'pods "harness-probe" is forbidden: error looking up service account team-a/default: not found'
    applying.await_marks(server.api, ["team-a"], ["mark"], timeout=60)
    assert len(server.sent) == 2


def test_a_namespace_that_takes_no_pod_is_told(server: Server) -> None:
    server.forbids = 'pods "harness-probe" is forbidden: exceeded quota'
    with pytest.raises(ApiError, match="exceeded quota"):
        applying.await_marks(server.api, ["team-a"], ["mark"], timeout=60)


def test_without_marks_nothing_is_tried_out(server: Server) -> None:
    applying.await_marks(server.api, ["team-a"], [], timeout=5)
    assert not server.sent
