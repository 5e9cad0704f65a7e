# SPDX-License-Identifier: Apache-2.0
"""`harness advise --ask-registry` against real registries: of the user's own, closed, behind a cache, and failing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pushing import push_image

from harness import cli
from harness.registries.front.profile import profile
from harness.registries.front.server import Front
from harness.registries.local import Security, Server, serve

# bcrypt of "open sesame", the only kind of hash that the server takes.
_HTPASSWD = "me:$2b$04$vK3oK2kAHnPJdIAxBm3ipum48/8yD61L2NPNV4Lrm8WNp1XQJ1PiW\n"
UPSTREAM = "ghcr.io/kubeflow/spark-operator/controller:2.5.2"
COPY = "copy the image: harness registry copy"


pytestmark = pytest.mark.usefixtures("own_folders")


@pytest.fixture
def pushing() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def closed(registry_binary: Path, tmp_path: Path, pushing: httpx.Client) -> Iterator[Server]:
    """A registry that wants a login, with 2.5.2 in it."""
    with serve(registry_binary, tmp_path / "closed", tmp_path / "closed.log") as open_one:
        push_image(pushing, open_one.url, "acme/spark-operator", "2.5.2")
    htpasswd = tmp_path / "htpasswd"
    htpasswd.write_text(_HTPASSWD)
    security = Security(htpasswd=htpasswd)
    with serve(registry_binary, tmp_path / "closed", tmp_path / "closed.log", security=security) as server:
        yield server


def log_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, password: str) -> None:
    folder = tmp_path / "docker"
    folder.mkdir(exist_ok=True)
    auth = base64.b64encode(f"me:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))


def advised(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    values: Mapping[str, Any] | None,
    *more: str | Path,
    ask: bool = True,
) -> dict[str, Any]:
    words: list[str] = []
    if values is not None:
        file = tmp_path / "prod.yaml"
        file.write_text(yaml.safe_dump(values))
        words = ["--values", str(file)]
    capsys.readouterr()
    asked = ["--ask-registry"] if ask else []
    cli.main(["advise", "--from", "2.4.0", "--to", "2.5.2", "--json", *words, *asked, *map(str, more)])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def own(host: str, **image: str) -> dict[str, Any]:
    return {"image": {"registry": host, "repository": "acme/spark-operator", **image}}


def told(found: Mapping[str, Any], image: str) -> str:
    (sentence,) = [it for it in found["registry"] if it["text"].startswith(f"{image},")]
    assert sentence["origin"] == "from the registry"
    assert "HEAD at " in sentence["where"]
    return str(sentence["text"])


def steps(found: Mapping[str, Any]) -> str:
    return "\n".join(it["text"] for it in found["steps"])


def test_what_is_there_needs_no_copy_and_what_is_missing_gets_one(
    registry: Server, tmp_path: Path, pushing: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    host = registry.url.removeprefix("http://")
    image = f"{host}/acme/spark-operator:2.5.2"
    values = {**own(host), "hook": {"upgradeCrd": True, "image": {"registry": host, "repository": "acme/kubectl"}}}

    before = advised(tmp_path, capsys, values)
    assert told(before, image) == f"{image}, for the operator: missing"
    assert f"{COPY} {UPSTREAM} {image}" in steps(before)
    hook = f"{host}/acme/kubectl:2.5.2"
    assert f"{COPY} ghcr.io/kubeflow/spark-operator/kubectl:2.5.2 {hook}" in steps(before)

    push_image(pushing, registry.url, "acme/spark-operator", "2.5.2")
    after = advised(tmp_path, capsys, values)
    assert told(after, image) == f"{image}, for the operator: there"
    assert image not in steps(after)
    assert hook in steps(after)
    assert told(after, hook).endswith("missing")


def test_it_asks_for_what_will_be_pulled_once_the_values_are_corrected(
    registry: Server, tmp_path: Path, pushing: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    host = registry.url.removeprefix("http://")
    push_image(pushing, registry.url, "acme/spark-operator", "2.5.2")
    image = f"{host}/acme/spark-operator:2.5.2"
    for values in (
        own(host, tag="v2.4.0"),
        {"image": {"repository": f"{host}/acme/spark-operator"}},
        {"platform": {"spark-operator": own(host)}},
    ):
        found = advised(tmp_path, capsys, values)
        assert told(found, image) == f"{image}, for the operator: there"


def test_images_of_applications_are_asked_for_at_their_registry(
    registry: Server, tmp_path: Path, pushing: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    host = registry.url.removeprefix("http://")
    push_image(pushing, registry.url, "apache/spark", "4.0.4")
    push_image(pushing, registry.url, "acme/spark-operator", "2.5.2")
    apps = tmp_path / "apps"
    apps.mkdir()
    images = ("apache/spark:4.0.4", "apache/spark:4.0.4", "hub/apache/spark:3.5.5", "etl:7")
    for number, image in enumerate(images):
        made = {
            "apiVersion": "sparkoperator.k8s.io/v1beta2",
            "kind": "SparkApplication",
            "metadata": {"name": f"a{number}"},
            "spec": {"image": f"{host}/{image}", "type": "Scala", "sparkVersion": "4.0.4"},
        }
        (apps / f"{number}.yaml").write_text(yaml.safe_dump(made))

    found = advised(tmp_path, capsys, own(host), "--apps", apps)

    assert told(found, f"{host}/apache/spark:4.0.4").endswith("for 2 applications: there")
    spark = f"{host}/hub/apache/spark:3.5.5"
    copy = f"{COPY} docker.io/apache/spark:3.5.5 {spark}"
    assert told(found, spark) == f"{spark}, for 1 application: missing; {copy}"
    assert told(found, f"{host}/etl:7").endswith("missing; push it, or correct what asks for it: 1 application")
    # What applications lack, they lack without the upgrade, too.
    assert found["answer"] == "safe with these steps"


def test_a_closed_registry_is_asked_with_this_machines_login(
    closed: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host = closed.url.removeprefix("http://")
    image = f"{host}/acme/spark-operator:2.5.2"

    stranger = told(advised(tmp_path, capsys, own(host)), image)
    assert f"could not be looked up: {host} answered 401" in stranger
    assert "missing" not in stranger

    log_in(tmp_path, monkeypatch, host, "open sesame")
    known = told(advised(tmp_path, capsys, own(host)), image)
    assert known.endswith(f"there, with the login of docker login alone: pods need a pull secret for {host}")
    other = {"image": {"registry": host, "repository": "acme/other"}}
    found = advised(tmp_path, capsys, other)
    assert told(found, f"{host}/acme/other:2.5.2").endswith("missing, asked with the login of docker login")

    log_in(tmp_path, monkeypatch, host, "wrong")
    assert "could not be looked up" in told(advised(tmp_path, capsys, own(host)), image)


def test_what_a_registry_cannot_say_is_never_missing(
    registry_binary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit, a failure, a cache before a registry that fails, and a host that nobody knows."""
    with ExitStack() as stack:
        front = stack.enter_context(Front(profile("ghcr.io"), folder=tmp_path / "front", binary=registry_binary))
        cached = stack.enter_context(
            serve(
                registry_binary,
                tmp_path / "cache-storage",
                tmp_path / "cache.log",
                cache_of=f"https://{front.address}",
                ca=front.ca,
            )
        )
        config = tmp_path / "harness.toml"
        rows = f'url = "https://{front.address}"\nca = "{front.ca}"\n'
        config.write_text(f'[mirrors."registry.company.example"]\n{rows}')
        for fault in (429, 503):
            front.fault("status", status=fault)
            text = told(
                advised(tmp_path, capsys, own("registry.company.example"), "--config", config),
                "registry.company.example/acme/spark-operator:2.5.2",
            )
            assert f"could not be looked up: the mirror https://{front.address} of registry.company.example" in text
            assert str(fault) in text
            host = cached.url.removeprefix("http://")
            behind = told(advised(tmp_path, capsys, own(host)), f"{host}/acme/spark-operator:2.5.2")
            assert "could not be looked up" in behind, behind
            front.mend()
    nowhere = told(advised(tmp_path, capsys, own("registry.invalid")), "registry.invalid/acme/spark-operator:2.5.2")
    assert "could not be looked up: registry.invalid could not be reached" in nowhere


def test_nothing_is_asked_without_being_told_to(
    registry: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = registry.url.removeprefix("http://")
    found = advised(tmp_path, capsys, own(host), ask=False)
    assert found["registry"] == []
    assert (
        f"whether {host}/acme/spark-operator:2.5.2 is there already: harness advise --ask-registry" in found["unknown"]
    )
    assert "/v2/acme" not in (tmp_path / "registry.log").read_text()


def test_nothing_that_a_registry_counts_is_asked_of_it(
    registry_binary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Front(profile("docker.io"), folder=tmp_path / "front", binary=registry_binary) as front:
        config = tmp_path / "harness.toml"
        config.write_text(f'[mirrors."docker.io"]\nurl = "https://{front.address}"\nca = "{front.ca}"\n')
        found = advised(tmp_path, capsys, own("docker.io"), "--config", config)
        asked = [it for it in front.requests() if "/manifests/2.5.2" in it.path]
    assert told(found, "docker.io/acme/spark-operator:2.5.2")
    assert asked[0].method == "HEAD"
    # Why it was refused, only the answer to a GET says, which nobody counts.
    assert {it.status for it in asked if it.method == "GET"} <= {401, 403}
