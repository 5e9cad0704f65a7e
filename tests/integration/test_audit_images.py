# SPDX-License-Identifier: Apache-2.0
"""`harness audit images` against a real registry, over charts that Helm really renders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pushing import push_image, push_index

from harness import cli, settings
from harness.foundry import gobuild, operator
from harness.foundry.store import Store
from harness.matrix import catalogue
from harness.matrix.release import Release
from harness.registries.local import Security, Server, serve
from harness.registries.referrers import fallback_tag

GHCR = "ghcr.io/kubeflow/spark-operator/controller"
_RELEASES = [it for it in catalogue.load().releases if "foundry" in it.sources and not it.relocated]
# bcrypt of "open sesame", the only kind of hash that the server takes.
_HTPASSWD = "me:$2b$04$vK3oK2kAHnPJdIAxBm3ipum48/8yD61L2NPNV4Lrm8WNp1XQJ1PiW\n"


@pytest.fixture
def pushing() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def mirrored(registry: Server, tmp_path: Path) -> Path:
    """Settings with the registry as the mirror of both hosts."""
    file = tmp_path / "harness.toml"
    file.write_text("".join(f'[mirrors."{host}"]\nurl = "{registry.url}"\n' for host in ("ghcr.io", "docker.io")))
    return file


def audit(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = cli.main(["audit", "images", "--json", *map(str, words)])
    out = capsys.readouterr()
    assert out.out, out.err
    return status, json.loads(out.out)


def rules(report: dict[str, Any]) -> dict[str, set[str]]:
    return {it["reference"]: {finding["rule"] for finding in it["findings"]} for it in report["images"]}


def write_pods(folder: Path, *images: str) -> Path:
    folder.mkdir(exist_ok=True)
    pods = [
        {"kind": "Pod", "metadata": {"name": f"p{number}"}, "spec": {"containers": [{"image": image}]}}
        for number, image in enumerate(images)
    ]
    (folder / "pods.yaml").write_text(yaml.safe_dump_all(pods))
    return folder


def test_planted_references_are_all_found_and_none_is_invented(
    registry: Server,
    mirrored: Path,
    tmp_path: Path,
    pushing: httpx.Client,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for repository, tag in [
        ("kubeflow/spark-operator/controller", "2.5.2"),
        ("kubeflow/spark-operator", "2.1.1"),
        ("apache/spark", "4.0.4"),
        ("apache/spark", "latest"),
        ("library/spark", "3.5.5"),
    ]:
        push_image(pushing, registry.url, repository, tag)
    folder = write_pods(
        tmp_path / "manifests",
        f"{GHCR}:2.5.2",
        "kubeflow/spark-operator:2.5.2",
        "ghcr.io/kubeflow/spark-operator:2.5.2",
        "kubeflow/spark-operator:2.1.1",
        "docker.io/apache/spark:4.0.4",
        "spark:3.5.5",
        "apache/spark",
        "apache/spark:9.9.9",
        "ghcr.io/Kubeflow/x:1",
    )

    status, report = audit(capsys, "--manifests", folder, "--config", mirrored)

    told = {"no-digest", "one-platform", "no-provenance", "unsigned"}
    assert status == 1
    assert rules(report) == {
        f"{GHCR}:2.5.2": told,
        "docker.io/kubeflow/spark-operator:2.5.2": {"stale-registry", "no-digest"},
        "ghcr.io/kubeflow/spark-operator:2.5.2": {"mixed-up-host", "no-digest"},
        "docker.io/kubeflow/spark-operator:2.1.1": told | {"old-release"},
        "docker.io/apache/spark:4.0.4": told,
        "docker.io/library/spark:3.5.5": told,
        "docker.io/apache/spark:latest": (told - {"no-digest"}) | {"mutable-tag"},
        "docker.io/apache/spark:9.9.9": {"missing", "no-digest"},
        "ghcr.io/Kubeflow/x:1": {"malformed"},
    }
    assert report["summary"] == {"images": 9, "unavailable": 0, "errors": 4, "warnings": 2, "notes": 22}


def test_what_is_known_of_an_image_is_told(
    registry: Server, mirrored: Path, tmp_path: Path, pushing: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "kubeflow/spark-operator/controller"
    labels = {"org.opencontainers.image.source": "https://example.com", "org.opencontainers.image.revision": "abc"}
    entries = [
        push_image(pushing, registry.url, name, it, architecture=it, labels=labels)[1] for it in ("amd64", "arm64")
    ]
    digest = push_index(pushing, registry.url, name, "2.5.2", entries)
    signature, _ = push_image(pushing, registry.url, name, f"{fallback_tag(digest)}.sig", label="signature")
    # GHCR's lists hide what a referrer is: only its manifest tells.
    more = {"artifactType": "application/spdx+json"}
    sbom, entry = push_image(pushing, registry.url, name, "sbom", label="sbom", more=more)
    listed = {**entry, "artifactType": "application/vnd.oci.empty.v1+json"}
    push_index(pushing, registry.url, name, fallback_tag(digest), [listed])

    status, report = audit(
        capsys, "--manifests", write_pods(tmp_path / "m", f"{GHCR}:2.5.2@{digest}"), "--config", mirrored
    )

    (image,) = report["images"]
    assert status == 0
    assert (image["state"], image["digest"], image["findings"]) == ("found", digest, [])
    assert image["platforms"] == ["linux/amd64", "linux/arm64"]
    assert image["labels"] == labels
    assert {(it["kind"], it["way"], it["digest"]) for it in image["proofs"]} == {
        ("signature", "cosign tag", signature),
        ("sbom", "referrers tag", sbom),
    }


def test_attestations_in_the_index_count(
    registry: Server, mirrored: Path, tmp_path: Path, pushing: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    _, entry = push_image(pushing, registry.url, "apache/spark", "amd64")
    _, statement = push_image(pushing, registry.url, "apache/spark", "statement", label="in-toto")
    statement["platform"] = {"os": "unknown", "architecture": "unknown"}
    statement["annotations"] = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": entry["digest"],
    }
    push_index(pushing, registry.url, "apache/spark", "4", [entry, statement])

    _, report = audit(capsys, "--manifests", write_pods(tmp_path / "m", "apache/spark:4"), "--config", mirrored)

    (image,) = report["images"]
    assert image["platforms"] == ["linux/amd64"]
    assert [(it["kind"], it["way"]) for it in image["proofs"]] == [("attestation", "index")]


def test_private_and_refused_are_told_apart(
    registry_binary: Path, tmp_path: Path, pushing: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    passwords = tmp_path / "htpasswd"
    passwords.write_text(_HTPASSWD)
    storage, log = tmp_path / "private", tmp_path / "private.log"
    with serve(registry_binary, storage, log) as server:
        push_image(pushing, server.url, "apache/spark", "4")
    folder = write_pods(tmp_path / "m", "apache/spark:4")
    config = tmp_path / "private.toml"
    with serve(registry_binary, storage, log, readonly=True, security=Security(htpasswd=passwords)) as server:
        config.write_text(f'[mirrors."docker.io"]\nurl = "{server.url}"\n')
        status, refused = audit(capsys, "--manifests", folder, "--config", config)
        assert (status, refused["images"][0]["state"]) == (1, "refused")
        assert "refused" in rules(refused)["docker.io/apache/spark:4"]
        config.write_text(config.read_text() + 'username = "me"\npassword = "open sesame"\n')
        status, private = audit(capsys, "--manifests", folder, "--config", config)
        assert (status, private["images"][0]["state"], private["images"][0]["private"]) == (0, "found", True)
        assert "private" in rules(private)["docker.io/apache/spark:4"]


def test_where_no_registry_is_in_reach_nothing_is_called_fine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "harness.toml"
    config.write_text('[mirrors."docker.io"]\nurl = "http://127.0.0.1:9"\n')
    folder = write_pods(tmp_path / "m", "apache/spark:4.0.4", f"{GHCR}:2.5.2", "kubeflow/spark-operator:2.5.2")

    status, report = audit(capsys, "--manifests", folder, "--config", config)

    assert status == 1
    assert {it["state"] for it in report["images"]} == {"unavailable"}
    assert report["summary"]["unavailable"] == 3
    assert "could not be reached" in report["images"][0]["message"]
    assert "there is no server for ghcr.io" in report["images"][1]["message"]
    assert "stale-registry" in rules(report)["docker.io/kubeflow/spark-operator:2.5.2"]
    assert cli.main(["audit", "images", "--manifests", str(folder), "--config", str(config)]) == 1
    assert "3 unavailable (nothing is known about them)" in capsys.readouterr().out


def _last(releases: Sequence[Release]) -> list[Any]:
    """The releases as parameters; all but the last are for the night, since each chart is rendered thirty times, and
    the sources of each are thousands of files.
    """
    return [pytest.param(it, id=it.version, marks=() if it is releases[-1] else pytest.mark.nightly) for it in releases]


@pytest.mark.parametrize("release", _last(_RELEASES))
def test_the_operators_own_chart_names_what_its_row_says(
    store: Store, release: Release, mirrored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = operator.chart(store, release.version)

    _, report = audit(capsys, "--chart", chart, "--config", mirrored)

    wanted = {release.image, release.hook_image} - {""}
    assert {it["reference"] for it in report["images"]} == wanted
    # The registry is empty, so that each is missing; nothing else is wrong with the chart.
    assert set().union(*rules(report).values()) == {"missing", "no-digest"}
    assert not [note for note in report["notes"] if note.startswith("not rendered")]


# What upstream's manifests for development ask for: tags of the controller have no v.
_TAG_WITH_V = ("config/default/kustomization.yaml: has no tag v2.5.0-rc.0",)
_IN_SOURCES = {"2.5.1": _TAG_WITH_V, "2.5.2": _TAG_WITH_V}


@pytest.mark.parametrize("release", _last(_RELEASES))
def test_the_operators_own_sources_hold_no_stale_reference_but_one(
    store: Store, release: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = operator.catalogue().row(release.version)
    folder = gobuild.module_folder(store, row.module, operator.catalogue().go_module, tmp_path / "log")

    expected = _IN_SOURCES.get(release.version, ())

    status = cli.main(["audit", "docs", str(folder)])

    output = capsys.readouterr().out
    found = re.findall(r"^(\S+?):\d+:\d+: error: .*?(has no tag \S+):", output, re.M)
    assert tuple(": ".join(it) for it in found) == expected
    assert status == (1 if expected else 0)
    assert f"{len(expected)} stale reference" in output


_POD = """\
apiVersion: v1
kind: Pod
metadata: {name: pod}
spec:
  containers:
  - name: main
    image: {{ .Values.image.registry }}/{{ .Values.image.repository }}:{{ .Chart.AppVersion }}
