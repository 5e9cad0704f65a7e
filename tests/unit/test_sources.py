# SPDX-License-Identifier: Apache-2.0
"""The source of images is chosen by what was asked for, what is configured and what answers, in this order."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from registry_fakes import Answer, Request, answering

from harness.audit.look import Eyes
from harness.errors import UnavailableError, UsageError
from harness.image_cache.cache import ImageCache
from harness.image_cache.filling import Filling
from harness.images import media_types
from harness.images.mirrors import Mirror, MirrorMap
from harness.images.references import ImageReference
from harness.registries.client import RegistryClient
from harness.registries.source_choice import detect, probe_all
from harness.registries.sources import Foundry, Mirrored, Upstream, preflight, source_for
from harness.settings import Settings, SourceKind

MIRROR = Mirror(url="http://127.0.0.1:1")
DIGEST = "sha256:" + "ab" * 32


@pytest.fixture(autouse=True)
def _no_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def settings(tmp_path: Path, **keys: object) -> Settings:
    return Settings.model_validate({"cache_dir": tmp_path, **keys})


@pytest.fixture
def public() -> Iterator[str]:
    """An address that answers as public registries do to strangers; those are out of a unit test's reach."""
    challenge = {"WWW-Authenticate": 'Bearer realm="https://auth.example.com/token",service="x"'}
    with answering(lambda request: Answer(401, headers=challenge)) as server:
        yield server.address


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def closed() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def test_what_was_asked_for_is_taken_unprobed(tmp_path: Path, silent: str) -> None:
    assert detect(settings(tmp_path), "upstream", hosts=[silent]).kind == "upstream"
    assert detect(settings(tmp_path, source="foundry"), hosts=[silent]).kind == "foundry"
    assert detect(settings(tmp_path, source="foundry"), "upstream", hosts=[silent]).kind == "upstream"


def test_a_mirror_that_is_not_configured_cannot_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none is configured"):
        detect(settings(tmp_path), "mirror")


def test_configured_mirrors_come_before_the_public_registries(tmp_path: Path, public: str) -> None:
    choice = detect(settings(tmp_path, mirrors={"ghcr.io": MIRROR}), hosts=[public])

    assert choice.kind == "mirror"
    assert "ghcr.io" in str(choice)


def test_upstream_needs_every_registry(tmp_path: Path, public: str, closed: str) -> None:
    assert detect(settings(tmp_path), hosts=[public]).kind == "upstream"

    choice = detect(settings(tmp_path), hosts=[public, closed])
    assert choice.kind == "foundry"
    assert f"{closed} could not be reached" in str(choice)


def test_probes_run_at_the_same_time_and_end(silent: str, public: str) -> None:
    started = time.monotonic()
    answers = probe_all([silent, public, "127.0.0.2:" + silent.rsplit(":", 1)[1]], timeout=2.5)

    assert time.monotonic() - started < 5
    assert answers[public] == ""
    assert "in time" in answers[silent] or "within" in answers[silent]


def test_a_name_that_nobody_knows_is_told_without_asking_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nobody is to be asked")

    monkeypatch.setattr(RegistryClient, "ping", refuse)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    mirrors = MirrorMap(mirrors={"ghcr.io": Mirror(url="https://mirror.invalid/v2")})

    answers = probe_all(["registry.invalid", "ghcr.io"], mirrors=mirrors)

    assert answers["registry.invalid"].startswith("registry.invalid could not be reached: ")
    assert answers["ghcr.io"].startswith("the mirror https://mirror.invalid/v2 of ghcr.io could not be reached: ")


def test_a_proxy_may_know_a_name_that_this_machine_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(RegistryClient, "ping", lambda self: asked.append(self.host))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")

    assert probe_all(["registry.invalid"]) == {"registry.invalid": ""}
    # A thread of an earlier test may still ask what has kept silent there.
    assert "registry.invalid" in asked


def test_a_web_page_is_no_registry() -> None:
    with answering(lambda request: Answer(200, "<html>log in</html>", {"Content-Type": "text/html"})) as portal:
        assert "web page" in probe_all([portal.address])[portal.address]


