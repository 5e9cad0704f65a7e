# SPDX-License-Identifier: Apache-2.0
"""Login plugins of kubeconfigs: real programs, which a client of a real kubeconfig runs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from fake_api_server import api_server

from harness import children
from harness.errors import UsageError
from harness.kube import exec_login
from harness.kube.api import connect
from harness.kube.login import access, logged_in

_V1 = "client.authentication.k8s.io/v1"


class Plugin:
    """A program in a folder of its own that counts how often it ran."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self.folder = folder
        self.kubeconfig = kubeconfig

    def says(self, script: str, **entry: Any) -> None:
        """Have the kubeconfig's user log in by a shell script."""
        program = self.folder / "plugin"
        program.write_text(f"#!/bin/sh\necho x >> {self.folder}/runs\n{script}\n")
        program.chmod(0o755)
        document = yaml.safe_load(self.kubeconfig.read_text())
        asked = {"apiVersion": _V1, "command": str(program), "interactiveMode": "IfAvailable", **entry}
        document["users"][0]["user"] = {"exec": asked}
        self.kubeconfig.write_text(yaml.safe_dump(document))

    def gives(self, version: str = _V1, **status: str) -> None:
        """Have it print a login."""
        answer = {"apiVersion": version, "kind": "ExecCredential", "status": status}
        self.says(f"cat <<'EOF'\n{json.dumps(answer)}\nEOF")

    @property
    def runs(self) -> int:
        file = self.folder / "runs"
        return len(file.read_text().split()) if file.exists() else 0

    def token(self) -> str:
        """What a new client sends."""
        api = connect(self.kubeconfig)
        return str(api.configuration.auth_settings()["BearerToken"]["value"])


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Plugin]:
    with api_server(tmp_path, {}) as cluster:
        yield Plugin(tmp_path, cluster.kubeconfig)


def _in(**ahead: float) -> str:
    return f"{datetime.now(UTC) + timedelta(**ahead):%Y-%m-%dT%H:%M:%SZ}"


def test_clients_share_one_login_while_it_holds(plugin: Plugin) -> None:
    plugin.gives(token="fresh", expirationTimestamp=_in(hours=1))
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: plugin.token(), range(8)))
    assert told == ["Bearer fresh"] * 8
    with logged_in(access(str(plugin.kubeconfig), "")) as api:
        assert api.configuration.auth_settings()["BearerToken"]["value"] == "Bearer fresh"
    assert plugin.runs == 1


def test_a_login_that_has_ended_is_asked_for_again_by_the_same_client(plugin: Plugin) -> None:
    plugin.gives(token="first", expirationTimestamp=_in(seconds=2))
    api = connect(plugin.kubeconfig)
    program = plugin.folder / "plugin"
    program.write_text(program.read_text().replace("first", "second").replace(_in()[:10], "2099-01-01"))
    time.sleep(2)
    assert api.configuration.auth_settings()["BearerToken"]["value"] == "Bearer second"
    assert plugin.runs == 2


def test_a_plugin_is_told_what_the_kubeconfig_says(plugin: Plugin) -> None:
    answer = {"apiVersion": _V1, "kind": "ExecCredential", "status": {"token": "TOKEN"}}
    document = yaml.safe_load(plugin.kubeconfig.read_text())
    document["clusters"][0]["cluster"]["extensions"] = [
        {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "here"}}
    ]
    plugin.kubeconfig.write_text(yaml.safe_dump(document))
    plugin.says(
        f'printf "%s" "$KUBERNETES_EXEC_INFO" > {plugin.folder}/info\n'
        f"echo '{json.dumps(answer)}' | sed \"s/TOKEN/$FLAVOUR-$1/\"",
        args=["mint"],
        env=[{"name": "FLAVOUR", "value": "sweet"}],
        provideClusterInfo=True,
    )
    assert plugin.token() == "Bearer sweet-mint"
    told = json.loads((plugin.folder / "info").read_text())
    assert (told["apiVersion"], told["kind"], told["spec"]["interactive"]) == (_V1, "ExecCredential", False)
    assert told["spec"]["cluster"]["server"] == document["clusters"][0]["cluster"]["server"]
    assert told["spec"]["cluster"]["config"] == {"audience": "here"}


