# SPDX-License-Identifier: Apache-2.0
"""The workflows for GitHub: as the matrix has it, and with all that a CI must not forget."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import cli, stories
from harness.ci import workflows
from harness.errors import CatalogueError, UsageError
from harness.matrix import catalogue, expand
from harness.matrix.select import Selection, choose
from harness.settings import PROJECT_ROOT

CATALOGUE = catalogue.load()
SCENARIOS = stories.scenarios()
TEXTS = {file.name: text for file, text in workflows.render(CATALOGUE, SCENARIOS).items()}
# YAML 1.1 takes the key `on` for true.
E2E: dict[Any, Any] = yaml.safe_load(TEXTS["e2e.yml"])
JOBS = E2E["jobs"]


def steps(job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = JOBS[job]["steps"]
    return found


def using(job: str, action: str) -> list[dict[str, Any]]:
    return [step for step in steps(job) if step.get("uses", "").startswith(f"{action}@")]


def test_what_is_checked_in_is_what_is_generated(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["workflow", "--check"]) == 0, capsys.readouterr().out


def test_printed_it_is_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["workflow"]) == 0
    assert capsys.readouterr().out == "\n".join(TEXTS.values())


@pytest.mark.parametrize("name", [*TEXTS, "action.yml"])
def test_every_action_is_pinned_with_its_version_beside_it(name: str) -> None:
    text = TEXTS.get(name) or (PROJECT_ROOT / name).read_text()
    used = re.findall(r"uses: (.*)$", text, re.M)
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", it) for it in used)


def test_the_plan_is_made_for_the_source_of_images_that_its_cells_have() -> None:
    (plan,) = [step for step in steps("plan") if step.get("id") == "plan"]
    assert plan["env"]["HARNESS_SOURCE"] == JOBS["cells"]["env"]["HARNESS_SOURCE"]


@pytest.mark.parametrize("name", TEXTS)
def test_jobs_have_a_time_and_little_rights(name: str) -> None:
    workflow = yaml.safe_load(TEXTS[name])
    assert workflow["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] for job in workflow["jobs"].values())
    assert not any("permissions" in job for job in workflow["jobs"].values())
    # A newer push ends what runs for an older one; what nobody pushed for gets to its end.
    cancels = workflow["concurrency"]["cancel-in-progress"]
    assert "pull_request" in cancels if "pull_request" in workflow[True] else cancels is False
    assert "secrets." not in TEXTS[name]


def test_what_a_user_wrote_reaches_no_script_but_as_a_variable() -> None:
    for job in JOBS:
        assert not [step for step in steps(job) if "${{" in step.get("run", "")]


def test_pull_requests_run_smoke_and_nights_nightly_on_as_many_machines_as_they_need() -> None:
    (script,) = [step["run"] for step in steps("plan") if step.get("id") == "plan"]
    ci, _ = workflows.read()
    tiers = {event.on: event for event in ci.event}
    assert {on: event.tier for on, event in tiers.items()} == {"pull_request": "smoke", "schedule": "nightly"}
    for on, event in tiers.items():
        clusters = len(expand.groups(choose(CATALOGUE, Selection(tags=(event.tier,)), SCENARIOS).cells))
        found = re.search(rf"{on}\) words\+=\(--tag {event.tier}\) SHARDS=(\d+)", script)
        assert found
        assert (int(found[1]) - 1) * event.clusters_per_shard < clusters <= int(found[1]) * event.clusters_per_shard
    assert E2E[True]["schedule"] == [{"cron": tiers["schedule"].cron}]
    inputs = E2E[True]["workflow_dispatch"]["inputs"]
    assert set(inputs) == {"tag", "env", "path", "source", "jobs", "shards"}
    assert inputs["tag"]["options"] == [*CATALOGUE.rules.names, "any"]


def test_cells_go_on_when_one_fails_and_their_reports_are_kept_always() -> None:
    cells = JOBS["cells"]
    assert cells["strategy"]["fail-fast"] is False
    assert "needs.plan.outputs.shards" in cells["strategy"]["matrix"]["shard"]
    (upload,) = using("cells", "actions/upload-artifact")
    assert upload["if"] == "always()"
    assert upload["with"]["retention-days"] == workflows.read()[0].retention_days


def test_what_the_foundry_builds_is_cached_by_what_it_is_built_from() -> None:
    (cache,) = using("cells", "actions/cache")
    folder = E2E["env"]["HARNESS_CACHE"]
    assert cache["with"]["path"].split() == [f"{folder}/artifacts", f"{folder}/registry"]
    for inputs in ("clusters/tools.toml", "clusters/nodes/**", "charts/images/**"):
        assert f"'{inputs}'" in cache["with"]["key"]


def test_one_job_merges_all_reports_and_one_check_needs_everything() -> None:
    assert JOBS["summary"]["if"] == JOBS["e2e"]["if"] == "always()"
    assert JOBS["e2e"]["needs"] == ["plan", "cells", "summary", "disturbed", "rehearsal"]
    merges = [step["run"] for step in steps("summary") if "report merge" in step.get("run", "")]
    assert merges == ["harness report merge shards --plan plan.json --output report --learn"]
    (upload,) = using("summary", "actions/upload-artifact")
    assert upload["if"] == "always()"
    (judge,) = steps("e2e")
    assert "needs.*.result" in judge["env"]["RESULTS"]


@pytest.mark.parametrize(
    ("results", "green"),
    [
        ("success success success success success", True),
        ("success success success skipped skipped", True),
        ("success success success failure success", False),
        ("success success success success failure", False),
        ("success success success cancelled skipped", False),
        ("success failure success skipped skipped", False),
        ("failure skipped success skipped skipped", False),
        ("success success success success", False),
    ],
)
def test_the_check_is_green_when_all_jobs_are(results: str, green: bool) -> None:
    (judge,) = steps("e2e")
    done = subprocess.run(["bash", "-ec", judge["run"]], env={"RESULTS": results}, capture_output=True, timeout=30)
    assert (done.returncode == 0) is green


def test_what_ci_leaves_to_the_night_runs_every_night() -> None:
    disturbed = JOBS["disturbed"]
    assert disturbed["if"] == "github.event_name == 'schedule'"
    scripts = [step["run"] for step in steps("disturbed") if "run" in step]
    assert scripts[-3:] == [
        "nox -s bootstrap",
        "nox -s tests -- -m '' --random-order-bucket=global",
        "nox -s tests -- -m '' -n 2 tests/e2e",
    ]


def test_the_public_registries_are_rehearsed_every_night() -> None:
    rehearsal = JOBS["rehearsal"]
    assert rehearsal["if"] == "github.event_name == 'schedule'"
    scripts = [step["run"] for step in steps("rehearsal") if "run" in step]
    assert scripts[-2] == "nox -s bootstrap"
    # Namespaces need root; the cache is that of the bootstrap.
    assert scripts[-1].startswith("sudo --preserve-env=HARNESS_CACHE,")
    assert " nox -s rehearse-upstream " in scripts[-1]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(PROJECT_ROOT / ".github", tmp_path / ".github")
    return tmp_path


def test_a_changed_workflow_is_shown_and_written_anew(root: Path) -> None:
    texts = workflows.render(CATALOGUE, SCENARIOS, root)
    assert not workflows.differences(texts)
    file = root / ".github" / "workflows" / "e2e.yml"
    file.write_text(file.read_text().replace("fail-fast: false", "fail-fast: true"))
    (root / ".github" / "workflows" / "ci.yml").unlink()
    lines = workflows.differences(texts)
    assert "-      fail-fast: true" in lines
    assert "+      fail-fast: false" in lines
    assert "+name: ci" in lines
    assert sorted(it.name for it in workflows.write(texts)) == ["ci.yml", "e2e.yml"]
    assert not workflows.differences(texts)
    assert workflows.write(texts) == []


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('tier = "smoke"', 'tier = "smoky"', r"line \d+: key tier: unknown tier 'smoky'"),
        ('cron = "23 2 * * *"\n', "", r"line \d+: key cron: a schedule needs `cron`, and no other event may have it"),
        ("clusters_per_shard = 2", "clusters_per_shard = 0", r"line \d+: key clusters_per_shard: input should be"),
        ('version = "v6.0.2"', 'version = "v6"', r"line \d+: key .*: string should match"),
        ('[actions."actions/cache"]', '[actions."actions/cash"]', "has no actions/cache"),
        ("retention_days", "retention", r"line \d+: key .*: this key is missing"),
    ],
)
def test_wrong_settings_are_named(root: Path, old: str, new: str, why: str) -> None:
    file = root / ".github" / "ci.toml"
    text = file.read_text()
    # Below the head, which has the names too.
    head, rest = text.split("\n\n", 1)
    assert old in rest
    file.write_text(f"{head}\n\n{rest.replace(old, new, 1)}")
    with pytest.raises(CatalogueError, match=why):
        workflows.render(CATALOGUE, SCENARIOS, root)


def test_the_workflow_for_the_operators_repository_tries_its_image_and_the_newest_upgrade(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["workflow", "--for-operator", "owner/harness@" + "0123abc456" * 4]) == 0
    made = yaml.safe_load(capsys.readouterr().out)
    cells = made["jobs"]["cells"]
    steps = {step.get("name", step.get("uses")): step for step in cells["steps"]}

    assert "pull_request" in made[True]
    assert [it["cells"] for it in cells["strategy"]["matrix"]["include"]] == [
        "--path install-dev --scenario spark-pi --scenario pyspark-pi --scenario scheduled",
        "--path upgrade-2.5.2-dev+crds=apply",
    ]
    checkouts = [step["with"] for step in cells["steps"] if str(step.get("uses")).startswith("actions/checkout@")]
    assert [it.get("repository") for it in checkouts] == [None, "owner/harness"]
    assert checkouts[1]["ref"] == "0123abc456" * 4
    assert "docker build --tag spark-operator:under-test ." in steps["build the operator's image"]["run"]
    assert '--operator spark-operator:under-test --chart "$chart"' in steps["run the cells"]["run"]
    assert all(re.search(r"@[0-9a-f]{40}$", step["uses"]) for step in cells["steps"] if "uses" in step)


def test_a_harness_without_a_commit_is_refused() -> None:
    with pytest.raises(UsageError, match="not a repository with a commit"):
        workflows.for_operator(catalogue.load(), "owner/harness")


def test_a_shortened_commit_of_the_harness_is_refused() -> None:
    with pytest.raises(UsageError, match="which GitHub does not find"):
        workflows.for_operator(catalogue.load(), "owner/harness@afcf4170")
    assert "ref: v1.0.0" in workflows.for_operator(catalogue.load(), "owner/harness@v1.0.0")


@pytest.mark.parametrize(("given", "told"), [("", []), ("deploy/my values.yaml", ["--values=./deploy/my values.yaml"])])
def test_the_advice_of_the_action_is_about_the_values(tmp_path: Path, given: str, told: list[str]) -> None:
    action = yaml.safe_load((PROJECT_ROOT / "action.yml").read_text())
    (step,) = [it for it in action["runs"]["steps"] if it.get("id") == "advice"]
    assert step["env"]["VALUES"] == "${{ inputs.values }}"
    # What is given to the harness is what matters here.
    program = tmp_path / "harness" / "bin" / "harness"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'advice: 2.1.1 → 2.5.2: safe'\nprintf '%s\\n' \"$@\"\n")
    program.chmod(0o755)
    files = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    variables = {"PATH": os.environ["PATH"], "RUNNER_TEMP": str(tmp_path), "FROM": "2.1.1", "TO": "2.5.2", **files}
    argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(argv, env={**variables, "VALUES": given}, capture_output=True, text=True, timeout=60)

    assert done.stdout.splitlines()[1:] == ["advise", "--from=2.1.1", "--to=2.5.2", *told], done.stderr
    assert (tmp_path / "GITHUB_OUTPUT").read_text() == "advice=safe\n"