"""


def _small_chart(folder: Path) -> Path:
    """A chart that names the image as the operator's does, without the switches that have it rendered so often."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("{apiVersion: v2, name: small, version: 0.1.0, appVersion: 2.5.2}\n")
    (folder / "values.yaml").write_text(
        "image: {registry: ghcr.io, repository: kubeflow/spark-operator/controller}\non: true\n"
    )
    (folder / "templates" / "pod.yaml").write_text(_POD)
    return folder


def test_values_move_what_a_chart_names(mirrored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("image: {registry: docker.io, repository: kubeflow/spark-operator}\n")
    chart = _small_chart(tmp_path / "small")

    _, unmoved = audit(capsys, "--chart", chart, "--config", mirrored)
    assert set(rules(unmoved)) == {f"{GHCR}:2.5.2"}

    status, merged = audit(capsys, "--chart", chart, "--values", values, "--config", mirrored)
    assert status == 1
    assert set(rules(merged)) == {"docker.io/kubeflow/spark-operator:2.5.2"}
    assert "stale-registry" in rules(merged)["docker.io/kubeflow/spark-operator:2.5.2"]

    values.write_text("image: {registry: docker.io}\n")
    status, alone = audit(capsys, "--values", values, "--config", mirrored)
    assert status == 1
    assert rules(alone) == {"docker.io/kubeflow/spark-operator/controller": {"mixed-up-host"}}


def test_a_release_is_audited_with_its_samples(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The charts and tools of whoever runs the tests, and no images: nothing may be called found.
    cache = settings.load().cache_dir
    (tmp_path / "cache").mkdir()
    for name in ("artifacts", "logs", "locks", "work"):
        (cache / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "cache" / name).symlink_to(cache / name)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))

    status, report = audit(capsys, "--release", "2.5.2", "--source", "foundry")

    release = catalogue.load().release("2.5.2")
    assert status == 0
    assert {release.image, release.hook_image, "docker.io/apache/spark:4.0.4"} <= set(rules(report))
    assert {it["state"] for it in report["images"]} == {"unavailable"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "needs something to check"),
        (["--release", "2.5.3"], "2.5.2"),
        (["--chart", "/no/chart"], "/no/chart does not exist"),
        (["--manifests", "/no/folder"], "/no/folder does not exist"),
        (["--context", "no-such-context"], "no-such-context"),
        (["--manifests", ".", "--values", "a.yaml"], "--values can only be combined with"),
    ],
)
def test_what_cannot_be_looked_through_is_one_clear_error(
    words: list[str], said: str, mirrored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(["audit", "images", *words, "--config", str(mirrored)])
    err = capsys.readouterr().err
    assert status in (2, 3)
    assert said in err
    assert "next:" in err
    assert "Traceback" not in err