def test_a_plugin_that_is_named_by_a_path_is_looked_for_from_its_kubeconfig(plugin: Plugin) -> None:
    plugin.gives(token="here")
    document = yaml.safe_load(plugin.kubeconfig.read_text())
    document["users"][0]["user"]["exec"]["command"] = "./plugin"
    plugin.kubeconfig.write_text(yaml.safe_dump(document))
    assert plugin.token() == "Bearer here"


def test_a_client_certificate_is_a_login(plugin: Plugin) -> None:
    plugin.gives(clientCertificateData="-----BEGIN CERTIFICATE-----\nx\n", clientKeyData="the key")
    found = exec_login.login(
        yaml.safe_load(plugin.kubeconfig.read_text())["users"][0]["user"]["exec"], {}, context="fake"
    )
    assert (found.certificate[:10], found.key, found.token) == ("-----BEGIN", "the key", "")


_OTHER = '{"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": {"token": "x"}}'


@pytest.mark.parametrize(
    ("script", "entry", "said", "step"),
    [
        ("true", {}, "printed nothing", "version"),
        ("echo Sign in first >&2", {}, "printed nothing: Sign in first", "version"),
        ("echo hello", {}, "printed something that is no ExecCredential", "version"),
        (f"echo '{_OTHER}'", {}, f"answered in client.authentication.k8s.io/v1beta1, and .* asks for {_V1}", "apiVer"),
        (
            "echo 'Error: session has ended' >&2; exit 3",
            {},
            "exited with status 3: .*session has ended",
            "log in again",
        ),
        ("exec sleep 60", {}, "did not answer within 1 s", "version"),
        ("true", {"interactiveMode": "Always"}, "wants to ask somebody", "take a context"),
        ("true", {"command": "no-such-plugin"}, "is not installed", "install it"),
        ("true", {"command": "no-such-plugin", "installHint": "pip\n  install it"}, "is not installed", "pip install"),
        ("true", {"apiVersion": ""}, "has no apiVersion", "config view"),
    ],
    ids=["nothing", "prompt", "text", "version", "status", "hangs", "asks", "missing", "hint", "unversioned"],
)
def test_a_plugin_that_gives_no_login_is_told_in_one_error(
    plugin: Plugin, monkeypatch: pytest.MonkeyPatch, script: str, entry: dict[str, str], said: str, step: str
) -> None:
    monkeypatch.setattr(exec_login, "PLUGIN_SECONDS", 1.0)
    plugin.says(script, **entry)
    with pytest.raises(UsageError, match=f"the login plugin .* of context fake {said}") as error:
        plugin.token()
    assert step in error.value.next_step
    with pytest.raises(UsageError, match=said), logged_in(access(str(plugin.kubeconfig), "")):
        pass


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({}, "gave no login"),
        ({"clientCertificateData": "x"}, "gave no login"),
        ({"token": "x", "expirationTimestamp": "2020-01-01T00:00:00Z"}, "expired on 2020-01-01 00:00 UTC"),
        ({"token": "x", "expirationTimestamp": "tomorrow"}, "'tomorrow', which is no time"),
    ],
    ids=["empty", "half", "past", "when"],
)
def test_a_login_that_is_of_no_use_is_told(plugin: Plugin, status: dict[str, str], said: str) -> None:
    plugin.gives(**status)
    with pytest.raises(UsageError, match=said):
        plugin.token()


def test_an_interruption_ends_a_plugin_with_its_children(plugin: Plugin) -> None:
    plugin.says(f"sleep 321 &\necho $! > {plugin.folder}/child\nwait")
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            plugin.token()
        except UsageError as told:
            errors.append(told)

    asking = threading.Thread(target=ask)
    asking.start()
    child = plugin.folder / "child"
    until = time.monotonic() + 10
    while not (child.exists() and child.read_text().strip()) and time.monotonic() < until:
        time.sleep(0.02)
    pid = int(child.read_text())
    # What the handlers of Ctrl-C and SIGTERM call.
    children.end_all()
    asking.join(10)
    assert "exited with status" in str(errors[0])
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
