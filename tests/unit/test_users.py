# SPDX-License-Identifier: Apache-2.0
"""A user's own applications, made ready for a namespace."""

from __future__ import annotations

from pathlib import Path

from user_samples import CONFIG_MAP, CONNECT, PI, SCHEDULE, apps_of

from harness.apps import users
from harness.stories.user_apps import story

SPARK = "docker.io/apache/spark:4.0.4"


def test_their_scenario_has_their_images_and_crds(tmp_path: Path) -> None:
    conf = PI.replace("  mode: cluster\n", "  sparkConf: {spark.kubernetes.executor.container.image: me/x:1}\n")

    alone = story.scenario(apps_of(tmp_path / "one", etl=conf))
    assert alone.images == ("docker.io/me/x:1", SPARK)
    assert alone.needs_crds == ("sparkapplications.sparkoperator.k8s.io",)
    both = story.scenario(apps_of(tmp_path / "two", etl=PI, connect=CONNECT))
    assert both.images == (SPARK,)
    assert "sparkconnects.sparkoperator.k8s.io" in both.needs_crds
    assert set(both.needs.paths) == {"install", "upgrade", "rollback"}


def test_an_application_is_made_ready_for_its_namespace(tmp_path: Path) -> None:
    found = apps_of(tmp_path, etl=PI, more=CONFIG_MAP)

    made, left_out = users.ready(found[0], "user-apps", "spark-jobs", "etl-after")

    assert made["metadata"] == {"name": "etl-after", "namespace": "user-apps"}
    assert "status" not in made
    assert made["spec"]["driver"] == {"cores": 1, "serviceAccount": "spark-jobs", "coreRequest": "20m"}
    assert made["spec"]["executor"] == {"instances": 1, "coreRequest": "20m"}
    assert left_out == []
    settings = users.helper(found[1], "user-apps")
    assert (settings["kind"], settings["metadata"]["namespace"]) == ("ConfigMap", "user-apps")
    assert found[0].document["spec"]["driver"]["serviceAccount"] == "production", "the user's own stays as it is"


def test_a_secret_comes_along_and_what_it_holds_is_known(tmp_path: Path) -> None:
    data = "stringData: {a: hunter22}\ndata: {b: czNjcmV0IQ==, c: '%'}\n"
    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: it}}\n{data}"
    found = apps_of(tmp_path, etl=f"{PI}---\n{secret}")
    assert [it.name for it in users.applications(found)] == ["etl"]
    assert users.secret_values(found) == ["hunter22", "czNjcmV0IQ==", "s3cret!"]


def test_names_that_are_used_twice_are_told_apart_by_their_files(tmp_path: Path) -> None:
    found = apps_of(tmp_path, a=PI, b=PI, c=SCHEDULE)
    assert [it.label for it in found] == ["etl (a.yaml:1)", "etl (b.yaml:1)", "nightly"]


def test_a_copy_has_a_name_that_can_be_a_label() -> None:
    assert users.name_after("etl") == "etl-after"
    assert len(users.name_after("a" * 63)) == 63
    runs = {users.name_after(f"{'a-long-task-' * 5}{it}") for it in ("x1", "x2")}
    assert len(runs) == 2, "names of the runs of a task differ at their ends alone"
