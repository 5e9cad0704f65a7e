# SPDX-License-Identifier: Apache-2.0
"""What a copy costs that has nothing to do: the manifests that are read, by the logs of local registries."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pushing import INDEX, MANIFEST, push_image, push_index

from harness import cli
from harness.foundry import spark
from harness.images.references import ImageReference
from harness.matrix import catalogue
from harness.registries.front.profile import profile
from harness.registries.front.server import Front
from harness.registries.local import Server, serve
from harness.registries.referrers import fallback_tag

SRC = "docker.io/kubeflow/spark-operator:2.2.1"
DST = "ghcr.io/kubeflow/spark-operator/controller:2.2.1"
FROM, TO = "kubeflow/spark-operator", "kubeflow/spark-operator/controller"


@dataclass(frozen=True)
class Ends:
    """A local docker.io and a local ghcr.io, and the server by which tests push behind the first one's back."""

    hub: Front
    ghcr: Front
    behind: Server
    pushing: httpx.Client
    config: Path

    def counted(self, since: tuple[int, int] = (0, 0)) -> tuple[int, int]:
        """The GETs of manifests at docker.io and at ghcr.io: what counts as a pull."""
        first, second = (
            sum((it.method, it.status) == ("GET", 200) and "/manifests/" in it.path for it in front.requests()[begin:])
            for front, begin in zip((self.hub, self.ghcr), since, strict=True)
        )
        return first, second

    def seen(self) -> tuple[int, int]:
        return len(self.hub.requests()), len(self.ghcr.requests())


@pytest.fixture
def ends(registry_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    hub = Front(profile("docker.io"), folder=tmp_path / "hub", binary=registry_binary)
    ghcr = Front(profile("ghcr.io"), folder=tmp_path / "ghcr", binary=registry_binary)
    storage = tmp_path / "hub" / "storage"
    with (
        serve(registry_binary, storage, tmp_path / "behind.log") as behind,
        hub,
        ghcr,
        httpx.Client(trust_env=False) as pushing,
    ):
        config = tmp_path / "harness.toml"
        config.write_text(
            f'[mirrors."docker.io"]\nurl = "https://{hub.address}"\nca = "{hub.ca}"\n'
            f'[mirrors."ghcr.io"]\nurl = "https://{ghcr.address}"\nca = "{ghcr.ca}"\n'
            f'username = "writer"\npassword = "{ghcr.accounts.of("writer").secret}"\n'
        )
        yield Ends(hub=hub, ghcr=ghcr, behind=behind, pushing=pushing, config=config)


def push_platforms(ends: Ends) -> str:
    """An image of two platforms with an attestation for each; returns the digest of its index."""
    url, client = ends.behind.url, ends.pushing
    entries = []
    for it in ("amd64", "arm64"):
        digest, entry = push_image(client, url, FROM, it, architecture=it, layers=(it.encode(), b"shared"))
        _, told = push_image(client, url, FROM, f"{it}-att", label=it, layers=(f"provenance {it}".encode(),))
        unknown = {"os": "unknown", "architecture": "unknown"}
        note = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest}
        entries += [entry, {**told, "platform": unknown, "annotations": note}]
    return push_index(client, url, FROM, "2.2.1", entries)


def sign(ends: Ends, index: str) -> str:
    """An SBOM that refers to the image, listed under the fallback tag."""
    artifact = "application/spdx+json"
    more: dict[str, Any] = {"subject": {"mediaType": INDEX, "digest": index, "size": 1}, "artifactType": artifact}
    digest, entry = push_image(ends.pushing, ends.behind.url, FROM, "sbom", layers=(b"sbom",), more=more)
    push_index(ends.pushing, ends.behind.url, FROM, fallback_tag(index), [{**entry, "artifactType": artifact}])
    return digest


