# SPDX-License-Identifier: Apache-2.0
"""The example workflows of docs/publishing.md: their own steps, run by bash against local registries.

Only what GitHub puts in is put in here: variables of the environment, with the address of a local registry in the place
of its public name. Steps with actions, and the build, whose result is made here, are left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import process, settings
from harness.bootstrap import tools
from harness.registries.front.profile import profile
from harness.registries.front.server import Front
from harness.settings import PROJECT_ROOT

EXAMPLES = PROJECT_ROOT / "docs" / "examples" / "publishing"
BIN = Path(sys.executable).parent
VERSION = "2.2.1"

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="the steps use jq, as GitHub's machines have it")


def workflow(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((EXAMPLES / name).read_text())
    return read


def scripts(name: str) -> dict[str, str]:
    (job,) = workflow(name)["jobs"].values()
    return {step["name"]: step["run"] for step in job["steps"] if "run" in step}


class Machine:
    """What runs a workflow's steps: bash, with crane and the harness on PATH, in a folder that stays between steps."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = environment

    def step(self, name: str, title: str, **given: str) -> subprocess.CompletedProcess[str]:
        """Run a step as GitHub's runner does (`bash -e`), with the workflow's own variables below the given ones."""
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", scripts(name)[title]],
            cwd=self.folder,
            env={**os.environ, **workflow(name)["env"], **self.environment, **given},
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture(params=["docker.io", "ghcr.io"])
def front(request: pytest.FixtureRequest, registry_binary: Path, tmp_path: Path) -> Iterator[Front]:
    with Front(profile(request.param), folder=tmp_path / "front", binary=registry_binary) as made:
        yield made


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    crane = tools.ensure(settings.load(environment=os.environ), ["crane"])["crane"].path
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "crane").symlink_to(crane)
    path = f"{tmp_path / 'bin'}:{BIN}:{os.environ['PATH']}"
    folder = tmp_path / "work"
    write_layout(folder / "image")
    environment = {"PATH": path, "DOCKER_CONFIG": str(tmp_path / "docker"), "HARNESS_CACHE": str(tmp_path / "cache")}
    return Machine(folder, environment)


def write_layout(folder: Path) -> None:
    """What `docker buildx build --output type=oci,tar=false` leaves: an OCI layout whose index names one index."""

    def put(content: bytes) -> dict[str, Any]:
        digits = hashlib.sha256(content).hexdigest()
        (folder / "blobs" / "sha256" / digits).write_bytes(content)
        return {"digest": f"sha256:{digits}", "size": len(content)}

    (folder / "blobs" / "sha256").mkdir(parents=True)
    entries = []
    for architecture in ("amd64", "arm64"):
        layer = os.urandom(5_000)
        platform = {"os": "linux", "architecture": architecture}
        diff = f"sha256:{hashlib.sha256(layer).hexdigest()}"
        config = put(json.dumps({**platform, "rootfs": {"type": "layers", "diff_ids": [diff]}}).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **put(layer)}],
        }
        entries.append({"mediaType": manifest["mediaType"], **put(json.dumps(manifest).encode()), "platform": platform})
    kind = "application/vnd.oci.image.index.v1+json"
    index = put(json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode())
    (folder / "index.json").write_text(
        json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [{"mediaType": kind, **index}]})
    )
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def example_of(front: Front) -> str:
    return "ghcr.yml" if front.host == "ghcr.io" else "docker-hub.yml"


def test_the_steps_publish_to_a_registry_with_these_manners(front: Front, machine: Machine) -> None:
    given = {"REGISTRY": front.address, "SSL_CERT_FILE": str(front.ca), "VERSION": f"v{VERSION}"}
    token = front.accounts.of("writer").secret
    for title in ("Log in", "Push", "Check"):
        done = machine.step(example_of(front), title, **given, NAME="writer", TOKEN=token)
        assert done.returncode == 0, (title, done.stderr)
        assert token not in done.stdout + done.stderr
    pushed = [it for it in front.requests() if it.method == "PUT" and it.path.endswith(f"/manifests/{VERSION}")]
    assert [(it.user, it.status) for it in pushed] == [("writer", 201)]
    assert workflow(example_of(front))["env"]["REPOSITORY"] in pushed[0].path


