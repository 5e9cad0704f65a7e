# SPDX-License-Identifier: Apache-2.0
"""`harness registry copy` and `verify` between real registries, behaving like GHCR where a token matters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pushing import INDEX, MANIFEST, digest_of, push_image, push_index

from harness import cli, settings
from harness.bootstrap import tools
from harness.process import call
from harness.registries.front.profile import profile
from harness.registries.front.server import Front
from harness.registries.local import Server, serve
from harness.registries.referrers import fallback_tag
from harness.settings import PROJECT_ROOT
from harness.waiting import until

SRC = "docker.io/kubeflow/spark-operator:2.2.1"
DST = "ghcr.io/kubeflow/spark-operator/controller:2.2.1"
FROM, TO = "kubeflow/spark-operator", "kubeflow/spark-operator/controller"


@dataclass(frozen=True)
class Ends:
    """Two registries, and the settings that lead both public names to them."""

    hub: Server
    ghcr: Server
    config: Path
    storage: Path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def pushing() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def ends(registry_binary: Path, tmp_path: Path) -> Iterator[Ends]:
    with ExitStack() as stack:
        hub, ghcr = (
            stack.enter_context(serve(registry_binary, tmp_path / name, tmp_path / f"{name}.log"))
            for name in ("hub", "ghcr")
        )
        config = tmp_path / "harness.toml"
        rows = {"docker.io": hub.url, "ghcr.io": ghcr.url}
        config.write_text("".join(f'[mirrors."{host}"]\nurl = "{url}"\n' for host, url in rows.items()))
        yield Ends(hub=hub, ghcr=ghcr, config=config, storage=tmp_path / "ghcr")


def push_release(client: httpx.Client, url: str) -> dict[str, str]:
    """An image of two platforms with a signature by cosign's tag, an SBOM, and a signature of that SBOM."""
    entries = [
        push_image(client, url, FROM, it, architecture=it, layers=(os.urandom(400_000), b"shared"))[1]
        for it in ("amd64", "arm64")
    ]
    index = push_index(client, url, FROM, "2.2.1", entries)
    signature, _ = push_image(client, url, FROM, f"{fallback_tag(index)}.sig", layers=(b"signature",))
    found = {"index": index, "signature": signature}
    subject: dict[str, Any] = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": index, "size": 1}
    for name, artifact in (("sbom", "application/spdx+json"), ("signed", "application/vnd.cncf.notary.signature")):
        more = {"subject": subject, "artifactType": artifact}
        digest, entry = push_image(client, url, FROM, name, layers=(name.encode(),), more=more)
        push_index(client, url, FROM, fallback_tag(subject["digest"]), [{**entry, "artifactType": artifact}])
        subject = {"mediaType": entry["mediaType"], "digest": digest, "size": entry["size"]}
        found[name] = digest
    return found


