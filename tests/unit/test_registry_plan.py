# SPDX-License-Identifier: Apache-2.0
"""A plan of copies, of which one cannot be had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from registry_fakes import Answer, answering

from harness import cli

DIGEST = "sha256:" + "ab" * 32
THERE = {"Docker-Content-Digest": DIGEST, "Content-Type": "application/vnd.oci.image.manifest.v1+json"}


def test_what_is_wrong_with_one_image_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    auths = {"broken.example.com": {"auth": "no base64"}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with answering(lambda request: Answer(200, headers=THERE)) as server:
        rows = [
            ("broken.example.com/a/b:1", f"{server.address}/a/b:1"),
            (f"{server.address}/a/b:1", f"{server.address}/c/d:1"),
        ]
        plan = tmp_path / "plan.toml"
        plan.write_text("".join(f'[[image]]\nsrc = "{src}"\ndst = "{dst}"\n' for src, dst in rows))
        words = ["registry", "copy", "--plan", str(plan), "--dry-run", "--no-referrers", "--json"]

        assert cli.main(words) == 3

    images = json.loads(capsys.readouterr().out)["images"]
    assert [(it["error"] == "", it["stale"]) for it in images] == [(False, ""), (True, "")]
    assert "not base64" in images[0]["error"]
