# SPDX-License-Identifier: Apache-2.0
"""The hosts of the small internet that only send on: registry.k8s.io, the Helm repository and its releases."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from harness.internet.names import hosts
from harness.internet.pages import Pages
from harness.registries.front import access_log
from harness.registries.front.access_log import AccessLog
from harness.registries.local import Server

_HOSTS = hosts()
_K8S, _CHARTS = _HOSTS.kubernetes, _HOSTS.charts
_CHART = "/v2.5.2/spark-operator-2.5.2.tgz"


def ask(folder: Path, host: str, path: str, login: str = "", method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of what is answered to a request."""
    (folder / "v2.5.2").mkdir(exist_ok=True)
    (folder / "index.yaml").write_text("entries: {}\n")
    (folder / _CHART[1:]).write_bytes(b"chart")
    storage = Server(url="http://storage", storage=folder, log_file=folder / "log")

    async def go() -> tuple[int, dict[str, str], bytes]:
        with AccessLog(folder / "pages.jsonl") as log:
            pages = Pages(_K8S, _CHARTS, folder=folder, storage=storage, log=log)
            async with TestClient(TestServer(pages.application())) as client:
                headers = {"Host": host, **({"Authorization": login} if login else {})}
                answer = await client.request(method, path, headers=headers, allow_redirects=False)
                return answer.status, dict(answer.headers), await answer.read()

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/v2/pause/manifests/3.10", f"https://{_K8S.regional}/v2/{_K8S.path}/pause/manifests/3.10"),
        (
            f"/v2/coredns/coredns/blobs/sha256:{'0' * 64}",
            f"https://{_K8S.blobs}/containers/images/sha256:{'0' * 64}?repository=coredns/coredns",
        ),
    ],
)
def test_registry_k8s_io_sends_on(tmp_path: Path, path: str, where: str) -> None:
    status, headers, _ = ask(tmp_path, _K8S.host, path)

    assert (status, headers["Location"]) == (307, where)


def test_registry_k8s_io_wants_a_token_that_anybody_gets(tmp_path: Path) -> None:
    status, headers, _ = ask(tmp_path, _K8S.host, "/v2/")

    assert (status, headers["WWW-Authenticate"]) == (
        401,
        f'Bearer realm="https://{_K8S.host}/token",service="{_K8S.host}"',
    )
    assert ask(tmp_path, _K8S.host, "/token")[0] == 200
    assert ask(tmp_path, _K8S.host, "/v2/", "Bearer 00")[0] == 200
    assert ask(tmp_path, _K8S.host, "/v2/pause/manifests/1", method="PUT")[0] == 405


def test_a_chart_is_on_a_third_host(tmp_path: Path) -> None:
    assert ask(tmp_path, _CHARTS.pages, _CHARTS.index)[2] == b"entries: {}\n"
    status, headers, _ = ask(tmp_path, _CHARTS.releases, _CHARTS.files + _CHART)
    assert status == 302
    assert headers["Location"].startswith(f"https://{_CHARTS.assets}{_CHART}?sig=")
    assert ask(tmp_path, _CHARTS.assets, f"{_CHART}?sig=x")[2] == b"chart"
    assert ask(tmp_path, _CHARTS.assets, _CHART)[0] == 404
    assert ask(tmp_path, _CHARTS.assets, "/pages.jsonl?sig=x")[0] == 404


def test_a_login_that_was_taken_along_to_another_host_is_told(tmp_path: Path) -> None:
    ask(tmp_path, _K8S.host, "/v2/pause/manifests/3.10", "Bearer 00")
    ask(tmp_path, _CHARTS.releases, _CHARTS.files + _CHART, "Bearer 00")

    log = access_log.read(tmp_path / "pages.jsonl")
    assert [(it.host, it.user) for it in log] == [(_K8S.host, ""), (_CHARTS.releases, "a login")]
