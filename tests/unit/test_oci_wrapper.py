# SPDX-License-Identifier: Apache-2.0
"""The OCI runtime wrapper takes rights away and never adds any."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.host import oci_wrapper

WITHOUT_SYS_RESOURCE = frozenset({"CAP_SYS_RESOURCE"})


def test_missing_capabilities_are_read_from_the_bounding_set() -> None:
    status = "Name:\tx\nCapEff:\t0000000000000000\nCapBnd:\t000001fffeffffff\n"

    assert oci_wrapper.missing_capabilities(oci_wrapper.bounding_set(status)) == WITHOUT_SYS_RESOURCE


def test_a_full_bounding_set_misses_nothing() -> None:
    assert oci_wrapper.missing_capabilities(oci_wrapper.bounding_set("CapBnd:\t000001ffffffffff")) == frozenset()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--root", "/r", "--log", "/l", "--log-format", "json", "create", "--bundle", "/b", "--pid-file", "p", "id"],
         ("/b/config.json", True)),
        (["--root=/r", "--systemd-cgroup", "run", "-b", "/b", "id"], ("/b/config.json", True)),
        (["--debug", "restore", "--bundle=/b", "id"], ("/b/config.json", True)),
        (["--log-format", "json", "exec", "--process", "/p.json", "--detach", "id"], ("/p.json", False)),
        (["exec", "id", "sh"], None),
        (["--root", "create", "state", "id"], None),
        (["--version"], None),
        ([], None),
    ],
)  # fmt: skip
def test_the_file_that_runc_is_about_to_read(arguments: list[str], expected: tuple[str, bool] | None) -> None:
    assert oci_wrapper.file_to_trim(arguments) == expected


def test_the_bundle_is_the_current_folder_when_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert oci_wrapper.file_to_trim(["create", "id"]) == (f"{tmp_path}/config.json", True)


def process(**parts: Any) -> dict[str, Any]:
    return {"args": ["sh"], "capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"], "ambient": None}, **parts}


def test_capabilities_that_the_host_lacks_go_from_every_set() -> None:
    trimmed = process()

    oci_wrapper.trim_process(trimmed, WITHOUT_SYS_RESOURCE, 0, {})

    assert trimmed["capabilities"] == {"bounding": ["CAP_CHOWN"], "ambient": []}


@pytest.mark.parametrize(
    ("asked", "own", "expected"), [(-999, 0, 0), (-999, -500, -500), (-100, 7, 0), (300, 0, 300), (0, 5, 0)]
)
def test_an_oom_score_never_goes_below_the_hosts(asked: int, own: int, expected: int) -> None:
    trimmed = process(oomScoreAdj=asked)

    oci_wrapper.trim_process(trimmed, WITHOUT_SYS_RESOURCE, own, {})

    assert trimmed["oomScoreAdj"] == expected


def test_limits_are_lowered_to_the_hosts_and_never_raised() -> None:
    infinity = 2**64 - 1
    trimmed = process(
        rlimits=[
            {"type": "RLIMIT_NOFILE", "hard": 1048576, "soft": 1048576},
            {"type": "RLIMIT_CORE", "hard": infinity, "soft": 0},
            {"type": "RLIMIT_NPROC", "hard": 10, "soft": 5},
        ]
    )

    limits = {"RLIMIT_NOFILE": 20000, "RLIMIT_CORE": infinity, "RLIMIT_NPROC": 100}
    oci_wrapper.trim_process(trimmed, WITHOUT_SYS_RESOURCE, 0, limits)

    assert [(it["soft"], it["hard"]) for it in trimmed["rlimits"]] == [(20000, 20000), (0, infinity), (5, 10)]


def test_scores_and_limits_stay_where_the_host_may_set_them() -> None:
    trimmed = process(oomScoreAdj=-500, rlimits=[{"type": "RLIMIT_NOFILE", "hard": 1048576, "soft": 1048576}])

    oci_wrapper.trim_process(trimmed, frozenset({"CAP_SYS_TIME"}), 0, {"RLIMIT_NOFILE": 20000})

    assert trimmed["oomScoreAdj"] == -500
    assert trimmed["rlimits"][0]["hard"] == 1048576


def test_a_bundle_keeps_everything_else(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"ociVersion": "1.0.2", "process": process(), "linux": {"namespaces": []}}))

    oci_wrapper.trim_file(str(file), True, WITHOUT_SYS_RESOURCE)

    content = json.loads(file.read_text())
    assert content["linux"] == {"namespaces": []}
    assert content["process"]["args"] == ["sh"]
    assert content["process"]["capabilities"]["bounding"] == ["CAP_CHOWN"]


def test_it_becomes_the_runtime_with_the_same_arguments_and_status(tmp_path: Path) -> None:
    # runc itself would need a container; what counts here is what the program behind the wrapper is given.
    runtime = tmp_path / "runtime"
    runtime.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 7\n')
    runtime.chmod(0o755)

    argv = [sys.executable, "-S", "-E", oci_wrapper.__file__, str(runtime), "--log", "a b", "state", "id"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stdout) == (7, "--log\na b\nstate\nid\n")


def test_a_missing_bundle_is_left_to_the_runtime_to_report(tmp_path: Path) -> None:
    argv = [sys.executable, "-S", "-E", oci_wrapper.__file__, "/bin/true", "create", "--bundle", str(tmp_path), "id"]

    assert subprocess.run(argv, capture_output=True, timeout=30, check=False).returncode == 0
