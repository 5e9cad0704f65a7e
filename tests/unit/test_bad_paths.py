# SPDX-License-Identifier: Apache-2.0
"""Paths that lead nowhere, in a circle, to somebody else's file or to what nobody may look into: told in words."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import operator_trees
import pytest
import report_samples

from harness import cli, named_files, process
from harness.advice import files
from harness.apps import listing
from harness.errors import UsageError
from harness.releases import chart_files, manifests
from harness.run import lockstore
from harness.under_test import tree

APP = """\
apiVersion: sparkoperator.k8s.io/v1beta2
kind: SparkApplication
metadata: {name: mine}
spec: {image: docker.io/library/spark:4.0.0}
"""
STALE = "image: docker.io/kubeflow/spark-operator:2.1.0\n"
RUN = ("run", "--collect-only", "--cell")


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The exit status of a command, and what it says of what is wrong."""
    capsys.readouterr()
    status = cli.main(list(words))
    err = capsys.readouterr().err
    assert "internal error" not in err
    return status, err


def report(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(report_samples.run("spark-pi").model_dump_json())
    return folder


@pytest.fixture
def unlisted(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of folders that nobody can list: root, as which tests run in containers, may look into every other."""
    scandir, listdir = os.scandir, os.listdir

    def refused(path: str | Path) -> None:
        if Path(path).name == "theirs":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def scanned(path: str | Path = ".") -> Any:
        refused(path)
        return scandir(path)

    def listed(path: str | Path = ".") -> list[str]:
        refused(path)
        return listdir(path)

    monkeypatch.setattr(os, "scandir", scanned)
    monkeypatch.setattr(os, "listdir", listed)
    return "theirs"


def test_a_trend_takes_the_place_of_a_trend_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = report(tmp_path / "reports" / "one")
    before = (one / "results.json").read_text()
    notes, page = tmp_path / "notes.md", tmp_path / "trend.html"
    notes.write_text("mine\n")
    trend = ("report", "trend", str(tmp_path / "reports"), "--output")
    for file in (one / "results.json", notes):
        status, err = told(capsys, *trend, str(file))
        assert (status, f"cannot write {file}: it is there already" in err) == (3, True), err
    assert (one / "results.json").read_text() == before
    assert notes.read_text() == "mine\n"
    page.touch()
    for _ in range(2):
        assert cli.main([*trend, str(page)]) == 0
        assert page.stat().st_size > 1000


def test_findings_take_the_place_of_findings_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document, log = tmp_path / "a.yaml", tmp_path / "a.sarif"
    document.write_text(STALE)
    status, err = told(capsys, "audit", "docs", str(document), "--sarif", str(document))
    assert (status, f"{document} cannot be written: it is there already" in err) == (2, True), err
    assert document.read_text() == STALE
    script = tmp_path / "ci.sh"
    script.write_text("spark-operator-harness audit docs docs/ --sarif stale.sarif\n")
    assert told(capsys, "audit", "docs", str(document), "--sarif", str(script))[0] == 2
    assert script.read_text().startswith("spark-operator-harness")
    for _ in range(2):
        assert cli.main(["audit", "docs", str(document), "--sarif", str(log)]) == 1


def test_a_latest_report_that_leads_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = report(tmp_path / "one")
    monkeypatch.setenv("HARNESS_REPORTS", str(tmp_path))
    (tmp_path / "latest").symlink_to("latest")
    for action in ("open", "serve", "ship"):
        status, err = told(capsys, "report", action)
        assert (status, str(tmp_path / "latest") in err, "the latest are: one" in err) == (2, True, True), err
    status, err = told(capsys, "report", "merge", str(one), "--output", str(tmp_path / "latest"))
    assert (status, str(tmp_path / "latest") in err, "--output" in err) == (2, True, True), err


def test_any_other_path_that_leads_to_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "loop").symlink_to("loop")
    status, err = told(capsys, "rehearse", "--site", str(tmp_path / "loop"), "--to", "2.5.2", "--plan")
    assert status == 2
    assert str(tmp_path / "loop") in err


@pytest.mark.parametrize("option", ["--apps", "--before"])
def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(
    option: str, tmp_path: Path, unlisted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / unlisted).mkdir()
    (tmp_path / "a.yaml").write_text(APP)
    scenario = "user-apps" if option == "--apps" else "spark-pi"
    status, err = told(capsys, *RUN, f"kind-1.34/install-2.5.2/{scenario}", option, str(tmp_path))
    assert (status, f"{option} {tmp_path}: {tmp_path / unlisted} cannot be read: Permission denied" in err) == (2, True)
    assert "no manifest" not in err


def test_advice_and_audits_tell_a_folder_that_cannot_be_listed(
    tmp_path: Path, unlisted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / unlisted).mkdir()
    (tmp_path / "a.yaml").write_text(APP)
    status, err = told(capsys, "advise", "--from", "2.2.1", "--to", "2.5.2", "--apps", str(tmp_path))
    assert (status, f"{tmp_path / unlisted} cannot be read" in err) == (2, True), err
    refused: list[OSError] = []
    assert named_files.below(tmp_path, refused.append) == [tmp_path / "a.yaml"]
    assert [it.filename for it in refused] == [str(tmp_path / unlisted)]


def test_what_is_built_has_no_folder_that_cannot_be_listed(tmp_path: Path, unlisted: str) -> None:
    checkout = operator_trees.written(tmp_path / "operator")
    closed = checkout / "api" / unlisted
    closed.mkdir(parents=True)
    with pytest.raises(UsageError, match=f"--operator {checkout}: {closed} cannot be read: Permission denied"):
        tree.read(checkout)


def test_git_says_what_it_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = operator_trees.written(tmp_path / "operator")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(checkout))
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "all of it")):
        subprocess.run([*git, *words], check=True)
    call = process.call

    def warned(argv: Sequence[str], **given: Any) -> process.Completed:
        done = call(argv, **given)
        # As of a user who is not root, as which tests run in containers.
        says = "warning: could not open directory 'api/': Permission denied\n" if "--others" in argv else ""
        return dataclasses.replace(done, stderr=done.stderr + says)

    monkeypatch.setattr(process, "call", warned)
    with pytest.raises(UsageError, match=f"{checkout / 'api'} cannot be read: Permission denied"):
        tree.read(checkout)


def test_a_chart_with_a_folder_that_cannot_be_listed_is_not_read_in_part(tmp_path: Path, unlisted: str) -> None:
    (tmp_path / "Chart.yaml").touch()
    (tmp_path / "templates" / unlisted).mkdir(parents=True)
    with pytest.raises(UsageError, match=f"{tmp_path}/templates/{unlisted} of the chart cannot be read: Permission"):
        list(chart_files.files(tmp_path))


def test_what_is_below_a_folder_has_files_that_links_lead_to(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "file").touch()
    (tmp_path / "a").symlink_to("b/file")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "c").symlink_to("b")
    (tmp_path / "gone").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ".hidden").symlink_to("nowhere")
    assert named_files.below(tmp_path) == [tmp_path / "a", tmp_path / "b" / "file"]
    assert dict(named_files.tree(tmp_path).links) == {
        tmp_path / "c": "it is a link to a folder, and these are not followed",
        tmp_path / "gone": "it is a link that leads nowhere",
        tmp_path / "loop": "it is a link that leads nowhere",
    }


@pytest.mark.parametrize("name", ["b.YAML", "b.Yml", "b.yaml ", "b.JSON"])
def test_a_name_that_ends_nearly_as_a_manifest_is_told(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(APP)
    options = {"--apps": "kind-1.34/install-2.5.2/user-apps", "--before": "kind-1.34/install-2.5.2/spark-pi"}
    for option, cell in options.items():
        status, err = told(capsys, *RUN, cell, option, str(tmp_path))
        assert (status, name in err, "kubectl reads names that end in ." in err) == (2, True, True), err
    (tmp_path / "a.yaml").write_text(APP)
    cli.main(["advise", "--from", "2.2.1", "--to", "2.5.2", "--apps", str(tmp_path)])
    assert f"{name} is left out: kubectl reads names that end in" in capsys.readouterr().out
    (tmp_path / name).rename(tmp_path / "b.yaml.txt")
    cli.main(["advise", "--from", "2.2.1", "--to", "2.5.2", "--apps", str(tmp_path)])
    assert "kubectl reads" not in capsys.readouterr().out


def test_a_folder_of_applications_is_walked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    scandir = os.scandir

    def scanned(path: str | Path = ".") -> Any:
        looked.append(Path(path).name)
        return scandir(path)

    folder = folder_of_links(tmp_path / "apps")
    (folder / "inner").mkdir()
    (folder / "kustomization.yaml").write_text("patches: [{path: etl.yaml}]\n")
    monkeypatch.setattr(os, "scandir", scanned)
    listed = listing.manifests(folder)
    assert looked == ["apps", "inner"]
    assert [it.path for it in listed.passed] == ["gone.yaml", "others"]
    assert listed.patches == {(folder / "etl.yaml").resolve()}


def test_a_folder_without_a_lock_is_not_searched_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c/d"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "c" / "d" / "lock.json").write_text("{}")
    status, err = told(capsys, "run", "--collect-only", "--lock", str(tmp_path))
    assert (status, f"there is no lock.json in {tmp_path}" in err, f"give one of {tmp_path}/c/d" in err) == (2, 1, 1)
    monkeypatch.setattr(lockstore, "_LOOKED_AT", 2)
    status, err = told(capsys, "run", "--collect-only", "--lock", str(tmp_path))
    assert (status, "give the folder of a cell's evidence" in err) == (2, True), err


@pytest.mark.parametrize(("what", "why"), [("missing", "does not exist"), ("file", "it is a file"), ("loop", "a link")])
def test_a_folder_for_temporary_files_that_is_none(
    what: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv("TMPDIR", str(tmp_path / what))
    status, err = told(capsys, "matrix")
    assert (status, f"TMPDIR: {tmp_path / what} cannot" in err, why in err) == (3, True, True), err
    assert cli.main(["completion", "bash"]) == 0


def test_a_folder_for_temporary_files_is_the_same_for_each_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", "tmp")
    status, err = told(capsys, "matrix")
    assert (status, "TMPDIR: tmp cannot hold temporary files: it is not an absolute path" in err) == (3, True), err


def test_a_folder_for_temporary_files_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and access(path, mode))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    status, err = told(capsys, "matrix")
    assert (status, f"{tmp_path} cannot hold temporary files: this user may not write there" in err) == (3, True), err


@pytest.mark.parametrize("content", [b"PK\0\1", b"x" * 4_000_001])
def test_a_named_file_that_was_not_read_is_not_clean(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert cli.main(["audit", "docs", str(tmp_path / "a.png")]) == 3
    assert cli.main(["audit", "docs", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ('[[release]]\nversion = "2.5.2"\nto = ""\n', "line 3: key to: it is empty"),
        ('[[image]]\nsrc = " "\ndst = "a.example/b:1"\n', "line 2: key src: it is empty"),
    ],
)
def test_a_plan_with_nothing_for_a_value(
    plan: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.toml").write_text(plan)
    status, err = told(capsys, "registry", "copy", "--plan", str(tmp_path / "plan.toml"))
    assert (status, f"{tmp_path / 'plan.toml'}, {said}" in err) == (2, True), err


def folder_of_links(folder: Path) -> Path:
    """A folder with a link to a file, one to a folder, and one to nothing."""
    folder.mkdir()
    (folder.parent / "etl.yaml").write_text(APP)
    (folder.parent / "others").mkdir()
    for name, target in (("etl.yaml", "../etl.yaml"), ("others", "../others"), ("gone.yaml", "nowhere")):
        (folder / name).symlink_to(target)
    return folder


def test_advice_follows_links_as_a_run_does_and_names_those_that_lead_to_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of_links(tmp_path / "apps")
    cli.main(["advise", "--from", "2.2.1", "--to", "2.5.2", "--apps", str(folder), "--json"])
    told = capsys.readouterr().out
    assert "gone.yaml is left out: it is a link that leads nowhere" in told
    assert "others is left out: it is a link to a folder, and these are not followed" in told
    assert [it.name for it in files.in_folder(folder).found] == ["mine"]


@pytest.mark.parametrize("what", ["others", "gone.yaml"])
def test_manifests_that_cannot_be_applied_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str) -> None:
    folder = folder_of_links(tmp_path / "before")
    (tmp_path / "etl.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    for it in {"others", "gone.yaml"} - {what}:
        (folder / it).unlink()
    status, err = told(capsys, *RUN, "kind-1.34/install-2.5.2/spark-pi", "--before", str(folder))
    assert (status, f"{folder / what} is not applied: it is a link" in err) == (2, True), err
    (folder / what).unlink()
    (folder / "again.yaml").symlink_to("etl.yaml")
    assert [it.name for it in manifests.read(folder)] == ["x"]


def test_manifests_that_the_system_did_not_let_be_read_are_not_clean(
    tmp_path: Path, unlisted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of_links(tmp_path / "manifests")
    (tmp_path / "etl.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    words = ["audit", "images", "--source", "upstream", "--manifests", str(folder)]
    assert cli.main(words) == 0
    shown = capsys.readouterr().out
    assert "warning unreadable: gone.yaml: it is a link that leads nowhere" in shown
    assert "warning unreadable: others: it is a link to a folder" in shown
    (folder / unlisted).mkdir()
    assert cli.main(words) == 3
    assert f"{folder / unlisted}: not looked into: Permission denied" in capsys.readouterr().out


def test_a_snapshot_below_a_file_is_refused_before_a_cluster_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "below" / "site"
    status, err = told(capsys, "snapshot", "-o", str(target))
    assert (status, f"{target} cannot be a folder: {tmp_path / 'file'}: it is a file" in err) == (2, True), err


def test_an_image_cache_that_is_a_file_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    (tmp_path / "images").touch()
    status, err = told(capsys, "cache", "list")
    assert (status, f"the image cache {tmp_path / 'images'} is no folder: it is a file" in err) == (3, True), err
