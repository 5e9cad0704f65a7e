#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: for Airflow's SparkSubmitHook, and so SparkSubmitOperator, the last "exit code:" in the log of spark-submit is the
# application's. With a sidecar `vector` in the driver's pod, a driver that failed with 1 is a task that succeeded; with `istio-proxy`
# it is not. Without such a line, as with log level WARN, each task fails, and so does a program in client mode that prints nothing.
#
# Guess: the exit code is that of the container spark-kubernetes-driver, or the phase decides, which is in the same log ("phase:
#   Failed"); an application of which the log says nothing is as good as spark-submit's own exit code, as on YARN.
# Hurt: pipelines of Airflow with spark-submit on Kubernetes, where each driver gets a container for logs, secrets or metrics beside
#   it that ends with 0 when the driver is gone: tasks are green, no retry and no alert comes, and the next task reads yesterday's
#   data. The kubelet lists containers by name, so a sidecar counts if its name is after "spark-kubernetes-driver" in the alphabet.
#   A sidecar that is an init container with restartPolicy Always is not among them. Who lowers the log level to get shorter logs has
#   red tasks for jobs that ran well. Way out: track_driver_via_k8s_api=True, which goes by the pod's phase.
# Versions: apache-airflow-providers-apache-spark 6.3.4 (the newest), apache-airflow-providers-cncf-kubernetes 10.25.0, apache-airflow
#   3.3.2. In the place of spark-submit is a script that prints the lines of Spark's and ends with 0, as Spark's does.
# Source: airflow/providers/apache/spark/hooks/spark_submit.py, _process_spark_submit_log and submit; apache/spark,
#   KubernetesUtils.scala, containersDescription; kubernetes/kubernetes, SortedContainerStatuses.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check uv==0.13.9
"$work/venv/bin/uv" pip install --quiet --no-cache --python "$work/venv/bin/python" \
    apache-airflow-providers-cncf-kubernetes==10.25.0 apache-airflow==3.3.2
"$work/venv/bin/uv" pip install --quiet --no-cache --no-deps --python "$work/venv/bin/python" \
    apache-airflow-providers-apache-spark==6.3.4 # without PySpark, which it does not import

mkdir "$work/bin"
cat >"$work/bin/spark-submit" <<'BASH'
#!/usr/bin/env bash
cat "$SPARK_SUBMIT_PRINTS"
BASH
chmod +x "$work/bin/spark-submit"

cat >"$work/show.py" <<'PYTHON'
import importlib.metadata
import json
import logging
import os
import sys
from pathlib import Path

work = Path(sys.argv[1])
log = work / "log"
os.environ |= {
    "AIRFLOW_HOME": str(work / "airflow"),
    "PATH": f"{work / 'bin'}:{os.environ['PATH']}",
    "SPARK_SUBMIT_PRINTS": str(log),
}

from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook  # noqa: E402

logging.disable(logging.CRITICAL)
DRIVER = "spark-kubernetes-driver"


def printed(**codes):
    """The end of spark-submit's log for a pod whose containers ended with these codes: as Spark prints them."""
    phase = "Failed" if any(codes.values()) else "Succeeded"
    lines = [f"26/12/01 10:00:01 INFO LoggingPodStatusWatcherImpl: Application status for spark-1 (phase: {phase})"]
    lines += ["26/12/01 10:00:01 INFO LoggingPodStatusWatcherImpl: Container final statuses:", "", ""]
    for name, code in sorted(codes.items()):
        lines += [f"\t container name: {name}", "\t container image: team/spark:4.3.0", "\t container state: terminated"]
        lines += ["\t container started at: 2026-12-01T10:00:00Z", "\t container finished at: 2026-12-01T10:00:01Z"]
        lines += [f"\t exit code: {code}", f"\t termination reason: {'Error' if code else 'Completed'}", "", ""]
    lines.append("26/12/01 10:00:01 INFO LoggingPodStatusWatcherImpl: Application etl with application ID spark-1 finished")
    return "".join(f"{line}\n" for line in lines)


def task(title, text, mode="cluster"):
    """Whether a task with this output of spark-submit, which ends with 0, succeeds."""
    log.write_text(text)
    extra = {"deploy-mode": mode, "namespace": "default"}
    connection = {"conn_type": "spark", "host": "k8s://https://127.0.0.1", "port": 6443, "extra": json.dumps(extra)}
    os.environ["AIRFLOW_CONN_SPARK_DEFAULT"] = json.dumps(connection)
    hook = SparkSubmitHook(conn_id="spark_default", name="etl")
    hook._log = logging.getLogger("quiet")  # it logs each line that it reads
    assert hook._connection["deploy_mode"] == mode, hook._connection
    try:
        hook.submit("local:///opt/etl.py")
    except Exception as error:
        assert type(error).__name__ == "AirflowException" and "Error code is: 0" in str(error), error
        end = "failed: " + str(error).partition("Error code is: 0. ")[2].splitlines()[0]
    else:
        end = "succeeded"
    print(f"{title}: {end}")
    return end


packages = ("apache-airflow-providers-apache-spark", "apache-airflow")
print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages))
print("on Kubernetes, in cluster mode")
assert task("  the driver ended with 0", printed(**{DRIVER: 0})) == "succeeded"
assert task("  the driver ended with 1", printed(**{DRIVER: 1})).endswith("exit code is: 1")
assert task("  the driver with 1, istio-proxy with 0", printed(**{DRIVER: 1, "istio-proxy": 0})).endswith("exit code is: 1")
assert task("  the driver with 1, vector with 0", printed(**{DRIVER: 1, "vector": 0})) == "succeeded"
assert task("  the driver with 0, log level WARN", "").endswith("exit code is: None")
print("in client mode")
assert task("  the program prints a line", "26/12/01 10:00:01 WARN Etl: done\n", "client") == "succeeded"
assert task("  the program prints nothing", "", "client").endswith("exit code is: None")
print("as described: the last exit code in the log decides, whose ever it is, and none is a failure")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
