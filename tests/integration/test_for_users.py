# SPDX-License-Identifier: Apache-2.0
"""What others include: the GitHub action, the pre-commit hook, the completion of a shell, the example of own rows."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from installation import Installation

from harness import cli, process, settings
from harness.bootstrap import tools
from harness.settings import PROJECT_ROOT

ACTION: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "action.yml").read_text())
STEPS: dict[str, dict[str, Any]] = {it["name"]: it for it in ACTION["runs"]["steps"] if "name" in it}
SCRIPTS = {name: it["run"] for name, it in STEPS.items() if "run" in it}
EXAMPLE = PROJECT_ROOT / "docs" / "examples" / "own-rows"
STALE = "image: docker.io/kubeflow/spark-operator:2.5.2\n"


class Workspace:
    """A job's folders, and its steps run by bash as GitHub runs them."""

    def __init__(self, root: Path, installed: Installation) -> None:
        self.folder = root / "workspace"
        self.temp = root / "temp"
        for folder in (self.folder, self.temp):
            folder.mkdir()
        (self.temp / "harness").symlink_to(installed.folder)
        self._installed = installed

    def run(self, step: str, **variables: str) -> subprocess.CompletedProcess[str]:
        files = {"GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary"}
        environment = {
            **self._installed.environment(**variables),
            "RUNNER_TEMP": str(self.temp),
            **{name: str(self.temp / file) for name, file in files.items()},
        }
        # https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax: `shell: bash`.
        argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", SCRIPTS[step]]
        return subprocess.run(argv, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300)

    def outputs(self) -> Mapping[str, str]:
        return dict(line.split("=", 1) for line in (self.temp / "output").read_text().splitlines())


@pytest.fixture
def workspace(tmp_path: Path, installed: Installation) -> Workspace:
    return Workspace(tmp_path, installed)


def test_no_input_is_a_part_of_a_script() -> None:
    for name, script in SCRIPTS.items():
        assert "${{" not in script, name
    for step in STEPS.values():
        assert "run" not in step or step["shell"] == "bash"


def test_the_action_fits_a_workflow_that_uses_it(tmp_path: Path) -> None:
    actionlint = tools.ensure(settings.load(environment=os.environ), ["actionlint"])["actionlint"].path
    page = (PROJECT_ROOT / "docs" / "ci.md").read_text()
    (example,) = re.findall(r"```yaml\n(name: Spark Operator.*?)```", page, re.S)
    shutil.copy(PROJECT_ROOT / "action.yml", tmp_path)
    workflows = tmp_path / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    file = workflows / "audit.yml"
    file.write_text(re.sub(r"uses: \S+/spark-operator-harness@\S+", "uses: ./", example))

    def lint() -> process.Completed:
        shellcheck = Path(sys.executable).parent / "shellcheck"
        argv: list[str | Path] = [actionlint, "-shellcheck", shellcheck, "-no-color", file]
        return process.call(argv, cwd=tmp_path, timeout=120, check=False)

    assert (lint().returncode, lint().stdout) == (0, "")
    file.write_text(file.read_text().replace("values:", "no-such-input:"))
    assert 'input "no-such-input" is not defined' in lint().stdout


def test_the_scripts_of_the_action_are_sound(tmp_path: Path) -> None:
    for name, script in SCRIPTS.items():
        file = tmp_path / f"{name}.sh"
        file.write_text("#!/bin/bash\nset -eo pipefail\n" + script)
        process.call([Path(sys.executable).parent / "shellcheck", file], timeout=60)


