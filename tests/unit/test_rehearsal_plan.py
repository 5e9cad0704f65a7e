# SPDX-License-Identifier: Apache-2.0
"""`harness rehearse --plan`: what a snapshot becomes, what is said of it, and which folders are refused.

The site is a served one (site_samples); the snapshot, the plan and what a run makes of the plan are real.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from rehearsal_samples import app, schedule, snapshot, two_hundred, written

from harness import cli, options
from harness.rehearsal import choice, stand_in
from harness.rehearsal.folder import README
from harness.run import setup
from harness.sites import folder as sites

pytestmark = pytest.mark.usefixtures("own_folders")


def planned(site: Path, *words: str) -> tuple[int, Path]:
    command = ["rehearse", "--site", str(site), "--to", "2.5.2", "--source", "foundry", "--plan", *words]
    return cli.main(command), site.with_name(f"{site.name}-rehearsal")


def test_values_release_and_surroundings_are_those_of_the_site(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, made = planned(snapshot(tmp_path, [app("etl")]))
    assert status == 0
    values = yaml.safe_load((made / "values.yaml").read_text())
    assert values["spark"] == {"jobNamespaces": ["etl", "gone"]}
    assert values["controller"]["replicas"] == 2
    assert values["image"] == {"pullSecrets": [{"name": "hub"}]}
    before = [
        (it["kind"], it["metadata"].get("namespace", ""), it["metadata"]["name"]) for it in written(made / "before")
    ]
    for kind in ("ResourceQuota", "NetworkPolicy", "Secret"):
        assert (kind, "etl", {"ResourceQuota": "q", "NetworkPolicy": "deny", "Secret": "hub"}[kind]) in before
    (batch,) = [it for it in written(made / "before") if it["kind"] == "PriorityClass"]
    assert (batch["metadata"]["name"], batch["value"], batch["preemptionPolicy"]) == ("batch", 7, "Never")
    assert batch["globalDefault"] is True
    (etl,) = [it for it in written(made / "before") if it["kind"] == "Namespace" and it["metadata"]["name"] == "etl"]
    assert etl["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    said = capsys.readouterr().out
    assert "only the plain move keeps image.registry" in said
    assert "the value controller.env.0.value is not in the snapshot" in said
    assert "empty ones stand in for what the snapshot does not have: Secret etl/hub, Secret spark/hub" in said


def test_a_run_takes_the_plan_as_it_was_written(tmp_path: Path) -> None:
    _, made = planned(snapshot(tmp_path, [app("etl"), app("other", namespace="ml")], schedule("nightly")))
    (line,) = [it for it in (made / README).read_text().splitlines() if it.startswith("harness run ")]
    asked = setup.request(options.read(cli._parser().parse_args(line.split()[1:])))
    assert (asked.home.name, asked.home.namespace) == ("my-op", "spark")
    assert {it.path.name for it in asked.cells} == {
        "upgrade-2.2.1@docker.io-2.5.2+crds=none+values=pinned-registry",
        "upgrade-2.2.1@docker.io-2.5.2+crds=apply",
        "rollback-2.5.2-2.2.1@docker.io+crds=apply",
    }
    assert {it.environment.name for it in asked.cells} == {"kind-1.34"}
    (cell, *_) = [it for it in asked.cells if it.scenario.name == "user-apps"]
    assert set(cell.scenario.further_namespaces) == {"etl", "ml"}
    assert {(it.kind, it.name) for it in asked.given.apps} >= {
        ("SparkApplication", "etl"),
        ("ScheduledSparkApplication", "nightly"),
        ("Secret", "db"),
    }


def test_of_two_hundred_the_same_mix_is_chosen_every_time(tmp_path: Path) -> None:
    site = snapshot(tmp_path, two_hundred(), schedule("nightly"))
    _, made = planned(site, "--applications", "10")
    first = written(made / "apps")
    planned(site, "--applications", "10")
    assert written(made / "apps") == first
    kinds = Counter(it["kind"] for it in first if it["apiVersion"].startswith("sparkoperator"))
    assert kinds == {"SparkApplication": 9, "ScheduledSparkApplication": 1}
    documents = [it for kind in ("SparkApplication", "ScheduledSparkApplication") for it in sites.stored(site, kind)]
    chosen = choice.chosen(documents, 10)
    assert Counter(map(choice.state_of, chosen)) == {"COMPLETED": 5, "RUNNING": 2, "FAILED": 2, "Scheduled": 1}
    assert choice.chosen(list(reversed(documents)), 10) == chosen
    assert len({it["metadata"]["namespace"] for it in chosen}) >= 4
    assert len(choice.chosen(documents, 500)) == 201


@pytest.mark.parametrize(
    ("processors", "memory", "count"), [(2, 16_000, 6), (2, 7_000, 2), (8, 64_000, 24), (16, 16_000, 10), (1, 2_000, 2)]
)
def test_how_many_fit_the_machine(processors: float, memory: int, count: int) -> None:
    assert choice.fitting(processors, memory) == count


def test_what_cannot_be_had_is_played_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own: dict[str, Any] = {
        "image": "registry.corp/etl:7",
        "sparkVersion": "3.4.1",
        "volumes": [{"name": "d", "hostPath": {"path": "/d"}}],
    }
    apps = [app("ran", "RUNNING", **own), app("broke", "FAILED", **own), app("short"), app("long")]
    for it, ended in zip(apps[2:], ("06:00:25", "08:00:00"), strict=True):
        times = {"lastSubmissionAttemptTime": "2026-11-30T06:00:00Z", "terminationTime": f"2026-11-30T{ended}Z"}
        it["status"].update(times)
    site = snapshot(tmp_path, apps, schedule("nightly", "5 4 * * *"))
    _, made = planned(site)
    found = {it["metadata"]["name"]: it for it in written(made / "apps")}
    said = capsys.readouterr().out
    assert found["ran"]["spec"]["image"] == "docker.io/apache/spark:3.5.5"
    assert "the image registry.corp/etl:7 is played by docker.io/apache/spark:3.5.5: etl/broke, etl/ran" in said
    assert "volumes of hostPath are empty ones: etl/broke, etl/ran" in said
    assert "etl/nightly" in said.split("the main file local:///app.py is played")[1]
    assert found["ran"]["spec"]["arguments"] == ["150", "0"]
    assert found["broke"]["spec"]["arguments"] == ["10", "1"]
    assert [found[it]["spec"]["arguments"] for it in ("short", "long")] == [["25", "0"], ["60", "0"]]
    assert found["broke"]["metadata"]["annotations"]["spark-operator-harness/ends"] == "FAILED"
    assert found["nightly"]["spec"]["schedule"] == "5 4 * * *"
    assert found["nightly"]["spec"]["concurrencyPolicy"] == "Forbid"
    assert found["db"]["stringData"] == {"password": ""}
    assert found["ran"]["spec"]["sparkConf"]["spark.hadoop.fs.s3a.secret.key"] == "***"
    assert "empty ones stand in for what applications name: Secret etl/db" in said
    assert "***" not in str(found["ran"]["metadata"])


def test_what_is_here_runs_as_it_is(tmp_path: Path) -> None:
    main = "local:///opt/spark/examples/src/main/python/pi.py"
    site = snapshot(tmp_path, [app("pi", mainApplicationFile=main, arguments=["10"], executor={"instances": 4})])
    _, made = planned(site)
    (pi,) = [it for it in written(made / "apps") if it["kind"] == "SparkApplication"]
    assert (pi["spec"]["mainApplicationFile"], pi["spec"]["arguments"]) == (main, ["10"])
    assert pi["spec"]["executor"]["instances"] == 1


def test_an_application_in_the_operators_namespace_goes_to_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, made = planned(snapshot(tmp_path, [app("inside", namespace="spark")]))
    (inside,) = [it for it in written(made / "apps") if it["kind"] == "SparkApplication"]
    assert "spark-operator-harness/namespace" not in inside["metadata"]["annotations"]
    assert "in the namespace user-apps, since the run uses their own otherwise: spark/inside" in capsys.readouterr().out


def test_without_applications_the_rest_is_rehearsed(tmp_path: Path) -> None:
    status, made = planned(snapshot(tmp_path, [app("etl")]), "--applications", "0")
    assert status == 0
    assert not (made / "apps").exists()
    assert "user-apps" not in (made / README).read_text()


@pytest.mark.parametrize(
    ("version", "env", "said"),
    [
        ("v1.34.9", "kind-1.34", ""),
        ("v1.29.3-eks-1", "kind-1.34", "Kubernetes 1.34.4 in the place of v1.29.3-eks-1"),
        ("v1.35.1+k3s1", "k3d-1.35", ""),
    ],
)
def test_the_nearest_cluster_is_taken_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str, env: str, said: str
) -> None:
    site = snapshot(tmp_path, [app("etl")], single={"/version": {"gitVersion": version}})
    _, made = planned(site)
    assert f" --env {env} " in (made / README).read_text()
    assert said in capsys.readouterr().out


def edited(site: Path, old: str, new: str) -> Path:
    text = (site / sites.SITE).read_text()
    assert old in text
    (site / sites.SITE).write_text(text.replace(old, new))
    return site


def test_a_release_that_cannot_be_had_is_said_with_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = edited(snapshot(tmp_path, [app("etl")]), "2.2.1", "2.1.1")
    assert planned(site)[0] == 3
    said = capsys.readouterr().err
    assert "2.1.1 cannot be rehearsed" in said
    assert "give --from 2.2.1@docker.io" in said
    assert planned(site, "--from", "2.2.1@docker.io")[0] == 0
    assert "2.2.1@docker.io in the place of 2.1.1, which the site has" in capsys.readouterr().out


def test_a_release_to_move_to_that_there_is_not_is_a_wrong_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = snapshot(tmp_path, [app("etl")])
    assert cli.main(["rehearse", "--site", str(site), "--to", "9.9.9", "--plan"]) == 2
    said = capsys.readouterr().err
    assert "there is no release named '9.9.9'" in said
    assert "--from" not in said
    assert cli.main(["rehearse", "--site", str(site), "--to", "2.1.1", "--source", "foundry", "--plan"]) == 3
    assert "give --to 2.2.1@docker.io" in capsys.readouterr().err


def test_a_release_that_is_not_newer_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert planned(snapshot(tmp_path, [app("etl")]), "--from", "2.5.2")[0] == 2
    assert "--to 2.5.2 is not newer than 2.5.2" in capsys.readouterr().err


def test_bad_folders_are_refused_with_one_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert planned(tmp_path / "nothing")[0] == 2
    assert "does not exist" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    assert planned(tmp_path / "other")[0] == 2
    assert "is not a snapshot" in capsys.readouterr().err
    site = edited(snapshot(tmp_path, [app("etl")]), "schema_version: 1", "schema_version: 9")
    assert planned(site)[0] == 2
    assert "is a snapshot of version 9" in capsys.readouterr().err


def test_an_application_that_its_own_crd_refuses_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = snapshot(tmp_path, [app("fine"), app("wrong", driver={"cores": "many"})])
    assert planned(site)[0] == 2
    said = capsys.readouterr().err
    assert "etl/wrong does not fit the CRD of its own cluster: spec.driver.cores: it is a string" in said
    assert len(said.splitlines()) == 2


def test_another_folder_is_never_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = snapshot(tmp_path, [app("etl")])
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter").write_text("dear")
    assert planned(site, "-o", str(mine))[0] == 2
    assert "is not a rehearsal" in capsys.readouterr().err
    assert (mine / "letter").read_text() == "dear"
    made = tmp_path / "made"
    assert planned(site, "-o", str(made))[0] == 0
    (made / "letter").write_text("dear")
    assert planned(site, "-o", str(made))[0] == 2
    assert "or has more in it" in capsys.readouterr().err


def test_the_program_that_plays_runs_for_as_long_and_ends_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert stand_in.main(150, 0, "etl-driver") == 0
    assert stand_in.main(150, 1, "etl-after-driver") == 1
    assert slept == [150, 5.0]
    done = subprocess.run([sys.executable, stand_in.__file__, "0", "1"], check=False, timeout=60)
    assert done.returncode == 1
