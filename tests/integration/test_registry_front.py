# SPDX-License-Identifier: Apache-2.0
"""The local registries as real clients see them: crane, the harness's own client, and plain HTTP."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from fronts import Crane, browser

from harness.errors import DiskError, HostError, RegistryError
from harness.images.references import ImageReference
from harness.registries.client import RegistryClient
from harness.registries.front.profile import Limits, profile
from harness.registries.front.server import Front

SENTINEL = "ghp_SENTINELsentinelSENTINELsentinel0123"


@pytest.fixture
def start(registry_binary: Path, tmp_path: Path) -> Iterator[Callable[..., Front]]:
    """Starts fronts, which end with the test."""
    with ExitStack() as stack:

        def make(host: str, **details: Any) -> Front:
            folder = details.pop("folder", tmp_path / f"front-{host}")
            limits = details.pop("limits", None)
            chosen = profile(host).with_limits(limits) if limits else profile(host)
            return stack.enter_context(Front(chosen, folder=folder, binary=registry_binary, **details))

        yield make


@pytest.fixture
def github(start: Callable[..., Front]) -> Front:
    return start("ghcr.io", packages={"open/*": "public"})


@pytest.fixture
def hub(start: Callable[..., Front]) -> Front:
    return start("docker.io", packages={"closed/*": "private"}, limits=Limits(anonymous=2, user=4, window=3600))


@pytest.fixture
def crane(crane_binary: Path, github: Front, tmp_path: Path) -> Crane:
    return Crane(program=crane_binary, front=github, home=tmp_path)


@pytest.fixture
def crane_on_hub(crane_binary: Path, hub: Front, tmp_path: Path) -> Crane:
    return Crane(program=crane_binary, front=hub, home=tmp_path)


def test_who_is_logged_in_pushes_and_pulls_a_private_package(crane: Crane, github: Front) -> None:
    crane.login("writer")
    crane.push("kubeflow/operator:1")
    crane.login("reader")
    crane.pull("kubeflow/operator:1")

    pulls = [it for it in github.requests() if it.method == "GET" and "/blobs/" in it.path]
    assert {it.user for it in pulls} == {"reader"}
    assert max(it.bytes for it in pulls) > 300_000


def test_github_tells_nobody_about_private_and_missing_packages(crane: Crane) -> None:
    crane.login("writer")
    crane.push("kubeflow/operator:1")
    crane.push("open/operator:1")
    crane.logout()

    for name in ("kubeflow/operator:1", "kubeflow/nothing:1"):
        said = crane.pull_fails(name)
        assert "/token?" in said
        assert "UNAUTHORIZED: authentication required" in said
    crane.pull("open/operator:1")
    assert "MANIFEST_UNKNOWN: manifest unknown" in crane.pull_fails("open/operator:2")


def test_github_says_which_scope_or_right_is_missing(crane: Crane, github: Front) -> None:
    crane.login("writer")
    crane.push("kubeflow/operator:1")
    crane.login("reader")
    assert "DENIED: permission_denied: The token provided does not match expected scopes." in crane.push_fails(
        "kubeflow/operator:2"
    )

    github.issue("stranger", ["write:packages"], packages=["other/*"])
    crane.login("stranger")
    assert "DENIED: permission_denied: read_package" in crane.pull_fails("kubeflow/operator:1")


@pytest.mark.parametrize("harm", ["wrong", "expired", "revoked"])
def test_github_denies_a_token_that_is_good_for_nothing(crane: Crane, github: Front, harm: str) -> None:
    crane.login("writer")
    crane.push("kubeflow/operator:1")
    if harm == "wrong":
        crane.login("writer", token="ghp_" + "x" * 36)
    elif harm == "expired":
        github.accounts.expire("writer")
    else:
        github.accounts.revoke("writer")

    assert "DENIED: denied" in crane.pull_fails("kubeflow/operator:1")


def test_a_revoked_token_ends_what_github_handed_out_for_it(github: Front) -> None:
    with browser(github) as client:
        token = github.accounts.of("reader").secret
        got = client.get("/token", params={"scope": "repository:a/b:pull"}, auth=("reader", token)).json()["token"]
        bearer = {"Authorization": f"Bearer {got}"}
        assert client.get("/v2/", headers=bearer).status_code == 200
        github.accounts.revoke("reader")
        refused = client.get("/v2/", headers=bearer)

    assert refused.status_code == 401
    assert "User cannot be authenticated with the token provided" in refused.text


def test_github_does_not_delete_by_the_registrys_api(crane: Crane) -> None:
    crane.login("owner")
    reference = crane.push("kubeflow/operator:1")
    digest = crane("digest", reference)
    said = crane.fails("delete", f"{reference.rsplit(':', 1)[0]}@{digest}")

    assert "UNSUPPORTED: The operation is unsupported." in said


def test_docker_hub_hands_a_token_to_everybody_and_then_refuses(crane_on_hub: Crane, hub: Front) -> None:
    crane_on_hub.login("writer")
    crane_on_hub.push("closed/app:1")
    crane_on_hub.logout()
    said = crane_on_hub.pull_fails("closed/app:1")
    with browser(hub) as client:
        token = client.get("/token", params={"scope": "repository:closed/app:pull"}).json()["token"]
        refused = client.get("/v2/closed/app/manifests/1", headers={"Authorization": f"Bearer {token}"})

    assert "UNAUTHORIZED: authentication required" in said
    assert "/v2/closed/app/manifests/1" in said
    assert refused.status_code == 401
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
    assert 'scope="repository:closed/app:pull"' in refused.headers["www-authenticate"]


def test_docker_hubs_token_service_refuses_passwords_and_scopes(crane_on_hub: Crane, hub: Front) -> None:
    crane_on_hub.login("reader", token="dckr_pat_wrong")
    assert "401" in crane_on_hub.pull_fails("library/app:1")
    crane_on_hub.login("reader")
    assert "access token has insufficient scopes" in crane_on_hub.push_fails("library/app:1")
    with browser(hub) as client:
        form = {"grant_type": "password", "username": "reader", "password": "no", "service": "registry.docker.io"}
        assert client.post("/token", data=form).json() == {"details": "incorrect username or password"}
        form["password"] = hub.accounts.of("reader").secret
        assert client.post("/token", data=form).json()["expires_in"] == 300


def test_docker_hub_limits_pulls_by_address_and_by_user(crane_on_hub: Crane, hub: Front) -> None:
    crane_on_hub.login("writer")
    crane_on_hub.push("library/app:1")
    crane_on_hub.logout()
    for _ in range(2):
        crane_on_hub.pull("library/app:1")
    for _ in range(3):
        crane_on_hub("digest", crane_on_hub.reference("library/app:1"))
    said = crane_on_hub.pull_fails("library/app:1")
    refused = hub.requests()[-1]

    assert "TOOMANYREQUESTS: You have reached your unauthenticated pull rate limit" in said
    assert (refused.status, refused.method, refused.user) == (429, "GET", "")
    crane_on_hub.login("reader")
    crane_on_hub.pull("library/app:1")


def test_docker_hub_tells_what_is_left(crane_on_hub: Crane, hub: Front) -> None:
    crane_on_hub.login("writer")
    crane_on_hub.push("library/app:1")
    accept = {
        "Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
    }
    with browser(hub) as client:
        token = client.get("/token", params={"scope": "repository:library/app:pull"}).json()["token"]
        client.headers.update({"Authorization": f"Bearer {token}", **accept})
        heads = [client.head("/v2/library/app/manifests/1") for _ in range(2)]
        missing = client.get("/v2/library/app/manifests/2")
        gets = [client.get("/v2/library/app/manifests/1") for _ in range(3)]

    assert [it.headers["ratelimit-remaining"] for it in heads] == ["2;w=3600", "2;w=3600"]
    assert missing.status_code == 404
    assert [it.status_code for it in gets] == [200, 200, 429]
    assert [it.headers["ratelimit-remaining"] for it in gets] == ["1;w=3600", "0;w=3600", "0;w=3600"]
    assert gets[-1].headers["docker-ratelimit-source"] == "127.0.0.1"
    assert 3500 < int(gets[-1].headers["retry-after"]) <= 3600


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({"kind": "status", "status": 401}, "UNAUTHORIZED"),
        ({"kind": "status", "status": 403}, "DENIED"),
        ({"kind": "status", "status": 404}, "MANIFEST_UNKNOWN"),
        ({"kind": "status", "status": 429}, "TOOMANYREQUESTS"),
        ({"kind": "status", "status": 500}, "UNKNOWN"),
        ({"kind": "status", "status": 503, "retry_after": 7}, "UNAVAILABLE"),
        ({"kind": "cut"}, "unexpected EOF"),
        ({"kind": "truncated", "after": 10}, "Content-Length header 10 does not match expected size"),
        ({"kind": "wrong-digest", "target": "blobs"}, "error verifying sha256 checksum"),
        ({"kind": "expired-certificate"}, "certificate has expired"),
    ],
    ids=lambda it: "-".join(map(str, it.values())) if isinstance(it, dict) else "",
)
def test_crane_says_what_each_fault_does_to_it(crane: Crane, github: Front, details: dict[str, Any], said: str) -> None:
    crane.login("writer")
    crane.push("kubeflow/operator:1")
    github.fault(**details)
    words = crane.pull_fails("kubeflow/operator:1")
    github.mend()

    assert said in words
    crane.pull("kubeflow/operator:1")
    if details["kind"] != "expired-certificate":
        assert any(it.fault.startswith(details["kind"]) for it in github.requests())


def test_a_manifest_that_was_altered_is_found_out_by_its_digest(crane: Crane, github: Front) -> None:
    crane.login("writer")
    reference = crane.push("kubeflow/operator:1")
    digest = crane("digest", reference)
    github.fault("wrong-digest", target="manifests")

    # By its tag crane takes whatever it gets.
    assert "does not match requested digest" in crane.pull_fails(f"kubeflow/operator@{digest}")


def test_a_fault_that_ends_is_got_over(crane: Crane, github: Front) -> None:
    crane.login("writer")
    crane.push("kubeflow/operator:1")
    github.fault("status", status=503, retry_after=1, count=1)
    crane.pull("kubeflow/operator:1")

    answers = [it.status for it in github.requests() if it.path.endswith("/manifests/1") and it.method == "GET"]
    assert answers == [503, 200]


@pytest.mark.parametrize(
    ("details", "least"),
    [
        ({"kind": "latency", "seconds": 0.4}, 0.4),
        ({"kind": "slow-first-byte", "seconds": 0.4}, 0.4),
        ({"kind": "bandwidth", "rate": 600_000}, 0.45),
    ],
)
def test_slowness_takes_its_time(crane: Crane, github: Front, details: dict[str, Any], least: float) -> None:
    crane.login("writer")
    crane.push("kubeflow/operator:1")
    with browser(github, "reader") as client:
        sizes = {it: int(client.head(it).headers["content-length"]) for it in _blobs(github)}
        largest = max(sizes, key=lambda it: sizes[it])
        github.fault(target="blobs", **details)
        began = time.monotonic()
        with client.stream("GET", largest) as answer:
            headers_after = time.monotonic() - began
            size = sum(map(len, answer.iter_bytes()))
        whole = time.monotonic() - began

    assert size == sizes[largest]
    assert whole >= least
    assert (headers_after >= least) == (details["kind"] == "latency")


def _blobs(front: Front) -> set[str]:
    return {it.path for it in front.requests() if it.method == "HEAD" and "/blobs/sha256:" in it.path}


def test_a_refusal_uses_up_no_fault_of_content(crane: Crane, github: Front) -> None:
    crane.login("writer")
    reference = crane.push("kubeflow/operator:1")
    digest = crane("digest", reference)
    github.fault("wrong-digest", target="manifests", count=1)
    path = f"/v2/kubeflow/operator/manifests/{digest}"
    with browser(github) as nobody, browser(github, "reader") as reader:
        assert nobody.get(path).status_code == 401
        bodies = [reader.get(path, headers={"Accept": "*/*"}).content for _ in range(2)]

    assert [f"sha256:{hashlib.sha256(it).hexdigest()}" == digest for it in bodies] == [False, True]
    assert len(bodies[0]) == len(bodies[1])


def test_the_rest_of_a_blob_can_be_cut_too(crane: Crane, github: Front) -> None:
    crane.login("writer")
    crane.push("kubeflow/operator:1")
    with browser(github, "reader") as client:
        path = max(_blobs(github), key=lambda it: int(client.head(it).headers["content-length"]))
        github.fault("cut", after=100)
        for headers in ({}, {"Range": "bytes=100-"}):
            with pytest.raises(httpx.RemoteProtocolError), client.stream("GET", path, headers=headers) as answer:
                list(answer.iter_raw())
    cut = [it for it in github.requests() if it.fault]

    assert [(it.status, it.bytes, it.fault) for it in cut] == [(200, 100, "cut"), (206, 100, "cut")]


def test_a_log_that_cannot_be_written_ends_the_service(start: Callable[..., Front], tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "requests.jsonl").symlink_to("/dev/full")
    front = start("ghcr.io", folder=folder)
    with browser(front) as client:
        client.get("/v2/")
        refused = client.get("/v2/")

    assert refused.status_code == 500
    assert "cannot be written: No space left on device" in refused.text
    with pytest.raises(DiskError):
        front.requests()


def test_503_says_when_to_come_back(github: Front) -> None:
    github.fault("status", status=503, retry_after=7, target="any")
    with browser(github) as client:
        answer = client.get("/v2/")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")


def test_a_connection_that_is_open_does_not_outlive_the_certificate(github: Front) -> None:
    with browser(github) as client:
        assert client.get("/v2/").status_code == 401
        github.fault("expired-certificate", count=1)
        with pytest.raises(httpx.ConnectError, match="certificate has expired"):
            client.get("/v2/")
        assert client.get("/v2/").status_code == 401


def test_the_harness_own_client_reads_a_private_package_by_its_mirror(crane: Crane, github: Front) -> None:
    crane.login("writer")
    reference = crane.push("kubeflow/operator:1")
    name = ImageReference.parse("ghcr.io/kubeflow/operator:1")
    with RegistryClient(github.mirror("reader"), github.host) as client:
        assert client.head(name).digest == crane("digest", reference)
    with RegistryClient(github.mirror(), github.host) as client, pytest.raises(RegistryError) as refused:
        client.head(name)

    assert refused.value.status == 401


def test_a_node_can_send_a_fixed_header(crane: Crane, github: Front) -> None:
    crane.login("writer")
    crane.push("kubeflow/operator:1")
    with browser(github, "reader") as client:
        assert client.get("/v2/kubeflow/operator/tags/list").json()["tags"] == ["1"]


def test_a_blob_is_not_mounted_from_where_the_caller_may_not_read(crane: Crane, github: Front) -> None:
    crane.login("writer")
    crane.push("kubeflow/operator:1")
    digest = next(iter(_blobs(github))).rsplit("/", 1)[1]
    github.issue("stranger", ["write:packages"], packages=["other/*"])
    ask = {"mount": digest, "from": "kubeflow/operator"}
    with browser(github, "stranger") as stranger, browser(github, "writer") as writer:
        assert stranger.post("/v2/other/app/blobs/uploads/", params=ask).status_code == 202
        assert writer.post("/v2/other/app/blobs/uploads/", params=ask).status_code == 201


def test_it_listens_where_it_was_told_and_nowhere_else(start: Callable[..., Front]) -> None:
    front = start("ghcr.io", addresses=["127.0.0.2"])

    assert front.mirror().url == f"https://127.0.0.2:{front.port}"
    assert front.mirror().host_url == f"https://127.0.0.1:{front.port}"
    for address in ("127.0.0.1", "127.0.0.2"):
        with httpx.Client(verify=ssl.create_default_context(cafile=str(front.ca)), trust_env=False) as client:
            assert client.get(f"https://{address}:{front.port}/v2/").status_code == 401
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.3", front.port), timeout=5)


def test_a_port_that_is_taken_is_named(start: Callable[..., Front]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(HostError, match=rf"could not listen on 127\.0\.0\.1:{port}: the port is in use"):
            start("ghcr.io", port=port)


def test_two_fronts_stand_side_by_side(github: Front, hub: Front) -> None:
    assert github.port != hub.port
    with browser(github) as one, browser(hub) as other:
        assert 'service="ghcr.io"' in one.get("/v2/").headers["www-authenticate"]
        assert 'service="registry.docker.io"' in other.get("/v2/").headers["www-authenticate"]


@pytest.mark.parametrize("host", ["ghcr.io", "docker.io"])
def test_no_token_is_in_any_file_but_its_own(
    start: Callable[..., Front], crane_binary: Path, tmp_path: Path, host: str
) -> None:
    front = start(host)
    token = front.issue("writer", ["write:packages"], secret=SENTINEL)
    crane = Crane(program=crane_binary, front=front, home=tmp_path)
    crane.login("writer")
    crane.push("kubeflow/operator:1")
    crane.pull("kubeflow/operator:1")
    front.accounts.revoke("writer")
    crane.pull_fails("kubeflow/operator:1")
    with browser(front) as client:
        client.post("/token", data={"grant_type": "password", "username": "writer", "password": SENTINEL})
        handed_out = client.get("/token").json()["token"]

    texts = {file: file.read_bytes() for file in front.folder.rglob("*") if file.is_file()}
    assert texts[front.log_file]
    assert [file for file, text in texts.items() if SENTINEL.encode() in text or handed_out.encode() in text] == []
    assert SENTINEL not in repr(token) + repr(front.mirror("writer")) + repr(front.accounts)
