# SPDX-License-Identifier: Apache-2.0
"""Logins to an existing cluster by what is in a kubeconfig, as kubectl takes it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_api_server import api_server

from harness.errors import UsageError
from harness.kube import loading
from harness.kube.api import connect, get
from harness.kube.login import access, logged_in


def bearer(folder: Path, user: dict[str, Any]) -> str:
    """What a client of that user sends as its token."""
    with api_server(folder, {}) as cluster:
        document = yaml.safe_load(cluster.kubeconfig.read_text())
        document["users"][0]["user"] = user
        cluster.kubeconfig.write_text(yaml.safe_dump(document))
        with logged_in(access(str(cluster.kubeconfig), "")) as api:
            (login,) = api.configuration.auth_settings().values()
            return str(login["value"])


@pytest.mark.parametrize("written", ["fresh", "fresh\n", " fresh\r\n\n"])
@pytest.mark.parametrize("beside", [{}, {"token": "stale"}])
def test_the_token_of_a_file_is_taken_as_kubectl_takes_it(tmp_path: Path, written: str, beside: dict[str, str]) -> None:
    (tmp_path / "token").write_text(written)

    # The file is named from the folder of its kubeconfig.
    assert bearer(tmp_path, {"tokenFile": "token", **beside}) == "Bearer fresh"


@pytest.mark.parametrize(
    ("content", "why"), [(None, "cannot be read"), (b"\n", "is empty"), (b"\xff", "cannot be read")]
)
def test_a_token_file_without_a_token_is_told(tmp_path: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)

    with pytest.raises(UsageError, match=f"the token file of context fake {why}"):
        bearer(tmp_path, {"tokenFile": "token"})


def test_the_clients_of_a_run_take_it_likewise_and_read_it_again_each_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    with api_server(tmp_path, {}) as cluster:
        document = yaml.safe_load(cluster.kubeconfig.read_text())
        document["users"][0]["user"] = {"tokenFile": "token", "token": "stale"}
        cluster.kubeconfig.write_text(yaml.safe_dump(document))
        api = connect(cluster.kubeconfig)

        def sent() -> str:
            (login,) = api.configuration.auth_settings().values()
            return str(login["value"])

        assert get(api, "/apis")["items"] == []
        token.write_text("second\n")
        assert sent() == "Bearer first"
        assert loading.login_again(api.configuration)
        assert not loading.login_again(api.configuration)
        assert sent() == "Bearer second"
        monkeypatch.setattr(loading, "_FILE_HOLDS", timedelta(0))
        token.write_text("third\n")
        loading.login_again(api.configuration)
        token.write_text("fourth\n")
        assert sent() == "Bearer fourth"
        # While it is being written
        token.unlink()
        assert sent() == "Bearer fourth"


@pytest.mark.parametrize("entry", [{"name": "a"}, {"name": "a", "user": None}])
def test_a_user_that_has_only_a_name_sends_nothing_as_with_kubectl(tmp_path: Path, entry: dict[str, Any]) -> None:
    with api_server(tmp_path, {}) as cluster:
        document = yaml.safe_load(cluster.kubeconfig.read_text())
        document["users"] = [{**entry, "name": document["users"][0]["name"]}]
        cluster.kubeconfig.write_text(yaml.safe_dump(document))
        with logged_in(access(str(cluster.kubeconfig), "")) as api:
            assert api.configuration.auth_settings() == {}


def test_a_token_alone_is_taken_as_it_is(tmp_path: Path) -> None:
    assert bearer(tmp_path, {"token": "given"}) == "Bearer given"
