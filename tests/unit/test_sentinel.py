# SPDX-License-Identifier: Apache-2.0
"""Secrets are found wherever they are, in each form in which they show up."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from harness.redaction import sentinel

_TOKEN = "ghp_" + "aB3dEfGhIjKlMnOpQrStUvWxYz0123456789"[:36]


@pytest.mark.parametrize("before", ["", "x", "xy", "user:", '{"auth":"', "robot$ci:"])
def test_a_token_is_found_within_base64_of_anything(before: str, tmp_path: Path) -> None:
    text = base64.b64encode(f"{before}{_TOKEN} and more".encode()).decode()
    (tmp_path / "log").write_text(f"a line\n… {text} …\n")
    assert sentinel.in_files([_TOKEN], [tmp_path]) == [str(tmp_path / "log")]


def test_a_pull_secret_is_found_though_it_is_encoded_twice(tmp_path: Path) -> None:
    auth = base64.b64encode(f"reader:{_TOKEN}".encode()).decode()
    secret = base64.b64encode(f'{{"auths":{{"ghcr.io":{{"auth":"{auth}"}}}}}}'.encode()).decode()
    (tmp_path / "secret.yaml").write_text(f".dockerconfigjson: {secret}\n")
    assert sentinel.in_files([_TOKEN, auth], [tmp_path]) == [str(tmp_path / "secret.yaml")]


def test_files_without_a_token_are_not_told(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log").write_text("Authorization: Basic ***\nghp_***\n")
    (tmp_path / "empty").touch()
    assert sentinel.in_files([_TOKEN], [tmp_path]) == []
    (tmp_path / "deep" / "log").write_bytes(b"\x00\xff" + _TOKEN.encode())
    assert sentinel.in_files([_TOKEN], [tmp_path / "empty", tmp_path / "deep" / "log"]) == [
        str(tmp_path / "deep" / "log")
    ]


@pytest.mark.parametrize("where", ["argv", "environment"])
def test_a_process_that_was_given_a_token_is_found(where: str) -> None:
    waits = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"]
    argv = [*waits, _TOKEN] if where == "argv" else waits
    environment = {"LOGIN": f"reader:{_TOKEN}"} if where == "environment" else {}
    with subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert f"{process.pid} {where}" in sentinel.in_processes([_TOKEN])
        process.communicate()


def test_no_secret_is_in_no_process() -> None:
    assert sentinel.in_processes([]) == []
    assert sentinel.processes() > 1
