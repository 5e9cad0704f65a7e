# SPDX-License-Identifier: Apache-2.0
"""What a user can get wrong about registries is one clear error of the real command, which asks nobody first."""

from __future__ import annotations

from pathlib import Path

import pytest
from registry_fakes import Answer, answering

from harness import cli
from harness.errors import SettingsError
from harness.images import login
from harness.images.mirrors import Mirror, MirrorMap

POD = "kind: Pod\nspec: {{containers: [{{image: {image}}}]}}\n"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = cli.main(list(words))
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert err.count("next:") == 1
    return status, err


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        ({"ghcr.io": "https://docker.io", "docker.io": "https://ghcr.io"}, "ghcr.io → docker.io → ghcr.io"),
        ({"docker.io": "https://registry-1.docker.io"}, "docker.io → docker.io"),
        (
            {
                "ghcr.io": "https://a.example",
                "a.example": "http://b.example:5000",
                "b.example:5000": "http://a.example",
            },
            "a.example → b.example:5000 → a.example",
        ),
    ],
)
def test_a_mirror_map_with_a_loop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: dict[str, str], shown: str
) -> None:
    file = tmp_path / "harness.toml"
    file.write_text("".join(f'[mirrors."{host}"]\nurl = "{url}"\n' for host, url in rows.items()))
    for words in (("matrix",), ("doctor",), ("registry", "verify", "a/b:1", "a/c:1")):
        status, err = run(capsys, *words, "--config", str(file))
        assert (status, f"the mirror map has a loop: {shown}" in err, f"{file}, line 1" in err) == (2, True, True), err


def test_a_row_that_only_adds_a_login_or_a_chain_that_ends_is_no_loop() -> None:
    login_only = Mirror.model_validate({"url": "https://ghcr.io", "username": "me", "password": "x"})
    assert MirrorMap(mirrors={"ghcr.io": login_only})
    assert MirrorMap(mirrors={"ghcr.io": Mirror(url="https://a.example"), "docker.io": Mirror(url="https://ghcr.io")})


@pytest.mark.parametrize("what", ["missing", "folder", "text"])
def test_an_unreadable_ca(tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str) -> None:
    ca = tmp_path / "ca.pem"
    if what == "folder":
        ca.mkdir()
    elif what == "text":
        ca.write_text("no certificate\n")
    file = tmp_path / "harness.toml"
    file.write_text(f'[mirrors."ghcr.io"]\nurl = "https://127.0.0.1:9"\nca = "{ca}"\n')
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(POD.format(image="ghcr.io/a/b:1"))
    commands = [
        ("audit", "images", "--manifests", str(manifest), "--config", str(file)),
        ("registry", "copy", "ghcr.io/a/b:1", "ghcr.io/a/c:1", "--config", str(file)),
        ("registry", "verify", "docker.io/a/b:1", "127.0.0.1:9/a/c:1", "--ca", str(ca)),
    ]
    for words in commands:
        status, err = run(capsys, *words)
        assert (status, str(ca) in err, "PEM" in err) == (2, True, True), err


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_token_file_that_others_can_use(tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: int) -> None:
    token = tmp_path / "token"
    token.write_text("ghp_SENTINEL\n")
    token.chmod(mode)
    with answering(lambda request: Answer(200)) as server:
        words = ("registry", "copy", "ghcr.io/a/b:1", f"{server.address}/a/b:1", "--token-file", str(token))
        status, err = run(capsys, *words)
        assert server.requests == []
    assert status == 2
    assert f"its mode is {mode:04o}" in err
    assert f"chmod 600 {token}" in err
    assert "SENTINEL" not in err


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda file: None, "cannot be read: No such file"),
        (lambda file: file.mkdir(mode=0o700), "is not a file"),
        (lambda file: (file.touch(0o600), file.write_text("\n")), "no token in its first line"),
        (lambda file: (file.touch(0o600), file.write_bytes(b"\xff \xfe")), "it is not text"),
    ],
)
def test_a_token_file_without_a_token(tmp_path: Path, prepare: object, said: str) -> None:
    file = tmp_path / "token"
    prepare(file)  # type: ignore[operator]
    with pytest.raises(SettingsError) as raised:
        login.from_file(file, "me")
    assert said in raised.value.message
    assert raised.value.next_step


def test_a_token_is_the_first_line_without_what_surrounds_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text("  ghp_abc \nsecond line\n")
    found = login.from_file(file, "me")
    assert (found.username, found.password.get_secret_value()) == ("me", "ghp_abc")
    assert "ghp_abc" not in repr(found)


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        ("ghcr.io/kubeflow/spark-operator:2.5.2", "mixed-up-host"),
        ("ghcr.io/Kubeflow/spark-operator/controller:2.5.2", "malformed"),
        ("ghcr.io/kubeflow/spark-operator/controller:", "malformed"),
    ],
)
def test_a_manifest_with_a_wrong_reference_names_where_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], image: str, rule: str
) -> None:
    (tmp_path / "pod.yaml").write_text(POD.format(image=f'"{image}"'))
    settings = tmp_path / "harness.toml"
    settings.write_text('[mirrors."docker.io"]\nurl = "http://127.0.0.1:9"\n')
    words = ["audit", "images", "--manifests", str(tmp_path), "--config", str(settings)]
    assert cli.main(words) == 1
    said = capsys.readouterr().out
    assert f"error {rule}: {image}: " in said
    assert "at pod.yaml: Pod/ spec.containers[0].image" in said
