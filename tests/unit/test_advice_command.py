# SPDX-License-Identifier: Apache-2.0
"""`harness advise`: its exit status, its JSON, and what it says about releases that it cannot judge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from advice_samples import CATALOGUE, CRASHED, GOOD, cells, report
from user_samples import PI, written

from harness import cli
from harness.commands.advise import latest_first
from harness.matrix import behaviour
from harness.report.writer import RESULTS
from harness.verdicts import passed

A, B = "20260801-100000-aaaa", "20260801-100000-bbbb"


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for reports, which settings name; the cache is empty, so that no chart is at hand."""
    folder = tmp_path / "reports"
    folder.mkdir()
    monkeypatch.setenv("HARNESS_REPORTS", str(folder))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return folder


def write(
    folder: Path, run_id: str, path: str, *, day: int = 1, broken: bool = False, changes: Sequence[str] = ()
) -> None:
    changed = {"operator-health": CRASHED} if broken else {}
    if changes:
        changed["admission"] = [*GOOD["admission"], passed("always-mutated", "all", changes=list(changes))]
    made = report(cells(path, changed), run_id=run_id, day=day).run
    (folder / run_id).mkdir()
    (folder / run_id / RESULTS).write_text(made.model_dump_json())


def test_reports_come_latest_first_and_what_is_none_is_left_out(
    reports: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(reports, B, "upgrade-2.4.0-2.5.2", day=1)
    write(reports, A, "upgrade-2.4.0-2.5.2", day=2)
    (reports / "latest").symlink_to(A)
    (reports / "c").mkdir()
    (reports / "c" / RESULTS).write_text("{")
    assert [it.run.run_id for it in latest_first(reports)] == [A, B]
    assert "c/results.json is skipped" in caplog.text


def test_what_it_says_of_a_value_has_the_file_and_the_line(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prod.yaml"
    file.write_text("platform:\n  operator:\n    webhook: {enable: true}\n    controller:\n      logLevel: warn\n")
    asked = ["advise", "--from", "2.4.0", "--to", "2.5.2", "--values", str(file), "--values-key", "platform.operator"]
    cli.main(asked)
    said = capsys.readouterr().out
    assert "controller.logLevel is warn, and may be debug" in said
    assert f"({file}, line 5)" in said


def test_it_answers_with_its_exit_status(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(reports, A, "upgrade-2.4.0-2.5.2")
    assert cli.main(["advise", "--from", "2.4.0", "--to", "2.5.2"]) == 0
    assert "advice: 2.4.0 → 2.5.2: safe\n" in capsys.readouterr().out
    write(reports, B, "upgrade-2.2.1-2.5.2+crds=apply", broken=True)
    assert cli.main(["advise", "--from", "2.2.1", "--to", "2.5.2"]) == 1
    assert cli.main(["advise", "--from", "2.3.0", "--to", "2.5.2"]) == 0
    assert "no run here upgraded from 2.3.0 to 2.5.2" in capsys.readouterr().out


def test_it_prints_json_with_what_it_says_of_values(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(reports, A, "upgrade-2.4.0-2.5.2")
    file = tmp_path / "mine.yaml"
    file.write_text("image: {tag: 2.4.0}\n")
    assert cli.main(["advise", "--from", "2.4.0", "--to", "2.5.2", "--json", "--values", str(file)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["answer"] == "safe with these steps"
    assert found["steps"][0]["text"] == "remove image.tag from the values"
    assert any("image.tag keeps the image at 2.4.0" in it["text"] for it in found["values"])
    assert all({"text", "origin", "where"} == it.keys() for it in found["expect"])


def test_what_applications_get_otherwise_is_told_once_with_and_without_results(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "applications without a sparkConf that do not set executor.instances get 1 from the webhook with 2.5.2"
    cli.main(["advise", "--from", "2.1.1", "--to", "2.5.2"])
    assert capsys.readouterr().out.count(said) == 1
    write(reports, "a", "upgrade-2.1.1-2.5.2", changes=behaviour.changes(*map(CATALOGUE.release, ("2.1.1", "2.5.2"))))
    cli.main(["advise", "--from", "2.1.1", "--to", "2.5.2"])
    assert capsys.readouterr().out.count(said) == 1
    cli.main(["advise", "--from", "2.2.1", "--to", "2.5.2"])
    assert "executor.instances" not in capsys.readouterr().out


def test_releases_from_before_the_rows_are_told_from_notes(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["advise", "--from", "1.2.15", "--to", "2.1.0"]) == 3
    shown = capsys.readouterr().out
    assert "x509" not in shown
    assert "issues/2482" in shown
    assert "charts/releases.toml has no row for 1.2.15" in shown


@pytest.mark.parametrize(
    ("origin", "target", "said"),
    [
        ("2.5.2", "2.5.2", "are both 2.5.2"),
        ("2.5.2", "2.4.0", "2.4.0 is older than 2.5.2"),
        ("2.4.0", "2.5.9", "no release named '2.5.9'"),
        ("newest", "2.5.2", "'newest' is not a release name"),
        ("v2.1.1", "2.5.2", "give 2.1.1: versions are written without a v"),
        ("2.1", "2.5.2", "give 2.1.1 or 2.1.0"),
        ("v1beta2-1.3.8-3.1.1", "2.5.2", "give the version of the chart, which `helm list` shows"),
        ("2.2.1@nowhere", "2.5.2", "no relocation to nowhere"),
        ("2.5.0-rc.0", "2.5.2", "give 2.5.0: most of what is known of it holds for 2.5.0-rc.0, too"),
        ("2.4.0", "2.6.0-rc.1", "nothing is known of 2.6.0-rc.1, which nobody has published"),
        ("2.4.0", "dev", "try it: `harness run --operator DIR`"),
        ("dev", "2.5.2", "nothing is known of dev"),
    ],
)
def test_what_is_no_upgrade_is_refused(
    reports: Path, capsys: pytest.CaptureFixture[str], origin: str, target: str, said: str
) -> None:
    assert cli.main(["advise", "--from", origin, "--to", target]) == 2
    assert said in capsys.readouterr().err


def test_help_explains_the_options_of_a_run_as_advice_takes_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["advise", "--help"])

    said = " ".join(capsys.readouterr().out.split())
    assert "which are compared with the CRDs" in said
    assert "the umbrella chart around it" in said
    assert "user-apps" not in said, "advice runs no scenario"
    assert "oci://" not in said, "advice reads a chart from files alone"


def test_what_of_the_applications_was_not_looked_at_is_told(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(tmp_path / "apps", fine=PI, typo=PI.replace("SparkApplication", "SparkAplication"))
    assert cli.main(["advise", "--from", "2.4.0", "--to", "2.5.2", "--apps", str(folder), "--json"]) == 0
    unknown = json.loads(capsys.readouterr().out)["unknown"]
    assert any(it.startswith("typo.yaml: not looked at: SparkAplication etl") for it in unknown)


def test_the_steps_have_the_name_of_the_release(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["advise", "--from", "2.4.0", "--to", "2.5.2", "--release-name", "my-spark", "--json"]) == 0
    steps = [it["text"] for it in json.loads(capsys.readouterr().out)["steps"]]
    assert any(it.startswith("helm upgrade my-spark ") for it in steps)
    assert any("app.kubernetes.io/instance=my-spark" in it for it in steps)


def test_a_condition_of_the_chart_above_is_no_unknown_key(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "umbrella.yaml").write_text("spark-operator: {enabled: true, webhook: {enable: true}}\n")
    given = ["--values", str(tmp_path / "umbrella.yaml"), "--values-key", "spark-operator"]
    assert cli.main(["advise", "--from", "2.4.0", "--to", "2.5.2", *given]) == 0
    assert "enabled is not in the chart" not in capsys.readouterr().out


def test_a_chart_of_a_registry_is_pulled_before(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["advise", "--from", "2.4.0", "--to", "2.5.2", "--chart", "oci://ghcr.io/a/b"]) == 2
    assert "`helm pull oci://ghcr.io/a/b --version VERSION`" in capsys.readouterr().err
