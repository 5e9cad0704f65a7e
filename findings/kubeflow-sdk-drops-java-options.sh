#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: the Kubeflow SDK takes `java_options` and resources such as `nvidia.com/gpu` for the driver and the executors of
# a Spark session, documents both, and puts neither into what it sends. There is no error and no warning.
#
# Guess: what Driver and Executor declare arrives in the SparkConnect resource, in `javaOptions` or
#   `spark.executor.extraJavaOptions` and in `gpu` or the pod template; what cannot be expressed is refused.
# Hurt: who sets a JVM's stack or collector and who pays for GPU nodes: the session starts, without them.
#   `spark_conf` and the option PodTemplateOverride do arrive.
# Versions: kubeflow 0.5.0, kubeflow-spark-api 2.4.0, kubernetes 35.0.0; pyspark-client 4.2.0 only for what is imported.
# Source: kubeflow/spark/types/types.py documents the fields ("any valid Kubernetes resource name is supported");
#   kubeflow/spark/backends/kubernetes/utils.py reads "cpu" and "memory", and java_options nowhere.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    kubeflow==0.5.0 kubeflow-spark-api==2.4.0 kubernetes==35.0.0 pydantic==2.14.4
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check --no-deps pyspark-client==4.2.0

cat >"$work/show.py" <<'PYTHON'
import importlib.metadata
import json

from kubeflow.spark.backends.kubernetes.utils import build_spark_connect_cr
from kubeflow.spark.types.types import Driver, Executor

session = build_spark_connect_cr(
    name="notebook",
    namespace="default",
    spark_conf={"spark.sql.shuffle.partitions": "8"},
    driver=Driver(resources={"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"}, java_options="-XX:+UseZGC"),
    executor=Executor(
        num_instances=2,
        resources_per_executor={"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "1"},
        java_options="-Xss8m",
    ),
)
sent = session.to_dict()["spec"]
print("kubeflow", importlib.metadata.version("kubeflow"))
print("server:   ", json.dumps(sent["server"]))
print("executor: ", json.dumps(sent["executor"]))
print("sparkConf:", json.dumps(sorted(sent["sparkConf"])))
assert sent["server"] == {"cores": 2, "memory": "4g"}, sent["server"]
assert sent["executor"] == {"instances": 2, "cores": 4, "memory": "8g"}, sent["executor"]
assert sent["sparkConf"]["spark.sql.shuffle.partitions"] == "8"
text = json.dumps(sent)
assert not any(word in text for word in ("gpu", "UseZGC", "Xss8m", "JavaOptions", "javaOptions")), text
print("as described: processors and memory arrived, the GPUs and the JVM options did not")
PYTHON

"$work/venv/bin/python" "$work/show.py"
