# SPDX-License-Identifier: Apache-2.0
"""The `harness` command as a user meets it: exit statuses, and one clear error with the next step.

Clusters are played by scripted_run.py. A stand-in for `docker` gives the answers of an engine, since whether this
machine has one must not matter here.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import scripted_run

from harness import __version__, cli
from harness.commands import machine
from harness.options import RunOptions
from harness.run import setup
from harness.settings import PROJECT_ROOT

PI = "kind-1.34/install-2.5.2/spark-pi"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a script in which everything passes."""
    for name in ("HARNESS_SOURCE", "HARNESS_JOBS", "HARNESS_APP_SLOTS", "HARNESS_MIN_DISK_GB", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HARNESS_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setenv(scripted_run.FOLDER, str(tmp_path))
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.chdir(tmp_path)
    write_script(tmp_path)
    return tmp_path


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one program on PATH, a docker whose engine answers."""
    programs = tmp_path / "bin"
    programs.mkdir()
    info = {"ServerVersion": "20.10.24", "DockerRootDir": "/d", "CgroupVersion": "1", "NCPU": 2, "MemTotal": 1}
    (programs / "docker").write_text(f"#!/bin/sh\n/bin/cat <<'E'\n{json.dumps(info)}\nE\n")
    (programs / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    return programs


def write_script(folder: Path, **verdicts: Any) -> None:
    (folder / "script.json").write_text(json.dumps({name.replace("__", "-"): it for name, it in verdicts.items()}))


def scripted(*words: str) -> int:
    return cli.main(["run", "-p", "scripted_run", *words])


def asked(folder: Path) -> list[str]:
    events = folder / "events"
    lines = events.read_text().splitlines() if events.exists() else []
    return [line.split("/")[-1] for line in lines if " result " in line]


def refused(capsys: pytest.CaptureFixture[str], status: int, *words: str) -> str:
    """What was said to someone who got this status: an error by name, with a next step, without a traceback."""
    assert cli.main([*words]) == status
    captured = capsys.readouterr()
    said = captured.out + captured.err
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    assert re.search(r"^\w+Error: ", said, re.M)
    assert "\n  next: " in said
    return said


# tests/unit/test_plugin.py has the exit status of pytest for each verdict.
@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        ("passed", 0),
        pytest.param("broken-as-known", 0, marks=pytest.mark.nightly),
        ("failed", 1),
        ("error", 3),
        pytest.param("unavailable", 3, marks=pytest.mark.nightly),
        ("interrupt", 3),
    ],
)
def test_the_exit_status_of_a_run(folder: Path, verdict: str, status: int) -> None:
    write_script(folder, **{PI: verdict})

    assert scripted("--cell", PI) == status
    results = json.loads((folder / "reports" / "latest" / "results.json").read_text())
    assert results["planned"] == [PI]
    assert results["ended"]


def test_the_words_of_pytest_work_beside_ours(folder: Path) -> None:
    write_script(folder, **{PI: "failed", PI.replace("spark-pi", "ttl"): "failed"})
    words = ("--scenario", "retry", "--scenario", "spark-pi", "--scenario", "ttl")

    assert scripted(*words, "-x") == 1
    assert asked(folder) == ["retry", "spark-pi"]

    (folder / "events").unlink()
    assert scripted(*words, "--lf") == 1
    assert asked(folder) == ["spark-pi"]

    (folder / "events").unlink()
    assert scripted(*words, "-k", "retry") == 0
    assert asked(folder) == ["retry"]
    assert (folder / "cache" / "pytest").is_dir()


def test_a_request_is_understood_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    understand = setup.request
    times: list[RunOptions] = []

    def request(options: RunOptions) -> setup.Request:
        times.append(options)
        return understand(options)

    monkeypatch.setattr(setup, "request", request)
    write_script(folder, **{PI: "passed"})

    assert scripted("--cell", PI) == 0
    assert len(times) == 1


def test_collecting_starts_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scripted("--collect-only", "--cell", PI) == 0
    assert PI in capsys.readouterr().out
    assert not (folder / "events").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--env", "kind-1.39"], "no environment named 'kind-1.39'; did you mean kind-1."),
        (["--path", "install-2.5.9"], "no release named '2.5.9'; did you mean 2.5.2"),
        (["--path", "instal-2.5.2"], "did you mean install-2.5.2"),
        (["--scenario", "spark-pie"], "did you mean spark-pi"),
        (["--cell", "kind-1.34/install-2.5.2/spark-pie"], "did you mean spark-pi"),
        (["--cell", "kind-1.34/spark-pi"], "kind-1.34/install-2.5.2/spark-pi"),
        (["--cell", PI, "--env", "kind-1.36"], "contradicts --env kind-1.36"),
        (["--env", "k8s-*"], "no environment matches 'k8s-*'"),
        (["--tag", "nope"], "has the tag nope"),
        (["--repeat", "0"], "--repeat 0"),
        (["--jobs", "0"], "command line: key jobs"),
        (["--values", "none.yaml"], "none.yaml does not exist"),
        (["--config", "none.toml"], "none.toml does not exist"),
        (["--scenarios", "ttl"], "unknown option --scenarios; did you mean --scenario?"),
        (["--tag", "smoke,full"], "'smoke,full' is no tag: these are 2 tags"),
        (["--values", "profile:HA"], "no values profile 'HA'; did you mean 'ha'?"),
        (["--dry-run"], "`harness matrix` with the same options lists the cells"),
        (["install-2.5.2"], "write --path install-2.5.2"),
        ([PI], f"write --cell {PI}"),
        (["--scenario", "ttl", "-k", "install-2.4.0"], "-k install-2.4.0 deselects all of the 1 cells"),
        (["--scenario", "ttl", "-k", "retry"], "-k retry deselects all of the 1 cells"),
    ],
    ids=lambda it: " ".join(it)[:40] if isinstance(it, list) else "",
)
def test_wrong_options_end_with_2(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert said in refused(capsys, 2, "run", *words)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["matrix", "--shard", "3"], "--shards"),
        (["matrix", "--cells", "x"], "--cell"),
        (["advise", "--form", "2.1.1", "--to", "2.5.2"], "--from"),
        (["report", "ship", "--environment"], "--environments"),
        (["bootstrap", "-path=install-2.5.2"], "--path"),
    ],
)
def test_an_option_of_another_command_is_told_what_it_was_meant_for(
    capsys: pytest.CaptureFixture[str], words: list[str], meant: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        cli.main(words)
    assert refused.value.code == 2
    assert capsys.readouterr().err.strip().endswith(f"; did you mean {meant}?")


@pytest.mark.parametrize("action", ["list", "prune", "record-packages"])
def test_what_is_about_all_artefacts_takes_no_name(capsys: pytest.CaptureFixture[str], action: str) -> None:
    # Whoever names one to prune does not mean all the others.
    assert cli.main(["foundry", action, "operator-2.5.2"]) == 2
    assert "takes no names, and was given operator-2.5.2" in capsys.readouterr().err


def test_an_option_that_nobody_knows_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--nosuch"]) == 2
    said = capsys.readouterr().err
    assert "--nosuch" in said
    assert "next: `harness run --help`" in said


def test_a_client_that_tries_again_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("urllib3").setLevel(logging.NOTSET)
    assert cli.main(["run", "--nosuch"]) == 2
    assert not logging.getLogger("urllib3.connectionpool").isEnabledFor(logging.WARNING)


@pytest.mark.parametrize("words", [["run", "--jobs", "many"], ["run", "--source", "hub"], ["rn"], [], ["matrix", "x"]])
def test_what_argparse_refuses_ends_with_2(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)

    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_values_that_are_not_yaml_end_with_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "values.yaml").write_text("image:\n  tag: [1\n  other: 2\n")

    assert re.search(r"values\.yaml, line \d", refused(capsys, 2, "run", "--values", "values.yaml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jobs = \n", "line 1"),
        ("\njobz = 2\n", "line 2: key jobz: there is no such key; did you mean jobs?"),
        ('app_slots = "a"\n', "line 1: key app_slots"),
    ],
)
def test_a_broken_settings_file_ends_with_2(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (folder / "harness.toml").write_text(text)

    for command in ("run", "matrix", "doctor", "clean", "bootstrap"):
        told = refused(capsys, 2, command)
        assert said in told
        assert "harness.toml" in told


def test_a_broken_environment_variable_ends_with_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_JOBS", "many")

    assert "environment variable HARNESS_JOBS" in refused(capsys, 2, "run")


def test_a_source_without_its_settings_ends_with_2(engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, 2, "run", "--source", "mirror")

    assert "none is configured" in said
    assert '[mirrors."ghcr.io"]' in said


def test_without_an_engine_the_status_is_3(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folder))

    assert "there is no container engine" in refused(capsys, 3, "run", "--source", "foundry", "--cell", PI)
    assert not (folder / "reports").exists()


def test_with_a_disk_that_is_nearly_full_the_status_is_3(
    engine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_MIN_DISK_GB", "100000000")

    said = refused(capsys, 3, "run", "--source", "foundry", "--cell", PI)
    assert "is nearly full" in said
    assert "100000000.0 GB" in said


def test_without_tools_the_status_is_3(engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, 3, "run", "--source", "foundry", "--cell", PI)

    assert "helm is not on PATH" in said
    assert "nox -s bootstrap" in said


def test_a_cache_that_cannot_be_used_ends_with_3(
    engine: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # In /proc, nobody makes a folder, root neither.
    monkeypatch.setenv("HARNESS_CACHE", "/proc/cache")

    assert "HARNESS_CACHE" in refused(capsys, 3, "run", "--source", "foundry", "--cell", PI)


def test_a_report_that_cannot_be_written_ends_with_3(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_REPORTS", "/proc/reports")

    said = refused(capsys, 3, "run", "-p", "scripted_run", "--cell", PI)
    assert "cannot write the report" in said


def test_matrix_prints_what_a_ci_matrix_reads(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["matrix", "--json", "--cell", PI]) == 0
    assert PI in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])

    assert ended.value.code == 0
    assert __version__ in capsys.readouterr().out


def test_help_explains_every_option_and_the_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "3 the host, an input or the harness failed" in " ".join(capsys.readouterr().out.split())

    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    told = capsys.readouterr().out
    for flag in ("--cell", "--env", "--path", "--scenario", "--tag", "--source", "--keep", "--jobs", "--repeat"):
        assert flag in told


def test_ctrl_c_in_any_command_is_told_and_ends_with_3(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(machine, "_doctor", interrupt)

    assert cli.main(["doctor"]) == 3
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.usefixtures("own_folders")
def test_a_reader_that_goes_away_is_not_taken_for_an_answer() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    # rich would end with 1, which `harness advise` says of an upgrade that is not safe.
    command = [sys.executable, "-m", "harness.cli", "charts", "list"]
    done = subprocess.run(command, stdout=writes, cwd=PROJECT_ROOT, timeout=60, check=False)
    os.close(writes)
    assert done.returncode == 128 + signal.SIGPIPE


@pytest.mark.usefixtures("own_folders")
@pytest.mark.parametrize(("to", "status", "says"), [(">/dev/full", 3, "No space left on device"), (">&-", 0, "")])
def test_what_cannot_be_printed_is_told(to: str, status: int, says: str) -> None:
    # Short enough to be written only at the end, which Python would leave with 120.
    command = f"{sys.executable} -m harness.cli matrix --tag smoke {to}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=PROJECT_ROOT, timeout=120, check=False
    )
    assert (done.returncode, says in done.stderr, "Traceback" in done.stderr) == (status, True, False)


@pytest.mark.usefixtures("own_folders")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["images", "list"], "no image has been imported"),
        (["charts", "list"], "no chart has been imported"),
        (["shell", "--list"], "no cluster is kept; --keep keeps those of a run"),
    ],
)
def test_of_nothing_no_empty_table_is_shown(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert cli.main(words) == 0
    assert capsys.readouterr().out == f"{said}\n"


@pytest.mark.parametrize("words", [["matrix"], ["registry", "up"], ["report", "merge"]])
def test_the_help_of_a_command_is_that_of_the_whole_parser(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    told = []
    for parse in (cli.main, cli._parser().parse_args):
        with pytest.raises(SystemExit):
            parse([*words, "--help"])
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]


def test_before_a_command_help_lists_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["--help", "matrix"]):
        with pytest.raises(SystemExit):
            cli.main(words)
        assert re.search(r"^    snapshot ", capsys.readouterr().out, re.M)
    with pytest.raises(SystemExit):
        cli.main(["matrixx"])
    assert "'snapshot'" in capsys.readouterr().err
