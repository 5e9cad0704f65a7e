# SPDX-License-Identifier: Apache-2.0
"""What an audit makes of a mirror that is a cache and hides what the registry behind it says. A web server plays it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from registry_fakes import Answer, Request, answering

from harness.audit.images import _told
from harness.audit.look import Eyes, Seen
from harness.images.credentials import write_secret
from harness.images.logins import TokenFile
from harness.images.media_types import INDEX, MANIFEST
from harness.images.mirrors import Mirror, MirrorMap
from harness.images.references import ImageReference
from harness.registries.referrers import Referrer


@pytest.mark.parametrize(
    ("behind", "state"),
    [(429, "unavailable"), (503, "unavailable"), (401, "refused"), (403, "refused"), (404, "missing")],
)
def test_an_image_is_missing_only_where_the_registry_behind_a_cache_can_be_asked(behind: int, state: str) -> None:
    with answering(lambda request: Answer(behind if "sha256:" in request.path else 404)) as server:
        mirrors = MirrorMap(mirrors={"docker.io": Mirror(url=f"http://{server.address}")})
        with Eyes("mirror", mirrors, timeout=5) as eyes:
            seen = eyes.look(ImageReference.parse("docker.io/apache/spark:4.0.4"))

    assert seen.state == state
    assert ("which proves nothing" in seen.message) == (behind != 404)


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        ({"config": {"Labels": {"org.opencontainers.image.version": "1"}}}, 1),
        ({"config": {"Labels": ["a"]}}, 0),
        ({"config": "none"}, 0),
        ({}, 0),
    ],
)
def test_labels_and_proofs_of_odd_shapes_are_none(said: dict[str, object], labels: int) -> None:
    odd = {"size": "large", "annotations": "none", "artifactType": "a/b", "mediaType": MANIFEST}
    listed = {"mediaType": INDEX, "manifests": [{"digest": f"sha256:{'cd' * 32}", **odd}, {"digest": "../x"}, "all"]}

    def answer(request: Request) -> Answer:
        if "/referrers/" in request.path:
            return Answer(200, json.dumps(listed), {"Content-Type": INDEX})
        if request.path.endswith(".sig"):
            return Answer(200, json.dumps({"mediaType": MANIFEST, "layers": {"first": 1}}), {"Content-Type": MANIFEST})
        if "/blobs/" in request.path:
            return Answer(200, json.dumps({"os": "linux", "architecture": "amd64", **said}))
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": CONFIG, "layers": []}
        found = request.path.endswith("/1") or "/manifests/sha256:" in request.path
        return Answer(200, json.dumps(document), {"Content-Type": MANIFEST}) if found else Answer(404, '{"errors": []}')

    with answering(answer) as server, Eyes("upstream", MirrorMap(), timeout=5) as eyes:
        seen = eyes.look(ImageReference.parse(f"{server.address}/apache/spark:1"))
    assert (seen.state, len(seen.labels), seen.unproven) == ("found", labels, "")
    assert [it.way for it in seen.proofs] == ["referrers API", "cosign tag"]


CONFIG = {"digest": f"sha256:{'ab' * 32}", "size": 2}


@pytest.mark.parametrize(("refusal", "private"), [(401, True), (403, True), (404, True), (429, False)])
def test_the_login_of_the_settings_sees_what_nobody_else_may(tmp_path: Path, refusal: int, private: bool) -> None:
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": CONFIG, "layers": []}

    def answer(request: Request) -> Answer:
        if request.path.startswith("/token"):
            return Answer(200, json.dumps({"token": "mine" if request.authorization else "anybodys"}))
        if not request.authorization:
            return Answer(401, headers={"WWW-Authenticate": f'Bearer realm="http://{server.address}/token"'})
        if request.authorization != "Bearer mine":
            return Answer(refusal, headers={"Retry-After": "60"})
        if "/blobs/" in request.path:
            return Answer(200, '{"os": "linux", "architecture": "amd64"}')
        return (
            Answer(200, json.dumps(manifest), {"Content-Type": MANIFEST}) if "ests/1" in request.path else Answer(404)
        )

    file = write_secret(tmp_path / "token", "t0ken")
    with answering(answer) as server:
        rows = {server.address: TokenFile(username="me", token_file=file)}
        with Eyes("upstream", MirrorMap(), token_files=rows, timeout=5) as eyes:
            seen = eyes.look(ImageReference.parse(f"{server.address}/apache/spark:1"))

    assert (seen.state, seen.private, seen.platforms) == ("found", private, ("linux/amd64",))


def test_a_chart_in_the_place_of_an_image_is_named() -> None:
    config = CONFIG | {"mediaType": "application/vnd.cncf.helm.config.v1+json"}
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}

    def answer(request: Request) -> Answer:
        found = request.path.endswith("/1") or "/manifests/sha256:" in request.path
        return Answer(200, json.dumps(document), {"Content-Type": MANIFEST}) if found else Answer(404, '{"errors": []}')

    with answering(answer) as server, Eyes("upstream", MirrorMap(), timeout=5) as eyes:
        image = ImageReference.parse(f"{server.address}/a/b:1")
        (finding,) = _told(image, eyes.look(image), known_bad=False)
    assert (finding.rule, finding.message) == ("no-image", "it is a Helm chart, of which no node makes a container")


def test_a_login_that_is_refused_does_not_hide_that_an_image_is_missing(tmp_path: Path) -> None:
    def answer(request: Request) -> Answer:
        if request.path.startswith("/token"):
            return Answer(403) if request.authorization else Answer(200, '{"token": "anybodys"}')
        if not request.authorization:
            return Answer(401, headers={"WWW-Authenticate": f'Bearer realm="http://{server.address}/token"'})
        return Answer(404)

    file = write_secret(tmp_path / "token", "expired")
    with answering(answer) as server:
        rows = {server.address: TokenFile(username="me", token_file=file)}
        with Eyes("upstream", MirrorMap(), token_files=rows, timeout=5) as eyes:
            assert eyes.look(ImageReference.parse(f"{server.address}/apache/spark:1")).state == "missing"


def test_a_helper_that_fails_ends_no_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text('{"credsStore": "headless"}')
    program = tmp_path / "docker-credential-headless"
    program.write_text("#!/bin/sh\necho 'Cannot autolaunch D-Bus without X11 $DISPLAY'; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with answering(lambda request: Answer(403)) as server, Eyes("upstream", MirrorMap(), timeout=5) as eyes:
        seen = eyes.look(ImageReference.parse(f"{server.address}/apache/spark:1"))

    assert seen.state == "refused"
    assert "no login was tried, since docker-credential-headless could not return" in seen.message


@pytest.mark.parametrize(
    ("artifact_type", "signed"),
    [
        ("application/vnd.dev.sigstore.bundle.v0.3+json", True),
        ("application/vnd.cncf.notary.signature", True),
        ("application/spdx+json", False),
        ("application/vnd.acme.notes", False),
    ],
)
def test_what_signs_nothing_is_no_signature(artifact_type: str, signed: bool) -> None:
    referrer = Referrer(
        digest="sha256:" + "cd" * 32, media_type=MANIFEST, size=1, artifact_type=artifact_type, way="referrers API"
    )
    image = ImageReference.parse("ghcr.io/a/b:1")

    found = _told(image, Seen(state="found", proofs=(referrer,)), known_bad=False)

    assert ("unsigned" in [it.rule for it in found]) is not signed