def image_server(request: object) -> Answer:
    path = getattr(request, "path", "")
    if path == "/v2/a/b/manifests/1":
        headers = {"Docker-Content-Digest": DIGEST, "Content-Type": "application/vnd.oci.image.manifest.v1+json"}
        return Answer(200, headers=headers)
    return Answer(404, '{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}')


def test_each_source_records_where_an_image_comes_from() -> None:
    with answering(image_server) as server:
        mirrors = MirrorMap(
            mirrors={"ghcr.io": Mirror(url="http://node-name:5000", host_url=f"http://{server.address}")}
        )
        with Mirrored(mirrors) as mirror, Foundry(mirrors) as foundry, Upstream() as upstream:
            name = f"{server.address}/a/b:1"
            records = [mirror.resolve("ghcr.io/a/b:1"), foundry.resolve("ghcr.io/a/b:1"), upstream.resolve(name)]

    assert [it.obtained for it in records] == ["mirror http://node-name:5000", "foundry", "upstream"]
    assert {it.digest for it in records} == {DIGEST}
    assert [it.registry for it in records] == ["ghcr.io", "ghcr.io", server.address]
    assert upstream.mirrors == MirrorMap()


@pytest.mark.parametrize("kind", ["upstream", "mirror"])
def test_the_runs_own_registry_answers_for_its_host_and_no_other(tmp_path: Path, kind: SourceKind) -> None:
    with answering(image_server) as own, answering(image_server) as theirs:
        local = MirrorMap(
            mirrors={"under-test.invalid": Mirror(url="http://node-name:5000", host_url=f"http://{own.address}")}
        )
        mirrors = {"ghcr.io": Mirror(url=f"http://{theirs.address}")} if kind == "mirror" else {}
        with closing(source_for(kind, settings(tmp_path, mirrors=mirrors), local=local)) as source:
            found = source.resolve("under-test.invalid/a/b:1")
            other = source.resolve(f"{'ghcr.io' if kind == 'mirror' else theirs.address}/a/b:1")

        assert (found.digest, other.digest) == (DIGEST, DIGEST)
        assert (len(own.requests), len(theirs.requests)) == (1, 1)
        assert set(source.mirrors.mirrors) == {*mirrors, "under-test.invalid"}
        assert source.mirrors.closes == (kind == "mirror")


def test_an_image_is_asked_for_once() -> None:
    with answering(image_server) as server, Upstream() as source:
        for _ in range(3):
            source.resolve(f"{server.address}/a/b:1")

    assert len(server.requests) == 1