def harness(ends: Ends, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    capsys.readouterr()
    status = cli.main(["registry", *words, "--config", str(ends.config)])
    said = capsys.readouterr()
    return status, said.out + said.err


def test_a_copy_with_nothing_to_do_reads_no_manifest(ends: Ends, capsys: pytest.CaptureFixture[str]) -> None:
    index = push_platforms(ends)
    sign(ends, index)
    push_image(ends.pushing, ends.behind.url, FROM, f"{fallback_tag(index)}.sig", layers=(b"signature",))
    assert harness(ends, capsys, "copy", SRC, DST)[0] == 0
    since = ends.seen()

    status, said = harness(ends, capsys, "copy", SRC, DST)

    assert (status, f"already had everything of {index}" in said) == (0, True), said
    assert ends.counted(since) == (0, 0)
    methods = Counter(it.method for it in ends.ghcr.requests()[since[1] :] if it.path != "/token")
    assert set(methods) == {"HEAD"}, methods


def test_a_verification_reads_the_manifests_of_the_copy_only_and_each_once(
    ends: Ends, capsys: pytest.CaptureFixture[str]
) -> None:
    push_platforms(ends)
    assert harness(ends, capsys, "copy", SRC, DST)[0] == 0
    since = ends.seen()

    status, said = harness(ends, capsys, "verify", SRC, DST)

    assert (status, "claims hold" in said) == (0, True), said
    assert ends.counted(since) == (0, 5)


@pytest.mark.parametrize("kind", ["listed", "cosign"])
def test_a_signature_that_came_later_is_copied_though_the_tag_is_the_same(
    ends: Ends, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    index = push_platforms(ends)
    assert harness(ends, capsys, "copy", SRC, DST)[0] == 0
    if kind == "listed":
        later = sign(ends, index)
    else:
        later, _ = push_image(ends.pushing, ends.behind.url, FROM, f"{fallback_tag(index)}.sig", layers=(b"signed",))

    status, said = harness(ends, capsys, "copy", SRC, DST)

    assert (status, "1 are referrers" in said) == (0, True), said
    assert harness(ends, capsys, "verify", SRC, DST)[0] == 0
    since = ends.seen()
    assert harness(ends, capsys, "copy", SRC, DST)[0] == 0
    assert ends.counted(since) == (0, 0)
    assert any(later in it.path and it.status == 201 for it in ends.ghcr.requests())


def test_a_registry_that_does_not_give_the_digest_by_head_is_read(
    ends: Ends, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = push_platforms(ends)
    assert harness(ends, capsys, "copy", SRC, DST)[0] == 0
    since = ends.seen()
    answer = httpx.Client.send

    def without_digest(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        response = answer(self, request, **options)
        if request.method == "HEAD" and str(ends.hub.port) in str(request.url):
            response.headers.pop("docker-content-digest", None)
        return response

    monkeypatch.setattr(httpx.Client, "send", without_digest)
    status, said = harness(ends, capsys, "copy", SRC, DST)

    assert (status, f"already had everything of {index}" in said) == (0, True), said
    assert ends.counted(since) == (1, 0)


def test_a_plan_copies_a_release_and_reports_only_what_is_stale(
    ends: Ends, registry_binary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = catalogue.load().release("2.5.2")
    sources = [release.image, release.hook_image, f"{release.chart_oci.removeprefix('oci://')}:2.5.2"]
    with serve(registry_binary, tmp_path / "ghcr" / "storage", tmp_path / "ghcr.log") as ghcr:
        for name in sources:
            image = ImageReference.parse(name)
            push_image(ends.pushing, ghcr.url, image.repository, image.tag, label=name, layers=(name.encode(),))
    moving = ImageReference.parse(spark.reference(release.spark))
    push_image(ends.pushing, ends.behind.url, moving.repository, moving.tag, label="first")
    push_image(ends.pushing, ends.behind.url, FROM, "2.2.1")
    plan = tmp_path / "plan.toml"
    plan.write_text(
        f'[[release]]\nversion = "2.5.2"\nto = "{ends.ghcr.address}/mirror"\n[[image]]\nsrc = "{SRC}"\ndst = "{DST}"\n'
    )
    words = ("copy", "--plan", str(plan))

    status, said = harness(ends, capsys, *words, "--dry-run")
    assert (status, said.count("stale "), "0 of 5 were up to date" in said) == (1, 5, True), said
    assert not [it for it in ends.ghcr.requests() if it.method in ("PUT", "POST")]
    status, said = harness(ends, capsys, *words)
    assert (status, said.count("copied "), f"{ends.ghcr.address}/mirror/{moving.repository}:" in said) == (0, 5, True)

    since = ends.seen()
    status, said = harness(ends, capsys, *words)
    assert (status, said) == (0, "5 of 5 were up to date\n")
    assert ends.counted(since) == (0, 0)

    push_image(ends.pushing, ends.behind.url, moving.repository, moving.tag, label="second")
    status, said = harness(ends, capsys, *words)
    assert (status, said.count("failed "), "4 of 5 were up to date" in said, "--replace" in said) == (3, 1, True, True)
    status, said = harness(ends, capsys, *words, "--replace", "--json")
    stale = [it for it in json.loads(said)["images"] if it["stale"]]
    assert (status, [(it["source"], it["copied"]) for it in stale]) == (0, [(str(moving), True)])


def test_what_a_plan_cannot_be_copied_from_does_not_stop_the_rest(
    ends: Ends, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push_platforms(ends)
    plan = tmp_path / "plan.toml"
    gone = "docker.io/kubeflow/spark-operator:9.9.9"
    other = f"{DST.rpartition(':')[0]}:9.9.9"
    plan.write_text(f'[[image]]\nsrc = "{gone}"\ndst = "{other}"\n[[image]]\nsrc = "{SRC}"\ndst = "{DST}"\n')

    status, said = harness(ends, capsys, "copy", "--plan", str(plan))

    assert (status, f"failed  {gone}" in said, f"copied  {SRC}" in said) == (3, True, True), said
    assert "404" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["copy", SRC], "SRC and DST, or --plan"),
        (["copy", SRC, DST, "--plan", "plan.toml"], "SRC and DST, or --plan"),
        (["copy", SRC, DST, "--dry-run", "--thorough"], "--dry-run compares digests only"),
        (["copy", "--plan", "no-such.toml"], "does not exist"),
    ],
)
def test_a_copy_of_two_minds_is_refused(
    ends: Ends, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    status, shown = harness(ends, capsys, *words)

    assert (status, said in shown) == (2, True), shown


def test_a_thorough_copy_puts_back_what_was_lost_under_the_same_tag(
    ends: Ends, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    push_platforms(ends)
    assert harness(ends, capsys, "copy", SRC, DST)[0] == 0
    head = ends.pushing.head(f"{ends.behind.url}/v2/{FROM}/manifests/arm64", headers={"Accept": MANIFEST})
    lost = head.headers["docker-content-digest"].partition(":")[2]
    for link in (tmp_path / "ghcr" / "storage").rglob(f"_manifests/revisions/sha256/{lost}/link"):
        link.unlink()
    assert harness(ends, capsys, "verify", SRC, DST)[0] == 3

    status, said = harness(ends, capsys, "copy", SRC, DST, "--thorough", "--json")

    assert (status, json.JSONDecoder().raw_decode(said)[0]["manifests"]) == (0, 1), said
    assert harness(ends, capsys, "verify", SRC, DST)[0] == 0
