# SPDX-License-Identifier: Apache-2.0
"""Login plugins of kubeconfigs: real programs, which a client of a real kubeconfig runs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from fake_api_server import api_server

from harness import children
from harness.errors import ApiError, ApiServerAway, UsageError
from harness.kube import exec_login, loading
from harness.kube.api import connect, get, listed
from harness.kube.login import access, logged_in
from harness.late import client

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


class Guarded:
    """An API server that lists nothing to those who have a token that it takes, over real HTTP."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.asked: list[str] = []


@pytest.fixture
def guarded(plugin: Plugin) -> Iterator[Guarded]:
    state = Guarded()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = str(self.headers["Authorization"]).removeprefix("Bearer ")
            state.asked.append(token)
            status, body = (200, b'{"items": []}') if token in state.taken else (401, b"{}")
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        document = yaml.safe_load(plugin.kubeconfig.read_text())
        document["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{server.server_port}"
        plugin.kubeconfig.write_text(yaml.safe_dump(document))
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def _pods(api: client.ApiClient) -> Any:
    return listed(client.CoreV1Api(api).list_namespaced_pod, "it")


def _apis(api: client.ApiClient) -> Any:
    return get(api, "/apis")["items"]


@pytest.mark.parametrize("ask", [_pods, _apis], ids=["call", "path"])
@pytest.mark.parametrize("until", [{}, {"expirationTimestamp": "2099-01-01T00:00:00Z"}], ids=["no-end", "holds"])
def test_a_login_that_the_server_no_longer_takes_is_asked_for_again(
    plugin: Plugin, guarded: Guarded, ask: Callable[[client.ApiClient], Any], until: dict[str, str]
) -> None:
    plugin.gives(token="first", **until)
    guarded.taken = {"first"}
    one, another = connect(plugin.kubeconfig), connect(plugin.kubeconfig)
    assert ask(one) == []
    program = plugin.folder / "plugin"
    program.write_text(program.read_text().replace("first", "second"))
    guarded.taken = {"second"}
    assert ask(one) == ask(one) == ask(another) == []
    assert guarded.asked == ["first", "first", "second", "second", "first", "second"]
    assert plugin.runs == 2


def test_a_plugin_whose_logins_are_all_refused_is_not_run_for_each_request(plugin: Plugin, guarded: Guarded) -> None:
    plugin.gives(token="useless")
    api = connect(plugin.kubeconfig)
    for _ in range(3):
        with pytest.raises(ApiError) as refused:
            _pods(api)
        assert refused.value.status == 401
    assert plugin.runs == 2
    assert guarded.asked == ["useless"] * 3


def test_a_client_certificate_is_changed_when_it_is_refused(plugin: Plugin, guarded: Guarded) -> None:
    plugin.gives(clientCertificateData="-----BEGIN CERTIFICATE-----\n1\n", clientKeyData="key")
    api = connect(plugin.kubeconfig)
    program = plugin.folder / "plugin"
    program.write_text(program.read_text().replace("1\\n", "2\\n"))
    with pytest.raises(ApiError):
        _pods(api)
    pool = api.rest_client.pool_manager.connection_pool_kw
    assert Path(pool["cert_file"]).read_text() == "-----BEGIN CERTIFICATE-----\n2\n"
    assert len(guarded.asked) == 2


def test_a_plugin_that_fails_later_is_an_api_server_that_is_away(plugin: Plugin, guarded: Guarded) -> None:
    plugin.gives(token="first", expirationTimestamp=_in(seconds=2))
    guarded.taken = {"first", "second"}
    api = connect(plugin.kubeconfig)
    program = plugin.folder / "plugin"
    fine = program.read_text()
    program.write_text("#!/bin/sh\necho 'Error: no route to the login service' >&2; exit 1\n")
    time.sleep(2)
    with pytest.raises(ApiServerAway, match=r"plugin .* exited with status 1: .*no route") as away:
        _pods(api)
    assert "log in again" in away.value.next_step
    with pytest.raises(ApiServerAway, match="exited with status 1"):
        connect(plugin.kubeconfig)
    # It may come back.
    program.write_text(fine.replace("first", "second").replace(_in()[:10], "2099-01-01"))
    assert _pods(api) == []
    assert guarded.asked == ["second"]


def test_a_login_that_still_holds_is_used_where_the_plugin_fails(plugin: Plugin) -> None:
    plugin.gives(token="first", expirationTimestamp=_in(seconds=20))
    api = connect(plugin.kubeconfig)
    (plugin.folder / "plugin").write_text(f"#!/bin/sh\necho x >> {plugin.folder}/runs; exit 1\n")
    time.sleep(0.1)
    for asked in exec_login._asked.values():
        asked.fresh_until = datetime.now(UTC)
    assert api.configuration.auth_settings()["BearerToken"]["value"] == "Bearer first"
    assert plugin.runs == 2


def test_clients_that_wait_for_one_plugin_do_not_wait_for_another_one_each(
    plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exec_login, "PLUGIN_SECONDS", 1.0)
    plugin.says("exec sleep 60")

    def tried(_: int) -> str:
        with pytest.raises(UsageError) as error:
            plugin.token()
        return error.value.message

    with ThreadPoolExecutor(4) as pool:
        told = set(pool.map(tried, range(4)))
    assert len(told) == 1
    assert "did not answer within 1 s" in told.pop()
    assert plugin.runs == 1


def test_a_path_of_the_plugins_own_is_not_where_it_is_looked_for(
    plugin: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin.gives(token="found")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("PATH", str(plugin.folder), prepend=":")
    document = yaml.safe_load(plugin.kubeconfig.read_text())
    document["users"][0]["user"]["exec"] |= {
        "command": "plugin",
        "env": [{"name": "PATH", "value": f"{tmp_path}/elsewhere:/usr/bin:/bin"}],
    }
    plugin.kubeconfig.write_text(yaml.safe_dump(document))
    assert plugin.token() == "Bearer found"


def test_of_joined_kubeconfigs_each_path_is_from_its_own(plugin: Plugin, tmp_path: Path) -> None:
    answer = {"apiVersion": _V1, "kind": "ExecCredential", "status": {"token": "x"}}
    plugin.says(
        f'printf "%s" "$KUBERNETES_EXEC_INFO" > {plugin.folder}/info\necho \'{json.dumps(answer)}\'',
        command="./plugin",
        provideClusterInfo=True,
    )
    document = yaml.safe_load(plugin.kubeconfig.read_text())
    there = tmp_path / "there"
    there.mkdir()
    (there / "ca").write_text("x")
    document["clusters"][0]["cluster"]["certificate-authority"] = "ca"
    (there / "config").write_text(yaml.safe_dump({"clusters": document.pop("clusters")}))
    plugin.kubeconfig.write_text(yaml.safe_dump(document))
    configuration = client.Configuration()
    loading.from_file(configuration, Path(f"{there}/config:{plugin.kubeconfig}"), "fake")
    assert configuration.api_key["BearerToken"] == "Bearer x"
    assert json.loads((plugin.folder / "info").read_text())["spec"]["cluster"]["certificate-authority-data"] == "eA=="