def arm_only(request: object) -> Answer:
    """An image that was built on a machine of another kind, as BuildKit pushes it."""
    own = json.dumps({"mediaType": media_types.MANIFEST, "config": {"digest": DIGEST, "size": 2}, "layers": []})
    digest = f"sha256:{hashlib.sha256(own.encode()).hexdigest()}"
    listed = [
        {"digest": digest, "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": DIGEST, "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
    if getattr(request, "path", "").endswith(digest):
        return Answer(200, own, {"Content-Type": media_types.MANIFEST})
    return Answer(200, json.dumps({"manifests": listed}), {"Content-Type": media_types.INDEX})


def test_digests_are_those_on_nodes_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with answering(arm_only) as server, Upstream() as source:
        assert DIGEST in source.digests(f"{server.address}/a/b:1")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with (
        answering(arm_only) as server,
        Upstream() as source,
        pytest.raises(UnavailableError, match="for linux/arm64, not for linux/amd64"),
    ):
        source.digests(f"{server.address}/a/b:1")


def test_preflight_tells_every_image_that_is_missing() -> None:
    with answering(image_server) as server:
        mirrors = MirrorMap(mirrors={"ghcr.io": Mirror(url=f"http://{server.address}")})
        with Foundry(mirrors) as source:
            found = preflight(source, ["ghcr.io/a/b:9.9.9", "ghcr.io/a/b:1", "quay.io/c/d:1", "ghcr.io/a/b:9.9.9"])

    assert list(found) == ["ghcr.io/a/b:9.9.9", "ghcr.io/a/b:1", "quay.io/c/d:1"]
    missing, there, unserved = found.values()
    assert there is None
    assert missing is not None
    assert unserved is not None
    assert "the foundry has no image ghcr.io/a/b:9.9.9" in missing.message
    assert "answered 404 for a/b:9.9.9: MANIFEST_UNKNOWN manifest unknown" in missing.message
    assert "nox -s bootstrap" in missing.next_step
    assert "there is no mirror for quay.io" in unserved.message


def test_a_source_is_made_by_its_kind(tmp_path: Path) -> None:
    configured = settings(tmp_path, mirrors={"ghcr.io": MIRROR})
    for kind in ("upstream", "mirror", "foundry"):
        source = source_for(kind, configured, local=MirrorMap(mirrors={"docker.io": MIRROR}))
        assert source.kind == kind
        assert source.describe().startswith(kind)
    assert set(source_for("mirror", configured).mirrors.mirrors) == {"ghcr.io"}


def test_a_helper_that_fails_keeps_nobody_from_what_is_public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "docker-credential-headless"
    program.write_text("#!/bin/sh\necho 'Cannot autolaunch D-Bus without X11 $DISPLAY'; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "config.json").write_text('{"credsStore": "headless"}')
    there = {"Docker-Content-Digest": DIGEST, "Content-Type": media_types.MANIFEST}
    with (
        answering(lambda request: Answer(200, headers=there) if "/public/" in request.path else Answer(403)) as server,
        Upstream() as source,
    ):
        assert source.resolve(f"{server.address}/acme/public/app:1").digest == DIGEST
        with pytest.raises(UnavailableError, match="403") as refused:
            source.resolve(f"{server.address}/acme/private/app:1")
    assert "without a login, since docker-credential-headless could not return" in refused.value.next_step
    assert "Cannot autolaunch D-Bus" in refused.value.next_step


def test_each_part_of_a_registry_is_asked_with_its_own_login(tmp_path: Path) -> None:
    def answer(request: Request) -> Answer:
        asked = request.path.split("/")[2]
        if request.authorization != f"Basic {base64.b64encode(f'{asked}:word'.encode()).decode()}":
            return Answer(401, headers={"WWW-Authenticate": "Basic"})
        return Answer(200, headers={"Docker-Content-Digest": DIGEST, "Content-Type": media_types.MANIFEST})

    with answering(answer) as server, Upstream() as source, Eyes("upstream", MirrorMap()) as eyes:
        users = {"": "host", "/acme": "acme", "/acme/team": "acme"}
        auths = {
            f"{server.address}{part}": {"auth": base64.b64encode(f"{user}:word".encode()).decode()}
            for part, user in users.items()
        }
        (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
        images = [f"{server.address}/{it}:1" for it in ("host/app", "acme/app", "acme/team/app", "host/app")]
        assert [source.resolve(it).digest for it in images] == [DIGEST] * 4
        # What is wrong with an answer is about its content, and no longer about the login.
        assert not any("401" in eyes.look(ImageReference.parse(it)).message for it in images)


def test_a_login_that_expired_keeps_nobody_from_what_is_public(tmp_path: Path) -> None:
    def answer(request: Request) -> Answer:
        if request.path.startswith("/token"):
            expired = Answer(403, json.dumps({"errors": [{"code": "DENIED", "message": "denied"}]}))
            return expired if request.authorization else Answer(200, json.dumps({"token": "anybodys"}))
        if request.authorization != "Bearer anybodys" or "/private/" in request.path:
            return Answer(401, headers={"WWW-Authenticate": f'Bearer realm="http://{request.headers["host"]}/token"'})
        return Answer(200, headers={"Docker-Content-Digest": DIGEST, "Content-Type": media_types.MANIFEST})

    with answering(answer) as server, Upstream() as source:
        auth = {server.address: {"auth": base64.b64encode(b"me:ghp_expired").decode()}}
        (tmp_path / "config.json").write_text(json.dumps({"auths": auth}))
        public, private = (ImageReference.parse(f"{server.address}/acme/{it}/app:1") for it in ("public", "private"))
        assert source.resolve(str(public)).digest == DIGEST
        with pytest.raises(UnavailableError, match=r"answered 403 .*DENIED"):
            source.resolve(str(private))

        filling = Filling(
            ImageCache(tmp_path), source.for_image, platform="linux/amd64",
            anonymous=lambda image: source.anonymous(image.registry),
        )  # fmt: skip
        there, refused = filling.ask([str(public), str(private)])
        filling.close()
    assert there.to_fetch
    assert refused.error is not None