def test_a_token_without_the_right_to_write_does_not_publish(front: Front, machine: Machine) -> None:
    given = {"REGISTRY": front.address, "SSL_CERT_FILE": str(front.ca), "VERSION": f"v{VERSION}"}
    machine.step(example_of(front), "Log in", **given, NAME="reader", TOKEN=front.accounts.of("reader").secret)

    done = machine.step(example_of(front), "Push", **given)

    assert done.returncode != 0
    assert re.search(r"denied|unauthorized", done.stderr, re.I), done.stderr


def test_the_move_copies_and_verifies_a_release(registry_binary: Path, tmp_path: Path, machine: Machine) -> None:
    hub_manners, ghcr_manners = profile("docker.io"), profile("ghcr.io")
    with (
        Front(hub_manners, folder=tmp_path / "hub", binary=registry_binary) as hub,
        Front(ghcr_manners, folder=tmp_path / "ghcr", binary=registry_binary) as ghcr,
    ):
        given = {"REGISTRY": hub.address, "SSL_CERT_FILE": str(hub.ca), "VERSION": f"v{VERSION}", "NAME": "writer"}
        for title in ("Log in", "Push"):
            done = machine.step("docker-hub.yml", title, **given, TOKEN=hub.accounts.of("writer").secret)
            assert done.returncode == 0, done.stderr
        rows = {"docker.io": hub, "ghcr.io": ghcr}
        (machine.folder / "harness.toml").write_text(
            "".join(f'[mirrors."{host}"]\nurl = "https://{it.address}"\nca = "{it.ca}"\n' for host, it in rows.items())
        )
        token = ghcr.accounts.of("writer").secret
        for title in ("Copy", "Verify"):
            done = machine.step("move.yml", title, VERSION=VERSION, NAME="writer", TOKEN=token)
            assert done.returncode == 0, (title, done.stderr)
            assert token not in done.stdout + done.stderr
        assert "claims hold" in done.stdout
        assert "platform linux/arm64" in done.stdout
        assert any(f"/spark-operator/controller/manifests/{VERSION}" in it.path for it in ghcr.requests())


def test_the_pair_differs_in_what_the_document_says_and_in_nothing_else() -> None:
    hub, ghcr = workflow("docker-hub.yml"), workflow("ghcr.yml")
    assert ghcr["permissions"] == {**hub["permissions"], "packages": "write"}
    assert {key for key in hub["env"] if hub["env"][key] != ghcr["env"][key]} == {"REGISTRY", "REPOSITORY"}
    differing = {
        old["name"]
        for old, new in zip(hub["jobs"]["publish"]["steps"], ghcr["jobs"]["publish"]["steps"], strict=True)
        if old != new
    }
    assert differing == {"Build", "Log in"}
    assert scripts("docker-hub.yml")["Log in"] == scripts("ghcr.yml")["Log in"]
    text = (PROJECT_ROOT / "docs" / "publishing.md").read_text()
    for word in ("packages: write", "GITHUB_TOKEN", "DOCKERHUB_TOKEN", *hub["env"].values(), *ghcr["env"].values()):
        assert f"`{word}`" in text, word


def test_the_examples_are_valid_workflows() -> None:
    actionlint = tools.ensure(settings.load(environment=os.environ), ["actionlint"])["actionlint"].path
    files = sorted(EXAMPLES.glob("*.yml"))
    argv: list[str | Path] = [actionlint, "-shellcheck", BIN / "shellcheck", "-no-color", *files]
    done = process.call(argv, cwd=PROJECT_ROOT, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_secrets_reach_no_command_line() -> None:
    written = {(it.name, title): script for it in EXAMPLES.glob("*.yml") for title, script in scripts(it.name).items()}
    assert any("--password-stdin" in script for script in written.values())
    for where, script in written.items():
        assert "${{" not in script, where
        assert not re.search(r"(?:--password|-p)[= ](?!-?stdin)", script), where