def harness(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    capsys.readouterr()
    status = cli.main(["registry", *map(str, words)])
    said = capsys.readouterr()
    return status, said.out, said.err


def exists(client: httpx.Client, url: str, identifier: str) -> bool:
    accept = {"Accept": f"{INDEX}, {MANIFEST}"}
    return client.head(f"{url}/v2/{TO}/manifests/{identifier}", headers=accept).status_code == 200


def test_everything_of_an_image_arrives_with_its_digest(
    ends: Ends, pushing: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    pushed = push_release(pushing, ends.hub.url)

    status, said, _ = harness(capsys, "copy", SRC, DST, "--config", ends.config)

    assert (status, "3 are referrers" in said) == (0, True), said
    assert all(exists(pushing, ends.ghcr.url, it) for it in pushed.values())
    assert exists(pushing, ends.ghcr.url, f"{fallback_tag(pushed['index'])}.sig")
    crane = tools.ensure(settings.load(environment={}), ["crane"])["crane"].path
    name = f"{ends.ghcr.address}/{TO}:2.2.1"
    assert call([crane, "digest", "--insecure", name], timeout=60).stdout.strip() == pushed["index"]
    for platform in ("linux/amd64", "linux/arm64"):
        call([crane, "validate", "--insecure", "--fast", "--remote", name, "--platform", platform], timeout=60)

    status, said, _ = harness(capsys, "verify", SRC, DST, "--config", ends.config, "--json")
    report = json.loads(said)
    claims = {it["what"]: it["same"] for it in report["claims"]}
    assert (status, report["same"], report["digest"]) == (0, True, pushed["index"])
    assert {
        "platform linux/amd64",
        "configuration of linux/arm64",
        "referrers that can be discovered from the image",
    } <= (claims.keys())
    blobs_of_image, blobs_of_referrers = 2 + 3, 3 * 2
    assert sum(it["what"].startswith("blob ") for it in report["claims"]) == blobs_of_image + blobs_of_referrers
    assert report["bytes"] > 800_000


def test_a_second_copy_sends_nothing(ends: Ends, pushing: httpx.Client, capsys: pytest.CaptureFixture[str]) -> None:
    push_image(pushing, ends.hub.url, FROM, "2.2.1", layers=(b"layer",))
    assert harness(capsys, "copy", SRC, DST, "--config", ends.config)[0] == 0
    before = ends.ghcr.log_file.stat().st_size

    status, said, _ = harness(capsys, "copy", SRC, DST, "--config", ends.config)

    assert (status, "had everything of" in said) == (0, True)
    log = ends.ghcr.log_file.read_text()[before:]
    assert '"HEAD ' in log
    assert not any(f'"{method} ' in log for method in ("PUT", "POST", "PATCH"))


def test_a_tag_of_another_image_stays_where_it_is_unless_told(
    ends: Ends, pushing: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    new, _ = push_image(pushing, ends.hub.url, FROM, "2.2.1", label="new")
    old, _ = push_image(pushing, ends.ghcr.url, TO, "2.2.1", label="old")

    status, _, said = harness(capsys, "copy", SRC, DST, "--config", ends.config)
    assert (status, f"already exists with digest {old}, not {new}" in said, "--replace" in said) == (3, True, True)
    status, said, _ = harness(capsys, "verify", SRC, DST, "--config", ends.config)
    assert (status, f"DIFFERENT digest: SRC has {new}, DST has {old}" in said) == (1, True)

    assert harness(capsys, "copy", SRC, DST, "--replace", "--config", ends.config)[0] == 0
    assert harness(capsys, "verify", SRC, DST, "--config", ends.config)[0] == 0


def test_a_damaged_layer_and_a_lost_referrer_are_found(
    ends: Ends, pushing: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    pushed = push_release(pushing, ends.hub.url)
    assert harness(capsys, "copy", SRC, DST, "--config", ends.config)[0] == 0
    digits = digest_of(b"shared").partition(":")[2]
    (blob,) = ends.storage.glob(f"docker/registry/v2/blobs/sha256/*/{digits}/data")
    blob.write_bytes(b"shaken")
    pushing.delete(f"{ends.ghcr.url}/v2/{TO}/manifests/{pushed['signed']}").raise_for_status()

    status, said, _ = harness(capsys, "verify", SRC, DST, "--config", ends.config)

    wrong = [line for line in said.splitlines() if line.startswith("DIFFERENT")]
    assert status == 1
    assert any(f"blob {digest_of(b'shared')}" in line for line in wrong)
    assert any(f"referrer: SRC has {pushed['signed']}, DST has none" in line for line in wrong)
    assert "claims do not hold" in said


@pytest.fixture
def front(registry_binary: Path, tmp_path: Path) -> Iterator[Front]:
    with Front(profile("ghcr.io"), folder=tmp_path / "front", binary=registry_binary) as made:
        yield made


def token_file(front: Front, user: str, folder: Path) -> Path:
    file = folder / f"{user}.token"
    file.touch(mode=0o600)
    file.write_text(front.accounts.of(user).secret + "\n")
    return file


def to_front(ends: Ends, front: Front, user: str = "") -> Path:
    """Settings that lead ghcr.io to the front, without a login unless for a user."""
    file = ends.config.with_name(f"front-{user}.toml")
    text = f'[mirrors."docker.io"]\nurl = "{ends.hub.url}"\n[mirrors."ghcr.io"]\nurl = "https://{front.address}"\n'
    text += f'ca = "{front.ca}"\n'
    if user:
        text += f'username = "{user}"\npassword = "{front.accounts.of(user).secret}"\n'
    file.write_text(text)
    return file


def test_a_private_package_is_pushed_with_a_token_of_a_file_that_appears_nowhere(
    ends: Ends, front: Front, pushing: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push_release(pushing, ends.hub.url)
    config = to_front(ends, front)
    words = ("--username", "writer", "--token-file", token_file(front, "writer", tmp_path), "--config", config)

    status, out, err = harness(capsys, "copy", SRC, DST, *words)
    assert status == 0, err
    status, more, _ = harness(capsys, "verify", SRC, DST, *words)
    assert status == 0
    secret = front.accounts.of("writer").secret
    assert secret not in out + err + more + front.log_file.read_text()
    assert not [it for it in (tmp_path / "cache").rglob("*") if it.is_file() and secret in it.read_text("latin-1")]
    assert {it.user for it in front.requests() if it.method in ("PUT", "POST")} == {"writer"}

    # Without the token, the package is private.
    status, _, err = harness(capsys, "verify", SRC, DST, "--config", config)
    assert status == 3
    assert "401" in err


def test_a_token_from_standard_input_and_a_login_of_the_settings_do_as_well(
    ends: Ends,
    front: Front,
    pushing: httpx.Client,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    push_image(pushing, ends.hub.url, FROM, "2.2.1", layers=(b"layer",))
    piped = tmp_path / "piped"
    piped.write_text(front.accounts.of("writer").secret + "\n")
    with piped.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        status, _, err = harness(capsys, "copy", SRC, DST, "--token-stdin", "--config", to_front(ends, front))
    assert status == 0, err
    status, said, err = harness(capsys, "copy", SRC, DST, "--config", to_front(ends, front, "writer"))
    assert (status, "had everything" in said) == (0, True), err


def test_a_token_that_may_not_write_is_told_with_what_it_lacks(
    ends: Ends, front: Front, pushing: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push_image(pushing, ends.hub.url, FROM, "2.2.1")
    file = token_file(front, "reader", tmp_path)

    status, _, err = harness(
        capsys, "copy", SRC, DST, "--username", "reader", "--token-file", file, "--config", to_front(ends, front)
    )

    assert status == 3
    assert "403" in err
    assert "write:packages" in err


@pytest.mark.parametrize(
    ("details", "said", "way"),
    [
        ({"creates": False}, "installation not allowed to Create organization package", "Package creation"),
        ({"packages": ("other/*",)}, "permission_denied: write_package", "Manage Actions access"),
        ({"packages": ("other/*",)}, "permission_denied: read_package", "Manage Actions access"),
    ],
    ids=["create", "write", "read"],
)
def test_a_first_push_that_ghcr_refuses_is_told_with_the_way_out(
    ends: Ends,
    front: Front,
    pushing: httpx.Client,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    details: dict[str, Any],
    said: str,
    way: str,
) -> None:
    push_image(pushing, ends.hub.url, FROM, "2.2.1")
    words = ("--token-file", token_file(front, "writer", tmp_path), "--config", to_front(ends, front))
    if "packages" in details:
        # Somebody pushed by hand before; whether everybody may read it decides what is refused first.
        assert harness(capsys, "copy", SRC, f"{DST}-by-hand", *words)[0] == 0
        front.publish(TO, "public" if "write" in said else "private")
    front.issue("robot", ["write:packages"], **details)
    words = ("--token-file", token_file(front, "robot", tmp_path), *words[2:])

    status, _, err = harness(capsys, "copy", SRC, DST, *words)

    assert status == 3
    assert said in err
    assert way in err
    if "creates" in details:
        front.issue("writer", ["write:packages"])
        assert (
            harness(capsys, "copy", SRC, DST, "--token-file", token_file(front, "writer", tmp_path), *words[2:])[0] == 0
        )
        # Once the package is there, the workflow's token does.
        status, _, err = harness(capsys, "copy", SRC, f"{DST}-again", *words)
        assert status == 0, err


def test_a_server_is_reached_by_its_own_name_with_its_ca(
    ends: Ends, front: Front, pushing: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push_image(pushing, ends.hub.url, FROM, "2.2.1")
    file = token_file(front, "writer", tmp_path)
    words = ("--token-file", file, "--ca", front.ca, "--config", to_front(ends, front))

    status, _, err = harness(capsys, "copy", SRC, f"{front.address}/{TO}", *words)

    assert status == 0, err
    assert any(it.path.endswith("/manifests/2.2.1") and it.method == "PUT" for it in front.requests())


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("cut", {"after": 200_000, "count": 3, "target": "blobs"}),
        ("status", {"status": 503, "retry_after": 0, "count": 2, "target": "uploads"}),
        ("status", {"status": 429, "retry_after": 0, "count": 1, "target": "manifests"}),
    ],
)
def test_a_registry_in_trouble_is_asked_again(
    ends: Ends,
    front: Front,
    pushing: httpx.Client,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: Any,
    details: dict[str, Any],
) -> None:
    push_image(pushing, ends.hub.url, FROM, "2.2.1", layers=(os.urandom(900_000),))
    words = ("--token-file", token_file(front, "writer", tmp_path), "--config", to_front(ends, front))
    if kind == "cut":
        # Then the front is what is copied from.
        assert harness(capsys, "copy", SRC, DST, *words)[0] == 0
        config = to_front(ends, front, "writer")
        front.fault(kind, **details)
        status, _, err = harness(capsys, "copy", DST, "docker.io/kubeflow/back:1", "--config", config)
        assert (status, front.faults()) == (0, []), err
        assert any(it.status == 206 for it in front.requests())
        status, _, err = harness(capsys, "verify", DST, "docker.io/kubeflow/back:1", "--config", config)
    else:
        front.fault(kind, **details)
        status, _, err = harness(capsys, "copy", SRC, DST, *words)
        assert front.faults() == []
    assert status == 0, err


def test_wrong_content_never_arrives(
    ends: Ends, front: Front, pushing: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = os.urandom(10_000)
    push_image(pushing, ends.hub.url, FROM, "2.2.1", layers=(layer,))
    words = ("--token-file", token_file(front, "writer", tmp_path), "--config", to_front(ends, front))
    assert harness(capsys, "copy", SRC, DST, *words)[0] == 0
    front.fault("wrong-digest", target="blobs")

    status, _, err = harness(
        capsys, "copy", DST, "docker.io/kubeflow/back:1", "--config", to_front(ends, front, "writer")
    )

    assert (status, "sent" in err, digest_of(layer) in err or "sha256:" in err) == (3, True, True)
    assert pushing.head(f"{ends.hub.url}/v2/kubeflow/back/manifests/1").status_code == 404


def test_a_copy_that_was_interrupted_goes_on_where_it_was(
    ends: Ends, front: Front, pushing: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = (b"small", os.urandom(1_000_000))
    push_image(pushing, ends.hub.url, FROM, "2.2.1", layers=layers)
    words = ("--token-file", token_file(front, "writer", tmp_path), "--config", to_front(ends, front))
    assert harness(capsys, "copy", SRC, DST, *words)[0] == 0
    front.fault("bandwidth", rate=100_000, target="blobs")
    config = to_front(ends, front, "writer")
    argv = ["registry", "copy", DST, "docker.io/kubeflow/back:1", "--config", str(config), "--jobs", "1"]
    child = subprocess.Popen([sys.executable, "-m", "harness.cli", *argv], cwd=PROJECT_ROOT, stderr=subprocess.PIPE)
    partial = tmp_path / "cache" / "copies"
    until(
        lambda: max((it.stat().st_size for it in partial.rglob("*") if it.is_file()), default=0),
        lambda size: size > 200_000,
        what="a part of the layer to arrive",
        timeout=60,
        interval=0.05,
    )
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert (child.returncode, b"Traceback" in said) == (3, False), said
    front.mend()
    seen = len(front.requests())

    status, _, err = harness(capsys, *argv[1:])

    assert status == 0, err
    ranged = [it for it in front.requests()[seen:] if it.status == 206]
    assert [it.bytes < 900_000 for it in ranged] == [True]
    assert not [it for it in partial.rglob("*") if it.is_file() and it.suffix != ".lock"]
    assert harness(capsys, "verify", DST, "docker.io/kubeflow/back:1", "--config", config)[0] == 0


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["copy", "ghcr.io/Kubeflow/a:1", DST], 2, "'Kubeflow' has capital letters"),
        (["copy", SRC, "https://ghcr.io/a/b:1"], 2, "it starts with a URL scheme"),
        (["verify", "a@sha256:12", DST], 2, "the digest 'sha256:12'"),
        (["copy", SRC, SRC], 2, "are the same place"),
        (["copy", SRC, DST, "--jobs", "0"], 2, "--jobs 0"),
        (["copy", SRC, DST, "--username", "me"], 2, "--username needs a token"),
        (["copy", "docker.io/kubeflow/none:1", DST], 3, "404"),
        (["copy", SRC, f"{DST}@sha256:{'0' * 64}"], 2, "names another"),
    ],
)
def test_what_cannot_be_copied_is_one_clear_error(
    ends: Ends,
    pushing: httpx.Client,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    status: int,
    said: str,
) -> None:
    push_image(pushing, ends.hub.url, FROM, "2.2.1")

    ended, _, err = harness(capsys, *words, "--config", ends.config)
    assert ended == status
    assert said in err
    assert "next:" in err
    assert "Traceback" not in err