def test_stale_names_fail_the_action_and_are_in_the_sarif_file(workspace: Workspace) -> None:
    (workspace.folder / "deploy.yaml").write_text(STALE)

    audited = workspace.run("audit documents", AUDITED=".")
    decided = workspace.run("decide", DOCUMENTS=workspace.outputs()["status"], ADVICE="")

    assert audited.returncode == 0, audited.stderr
    found = json.loads(Path(workspace.outputs()["sarif"]).read_text())
    assert (
        found["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "deploy.yaml"
    )
    assert decided.returncode == 1
    assert "::error::stale image names" in decided.stdout


def test_what_is_in_order_passes_and_advice_is_in_the_summary(workspace: Workspace) -> None:
    (workspace.folder / "deploy.yaml").write_text("image: ghcr.io/kubeflow/spark-operator/controller:2.5.2\n")

    workspace.run("audit documents", AUDITED=".")
    advised = workspace.run("advise", FROM="2.1.1", TO="2.5.2")

    assert advised.returncode == 0, advised.stderr
    assert workspace.outputs()["status"] == "0"
    assert workspace.outputs()["advice"] in ("safe", "safe with these steps", "not known")
    assert "advice: 2.1.1 → 2.5.2" in (workspace.temp / "summary").read_text()
    assert workspace.run("decide", DOCUMENTS="0", ADVICE="safe").returncode == 0


@pytest.mark.parametrize(
    "word", ["$(touch here) `touch here`; touch here", pytest.param("--help", marks=pytest.mark.nightly)]
)
def test_an_input_is_no_command(workspace: Workspace, word: str) -> None:
    workspace.run("audit documents", AUDITED=word)
    advised = workspace.run("advise", FROM=word, TO="2.5.2")
    workspace.run("audit the images of the values", VALUES=word)

    assert advised.returncode != 0
    assert not (workspace.folder / "here").exists()


def test_the_hook_finds_stale_names_as_pre_commit_runs_it(installed: Installation, tmp_path: Path) -> None:
    (hook,) = yaml.safe_load((PROJECT_ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["language"] == "python"
    assert hook["pass_filenames"] is False
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True, timeout=60)
    # https://pre-commit.com/#hooks-entry: split by shlex, then args, in the root of the repository.
    argv = [*shlex.split(hook["entry"]), *hook["args"]]
    environment = installed.environment(PATH=f"{installed.program('harness').parent}:{os.environ['PATH']}")

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)

    assert run().returncode == 0
    (tmp_path / "deploy.yaml").write_text(STALE)
    stale = run()
    assert stale.returncode == 1
    assert "deploy.yaml:1:" in stale.stdout


def completed(script: Path, *words: str) -> list[str]:
    """What a real bash offers for the last of these words."""
    asked = f"""
        source {script}
        COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}
        function=$(complete -p harness); function=${{function#*-F }}; function=${{function%% *}}
        $function harness {shlex.quote(words[-1])} {shlex.quote(words[-2])}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "--norc", "-c", asked], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def test_bash_completes_commands_actions_options_and_choices(installed: Installation, tmp_path: Path) -> None:
    script = tmp_path / "harness.bash"
    script.write_text(installed.harness("completion", "bash", cwd=tmp_path).stdout)

    assert completed(script, "harness", "mat") == ["matrix"]
    assert completed(script, "harness", "audit", "do") == ["docs"]
    assert "--scenario" in completed(script, "harness", "run", "--sc")
    assert completed(script, "harness", "completion", "zs") == ["zsh"]


@pytest.mark.parametrize(("shell", "begins"), [("zsh", "#compdef harness"), ("tcsh", "#")])
def test_other_shells_get_a_script(shell: str, begins: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert script.startswith(begins)
    assert "matrix" in script


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        cli.main(["completion", "cmd"])
    assert refused.value.code == 2
    assert "invalid choice: 'cmd'" in capsys.readouterr().err


def test_the_example_of_own_rows_works_in_any_folder(installed: Installation, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "site")
    folder = tmp_path / "site"

    listed, advised, workflows = installed.each(
        ["matrix", "--json", "--path", "*@quay.io*", "--scenario", "operator-health"],
        ["advise", "--from", "2.2.1@docker.io", "--to", "2.5.2@quay.io"],
        ["workflow"],
        cwd=folder,
    )

    assert listed.returncode == 0, listed.stderr
    assert [it["id"] for it in json.loads(listed.stdout)] == [
        "kind-1.34/upgrade-2.2.1@docker.io-2.5.2@quay.io+crds=apply/operator-health"
    ]
    assert "our policy engine restarts" in advised.stdout
    assert workflows.returncode == 0, workflows.stderr


@pytest.mark.parametrize(
    "words",
    [("matrix",), ("run", "--collect-only"), ("audit", "docs", "."), ("advise", "--from", "a", "--to", "b")],
    ids=lambda words: words[0],
)
def test_a_mistake_in_own_rows_is_one_error_with_its_line(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "site")
    file = tmp_path / "site" / "rows" / "releases.toml"
    file.write_text(file.read_text().replace("quay.io", "docker.io"))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "site")

    assert cli.main([*words]) == 2
    told = capsys.readouterr().err
    assert re.search(rf"CatalogueError: {re.escape(str(file))}, line \d+: key host", told), told
    assert "Traceback" not in told
