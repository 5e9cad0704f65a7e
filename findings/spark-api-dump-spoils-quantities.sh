#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: the pydantic models of the Spark operator's resources cannot be dumped by pydantic. `model_dump(by_alias=True)`
# turns each quantity ("10Gi") and each port name into an object of the generator's own, and `model_validate` refuses both.
#
# Guess: models that derive from pydantic's BaseModel are read and written as pydantic models are; what comes out of
#   `model_dump(by_alias=True, exclude_none=True)` is the manifest that went in.
# Hurt: whoever keeps such a model in a pydantic model of their own, returns it from FastAPI, or logs it: the manifest made
#   from that has `memory: {oneof_schema_1_validator: 1Gi, …}`. `from_dict` and `to_dict` read and write it rightly.
# Versions: kubeflow-spark-api 2.4.0 (the newest) with pydantic 2.14.4.
# Source: kubeflow_spark_api/models/io_k8s_apimachinery_pkg_api_resource_quantity.py, made by openapi-generator for `oneOf`.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check kubeflow-spark-api==2.4.0 pydantic==2.14.4

cat >"$work/show.py" <<'PYTHON'
import importlib.metadata
import json

import pydantic
from kubeflow_spark_api.models import SparkV1beta2SparkApplication

APPLICATION = {
    "apiVersion": "sparkoperator.k8s.io/v1beta2",
    "kind": "SparkApplication",
    "metadata": {"name": "etl"},
    "spec": {
        "type": "Python",
        "sparkVersion": "4.0.4",
        "mainApplicationFile": "local:///opt/spark/app/etl.py",
        "driver": {"cores": 1, "memory": "1g"},
        "executor": {"instances": 2, "memory": "1g"},
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "10Gi"}}],
    },
}


def size_limit(manifest):
    return manifest["spec"]["volumes"][0]["emptyDir"]["sizeLimit"]


application = SparkV1beta2SparkApplication.from_dict(APPLICATION)
generated = size_limit(application.to_dict())
dumped = size_limit(application.model_dump(by_alias=True, exclude_none=True))
dumped_as_json = size_limit(json.loads(application.model_dump_json(by_alias=True, exclude_none=True)))
try:
    SparkV1beta2SparkApplication.model_validate(APPLICATION)
    validated = "accepted it"
except pydantic.ValidationError as error:
    validated = f"refused it: {error.errors()[0]['msg']}"

print("kubeflow-spark-api", importlib.metadata.version("kubeflow-spark-api"), "pydantic", pydantic.VERSION)
print("sizeLimit given:              10Gi")
print("from_dict, to_dict:          ", generated)
print("from_dict, model_dump:       ", dumped)
print("from_dict, model_dump_json:  ", dumped_as_json)
print("model_validate:              ", validated)
assert isinstance(application, pydantic.BaseModel)
assert generated == "10Gi"
assert isinstance(dumped, dict) and dumped["actual_instance"] == "10Gi", dumped
assert isinstance(dumped_as_json, dict), dumped_as_json
assert validated.startswith("refused"), validated
print("as described: only the generator's own methods keep the quantity")
PYTHON

"$work/venv/bin/python" "$work/show.py"
