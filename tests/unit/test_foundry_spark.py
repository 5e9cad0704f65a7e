# SPDX-License-Identifier: Apache-2.0
"""The catalogue of Spark images, and the entry point's contract with Spark on Kubernetes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from harness.errors import CatalogueError
from harness.foundry import spark
from harness.foundry.layers import Owner

SCRIPTS = sorted((spark.RECIPES / "spark").glob("*.sh"))
EXECUTOR = {
    "SPARK_DRIVER_URL": "spark://driver:7078",
    "SPARK_EXECUTOR_ID": "3",
    "SPARK_EXECUTOR_CORES": "2",
    "SPARK_EXECUTOR_MEMORY": "512m",
    "SPARK_APPLICATION_ID": "spark-1",
    "SPARK_EXECUTOR_POD_IP": "10.0.0.7",
    "SPARK_EXECUTOR_POD_NAME": "pi-exec-3",
    "SPARK_RESOURCE_PROFILE_ID": "0",
}


def run_entrypoint(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the entry point up to the point where it becomes the program, and print that program's words."""
    # bash finds a function before its own `exec`: the program itself, in an image, is not there in a test.
    script = f'exec() {{ printf "%s\\n" "$@"; }}; source "{spark.RECIPES / "spark" / "entrypoint.sh"}"'
    return subprocess.run(
        ["bash", "-c", script, "entrypoint.sh", *arguments],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def words(*arguments: str, **environment: str) -> list[str]:
    done = run_entrypoint(*arguments, **environment)
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()
    # As root, the program first gives up its user.
    for prefix in (["/usr/bin/tini", "-s", "--"], ["setpriv", "--reuid=spark", "--regid=spark", "--init-groups"]):
        if found[: len(prefix)] == prefix:
            found = found[len(prefix) :]
    return found


def test_every_row_can_be_pinned() -> None:
    for row in spark.catalogue().spark:
        assert re.fullmatch(r"[0-9a-f]{64}", row.sha256)
        assert re.fullmatch(r"\d+\.\d+\.\d+", row.version)
        assert row.scala == ("2.13" if row.version.startswith("4.") else "2.12")


def test_the_user_is_that_of_the_public_image() -> None:
    users = {user.name: user for user in spark.catalogue().base.user}
    assert Owner(uid=users["spark"].id, gid=users["spark"].id) == spark.OWNER == Owner(uid=185, gid=185)


def test_references_are_the_public_names() -> None:
    assert spark.reference("4.0.4") == "docker.io/apache/spark:4.0.4"


def test_an_unknown_version_names_the_known_ones() -> None:
    with pytest.raises(CatalogueError, match=r"1\.0\.0") as caught:
        spark.recipe("1.0.0")
    assert "4.0.4" in caught.value.next_step


def test_versions_share_their_lowest_layer_only() -> None:
    old, new = spark.parts("3.5.5"), spark.parts("4.0.4")
    assert old[0].key == new[0].key
    assert not {part.key for part in old[1:]} & {part.key for part in new[1:]}


def test_a_changed_script_makes_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = spark.recipe("4.0.4").key
    (tmp_path / "spark").mkdir()
    for file in (spark.RECIPES / "spark").iterdir():
        (tmp_path / "spark" / file.name).write_text(file.read_text() + "\n")
    monkeypatch.setattr(spark, "RECIPES", tmp_path)
    assert spark.recipe("4.0.4").key != before


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_valid_bash(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True, timeout=30)


def test_a_driver_is_spark_submit_in_client_mode() -> None:
    found = words("driver", "--class", "Main", "local:///app.jar", "a b", SPARK_DRIVER_BIND_ADDRESS="10.0.0.5")
    assert found == [
        "/opt/spark/bin/spark-submit",
        "--deploy-mode",
        "client",
        "--conf",
        "spark.driver.bindAddress=10.0.0.5",
        "--conf",
        "spark.executorEnv.SPARK_DRIVER_POD_IP=10.0.0.5",
        "--class",
        "Main",
        "local:///app.jar",
        "a b",
    ]


def test_an_executor_is_the_kubernetes_backend() -> None:
    found = words("executor", JAVA_HOME="/java", **EXECUTOR)
    assert found[:3] == ["/java/bin/java", "-Xms512m", "-Xmx512m"]
    main = found.index("org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend")
    options = dict(zip(found[main + 1 :: 2], found[main + 2 :: 2], strict=True))
    assert options == {
        "--driver-url": "spark://driver:7078",
        "--executor-id": "3",
        "--cores": "2",
        "--app-id": "spark-1",
        "--hostname": "10.0.0.7",
        "--podName": "pi-exec-3",
        "--resourceProfileId": "0",
    }


def test_java_options_keep_their_order_and_their_spaces() -> None:
    options = {f"SPARK_JAVA_OPT_{number}": f"-Dn={number} x" for number in range(12)}
    found = words("executor", **EXECUTOR, **options)
    assert found[1:13] == [f"-Dn={number} x" for number in range(12)]


def test_the_class_path_has_configuration_first_and_extras_last() -> None:
    found = words(
        "executor",
        **EXECUTOR,
        SPARK_CONF_DIR="/conf",
        HADOOP_CONF_DIR="/hadoop",
        SPARK_EXTRA_CLASSPATH="/extra.jar",
        SPARK_DIST_CLASSPATH="/dist/*",
    )
    assert found[found.index("-cp") + 1] == "/conf:/hadoop:/opt/spark/jars/*:/extra.jar:/dist/*"


def test_any_other_command_runs_as_it_is() -> None:
    assert words("bash", "-c", "echo a  b") == ["bash", "-c", "echo a  b"]


@pytest.mark.parametrize("variable", sorted(EXECUTOR))
def test_an_executor_without_a_variable_says_which(variable: str) -> None:
    environment = {name: value for name, value in EXECUTOR.items() if name != variable}
    done = run_entrypoint("executor", **environment)
    assert done.returncode != 0
    assert variable in done.stderr


def test_no_command_is_a_usage_error() -> None:
    done = run_entrypoint()
    assert done.returncode == 64
    assert "driver" in done.stderr
